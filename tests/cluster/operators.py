"""Operators that only the tests of the cluster need; its workers import them from here."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from liangji.core.errors import InputError


def double(factor: int, number: int) -> int:
    return 2 * factor * number


def refuse(_: None, number: int) -> int:
    if number == 3:
        raise InputError("three is refused", "here", "leave it out")
    return number


def break_down(_: None, number: int) -> int:
    if number == 3:
        raise ZeroDivisionError("by three")
    return number


def die_once(folder: Path, number: int) -> int:
    mark = folder / str(number)
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die(_: None, number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def wait_for(folder: Path, number: int) -> int:
    """Tell that it has begun, and never end."""
    (folder / str(number)).touch()
    signal.pause()
    return number
