"""Tables: CSV and its kin, workbooks, Parquet."""

from __future__ import annotations

import csv
import io
import itertools
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, BinaryIO, ClassVar, Literal, NamedTuple, TypeVar

import pyarrow as pa
from pydantic import Field
from pydantic.dataclasses import dataclass

from liangji.core.errors import InputError, LimitExceeded
from liangji.core.operator import STRICT, OperatorKind
from liangji.core.reading import Fault, Note, Raw, RawBatch, RawRecord, ReadLimits
from liangji.core.schema import Modality
from liangji.core.units import format_size
from liangji.pipeline.collection.decoding import utf8_stream
from liangji.pipeline.collection.encodings import decode
from liangji.pipeline.collection.streams import KEPT_BYTES, Line, check_ratio, lines, with_line_feeds

_Item = TypeVar("_Item")
_SAMPLE_ROWS = 200
_HEAD_BYTES = 64 << 10
_MOST_READ_AGAIN = 16  # times `record_bytes`: what unclosed quotes may cost, behind each of which everything is read again
_DELIMITER_HINT = re.compile(rb"(?:\xef\xbb\xbf)?sep=([,;\t|])\r?")  # the first line of what Excel writes, at times
_LISTED_NOTES = 20
csv.field_size_limit((1 << 31) - 1)  # the library's limit holds for the whole process; ours is kept row by row

# Nine digits at most: what is longer is a telephone, an account, an identity, and must keep its characters.
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,8})")
_DECIMAL = re.compile(r"-?(?:0|[1-9]\d{0,8})\.(\d{1,18})")  # as many places as a double prints
_DECIMAL_COMMA = re.compile(r"-?(?:0|[1-9]\d{0,8}),\d{1,15}")
_TIME = re.compile(r"\d{4}[-/]\d\d?[-/]\d\d?[T ]\d\d?:\d\d(?::\d\d(?:[.,]\d+)?)?\s*(Z|UTC|[+-]\d\d(?::?\d\d)?)?")
_FORMULA = re.compile(r"[=+@\t\r]|-(?!\s*[\d.,]+$)")


class _Row(NamedTuple):
    line: int  # where it starts, 1-based
    cells: list[Any]
    raw: bytes = b""
    what: str = ""  # what is wrong with it
    code: str = "ragged_row"


# --- CSV


