"""JSON and JSON Lines: what is wrong with a line is told with its number; the good lines go on."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterable, Iterator
from typing import Any, BinaryIO, ClassVar

import orjson
from pydantic.dataclasses import dataclass

from liangji.core.errors import InputError
from liangji.core.operator import STRICT, OperatorKind
from liangji.core.reading import Fault, Note, Raw, RawBatch, RawRecord, ReadLimits
from liangji.core.schema import Modality
from liangji.core.units import format_size
from liangji.pipeline.collection.decoding import decoded, utf8_stream
from liangji.pipeline.collection.encodings import decode
from liangji.pipeline.collection.flat_json import flat_columns
from liangji.pipeline.collection.media import coco_records, is_coco
from liangji.pipeline.collection.streams import (
    KEPT_BYTES,
    Block,
    Joined,
    Line,
    blocks,
    joined_blocks,
    read_head,
    read_whole,
    with_line_feeds,
)

COLUMNS_FROM_BYTES = 16 << 10  # what a block costs as columns, before its first line, is what this much costs line by line
_BLOCK_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"
_SURROGATE = re.compile("[\ud800-\udfff]")
_LISTS = ("data", "records", "rows", "items", "examples", "samples", "list", "results", "documents", "example")


@dataclass(frozen=True, slots=True, config=STRICT)
class ReadJsonLines:
    """Read one JSON object a line.

    Input:  JSON Lines in UTF-8, UTF-16, GB18030 or Big5; byte-order marks and blank lines are passed over.
    Output: one record a line. A line that is no JSON object is a fault with its number; one over `record_bytes` with its length.
    Source: RFC 8259; jsonlines.org.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.READ
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson", ".jsonlines", ".ldjson")
    magic: ClassVar[tuple[bytes, ...]] = ()
    seeks: ClassVar[bool] = False

    encoding: str | None = None

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Raw]:
        head, rest = read_head(stream, 8192)
        utf8 = utf8_stream(Joined(head, rest).as_binary(), self.encoding or _utf8_by_nulls(head))
        record = 0
        for block in joined_blocks(blocks(with_line_feeds(utf8.stream), limits), _BLOCK_BYTES):
            is_large = isinstance(block, Block) and len(block.data) >= COLUMNS_FROM_BYTES
            if is_large and (columns := flat_columns(block.data, limits.record_bytes)) is not None:
                yield RawBatch(columns, record, origin, block.number)
                record += columns.num_rows
            else:
                record = yield from _records([block] if isinstance(block, Line) else block.lines(limits), record, origin, limits)
        yield from utf8.notes(origin)


def _records(source: Iterable[Line], record: int, origin: str, limits: ReadLimits) -> Generator[Raw, None, int]:
    """Read lines one by one; gives back the number of the next record."""
    loads = orjson.loads
    for line in source:
        data = line.data
        try:
            value = loads(data)
        except orjson.JSONDecodeError as error:
            if not data.strip(b" \t\r\xef\xbb\xbf") and not line.beginning:
                continue
            if line.beginning:
                yield _too_long(origin, line.number, record, line.size_bytes, line.beginning, limits)
            elif "UTF-8" in error.msg or "surrogate" in error.msg:
                yield from _second_try(data, origin, line.number, record)
            else:
                yield line_fault(data, error, origin, line.number, record)
            record += 1
            continue
        if type(value) is dict:
            if data.count(b":") != len(value) and (name := duplicate_key(data, value)) is not None:
                yield _duplicate(name, data, origin, line.number, record)
            else:
                yield RawRecord(value, record, line.number, origin)
        else:
            yield _not_an_object(value, data, origin, line.number, record)
        record += 1
    return record


def _utf8_by_nulls(head: bytes) -> str | None:
    """Tell by its first four bytes that JSON is no UTF-16 or UTF-32, where NUL bytes further on look as if it were.

    Source: RFC 4627 §3.
    """
    return "utf-8" if b"\0" in head and b"\0" not in head[:4] and head[:2] not in (b"\xff\xfe", b"\xfe\xff") else None


