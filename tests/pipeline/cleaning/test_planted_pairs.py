from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from liangji.core.proportions import wilson_interval
from liangji.engine.gathered import exchange_batches
from liangji.kernels.buffers import text_buffers
from liangji.kernels.shingles import jaccard_similarities, letter_table
from liangji.pipeline.cleaning import near_duplicates
from liangji.pipeline.cleaning.near_duplicates import DropNearDuplicates
from liangji.pipeline.cleaning.planted_pairs import Planted, plant, recall_by_range, similarity_ranges

HAN = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳云腾致雨露结为霜"
LATIN = "abcdefghijklmnopqrstuvwxyz"


def documents(count: int, seed: int = 1, copies: int = 0) -> list[str]:
    """Chinese and English texts of 20 to 400 letters, in turn, and copies of the first with one letter more."""
    generator = random.Random(seed)
    texts = []
    for number in range(count):
        words = ("".join(generator.choices((HAN, LATIN)[number % 2], k=generator.randint(2, 9))) for _ in range(80))
        texts.append((" ", "，")[number % 2].join(words)[: generator.randint(20, 400)])
    return texts + [text + "。天" for text in texts[:copies]]


def prepared(texts: list[str], **options: Any) -> tuple[list[tuple[Any, Any]], dict[str, Any]]:
    batch = pa.RecordBatch.from_pydict({"id": [str(number) for number in range(len(texts))], "text": texts})
    findings: dict[str, Any] = {}
    (result,) = exchange_batches(DropNearDuplicates(**options), [batch], findings=findings)
    return list(zip(result["drop_detail"].to_pylist(), result["drop_number"].to_pylist(), strict=True)), findings


@pytest.mark.parametrize("similarity", [0.7, 0.8, 0.97])
def test_a_run_measures_its_recall_and_drops_none_below(similarity: float) -> None:
    texts = documents(600)
    _, findings = prepared(texts, similarity=similarity)
    ranges = findings["planted_pairs"]
    assert [(count["similarity_from"], count["similarity_to"]) for count in ranges] == similarity_ranges(similarity)[1:]
    planted, found = sum(count["planted"] for count in ranges), sum(count["found"] for count in ranges)
    assert planted > 100
    assert found >= 0.95 * planted
    for count in ranges:
        assert count["recall"] == round(count["found"] / count["planted"], 6)
        assert (count["low"], count["high"]) == wilson_interval(count["found"], count["planted"])
        assert count["low"] <= count["recall"] <= count["high"]
    assert findings["planted_below"]["planted"] > 10
    assert findings["planted_below"]["dropped"] == 0


@pytest.mark.parametrize("keep", ["first", "longest"])
def test_what_is_planted_changes_no_decision(keep: str) -> None:
    texts = documents(300, copies=100)
    with_planted, findings = prepared(texts, keep=keep)
    without, none = prepared(texts, keep=keep, planted_pairs=0)
    assert with_planted == without
    assert sum(detail is not None for detail, _ in without) == 100
    assert sum(count["planted"] for count in findings["planted_pairs"]) > 50
    assert "planted_pairs" not in none
    assert none["candidate_pairs"] < findings["candidate_pairs"]


def test_a_search_that_misses_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """With bands of another recall than is asked for, most of what is just similar enough is missed, and the run says so."""
    monkeypatch.setattr(near_duplicates, "choose_bands", lambda *_: near_duplicates.Bands(1, 12))
    _, findings = prepared(documents(600), similarity=0.7)
    lowest, *_, highest = findings["planted_pairs"]
    assert lowest["recall"] < 0.5 < highest["recall"]


def test_the_measure_is_the_same_for_any_order_of_rows_threads_and_memory() -> None:
    texts = documents(400)
    shuffled = random.Random(5).sample(texts, len(texts))
    _, findings = prepared(texts)
    assert prepared(shuffled)[1] == findings
    batch = pa.RecordBatch.from_pydict({"id": [str(number) for number in range(400)], "text": texts})
    other: dict[str, Any] = {}
    exchange_batches(DropNearDuplicates(), [batch[:300], batch[300:]], threads=3, memory_bytes=1, findings=other)
    assert other == findings


class Keys:
    """What `plant` asks of the gathered keys."""

    reference_rows = 0

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def scan(self, columns: list[str]) -> Any:
        sizes = np.array([len(text.encode()) for text in self.texts], np.int64)
        marks = np.random.default_rng(3).integers(0, 1 << 62, len(self.texts))
        yield pa.RecordBatch.from_pydict({"row": np.arange(len(self.texts)), "size_bytes": sizes, "sketch_0": marks}).select(
            ["row", *columns]
        )

    def take(self, rows: Any, columns: list[str]) -> pa.Table:
        return pa.table({"text": [self.texts[row] for row in rows]}).select(columns)


def exact(texts: list[str], others: list[str]) -> Any:
    buffers = text_buffers(pa.array([*texts, *others], pa.large_string()))
    first = np.arange(len(texts))
    return jaccard_similarities(buffers.data, buffers.offsets, first, first + len(texts), letter_table(), 4, 5)


def planted_in(texts: list[str], pairs: int) -> Planted:
    keys: Any = Keys(texts)
    return plant(keys, "text", pairs, 0.8, 1, exact)


def test_copies_have_the_similarity_that_is_told_and_reach_every_range() -> None:
    texts = documents(300)
    planted = planted_in(texts, 200)
    assert len(planted.texts) == len(set(planted.originals.tolist())) == 200
    originals = [texts[row] for row in planted.originals]
    assert np.array_equal(planted.similarities, exact(originals, planted.texts))
    ranges = similarity_ranges(0.8)
    reached = Counter(int(np.searchsorted([low for low, _ in ranges], similarity, "right")) for similarity in planted.similarities)
    assert all(reached[number] > 20 for number in range(1, len(ranges) + 1)), reached
    kinds = {(planted.originals[number] % 2, len(copy) - len(originals[number]) > 0) for number, copy in enumerate(planted.texts)}
    assert len(kinds) == 4  # letters of both scripts are put in and left out


def test_letters_give_way_to_letters_of_their_script() -> None:
    texts = documents(40)
    for row, copy in zip(*planted_in(texts, 40)[:2], strict=True):
        assert set(copy) <= set(texts[row])


def test_texts_of_one_letter_or_of_one_letter_many_times_are_planted_as_they_are() -> None:
    planted = planted_in(["天", "啊" * 50, "a"], 10)
    assert len(planted.texts) == 3
    assert np.array_equal(planted.similarities, exact([["天", "啊" * 50, "a"][row] for row in planted.originals], planted.texts))


def test_nothing_is_planted_where_there_is_nothing() -> None:
    assert planted_in([], 200).texts == []
    assert planted_in(documents(3), 0).texts == []


def test_pairs_are_counted_in_their_ranges() -> None:
    similarities = np.array([0.69, 0.7, 0.79, 0.8, 0.8499, 0.85, 1.0, 1.0])
    above, below = recall_by_range(0.8, similarities, np.array([1, 0, 1, 1, 0, 1, 1, 0], np.bool_))
    assert below == {"similarity_from": 0.7, "similarity_to": 0.8, "planted": 2, "dropped": 1}
    assert [(count["planted"], count["found"], count["recall"]) for count in above] == [
        (2, 1, 0.5),
        (1, 1, 1.0),
        (0, 0, None),
        (2, 1, 0.5),
    ]
    assert (above[2]["low"], above[2]["high"]) == (0.0, 1.0)