@dataclass(frozen=True, slots=True, config=STRICT)
class ReadCsv:
    """Read a table of delimited text: one record a row.

    Input:  CSV, TSV or the like in any encoding; delimiter `,` `;` tab or `|`; quoted cells may hold line feeds.
    Output: one field a column. Columns of plain numbers become numbers, also with a decimal comma, which is noted. Rows with too
            few or too many cells are faults with their line.
    Source: RFC 4180.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.READ
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".tab", ".psv")
    magic: ClassVar[tuple[bytes, ...]] = ()
    seeks: ClassVar[bool] = False

    encoding: Annotated[str | None, Field(description="encoding of the file; null: found from its bytes")] = None
    delimiter: Annotated[
        str | None, Field(description="character between cells; null: found from the first rows", max_length=1)
    ] = None
    header: Annotated[bool | Literal["guess"], Field(description="the first row names the columns")] = "guess"
    numbers: Annotated[bool, Field(description="turn columns of plain numbers into numbers; false: keep all cells as text")] = True

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Raw]:
        utf8 = utf8_stream(stream, self.encoding)
        sample, source = _ahead(_without_hint(lines(with_line_feeds(utf8.stream), limits)))
        rows = _RowReader(source, self.delimiter or sniff_delimiter(sample), limits)
        yield from _Table(origin, self.numbers).read(rows.rows(), self.header)
        yield from utf8.notes(origin)
        yield from rows.notes(origin)


def _ahead(items: Iterator[_Item]) -> tuple[list[_Item], Iterator[_Item]]:
    """Look at the first items; give them, and all of them. What breaks behind them breaks when it is reached."""
    sample: list[_Item] = []
    try:
        sample += itertools.islice(items, _SAMPLE_ROWS)
    except InputError as error:
        return sample, itertools.chain(sample, _raising(error))
    return sample, itertools.chain(sample, items)


def _without_hint(source: Iterator[Line]) -> Iterator[Line]:
    """Pass over the line by which a file names its delimiter: the rows tell it as well."""
    for line in source:
        if line.number > 1 or not _DELIMITER_HINT.fullmatch(line.data):
            yield line


def _raising(error: InputError) -> Iterator[_Item]:
    raise error
    yield  # an iterator, for all that


def sniff_delimiter(sample: list[Line]) -> str:
    """Find the delimiter that cuts most of the first rows into the same number of cells, more than one.

    >>> sniff_delimiter([Line(1, b"time;temp", 9), Line(2, b"0:30;0,5", 8)])
    ';'
    """
    best, best_score = ",", (0.0, 0)
    texts = [line.data.decode("utf-8", "replace").replace("\r", " ") + "\n" for line in sample if line.data.strip()]
    for delimiter in (",", ";", "\t", "|"):
        in_header = len(next(csv.reader(texts[:1], delimiter=delimiter), []))
        widths = Counter(len(row) for row in csv.reader(texts, delimiter=delimiter) if row)
        if in_header < 2 or not widths:
            continue
        score = (round(widths[in_header] / sum(widths.values()), 1), in_header)
        if score > best_score:
            best, best_score = delimiter, score
    return best


class _RowReader:
    """Cut lines into rows; a quote that is never closed costs its own line, not the rest of the file."""

    def __init__(self, source: Iterator[Line], delimiter: str, limits: ReadLimits) -> None:
        self._source, self._delimiter, self._limits = source, delimiter, limits
        self._again: list[Line] = []  # lines to be read once more, last first
        self._taken: list[Line] = []  # lines of the present row
        self._replaced: list[tuple[int, int]] = []  # line, characters that could not be decoded
        self._foreign: list[tuple[int, str]] = []  # line, its encoding where it is not the file's
        self._taken_bytes = 0
        self._is_stopped = False  # the present row wanted a line that it did not get

    def rows(self) -> Iterator[_Row]:
        read_again = 0
        reader = self._reader()
        while True:
            self._taken, self._taken_bytes, self._is_stopped = [], 0, False
            cells: list[str] = []
            error = ""
            try:
                cells = next(reader)
            except StopIteration:
                if not self._taken:
                    return
            except csv.Error as problem:
                error = str(problem)
            if error and self._cut_at_carriage_returns():
                reader = self._reader()
                continue
            if error and len(self._taken) == 1:
                cells, error = self._leniently(error)
                reader = self._reader()
            if not self._is_stopped and not (error and len(self._taken) > 1):
                raw = b"\n".join(line.data for line in self._taken)
                yield _Row(self._taken[0].number, cells, raw[:KEPT_BYTES], f"is not CSV: {error}" if error else "", "not_csv")
                continue
            yield self._stopped_row()
            self._again += reversed(self._taken[1:])
            read_again += self._taken_bytes - len(self._taken[0].data)
            if read_again > _MOST_READ_AGAIN * self._limits.record_bytes:
                what = "and all after it are left out: too many quotes are never closed"
                yield _Row(self._taken[0].number + 1, [], b"", what, "unclosed_quote")
                return
            reader = self._reader()

    def _reader(self) -> Any:
        """Read on from the present line. Strictly: a quote that closes within a word was never meant to close there."""
        return csv.reader(self._feed(), delimiter=self._delimiter, strict=True)

    def _leniently(self, error: str) -> tuple[list[str], str]:
        """Read a line with a stray quote as far as it makes sense by itself."""
        text = self._text(self._taken[0]) + "\n"
        try:
            return next(csv.reader([text], delimiter=self._delimiter)), ""
        except csv.Error:
            return [], error

    def _cut_at_carriage_returns(self) -> bool:
        """Take a row that mixes line ends apart, where it is one line; tell whether there was anything to cut."""
        line, *others = self._taken
        parts = line.data.removesuffix(b"\r").split(b"\r")
        if others or len(parts) == 1:
            return False
        self._again += [Line(line.number, part, len(part)) for part in reversed(parts)]
        return True

    def _stopped_row(self) -> _Row:
        first = self._taken[0]
        if first.beginning:
            what = (
                f"is {format_size(first.size_bytes)} long ({first.size_bytes} bytes), over the limit of {self._limits.record_bytes}"
            )
            return _Row(first.number, [], first.beginning, what, "limit_exceeded")
        return _Row(first.number, [], first.data[:KEPT_BYTES], "opens a quote that is never closed", "unclosed_quote")

    def _feed(self) -> Iterator[str]:
        while (line := self._again.pop() if self._again else next(self._source, None)) is not None:
            self._taken.append(line)
            self._taken_bytes += len(line.data)
            if line.beginning or self._taken_bytes > self._limits.record_bytes:
                break
            yield self._text(line) + "\n"
        self._is_stopped = True

    def _text(self, line: Line) -> str:
        try:
            return line.data.decode("utf-8")
        except UnicodeDecodeError:
            found = decode(line.data)
        if found.replaced:
            self._replaced.append((line.number, found.replaced))
            return line.data.decode("utf-8", "replace")
        self._foreign.append((line.number, found.encoding.name))
        return found.text

    def notes(self, origin: str) -> Iterator[Note]:
        """Tell which lines were not in the encoding of the file."""
        for number, encoding in self._foreign[:_LISTED_NOTES]:
            yield Note(origin, f"line {number} is {encoding}, unlike the rest of the file; converted", number, "encoding")
        if len(self._foreign) > _LISTED_NOTES:
            yield Note(
                origin, f"{len(self._foreign)} lines in another encoding than the rest of the file; converted", code="encoding"
            )
        if self._replaced:
            listed = ", ".join(str(number) for number, _ in self._replaced[:_LISTED_NOTES])
            count = sum(count for _, count in self._replaced)
            what = f"{count} character(s) could not be decoded and became U+FFFD, in line(s) {listed}"
            yield Note(origin, what, self._replaced[0][0], "characters_replaced")


# --- rows to records, for all tables


class _Table:
    """Names the columns, recognises numbers and time zones, and turns rows into records."""

    def __init__(self, origin: str, numbers: bool) -> None:
        self._origin, self._numbers = origin, numbers
        self._names: list[str] = []
        self._number_columns: dict[int, bool] = {}  # index → written with a decimal comma
        self._zones: dict[int, str] = {}
        self._zone_notes = self._formulas = 0
        self._first_formula = ""

    def read(self, rows: Iterator[_Row], header: bool | Literal["guess"]) -> Iterator[Raw]:
        held, rows = _ahead(row for row in rows if not _is_blank(row))
        if not held:
            for row in rows:  # what was wrong with the first lines, if anything
                yield from self._record(row, 0)
            yield Note(self._origin, "the table is empty: no rows", code="empty")
            return
        has_header = _begins_with_header(held) if header == "guess" else header
        yield from self._name_columns(held, has_header)
        body = held[1:] if has_header else held
        yield from self._find_numbers(body)
        record = -1
        for record, row in enumerate(itertools.islice(rows, int(has_header), None)):
            yield from self._record(row, record)
        if record < 0:
            yield Note(self._origin, "the table holds a header and no rows", code="empty")
        yield from self._closing_notes()

    def _name_columns(self, held: list[_Row], has_header: bool) -> Iterator[Note]:
        if not has_header:
            width = Counter(len(row.cells) for row in held if not row.what).most_common(1)[0][0] if held else 0
            self._names = [f"column_{number}" for number in range(1, width + 1)]
            what = f"no header: columns are named {self._names[0]} to {self._names[-1]}" if self._names else "no columns"
            yield Note(self._origin, what, held[0].line, "no_header")
            return
        seen: Counter[str] = Counter()
        for number, cell in enumerate(held[0].cells, 1):
            name = str(cell if cell is not None else "").strip().removeprefix("﻿") or f"column_{number}"
            seen[name] += 1
            if seen[name] > 1:
                new = f"{name}_{seen[name]}"
                yield Note(
                    self._origin, f"two columns are named '{name}': the second became '{new}'", held[0].line, "duplicate_column"
                )
                name = new
            self._names.append(name)

    def _find_numbers(self, body: list[_Row]) -> Iterator[Note]:
        if not self._numbers:
            return
        for index, name in enumerate(self._names):
            values = [row.cells[index].strip() for row in body if index < len(row.cells) and isinstance(row.cells[index], str)]
            values = [value for value in values if value]
            if not values:
                continue
            if all(_INTEGER.fullmatch(value) or _DECIMAL.fullmatch(value) for value in values):
                places = {len(match[1]) for value in values if (match := _DECIMAL.fullmatch(value))}
                if len(places) <= 1 or all(_is_lossless(value) for value in values):
                    self._number_columns[index] = False
            elif all(_INTEGER.fullmatch(value) or _DECIMAL_COMMA.fullmatch(value) for value in values):
                self._number_columns[index] = True
                yield Note(self._origin, f"column '{name}' is written with a decimal comma: read as numbers", code="decimal_comma")

    def _record(self, row: _Row, record: int) -> Iterator[Raw]:
        width = len(self._names)
        cells = row.cells
        if len(cells) > width and all(cell is None or cell == "" for cell in cells[width:]):
            cells = cells[:width]
        if row.what:
            mend = "close the quote, or double it" if row.code == "unclosed_quote" else "mend the row"
            yield Fault(self._origin, f"line {row.line} {row.what}", mend, row.line, record, row.raw, row.code)
            return
        if len(cells) != width:
            what = f"line {row.line} has {len(cells)} cells instead of {width}"
            mend = "complete the row, or put quotes around cells that hold the delimiter"
            yield Fault(self._origin, what, mend, row.line, record, row.raw, row.code)
            return
        for index, cell in enumerate(cells):
            if not isinstance(cell, str) or not cell:
                continue
            if _FORMULA.match(cell) and index not in self._number_columns:
                self._formulas += 1
                self._first_formula = self._first_formula or f"line {row.line}, column '{self._names[index]}'"
            elif cell[:1].isdigit() and (time := _TIME.fullmatch(cell.strip())):
                yield from self._check_zone(index, time[1] or "", row.line)
        values = {name: self._value(index, cell) for index, (name, cell) in enumerate(zip(self._names, cells, strict=True))}
        yield RawRecord(values, record, row.line, self._origin)

    def _value(self, index: int, cell: Any) -> Any:
        if not isinstance(cell, str) or index not in self._number_columns:
            return cell
        text = cell.strip()
        if not text:
            return None
        if self._number_columns[index] and _DECIMAL_COMMA.fullmatch(text):
            text = text.replace(",", ".")
        if _INTEGER.fullmatch(text):
            return int(text)
        return float(text) if _DECIMAL.fullmatch(text) else cell

    def _check_zone(self, index: int, zone: str, line: int) -> Iterator[Note]:
        usual = self._zones.setdefault(index, zone)
        if zone == usual:
            return
        self._zone_notes += 1
        if self._zone_notes <= _LISTED_NOTES:
            found = f"time zone {zone}" if zone else "no time zone"
            what = f"line {line}: {found} in column '{self._names[index]}', where the rows before have {usual or 'none'}; kept as written"
            yield Note(self._origin, what, line, "time_zone")

    def _closing_notes(self) -> Iterator[Note]:
        if self._zone_notes > _LISTED_NOTES:
            yield Note(self._origin, f"{self._zone_notes} times in another time zone than the first row", code="time_zone")
        if self._formulas:
            what = f"{self._formulas} cell(s) begin like a spreadsheet formula (first: {self._first_formula}); "
            yield Note(
                self._origin, what + "kept as data, never computed: neutralise them where a spreadsheet opens them", code="formula"
            )


def _is_blank(row: _Row) -> bool:
    return (
        not row.what
        and all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in row.cells)
        and (len(row.cells) <= 1 or all(cell is None for cell in row.cells))
    )


def _is_lossless(value: str) -> bool:
    return _INTEGER.fullmatch(value) is not None or repr(float(value)) == value


def _begins_with_header(held: list[_Row]) -> bool:
    """Tell a row of names from a first row of values, which has something that the rows below say again and again."""
    first, *body = (row.cells for row in held)
    return looks_like_header(first) and not _holds_a_common_value(first, body)


def _holds_a_common_value(first: list[Any], body: list[list[Any]]) -> bool:
    """Find a cell that stands in its column in a tenth of the other rows, and in two at least: no column is named like that."""
    others = [cells for cells in body if cells != first]  # a header that stands in the table once more says nothing
    for index, cell in enumerate(first):
        if isinstance(cell, str) and cell.strip():
            again = sum(index < len(cells) and cells[index] == cell for cells in others)
            if again >= max(2, len(others) / 10):
                return True
    return False


def looks_like_header(cells: list[Any]) -> bool:
    """Tell a row of names: short texts, none of them a number, none empty but at the end, none twice.

    >>> looks_like_header(["id", "title"]), looks_like_header(["Find the degree", "0", "4"])
    (True, False)
    """
    texts = [cell.strip() for cell in cells if isinstance(cell, str)]
    if len(texts) < len([cell for cell in cells if cell is not None]) or not any(texts):
        return False
    return all(len(text) <= 64 and "\n" not in text and not re.fullmatch(r"[-+]?[\d.,]+%?", text) for text in texts)


# --- workbooks


@dataclass(frozen=True, slots=True, config=STRICT)
class ReadXlsx:
    """Read a workbook: one record a row, sheet by sheet.

    Input:  Office Open XML workbook (xlsx, xlsm).
    Output: one field a column; the sheet stands in the origin after `!`. A formula gives its stored result, or itself where it has none.
    Source: ECMA-376, part 1, §18.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.READ
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = (".xlsx", ".xlsm")
    magic: ClassVar[tuple[bytes, ...]] = (b"PK\x03\x04",)
    seeks: ClassVar[bool] = True

    header: Annotated[bool | Literal["guess"], Field(description="the first row of each sheet names the columns")] = "guess"

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Raw]:
        import openpyxl  # noqa: PLC0415  # slow to load

        has_formulas = _check_workbook(stream, limits)
        stream.seek(0)
        try:
            book = openpyxl.load_workbook(stream, read_only=True, data_only=True, keep_links=False)
            formulas = openpyxl.load_workbook(stream, read_only=True, keep_links=False) if has_formulas else None
        except (ValueError, KeyError, TypeError, SyntaxError, OSError) as error:  # the XML parser's errors are syntax errors
            raise _damaged_workbook(error) from error
        try:
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # what the file says of them may be wrong
                rows: Iterable[tuple[Any, ...]] = sheet.iter_rows(values_only=True)
                if formulas is not None:
                    twin = formulas[sheet.title]
                    twin.reset_dimensions()
                    rows = (_with_results(*pair) for pair in zip(rows, twin.iter_rows(values_only=True), strict=False))
                yield from _Table(f"{origin}!{sheet.title}", numbers=False).read(_sheet_rows(rows), self.header)
        except (ValueError, KeyError, TypeError, SyntaxError) as error:
            raise _damaged_workbook(error) from error
        finally:
            book.close()
            if formulas is not None:
                formulas.close()


