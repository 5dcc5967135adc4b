"""The quality table of the line: one row a plate, with planted errors of the kinds that such tables really have."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from random import Random
from typing import Any

_COLUMNS = ("batch", "plate", "inspected_on", "inspector", "thickness_mm", "width_mm", "hardness_hrb", "verdict")
_THICKNESS, _TOLERANCE = 1200, 50  # micrometres
_ERRORS_OF_EACH_KIND = 6


def write_table(random: Random, raw: Path, rows: int) -> list[dict[str, Any]]:
    """Write `quality/inspection.csv`; give every error with its row (0-based), column, kind and the right value."""
    table = [_row(random, number) for number in range(rows)]
    errors = _plant(random, table)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    folder = raw / "quality"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "inspection.csv").write_text(text.getvalue(), "utf-8")
    return errors


def _row(random: Random, number: int) -> dict[str, str]:
    thickness = round(random.gauss(_THICKNESS, 22))
    return {
        "batch": f"P2506{number // 40 + 1:03}",
        "plate": f"S{number + 1:06}",
        "inspected_on": f"2025-06-{number // 40 % 28 + 1:02}",
        "inspector": f"QC{random.randint(1, 9):02}",
        "thickness_mm": f"{thickness / 1000:.3f}",
        "width_mm": f"{random.gauss(1000, 1.5):.1f}",
        "hardness_hrb": f"{random.gauss(58, 2):.1f}",
        "verdict": "合格" if abs(thickness - _THICKNESS) <= _TOLERANCE else "不合格",
    }


def _plant(random: Random, table: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Spoil single cells, then put copies of rows at the end: no row has two errors."""
    kinds = list(_SPOILERS) * _ERRORS_OF_EACH_KIND
    errors: list[dict[str, Any]] = []
    chosen = random.sample(range(len(table)), len(kinds) + _ERRORS_OF_EACH_KIND)
    for kind, number in zip(kinds, chosen, strict=False):
        column = _SPOILERS[kind]
        right = table[number][column]
        table[number][column] = _spoiled(kind, right, random)
        errors.append({"row": number, "column": column, "kind": kind, "right": right})
    for number in chosen[len(kinds) :]:
        errors.append({"row": len(table), "column": "plate", "kind": "duplicate_row", "right": ""})
        table.append(dict(table[number]))
    return errors


_SPOILERS = {
    "missing": "hardness_hrb",
    "out_of_range": "hardness_hrb",
    "wrong_unit": "thickness_mm",
    "bad_date": "inspected_on",
    "misspelt_category": "verdict",
    "contradiction": "verdict",
    "not_a_number": "width_mm",
}


def _spoiled(kind: str, right: str, random: Random) -> str:
    if kind == "missing":
        return ""
    if kind == "out_of_range":
        return random.choice(("-1.0", "999.9", "0.0"))
    if kind == "wrong_unit":
        return f"{float(right) * 1000:.0f}"  # micrometres
    if kind == "bad_date":
        return right.replace("2025-06-", random.choice(("2025-13-", "2052-06-", "06/2025/")))
    if kind == "misspelt_category":
        return random.choice(("合恪", "OK", "合格 品"))
    if kind == "contradiction":
        return "不合格" if right == "合格" else "合格"
    return random.choice(("--", "约1000", "1000.0mm"))
