"""Planted pairs: copies of known similarity by which a run of near duplicates measures its own recall.

Some documents are chosen by their content. Of each a copy is made in which letters are replaced, inserted and deleted at random until
their exact similarity is close to what is wanted; the levels reach from just below the threshold to 1. The copies get keys like any
document, stand behind all others, and go through the same search. How many of them are found is the recall on this very data.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from liangji.core.operator import Gathered
from liangji.core.proportions import wilson_interval

_LARGEST = 1 << 18  # bytes of a text that is chosen: 200 of them are at most 50 MB
_BELOW = 0.1  # how far below the threshold copies are planted too
_LEVELS_ABOVE, _LEVEL_WIDTH = 4, 0.05  # at most so many ranges of similarity from the threshold up, none narrower
_ROUNDS = 12  # of halving the number of edits: enough for texts of 4000 letters, and near enough for longer ones
_SPREAD = np.uint64(0x9E3779B97F4A7C15)

Similarities = Callable[[list[str], list[str]], NDArray[np.float64]]


class Planted(NamedTuple):
    originals: NDArray[np.int64]  # rows
    texts: list[str]  # the copies
    similarities: NDArray[np.float64]  # of each copy to its original, exact


def plant(gathered: Gathered, column: str, pairs: int, threshold: float, seed: int, similarities: Similarities) -> Planted:
    """Choose documents and make one copy of each, at levels of similarity in turn.

    The keys have `size_bytes` and `sketch_0`. `similarities` gives the exact similarity of texts, one by one.
    """
    if not pairs:
        return Planted(np.zeros(0, np.int64), [], np.zeros(0))
    rows, marks = _chosen(gathered, pairs)
    texts = [] if not len(rows) else gathered.take(rows, [column])[column].to_pylist()
    ranges = similarity_ranges(threshold)
    targets = np.array([sum(ranges[number % len(ranges)]) / 2 for number in range(len(texts))])
    edits = [_Edits(text, seed, int(mark)) for text, mark in zip(texts, marks, strict=True)]
    copies, found = _edited_to(texts, edits, targets, similarities)
    return Planted(rows, copies, found)


def similarity_ranges(threshold: float) -> list[tuple[float, float]]:
    """Give the ranges of similarity that are planted: one below the threshold, the others from it to 1.

    >>> similarity_ranges(0.8)
    [(0.7, 0.8), (0.8, 0.85), (0.85, 0.9), (0.9, 0.95), (0.95, 1.0)]
    """
    levels = min(_LEVELS_ABOVE, max(1, round((1 - threshold) / _LEVEL_WIDTH)))
    bounds = [threshold - _BELOW, *np.linspace(threshold, 1, levels + 1).tolist()]
    rounded = [round(bound, 6) for bound in bounds]
    return list(pairwise(rounded))


def recall_by_range(
    threshold: float, similarities: NDArray[np.float64], is_found: NDArray[np.bool_]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Count what was planted and found: in each range from the threshold up, and below it, where nothing should be."""
    below, *above = similarity_ranges(threshold)
    counted = []
    for low, high in above:
        inside = (similarities >= low) & ((similarities < high) | (high == 1))
        planted, found = int(inside.sum()), int((inside & is_found).sum())
        least, most = wilson_interval(found, planted)
        share = round(found / planted, 6) if planted else None
        counted.append(_range(low, high, planted) | {"found": found, "recall": share, "low": least, "high": most})
    inside = (similarities >= below[0]) & (similarities < below[1])
    return counted, _range(*below, int(inside.sum())) | {"dropped": int((inside & is_found).sum())}


def _range(low: float, high: float, planted: int) -> dict[str, Any]:
    return {"similarity_from": low, "similarity_to": high, "planted": planted}


def _chosen(gathered: Gathered, pairs: int) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Choose rows by a hash of their sketch, of equal ones the first; give the hashes too."""
    rows, marks = np.zeros(0, np.int64), np.zeros(0, np.uint64)
    for batch in gathered.scan(["size_bytes", "sketch_0"]):
        new = batch.column("row").to_numpy()
        hashes = batch.column("sketch_0").to_numpy().view(np.uint64) * _SPREAD
        fits = (new >= 0) & (batch.column("size_bytes").to_numpy() <= _LARGEST)
        if len(marks) == pairs:
            fits &= hashes < marks[-1]
        if fits.any():
            marks, first = np.unique(np.concatenate([marks, hashes[fits]]), return_index=True)
            rows = np.concatenate([rows, new[fits]])[first]
            rows, marks = rows[:pairs], marks[:pairs]
    return rows, marks


class _Edits:
    """One text and a random order of edits, of which any number may be carried out."""

    def __init__(self, text: str, seed: int, mark: int) -> None:
        from liangji.kernels.shingles import IDEOGRAPH, letter_table  # noqa: PLC0415 - compiled kernels load at the first batch

        self._characters = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        generator = np.random.default_rng([seed, mark])
        letters = letter_table()[self._characters]
        self._places = generator.permutation(np.flatnonzero(letters))
        self.most = len(self._places)
        self._acts = generator.integers(0, 3, self.most)  # 0: replace, 1: insert before, 2: delete
        self._letters = np.zeros(self.most, np.uint32)
        is_ideograph = letters[self._places] >= IDEOGRAPH
        for script in (is_ideograph, ~is_ideograph):  # a letter gives way to one of the same script
            if script.any():
                self._letters[script] = generator.choice(self._characters[self._places[script]], int(script.sum()))

    def carried_out(self, count: int) -> str:
        places, acts, letters = self._places[:count], self._acts[:count], self._letters[:count]
        characters = self._characters.copy()
        characters[places[acts == 0]] = letters[acts == 0]
        copies = np.ones(len(characters), np.int64)
        copies[places[acts == 1]] = 2
        copies[places[acts == 2]] = 0
        edited = np.repeat(characters, copies)
        edited[(np.cumsum(copies) - copies)[places[acts == 1]]] = letters[acts == 1]
        return edited.tobytes().decode("utf-32-le")


def _edited_to(
    texts: list[str], edits: list[_Edits], targets: NDArray[np.float64], similarities: Similarities
) -> tuple[list[str], NDArray[np.float64]]:
    """Find for each text the number of edits that bring its similarity closest to its target, by halving."""
    low, high = np.zeros(len(texts), np.int64), np.array([edit.most for edit in edits], np.int64)
    high = np.minimum(high, np.ceil(high * (1 - targets)).astype(np.int64))  # each edit spoils several shingles
    best = list(texts)
    found = np.ones(len(texts))
    for _ in range(_ROUNDS):
        middle = (low + high + 1) // 2
        copies = [edit.carried_out(int(count)) for edit, count in zip(edits, middle, strict=True)]
        measured = similarities(texts, copies)
        for number in np.flatnonzero(np.abs(measured - targets) < np.abs(found - targets)):
            best[number], found[number] = copies[number], measured[number]
        is_above = measured >= targets
        low, high = np.where(is_above, middle, low), np.where(is_above, high, np.maximum(middle - 1, low))
    return best, found
