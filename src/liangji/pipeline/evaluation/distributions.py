"""Distributions of what was measured, counted in one pass with memory that does not grow with the rows."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_BINS_PER_OCTAVE = 64  # a cell is at most 1.6 % wide: quantiles are right to that
_DISPLAY_BINS = 24
OTHERS = "…"  # stands for the values that are not told apart
_DISTINCT_VALUES = 10_000  # of a share; the rest count together


@dataclass(frozen=True, slots=True)
class Bin:
    """How many values fall into [low, high); the last bin of a histogram holds its high end too."""

    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Distribution:
    """One numeric column. `median`, `p05` and `p95` are right to 1.6 %; the rest is exact. Null where no row has a value."""

    name: str
    rows: int  # with a value
    missing: int  # null
    minimum: float | None
    maximum: float | None
    mean: float | None
    p05: float | None
    median: float | None
    p95: float | None
    is_logarithmic: bool  # bins of equal ratio and not of equal width
    bins: list[Bin]


@dataclass(frozen=True, slots=True)
class Share:
    """How many rows have one value; `value` is null where it is unknown."""

    value: str | None
    count: int
    ratio: float


@dataclass(slots=True)
class NumberCounter:
    """Count the values of one numeric column in cells of equal ratio."""

    name: str
    rows: int = 0
    missing: int = 0
    total: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf
    cells: Counter[int] = field(default_factory=Counter)

    def add(self, column: pa.Array) -> None:
        values = pc.drop_null(column).cast(pa.float64()).to_numpy(zero_copy_only=False)
        values = values[np.isfinite(values)]
        self.missing += len(column) - len(values)
        if not len(values):
            return
        self.rows += len(values)
        self.total += float(values.sum())
        self.minimum = min(self.minimum, float(values.min()))
        self.maximum = max(self.maximum, float(values.max()))
        keys, counts = np.unique(_cells(values), return_counts=True)
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
            self.cells[key] += count

    def distribution(self) -> Distribution:
        if not self.rows:
            return Distribution(self.name, 0, self.missing, None, None, None, None, None, None, False, [])
        ordered = sorted((_middle(key), count) for key, count in self.cells.items())
        p05, median, p95 = (self._quantile(ordered, share) for share in (0.05, 0.5, 0.95))
        logarithmic = self.minimum > 0 and self.maximum / self.minimum > 100
        return Distribution(
            self.name,
            self.rows,
            self.missing,
            self.minimum,
            self.maximum,
            round(self.total / self.rows, 6),
            p05,
            median,
            p95,
            logarithmic,
            self._bins(ordered, logarithmic=logarithmic),
        )

    def _quantile(self, ordered: list[tuple[float, int]], share: float) -> float:
        wanted, seen = share * self.rows, 0
        for value, count in ordered:
            seen += count
            if seen >= wanted:
                return round(min(max(value, self.minimum), self.maximum), 6)
        return self.maximum

    def _bins(self, ordered: list[tuple[float, int]], *, logarithmic: bool) -> list[Bin]:
        if self.minimum == self.maximum:
            return [Bin(self.minimum, self.maximum, self.rows)]
        if logarithmic:
            edges = np.geomspace(self.minimum, self.maximum, _DISPLAY_BINS + 1)
        else:
            edges = np.linspace(self.minimum, self.maximum, _DISPLAY_BINS + 1)
        middles = np.clip([value for value, _ in ordered], self.minimum, self.maximum)
        counts, _ = np.histogram(middles, bins=edges, weights=[count for _, count in ordered])
        rounded = [float(f"{edge:.6g}") for edge in edges]
        return [Bin(low, high, int(count)) for low, high, count in zip(rounded[:-1], rounded[1:], counts, strict=True)]


def _cells(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Number the cell of each value: sign, exponent and the first six bits of the mantissa; 0 for zero."""
    mantissa, exponent = np.frexp(np.abs(values))
    cell = (exponent.astype(np.int64) + 2048) * _BINS_PER_OCTAVE + ((mantissa - 0.5) * 2 * _BINS_PER_OCTAVE).astype(np.int64) + 1
    return np.where(values == 0, 0, np.sign(values).astype(np.int64) * cell)


def _middle(key: int) -> float:
    """Give the middle of a cell, or its value where the cell holds one integer."""
    if key == 0:
        return 0.0
    exponent, step = divmod(abs(key) - 1, _BINS_PER_OCTAVE)
    low, high = (math.ldexp(0.5 + part / (2 * _BINS_PER_OCTAVE), exponent - 2048) for part in (step, step + 1))
    whole = math.ceil(low)
    middle = float(whole) if whole < high else (low + high) / 2
    return math.copysign(middle, key)


@dataclass(slots=True)
class ShareCounter:
    """Count the values of one string column; beyond ten thousand distinct ones, new values count together as `…`."""

    name: str
    counts: Counter[str | None] = field(default_factory=Counter)

    def add(self, column: pa.Array) -> None:
        for entry in pc.value_counts(column).to_pylist():
            value = entry["values"] if entry["values"] in self.counts or len(self.counts) < _DISTINCT_VALUES else OTHERS
            self.counts[value] += entry["counts"]

    def shares(self, limit: int = 50) -> list[Share]:
        """List the commonest values, most first; what is beyond `limit` counts together as `…`."""
        total = sum(self.counts.values())
        ordered = sorted(self.counts.items(), key=lambda item: (-item[1], item[0] is None, item[0] or ""))
        shares = [Share(value, count, round(count / total, 6)) for value, count in ordered[:limit]]
        rest = sum(count for _, count in ordered[limit:])
        return [*shares, Share(OTHERS, rest, round(rest / total, 6))] if rest else shares
