"""Near duplicates: of documents that say almost the same letter by letter, one stays."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from liangji.core.operator import STRICT, Gathered, OperatorKind, apply_drops
from liangji.core.schema import DECISION, ID, TEXT, Modality, string_column

_PAIRS_AT_ONCE = 1 << 20  # candidate pairs read from DuckDB in one go: 24 MB
_SHARE_OF_MEMORY = 8  # one part in so many of the budget holds the texts that are being compared

Rows = NDArray[np.int64]


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

    Candidates share a band of their MinHash signatures; each is then compared exactly, so that chance never drops a document.
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
    version: ClassVar[str] = "1"
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
        from liangji.kernels.minhash import band_hashes, signatures  # noqa: PLC0415
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
            chosen.bands * chosen.rows,
            self.seed,
        )
        present = np.flatnonzero(is_present)
        hashes = band_hashes(values[present], chosen.bands, chosen.rows)
        offsets = np.arange(0, hashes.size + 1, chosen.bands, dtype=np.int32)
        return pa.RecordBatch.from_pydict(
            {
                "row": present,
                "size_bytes": np.diff(buffers.offsets)[present],
                "bands": pa.ListArray.from_arrays(pa.array(offsets), pa.array(hashes.ravel())),
            }
        )

    def prepare(self, gathered: Gathered) -> pa.Table:
        schema = pa.schema([pa.field("row", pa.int64()), *DECISION])
        count = self._find_candidates(gathered)
        is_dropped = np.zeros(gathered.rows, np.bool_)
        parts = [schema.empty_table()]
        for earlier, later in _chunks(gathered, count):
            undecided = ~is_dropped[earlier]
            if undecided.any():
                parts.append(self._decide(gathered, earlier[undecided], later[undecided], is_dropped).cast(schema))
        gathered.sql("DROP TABLE candidates")
        return pa.concat_tables(parts).sort_by("row")

    def apply(self, batch: pa.RecordBatch, decisions: pa.Table) -> pa.RecordBatch:
        return apply_drops(batch, decisions)

    def warm_up(self) -> None:
        from liangji.kernels.shingles import letter_table  # noqa: PLC0415

        self.keys(pa.RecordBatch.from_pydict({ID: ["a"], self.column: ["a"]}))
        self._similarities(pa.array(["a", "b"]), np.array([0]), np.array([1]), letter_table(), 1)

    def _find_candidates(self, gathered: Gathered) -> int:
        """Make the table `candidates`: `number`, `earlier`, `later`, `size_bytes` of both; give how many pairs it has.

        Pairing all members of a bucket would cost the square of its size. Each member is paired with the first of the bucket,
        which all copies of one document share, and with the two before it, so that members that resemble each other but not the
        first meet as well. Pairs are numbered in the order in which documents are decided on.
        """
        rank = "row" if self.keep == "first" else "row_number() OVER (ORDER BY size_bytes DESC, row)"
        gathered.sql(f"CREATE TABLE ranked AS SELECT row, size_bytes, {rank} AS rank FROM keys")  # noqa: S608 - fixed strings
        gathered.sql(
            """
            CREATE TABLE members AS
            WITH hashed AS (SELECT row, unnest(bands) AS hash FROM keys),
                 buckets AS (SELECT hash FROM hashed GROUP BY hash HAVING count(*) > 1)
            SELECT hash, rank FROM hashed JOIN buckets USING (hash) JOIN ranked USING (row)
            """
        )
        gathered.sql(
            """
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
            """
        )
        gathered.sql("DROP TABLE members")
        gathered.sql("DROP TABLE ranked")
        return int(gathered.sql("SELECT count(*) AS pairs FROM candidates")["pairs"][0].as_py())

    def _decide(self, gathered: Gathered, earlier: Rows, later: Rows, is_dropped: NDArray[np.bool_]) -> pa.Table:
        """Compare the pairs exactly, then go through them in order: mark and give the rows that are dropped."""
        from liangji.kernels.shingles import letter_table  # noqa: PLC0415

        rows, positions = np.unique(np.concatenate([earlier, later]), return_inverse=True)
        records = gathered.take(rows, [ID, self.column])
        ids = records[ID].combine_chunks()
        texts = records[self.column].cast(pa.large_string()).combine_chunks()
        first, second = positions[: len(earlier)], positions[len(earlier) :]
        similarities = self._similarities(texts, first, second, letter_table(), gathered.threads)
        dropped: dict[int, int] = {}  # row → pair that decided
        for pair in np.flatnonzero(similarities >= self.similarity).tolist():
            if not is_dropped[earlier[pair]] and not is_dropped[later[pair]]:
                is_dropped[later[pair]] = True
                dropped[int(later[pair])] = pair
        pairs = list(dropped.values())
        return pa.table(
            {
                "row": pa.array(dropped.keys(), pa.int64()),
                "drop_reason": pa.repeat(pa.scalar("near_duplicate"), len(pairs)),
                "drop_number": similarities[pairs],
                "drop_detail": ids.take(pa.array(first[pairs])),
            }
        )

    def _similarities(self, texts: pa.Array, first: Rows, second: Rows, table: Any, threads: int) -> NDArray[np.float64]:
        from liangji.kernels.buffers import text_buffers  # noqa: PLC0415
        from liangji.kernels.shingles import jaccard_similarities  # noqa: PLC0415

        buffers = text_buffers(texts)

        def compare(part: tuple[Rows, Rows]) -> NDArray[np.float64]:
            one, other = part
            similarities: NDArray[np.float64] = jaccard_similarities(
                buffers.data, buffers.offsets, one, other, table, self.shingle_ideographs, self.shingle_letters
            )
            return similarities

        with ThreadPoolExecutor(threads) as pool:
            parts = zip(np.array_split(first, threads), np.array_split(second, threads), strict=True)
            return np.concatenate(list(pool.map(compare, parts)))


def _chunks(gathered: Gathered, count: int) -> Iterator[tuple[Rows, Rows]]:
    """Give the candidate pairs in order, as many at a time as their texts leave room for: at least one."""
    budget = gathered.memory_bytes // _SHARE_OF_MEMORY
    for start in range(0, count, _PAIRS_AT_ONCE):
        page = gathered.sql(
            f"SELECT earlier, later, size_bytes FROM candidates WHERE number >= {start} AND number < {start + _PAIRS_AT_ONCE} "  # noqa: S608 - numbers
            "ORDER BY number"
        )
        earlier, later = page["earlier"].to_numpy(), page["later"].to_numpy()
        sizes = np.cumsum(page["size_bytes"].to_numpy())
        first = 0
        while first < len(page):
            used = sizes[first - 1] if first else 0
            past = max(first + 1, int(np.searchsorted(sizes, used + budget, "right")))
            yield earlier[first:past], later[first:past]
            first = past
