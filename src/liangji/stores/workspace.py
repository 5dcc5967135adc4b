"""The workspace: one directory that holds everything a person builds, opened once, at the edge.

metadata.sqlite   datasets, versions, runs, units (or a PostgreSQL database elsewhere)
tables/           rows of every version (or on an object store)
objects/          packages, reports, media (or on an object store)
scratch/          units in progress: scratch/units/<dataset>/<folder>/; may be deleted when nothing runs
                  (of a cluster with an object store: units/<dataset>/<folder>/ there)
lock, locks/      who builds at the moment
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from liangji.core.errors import StoreError, UsageError
from liangji.stores.metadata import Metadata
from liangji.stores.objects import Objects
from liangji.stores.tables import Tables


@dataclass(frozen=True, slots=True)
class Workspace:
    directory: Path
    tables: Tables
    metadata: Metadata
    objects: Objects
    scratch: Path
    units: Objects  # units in progress, on this machine
    shared_units: Objects  # the same, where every machine of a cluster reaches them

    @classmethod
    def open(
        cls,
        directory: Path,
        database: str | None = None,
        objects: str | None = None,
        storage_options: Mapping[str, str] | None = None,
    ) -> Workspace:
        """Open a workspace; what is missing is created, what else lies in the directory is left alone.

        `database`: 'postgresql://…' in place of the SQLite file. `objects`: 's3://bucket/prefix', or a folder that is shared, in
        place of the folders tables/ and objects/, with `storage_options` for it.
        """
        directory = directory.absolute()
        try:
            (directory / "scratch" / "units").mkdir(parents=True, exist_ok=True)
            (directory / "locks").mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make a workspace: {error.strerror}", str(directory), "choose a writable directory") from error
        root = str(directory) if objects is None else objects.rstrip("/")
        units = Objects.open(str(directory / "scratch" / "units"))
        return cls(
            directory=directory,
            tables=Tables(f"{root}/tables", storage_options),
            metadata=Metadata.open(database or f"sqlite:///{directory / 'metadata.sqlite'}"),
            objects=Objects.open(f"{root}/objects", storage_options),
            scratch=directory / "scratch",
            units=units,
            shared_units=units if objects is None else Objects.open(f"{root}/units", storage_options),
        )

    def close(self) -> None:
        self.metadata.close()

    @contextmanager
    def lock(self, dataset: str | None = None) -> Iterator[None]:
        """Hold the workspace, or one dataset of it, against other processes of this machine.

        One builder a dataset; builders of other datasets go on beside it, but nobody beside the holder of the whole
        workspace. The kernel frees the lock when the process ends, however it ends.

        Raises: UsageError at once, naming the process that holds it.
        """
        with ExitStack() as stack:
            if dataset is None:
                stack.enter_context(self._flock(self.directory / "lock", "the workspace", fcntl.LOCK_EX))
            else:
                stack.enter_context(self._flock(self.directory / "lock", "the workspace", fcntl.LOCK_SH))
                name = dataset.replace("%", "%25").replace("/", "%2F") + ".lock"
                stack.enter_context(self._flock(self.directory / "locks" / name, f"dataset '{dataset}'", fcntl.LOCK_EX))
            yield

    @contextmanager
    def _flock(self, file: Path, what: str, way: int) -> Iterator[None]:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(descriptor, way | fcntl.LOCK_NB)
            except BlockingIOError:
                holders = ", ".join(self._holders(file, way)) or "another process"
                raise UsageError(f"{what} is in use by {holders}", str(file), "wait until it has ended, or end it") from None
            if way == fcntl.LOCK_EX:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            try:
                yield
            finally:
                if way == fcntl.LOCK_EX:
                    os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def _holders(self, file: Path, way: int) -> list[str]:
        """Name the processes in the way: of a shared lock only the owner, of the workspace also builders of datasets."""
        candidates = [file]
        if way == fcntl.LOCK_EX and file.parent == self.directory:
            candidates += sorted((self.directory / "locks").iterdir())
        return [f"process {pid}" for pid in dict.fromkeys(filter(None, map(_owner, candidates)))]


def _owner(file: Path) -> str:
    """Read which living process wrote itself into a lock file; '' where none did."""
    pid = file.read_text()
    if not pid:
        return ""
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return ""  # killed while it held the lock
    except PermissionError:
        pass  # alive, and of another person
    return pid
