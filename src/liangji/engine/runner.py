"""Where the work of a run is done. The run itself asks and changes the metadata, in the process that a person started.

`LocalRunner` is here; `engine.ray_runner` has the one for a cluster. Both do the same units and give the same version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event, Lock
from typing import Any, Protocol, TypeVar

from liangji.engine.gathered import GatheredKeys
from liangji.engine.shards import Feed
from liangji.engine.work import FileWork, Job, Reading, read_shards, run_first

C = TypeVar("C")
T = TypeVar("T")
R = TypeVar("R")


class Runner(Protocol):
    """Does the work of a run, on as many workers as it has.

    What is received is told as soon as it is there, in any order and from any thread. `check` is called now and then and raises
    where the run is to stop. The first failure of a worker ends the others and is raised.
    """

    is_shared: bool  # the files of units must lie where other machines reach them

    def read(
        self, job: Job, works: Iterable[FileWork], received: Callable[[FileWork, Reading], None], check: Callable[[], None]
    ) -> None:
        """Run the first segment on files, shard by shard."""

    def each(
        self,
        work: Callable[[C, T], R],
        common: C,
        items: Iterable[T],
        received: Callable[[T, R], None],
        check: Callable[[], None],
    ) -> None:
        """Call a function of a module on each item; `common` is what all calls share."""

    def gather(self, *files: Any, **options: Any) -> GatheredKeys:
        """Make what an exchange sees; takes what `GatheredKeys` takes."""


class LocalRunner:
    """Threads of this process; the kernels let go of the interpreter."""

    is_shared = False

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def read(
        self, job: Job, works: Iterable[FileWork], received: Callable[[FileWork, Reading], None], check: Callable[[], None]
    ) -> None:
        def consumed(work: FileWork, size_bytes: int) -> None:
            received(work, Reading(size_bytes))

        feed = Feed(works, lambda work: read_shards(job.source, work, partial(consumed, work)))
        _on_workers(self._workers, feed.next, lambda item: received(item[0], run_first(job, *item)), check)

    def each(
        self,
        work: Callable[[C, T], R],
        common: C,
        items: Iterable[T],
        received: Callable[[T, R], None],
        check: Callable[[], None],
    ) -> None:
        waiting, lock = iter(items), Lock()

        def take() -> tuple[T] | None:
            with lock:
                return next(((item,) for item in waiting), None)

        _on_workers(self._workers, take, lambda item: received(*item, work(common, *item)), check)

    def gather(self, *files: Any, **options: Any) -> GatheredKeys:
        return GatheredKeys(*files, **options)


def _on_workers(workers: int, take: Callable[[], T | None], work: Callable[[T], None], check: Callable[[], None]) -> None:
    """Let every worker take and work until nothing is left; the first failure ends them all and is raised."""
    failed = Event()

    def loop() -> None:
        try:
            while not failed.is_set():
                check()
                item = take()
                if item is None:
                    return
                work(item)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(workers, thread_name_prefix="liangji") as pool:
        futures = [pool.submit(loop) for _ in range(workers)]
        try:
            for future in futures:
                future.result()
        finally:
            failed.set()  # interrupted while waiting: the pool waits for its workers, and they for nothing else
