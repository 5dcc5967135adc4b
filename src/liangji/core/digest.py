"""The name of a dataset's content: a digest that does not depend on shards, threads, files or the order of rows.

Each record is digested by itself (SHA-256 over its record columns, not over what was measured on it); a version's content is the
SHA-256 over the sorted record digests. So a package can be checked against its version with nothing but its own Parquet files.

Encoding of a record: for each column of `record_schema`, in its order, two little-endian int64 (1 and the value or the length in
bytes; 0 and 0 for null), then the bytes of all variable-length columns one after the other. Lists and structs count as their
JSON with sorted keys.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from liangji.core.schema import Kind, Modality, record_schema

DIGEST_BYTES = 32
_PASS_BYTES = 256 << 20


def row_digests(batch: pa.RecordBatch, schema: pa.Schema) -> bytes:
    """Digest each record of a batch over the columns of `schema`: 32 bytes a row, in the order of the rows."""
    rows = batch.num_rows
    if not rows:
        return b""
    fixed = np.zeros((rows, 2 * len(schema)), "<i8")
    variable: list[pa.Array] = []
    for position, field in enumerate(schema):
        column = batch.column(field.name)
        if column.type != field.type:
            column = column.cast(field.type)
        fixed[:, 2 * position] = column.is_valid().to_numpy(zero_copy_only=False)
        values, fixed[:, 2 * position + 1] = _encode(column)
        if values is not None:
            variable.append(values)
    empty = pa.scalar(b"", pa.large_binary())
    joined = pc.binary_join_element_wise(_as_binary(fixed), *variable, empty, null_handling="replace", null_replacement=b"")
    _, ends, data = joined.buffers()
    view, sha256 = memoryview(data), hashlib.sha256
    return b"".join([sha256(view[start:end]).digest() for start, end in pairwise(np.frombuffer(ends, "<i8", rows + 1).tolist())])


def _as_binary(rows: NDArray[np.int64]) -> pa.Array:
    """Give the bytes of each row of a table of numbers."""
    ends = np.arange(len(rows) + 1, dtype=np.int64) * (rows.itemsize * rows.shape[1])
    return pa.Array.from_buffers(pa.large_binary(), len(rows), [None, pa.py_buffer(ends), pa.py_buffer(rows)])


def _encode(column: pa.Array) -> tuple[pa.Array | None, NDArray[np.int64]]:
    """Give the bytes of a variable-length column (None for a number) and its lengths (or its values)."""
    kind = column.type
    if pa.types.is_integer(kind):
        return None, pc.fill_null(column, 0).cast(pa.int64()).to_numpy(zero_copy_only=False)
    if pa.types.is_floating(kind):
        return None, pc.fill_null(column, 0.0).cast(pa.float64()).to_numpy(zero_copy_only=False).view("<i8")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        values = column.cast(pa.large_string()).cast(pa.large_binary())
    elif pa.types.is_list(kind) and not column.null_count and not len(column.flatten()):
        values = pa.repeat(pa.scalar(b"[]", pa.large_binary()), len(column))  # a collected record has no parents: no JSON a row
    else:
        written = [None if value is None else orjson.dumps(value, option=orjson.OPT_SORT_KEYS) for value in column.to_pylist()]
        values = pa.array(written, pa.large_binary())
    return values, pc.fill_null(pc.binary_length(values), 0).to_numpy(zero_copy_only=False)


def combine(digests: bytes) -> str:
    """Combine record digests, given one after the other in any order, into the digest of a set of records (hexadecimal)."""
    ordered = np.sort(np.frombuffer(digests, f"S{DIGEST_BYTES}"))
    return hashlib.sha256(ordered.tobytes()).hexdigest()


def combine_parts(parts: Callable[[], Iterable[bytes]]) -> str:
    """Do as `combine` for digests that lie in many places, in a bounded piece of memory at a time.

    `parts` is asked for all of them again in each pass; a pass takes those of one range of values, so that the ranges, one
    after the other, are in order.
    """
    size = sum(map(len, parts()))
    passes = min(256, -(-size // _PASS_BYTES)) or 1
    digest = hashlib.sha256()
    for number in range(passes):
        first, end = number * 256 // passes, (number + 1) * 256 // passes
        taken = [np.zeros(0, f"S{DIGEST_BYTES}")]
        for part in parts():
            leading = np.frombuffer(part, np.uint8)[::DIGEST_BYTES]
            taken.append(np.frombuffer(part, f"S{DIGEST_BYTES}")[(leading >= first) & (leading < end)])
        digest.update(np.sort(np.concatenate(taken)).tobytes())
    return digest.hexdigest()


def rows_digest(batches: Iterable[pa.RecordBatch], kind: Kind, modality: Modality = Modality.TEXT) -> str:
    """Digest a whole dataset; measured columns may be there and do not count."""
    schema = record_schema(kind, modality)
    return combine(b"".join(row_digests(batch, schema) for batch in batches))


def version_id(kind: Kind, modality: Modality, recipe_hash: str, content: str) -> str:
    """Name a version: 32 hexadecimal digits over what it is for, how it was made and what it holds."""
    return canonical_hash(["liangji-version-1", str(kind), str(modality), recipe_hash, content])[:32]


def canonical_hash(value: object) -> str:
    """SHA-256 over the JSON of plain values with sorted keys (hexadecimal)."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()
