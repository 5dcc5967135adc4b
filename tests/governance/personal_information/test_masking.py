from __future__ import annotations

import importlib.util
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liangji.governance.personal_information.check_digits import is_resident_identity_number, passes_luhn
from liangji.governance.personal_information.detection import find, find_in
from liangji.governance.personal_information.kinds import KINDS, WITH_FORMAT
from liangji.governance.personal_information.masking import Style, canonical, masked, pseudonym, replace_in, replacement
from liangji.kernels.buffers import text_buffers
from liangji.kernels.candidates import candidate_windows
from liangji.kernels.surroundings import surroundings

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


FILLERS = (
    "设备运行正常，维修人员按照操作规程完成了例行检查。" * 40,
    "the crew finished its usual checks and left nothing behind, as ever. " * 30,
    "AB-c1/" * 150,  # nowhere calm
    "1 2.3 " * 60,
    "-" * 700,
    " ",
)
VALUES = (
    "电话13800138000 １３８　００１３　８０００ a@b.example ab.c'd@e.example.com 11010519491231002X 6222021001116245702 京A12345 8.8.144.200 +86 138 一三八零零一三八零零零 "
    "密码:aB3$dE6! password= 001a.2b3c.4d5e fe80::1ff:fe23:4567:890a aB3dE6fG7hI8jK9lM0nP 😀 \u200b https://u:p4ss@h.com -----BEGIN - @ : . 1380013 0.12 Bearer 联系人：张三 号楼"
)
long_texts = st.lists(st.sampled_from((*VALUES.split(" "), *FILLERS)) | st.text(alphabet="ab1 中，", max_size=4), max_size=14).map(
    "".join
)
STYLES: tuple[Style, ...] = ("mask", "label", "remove", "pseudonym")


@settings(max_examples=300, deadline=None)
@given(st.lists(long_texts | st.none(), min_size=1, max_size=4), st.sampled_from(STYLES), st.booleans())
def test_what_the_look_around_the_replaced_does_not_name_holds_nothing_more(
    column: list[str | None], style: Style, with_names: bool
) -> None:
    wanted = frozenset(KINDS) if with_names else WITH_FORMAT
    replaced = replace_in(pa.array(column, pa.string()), wanted, "high", style, b"key")
    found = find_in(pa.array(column, pa.string()), wanted)
    if replaced is None:
        assert not any(found)
        return
    assert replaced.counts.tolist() == [len(row) for row in found]
    again = find_in(replaced.texts, wanted)
    assert {row for row, findings in enumerate(again) if findings} <= set(replaced.laid_bare.tolist())


@settings(max_examples=150, deadline=None)
@given(st.lists(long_texts | st.none(), max_size=4), st.sampled_from(STYLES), st.integers(0, 3))
def test_texts_are_spliced_at_their_findings(column: list[str | None], style: Style, cut: int) -> None:
    texts = pa.array(column, pa.large_string())[cut:]
    replaced = replace_in(texts, WITH_FORMAT, "high", style, b"key")
    expected = []
    for text, findings in zip(texts.to_pylist(), find_in(texts, WITH_FORMAT), strict=True):
        spliced = text
        for finding in reversed(findings):
            value = replacement(text[finding.start : finding.end], finding.kind, style, b"key")
            spliced = spliced[: finding.start] + value + spliced[finding.end :]
        expected.append(spliced)
    assert (texts if replaced is None else replaced.texts).to_pylist() == expected


def test_far_from_what_was_replaced_nothing_is_looked_at_again() -> None:
    text = FILLERS[0] * 3 + "电话13800138000，" + FILLERS[1] * 3
    buffers = text_buffers(pa.array([text]))
    windows = candidate_windows(buffers, with_names=False)
    around = surroundings(buffers, windows, np.ones(1, np.bool_), with_names=False)
    assert 0 < around.start[0] < windows.start[0] < windows.end[0] < around.end[0] < len(text.encode())
    assert around.end[0] - around.start[0] < 2000
