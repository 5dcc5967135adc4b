"""Workers end together: with the work, with the first failure, or with whoever waits for them."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from liangji.engine.run import _on_workers


def test_an_interrupted_wait_ends_the_workers_after_the_unit_at_hand() -> None:
    state: Any = SimpleNamespace(budget=SimpleNamespace(workers=2), stop=threading.Event())
    endless = itertools.count()

    def work(number: int) -> None:
        if number == 4:
            os.kill(os.getpid(), signal.SIGINT)
        assert number < 2000, "nobody told the workers"
        time.sleep(0.01)

    with pytest.raises(KeyboardInterrupt):
        _on_workers(state, lambda: next(endless), work)
    assert next(endless) < 2000
