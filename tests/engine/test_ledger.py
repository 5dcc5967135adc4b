"""The ledger closes, or the run does."""

from __future__ import annotations

import pytest

from liangji.core.errors import LedgerError
from liangji.engine.ledger import Ledger, StepCount


def counts(*steps: StepCount) -> list[dict[str, object]]:
    return [step.as_dict() for step in steps]


def test_shards_add_up() -> None:
    one = counts(StepCount("0 read", "read", 10, 9, 0, {}, 1), StepCount("1 keep", "rule", 9, 5, 0, {"too_short": 4}, 0))
    two = counts(StepCount("0 read", "read", 3, 3), StepCount("1 keep", "rule", 3, 2, 0, {"too_long": 1}, 0))
    ledger = Ledger.close([one, two]).as_dict()
    assert {name: ledger[name] for name in ("rows_in", "rows_out", "dropped", "quarantined", "expanded")} == {
        "rows_in": 13,
        "rows_out": 7,
        "dropped": {"too_long": 1, "too_short": 4},
        "quarantined": 1,
        "expanded": 0,
    }


def test_a_step_that_loses_a_row_does_not_close() -> None:
    with pytest.raises(LedgerError, match="took 10 rows"):
        Ledger.close([counts(StepCount("0 read", "read", 10, 9))])


def test_a_row_lost_between_steps_does_not_close() -> None:
    with pytest.raises(LedgerError, match="let 10 rows through, '1 keep' took 9"):
        Ledger.close([counts(StepCount("0 read", "read", 10, 10), StepCount("1 keep", "rule", 9, 9))])


def test_what_expands_is_part_of_the_sum() -> None:
    ledger = Ledger.close([counts(StepCount("0 read", "read", 2, 2), StepCount("1 split_text", "expand", 2, 5, 3))]).as_dict()
    assert (ledger["rows_in"], ledger["expanded"], ledger["rows_out"]) == (2, 3, 5)
