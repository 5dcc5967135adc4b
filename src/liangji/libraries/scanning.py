"""Scan files of any kind for personal information and secrets: what stands behind `liangji scan PATH`.

Positions are code points: of the field for record files (JSON, JSONL, CSV, xlsx, Parquet, WARC…), of the whole decoded text for
text files (plain text, Markdown, HTML source, code, configuration). Members of archives are named `outer.zip!inner.txt`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from liangji.core.errors import InputError
from liangji.core.reading import Fault, Note, RawBatch, RawRecord, ReadLimits

_BATCH_CHARACTERS, _BATCH_FIELDS = 4_000_000, 4096
_LONGEST_CELL = 256  # up to this length the name of a field is read as a label before the value: `password`, `护照号`
_PLAIN_NAMES = frozenset({"text", "content", "body", "message", "html", "markdown", "value", "data", "description"})


class _Field(NamedTuple):
    file: str
    record: int
    path: str  # a.b[0]
    text: str
    label: str  # put before the text for its context; empty where the name of the field says nothing


def scan(
    paths: Iterable[Path | str],
    *,
    kinds: Collection[str] | None = None,
    minimum_confidence: Literal["high", "low"] = "high",
    show: bool = False,
    limits: ReadLimits | None = None,
    report: Callable[[Fault | Note], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Find personal information and secrets in files, folders and archives: one mapping a finding, in the order of the files.

    Keys: `file`, `record` (0-based), `field`, `start`, `end`, `kind`, `confidence`; `value` only with `show`. `kinds` None stands
    for every kind. What cannot be read goes to `report`.

    Raises: InputError for a path that does not exist; ValueError for an unknown kind.
    """
    from liangji.governance.personal_information.detection import find_in  # noqa: PLC0415 - loads the kernels
    from liangji.governance.personal_information.kinds import check_names  # noqa: PLC0415

    wanted = None if kinds is None else check_names(kinds)
    for batch in _batches(_fields(_files(paths), limits or ReadLimits(), report or _ignore)):
        found = find_in(pa.array([field.label + field.text for field in batch], pa.large_string()), wanted, minimum_confidence)
        for field, findings in zip(batch, found, strict=True):
            shift = len(field.label)
            for finding in findings:
                if finding.start < shift:
                    continue
                start, end = finding.start - shift, finding.end - shift
                place = {"file": field.file, "record": field.record, "field": field.path, "start": start, "end": end}
                value = {"value": field.text[start:end]} if show else {}
                yield place | {"kind": finding.kind, "confidence": finding.confidence} | value


def _ignore(_: Fault | Note) -> None:
    return


def _files(paths: Iterable[Path | str]) -> Iterator[Path]:
    for path in map(Path, paths):
        if path.is_dir():
            yield from sorted(inner for inner in path.rglob("*") if inner.is_file() and not inner.is_symlink())
        elif path.is_file():
            yield path
        elif path.exists():
            raise InputError(
                f"'{path}' is a pipe, a socket or a device, not a file", str(Path.cwd()), "write its content into a file"
            )
        else:
            raise InputError(f"no file or folder '{path}'", str(Path.cwd()), "check the path")


def _fields(files: Iterable[Path], limits: ReadLimits, report: Callable[[Fault | Note], None]) -> Iterator[_Field]:
    from liangji.pipeline.collection.reading import read_raw  # noqa: PLC0415 - loads the readers

    for path in files:
        with path.open("rb") as stream:
            for item in read_raw(stream, str(path), limits, verbatim=True):
                if isinstance(item, Fault | Note):
                    report(item)
                elif isinstance(item, RawRecord):
                    yield from _strings(item.origin or str(path), item.record, item.fields)
                elif isinstance(item, RawBatch):
                    rows = item.columns.to_pylist()
                    yield from chain.from_iterable(_strings(item.origin, item.record + i, row) for i, row in enumerate(rows))


def _strings(file: str, record: int, fields: dict[str, Any]) -> Iterator[_Field]:
    stack: list[tuple[str, str, Any]] = [(name, name, value) for name, value in reversed(fields.items())]
    while stack:
        path, name, value = stack.pop()
        if isinstance(value, dict):
            stack += [(f"{path}.{key}", str(key), inner) for key, inner in reversed(value.items())]
        elif isinstance(value, list | tuple):
            stack += [(f"{path}[{place}]", name, inner) for place, inner in reversed(list(enumerate(value)))]
        elif (text := _as_text(value)) is not None:
            is_cell = len(text) <= _LONGEST_CELL and name.lower() not in _PLAIN_NAMES
            yield _Field(file, record, path, text, f"{name}: " if is_cell else "")


def _as_text(value: object) -> str | None:
    """Give what is looked into: strings, and whole numbers, as a phone number in a table is one."""
    if isinstance(value, str):
        return _without_surrogates(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
        return str(int(value))
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _without_surrogates(text: str) -> str:
    """Replace lone surrogates, which JSON may escape and UTF-8 cannot hold, one for one, so that positions stay."""
    return text if text.isascii() else "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)


def _batches(fields: Iterable[_Field]) -> Iterator[list[_Field]]:
    batch: list[_Field] = []
    characters = 0
    for field in fields:
        batch.append(field)
        characters += len(field.text)
        if characters >= _BATCH_CHARACTERS or len(batch) >= _BATCH_FIELDS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
