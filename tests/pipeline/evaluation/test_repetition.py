from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from liangji.pipeline.evaluation import repetition
from liangji.pipeline.evaluation.repetition import Repetition, RepetitionCounter

TEXTS = ["轴承温度过高。", "Bearing hot", "轴承温度过高。", "ＢＥＡＲＩＮＧ  hot!", None, "", "——", "——", "只此一条"]


def repeated(texts: list[str | None], cut: int, unclean: tuple[int, ...] = ()) -> Repetition:
    flags = np.isin(np.arange(len(texts)), unclean)
    with RepetitionCounter() as counter:
        for part in (slice(None, cut), slice(cut, None)):
            counter.add(pa.array(texts[part], pa.large_string()), flags[part])
        return counter.result()


@pytest.mark.parametrize("cut", [0, 1, 3, 9])
def test_copies_are_counted_but_the_first_of_each_group(cut: int) -> None:
    assert repeated(TEXTS, cut) == Repetition(exact_copies=2, folded_copies=3, unclean_rows=3, example_rows=[2, 3, 7])


def test_a_row_that_is_a_copy_and_damaged_is_one_unclean_row() -> None:
    assert repeated(TEXTS, 4, unclean=(2, 8)).unclean_rows == 4


def test_what_does_not_fit_in_memory_gives_the_same_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str | None] = [f"记录 {number % 700}" for number in range(2000)]
    whole = repeated(texts, 1000)
    monkeypatch.setattr(repetition, "_BUFFERED_ROWS", 100)
    assert repeated(texts, 1000) == whole
    assert whole.exact_copies == 1300
