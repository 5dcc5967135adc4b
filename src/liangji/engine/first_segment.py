"""The first segment of a run: from input files to units, taking over what earlier runs have left of each file."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

from liangji.core.digest import canonical_hash
from liangji.core.reading import SourceFile
from liangji.engine.run_state import RunState, segment_label
from liangji.engine.units import Beginning, Unit
from liangji.engine.work import FileWork, Made, Reading, beginning_key, file_identity, unit_key
from liangji.stores.metadata import Entry

_SHARDS_AT_FIRST, _SHARDS_ASKED_FOR = 8, 256  # in one question to the metadata


def read_all(state: RunState, reader: Reader, files: Sequence[SourceFile]) -> dict[str, list[Unit]]:
    """Run the first segment on every shard of every file; units that are done are not run again."""
    waiting = []
    already = 0
    for file in files:
        if reader.take_finished(file):
            already += file.size_bytes
        else:
            waiting.append(file)
    state.progress.phase(segment_label(reader.segment), sum(file.size_bytes for file in files), "bytes")
    state.progress.advance(already, 0, 0)
    state.runner.read(state.job, map(reader.work, waiting), reader.received, state.check)
    return {file.origin: reader.units_of(file) for file in files}


class Reader:
    """The first segment: from input files to units.

    Three things are entered of a file: its units, under a name that every step of the segment decides; what the first operators
    made of its shards, under one that only these decide, so that another rule need not read the file again; and how many shards
    it has.
    """

    def __init__(self, state: RunState) -> None:
        self._state, self.segment = state, state.plan.segments[0]
        self._identities: dict[str, str] = {}
        self._units: dict[str, dict[int, Unit]] = {}
        self._finished: set[str] = set()  # origins of files that an earlier run has read to their end
        self._lock = threading.Lock()

    def _identity(self, file: SourceFile) -> str:
        known = self._identities.get(file.origin)
        if known is None:
            known = self._identities[file.origin] = file_identity(self._state.plan, self._state.source, file)
        return known

    def _file_key(self, file: SourceFile) -> str:
        return canonical_hash(["file", self._identity(file)])

    def entered_keys(self, files: Sequence[SourceFile]) -> set[str]:
        """Name everything but units that stays entered for the next build."""
        return {self._file_key(file) for file in files} | {
            unit.lineage for units in self._units.values() for unit in units.values()
        }

    def take_finished(self, file: SourceFile) -> bool:
        """Take over the units of a file that was read to its end by an earlier run of the same steps."""
        shards = self._shards_of(file)
        done = self._done(file, range(shards))
        if not shards or len(done) < shards:
            return False
        for shard, unit in done.items():
            self._enter(file, shard, unit, is_new=False)
        self._finished.add(file.origin)
        return True

    def _shards_of(self, file: SourceFile) -> int:
        """Tell how many shards a file has that was read to its end; 0 where it was not."""
        key = self._file_key(file)
        entered = self._state.workspace.metadata.units([key]).get(key)
        return entered["shards"] if entered else 0

    def _done(self, file: SourceFile, shards: Iterable[int]) -> dict[int, Unit]:
        keys = {unit_key(self._state.plan, self._identity(file), shard): shard for shard in shards}
        return {keys[key]: unit for key, unit in self._state.entered(list(keys)).items()}

    def work(self, file: SourceFile) -> FileWork:
        """Find what earlier runs have left of a file: more and more shards at a time, until none of them has left anything."""
        shards = self._shards_of(file)
        first = 0
        done: dict[int, Unit] = {}
        beginnings: dict[int, Beginning] = {}
        made: dict[int, Made] = {}
        while True:
            some = range(first, first + min(first, _SHARDS_ASKED_FOR) + _SHARDS_AT_FIRST)
            first = some.stop
            lineages = {beginning_key(self._state.plan, self._identity(file), shard): shard for shard in some}
            found = self._done(file, some)
            begun = self._state.workspace.metadata.units(list(lineages))
            done |= found
            beginnings |= {lineages[key]: Beginning(**result) for key, result in begun.items() if self._has_root(result)}
            made |= {lineages[lineage]: layers for lineage, layers in self._state.made(list(lineages)).items()}
            if not found and not begun:
                break
        for shard, unit in done.items():
            self._enter(file, shard, unit, is_new=False)
        return FileWork(file, self._identity(file), shards, frozenset(done), beginnings, made)

    def _has_root(self, result: dict[str, Any]) -> bool:
        beginning = Beginning(**result)
        return beginning.root is not None and all(map(self._state.files.exists, beginning.folders))

    def received(self, work: FileWork, reading: Reading) -> None:
        """Enter the unit of a shard, if that is what has come."""
        unit = reading.unit
        if unit is not None:
            self._state.enter(unit, reading.beginning)
            self._enter(work.file, unit.shard, unit, is_new=True)
        self._state.progress.advance(reading.consumed_bytes, unit.rows_in if unit else 0, reading.size_bytes)

    def _enter(self, file: SourceFile, shard: int, unit: Unit, *, is_new: bool) -> None:
        with self._lock:
            self._units.setdefault(file.origin, {})[shard] = unit
        self._state.count_unit(unit, is_new=is_new)

    def units_of(self, file: SourceFile) -> list[Unit]:
        """Give the units of a file in order, and enter the file as read to its end."""
        units = self._units.get(file.origin, {})
        if file.origin not in self._finished:
            entry = Entry(self._file_key(file), {"shards": len(units)}, origin=file.origin)
            self._state.workspace.metadata.record_units(self._state.plan.recipe.dataset, [entry])
        return [units[shard] for shard in range(len(units))]
