"""The runner for a Ray cluster: units are Ray tasks, and exchanges shuffle their keys with Daft on Ray (`engine.ray_shuffle`).

Ray places the tasks, holds them back where memory is short, and runs them again where a worker or a machine is lost: a unit is
idempotent, so that costs time and nothing else. Nothing of that is done here. Inputs, files of units and tables must lie where every
machine reaches them: on an object store or in a folder that is shared.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from itertools import islice
from typing import Any, TypeVar

import pyarrow as pa
from packaging.requirements import Requirement

from liangji.core.errors import ClusterError, StoreError, UsageError
from liangji.core.units import format_size
from liangji.engine.budget import memory_for
from liangji.engine.gathered import GatheredKeys
from liangji.engine.work import FileWork, Job, Reading, read_shards, run_first

C = TypeVar("C")
T = TypeVar("T")
R = TypeVar("R")

_ADDRESS_SECONDS = 10.0  # to reach an address; Ray itself tries for two minutes
_RETRIES = 3  # of a task whose worker or machine is lost
_TASKS_A_CORE = 2  # under way: one that runs and one that waits, so that a cluster that can grow sees the need
_POLL_SECONDS = 0.5
_SHARED = "shared"  # a file that shows whether a machine sees the same place
_WORKER_ENVIRONMENT = {"DO_NOT_TRACK": "true"}  # Daft asks for it when it is imported


class RayRunner:
    """Ray tasks, one core each. The connection stays until the process ends: Daft knows no other way."""

    is_shared = True

    def __init__(self, ray: Any) -> None:
        self._ray = ray

    @classmethod
    def connect(cls, address: str = "auto", workers: int | None = None) -> RayRunner:
        """Connect to a cluster: 'auto' for the one that this machine belongs to, 'HOST:PORT' of its head, or 'local' for one that lives
        in this process alone, with `workers` cores.

        Raises: UsageError where the extra `ray` is not installed or the address is none; ClusterError where nobody answers, or no
            machine of the cluster is large enough.
        """
        os.environ.update(_WORKER_ENVIRONMENT)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "^")  # what Ray says of its workers goes to stdout, which is ours
        if address == "local" and "RAY_AUTH_MODE" not in os.environ:
            # A token of its own: Ray would leave one in the home directory, and every cluster started later would ask for it.
            os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
        try:
            import daft  # noqa: F401, PLC0415 - an extra, and slow to load
            import ray  # noqa: PLC0415
        except ModuleNotFoundError as missing:
            raise UsageError("the runner 'ray' needs an optional part", "--runner ray", 'pip install "liangji[ray]"') from missing
        if not ray.is_initialized():
            _connect(ray, address, workers)
        runner = cls(ray)
        runner._check_machines()
        return runner

    def _check_machines(self) -> None:
        """Raises: ClusterError where no task fits any machine: Ray would wait for one that does, without a word."""
        machines = [machine["Resources"] for machine in self._ray.nodes() if machine["Alive"]]
        needed = memory_for(1)
        if not any(resources.get("CPU", 0) >= 1 and resources.get("memory", 0) >= needed for resources in machines):
            raise ClusterError(
                f"no machine of the cluster has a core and {format_size(needed)} of memory for a worker",
                f"{len(machines)} machines",
                "start Ray on larger machines, or with a smaller --object-store-memory",
            )

    def read(
        self, job: Job, works: Iterable[FileWork], received: Callable[[FileWork, Reading], None], check: Callable[[], None]
    ) -> None:
        job.files.write(_SHARED, {_SHARED: b""})
        self._stream(_read_file, job, works, received, check)

    def each(
        self,
        work: Callable[[C, T], R],
        common: C,
        items: Iterable[T],
        received: Callable[[T, R], None],
        check: Callable[[], None],
    ) -> None:
        self._stream(_once, (work, common), items, received, check)

    def gather(self, *files: Any, **options: Any) -> GatheredKeys:
        from liangji.engine.ray_shuffle import ClusterKeys  # noqa: PLC0415 - loads Daft

        return ClusterKeys(*files, **options)

    def _stream(
        self,
        work: Callable[[C, T], Iterator[R]],
        common: C,
        items: Iterable[T],
        received: Callable[[T, R], None],
        check: Callable[[], None],
    ) -> None:
        """Run a generator on each item, as a task of its own, and take what the tasks yield as it comes."""
        ray = self._ray
        shipped = ray.put((work, common, _packages()))
        task = ray.remote(_run).options(num_cpus=1, memory=memory_for(1), max_retries=_RETRIES)
        waiting = iter(items)
        running: dict[Any, T] = {}
        try:
            while True:
                check()
                free = _TASKS_A_CORE * int(ray.cluster_resources().get("CPU", 1)) - len(running)
                running |= {task.remote(shipped, item): item for item in islice(waiting, max(0, free))}
                if not running:
                    return
                for results in ray.wait(list(running), timeout=_POLL_SECONDS, fetch_local=False)[0]:
                    self._receive(running, results, received)
        finally:
            for results in running:
                ray.cancel(results, force=True)

    def _receive(self, running: dict[Any, T], results: Any, received: Callable[[T, R], None]) -> None:
        """Take the next result of a task, or note its end."""
        try:
            reference = next(results)
        except StopIteration:
            del running[results]
            return
        with _told(self._ray):
            result = self._ray.get(reference)
        received(running[results], result)


def _connect(ray: Any, address: str, workers: int | None) -> None:
    if address not in ("auto", "local"):
        _check_address(address)
    logging.getLogger("ray").setLevel(logging.ERROR)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    options: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False} if address == "local" else {}
    try:
        ray.init(
            address,
            log_to_driver=False,
            configure_logging=False,
            runtime_env={"env_vars": _WORKER_ENVIRONMENT},
            **options,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        what = str(error).partition("\n")[0] or type(error).__name__
        mend = (
            "start one with `ray start --head`, or give its --address; set RAY_AUTH_MODE=token where it wants a token; "
            "Python and Ray must be the same on all machines"
        )
        raise ClusterError(f"no Ray cluster could be joined: {what}", address, mend) from error
    finally:
        if threading.current_thread() is threading.main_thread():  # Ray puts handlers of its own in their place
            for number, handler in handlers.items():
                signal.signal(number, handler)
    ray.util.register_serializer(pa.Table, serializer=_packed, deserializer=_unpacked)


def _check_address(address: str) -> None:
    """Raises: UsageError where an address is none that will do; ClusterError where nobody answers there."""
    if address.startswith("ray://"):
        mend = "run the command on a machine of the cluster, with --address auto"
        raise UsageError("a Ray Client cannot take what tasks yield, and is cut off with its connection", address, mend)
    host, found, port = address.rpartition(":")
    if not found or not port.isdigit():
        raise UsageError(f"'{address}' is no address of a Ray cluster", "--address", "give auto, local, or HOST:PORT of its head")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ADDRESS_SECONDS).close()
    except OSError as error:
        words = error.strerror or str(error)
        raise ClusterError(
            f"nobody answers: {words}", address, "start the cluster with `ray start --head`, or mend the address"
        ) from error


@contextmanager
def _told(ray: Any) -> Iterator[None]:
    """Tell what happened to a task: an error of ours as it was raised there, a loss as ClusterError."""
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, Exception) else error) from None
    except ray.exceptions.RayError as error:
        words = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ClusterError(
            f"work on the cluster was lost {_RETRIES + 1} times: {words}",
            type(error).__name__,
            "run the same command again to go on from here; where memory was short, give Ray fewer cores on each machine",
        ) from error


# What runs on the workers


def _run(shipped: tuple[Callable[[C, T], Iterator[R]], C, dict[str, str]], item: T) -> Iterator[R]:
    work, common, packages = shipped
    _check_packages(packages)
    pa.set_cpu_count(1)  # Ray counts cores: Arrow's own pool would work on top of them
    yield from work(common, item)
    pa.default_memory_pool().release_unused()


def _once(shared: tuple[Callable[[C, T], R], C], item: T) -> Iterator[R]:
    work, common = shared
    yield work(common, item)


def _read_file(job: Job, work: FileWork) -> Iterator[Reading]:
    """Read a file to its end, and run the first segment on each shard; the last reading has only the bytes after it."""
    _check_place(job)
    consumed: list[int] = []
    for shard in read_shards(job.source, work, consumed.append):
        yield replace(run_first(job, work, shard), consumed_bytes=sum(consumed))
        consumed.clear()
    yield Reading(sum(consumed))


def _check_place(job: Job) -> None:
    """Raises: ClusterError where this machine has another place of that name, or none: what it writes there would be lost."""
    try:
        job.files.bytes(f"{_SHARED}/{_SHARED}")
    except StoreError as error:
        raise ClusterError(
            f"a machine of the cluster does not see the files of this run ({error.what})",
            f"{socket.gethostname()}: {error.where}",
            "put the workspace into a folder that all machines share under one path, or give --objects s3://…",
        ) from error


@cache
def _packages() -> dict[str, str]:
    """Name the versions of liangji and of all that it needs."""
    names = ["liangji", *(Requirement(line).name for line in requires("liangji") or [] if "extra" not in line)]
    return {name: _version(name) for name in names}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _check_packages(wanted: dict[str, str]) -> None:
    """Raises: ClusterError where this machine has other versions than the one that started the run: it might give other results."""
    other = [f"{name} {have} instead of {wanted[name]}" for name, have in _packages().items() if have != wanted.get(name)]
    if other:
        raise ClusterError(
            f"a machine of the cluster has other packages: {', '.join(other[:3])}",
            socket.gethostname(),
            "install the same versions on all machines, best from one image",
        )


def _packed(table: pa.Table) -> pa.Buffer:
    """Write a table as it is cut: pickled, a slice would take all rows with it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _unpacked(content: pa.Buffer) -> pa.Table:
    return pa.ipc.open_stream(content).read_all()