def _damaged_workbook(error: Exception) -> InputError:
    what = next(iter(str(error).splitlines()), "") or type(error).__name__
    return InputError(f"damaged workbook: {what}", "", "open it in a spreadsheet and save it again, or export it as csv")


def _check_workbook(stream: BinaryIO, limits: ReadLimits) -> bool:
    """Unpack a workbook once against its limits; tell whether it holds formulas."""
    size, has_formulas = 0, False
    packed = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    try:
        with zipfile.ZipFile(stream) as archive:
            for info in archive.infolist():
                with archive.open(info) as member:
                    is_sheet = info.filename.startswith("xl/worksheets/")
                    while data := member.read(_HEAD_BYTES):
                        size += len(data)
                        check_ratio(size, packed, limits)
                        if size > limits.member_bytes:
                            what = f"unpacks to more than {format_size(limits.member_bytes)}"
                            raise LimitExceeded(
                                what, "", "give it as csv or parquet, or raise `limits: {reading: {member_bytes: …}}` in the recipe"
                            )
                        has_formulas = has_formulas or (is_sheet and b"<f" in data)
                        if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
                            what = f"{info.filename} in it has a DOCTYPE, which no workbook has and which is refused"
                            raise InputError(what, "", "open it in a spreadsheet and save it again")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise InputError(f"not a complete workbook: {error}", "", "save or fetch it again") from error
    return has_formulas