def duplicate_key(data: bytes, value: Any) -> str | None:
    """Find a key that stands twice in one object, of which the parser gives the last value alone.

    >>> duplicate_key(b'{"a": 1, "b": {"c": 2, "c": 3}}', {"a": 1, "b": {"c": 3}})
    'c'
    """
    keys = _count_keys(value)
    if data.count(b":") == keys:
        return None  # no colon but those of the keys that were kept
    # A quote before a colon ends a key, unless a backslash before it says that it stands in a string.
    written = data.count(b'":') + data.count(b'" :')
    if b"\\" in data:
        written -= data.count(b'\\":') + data.count(b'\\" :')
    if written == keys:
        return None
    found: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            found.append(next(name for name in names if names.count(name) > 1))

    try:
        json.loads(data, object_pairs_hook=look)
    except (ValueError, RecursionError):
        return None
    return found[0] if found else None


def _count_keys(value: Any) -> int:
    count, waiting = 0, [value]
    for inner in waiting:  # which grows meanwhile
        if type(inner) is dict:
            count += len(inner)
            waiting += [item for item in inner.values() if type(item) is dict or type(item) is list]
        elif type(inner) is list:
            waiting += [item for item in inner if type(item) is dict or type(item) is list]
    return count


def _duplicate(name: str, data: bytes, origin: str, number: int, record: int) -> Fault:
    what = f"line {number} has the key '{name}' twice in one object"
    return Fault(origin, what, "keep one of them", number, record, data[:KEPT_BYTES], "duplicate_key")


def _too_long(origin: str, number: int, record: int, size: int, beginning: bytes, limits: ReadLimits) -> Fault:
    what = f"line {number} is {format_size(size)} long ({size} bytes), over the limit of {limits.record_bytes} bytes"
    mend = "raise `limits: {reading: {record_bytes: …}}` in the recipe, or break the record up"
    return Fault(origin, what, mend, number, record, beginning, "limit_exceeded")


def _not_an_object(value: Any, data: bytes, origin: str, number: int, record: int) -> Fault:
    what = f"line {number} holds {_name(value)} instead of a JSON object"
    return Fault(origin, what, 'write each record as one object: {"text": …}', number, record, data[:KEPT_BYTES])


def _second_try(data: bytes, origin: str, number: int, record: int) -> Iterator[Raw]:
    """Read a line with a byte-order mark of its own, in another encoding than the file, or with half of a surrogate pair."""
    data = data.removeprefix(_BOM)
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        mended = _mended(data, error)
        if mended is None:
            yield line_fault(data, error, origin, number, record)
            return
        value, what, code = mended
        yield Note(origin, f"line {number}: {what}", number, code)
    if isinstance(value, dict):
        yield RawRecord(value, record, number, origin)
    else:
        yield _not_an_object(value, data, origin, number, record)


def _mended(data: bytes, error: orjson.JSONDecodeError) -> tuple[Any, str, str] | None:
    try:
        if "UTF-8" in error.msg:
            text = decode(data)
            if text.replaced:
                return None
            return orjson.loads(text.text), f"is {text.encoding.name}, unlike the rest of the file; converted", "encoding"
        value = _without_surrogates(json.loads(data, parse_constant=_refuse_constant))
    except (ValueError, RecursionError):
        return None
    return value, "half of a surrogate pair replaced by U+FFFD", "surrogate_replaced"


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("�", value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_SURROGATE.sub("�", name): _without_surrogates(item) for name, item in value.items()}
    return value


def line_fault(data: bytes, error: orjson.JSONDecodeError, origin: str, number: int, record: int) -> Fault:
    """Say what is wrong with a line that is no JSON, and how to mend it."""
    what, mend = explain(data, error)
    return Fault(origin, f"line {number} is not JSON: {what}", mend, number, record, data[:KEPT_BYTES])


