"""Raw records → batches of the record schema: which field becomes which column, where each record comes from, its id.

`id` is the first 32 hexadecimal digits of the SHA-256 of a JSON array in UTF-8 without spaces, names sorted: origin, number of the
record, then the payload columns in the order of the schema. The same file read again gives the same ids; a changed text another.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from liangji.core.reading import Fault, Note, Raw, RawBatch, RawRecord
from liangji.core.schema import ANNOTATION, EXTRA, TEXT, Kind, Modality, payload_fields, record_schema
from liangji.pipeline.aggregation.canonical_json import canonical_bytes, canonical_json, without_surrogates
from liangji.pipeline.aggregation.conversations import as_turns, instruction_payload, preference_payload
from liangji.pipeline.aggregation.media_fields import media_payload, series_payload, table_payload
from liangji.pipeline.aggregation.questions import benchmark_payload
from liangji.pipeline.aggregation.raw_fields import Payload, Unfit, as_plain, as_text, first_present, is_text, listed_names, look_up
from liangji.pipeline.aggregation.text_columns import text_column, text_ids
from liangji.pipeline.aggregation.text_fields import TEXT_NAMES, guess_text, has_usual_text

BATCH_ROWS = 1024
BATCH_BYTES = 1 << 20  # of payload
_SAMPLE_RECORDS = 64  # looked at before a column is guessed
_KEPT_BYTES = 64 << 10
_LABELS = ("annotation", "annotations", "label", "labels", "entities", "spans", "tags", "标注", "标签", "类别")

Fields = Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the records of one input come from, as the recipe states it; null: not stated."""

    source: str | None = None
    source_details: str | None = None
    license: str | None = None
    original_time: str | None = None
    generated: int = 0


def shape(
    raw: Iterable[Raw],
    kind: Kind,
    modality: Modality = Modality.TEXT,
    fields: Fields | None = None,
    provenance: Provenance | None = None,
) -> Iterator[pa.RecordBatch | Fault | Note]:
    """Shape the raw records of one file into batches of `record_schema(kind, modality)`; faults and notes pass through.

    `fields` maps a column to the raw field that fills it, to several that are joined by a blank line, or to a nested one
    (`a.b`). What it leaves out is found by the usual names; a text column without a usual name is guessed and noted. Raw fields
    that no column takes are kept in `extra`. A record that lacks its payload is a fault. Batches are cut at 1024 rows or 1 MiB
    of payload, whichever comes first, so always alike.
    """
    shaper = _Shaper(kind, modality, dict(fields or {}), provenance or Provenance())
    for item in _with_guesses(_single_records(raw, shaper), shaper):
        if isinstance(item, RawBatch):
            yield from shaper.add_columns(item)
            continue
        if not isinstance(item, RawRecord):
            yield item
            continue
        fault = shaper.add(item)
        if fault is not None:
            yield fault
        elif shaper.is_full:
            yield shaper.batch()
    if shaper.rows:
        yield shaper.batch()


def _single_records(raw: Iterable[Raw], shaper: _Shaper) -> Iterator[Raw]:
    """Take apart the columns that cannot be taken whole."""
    for item in raw:
        if isinstance(item, RawBatch) and shaper.whole_text(item.columns) is None:
            yield from item.records()
        else:
            yield item


def _with_guesses(items: Iterator[Raw], shaper: _Shaper) -> Iterator[Raw]:
    """Hold back the first records of each origin whose text has no usual name, until it is clear which fields are the text."""
    if not shaper.guesses_text:
        yield from items
        return
    origin: str | None = None
    ahead: deque[Raw] = deque()
    while (item := ahead.popleft() if ahead else next(items, None)) is not None:
        if isinstance(item, RawRecord | RawBatch) and item.origin != origin:
            origin = item.origin
            shaper.guessed = ()
            if isinstance(item, RawRecord) and not has_usual_text(item.fields):
                ahead.extend(islice(items, max(0, _SAMPLE_RECORDS - len(ahead))))
                shaper.guessed = _guessed([item, *ahead], origin)
                if shaper.guessed:
                    yield _guess_note(origin, shaper.guessed)
        yield item


def _guessed(sample: list[Raw], origin: str) -> tuple[str, ...]:
    """Guess from the records of one origin; nothing where one of them has a text by name."""
    held = [item for item in sample if isinstance(item, RawRecord | RawBatch) and item.origin == origin]
    rows = [item.fields for item in held if isinstance(item, RawRecord)]
    return () if len(rows) < len(held) or any(map(has_usual_text, rows)) else guess_text(rows)