def _with_results(results: tuple[Any, ...], formulas: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(formula if result is None else result for result, formula in itertools.zip_longest(results, formulas))


def _sheet_rows(rows: Iterable[tuple[Any, ...]]) -> Iterator[_Row]:
    """Give rows without the empty cells at their end, filled up to the first row's width."""
    width = 0
    for number, row in enumerate(rows, 1):
        cells = [cell.isoformat() if hasattr(cell, "isoformat") else cell for cell in row]
        while cells and cells[-1] is None:
            cells.pop()
        if not cells:
            continue
        width = width or len(cells)
        cells += [None] * (width - len(cells))
        yield _Row(
            number, cells, "\t".join("" if cell is None else str(cell) for cell in cells).encode("utf-8", "replace")[:KEPT_BYTES]
        )


# --- Parquet

_PARQUET_BATCH_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, config=STRICT)
class ReadParquet:
    """Read a Parquet file in columns, a few megabytes at a time.

    Input:  Parquet.
    Output: batches of its rows as they are. A file without its footer is a fault; one without rows is noted.
    Source: Apache Parquet format 2.12.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.READ
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = (".parquet", ".pq")
    magic: ClassVar[tuple[bytes, ...]] = (b"PAR1",)
    seeks: ClassVar[bool] = True

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Raw]:
        import pyarrow.parquet as pq  # noqa: PLC0415  # loads another part of Arrow

        packed = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        try:
            file = pq.ParquetFile(stream)
            rows = file.metadata.num_rows
            unpacked = sum(file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups))
        except (pa.ArrowException, OSError) as error:
            what = "not a complete Parquet file: its footer is missing or damaged"
            raise InputError(f"{what} ({str(error).splitlines()[0]})", "", "fetch or write the file again") from error
        check_ratio(unpacked, packed, limits)
        if rows == 0:
            yield Note(origin, "0 rows", code="empty")
            return
        names, notes = _distinct(file.schema_arrow.names, origin)
        yield from notes
        batch_rows = max(16, min(8192, _PARQUET_BATCH_BYTES * rows // max(unpacked, 1)))
        first = size = 0
        for group in range(file.num_row_groups):
            record, end = first, first + file.metadata.row_group(group).num_rows
            try:
                for batch in file.iter_batches(batch_size=batch_rows, row_groups=[group], use_threads=False):
                    size += batch.nbytes
                    if size > limits.unpacked_bytes:
                        raise LimitExceeded(f"unpacks to more than the limit of {format_size(limits.unpacked_bytes)}")
                    yield from _sound_rows(pa.RecordBatch.from_arrays(batch.columns, names=names), record, origin)
                    record += batch.num_rows
            except (pa.ArrowException, OSError) as error:
                what = f"damaged Parquet file: rows {record} to {end - 1} (row group {group}) cannot be read: "
                yield Fault(origin, what + str(error).splitlines()[0], "fetch or write the file again", -1, record, code="damaged")
            first = end


def _distinct(names: list[str], origin: str) -> tuple[list[str], list[Note]]:
    """Number columns of one name, so that none hides another."""
    distinct, notes = [], []
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        distinct.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
        if seen[name] > 1:
            what = f"two columns are named '{name}': the second became '{distinct[-1]}'"
            notes.append(Note(origin, what, code="duplicate_column"))
    return distinct, notes


def _sound_rows(batch: pa.RecordBatch, record: int, origin: str) -> Iterator[Raw]:
    """Give the rows of a batch that hold what their types say; the others are faults."""
    if _is_sound(batch):
        yield RawBatch(_in_microseconds(batch), record, origin)
    elif batch.num_rows == 1:
        columns = [str(name) for name, column in zip(batch.schema.names, batch.columns, strict=True) if not _is_sound(column)]
        what = f"record {record} holds bytes that are not UTF-8, in {', '.join(columns)}"
        yield Fault(origin, what, "write the file again from text in UTF-8", -1, record, code="not_utf8")
    else:
        middle = batch.num_rows // 2
        yield from _sound_rows(batch.slice(0, middle), record, origin)
        yield from _sound_rows(batch.slice(middle), record + middle, origin)


def _is_sound(rows: pa.RecordBatch | pa.Array) -> bool:
    """Tell whether rows can be read: Arrow takes the word of a Parquet file for it that its strings are UTF-8."""
    try:
        rows.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _in_microseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Coarsen nanoseconds, which Python's times do not have."""
    columns = []
    for column in batch.columns:
        is_fine = pa.types.is_timestamp(column.type) and column.type.unit == "ns"
        columns.append(column.cast(pa.timestamp("us", column.type.tz), safe=False) if is_fine else column)
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
