"""Versions of datasets staged through real tables, for the report and the package."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from liangji.core.digest import canonical_hash, rows_digest, version_id
from liangji.core.schema import DECISION, Kind, Modality, record_schema
from liangji.pipeline.evaluation.report import assemble, to_json
from liangji.pipeline.evaluation.report_html import to_html
from liangji.pipeline.packaging.release import Content, release
from liangji.stores.facts import VersionFacts
from liangji.stores.tables import Tables

RECIPE = """\
dataset: inspection
kind: pretraining
inputs:
  - path: raw/*.jsonl
steps:
  - measure_text: {}
  - keep: {preset: chinese}
  - drop_exact_duplicates: {}
"""
QUARANTINED = pa.schema(
    [
        pa.field("origin", pa.string()),
        pa.field("record", pa.int64()),
        pa.field("line", pa.int64()),
        pa.field("step", pa.string()),
        pa.field("error_code", pa.string()),
        pa.field("what", pa.string()),
        pa.field("mend", pa.string()),
        pa.field("content", pa.binary()),
        pa.field("id", pa.string()),
    ]
)

TEXTS = (
    "轴承温度过高，已停机。",
    "更换密封圈，压力正常。",
    "=SUM(A1)",
    "Vibration within limits.",
    "油位偏低，已补油。",
    "电机电流波动。",
)

Stage = Callable[..., tuple[VersionFacts, Tables]]


def identity(number: int, **changes: Any) -> dict[str, Any]:
    """Give the system columns of one record."""
    return {
        "id": f"{number:032x}",
        "parents": [],
        "source": "自采",
        "source_details": "一号线巡检记录",
        "license": "CC-BY-4.0",
        "original_time": "2026-03-01T08:00:00+00:00",
        "last_modified_time": None,
        "generated": 0,
        "origin": "raw/a.jsonl",
        "record": number,
        **changes,
    }


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Stage rows as a version: `stage(rows, kind, modality, signals=[…])` gives its facts and the tables it lies in."""

    def staged(
        rows: list[dict[str, Any]],
        kind: Kind = Kind.PRETRAINING,
        modality: Modality = Modality.TEXT,
        signals: list[pa.Field] | None = None,
        *,
        dropped: dict[str, int] | None = None,
        quarantined: list[dict[str, Any]] | None = None,
        name: str = "inspection",
        **changes: Any,
    ) -> tuple[VersionFacts, Tables]:
        dropped, quarantined = dropped or {}, quarantined or []
        records = record_schema(kind, modality)
        schema = pa.schema([*records, *(signals or [])])
        tables = Tables(str(tmp_path / "tables"))
        full = [{**identity(number), **row} for number, row in enumerate(rows)]
        batch = pa.RecordBatch.from_pylist(full, schema)
        lost = pa.schema([*schema, *DECISION, pa.field("drop_step", pa.string())])
        versions = {
            "rows": _commit(tables, f"{name}/rows", batch),
            "dropped": _commit(tables, f"{name}/dropped", pa.RecordBatch.from_pylist([], lost)),
            "quarantined": _commit(tables, f"{name}/quarantined", pa.RecordBatch.from_pylist(quarantined, QUARANTINED)),
        }
        taken = len(rows) + sum(dropped.values()) + len(quarantined)
        steps = [
            _step("0 read", "read", taken, taken - len(quarantined), {}, len(quarantined)),
            _step("1 measure_text", "measure", taken - len(quarantined), taken - len(quarantined), {}, 0),
            _step("2 keep", "rule", taken - len(quarantined), len(rows), dropped, 0),
        ]
        recipe_hash = canonical_hash(RECIPE)
        facts: dict[str, Any] = {
            "dataset": name,
            "id": version_id(kind, modality, recipe_hash, rows_digest([batch], kind, modality)),
            "number": "1.0.0",
            "author": "质量组",
            "message": "首次构建",
            "created_time": datetime(2026, 3, 5, 9, 30, tzinfo=UTC),
            "kind": kind.value,
            "modality": modality.value,
            "recipe": RECIPE,
            "recipe_hash": recipe_hash,
            "operators": {
                "keep": {"version": "1", "package": "liangji 0.1.0"},
                "measure_text": {"version": "1", "package": "liangji 0.1.0"},
            },
            "inputs": [
                {
                    "origin": "raw/a.jsonl",
                    "sha256": "ab" * 32,
                    "size_bytes": 12_345,
                    "modified_time": "2026-03-02T00:00:00+00:00",
                    "source": "自采",
                    "source_details": "一号线巡检记录",
                    "license": "CC-BY-4.0",
                    "rows": taken,
                }
            ],
            "ledger": {
                "rows_in": taken,
                "rows_out": len(rows),
                "dropped": dropped,
                "quarantined": len(quarantined),
                "expanded": 0,
                "steps": steps,
            },
            "tables": versions,
            "rows": len(rows),
            "signals": [field.name for field in signals or []],
            "notes": [{"origin": "raw/a.jsonl", "code": "encoding", "what": "read as GB18030"}],
            "run_id": "run-1",
            "seconds": 1.5,
            "environment": {"python": "3.11", "liangji": "0.1.0"},
            **changes,
        }
        return VersionFacts(**facts), tables

    return staged


@pytest.fixture
def content_of(stage: Stage) -> Callable[..., Content]:
    """Stage rows and give what a package is made of."""

    def made(*arguments: Any, **changes: Any) -> Content:
        facts, tables = stage(*arguments, **changes)
        report = assemble(facts, tables)
        table, version = f"{facts.dataset}/rows", facts.tables["rows"]
        return Content(
            facts,
            tables.schema(table, version),
            lambda: tables.scan(table, version),
            to_json(report),
            {"zh": to_html(report, "zh"), "en": to_html(report, "en")},
        )

    return made


@pytest.fixture
def content(content_of: Callable[..., Content]) -> Content:
    rows = [{"text": text, "word_count": len(text)} for text in TEXTS]
    quarantined = [
        {"origin": "raw/a.jsonl", "record": 9, "line": 10, "step": "0 read", "error_code": "input_error", "what": "bad line"}
    ]
    return content_of(
        rows,
        signals=[pa.field("word_count", pa.int32())],
        dropped={"too_few_words": 2, "exact_duplicate": 1},
        quarantined=quarantined,
    )


@pytest.fixture
def package(content: Content, tmp_path: Path) -> Path:
    return release(content, tmp_path / "package").folder


def _commit(tables: Tables, table: str, batch: pa.RecordBatch) -> int:
    return tables.commit(table, batch.schema, tables.stage(table, batch.schema, [batch] if batch.num_rows else []))


def _step(step: str, kind: str, rows_in: int, rows_out: int, dropped: dict[str, int], quarantined: int) -> dict[str, Any]:
    return {
        "step": step,
        "kind": kind,
        "rows_in": rows_in,
        "rows_out": rows_out,
        "expanded": 0,
        "dropped": dropped,
        "quarantined": quarantined,
    }
