"""Exact duplicates: of documents with the same content, one stays."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field
from pydantic.dataclasses import dataclass

from liangji.core.operator import STRICT, Against, Gathered, OperatorKind, apply_drops, first_rows
from liangji.core.schema import ID, TEXT, Modality, string_column
from liangji.pipeline.cleaning.duplicate_decisions import duplicate_decisions


@dataclass(frozen=True, slots=True, config=STRICT)
class DropExactDuplicates:
    """Drop each document whose content an earlier document already has.

    Input:  `column`: string; `id`. A null text is unknown content and equals no other; an empty one equals each empty one.
    Output: the batch with `drop_reason` `exact_duplicate`, `drop_number` 1 (the similarity) and `drop_detail`, the id of the
            record that is kept: the first in canonical order, before which come those of earlier versions. Rows and order kept.
    Raises: SchemaError where `column` or `id` is missing or is not a string.
    Source: Lee et al. 2022, arXiv:2107.06499, section 4 (exact duplicates hurt models); hash: XXH3-128, xxHash 0.8.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.EXCHANGE
    version: ClassVar[str] = "2"
    modality: ClassVar[Modality] = Modality.TEXT
    drops_only: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = ()
    decision_options: ClassVar[tuple[str, ...]] = ("against",)

    column: Annotated[str, Field(description="string column that is compared")] = TEXT
    ignore: Annotated[
        Literal["nothing", "whitespace", "case_and_whitespace"],
        Field(
            description="differences that do not count: none; all white space; white space, case, and full or half width of ASCII"
        ),
    ] = "nothing"
    against: Against = ()

    @property
    def key_columns(self) -> tuple[str, ...]:
        return (self.column,)

    def keys(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        from liangji.kernels.buffers import text_buffers  # noqa: PLC0415 - compiled kernels load at the first batch
        from liangji.kernels.content_hashes import content_hashes, folded_content_hashes, folding_table  # noqa: PLC0415

        string_column(batch, ID)
        buffers = text_buffers(string_column(batch, self.column))
        if self.ignore == "nothing":
            hashes = content_hashes(buffers.data, buffers.offsets)
        else:
            table = folding_table(self.ignore == "case_and_whitespace")
            hashes = folded_content_hashes(buffers.data, buffers.offsets, table)
        known = np.flatnonzero(buffers.valid)
        content = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(known), [None, pa.py_buffer(hashes[known].tobytes())])
        return pa.RecordBatch.from_pydict({"row": known, "content": content})

    def prepare(self, gathered: Gathered) -> pa.Table:
        dropped, keepers = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for table in gathered.shared("content"):
            rows = table["row"].to_numpy()
            kept = first_rows(table)
            is_dropped = (rows != kept) & (rows >= 0)  # a row of an earlier version stays
            dropped.append(rows[is_dropped])
            keepers.append(kept[is_dropped])
        rows = np.concatenate(dropped)
        return duplicate_decisions(gathered, "exact_duplicate", rows, np.concatenate(keepers), np.ones(len(rows)))

    def apply(self, batch: pa.RecordBatch, decisions: pa.Table) -> pa.RecordBatch:
        return apply_drops(batch, decisions)
