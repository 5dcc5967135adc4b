"""The decisions of exact and near duplicates: each dropped record names the one that is kept instead by its id."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from liangji.core.operator import Gathered
from liangji.core.schema import DECISION, ID

_IDS_AT_ONCE = 1 << 18  # about 10 MB
_ROWS_AT_ONCE = 1 << 20

_SCHEMA = pa.schema([pa.field("row", pa.int64()), *DECISION])


def duplicate_decisions(
    gathered: Gathered, reason: str, rows: NDArray[np.int64], keepers: NDArray[np.int64], similarities: NDArray[np.float64]
) -> pa.Table:
    """Give the decisions by which rows are dropped for the rows in `keepers`, in order of rows."""
    order = np.argsort(rows)
    rows, similarities = rows[order], similarities[order]
    kept, positions = np.unique(keepers[order], return_inverse=True)
    ids = _ids(gathered, kept)
    parts = [_SCHEMA.empty_table()]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        details = ids.take(pa.array(positions[part]))
        reasons = pa.repeat(pa.scalar(reason), len(details))
        columns = [pa.array(rows[part]), reasons, pa.array(similarities[part]), details.cast(pa.string())]
        parts.append(pa.table(columns, schema=_SCHEMA))
    return pa.concat_tables(parts)


def _ids(gathered: Gathered, rows: NDArray[np.int64]) -> pa.Array:
    chunks = [
        chunk.cast(pa.large_string())  # together they may exceed the 2 GB that fit into a string array
        for start in range(0, len(rows), _IDS_AT_ONCE)
        for chunk in gathered.take(rows[start : start + _IDS_AT_ONCE], [ID])[ID].chunks
    ]
    return pa.chunked_array(chunks, pa.large_string()).combine_chunks()
