"""The ledger: rows in = rows out + dropped + quarantined, for each step and for the run. One that does not close is never committed.

What expands gives more rows than it took; the difference is entered as `expanded`, so that the sum still closes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from liangji.core.errors import LedgerError


@dataclass(slots=True)
class StepCount:
    """What one step did to rows; added up over shards."""

    step: str  # '3 keep'; reading is '0 read'
    kind: str
    rows_in: int = 0
    rows_out: int = 0
    expanded: int = 0  # rows made beyond one for each row in; negative where rows gave none
    dropped: dict[str, int] = field(default_factory=dict)  # reason → rows
    quarantined: int = 0

    def check(self) -> None:
        """Raises: LedgerError where the step's sum does not close."""
        accounted = self.rows_out + sum(self.dropped.values()) + self.quarantined
        if self.rows_in + self.expanded != accounted:
            raise LedgerError(
                f"step '{self.step}' took {self.rows_in} rows (expanded by {self.expanded}) and accounts for {accounted}",
                "",
                "report this operator: it loses or adds rows",
            )

    def add(self, other: Mapping[str, Any]) -> None:
        self.rows_in += other["rows_in"]
        self.rows_out += other["rows_out"]
        self.expanded += other["expanded"]
        self.quarantined += other["quarantined"]
        for reason, rows in other["dropped"].items():
            self.dropped[reason] = self.dropped.get(reason, 0) + rows

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Ledger:
    steps: tuple[StepCount, ...]

    @staticmethod
    def close(units: Iterable[list[dict[str, Any]]]) -> Ledger:
        """Add up the step counts of all units and check every sum.

        Raises: LedgerError where a step does not close, or does not take up what the one before it let through.
        """
        totals: dict[str, StepCount] = {}
        for counts in units:
            for count in counts:
                totals.setdefault(count["step"], StepCount(count["step"], count["kind"])).add(count)
        steps = tuple(sorted(totals.values(), key=lambda total: int(total.step.split()[0])))
        for total in steps:
            total.check()
        for before, after in pairwise(steps):
            if before.rows_out != after.rows_in:
                raise LedgerError(f"step '{before.step}' let {before.rows_out} rows through, '{after.step}' took {after.rows_in}")
        return Ledger(steps)

    def as_dict(self) -> dict[str, Any]:
        """Give the ledger as plain values: totals first, then the steps."""
        dropped: dict[str, int] = {}
        for step in self.steps:
            for reason, rows in step.dropped.items():
                dropped[reason] = dropped.get(reason, 0) + rows
        return {
            "rows_in": self.steps[0].rows_in if self.steps else 0,
            "rows_out": self.steps[-1].rows_out if self.steps else 0,
            "expanded": sum(step.expanded for step in self.steps),
            "dropped": dict(sorted(dropped.items())),
            "quarantined": sum(step.quarantined for step in self.steps),
            "steps": [step.as_dict() for step in self.steps],
        }