def _guess_note(origin: str, guessed: tuple[str, ...]) -> Note:
    listed = ", ".join(guessed)
    value = listed if len(guessed) == 1 else f"[{listed}]"
    what = f"no field has a usual name for text; took the longest: {listed}. To decide yourself: `fields: {{text: {value}}}`"
    return Note(origin, what, code="text_guessed")


_CONSTANT_COLUMNS = frozenset({"parents", "last_modified_time", "generated"})
_REST_COLUMNS = (ANNOTATION, "source", "source_details", "license", "original_time", EXTRA)
_OWN_COLUMNS = ("source", "source_details", "license", "original_time")  # what a mapping may take from the record itself
_TIME_NAMES = ("original_time", "date")
_ISO_TIME = re.compile(r"\d{4}-\d\d(-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?)?")


@dataclass(slots=True)
class _Shaper:
    """Rows of one file on their way into batches."""

    kind: Kind
    modality: Modality
    mapping: dict[str, str | list[str]]
    provenance: Provenance
    guessed: tuple[str, ...] = ()
    rows: int = 0
    _bytes: int = 0
    _pieces: list[pa.RecordBatch] = field(default_factory=list)  # rows of the present batch that came before those in `_columns`
    _schema: pa.Schema = field(init=False)
    _payload: tuple[str, ...] = field(init=False)
    _columns: dict[str, list[Any]] = field(init=False)
    _extract: Callable[[Mapping[str, Any]], Payload] = field(init=False)

    def __post_init__(self) -> None:
        self._schema = record_schema(self.kind, self.modality)
        self._payload = tuple(entry.name for entry in payload_fields(self.kind, self.modality))
        self._columns = {name: [] for name in self._schema.names if name not in _CONSTANT_COLUMNS}
        self._extract = self._extractor()

    @property
    def guesses_text(self) -> bool:
        return self._payload == (TEXT,) and TEXT not in self.mapping

    @property
    def is_full(self) -> bool:
        return self.rows >= BATCH_ROWS or self._bytes >= BATCH_BYTES

    def _extractor(self) -> Callable[[Mapping[str, Any]], Payload]:
        by_kind = {Kind.INSTRUCTION: instruction_payload, Kind.PREFERENCE: preference_payload, Kind.BENCHMARK: benchmark_payload}
        if self.kind in by_kind:
            return by_kind[self.kind]
        by_modality = {Modality.TEXT: self._text, Modality.SERIES: series_payload, Modality.TABLE: table_payload}
        return by_modality.get(self.modality) or media_payload(self._payload)

    def _text(self, fields: Mapping[str, Any]) -> Payload:
        text = fields.get("text")
        if type(text) is str:
            return [text], {"text"}
        present = [name for name in TEXT_NAMES if fields.get(name) is not None]
        present = present or [name for name, value in fields.items() if value is not None and name.lower() in TEXT_NAMES]
        for name in present:
            if is_text(fields[name]):
                return [as_text(fields[name], name)], {name}
        guessed = [name for name in self.guessed if isinstance(fields.get(name), str)]
        if guessed:
            return ["\n\n".join(fields[name] for name in guessed if fields[name])], set(guessed)
        if present or "text" in fields:
            name = present[0] if present else "text"
            return [as_text(fields[name], name)], {name}
        what = f"has no field for the text; fields: {listed_names(fields)}"
        raise Unfit("no_text", what, "name the field: `fields: {text: …}`")

    def add(self, raw: RawRecord) -> Fault | None:
        """Add one record; give a fault where it cannot become a row."""
        try:
            values, used = self._mapped(raw.fields) if self.mapping else self._extract(raw.fields)
            identity = canonical_bytes([raw.origin, raw.record, *values])
        except Unfit as unfit:
            content = canonical_bytes(raw.fields)[:_KEPT_BYTES]
            where = f"record {raw.record}" if raw.line < 0 else f"line {raw.line}"
            return Fault(raw.origin, f"{where} {unfit.what}", unfit.mend, raw.line, raw.record, content, unfit.code)
        columns = self._columns
        for name, value in zip(self._payload, values, strict=True):
            columns[name].append(value)
        columns["id"].append(hashlib.sha256(identity).hexdigest()[:32])
        columns["origin"].append(raw.origin)
        columns["record"].append(raw.record)
        fields = raw.fields
        rest = {name: value for name, value in fields.items() if name not in used} if fields.keys() != used else {}
        self._append_rest(columns, fields, rest)
        self.rows += 1
        self._bytes += len(identity)
        return None

    def whole_text(self, columns: pa.RecordBatch) -> str | None:
        """Name the column that is the text of every row, where there is nothing to map."""
        return text_column(columns) if self._payload == (TEXT,) and not self.mapping else None

    def add_columns(self, raw: RawBatch) -> Iterator[pa.RecordBatch]:
        """Add the rows of a columnar batch that is taken whole; give the batches that become full."""
        whole, ends = self._whole(raw)
        self._finish_columns()
        start = 0
        while start < len(whole):
            full = int(np.searchsorted(ends, ends[start] + BATCH_BYTES - self._bytes))  # the row that reaches the size ends it
            end = min(start + BATCH_ROWS - self.rows, full, len(whole))
            self._pieces.append(whole.slice(start, end - start))
            self.rows += end - start
            self._bytes += int(ends[end] - ends[start])
            if self.is_full:
                yield self.batch()
            start = end

    def _whole(self, raw: RawBatch) -> tuple[pa.RecordBatch, NDArray[np.int64]]:
        """Shape all rows of a columnar batch at once; also where the identity of each ends."""
        name = text_column(raw.columns)
        text = raw.columns.column(name)
        ids, ends = text_ids(text, raw.origin, raw.record)
        rows = raw.columns.num_rows
        columns = {
            **self._rest_columns(raw.columns.drop_columns([name]), rows),
            **self._constants(rows),
            "id": ids,
            "origin": _repeated(raw.origin, rows),
            "record": pa.array(np.arange(raw.record, raw.record + rows)),
            TEXT: text.cast(pa.large_string()),
        }
        return pa.RecordBatch.from_arrays([columns[entry.name] for entry in self._schema], schema=self._schema), ends

    def _rest_columns(self, rest: pa.RecordBatch, rows: int) -> dict[str, pa.Array]:
        """Do for whole columns, of which none is mapped, what `_append_rest` does row by row."""
        rests: list[dict[str, Any]] = rest.to_pylist() if rest.num_columns else []
        if not set(self._labels).isdisjoint(rest.schema.names):
            gathered: dict[str, list[Any]] = {column: [] for column in _REST_COLUMNS}
            for values in rests:
                self._append_rest(gathered, {}, values)
            return {column: _column(values, self._schema.field(column).type) for column, values in gathered.items()}
        stated = self.provenance
        columns = {column: _repeated(getattr(stated, column), rows) for column in _OWN_COLUMNS}
        if not stated.source_details and "url" in rest.schema.names:
            urls = (values["url"] for values in rests)
            columns["source_details"] = _column([url if type(url) is str else None for url in urls], pa.string())
        if not stated.original_time and not set(_TIME_NAMES).isdisjoint(rest.schema.names):
            columns["original_time"] = _column([_own_time(values) for values in rests], pa.string())
        extra = pa.array([canonical_json(values) for values in rests], pa.string()) if rests else pa.nulls(rows, pa.string())
        return columns | {ANNOTATION: pa.nulls(rows, pa.string()), EXTRA: extra}

    def _append_rest(self, columns: dict[str, list[Any]], fields: Mapping[str, Any], rest: dict[str, Any]) -> None:
        """Append what comes from the recipe, from the mapped fields, and from the rest that the payload left over."""
        stated = self.provenance
        own = {column: self._own(fields, column) for column in _OWN_COLUMNS} if self.mapping else {}
        url = rest.get("url")
        columns[ANNOTATION].append(self._annotation(rest) if rest else None)
        columns["source"].append(own.get("source") or stated.source)
        columns["source_details"].append(own.get("source_details") or stated.source_details or (url if type(url) is str else None))
        columns["license"].append(own.get("license") or stated.license)
        columns["original_time"].append(own.get("original_time") or stated.original_time or (_own_time(rest) if rest else None))
        columns[EXTRA].append(canonical_json(rest) if rest else None)

    @property
    def _labels(self) -> tuple[str, ...]:
        """Name the raw fields that are taken for the annotation."""
        return _LABELS if self.kind is Kind.SUPERVISED else (ANNOTATION,)

    def _annotation(self, rest: dict[str, Any]) -> str | None:
        """Take the annotation out of what the payload left over."""
        if ANNOTATION in self.mapping:
            value = self._own_value(rest, ANNOTATION)
            rest.pop(str(self.mapping[ANNOTATION]), None)
            return None if value is None else canonical_json(value)
        name = first_present(rest, self._labels)
        return canonical_json(rest.pop(name)) if name else None

    def _own_value(self, fields: Mapping[str, Any], column: str) -> Any:
        path = self.mapping.get(column)
        if not isinstance(path, str):
            return None
        try:
            return look_up(fields, path)
        except KeyError:
            return None

    def _own(self, fields: Mapping[str, Any], column: str) -> str | None:
        """Give the record's own word on its source, where the recipe maps one."""
        value = self._own_value(fields, column)
        return None if value is None else value if isinstance(value, str) else canonical_json(value)

    def _mapped(self, fields: Mapping[str, Any]) -> Payload:
        """Fill the payload by the recipe's mapping; what it leaves out by the usual names."""
        if not any(column in self.mapping for column in self._payload):
            return self._extract(fields)
        values, used, view = {}, set(), dict(fields)
        for column in self._payload:
            paths = self.mapping.get(column)
            if paths is None:
                continue
            paths = [paths] if isinstance(paths, str) else list(paths)
            parts = []
            for path in paths:
                try:
                    parts.append(look_up(fields, path))
                except KeyError:
                    what = f"has no field '{path}'; fields: {listed_names(fields)}"
                    raise Unfit("no_field", what, f"correct `fields: {{{column}: …}}` in the recipe") from None
                used.add(path if path in fields else path.partition(".")[0])
            values[column] = self._joined(column, parts, paths)
        if all(column in values for column in self._payload):
            return [values[column] for column in self._payload], used
        view.update(values)
        for name in used - set(values):
            view.pop(name, None)
        rest, more = self._extract(view)
        filled = [values.get(column, value) for column, value in zip(self._payload, rest, strict=True)]
        return filled, used | (more - set(values))

    def _joined(self, column: str, parts: list[Any], paths: list[str]) -> Any:
        if column == "messages":
            return as_turns(parts[0], paths[0])
        if column == "options":
            options = parts[0] if len(parts) == 1 and isinstance(parts[0], list) else parts
            return [as_plain(option, column) for option in options]
        if column == TEXT and len(parts) == 1:
            return as_plain(parts[0], paths[0])  # asked for by name: a number is taken as it is written
        if self.modality not in (Modality.TEXT, Modality.TABLE, Modality.SERIES) and len(parts) == 1:
            return parts[0]
        texts = [as_plain(part, path) for part, path in zip(parts, paths, strict=True) if part is not None]
        return "\n\n".join(text for text in texts if text)

    def batch(self) -> pa.RecordBatch:
        """Give the rows gathered so far as a batch, and begin the next one."""
        self._finish_columns()
        pieces, self._pieces = self._pieces, []
        self.rows = self._bytes = 0
        return pieces[0] if len(pieces) == 1 else pa.concat_batches(pieces)

    def _finish_columns(self) -> None:
        """Turn the rows that were added one by one into a piece of the present batch."""
        columns = self._columns
        rows = len(columns["id"])
        if not rows:
            return
        arrays = {name: _column(values, self._schema.field(name).type) for name, values in columns.items()}
        arrays |= self._constants(rows)
        self._pieces.append(pa.RecordBatch.from_arrays([arrays[entry.name] for entry in self._schema], schema=self._schema))
        self._columns = {name: [] for name in columns}

    def _constants(self, rows: int) -> dict[str, pa.Array]:
        """Fill the columns that are the same in every record as it is collected."""
        return {
            "parents": pa.ListArray.from_arrays(np.zeros(rows + 1, np.int32), pa.array([], pa.string())),
            "last_modified_time": pa.nulls(rows, pa.string()),
            "generated": pa.array(np.full(rows, self.provenance.generated, np.int8)),
        }


def _own_time(rest: Mapping[str, Any]) -> str | None:
    for name in _TIME_NAMES:
        value = rest.get(name)
        if isinstance(value, str) and _ISO_TIME.fullmatch(value):
            return value
    return None


def _repeated(value: str | None, rows: int) -> pa.Array:
    return pa.repeat(_column([value], pa.string())[0], rows)


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, UnicodeEncodeError, TypeError, ValueError):
        return pa.array(without_surrogates(values), kind)