def explain(data: bytes, error: orjson.JSONDecodeError) -> tuple[str, str]:
    """Put the parser's complaint in words: what, and how to mend it."""
    text = data.decode("utf-8", "replace")
    column = error.colno
    rest = text[error.pos :].lstrip()
    if data.startswith(b"\0"):
        return "NUL bytes, as a crash or a broken copy leaves them", "fetch or write it again"
    if "UTF-8" in error.msg:
        return "it has bytes that are not UTF-8", "set `encoding:` of this input, or convert the file to UTF-8"
    if "depth limit" in error.msg:
        return "it is nested too deeply (over 1024 levels)", "flatten the record"
    if "control character" in error.msg:
        return f"a raw control character in a string at column {column}", r"escape it as \u00XX, \n or \t"
    if "trailing comma" in error.msg:
        return f"a comma before the closing bracket at column {column}", "take the comma out"
    if "surrogate" in error.msg:
        return f"half of a surrogate pair at column {column}", "write the character itself"
    if "end of data" in error.msg:
        return f"it is cut off at column {column}", "fetch or write it again"
    if rest.startswith(("NaN", "Infinity", "-Infinity", "nan", "inf")):
        return f"{rest[:3]} at column {column}, which JSON does not have", "write null"
    if "after document" in error.msg and rest.startswith(("{", "[")):
        return f"a second object begins at column {column}", "put each object on a line of its own"
    if rest.startswith("'"):
        return f"single quotes at column {column}", "write names and strings in double quotes"
    if error.pos == 0 and not rest.startswith(("{", "[")):
        return "plain text", 'write each record as one object: {"text": …}'
    return f"{error.msg} at column {column}", "write it again with a JSON library"


def _name(value: Any) -> str:
    if isinstance(value, list):
        return "an array"
    if isinstance(value, str):
        return "a string"
    return "null" if value is None else "true or false" if isinstance(value, bool) else "a number"


@dataclass(frozen=True, slots=True, config=STRICT)
class ReadJson:
    """Read a JSON file: an object is one record, a list of objects one record each.

    Input:  JSON; also an object with one list of objects under a usual name (`data`, `records`, …), columns of equal length,
            several objects after each other, or a COCO annotation file.
    Output: the records in order. Items that are no objects are faults with their position.
    Source: RFC 8259.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.READ
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = (".json", ".geojson")
    magic: ClassVar[tuple[bytes, ...]] = ()
    seeks: ClassVar[bool] = False

    encoding: str | None = None

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Raw]:
        data = read_whole(stream, limits)
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            text, notes = decoded(data, self.encoding, origin)
            yield from notes
            data = text.encode("utf-8", "replace")
            value = _parse(data)
        if (name := duplicate_key(data, value)) is not None:
            raise InputError(f"has the key '{name}' twice in one object", "", "keep one of them")
        if is_coco(value):
            yield from coco_records(value, origin)
            return
        yield from _items(value, origin)


def _parse(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if "surrogate" in error.msg:
            return _without_surrogates(json.loads(data, parse_constant=_refuse_constant))
        first, _, rest = data.strip().partition(b"\n")
        if rest and _is_object(first) and _is_object(rest.partition(b"\n")[0]):
            raise InputError("holds one JSON object a line", "", "name it .jsonl, or set `format: jsonl`") from error
        line = data.count(b"\n", 0, len(data.decode("utf-8", "replace")[: error.pos].encode())) + 1
        what, mend = explain(data, error)
        raise InputError(f"not JSON: {what}, line {line}", "", mend) from error


def _is_object(data: bytes) -> bool:
    try:
        return isinstance(orjson.loads(data), dict)
    except orjson.JSONDecodeError:
        return False


def _items(value: Any, origin: str) -> Iterator[Raw]:
    if isinstance(value, dict):
        inner = [value[name] for name in _LISTS if isinstance(value.get(name), list) and value[name]]
        if len(inner) == 1 and all(isinstance(item, dict) for item in inner[0]):
            rest = {name: item for name, item in value.items() if item is not inner[0]}
            if rest:
                yield Note(origin, f"fields beside the list of records are left out: {', '.join(rest)}", code="fields_left_out")
            value = inner[0]
        else:
            value = [value]
    if not isinstance(value, list):
        raise InputError(f"holds {_name(value)} instead of records", "", 'write it as a list of objects: [{"text": …}]')
    for record, item in enumerate(value):
        if isinstance(item, dict):
            yield RawRecord(item, record)
        elif isinstance(item, str):
            yield RawRecord({"text": item}, record)
        else:
            content = orjson.dumps(item)[:KEPT_BYTES]
            yield Fault(
                origin, f"item {record} is {_name(item)}, not an object", "write each record as one object", -1, record, content
            )
