"""The common case of a columnar file, taken whole: a column of text under a usual name, without nulls. Ids without JSON a row."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from liangji.pipeline.aggregation.canonical_json import canonical_bytes
from liangji.pipeline.aggregation.text_fields import TEXT_NAMES

_ID_BYTES = 16
_DIGEST_BYTES = 32


def text_column(columns: pa.RecordBatch) -> str | None:
    """Name the column that is the text of every row; None where rows must be looked at one by one."""
    names = columns.schema.names
    name = next((name for name in TEXT_NAMES if name in names), None)
    if name is None or len(set(names)) < len(names):
        return None
    text = columns.column(name)
    is_string = pa.types.is_string(text.type) or pa.types.is_large_string(text.type)
    if not is_string or text.null_count or not columns.num_rows:
        return None
    try:
        text.validate(full=True)  # Parquet files may hold strings that are no UTF-8
    except pa.ArrowInvalid:
        return None
    return name


def text_ids(text: pa.Array, origin: str, first_record: int) -> tuple[pa.Array, NDArray[np.int64]]:
    """Give the ids of consecutive text records, and where the identity of each ends, counted over all of them."""
    from liangji.kernels.buffers import text_buffers  # noqa: PLC0415  # with the compiled kernel: a table of numbers needs neither
    from liangji.kernels.record_identities import write_identities  # noqa: PLC0415  # loads the compiler

    data, offsets, _ = text_buffers(text)
    prefix = canonical_bytes([origin])[:-1] + b","
    written, ends = write_identities(data, offsets, prefix, first_record)
    view, sha256 = written.data, hashlib.sha256
    digests = b"".join([sha256(view[start:end]).digest() for start, end in pairwise(ends.tolist())])
    cut = np.frombuffer(digests, np.uint8).reshape(-1, _DIGEST_BYTES)[:, :_ID_BYTES].tobytes()
    places = np.arange(len(text) + 1, dtype=np.int32) * np.int32(2 * _ID_BYTES)
    return pa.StringArray.from_buffers(len(text), pa.py_buffer(places), pa.py_buffer(cut.hex().encode())), ends
