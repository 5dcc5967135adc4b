"""Near duplicates: of documents that say almost the same letter by letter, one stays."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, ClassVar, Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from liangji.core.operator import STRICT, Against, Gathered, OperatorKind, apply_drops
from liangji.core.schema import ID, TEXT, Modality, string_column
from liangji.pipeline.cleaning.candidate_pairs import SKETCH_COLUMNS, Documents, Found, candidate_pairs
from liangji.pipeline.cleaning.duplicate_decisions import duplicate_decisions
from liangji.pipeline.cleaning.planted_pairs import Planted, plant, recall_by_range

if TYPE_CHECKING:
    from liangji.kernels.buffers import TextBuffers

_PAIRS_AT_ONCE = 1 << 20  # candidate pairs sorted and looked through in one go: about 100 MB
_TEXTS_AT_ONCE = 1 << 18  # texts fetched in one go, at most
_SHARE_OF_MEMORY = 8  # one part in so many of the budget holds the texts that are being compared
_SKETCH_LOSS = 1e-6  # share of the pairs of just the similarity asked for that the sketch may lose
_LARGEST_SIZE = (1 << 32) - 3  # bytes; longer texts count as this long where the longest is kept

Positions = NDArray[np.int64]  # of documents, as `Documents` numbers them
Flags = NDArray[np.bool_]


class Drops(NamedTuple):
    """Documents that are dropped, the one that each resembles, and how much."""

    documents: Positions
    keepers: Positions
    similarities: NDArray[np.float64]


class Bands(NamedTuple):
    """How a signature is cut: two documents become candidates where they agree in all values of at least one band."""

    bands: int
    rows: int  # signature values in one band

    def recall(self, similarity: float) -> float:
        """Give the probability that two documents of this Jaccard similarity become candidates."""
        return float(1 - (1 - similarity**self.rows) ** self.bands)


@cache
def choose_bands(similarity: float, recall: float, signature: int) -> Bands:
    """Choose the longest bands, which give the fewest needless candidates, that reach `recall` at `similarity`.

    >>> choose_bands(0.8, 0.98, 128), choose_bands(0.7, 0.98, 128)
    (Bands(bands=17, rows=7), Bands(bands=22, rows=5))
    """
    for rows in range(signature, 0, -1):
        for bands in range(1, signature // rows + 1):
            if Bands(bands, rows).recall(similarity) >= recall:
                return Bands(bands, rows)
    raise ValueError(f"a signature of {signature} values cannot find pairs of similarity {similarity} with recall {recall}")


@dataclass(frozen=True, slots=True, config=STRICT)
class DropNearDuplicates:
    """Drop each document that is nearly the same as one that is kept.

    Two documents are compared by the Jaccard similarity of their shingle sets: shared runs of letters over all runs of letters.
    Letters are letters and digits of any script without regard to case and to full or half width; white space, punctuation and
    symbols do not count. A run is 4 ideographs or 5 letters of other scripts; runs of whole words, the usual choice for English,
    lose half of the copies in which 2 % of the characters differ, because each wrong character spoils five words.

    Candidates share a band of their MinHash signatures, and a sketch of them does not rule the similarity out; each is then
    compared exactly, so that chance never drops a document.
    Documents are gone through in order: one is dropped if it is similar enough to an earlier one that was kept. So each dropped
    document really resembles one that stays, and chains of small changes do not run together.

    A copy wrapped in a header and a footer resembles its original as long as the wrapper is short beside it: with 25 letters around it,
    from 60 letters up at similarity 0.7, from 100 up at 0.8. Half of a document, or a sentence quoted from it, is no duplicate. In
    order not to confuse the two, no rule of containment is added: remove wrappers with `drop_repeated_lines` first.

    Input:  `column`: string; `id`. A text that is null or has no letter resembles no other.
    Output: the batch with `drop_reason` `near_duplicate`, `drop_number`, the Jaccard similarity to the record that is kept, and
            `drop_detail`, its id. Rows and order kept.
    Raises: SchemaError where `column` or `id` is missing or is not a string.
    Source: Broder 1997 (resemblance, MinHash); Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, section 3.4 (bands);
            Dahlgaard et al. 2017, arXiv:1704.04370 (signature); Lee et al. 2022, arXiv:2107.06499 (use for training text).
    """

    kind: ClassVar[OperatorKind] = OperatorKind.EXCHANGE
    version: ClassVar[str] = "2"
    modality: ClassVar[Modality] = Modality.TEXT
    drops_only: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = ()
    decision_options: ClassVar[tuple[str, ...]] = ("keep", "planted_pairs", "against")

    column: Annotated[str, Field(description="string column that is compared")] = TEXT
    similarity: Annotated[float, Field(gt=0.3, le=1, description="Jaccard similarity from which a document is dropped")] = 0.8
    recall: Annotated[
        float,
        Field(gt=0, lt=1, description="share of the pairs of just that similarity that must be found; higher for closer pairs"),
    ] = 0.98
    shingle_ideographs: Annotated[int, Field(ge=1, le=64, description="letters in a shingle that starts with Han or kana")] = 4
    shingle_letters: Annotated[int, Field(ge=1, le=64, description="letters in a shingle of any other script")] = 5
    signature: Annotated[
        int, Field(ge=16, le=1024, description="most MinHash values for a document: more give fewer needless comparisons")
    ] = 128
    keep: Annotated[
        Literal["first", "longest"], Field(description="which of similar documents stays: first in canonical order, or most bytes")
    ] = "first"
    seed: Annotated[int, Field(ge=0, lt=1 << 63, description="which hashes make the signature")] = 1
    planted_pairs: Annotated[
        int, Field(ge=0, le=10_000, description="copies of known similarity planted to measure the recall of the run; 0: none")
    ] = 200
    against: Against = ()

    def __post_init__(self) -> None:
        choose_bands(self.similarity, self.recall, self.signature)

    @property
    def key_columns(self) -> tuple[str, ...]:
        return (self.column,)

    def keys(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        from liangji.kernels.buffers import text_buffers  # noqa: PLC0415 - compiled kernels load at the first batch
        from liangji.kernels.minhash import SKETCH_VALUES, band_hashes, signatures, sketches  # noqa: PLC0415
        from liangji.kernels.shingles import letter_table  # noqa: PLC0415

        string_column(batch, ID)
        buffers = text_buffers(string_column(batch, self.column))
        chosen = choose_bands(self.similarity, self.recall, self.signature)
        values, is_present = signatures(
            buffers.data,
            buffers.offsets,
            letter_table(),
            self.shingle_ideographs,
            self.shingle_letters,
            max(SKETCH_VALUES, chosen.bands * chosen.rows),
            self.seed,
        )
        present = np.flatnonzero(is_present)
        values = values[present]
        hashes = band_hashes(values, chosen.bands, chosen.rows)
        offsets = np.arange(0, hashes.size + 1, chosen.bands, dtype=np.int32)
        return pa.RecordBatch.from_pydict(
            {
                "row": present,
                "size_bytes": np.diff(buffers.offsets)[present],
                "bands": pa.ListArray.from_arrays(pa.array(offsets), pa.array(hashes.ravel())),
                **dict(zip(SKETCH_COLUMNS, map(pa.array, sketches(values).T.copy()), strict=True)),
            }
        )

    def prepare(self, gathered: Gathered) -> pa.Table:
        from liangji.kernels.minhash import most_differences  # noqa: PLC0415 - compiled kernels load at the first batch

        planted = plant(gathered, self.column, self.planted_pairs, self.similarity, self.seed, self._similarities)
        planted_keys = self._planted_keys(gathered, planted)
        documents = Documents(gathered, planted_keys, self._priority(gathered, planted_keys))
        with (
            candidate_pairs(documents, most_differences(self.similarity, _SKETCH_LOSS)) as found,
            _Texts(documents, found.is_needed, self.column, planted.texts) as texts,
        ):
            drops = self._decide(gathered, documents, found, texts)
            gathered.findings |= {"candidate_pairs": found.candidates, "compared_pairs": int(found.pairs.counts.sum())}
        gathered.findings |= self._recall(documents, planted, drops)
        is_row = drops.documents < documents.planted_from
        rows, keepers = drops.documents[is_row] - gathered.reference_rows, drops.keepers[is_row] - gathered.reference_rows
        return duplicate_decisions(gathered, "near_duplicate", rows, keepers, drops.similarities[is_row])

    def apply(self, batch: pa.RecordBatch, decisions: pa.Table) -> pa.RecordBatch:
        return apply_drops(batch, decisions)

    def _planted_keys(self, gathered: Gathered, planted: Planted) -> pa.RecordBatch | None:
        if not planted.texts:
            return None
        batch = pa.RecordBatch.from_pydict({ID: [""] * len(planted.texts), self.column: planted.texts})
        keys = self.keys(batch)
        return keys.set_column(0, "row", pa.array(keys["row"].to_numpy() + gathered.rows))

    def _priority(self, gathered: Gathered, planted: pa.RecordBatch | None) -> NDArray[np.uint32]:
        """Give what the order of decisions goes by before the order of rows; empty for `keep: first`. Four bytes a row in memory."""
        if self.keep == "first":
            return np.zeros(0, np.uint32)
        end = gathered.reference_rows + gathered.rows
        priority = np.full(end + (0 if planted is None else planted.num_rows), (1 << 32) - 1, np.uint32)
        for batch in gathered.scan(["size_bytes"]):
            sizes = np.minimum(batch.column("size_bytes").to_numpy(), _LARGEST_SIZE)
            priority[batch.column("row").to_numpy() + gathered.reference_rows] = _LARGEST_SIZE + 1 - sizes
        priority[: gathered.reference_rows] = 0
        return priority

    def _similarities(self, texts: list[str], others: list[str]) -> NDArray[np.float64]:
        from liangji.kernels.buffers import text_buffers  # noqa: PLC0415
        from liangji.kernels.shingles import jaccard_similarities, letter_table  # noqa: PLC0415

        buffers = text_buffers(pa.array([*texts, *others], pa.large_string()))
        first = np.arange(len(texts))
        found: NDArray[np.float64] = jaccard_similarities(
            buffers.data,
            buffers.offsets,
            first,
            first + len(texts),
            letter_table(),
            self.shingle_ideographs,
            self.shingle_letters,
        )
        return found

    def _recall(self, documents: Documents, planted: Planted, drops: Drops) -> dict[str, Any]:
        """Count the planted copies that were found, of those whose original was kept."""
        if not self.planted_pairs:
            return {}
        originals = planted.originals + documents.gathered.reference_rows
        is_kept = ~np.isin(originals, drops.documents)
        copies = documents.planted_from + np.arange(len(originals))
        is_found = np.isin(copies, drops.documents)
        above, below = recall_by_range(self.similarity, planted.similarities[is_kept], is_found[is_kept])
        return {"planted_pairs": above, "planted_below": below}

    def _decide(self, gathered: Gathered, documents: Documents, found: Found, texts: _Texts) -> Drops:
        """Go through the pairs in order of the later document, comparing as few as that takes."""
        is_dropped = np.zeros(documents.count, np.bool_)
        parts = [Drops(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
        for pairs in _pages(found):
            gathered.check()
            sizes = texts.sizes(pairs.ravel()).reshape(2, -1).sum(axis=0)
            for part in _parts(sizes, gathered.memory_bytes // _SHARE_OF_MEMORY):
                undecided = pairs[:, part][:, ~is_dropped[pairs[:, part]].any(axis=0)]
                if undecided.size:
                    parts.append(self._decide_part(texts, undecided[0], undecided[1], is_dropped, gathered.threads))
        return Drops(*map(np.concatenate, zip(*parts, strict=True)))

    def _decide_part(self, texts: _Texts, earlier: Positions, later: Positions, is_dropped: Flags, threads: int) -> Drops:
        documents, positions = np.unique(np.concatenate([earlier, later]), return_inverse=True)
        first, second = positions[: len(earlier)], positions[len(earlier) :]
        local = is_dropped[documents]
        similarities, decided = self._compare(texts.read(documents), first, second, local, threads)
        is_dropped[documents] = local
        pairs = decided[decided >= 0]
        return Drops(later[pairs], earlier[pairs], similarities[pairs])

    def _compare(
        self, texts: TextBuffers, first: Positions, second: Positions, is_dropped: Flags, threads: int
    ) -> tuple[NDArray[np.float64], Positions]:
        """Give the similarities of the pairs as far as they were needed, and for each document the pair by which it is dropped.

        Several threads look into parts of the pairs at once, as if none of the documents at hand were dropped; the walk through all
        pairs in order then finds their work done, and compares what they could not know to be needed.
        """
        from liangji.kernels.shingles import character_counts, first_similar, letter_table  # noqa: PLC0415

        similarities = np.full(len(first), np.nan)
        counts = character_counts(texts.data, texts.offsets)

        def walk(part: slice, is_final: bool) -> Positions:
            decided: Positions = first_similar(
                texts.data,
                texts.offsets,
                counts,
                first[part],
                second[part],
                letter_table(),
                self.shingle_ideographs,
                self.shingle_letters,
                self.similarity,
                similarities[part],
                is_dropped,
                is_final,
            )
            return decided

        if threads > 1:
            bounds = np.linspace(0, len(first), threads + 1).astype(np.int64)
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(walk, map(slice, bounds[:-1], bounds[1:]), [False] * threads))
        return similarities, walk(slice(None), True)


class _Texts:
    """The texts that may be compared, in the scratch folder one after the other in order of documents. Use it as a context manager.

    Pairs join documents from anywhere, and a record is had by decoding the batch in which it lies. So all texts are fetched once in
    order, by which each batch is decoded once, and are read one by one from here. They are read rather than mapped, since mapped
    pages count as memory of the process. In memory are 16 bytes for each text.
    """

    def __init__(self, documents: Documents, is_needed: Flags, column: str, planted: list[str]) -> None:
        gathered = documents.gathered
        self._documents = np.flatnonzero(is_needed)
        self._path = gathered.scratch / "texts"
        sizes = [np.zeros(1, np.int64)]
        with self._path.open("wb") as file:
            for part in _fetches(documents, is_needed, gathered.memory_bytes // _SHARE_OF_MEMORY):
                texts = gathered.take(part - gathered.reference_rows, [column])[column]
                sizes.append(_append(file, texts))
            copies = self._documents[self._documents >= documents.planted_from] - documents.planted_from
            sizes.append(_append(file, pa.chunked_array([[planted[copy] for copy in copies]], pa.large_string())))
            gathered.spilled_bytes += file.tell()
        self._starts = np.cumsum(np.concatenate(sizes))
        self._file = self._path.open("rb", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        self._path.unlink()

    def sizes(self, documents: Positions) -> NDArray[np.int64]:
        """Give the sizes of texts in bytes."""
        places = np.searchsorted(self._documents, documents)
        sizes: NDArray[np.int64] = self._starts[places + 1] - self._starts[places]
        return sizes

    def read(self, documents: Positions) -> TextBuffers:
        """Read the texts of documents in ascending order; those that lie side by side are read at once."""
        from liangji.kernels.buffers import TextBuffers  # noqa: PLC0415

        places = np.searchsorted(self._documents, documents)
        starts, ends = self._starts[places], self._starts[places + 1]
        offsets = np.concatenate([[0], np.cumsum(ends - starts)])
        data = np.empty(offsets[-1], np.uint8)
        view = data.data
        cuts = np.flatnonzero(starts[1:] != ends[:-1]) + 1
        for first, past in zip([0, *cuts.tolist()], [*cuts.tolist(), len(documents)], strict=True):
            self._file.seek(starts[first])
            at = offsets[first]
            while at < offsets[past]:  # the system reads 2 GB at most in one go
                at += self._file.readinto(view[at : offsets[past]])
        return TextBuffers(data, offsets, np.ones(len(documents), np.bool_))


def _append(file: BinaryIO, texts: pa.ChunkedArray) -> NDArray[np.int64]:
    """Write the texts one after the other and give their sizes in bytes."""
    from liangji.kernels.buffers import text_buffers  # noqa: PLC0415

    sizes = [np.zeros(0, np.int64)]
    for chunk in texts.chunks:
        buffers = text_buffers(chunk)
        file.write(buffers.data[buffers.offsets[0] : buffers.offsets[-1]].data)
        sizes.append(np.diff(buffers.offsets))
    return np.concatenate(sizes)


def _fetches(documents: Documents, is_needed: Flags, budget: int) -> Iterator[Positions]:
    """Give the documents of the dataset that are needed, in order, as many at a time as their texts leave room for."""
    held, sizes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    count = 0
    for batch in documents.scan(["size_bytes"]):
        numbers = batch.column(0).to_numpy()
        is_fetched = is_needed[numbers] & (numbers < documents.planted_from)
        held.append(numbers[is_fetched])
        sizes.append(batch.column(1).to_numpy()[is_fetched])
        count += len(held[-1])
        if count >= _TEXTS_AT_ONCE:
            yield from _cut(np.concatenate(held), np.concatenate(sizes), budget)
            held, sizes, count = held[:1], sizes[:1], 0
    yield from _cut(np.concatenate(held), np.concatenate(sizes), budget)


def _cut(documents: Positions, sizes: NDArray[np.int64], budget: int) -> Iterator[Positions]:
    for part in _parts(sizes, budget):
        yield documents[part]


def _pages(found: Found) -> Iterator[NDArray[np.int64]]:
    """Give the pairs in order: earlier and later document, int64[2, pairs]."""
    from liangji.kernels.radix_sort import sort_records  # noqa: PLC0415

    for first, past in found.pairs.ranges(_PAIRS_AT_ONCE):
        orders = sort_records(np.stack(found.pairs.read(first, past), axis=1), 2)
        yield (orders[:, ::-1] & np.uint64(0xFFFFFFFF)).T.astype(np.int64)


def _parts(sizes: NDArray[np.int64], budget: int) -> Iterator[slice]:
    """Cut what has these sizes into parts that keep within the budget: at least one each."""
    sums = np.cumsum(sizes)
    first = 0
    while first < len(sums):
        used = sums[first - 1] if first else 0
        past = max(first + 1, int(np.searchsorted(sums, used + budget, "right")))
        yield slice(first, past)
        first = past
