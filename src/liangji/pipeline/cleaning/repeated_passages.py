"""Repeated passages: lines and paragraphs that stand in many documents, such as navigation, notices and footers."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from liangji.core.operator import STRICT, Against, Gathered, OperatorKind, first_rows, with_decision
from liangji.core.schema import TEXT, Modality, string_column, with_column
from liangji.engine.spill import BUCKETS, Spill

_DECISIONS = pa.schema([pa.field("row", pa.int64()), pa.field("unwanted", pa.list_(pa.uint64()))])

_SHARE_OF_MEMORY = 8  # one part in so many of the budget is for gathering what is to go, and as much for sorting it
_BYTES_PER_PASSAGE = 64  # that sorting holds

_COLUMN = "string column that is read and changed"
_WITHIN = "also remove a passage that stood earlier in the same document; off because tables, refrains and code repeat on purpose"


@dataclass(frozen=True, slots=True, config=STRICT)
class DropRepeatedLines:
    """Remove lines that stand in many documents: navigation, notices, footers.

    Two lines are the same where they are equal but for white space. Three documents are enough by default, since people quote a
    line once or twice while a template stamps it on each page. The first copy stays, so that of a document collected three times
    one is left; `keep: none` also rids that one page of its template, once duplicates have been dropped. Lines of fewer than ten
    characters stay: `}`, `第一章` or a heading belong where they stand. Set `minimum_documents` higher for collections such as
    statutes, whose sentences repeat on purpose.

    Input:  `column`: string, one document a row.
    Output: the batch with `column` rewritten where lines were removed, neither leaving holes nor gluing paragraphs together, and
            `repeated_line_characters_removed`: int64, by how many characters the text got shorter; null where it is null.
            `drop_reason` `only_repeated_lines` where nothing is left (the text then stays as it was, `drop_number` is its
            repeated characters). Rows and order kept.
    Raises: SchemaError where `column` is missing or is not a string.
    Source: Wenzek et al. 2020, arXiv:1911.00359, section 3.1 (CCNet); Penedo et al. 2023, arXiv:2306.01116, section 3.3.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.EXCHANGE
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    drops_only: ClassVar[bool] = False
    decision_options: ClassVar[tuple[str, ...]] = ("minimum_documents", "keep", "within_document", "against")

    column: Annotated[str, Field(description=_COLUMN)] = TEXT
    minimum_documents: Annotated[int, Field(ge=2, description="documents a line must stand in to be removed")] = 3
    minimum_characters: Annotated[
        int, Field(ge=1, description="characters, without white space, from which a line may be removed")
    ] = 10
    keep: Annotated[
        Literal["none", "first"], Field(description="whether a line stays in the first document that has it, in canonical order")
    ] = "first"
    within_document: Annotated[bool, Field(description=_WITHIN)] = False
    against: Against = ()

    @property
    def key_columns(self) -> tuple[str, ...]:
        return (self.column,)

    def keys(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return _passage_keys(batch, self.column, False, self.minimum_characters)

    def prepare(self, gathered: Gathered) -> pa.Table:
        return _unwanted_passages(gathered, self.minimum_documents, self.keep == "first")

    def apply(self, batch: pa.RecordBatch, decisions: pa.Table) -> pa.RecordBatch:
        return _remove(batch, decisions, self.column, False, self.minimum_characters, self.within_document, "line")


@dataclass(frozen=True, slots=True, config=STRICT)
class DropRepeatedParagraphs:
    """Remove paragraphs that another document already has: copied articles, licences, introductions.

    A paragraph is the lines between two blank ones. Two are the same where they are equal but for white space. A paragraph of fifty
    characters is not written twice by chance, so two documents are enough by default; and the first copy stays, since it is content.

    Input:  `column`: string, one document a row.
    Output: the batch with `column` rewritten where paragraphs were removed, leaving no holes, and
            `repeated_paragraph_characters_removed`: int64, by how many characters the text got shorter; null where it is null.
            `drop_reason` `only_repeated_paragraphs` where nothing is left (the text then stays as it was, `drop_number` is its
            repeated characters). Rows and order kept.
    Raises: SchemaError where `column` is missing or is not a string.
    Source: Wenzek et al. 2020, arXiv:1911.00359, section 3.1 (CCNet removes paragraphs seen before, keeping the first).
    """

    kind: ClassVar[OperatorKind] = OperatorKind.EXCHANGE
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    drops_only: ClassVar[bool] = False
    decision_options: ClassVar[tuple[str, ...]] = ("minimum_documents", "keep", "within_document", "against")

    column: Annotated[str, Field(description=_COLUMN)] = TEXT
    minimum_documents: Annotated[int, Field(ge=2, description="documents a paragraph must stand in to be removed")] = 2
    minimum_characters: Annotated[
        int, Field(ge=1, description="characters, without white space, from which a paragraph may be removed")
    ] = 50
    keep: Annotated[
        Literal["none", "first"],
        Field(description="whether a paragraph stays in the first document that has it, in canonical order"),
    ] = "first"
    within_document: Annotated[bool, Field(description=_WITHIN)] = False
    against: Against = ()

    @property
    def key_columns(self) -> tuple[str, ...]:
        return (self.column,)

    def keys(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return _passage_keys(batch, self.column, True, self.minimum_characters)

    def prepare(self, gathered: Gathered) -> pa.Table:
        return _unwanted_passages(gathered, self.minimum_documents, self.keep == "first")

    def apply(self, batch: pa.RecordBatch, decisions: pa.Table) -> pa.RecordBatch:
        return _remove(batch, decisions, self.column, True, self.minimum_characters, self.within_document, "paragraph")


def _passage_keys(batch: pa.RecordBatch, column: str, is_paragraph: bool, minimum: int) -> pa.RecordBatch:
    """Give one row for each document that has a passage: the hashes of its passages, each once."""
    from liangji.kernels.buffers import text_buffers  # noqa: PLC0415 - compiled kernels load at the first batch
    from liangji.kernels.line_hashes import passage_hashes  # noqa: PLC0415

    buffers = text_buffers(string_column(batch, column))
    hashes, offsets = passage_hashes(buffers.data, buffers.offsets, is_paragraph, minimum)
    some = np.flatnonzero(np.diff(offsets))
    bounds = np.append(offsets[some], offsets[-1])
    return pa.RecordBatch.from_pydict({"row": some, "passages": _lists(bounds, hashes)})


def _unwanted_passages(gathered: Gathered, minimum_documents: int, keeps_first: bool) -> pa.Table:
    """Give for each document the hashes of its passages that are to go, ascending; documents of earlier versions count and stay."""
    budget = gathered.memory_bytes // _SHARE_OF_MEMORY
    width = gathered.rows // BUCKETS + 1  # rows in a bucket
    parts = [_DECISIONS.empty_table()]
    with Spill(gathered.scratch / "unwanted", [np.int64, np.uint64], memory_bytes=budget, threads=gathered.threads) as unwanted:
        for table in gathered.shared("passages", minimum_documents):
            rows, hashes = table["row"].to_numpy(), table["key"].to_numpy()
            goes = rows >= 0
            if keeps_first:
                goes &= rows != first_rows(table)
            unwanted.add((rows[goes] // width).astype(np.uint16), rows[goes], hashes[goes])
        unwanted.seal()
        gathered.spilled_bytes += unwanted.written_bytes
        for first, past in unwanted.ranges(budget // _BYTES_PER_PASSAGE):
            gathered.check()
            parts.append(_by_document(*unwanted.read(first, past)))
    return pa.concat_tables(parts)


def _by_document(rows: NDArray[np.int64], hashes: NDArray[np.uint64]) -> pa.Table:
    from liangji.kernels.radix_sort import sort_records  # noqa: PLC0415 - compiled kernels load at the first batch

    records = sort_records(np.stack([rows.astype(np.uint64), hashes], axis=1), 2)
    documents, starts = np.unique(records[:, 0].astype(np.int64), return_index=True)
    return pa.table([pa.array(documents), _lists(np.append(starts, len(records)), records[:, 1].copy())], schema=_DECISIONS)


def _lists(bounds: NDArray[np.int64], hashes: NDArray[np.uint64]) -> pa.Array:
    if len(hashes) >= 1 << 31:
        large = pa.LargeListArray.from_arrays(pa.array(bounds, pa.int64()), pa.array(hashes, pa.uint64()))
        return large.cast(pa.list_(pa.uint64()))
    return pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), pa.array(hashes, pa.uint64()))


def _remove(
    batch: pa.RecordBatch, decisions: pa.Table, column: str, is_paragraph: bool, minimum: int, within_document: bool, passage: str
) -> pa.RecordBatch:
    from liangji.kernels.buffers import text_buffers  # noqa: PLC0415 - compiled kernels load at the first batch
    from liangji.kernels.line_hashes import without_passages  # noqa: PLC0415

    texts = string_column(batch, column)
    buffers = text_buffers(texts)
    unwanted, unwanted_offsets = _by_row(decisions, batch.num_rows)
    data, offsets, lost, is_left = without_passages(
        buffers.data, buffers.offsets, is_paragraph, minimum, unwanted, unwanted_offsets, within_document
    )
    rewritten = _strings(data, offsets, texts)
    rewritten = pc.if_else(pa.array(is_left), rewritten, texts.cast(rewritten.type))
    characters = pa.array(lost, pa.int64(), mask=~buffers.valid)
    nothing_left = pa.array(~is_left)
    batch = with_column(batch, column, rewritten.cast(texts.type))
    batch = with_column(batch, f"repeated_{passage}_characters_removed", characters)
    reason = pc.if_else(nothing_left, f"only_repeated_{passage}s", pa.scalar(None, pa.string()))
    number = pc.if_else(nothing_left, characters.cast(pa.float64()), pa.scalar(None, pa.float64()))
    return with_decision(batch, reason, number)


def _by_row(decisions: pa.Table, rows: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Give the unwanted hashes of all rows one after the other, and their offsets."""
    lists: Any = decisions["unwanted"].combine_chunks()
    counts = np.zeros(rows, np.int64)
    counts[decisions["row"].to_numpy()] = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    hashes: NDArray[np.uint64] = lists.flatten().to_numpy(zero_copy_only=False).astype(np.uint64)
    return hashes, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _strings(data: NDArray[np.uint8], offsets: NDArray[np.int64], like: pa.Array) -> pa.Array:
    """Wrap bytes as large strings, null where `like` is."""
    array = pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))
    return pc.if_else(like.is_valid(), array, pa.scalar(None, pa.large_string()))
