"""Splitting: nothing is lost, no piece is too long, and every piece knows its parent."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from liangji.pipeline.cleaning.splitting import SplitText

PIECES = st.sampled_from([*"汉a bc。！\n. ”", "没有句号的一长串汉字一直写下去", "anUnbrokenRunOfLettersWithoutSpace"])
TEXTS = st.lists(PIECES, max_size=60).map("".join)


def split(*texts: str | None, **options: Any) -> list[dict[str, Any]]:
    rows = len(texts)
    batch = pa.record_batch(
        {
            "id": [f"id-{row}" for row in range(rows)],
            "parents": pa.array([[]] * rows, pa.list_(pa.string())),
            "text": pa.array(texts, pa.large_string()),
            "license": [f"licence-{row}" for row in range(rows)],
        }
    )
    children: list[dict[str, Any]] = SplitText(**options)(batch).to_pylist()
    return children


@settings(max_examples=200, deadline=None)
@given(text=TEXTS, longest=st.integers(16, 60), boundaries=st.sampled_from(["paragraph", "sentence"]))
def test_the_pieces_together_are_the_text_and_none_is_too_long(text: str, longest: int, boundaries: str) -> None:
    pieces = [child["text"] for child in split(text, maximum_characters=longest, boundaries=boundaries)]
    assert re.sub(r"\s", "", "".join(pieces)) == re.sub(r"\s", "", text)
    assert all(len(piece) <= longest for piece in pieces)


@settings(max_examples=100, deadline=None)
@given(text=TEXTS, longest=st.integers(16, 60), overlap=st.integers(0, 4))
def test_with_an_overlap_every_piece_is_still_a_part_of_the_text(text: str, longest: int, overlap: int) -> None:
    pieces = [child["text"] for child in split(text, maximum_characters=longest, overlap_characters=overlap)]
    assert all(len(piece) <= longest and piece in text for piece in pieces)


def test_a_piece_names_its_parent_and_copies_the_other_columns() -> None:
    children = split("短。", "第一段说了很多话。\n\n第二段也说了很多的话。", maximum_characters=16)
    assert [child["parent_row"] for child in children] == [0, 1, 1]
    assert [child["parents"] for child in children] == [[], ["id-1"], ["id-1"]]
    assert [child["license"] for child in children] == ["licence-0", "licence-1", "licence-1"]
    assert children[0]["id"] == "id-0"
    assert all(re.fullmatch("[0-9a-f]{32}", child["id"]) for child in children[1:])
    assert len({child["id"] for child in children}) == 3


def test_a_null_and_an_empty_text_pass_through_with_their_id() -> None:
    assert [(child["id"], child["text"]) for child in split(None, "")] == [("id-0", None), ("id-1", "")]


def test_a_paragraph_end_is_taken_before_a_later_sentence_end() -> None:
    text = "这一段一共有十个字。\n然后是句子。再来一句没有完的话语"
    by_paragraph = [child["text"] for child in split(text, maximum_characters=20)]
    by_sentence = [child["text"] for child in split(text, maximum_characters=20, boundaries="sentence")]
    assert by_paragraph[0] == "这一段一共有十个字。"
    assert by_sentence[0] == "这一段一共有十个字。\n然后是句子。"


def test_a_closing_quote_stays_with_its_sentence() -> None:
    pieces = [child["text"] for child in split("他说：“机器坏了，停机！”于是停了机，等人来修理机器。", maximum_characters=18)]
    assert pieces[0] == "他说：“机器坏了，停机！”"


def test_the_same_text_always_gets_the_same_ids() -> None:
    text = "很长的一段话。" * 10
    assert split(text, maximum_characters=20) == split(text, maximum_characters=20)


def test_an_overlap_of_more_than_a_quarter_is_refused() -> None:
    with pytest.raises(ValidationError, match="at most a quarter"):
        SplitText(maximum_characters=100, overlap_characters=26)
