"""Golden cases: each operator on the small inputs of `tests/golden/<operator>/<case>.yaml`, with what must come out.

A case has `options`, `input` (rows; `text` becomes a large string) and `expected` (rows, only the columns that matter; numbers to
six digits). A case of a reader has `file` (text) or `file_base64` (bytes) for its input, and `expected` holds the fields of the
records. The same cases are shown in the reference.
"""

from __future__ import annotations

import base64
import io
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from liangji.core import registry
from liangji.core.operator import OperatorKind
from liangji.core.reading import Fault, RawRecord, ReadLimits
from liangji.core.registry import Group
from liangji.core.schema import TEXT
from liangji.engine.gathered import exchange_batches

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(GOLDEN.glob("*/*.yaml"))
OF_ROWS = (OperatorKind.MEASURE, OperatorKind.RULE, OperatorKind.TRANSFORM, OperatorKind.EXPAND, OperatorKind.EXCHANGE)


def case_name(case: Path) -> str:
    return f"{case.parent.name}-{case.stem}"


def batch_of(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    """Make a batch of rows; a column that a row lacks is null there."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [pa.array([row.get(name) for row in rows], pa.large_string() if name == TEXT else None) for name in names]
    return pa.RecordBatch.from_arrays(columns, names)


def read_rows(operator: Any, case: dict[str, Any], name: str) -> list[dict[str, Any]]:
    data = case["file"].encode() if "file" in case else base64.b64decode(case["file_base64"])
    origin = name + next(iter(operator.endings), "")
    items = list(operator(io.BytesIO(data), origin, ReadLimits()))
    faults = [item for item in items if isinstance(item, Fault)]
    assert len(faults) == case.get("faults", 0), faults
    return [item.fields for item in items if isinstance(item, RawRecord)]


def carried_out(name: str, case: dict[str, Any]) -> list[dict[str, Any]]:
    operator = registry.load(Group.OPERATORS, name)(**case.get("options", {}))
    if operator.kind == OperatorKind.READ:
        return read_rows(operator, case, name)
    batch = batch_of(case["input"])
    if operator.kind == OperatorKind.EXCHANGE:
        (result,) = exchange_batches(operator, [batch])
    else:
        result = operator(batch)
    result.validate(full=True)
    rows: list[dict[str, Any]] = result.to_pylist()
    return rows


def agrees(found: Any, wanted: Any) -> bool:
    """Compare values, numbers to six digits."""
    if isinstance(wanted, float) and isinstance(found, (int, float)):
        return math.isclose(found, wanted, rel_tol=1e-6, abs_tol=1e-6)
    if isinstance(wanted, list) and isinstance(found, list):
        return len(found) == len(wanted) and all(map(agrees, found, wanted))
    if isinstance(wanted, dict) and isinstance(found, dict):
        return found.keys() >= wanted.keys() and all(agrees(found[key], value) for key, value in wanted.items())
    return type(found) is type(wanted) and bool(found == wanted)


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_a_golden_case_comes_out_as_written(case: Path) -> None:
    content = yaml.safe_load(case.read_text("utf-8"))
    assert content.keys() <= {"options", "input", "file", "file_base64", "faults", "expected"}
    found = carried_out(case.parent.name, content)
    assert len(found) == len(content["expected"])
    for row, (got, wanted) in enumerate(zip(found, content["expected"], strict=True)):
        for column, value in wanted.items():
            assert column in got, f"row {row}: no column {column} among {', '.join(got)}"
            assert agrees(got[column], value), f"row {row}, {column}: {got[column]!r} instead of {value!r}"


@pytest.mark.parametrize("folder", sorted({case.parent.name for case in CASES}))
def test_every_folder_of_golden_cases_is_an_operator(folder: str) -> None:
    assert folder in registry.names(Group.OPERATORS)


@pytest.mark.parametrize("name", registry.names(Group.OPERATORS))
def test_every_operator_on_rows_has_two_golden_cases(name: str) -> None:
    if registry.load(Group.OPERATORS, name).kind in OF_ROWS:
        assert len(list((GOLDEN / name).glob("*.yaml"))) >= 2
