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
    fixed = np.zeros((batch.num_rows, 2 * len(schema)), "<i8")
    variable: list[list[bytes]] = []
    for position, field in enumerate(schema):
        column = batch.column(field.name)
        if column.type != field.type:
            column = column.cast(field.type)
        fixed[:, 2 * position] = column.is_valid().to_numpy(zero_copy_only=False)
        values, lengths = _encode(column)
        fixed[:, 2 * position + 1] = lengths
        if values is not None:
            variable.append(values)
    width = 16 * len(schema)
    heads = fixed.tobytes()
    return b"".join(
        hashlib.sha256(b"".join((heads[row * width : (row + 1) * width], *parts))).digest()
        for row, parts in enumerate(zip(*variable, strict=True))
    )


def _encode(column: pa.Array) -> tuple[list[bytes] | None, NDArray[np.int64]]:
    """Give the bytes of a variable-length column (None for a number) and its lengths (or its values)."""
    kind = column.type
    if pa.types.is_integer(kind):
        return None, pc.fill_null(column, 0).cast(pa.int64()).to_numpy(zero_copy_only=False)
    if pa.types.is_floating(kind):
        return None, pc.fill_null(column, 0.0).cast(pa.float64()).to_numpy(zero_copy_only=False).view("<i8")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        values = [value or b"" for value in column.cast(pa.large_binary()).to_pylist()]
    else:
        values = [b"" if value is None else orjson.dumps(value, option=orjson.OPT_SORT_KEYS) for value in column.to_pylist()]
    return values, np.fromiter(map(len, values), np.int64, len(values))


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
