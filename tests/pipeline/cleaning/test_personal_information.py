from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from liangji.governance.personal_information.detection import find
from liangji.governance.personal_information.kinds import WITH_FORMAT
from liangji.pipeline.cleaning.personal_information import MaskPersonalInformation

PIECES = ("电话", "13800138000", "１３８　００１３　８０００", "😀", "\u200b", " ", "，", "11010519491231002X", "a@b.example", "京A12345", "-", "6222021001116245702", "密码:aB3$dE6!", "8.8.144.200", "+86", "一三八零零一三八零零零")  # fmt: skip
texts = st.lists(st.sampled_from(PIECES) | st.text(alphabet="ab1 中，", max_size=4), max_size=10).map("".join)
styles = st.sampled_from(["mask", "label", "remove", "pseudonym"])


def _masked(column: list[str | None], style: Literal["mask", "label", "remove", "pseudonym"] = "mask") -> pa.RecordBatch:
    operator = MaskPersonalInformation(style=style, key=SecretStr("key"))
    return operator(pa.RecordBatch.from_pydict({"text": pa.array(column, pa.large_string())}))


@settings(max_examples=150, deadline=None)
@given(texts, styles)
def test_nothing_is_found_again_after_masking(text: str, style: Literal["mask", "label", "remove", "pseudonym"]) -> None:
    after = _masked([text], style)["text"][0].as_py()
    assert find(after, WITH_FORMAT) == []


@settings(max_examples=150, deadline=None)
@given(texts)
def test_a_mask_keeps_the_length_and_all_that_is_no_finding(text: str) -> None:
    batch = _masked([text])
    after, count = batch["text"][0].as_py(), batch["personal_information_masked"][0].as_py()
    assert len(after) == len(text)
    assert all(now in (before, "*") for before, now in zip(text, after, strict=True))
    assert (after == text) == (count == 0)
    found = find(text, WITH_FORMAT)
    outside = [place for place in range(len(text)) if not any(f.start <= place < f.end for f in found)]
    if count == len(found):
        assert all(after[place] == text[place] for place in outside)


@settings(max_examples=50, deadline=None)
@given(st.lists(texts | st.none(), max_size=5), st.integers(0, 5))
def test_a_batch_may_be_cut_anywhere(column: list[str | None], cut: int) -> None:
    whole = _masked(column)
    parts = [_masked(column[:cut]), _masked(column[cut:])]
    assert pa.Table.from_batches(parts).to_pylist() == whole.to_pylist()


def test_nothing_is_found_again_in_real_forms(shared_data: Path) -> None:
    with gzip.open(shared_data / "pii_safety/pii_zh_made.jsonl.gz", "rt", encoding="utf-8") as lines:
        column: list[str | None] = [json.loads(line)["text"] for line in lines]
    chosen: tuple[Literal["mask", "pseudonym"], ...] = ("mask", "pseudonym")
    for style in chosen:
        after = _masked(column, style)["text"].to_pylist()
        assert [find(text, WITH_FORMAT) for text in after] == [[]] * len(after)


def test_the_same_value_has_the_same_pseudonym_everywhere() -> None:
    first, second, other = _masked(["13812345678", "请拨 +86 138-1234-5678", "13912345678"], "pseudonym")["text"].to_pylist()
    assert second == f"请拨 {first}"
    assert first != other


def test_only_the_kinds_that_are_asked_for_are_replaced() -> None:
    operator = MaskPersonalInformation(kinds=["email", "person_name"], style="label")
    batch = operator(pa.RecordBatch.from_pydict({"text": ["联系人：张伟 13812345678 a@b.example"]}))
    assert batch["text"].to_pylist() == ["联系人：[person_name] 13812345678 [email]"]


def test_pseudonyms_need_a_key_and_it_is_never_printed() -> None:
    with pytest.raises(ValidationError, match="needs a `key`"):
        MaskPersonalInformation(style="pseudonym")
    assert "hunter" not in repr(MaskPersonalInformation(style="pseudonym", key=SecretStr("hunter")))


def test_an_unknown_kind_suggests_the_nearest() -> None:
    with pytest.raises(ValidationError, match="did you mean 'mobile_phone'"):
        MaskPersonalInformation(kinds=["mobile_fone"])


def test_the_fingerprint_tells_keys_apart_and_holds_none() -> None:
    first, second = (MaskPersonalInformation(style="pseudonym", key=SecretStr(key)).fingerprint() for key in ("hunter1", "hunter2"))
    assert first is not None
    assert first != second
    assert "hunter" not in first
    assert MaskPersonalInformation(key=SecretStr("hunter1")).fingerprint() is None  # asterisks do not depend on it
