"""Workers end together: with the work, with the first failure, or with whoever waits for them."""

from __future__ import annotations

import itertools
import os
import signal
import time

import pytest

from liangji.engine.runner import _on_workers


def test_an_interrupted_wait_ends_the_workers_after_the_unit_at_hand() -> None:
    endless = itertools.count()

    def work(number: int) -> None:
        if number == 4:
            os.kill(os.getpid(), signal.SIGINT)
        assert number < 2000, "nobody told the workers"
        time.sleep(0.01)

    with pytest.raises(KeyboardInterrupt):
        _on_workers(2, lambda: next(endless), work, lambda: None)
    assert next(endless) < 2000
