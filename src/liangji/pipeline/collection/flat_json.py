"""The common case of JSON Lines: a block of lines that are flat objects of one shape, parsed as columns.

Only what Arrow's parser reads exactly as a parser of single lines would is taken; any other block is left to that one. Why a block
that is taken is read right: lines begin with `{` and end with `}`, so every line feed stands between two objects, and as many
objects as lines means one a line. Every line names the same fields in the same order, so a null was written as one. Numbers are
integers of 64 bits, or decimals of which none is integral, since `1` and `1.0` are two values. Arrow itself refuses names that
stand twice, control characters, half surrogate pairs and fields of another type.
"""

from __future__ import annotations

import re

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

_SAMPLED_LINES = 16  # looked at for the type of a field that is null in the first
_LINE_FEED, _OPENING, _CLOSING = b"\n{}"
_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
_UNKNOWN = pa.string()  # null in all lines looked at: nulls of any type are the same


def flat_columns(block: bytes, longest_line: int) -> pa.RecordBatch | None:
    """Parse whole lines, the last without its line feed: row i is line i. None where they must be read one by one.

    `longest_line` is the size of a line in bytes beyond which it is not to be read.
    """
    import pyarrow.json as pj  # noqa: PLC0415  # loads another part of Arrow

    if b"\r" in block:
        block, longest_line = (block + b"\n").replace(b"\r\n", b"\n")[:-1], longest_line - 1
    lines = _count_objects(block, longest_line)
    schema = _shape(block) if lines else None
    if schema is None:
        return None
    try:
        table = pj.read_json(
            pa.BufferReader(block),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(block) + 1),
            parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
        )
        table.validate(full=True)  # strings are UTF-8
    except pa.ArrowException:
        return None
    if table.num_rows != lines or not _names_fields_alike(block, schema.names, lines) or not _holds_exact_numbers(table):
        return None
    return table.select(schema.names).combine_chunks().to_batches()[0]


def _count_objects(block: bytes, longest_line: int) -> int:
    """Count the lines where each begins and ends like an object; 0 where one does not, or is too long."""
    characters = np.frombuffer(block, np.uint8)
    feeds = np.flatnonzero(characters == _LINE_FEED)
    begins, ends = np.append(0, feeds + 1), np.append(feeds, len(block))
    sizes = ends - begins
    if not sizes.all() or sizes.max() > longest_line:
        return 0
    is_each = np.all(characters[begins] == _OPENING) and np.all(characters[ends - 1] == _CLOSING)
    return len(begins) if is_each else 0


def _shape(block: bytes) -> pa.Schema | None:
    """Name the fields and types of the first lines; None where they differ or one is nested."""
    types: dict[str, pa.DataType | None] = {}
    for line in block.split(b"\n", _SAMPLED_LINES)[:_SAMPLED_LINES]:
        try:
            fields = orjson.loads(line)
        except orjson.JSONDecodeError:
            return None
        if types and fields.keys() != types.keys():
            return None
        for name, value in fields.items():
            kind = _TYPES.get(type(value))
            if kind is None and value is not None:
                return None
            known = types.setdefault(name, kind)
            if known is None:
                types[name] = kind
            elif kind is not None and kind != known:
                return None
        if None not in types.values():
            break
    return pa.schema([(name, kind or _UNKNOWN) for name, kind in types.items()]) if types else None


def _names_fields_alike(block: bytes, names: list[str], lines: int) -> bool:
    """Tell whether each line has the same names in the same order.

    What looks like a name is one: inside a string the second quote would have a backslash before it.
    """
    written = [orjson.dumps(name)[1:-1] for name in names]
    found = re.findall(b'"(?:' + b"|".join(map(re.escape, written)) + b')":', block)
    return found == [b'"' + name + b'":' for name in written] * lines


def _holds_exact_numbers(table: pa.Table) -> bool:
    """Tell whether no decimal may have been written as an integer, or as NaN or an infinity, which are no JSON."""
    decimals = [column for column in table.columns if pa.types.is_floating(column.type)]
    return all(
        pc.all(pc.and_(pc.is_finite(column), pc.not_equal(column, pc.trunc(column)))).as_py() is not False for column in decimals
    )
