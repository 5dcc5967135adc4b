"""What a long task tells while it runs, and how it is asked to stop. How it looks is the door's business."""

from __future__ import annotations

import threading
from typing import Protocol

from liangji.core.errors import RunError


class Progress(Protocol):
    """Told from several threads; must not block."""

    def phase(self, label: str, total: int, unit: str) -> None:
        """A phase begins: `total` of `unit` ('bytes' of input files, or 'rows') are to be done."""

    def advance(self, done: int, rows: int, size_bytes: int) -> None:
        """More is done: of the phase's unit, and in rows and bytes of records."""

    def done(self) -> None:
        """The last phase has ended."""


class Silent:
    """Tell nothing."""

    def phase(self, label: str, total: int, unit: str) -> None: ...

    def advance(self, done: int, rows: int, size_bytes: int) -> None: ...

    def done(self) -> None: ...


class RunStopped(RunError):
    """The run was asked to stop; what is done stays done."""

    code = "run_stopped"


def check_stop(stop: threading.Event) -> None:
    """Raises: RunStopped where a stop was asked for."""
    if stop.is_set():
        raise RunStopped("the run was stopped; finished shards are kept", "", "run the same command again to go on from here")
