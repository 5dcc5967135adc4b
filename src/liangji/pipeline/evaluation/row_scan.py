"""One pass over the kept rows of a version: everything the report counts on the rows themselves.

Nothing here trusts that a cleaning step ran: what is counted is what the rows hold now. Rows are judged as text; the text of an
instruction, preference or benchmark row is its parts, one a line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from liangji.core.records import RecordContext, record_faults, to_record
from liangji.core.schema import ID, TEXT, Modality
from liangji.pipeline.evaluation.distributions import Distribution, NumberCounter, Share, ShareCounter
from liangji.pipeline.evaluation.personal_information import FindPersonalInformation
from liangji.pipeline.evaluation.repetition import Repetition, RepetitionCounter
from liangji.pipeline.evaluation.requirements import Requirements

VERSION = "2"  # raised whenever the same rows may give other counts
EXAMPLES = 5
_SHARED = ("source", "license", "language")  # columns of which every report shows the shares

DAMAGE: dict[str, str] = {
    # What must not stand in clean text (0208), as RE2. Named like a drop reason.
    "replacement_characters": "�",
    "control_characters": "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]",
    "markup": r"(?i)</?(?:div|span|p|br|td|tr|table|script|style|a|img|li|ul|body|html)(?:\s[^<>]*)?/?>|&(?:nbsp|lt|gt|amp|quot|#\d{1,6});",
    # Chinese in UTF-8 read as Latin-1 or Windows-1252, and as GBK.
    "mojibake": r"(?:[åäçèéæ][\x{80}-\x{bf}€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]{1,2}){3}|锟斤拷|烫烫烫|屯屯屯",
    "boilerplate": r"(?i)lorem ipsum|javascript is (?:disabled|required)|enable javascript|accept (?:all )?cookies|we use cookies"
    r"|请(?:启用|开启)\s*javascript|本站使用\s*cookie",
}
TRUNCATION = r"(?i)(?:(?:^|[^.…])(?:\.\.\.|…)|read more|continue reading|阅读全文|查看更多|展开全文|点击查看|未完待续)[\s\])】）]*$"
PLACEHOLDERS = r"(?i)^\s*(?:|n/?a|null|none|nan|undefined|todo|tbd|-+|无|暂无|待补充|待填写|空)\s*$"

_DAY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)")


@dataclass(slots=True)
class Finding:
    """How many rows show one thing, and the first of them."""

    rows: int = 0
    ids: list[str] = field(default_factory=list)

    def add(self, ids: pa.Array, is_found: NDArray[np.bool_]) -> None:
        found = np.flatnonzero(is_found)
        self.rows += len(found)
        for row in found[: EXAMPLES - len(self.ids)]:
            self.ids.append(ids[int(row)].as_py() or "")


@dataclass(frozen=True, slots=True)
class RowScan:
    """What one pass over the rows gave."""

    rows: int
    characters: int
    size_bytes: int  # of the texts in UTF-8; of the files where the rows are media
    tokens: int | None  # null: not measured
    uncounted: int  # rows without a number of tokens, though the others have one
    invalid_records: Finding
    record_faults: dict[str, int]  # what is wrong → rows
    empty_items: Finding
    damaged: dict[str, Finding]  # kind of damage → rows
    impure: Finding  # rows with any damage
    truncated: Finding
    missing: Finding  # blank, or nothing but a placeholder
    repetition: Repetition
    unhashed: int  # rows of media whose file was never read: nobody can tell whether they are copies
    personal_information: Finding | None  # null: the rows are no text
    personal_kinds: dict[str, int]  # kind → places
    untraceable: Finding
    generated: int
    annotated: int
    badly_annotated: Finding
    dated: int  # rows whose source tells an original time that begins with a date
    out_of_window: Finding
    distributions: list[Distribution]
    shares: dict[str, list[Share]]  # source, license, language → values
    dimensions: dict[
        str, set[str]
    ]  # the same columns and those whose coverage is wanted: every value that was seen, up to ten thousand
    unknown: dict[str, int]  # the same columns: rows without a value


def scan_rows(schema: pa.Schema, batches: Iterable[pa.RecordBatch], context: RecordContext, requirements: Requirements) -> RowScan:
    """Read the kept rows once, with memory that does not grow with them."""
    with RepetitionCounter() as repetition:
        counters = _Counters(schema, context, requirements, repetition)
        for batch in batches:
            counters.add(batch)
        return counters.result()


class _Counters:
    def __init__(
        self, schema: pa.Schema, context: RecordContext, requirements: Requirements, repetition: RepetitionCounter
    ) -> None:
        self._context, self._requirements, self._repetition = context, requirements, repetition
        self._rows = self._characters = self._bytes = self._generated = self._annotated = self._dated = 0
        self._uncounted = self._unhashed = 0
        self._tokens: int | None = 0 if "token_count" in schema.names else None
        self._faults: Counter[str] = Counter()
        self._damage = {name: Finding() for name in DAMAGE}
        self._invalid, self._empty, self._impure, self._truncated, self._missing = (Finding() for _ in range(5))
        self._untraceable, self._annotation, self._window, self._personal = Finding(), Finding(), Finding(), Finding()
        self._kinds: Counter[str] = Counter()
        self._finder = FindPersonalInformation()
        numeric = [column.name for column in schema if _is_numeric(column)]
        self._is_media = "sha256" in schema.names
        counted = [] if self._is_media or "character_count" in numeric else ["character_count"]
        self._numbers = [NumberCounter(name) for name in counted + numeric]
        dimensions = dict.fromkeys((*_SHARED, *requirements.coverage))
        self._shares = [ShareCounter(name) for name in dimensions if name in schema.names and _is_value(schema.field(name).type)]

    def add(self, batch: pa.RecordBatch) -> None:
        ids = batch.column(ID)
        documents = self._documents(batch)
        lengths = pc.utf8_length(documents)
        self._rows += batch.num_rows
        if self._is_media:
            self._bytes += pc.sum(batch.column("size_bytes")).as_py() or 0
            self._unhashed += documents.null_count
        else:
            self._characters += pc.sum(lengths).as_py() or 0
            self._bytes += pc.sum(pc.binary_length(documents)).as_py() or 0
        if self._tokens is not None:
            self._tokens += pc.sum(batch.column("token_count")).as_py() or 0
            self._uncounted += batch.column("token_count").null_count
        self._add_records(batch, ids)
        is_unclean = self._add_texts(documents, ids) if self._is_text else np.zeros(batch.num_rows, bool)
        self._repetition.add(documents, is_unclean)
        for counter in self._numbers:
            counter.add(batch.column(counter.name) if counter.name in batch.schema.names else lengths)
        for share in self._shares:
            share.add(batch.column(share.name).cast(pa.string()))

    @property
    def _is_text(self) -> bool:
        return self._context.modality is Modality.TEXT

    def _documents(self, batch: pa.RecordBatch) -> pa.Array:
        """Give what a row says as one string; for media its fingerprint, so that copies are found."""
        names = batch.schema.names
        if TEXT in names:
            return batch.column(TEXT).cast(pa.large_string())
        if self._is_media:
            return batch.column("sha256").cast(pa.large_string())
        records = (to_record(row, self._context)["data_content"] for row in batch.to_pylist())
        return pa.array(["\n".join(str(item["content"] or "") for item in items) for items in records], pa.large_string())

    def _add_records(self, batch: pa.RecordBatch, ids: pa.Array) -> None:
        rows = batch.to_pylist()
        flags = np.zeros((6, len(rows)), bool)
        invalid, empty, untraceable, badly_annotated, out_of_window, _ = flags
        for number, row in enumerate(rows):
            record = to_record(row, self._context)
            faults = record_faults(record)
            invalid[number] = bool(faults)
            self._faults.update({_kind_of(fault) for fault in faults})
            empty[number] = not record["data_content"] or not all(_is_filled(item["content"]) for item in record["data_content"])
            untraceable[number] = not _is_traceable(row)
            self._generated += row.get("generated") == 1
            if record["annotation"] is not None:
                self._annotated += 1
                badly_annotated[number] = any(fault.startswith("annotation") for fault in faults)
            day = _day(row.get("original_time"))
            self._dated += day is not None
            out_of_window[number] = day is not None and self._is_out_of_window(day)
        for finding, flag in zip(
            (self._invalid, self._empty, self._untraceable, self._annotation, self._window), flags[:5], strict=True
        ):
            finding.add(ids, flag)

    def _is_out_of_window(self, day: date) -> bool:
        earliest, latest = _day(self._requirements.earliest_time), _day(self._requirements.latest_time)
        return (earliest is not None and day < earliest) or (latest is not None and day > latest)

    def _add_texts(self, documents: pa.Array, ids: pa.Array) -> NDArray[np.bool_]:
        """Look for damage in the texts; gives the rows that show any."""
        is_impure = np.zeros(len(documents), bool)
        for name, pattern in DAMAGE.items():
            is_damaged = _matches(documents, pattern)
            self._damage[name].add(ids, is_damaged)
            is_impure |= is_damaged
        is_truncated = _matches(documents, TRUNCATION)
        is_missing = _matches(documents, PLACEHOLDERS) | documents.is_null().to_numpy(zero_copy_only=False)
        self._impure.add(ids, is_impure)
        self._truncated.add(ids, is_truncated)
        self._missing.add(ids, is_missing)
        self._add_personal(documents, ids)
        is_impure |= is_truncated | is_missing
        return is_impure

    def _add_personal(self, documents: pa.Array, ids: pa.Array) -> None:
        found = self._finder(pa.RecordBatch.from_arrays([documents], [TEXT]))
        counts = pc.fill_null(found.column("personal_information_count"), 0).to_numpy(zero_copy_only=False)
        self._personal.add(ids, counts > 0)
        for kinds in found.filter(pa.array(counts > 0)).column("personal_information_kinds").to_pylist():
            self._kinds.update(orjson.loads(kinds))

    def result(self) -> RowScan:
        return RowScan(
            rows=self._rows,
            characters=self._characters,
            size_bytes=self._bytes,
            tokens=self._tokens,
            uncounted=self._uncounted,
            invalid_records=self._invalid,
            record_faults=dict(sorted(self._faults.items())),
            empty_items=self._empty,
            damaged=self._damage,
            impure=self._impure,
            truncated=self._truncated,
            missing=self._missing,
            repetition=self._repetition.result(),
            unhashed=self._unhashed,
            personal_information=self._personal if self._is_text else None,
            personal_kinds=dict(sorted(self._kinds.items())),
            untraceable=self._untraceable,
            generated=self._generated,
            annotated=self._annotated,
            badly_annotated=self._annotation,
            dated=self._dated,
            out_of_window=self._window,
            distributions=[counter.distribution() for counter in self._numbers],
            shares={counter.name: counter.shares() for counter in self._shares if counter.name in _SHARED},
            dimensions={
                counter.name: {value for value in counter.counts if value and _is_filled(value)} for counter in self._shares
            },
            unknown={
                counter.name: sum(rows for value, rows in counter.counts.items() if not _is_filled(value))
                for counter in self._shares
            },
        )


def _is_numeric(column: pa.Field) -> bool:
    """Tell whether a column is a measured or given number worth a histogram."""
    is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    return is_number and column.name not in ("generated", "record")


def _is_value(type_: pa.DataType) -> bool:
    """Tell whether a column holds values that one can name in a target: words, whole numbers, yes and no."""
    of_kind = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_boolean)
    return any(is_one(type_) for is_one in of_kind)


def _day(time: str | None) -> date | None:
    """Read the date that a time begins with; null where it begins with none."""
    found = _DAY.match(time) if time else None
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:  # the 31st of February
        return None


def _matches(documents: pa.Array, pattern: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.fill_null(pc.match_substring_regex(documents, pattern), False).to_numpy(zero_copy_only=False)
    return found


def _is_filled(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_traceable(row: dict[str, Any]) -> bool:
    """A collected row names its source and its file; a generated one names what it was made from."""
    if row.get("generated") == 1:
        return bool(row.get("parents")) or _is_filled(row.get("source_details"))
    return all(_is_filled(row.get(name)) for name in ("source", "source_details", "origin"))


def _kind_of(fault: str) -> str:
    """Leave the position out, so that faults of many rows count together."""
    head, bracket, tail = fault.partition("[")
    return f"{head}{tail.partition(']')[2]}" if bracket else fault
