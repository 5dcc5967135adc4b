from __future__ import annotations

import random
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangji.kernels.buffers import text_buffers
from liangji.kernels.shingles import BLOCK, PART_CHARACTERS, character_counts, first_similar, jaccard_similarities, letter_table

IDEOGRAPHS, ALPHABETICS = 4, 5
MIXED = st.text(
    st.one_of(st.sampled_from("aAbBzZ09 \n\t,.!-_，。！Ａｚ０　〇天地玄黄宇宙あアèÈДд한글𠀀🙂"), st.characters(codec="utf-8")),
    max_size=200,
)


def letters(text: str) -> list[str]:
    """What the docstring of the module says, the slow and obvious way."""
    kept = []
    for character in text:
        if "\uff01" <= character <= "\uff5e":
            character = chr(ord(character) - 0xFEE0)  # noqa: PLW2901
        category = unicodedata.category(character)[0]
        if category in "LNM" or "\U00020000" <= character <= "\U000323af":
            lowered = character.lower()
            kept.append(lowered if len(lowered) == 1 else character)
    return kept


def is_ideograph(letter: str) -> bool:
    code_point = ord(letter)
    ranges = ((0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF))
    return any(first <= code_point <= last for first, last in ranges)


def shingles(text: str) -> set[str]:
    found = set()
    run = "".join(letters(text))
    for start, letter in enumerate(run):
        size = IDEOGRAPHS if is_ideograph(letter) else ALPHABETICS
        if start + size <= len(run):
            found.add(run[start : start + size])
    return found or ({run} if run else set())


def similarity(one: str, other: str) -> float:
    a, b = shingles(one), shingles(other)
    return len(a & b) / len(a | b) if a | b else 0.0


def measured(pairs: list[tuple[str, str]]) -> list[float]:
    texts = text_buffers(pa.array(["before", *(text for pair in pairs for text in pair)], pa.string()).slice(1))
    numbers = np.arange(0, 2 * len(pairs), 2)
    found = jaccard_similarities(texts.data, texts.offsets, numbers, numbers + 1, letter_table(), IDEOGRAPHS, ALPHABETICS)
    return [float(value) for value in found]


@given(st.lists(st.tuples(MIXED, MIXED), min_size=1, max_size=4))
def test_similarity_is_that_of_the_shingle_sets(pairs: list[tuple[str, str]]) -> None:
    related = [(one, one[: len(one) // 2] + other) for one, other in pairs]
    assert measured(pairs + related) == [similarity(*pair) for pair in pairs + related]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("第一条 为了加强管理，制定本条例。", "第一条为了加强管理,制定\n本条例."),
        ("ISO 9001 Quality (Management)", "ｉｓｏ　９００１ quality（management）"),
        ("Straße, ÉCOLE, ДОМ", "straße école дом"),
    ],
)
def test_white_space_punctuation_case_and_width_do_not_count(one: str, other: str) -> None:
    assert measured([(one, other)]) == [1.0]


def test_a_text_shorter_than_a_shingle_is_one_shingle() -> None:
    assert measured([("天地", "天 地"), ("天地", "天地玄"), ("", "！！"), ("", "天")]) == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("size", [BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 2])
def test_a_long_text_is_walked_in_blocks_without_a_seam(size: int) -> None:
    generator = random.Random(size)
    text = "".join(generator.choices("天地玄黄宇宙洪荒abcdefgh ", k=size))
    changed = text[: size // 2] + "日月盈昃" + text[size // 2 :]
    assert measured([(text, changed), (text + "。", text)]) == [similarity(text, changed), 1.0]


def test_one_text_against_many_of_other_sizes_gives_the_same_as_each_pair_alone() -> None:
    generator = random.Random(8)
    text = "".join(generator.choices("天地玄黄宇宙洪荒日月盈昃", k=300))
    others = [text[: generator.randrange(1, 300)] + "辰宿列张" * generator.choice([0, 1, 50, 2000]) for _ in range(30)]
    texts = text_buffers(pa.array([text, *others], pa.large_string()))
    numbers = np.arange(1, 31)
    for one, other in ((numbers, np.zeros(30, np.int64)), (np.zeros(30, np.int64), numbers)):
        found = jaccard_similarities(texts.data, texts.offsets, one, other, letter_table(), IDEOGRAPHS, ALPHABETICS)
        assert [float(value) for value in found] == [similarity(text, name) for name in others]


def test_texts_too_large_for_one_table_are_compared_in_parts() -> None:
    generator = random.Random(3)
    text = "".join(chr(generator.randrange(0x4E00, 0x9FFF)) for _ in range(PART_CHARACTERS))
    changed = text[:1000] + text[1500:]
    assert 2 * len(text) > PART_CHARACTERS
    assert measured([(text, changed), ("天地玄黄", "天地玄黄")]) == [similarity(text, changed), 1.0]


SIMILAR = st.text(st.sampled_from("天地ab"), max_size=12)  # few letters, so that many pairs are similar


def first_similar_plainly(
    texts: list[str], pairs: list[tuple[int, int]], minimum: float, is_dropped: list[bool]
) -> tuple[list[int], list[bool]]:
    decided, is_dropped = [-1] * len(texts), is_dropped.copy()
    for number, (later, earlier) in enumerate(pairs):
        if not is_dropped[later] and not is_dropped[earlier] and similarity(texts[earlier], texts[later]) >= minimum:
            decided[later] = number
            is_dropped[later] = True
    return decided, is_dropped


@given(st.lists(st.none() | SIMILAR, min_size=2, max_size=8), st.data(), st.sampled_from([0.2, 0.5, 1.0]), st.booleans())
def test_a_document_is_dropped_for_the_first_kept_one_that_is_similar(
    texts: list[str | None], data: st.DataObject, minimum: float, in_parts: bool
) -> None:
    number = st.integers(0, len(texts) - 1)
    drawn = data.draw(st.sets(st.tuples(number, number).filter(lambda pair: pair[0] > pair[1]), max_size=20))
    pairs = sorted(drawn)
    dropped_before = data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts)))
    buffers = text_buffers(pa.array(["before", *texts], pa.large_string()).slice(1))
    later, earlier = np.array(pairs, np.int64).reshape(-1, 2).T.copy()
    similarities, is_dropped = np.full(len(pairs), np.nan), np.array(dropped_before)

    def look(part: slice, *, is_final: bool) -> list[int]:
        counts = character_counts(buffers.data, buffers.offsets)
        sizes = letter_table(), IDEOGRAPHS, ALPHABETICS
        numbers = earlier[part], later[part]
        found = first_similar(
            buffers.data, buffers.offsets, counts, *numbers, *sizes, minimum, similarities[part], is_dropped, is_final
        )
        return [int(pair) for pair in found]

    if in_parts:
        for part in (slice(0, len(pairs) // 2), slice(len(pairs) // 2, None)):
            assert look(part, is_final=False) == [-1] * len(texts)
        assert is_dropped.tolist() == dropped_before
    decided = look(slice(None), is_final=True)
    assert (decided, is_dropped.tolist()) == first_similar_plainly([text or "" for text in texts], pairs, minimum, dropped_before)


@given(st.lists(st.none() | MIXED, max_size=5), st.booleans())
def test_characters_are_counted(texts: list[str | None], is_large: bool) -> None:
    buffers = text_buffers(pa.array(["before", *texts], pa.large_string() if is_large else pa.string()).slice(1))
    assert character_counts(buffers.data, buffers.offsets).tolist() == [len(text or "") for text in texts]
