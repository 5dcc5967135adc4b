"""Scripts: every letter is counted once, in its script."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from liangji.kernels.buffers import text_buffers
from liangji.kernels.script_counts import script_counts
from liangji.kernels.scripts import Script, script_table


@settings(max_examples=100, deadline=None)
@given(
    texts=st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), max_size=5),
    cut=st.integers(0, 5),
    wide=st.booleans(),
)
def test_counts_agree_with_the_table_character_by_character(texts: list[str | None], cut: int, wide: bool) -> None:
    counts = script_counts(text_buffers(pa.array(texts, pa.large_string() if wide else pa.string()).slice(cut)))
    assert counts.shape == (len(texts[cut:]), len(Script))
    for row, text in zip(counts, texts[cut:], strict=True):
        scripts = [int(script_table()[ord(character)]) for character in text or ""]
        assert row.tolist() == [scripts.count(script) for script in Script]


def test_simplified_and_traditional_characters_are_told_apart() -> None:
    scripts = {character: Script(script_table()[ord(character)]) for character in "备備机機中"}
    assert scripts["备"] == scripts["机"] == Script.HAN_SIMPLIFIED
    assert scripts["備"] == scripts["機"] == Script.HAN_TRADITIONAL
    assert scripts["中"] == Script.HAN


def test_digits_and_punctuation_are_in_no_script() -> None:
    assert {int(script_table()[ord(character)]) for character in "0９，.。 ー\n"} == {Script.NONE}
