"""Near duplicates: of documents that say almost the same letter by letter, one stays."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, BinaryIO, ClassVar, Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from liangji.core.operator import STRICT, Gathered, OperatorKind, apply_drops
from liangji.core.schema import DECISION, ID, TEXT, Modality, string_column

if TYPE_CHECKING:
    from liangji.kernels.buffers import TextBuffers

_PAIRS_AT_ONCE = 1 << 20  # candidate pairs read from DuckDB in one go: 24 MB
_ROWS_AT_ONCE = 1 << 18  # rows whose sizes are read, or ids fetched, in one go
_SHARE_OF_MEMORY = 8  # one part in so many of the budget holds the texts that are being compared
_SKETCH_LOSS = 1e-6  # share of the pairs of just the similarity asked for that the sketch may lose

_DROPS = pa.schema([pa.field("row", pa.int64()), pa.field("keeper", pa.int64()), pa.field("drop_number", pa.float64())])

Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]


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

    def __post_init__(self) -> None:
        choose_bands(self.similarity, self.recall, self.signature)

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
                **{f"sketch_{number}": pa.array(word) for number, word in enumerate(sketches(values).T.copy())},
            }
        )

    def prepare(self, gathered: Gathered) -> pa.Table:
        count = self._find_candidates(gathered)
        is_dropped = np.zeros(gathered.rows, np.bool_)
        parts = [_DROPS.empty_table()]
        with _Texts(gathered, self.column, count) as texts:
            for page in _pages(gathered, count):
                pairs, sizes = np.stack([page["earlier"].to_numpy(), page["later"].to_numpy()]), page["size_bytes"].to_numpy()
                for part in _parts(sizes, gathered.memory_bytes // _SHARE_OF_MEMORY):
                    undecided = pairs[:, part][:, ~is_dropped[pairs[:, part]].any(axis=0)]
                    if undecided.size:
                        parts.append(self._decide(texts, undecided[0], undecided[1], is_dropped, gathered.threads))
        gathered.sql("DROP TABLE candidates")
        return _named(gathered, pa.concat_tables(parts).sort_by("row"))

    def apply(self, batch: pa.RecordBatch, decisions: pa.Table) -> pa.RecordBatch:
        return apply_drops(batch, decisions)

    def warm_up(self) -> None:
        from liangji.kernels.buffers import TextBuffers  # noqa: PLC0415

        self.keys(pa.RecordBatch.from_pydict({ID: ["a"], self.column: ["a"]}))
        text = TextBuffers(np.zeros(2, np.uint8), np.arange(3), np.ones(2, np.bool_))
        self._compare(text, np.array([0]), np.array([1]), np.zeros(2, np.bool_), 1)

    def _find_candidates(self, gathered: Gathered) -> int:
        """Make the table `candidates`: `number`, `earlier`, `later`, `size_bytes` of both; give how many pairs it has.

        Pairing all members of a bucket would cost the square of its size. Each member is paired with the first of the bucket,
        which all copies of one document share, and with the two before it, so that members that resemble each other but not the
        first meet as well. Of the pairs those stay whose sketches do not rule the similarity out: documents on one template meet
        in many buckets and are not similar enough. Pairs are numbered in the order in which documents are decided on.
        """
        from liangji.kernels.minhash import SKETCH_WORDS, most_differences  # noqa: PLC0415

        rank = "row" if self.keep == "first" else "row_number() OVER (ORDER BY size_bytes DESC, row)"
        words = ", ".join(f"sketch_{number}" for number in range(2 * SKETCH_WORDS))
        differences = " + ".join(
            f"bit_count(xor(one.sketch_{number}, other.sketch_{number})"
            f" | xor(one.sketch_{number + SKETCH_WORDS}, other.sketch_{number + SKETCH_WORDS}))::INTEGER"
            for number in range(SKETCH_WORDS)
        )
        gathered.sql(f"CREATE TABLE ranked AS SELECT row, size_bytes, {words}, {rank} AS rank FROM keys")  # noqa: S608 - fixed strings
        gathered.sql(
            """
            CREATE TABLE members AS
            WITH hashed AS (SELECT row, unnest(bands) AS hash FROM keys),
                 buckets AS (SELECT hash FROM hashed GROUP BY hash HAVING count(*) > 1)
            SELECT hash, rank FROM hashed JOIN buckets USING (hash) JOIN (SELECT row, rank FROM ranked) USING (row)
            """
        )
        gathered.sql(
            f"""
            CREATE TABLE candidates AS
            WITH neighbours AS (
                SELECT rank AS later, first_value(rank) OVER bucket AS a, lag(rank, 1) OVER bucket AS b, lag(rank, 2) OVER bucket AS c
                FROM members
                WINDOW bucket AS (PARTITION BY hash ORDER BY rank)
            ),
            pairs AS (
                SELECT a AS earlier, later FROM neighbours WHERE a < later
                UNION SELECT b, later FROM neighbours WHERE b < later
                UNION SELECT c, later FROM neighbours WHERE c < later
            )
            SELECT row_number() OVER (ORDER BY pairs.later, pairs.earlier) - 1 AS number,
                   one.row AS earlier, other.row AS later, one.size_bytes + other.size_bytes AS size_bytes
            FROM pairs JOIN ranked AS one ON one.rank = pairs.earlier JOIN ranked AS other ON other.rank = pairs.later
            WHERE {differences} <= {most_differences(self.similarity, _SKETCH_LOSS)}
            """  # noqa: S608 - fixed strings and a number
        )
        gathered.sql("DROP TABLE members")
        gathered.sql("DROP TABLE ranked")
        return int(gathered.sql("SELECT count(*) AS pairs FROM candidates")["pairs"][0].as_py())

    def _decide(self, texts: _Texts, earlier: Rows, later: Rows, is_dropped: Flags, threads: int) -> pa.Table:
        """Go through the pairs in order, comparing as few as that takes: mark and give the rows that are dropped."""
        rows, positions = np.unique(np.concatenate([earlier, later]), return_inverse=True)
        first, second = positions[: len(earlier)], positions[len(earlier) :]
        local = is_dropped[rows]
        similarities, decided = self._compare(texts.read(rows), first, second, local, threads)
        is_dropped[rows] = local
        pairs = decided[decided >= 0]
        return pa.table([later[pairs], earlier[pairs], similarities[pairs]], _DROPS)

    def _compare(
        self, texts: TextBuffers, first: Rows, second: Rows, is_dropped: Flags, threads: int
    ) -> tuple[NDArray[np.float64], Rows]:
        """Give the similarities of the pairs as far as they were needed, and for each document the pair by which it is dropped.

        Several threads look into parts of the pairs at once, as if none of the documents at hand were dropped; the walk through all
        pairs in order then finds their work done, and compares what they could not know to be needed.
        """
        from liangji.kernels.shingles import character_counts, first_similar, letter_table  # noqa: PLC0415

        similarities = np.full(len(first), np.nan)
        counts = character_counts(texts.data, texts.offsets)

        def walk(part: slice, is_final: bool) -> Rows:
            decided: Rows = first_similar(
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
    """The texts that may be compared, in the scratch folder one after the other in order of rows. Use it as a context manager.

    Pairs join rows from anywhere, and a record is had by decoding the batch in which it lies. So all texts are fetched once in
    order of rows, by which each batch is decoded once, and are read one by one from here. They are read rather than mapped, since
    mapped pages count as memory of the process.
    """

    def __init__(self, gathered: Gathered, column: str, pairs: int) -> None:
        is_needed = np.zeros(gathered.rows, np.bool_)
        for page in _pages(gathered, pairs):
            is_needed[page["earlier"].to_numpy()] = True
            is_needed[page["later"].to_numpy()] = True
        self._starts = np.memmap(gathered.scratch / "text_starts", np.int64, "w+", shape=(gathered.rows + 1,))
        self._path = gathered.scratch / "texts"
        with self._path.open("wb") as file:
            for first in range(0, gathered.rows, _ROWS_AT_ONCE):
                sizes = np.zeros(min(_ROWS_AT_ONCE, gathered.rows - first), np.int64)
                for rows in _fetches(gathered, first, is_needed):
                    sizes[rows - first] = _append(file, gathered.take(rows, [column])[column])
                self._starts[first + 1 : first + 1 + len(sizes)] = self._starts[first] + np.cumsum(sizes)
        self._file = self._path.open("rb", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        self._path.unlink()

    def read(self, rows: Rows) -> TextBuffers:
        """Read the texts of rows in ascending order; those that lie side by side are read at once."""
        from liangji.kernels.buffers import TextBuffers  # noqa: PLC0415

        starts, ends = np.asarray(self._starts[rows]), np.asarray(self._starts[rows + 1])
        offsets = np.concatenate([[0], np.cumsum(ends - starts)])
        data = np.empty(offsets[-1], np.uint8)
        view = data.data
        cuts = np.flatnonzero(starts[1:] != ends[:-1]) + 1
        for first, past in zip([0, *cuts.tolist()], [*cuts.tolist(), len(rows)], strict=True):
            self._file.seek(starts[first])
            at = offsets[first]
            while at < offsets[past]:  # the system reads 2 GB at most in one go
                at += self._file.readinto(view[at : offsets[past]])
        return TextBuffers(data, offsets, np.ones(len(rows), np.bool_))


def _append(file: BinaryIO, texts: pa.ChunkedArray) -> Rows:
    """Write the texts one after the other and give their sizes in bytes."""
    from liangji.kernels.buffers import text_buffers  # noqa: PLC0415

    sizes = [np.zeros(0, np.int64)]
    for chunk in texts.chunks:
        buffers = text_buffers(chunk)
        file.write(buffers.data[buffers.offsets[0] : buffers.offsets[-1]].data)
        sizes.append(np.diff(buffers.offsets))
    return np.concatenate(sizes)


def _fetches(gathered: Gathered, first: int, is_needed: Flags) -> Iterator[Rows]:
    """Give the rows of `_ROWS_AT_ONCE` from `first` on that are needed, as many at a time as their texts leave room for."""
    page = gathered.sql(
        f"SELECT row, size_bytes FROM keys WHERE row >= {first} AND row < {first + _ROWS_AT_ONCE} ORDER BY row"  # noqa: S608 - numbers
    )
    rows = page["row"].to_numpy()
    is_fetched = is_needed[rows]
    rows = rows[is_fetched]
    for part in _parts(page["size_bytes"].to_numpy()[is_fetched], gathered.memory_bytes // _SHARE_OF_MEMORY):
        yield rows[part]


def _pages(gathered: Gathered, pairs: int) -> Iterator[pa.Table]:
    """Give the candidate pairs in order."""
    for start in range(0, pairs, _PAIRS_AT_ONCE):
        yield gathered.sql(
            f"SELECT earlier, later, size_bytes FROM candidates WHERE number >= {start} AND number < {start + _PAIRS_AT_ONCE} "  # noqa: S608 - numbers
            "ORDER BY number"
        )


def _parts(sizes: Rows, budget: int) -> Iterator[slice]:
    """Cut what has these sizes into parts that keep within the budget: at least one each."""
    sums = np.cumsum(sizes)
    first = 0
    while first < len(sums):
        used = sums[first - 1] if first else 0
        past = max(first + 1, int(np.searchsorted(sums, used + budget, "right")))
        yield slice(first, past)
        first = past


def _named(gathered: Gathered, drops: pa.Table) -> pa.Table:
    """Make decisions of the drops: name the records that are kept by their ids."""
    keepers, positions = np.unique(drops["keeper"].to_numpy(), return_inverse=True)
    starts = range(0, len(keepers), _ROWS_AT_ONCE)
    ids = pa.chunked_array(
        [gathered.take(keepers[start : start + _ROWS_AT_ONCE], [ID])[ID].cast(pa.string()).combine_chunks() for start in starts],
        pa.string(),
    )
    reasons = pa.repeat(pa.scalar("near_duplicate"), len(drops))
    columns = [drops["row"], reasons, drops["drop_number"], ids.take(pa.array(positions))]
    return pa.table(columns, ["row", *(field.name for field in DECISION)]).cast(pa.schema([_DROPS.field("row"), *DECISION]))
