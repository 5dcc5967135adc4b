from __future__ import annotations

import importlib.util
import random
from pathlib import Path

import pytest

from liangji.governance.personal_information.check_digits import is_resident_identity_number, passes_luhn
from liangji.governance.personal_information.detection import find
from liangji.governance.personal_information.kinds import KINDS
from liangji.governance.personal_information.masking import canonical, masked, pseudonym

_SPEC = importlib.util.spec_from_file_location("written", Path(__file__).with_name("written.py"))
assert _SPEC
assert _SPEC.loader
written = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(written)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("13812345678", "mobile_phone", "138****5678"),
        ("008613812345678", "mobile_phone", "0086138****5678"),
        ("021-39805829", "landline", "021-3*****29"),
        ("98.59.109.20", "ip_address", "98.59.***.**"),
        ("张伟", "person_name", "张*"),
        ("ghp_secret", "github_token", "**********"),
        ("39.9042, 116.4074", "coordinates", "**.****, ***.****"),
    ],
)
def test_customary_characters_stay(value: str, kind: str, expected: str) -> None:
    assert masked(value, kind) == expected


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_masked_value_keeps_its_length(kind: str) -> None:
    for value in ("", "1", "a@b", "@", "１３８ 00", "😀x1", "1.2.3", "+86"):
        assert len(masked(value, kind)) == len(value)


@pytest.mark.parametrize("kind", sorted(written.MAKERS))
def test_a_pseudonym_is_the_same_however_the_value_is_written(kind: str) -> None:
    source = random.Random(kind)
    make, _ = written.MAKERS[kind]
    for _ in range(20):
        value = make(source)
        same = {pseudonym(written.variants(source, kind, value), kind, b"key") for _ in range(10)}
        if kind != "landline":  # +86-21 and 021 are two canonical forms
            assert len(same) == 1, (value, {canonical(written.variants(source, kind, value), kind) for _ in range(10)})
        assert pseudonym(value, kind, b"another key") not in same


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("label", ["", "电话：", "身份证号：", "账户", "IP ", "车牌", "护照号", "MAC ", "name: "])
def test_a_pseudonym_is_not_taken_for_a_real_value(kind: str, label: str) -> None:
    for value in ("13812345678", "a@b.example"):
        assert find(f"{label}{pseudonym(value, kind, b'key')}。") == []


def test_pseudonyms_keep_the_form_of_their_kind() -> None:
    assert is_resident_identity_number("11" + pseudonym("x", "resident_identity_number", b"k")[2:]) is False
    assert len(pseudonym("x", "resident_identity_number", b"k")) == 18
    assert passes_luhn(pseudonym("6222021001116245702", "bank_card", b"k"))
    assert pseudonym("13812345678", "mobile_phone", b"k").startswith("12")
