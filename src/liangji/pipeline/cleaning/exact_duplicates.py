"""Exact duplicates: of documents with the same content, one stays."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field
from pydantic.dataclasses import dataclass

from liangji.core.operator import STRICT, Gathered, OperatorKind, apply_drops
from liangji.core.schema import DECISION, ID, TEXT, Modality, string_column

_TAKEN_AT_ONCE = 100_000  # ids of kept records fetched in one go: about 4 MB


@dataclass(frozen=True, slots=True, config=STRICT)
class DropExactDuplicates:
    """Drop each document whose content an earlier document already has.

    Input:  `column`: string; `id`. A null text is unknown content and equals no other; an empty one equals each empty one.
    Output: the batch with `drop_reason` `exact_duplicate`, `drop_number` 1 (the similarity) and `drop_detail`, the id of the
            record that is kept: the first in canonical order. Rows and order kept.
    Raises: SchemaError where `column` or `id` is missing or is not a string.
    Source: Lee et al. 2022, arXiv:2107.06499, section 4 (exact duplicates hurt models); hash: XXH3-128, xxHash 0.8.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.EXCHANGE
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    drops_only: ClassVar[bool] = True

    column: Annotated[str, Field(description="string column that is compared")] = TEXT
    ignore: Annotated[
        Literal["nothing", "whitespace", "case_and_whitespace"],
        Field(
            description="differences that do not count: none; all white space; white space, case, and full or half width of ASCII"
        ),
    ] = "nothing"

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
        return pa.RecordBatch.from_pydict({"row": known, "high": hashes[known, 0], "low": hashes[known, 1]})

    def prepare(self, gathered: Gathered) -> pa.Table:
        copies = gathered.sql(
            """
            SELECT keys.row AS row, kept
            FROM keys
            JOIN (SELECT high, low, min(row) AS kept FROM keys GROUP BY high, low HAVING count(*) > 1) USING (high, low)
            WHERE keys.row <> kept
            ORDER BY keys.row
            """
        )
        kept, position = np.unique(copies["kept"].to_numpy(), return_inverse=True)
        starts = range(0, len(kept), _TAKEN_AT_ONCE)
        taken = [gathered.take(kept[start : start + _TAKEN_AT_ONCE], [ID])[ID].cast(pa.string()) for start in starts]
        ids = pa.chunked_array([chunk for part in taken for chunk in part.chunks], pa.string()).combine_chunks()
        return pa.table(
            [
                copies["row"],
                pa.repeat(pa.scalar("exact_duplicate"), len(copies)),
                pa.repeat(pa.scalar(1.0), len(copies)),
                ids.take(pa.array(position, pa.int64())),
            ],
            schema=pa.schema([pa.field("row", pa.int64()), *DECISION]),
        )

    def apply(self, batch: pa.RecordBatch, decisions: pa.Table) -> pa.RecordBatch:
        return apply_drops(batch, decisions)

    def warm_up(self) -> None:
        self.keys(pa.RecordBatch.from_pydict({ID: ["a"], self.column: ["a"]}))
