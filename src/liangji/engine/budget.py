"""The memory budget: how many shards may be worked on at once, and what an exchange may use before it spills."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from liangji.core.errors import UsageError
from liangji.core.units import format_size
from liangji.engine.shards import SHARD_BYTES

_BASE_BYTES = 550_000_000  # interpreter, Arrow, Lance, DuckDB, compiled kernels, language tables: measured with no data
_WORKER_BYTES = (
    12 * SHARD_BYTES
)  # a shard, what operators make of it, kernel scratch, the writer's buffer: measured high-water mark
MINIMUM_BYTES = _BASE_BYTES + _WORKER_BYTES


@dataclass(frozen=True, slots=True)
class Budget:
    memory_bytes: int
    workers: int

    @staticmethod
    def of(memory_bytes: int | None = None, workers: int | None = None) -> Budget:
        """Fit the number of workers into the memory; default: half of the machine's memory, all its cores.

        Raises: UsageError where not even one worker fits.
        """
        memory = machine_memory() // 2 if memory_bytes is None else memory_bytes
        if memory < MINIMUM_BYTES:
            raise UsageError(
                f"{format_size(memory)} of memory is too little", "--memory", f"give at least {format_size(MINIMUM_BYTES)}"
            )
        wanted = workers or len(os.sched_getaffinity(0))
        return Budget(memory, max(1, min(wanted, (memory - _BASE_BYTES) // _WORKER_BYTES)))

    @property
    def exchange_bytes(self) -> int:
        """What an exchange may use: the budget less the process itself."""
        return max(200_000_000, int((self.memory_bytes - _BASE_BYTES) * 0.7))


def memory_for(workers: int) -> int:
    """Give the memory in bytes that so many workers need; for none, what the process needs by itself."""
    return _BASE_BYTES + workers * _WORKER_BYTES


def machine_memory() -> int:
    """Give the memory of this machine or container in bytes."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        total = min(total, int(text))
    return total
