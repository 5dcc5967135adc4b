"""Candidate pairs of near duplicates: the documents that share a key and whose sketches do not rule the similarity out.

Each step reads what it needs once, in order, and parts its outcome to disk for the next, so that time grows with the documents and
memory does not: pairs from the buckets, parted by their later document; each once, with the sketch of the later one, which is read
alongside, parted by their earlier document; those whose sketches are alike, parted in the order in which documents are decided on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from liangji.core.errors import LimitExceeded
from liangji.core.operator import Gathered
from liangji.engine.spill import BUCKETS, Spill, in_order

SKETCH_COLUMNS = [f"sketch_{number}" for number in range(8)]  # of the keys; int64 each

_SHARE_OF_MEMORY = 8  # one part in so many of the budget is for writing, and as much for reading
_BYTES_PER_PAIR = 256  # held while the sketches of a pair are joined
_SAMPLED = 64  # one pair in so many tells how pairs are spread over the order

Positions = NDArray[np.int64]
Orders = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Documents:
    """All documents that are compared, numbered from 0: those of earlier versions, those of the dataset, and those planted in it."""

    gathered: Gathered
    planted: pa.RecordBatch | None  # keys, `row` from `gathered.rows` on
    priority: NDArray[np.uint32]  # lower ones are decided on first; empty: in order of documents

    @property
    def count(self) -> int:
        return self.planted_from + (0 if self.planted is None else self.planted.num_rows)

    @property
    def planted_from(self) -> int:
        return self.gathered.reference_rows + self.gathered.rows

    def scan(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Read key columns, with `document` before them, ascending."""
        names = ["document", *columns]
        for batch in self.gathered.scan(columns):
            yield self._numbered(batch).rename_columns(names)
        if self.planted is not None:
            yield self._numbered(self.planted.select(["row", *columns])).rename_columns(names)

    def orders(self, documents: Positions) -> Orders:
        """Give numbers that sort documents in the order in which they are decided on."""
        numbers = documents.astype(np.uint64)
        if len(self.priority):
            numbers |= self.priority[documents].astype(np.uint64) << np.uint64(32)
        return numbers

    def _numbered(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.set_column(0, "row", pa.array(batch.column(0).to_numpy() + self.gathered.reference_rows))


class Found(NamedTuple):
    pairs: Spill  # two columns, orders of the later and of the earlier document, parted by the former
    is_needed: NDArray[np.bool_]  # which documents stand in a pair
    candidates: int  # pairs before their sketches were looked at


@contextmanager
def candidate_pairs(documents: Documents, most_differences: int) -> Iterator[Found]:
    """Find the pairs of documents that share a key in `bands` and whose sketches differ in at most so many values."""
    if documents.count > 1 << 32:
        raise LimitExceeded("more than 4 294 967 296 documents are to be compared", "", "compare them in several datasets")
    gathered = documents.gathered

    def spill(name: str, *columns: np.dtype[Any]) -> Spill:
        budget = gathered.memory_bytes // _SHARE_OF_MEMORY
        return Spill(gathered.scratch / name, columns, memory_bytes=budget, threads=gathered.threads)

    word = np.dtype(np.uint64)
    with spill("pairs_in_order", word, word) as found:
        with spill("pairs_with_sketch", word, np.dtype((np.uint64, len(SKETCH_COLUMNS)))) as with_sketch:
            with spill("pairs", word) as met:
                _meet(documents, met)
                candidates, sample = _join_later(documents, met, with_sketch)
            is_needed = _join_earlier(documents, with_sketch, most_differences, sample, found)
        gathered.spilled_bytes += sum(part.written_bytes for part in (met, with_sketch, found))
        yield Found(found, is_needed, candidates)


def _meet(documents: Documents, met: Spill) -> None:
    """Pair documents that share a key; parted by the later one."""
    from liangji.kernels.neighbour_pairs import neighbour_pairs  # noqa: PLC0415 - compiled kernels load at first use

    gathered = documents.gathered
    more = None if documents.planted is None else documents.planted.select(["row", "bands"])
    for table in gathered.shared("bands", 2, more):
        members = table["row"].to_numpy() + gathered.reference_rows
        bounds = np.uint64(gathered.reference_rows), np.uint64(documents.planted_from)
        pairs = neighbour_pairs(table["key"].to_numpy(), members, documents.priority, *bounds)
        met.add(_parts_of(documents, _later(pairs)), pairs)
    met.seal()


def _join_later(documents: Documents, met: Spill, with_sketch: Spill) -> tuple[int, Orders]:
    """Give each pair once, with the sketch of its later document, to `with_sketch`, parted by the earlier one.

    Returns how many they are, and a sample of the orders of later documents.
    """
    from liangji.kernels.radix_sort import sort_records  # noqa: PLC0415 - compiled kernels load at first use

    gathered = documents.gathered

    def part(buckets: tuple[int, int]) -> NDArray[np.uint64]:
        pairs: NDArray[np.uint64] = sort_records(met.read(*buckets)[0].reshape(-1, 1), 1).ravel()
        return pairs[_is_new(pairs)]

    sketches = _Sketches(documents)
    count = 0
    sample = [np.zeros(0, np.uint64)]
    for pairs in in_order(part, met.ranges(_most(gathered)), gathered.threads):
        later = _later(pairs)
        is_new = _is_new(later)
        of_later = sketches.read(later[is_new])[np.cumsum(is_new) - 1]
        with_sketch.add(_parts_of(documents, _earlier(pairs)), pairs, of_later)
        count += len(pairs)
        sample.append(documents.orders(later[::_SAMPLED]))
    with_sketch.seal()
    return count, np.concatenate(sample)


def _join_earlier(
    documents: Documents, with_sketch: Spill, most_differences: int, sample: Orders, found: Spill
) -> NDArray[np.bool_]:
    """Give the pairs whose sketches are alike to `found`, parted by the order of the later document."""
    from liangji.kernels.minhash import sketch_differences  # noqa: PLC0415 - compiled kernels load at first use

    sketches = _Sketches(documents)
    is_needed = np.zeros(documents.count, np.bool_)
    bounds = np.sort(sample)[np.linspace(0, len(sample), BUCKETS, endpoint=False).astype(np.int64)[1:]] if len(sample) else sample
    most = _most(documents.gathered)
    for first, past in with_sketch.ranges(most):
        pieces: Iterable[list[NDArray[np.uint64]]]
        if past == first + 1:  # maybe all pairs are of one document: they come in pieces, and its sketch is read but once
            width = _width(documents)
            earlier = np.arange(first * width, min(past * width, documents.count))
            pieces = with_sketch.pieces(first, past, most)
        else:
            pieces = [with_sketch.read(first, past)]
            earlier = np.unique(_earlier(pieces[0][0]))
        of_earlier = sketches.read(earlier)
        for pairs, of_later in pieces:
            positions = np.searchsorted(earlier, _earlier(pairs))
            similar = pairs[sketch_differences(of_later, of_earlier[positions]) <= most_differences]
            is_needed[_later(similar)] = True
            is_needed[_earlier(similar)] = True
            orders = documents.orders(_later(similar))
            found.add(np.searchsorted(bounds, orders, "right").astype(np.uint16), orders, documents.orders(_earlier(similar)))
    found.seal()
    return is_needed


class _Sketches:
    """The sketches of documents, read once through in order."""

    def __init__(self, documents: Documents) -> None:
        self._batches = documents.scan(SKETCH_COLUMNS)
        self._batch: pa.RecordBatch | None = None

    def read(self, documents: Positions) -> NDArray[np.uint64]:
        """Give the sketches of documents, uint64[documents, 8], ascending and none before those of the last call; zeros for others."""
        found = np.zeros((len(documents), len(SKETCH_COLUMNS)), np.uint64)
        at = 0
        while at < len(documents):
            if self._batch is None or not self._batch.num_rows or self._batch.column(0)[-1].as_py() < documents[at]:
                self._batch = next(self._batches, None)
                if self._batch is None:
                    break
                continue
            held = self._batch.column(0).to_numpy()
            past = int(np.searchsorted(documents, held[-1], "right"))
            wanted = documents[at:past]
            places = np.searchsorted(held, wanted)
            is_there = held[places] == wanted
            for number in range(len(SKETCH_COLUMNS)):
                words = self._batch.column(1 + number).to_numpy().view(np.uint64)
                found[at:past, number] = np.where(is_there, words[places], 0)
            at = past
        return found


def _later(pairs: NDArray[np.uint64]) -> Positions:
    return (pairs >> np.uint64(32)).astype(np.int64)


def _earlier(pairs: NDArray[np.uint64]) -> Positions:
    return (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _is_new(numbers: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which of sorted numbers differ from the one before."""
    is_new = np.ones(len(numbers), np.bool_)
    is_new[1:] = numbers[1:] != numbers[:-1]
    return is_new


def _width(documents: Documents) -> int:
    return documents.count // BUCKETS + 1


def _parts_of(documents: Documents, numbers: Positions) -> NDArray[np.uint16]:
    return (numbers // _width(documents)).astype(np.uint16)


def _most(gathered: Gathered) -> int:
    """Give how many pairs may be joined with sketches at a time."""
    return max(1, gathered.memory_bytes // _SHARE_OF_MEMORY // gathered.threads // _BYTES_PER_PAIR)
