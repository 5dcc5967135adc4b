"""Run a command and account for it as the operating system does: CPU time of it and of all it started, wall time, peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

ONE_THREAD = {
    "DO_NOT_TRACK": "true",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command printed as its last line, and what it took from start to end."""

    printed: dict[str, Any]
    cpu_seconds: float  # user and system, of the process and of those that it waited for
    wall_seconds: float
    peak_memory_bytes: int  # of the largest of these processes


class CommandFailed(Exception):
    """A measured command ended with an error; the message is the end of what it wrote."""


def run(command: Sequence[str], *, folder: Path = ROOT, environment: Mapping[str, str] | None = None) -> Ran:
    """Run a command that prints one JSON object as its last line; libraries with threads of their own are held to one.

    Raises: CommandFailed.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as complaints:
        started = time.monotonic()
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=complaints, env={**os.environ, **ONE_THREAD, **(environment or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            complaints.seek(0)
            raise CommandFailed(f"ended with {process.returncode}: {complaints.read()[-2000:]}")
        output.seek(0)
        last = [line for line in output.read().splitlines() if line.strip()][-1]
    return Ran(json.loads(last), usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024)
