"""The quality report of one version: everything that is known of it, as plain values that go to JSON and back.

Schema `liangji-quality-report-1` is the tree of dataclasses below, field by field, with enums as their values and times as ISO
8601 in UTC; new fields may be added, none changes its meaning. No clock is read: the same version and the same requirements give
the same bytes. No content of a record stands in it, only ids, row numbers and counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import orjson
import pyarrow as pa

from liangji.core.records import RecordContext
from liangji.locales import Language, text
from liangji.pipeline.evaluation.deduplication import DeduplicationCheck, deduplication_checks, summary
from liangji.pipeline.evaluation.distributions import Distribution, Share
from liangji.pipeline.evaluation.documentation import Aspect, aspects
from liangji.pipeline.evaluation.indicators import DimensionSummary, Given, Result, evaluate, summarise
from liangji.pipeline.evaluation.requirements import Requirements
from liangji.pipeline.evaluation.row_scan import RowScan, scan_rows
from liangji.stores.facts import VersionFacts
from liangji.stores.tables import Tables

SCHEMA = "liangji-quality-report-1"
_LANGUAGES: tuple[Language, ...] = ("zh", "en")
_EXAMPLES = 10
_BATCH_ROWS = 256  # several batches are read ahead: with documents of a megabyte that is still a quarter of a gigabyte each
_MESSAGE_CHARACTERS = 200  # an error message is shown up to here


@dataclass(frozen=True, slots=True)
class Identity:
    dataset: str
    kind: str
    modality: str
    version: str  # semantic version
    version_id: str
    parents: list[str]
    author: str
    message: str
    created_time: str
    recipe_hash: str
    run_id: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Counters:
    """What the notices ask for: 600 亿 tokens, 5 万条, 4 万组, 5000 条. `tokens` is null where they were not counted."""

    rows: int
    tokens: int | None
    characters: int
    size_bytes: int  # of the texts in UTF-8
    generated: int
    annotated: int


@dataclass(frozen=True, slots=True)
class Quarantine:
    """What could not be read or processed, by error code, with the first messages; never the content itself."""

    rows: int
    by_code: dict[str, int]
    examples: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Notes:
    """What a person should know about the inputs; nothing was lost by it."""

    count: int
    by_code: dict[str, int]
    examples: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class QualityReport:
    schema: str
    identity: Identity
    counters: Counters
    ledger: dict[str, Any]  # as the engine closed it, with `closes`: rows in + expanded = rows out + dropped + quarantined
    deduplication: list[DeduplicationCheck]
    dimensions: list[DimensionSummary]
    indicators: list[Result]
    aspects: list[Aspect]
    distributions: list[Distribution]
    shares: dict[str, list[Share]]
    inputs: list[dict[str, Any]]
    quarantine: Quarantine
    notes: Notes
    operators: dict[str, dict[str, str]]
    environment: dict[str, Any]
    requirements: Requirements


def assemble(facts: VersionFacts, tables: Tables, requirements: Requirements | None = None) -> QualityReport:
    """Measure a version and put its report together; reads the kept rows once."""
    requirements = requirements or Requirements()
    scan = _scan(facts, tables, requirements)
    document = aspects(facts, scan, requirements)
    indicators = evaluate(Given(facts, scan, document, requirements))
    return QualityReport(
        SCHEMA,
        _identity(facts),
        Counters(scan.rows, scan.tokens, scan.characters, scan.size_bytes, scan.generated, scan.annotated),
        {**facts.ledger, "closes": closes(facts.ledger)},
        deduplication_checks(facts.findings),
        summarise(indicators),
        indicators,
        document,
        scan.distributions,
        scan.shares,
        sorted(facts.inputs, key=lambda entry: str(entry.get("origin"))),
        _quarantine(facts, tables),
        _notes(facts),
        dict(sorted(facts.operators.items())),
        facts.environment,
        requirements,
    )


def to_json(report: QualityReport) -> bytes:
    """Write a report as indented JSON, with the names of the indicators and the summaries of the checks in both languages."""
    value = asdict(report)
    for check, written in zip(report.deduplication, value["deduplication"], strict=True):
        written["summary"] = {language: summary(check, language) for language in _LANGUAGES}
    for indicator in value["indicators"]:
        for result in [indicator, *indicator["details"]]:
            result["name"] = {language: indicator_name(result["code"], language) for language in _LANGUAGES}
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)


def indicator_name(code: str, language: Any) -> str:
    return text(f"indicators.names.i{code}", language)


def closes(ledger: dict[str, Any]) -> bool:
    """Check the sum of a ledger: nothing came from nowhere and nothing went away unnamed."""
    if not ledger:
        return False
    taken = ledger["rows_in"] + ledger.get("expanded", 0)
    return bool(taken == ledger["rows_out"] + sum(ledger["dropped"].values()) + ledger["quarantined"])


def _scan(facts: VersionFacts, tables: Tables, requirements: Requirements) -> RowScan:
    table, version = f"{facts.dataset}/rows", facts.tables["rows"]
    context = RecordContext.of_version(facts.kind, facts.modality, facts.number, facts.created_time, facts.inputs)
    return scan_rows(tables.schema(table, version), tables.scan(table, version, batch_rows=_BATCH_ROWS), context, requirements)


def _identity(facts: VersionFacts) -> Identity:
    return Identity(
        facts.dataset,
        facts.kind,
        facts.modality,
        facts.number or "",
        facts.id,
        list(facts.parents),
        facts.author,
        facts.message,
        facts.created_time.isoformat(),
        facts.recipe_hash,
        facts.run_id,
        facts.seconds,
    )


def _quarantine(facts: VersionFacts, tables: Tables) -> Quarantine:
    if "quarantined" not in facts.tables:
        return Quarantine(0, {}, [])
    columns = ["origin", "record", "line", "step", "error_code", "what", "mend"]
    return Quarantine(
        *_count(_rows(tables.scan(f"{facts.dataset}/quarantined", facts.tables["quarantined"], columns)), "error_code")
    )


def _notes(facts: VersionFacts) -> Notes:
    return Notes(*_count(iter(facts.notes), "code"))


def _rows(batches: Iterator[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
    for batch in batches:
        yield from batch.to_pylist()


def _count(entries: Iterator[dict[str, Any]], code: str) -> tuple[int, dict[str, int], list[dict[str, Any]]]:
    codes: Counter[str] = Counter()
    examples: list[dict[str, Any]] = []
    for entry in entries:
        codes[str(entry.get(code))] += 1
        if len(examples) < _EXAMPLES:
            examples.append({name: _cut(value) for name, value in entry.items()})
    return codes.total(), dict(sorted(codes.items(), key=lambda item: (-item[1], item[0]))), examples


def _cut(value: Any) -> Any:
    """Shorten a message, so that no more of a record can come along with it than an error must show."""
    return f"{value[: _MESSAGE_CHARACTERS - 1]}…" if isinstance(value, str) and len(value) > _MESSAGE_CHARACTERS else value
