"""How progress looks: one live line in a terminal, a plain line every few seconds elsewhere. On stderr."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Self

from liangji.cli.output import say
from liangji.core.units import format_duration, format_size

_LIVE_SECONDS, _PLAIN_SECONDS = 0.2, 10.0


class TerminalProgress:
    """Show the phase, rows, MB/s and time left."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_live = sys.stderr.isatty()
        self._label, self._total, self._done = "", 0, 0
        self._rows = self._bytes = 0
        self._began = self._shown = time.monotonic()
        self._width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._label:
            self._show(final=True, failed=True)

    def done(self) -> None:
        with self._lock:
            self._show(final=True)
            self._label = ""

    def phase(self, label: str, total: int, unit: str) -> None:  # the unit only matters to other doors
        with self._lock:
            if self._label:
                self._show(final=True)
            self._label, self._total, self._done, self._rows, self._bytes = label, total, 0, 0, 0
            self._began = self._shown = time.monotonic()

    def advance(self, done: int, rows: int, size_bytes: int) -> None:
        with self._lock:
            self._done += done
            self._rows += rows
            self._bytes += size_bytes
            if time.monotonic() - self._shown >= (_LIVE_SECONDS if self._is_live else _PLAIN_SECONDS):
                self._show(final=False)

    def _show(self, *, final: bool, failed: bool = False) -> None:
        now = time.monotonic()
        elapsed = max(now - self._began, 1e-6)
        self._shown = now
        share = min(self._done / self._total, 1.0) if self._total else 1.0
        if final and not failed:
            share = 1.0  # an exchange tells nothing on the way
        if final:
            ending = format_duration(elapsed)
        elif share > 0:
            ending = say("progress.left", time=format_duration(elapsed * (1 - share) / share))
        else:
            ending = ""
        rate = f"{format_size(self._bytes / elapsed)}/s" if self._bytes else ""
        rows = say("progress.rows", rows=f"{self._rows:,}") if self._rows else ""
        line = "  ".join(part for part in (f"{share:4.0%}", self._label, rows, rate, ending) if part)
        if not self._is_live:
            sys.stderr.write(f"{line}\n")
        else:
            sys.stderr.write(f"\r{line}{' ' * max(0, self._width - len(line))}" + ("\n" if final else ""))
            self._width = 0 if final else len(line)
        sys.stderr.flush()
