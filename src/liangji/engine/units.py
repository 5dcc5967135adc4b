"""Units: one segment on one shard. A unit is idempotent, writes into a folder of its own, and is entered in the metadata when done.

Its key is made from everything that decides its result, so that resuming a killed run and adding files to a finished one are the
same thing: a unit whose key is entered is not run again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.ipc
from numpy.typing import NDArray

from liangji.core.digest import row_digests
from liangji.core.reading import Note
from liangji.core.schema import record_schema
from liangji.engine.plan import QUARANTINE, Plan, Segment
from liangji.engine.segment import Outcome, quarantine_batches
from liangji.stores.workspace import Workspace

FAULTS_SHOWN = 20  # a unit
NOTES_KEPT = 100  # a unit
_FRAGMENT_BYTES = 4 << 20  # a unit with less waits for its neighbours: thousands of small fragments would slow every reader down
_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that is done."""

    key: str
    origin: str
    shard: int
    rows: int  # that it let through
    size_bytes: int  # of Arrow memory of these
    counts: list[dict[str, Any]]  # of the ledger
    fragments: list[str]  # rows of a final unit, staged already; small ones lie in its folder until the commit
    notes: list[dict[str, Any]]
    faults: list[dict[str, Any]]  # the first of the quarantined rows, without their content

    @staticmethod
    def from_result(key: str, result: dict[str, Any]) -> Unit:
        return Unit(key, **result)

    @property
    def result(self) -> dict[str, Any]:
        values = asdict(self)
        del values["key"]
        return values


class UnitFiles:
    """The folders of units: rows and keys that go to the next segment, and the digests of final rows."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, key: str) -> Path:
        return self._root / key[:2] / key

    def exists(self, key: str) -> bool:
        return self.folder(key).is_dir()

    def rows(self, key: str) -> Path:
        return self.folder(key) / "rows.arrow"

    def keys(self, key: str, exchange: int) -> Path:
        return self.folder(key) / f"keys-{exchange}.arrow"

    def digests(self, key: str) -> Path:
        return self.folder(key) / "digests.bin"

    def decisions(self, key: str) -> Path:
        return self.folder(key) / "decisions.arrow"

    def write(self, key: str, files: dict[str, bytes | tuple[pa.Schema, Sequence[pa.RecordBatch]]]) -> None:
        """Write the files of a unit; the folder appears whole or not at all."""
        target = self.folder(key)
        part = target.with_name(f"{key}.{uuid4().hex}.part")
        part.mkdir(parents=True)
        for name, content in files.items():
            if isinstance(content, bytes):
                (part / name).write_bytes(content)
                continue
            schema, batches = content
            with pa.OSFile(str(part / name), "wb") as sink, pa.ipc.new_file(sink, schema, options=_COMPRESSED) as writer:
                for batch in batches:
                    writer.write_batch(batch)
        if target.exists():  # left by a run that was killed before it entered the unit
            _remove(target)
        part.rename(target)

    def remove_others(self, keep: set[str]) -> None:
        """Remove every folder that is not of one of these units."""
        if not self._root.is_dir():
            return
        for group in self._root.iterdir():
            for folder in list(group.iterdir()):
                if folder.name not in keep:
                    _remove(folder)
            if not any(group.iterdir()):
                group.rmdir()


def _remove(folder: Path) -> None:
    """Remove a folder, which vanishes whole or not at all: decisions count as taken where their folder is."""
    part = folder.with_name(f"{folder.name}.{uuid4().hex}.part")
    folder.rename(part)
    shutil.rmtree(part, ignore_errors=True)


def read_batches(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Read a file of a unit batch by batch; of columns that are not asked for, nothing is decompressed."""
    with pa.OSFile(str(path), "rb") as file:
        reader = pa.ipc.open_file(file)
        if columns is not None:
            places = [reader.schema.get_field_index(name) for name in columns]
            reader = pa.ipc.open_file(file, options=pa.ipc.IpcReadOptions(included_fields=places))
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)


def read_table(path: Path) -> pa.Table:
    with pa.OSFile(str(path), "rb") as file:
        return pa.ipc.open_file(file).read_all()


def finish(
    workspace: Workspace,
    files: UnitFiles,
    plan: Plan,
    segment: Segment,
    key: str,
    origin: str,
    shard: int,
    outcome: Outcome,
    notes: Sequence[Note],
) -> Unit:
    """Write what came of a unit and enter it as done."""
    dataset = plan.recipe.dataset
    size_bytes = sum(batch.nbytes for batch in outcome.kept)
    contents: dict[str, Any] = {}
    fragments: list[str] = []
    if outcome.kept and segment.is_final and size_bytes >= _FRAGMENT_BYTES:
        fragments = workspace.tables.stage(f"{dataset}/rows", plan.schema, outcome.kept)
    elif outcome.kept:
        contents["rows.arrow"] = (outcome.kept[0].schema, outcome.kept)
    if segment.is_final:
        schema = record_schema(plan.recipe.kind, plan.recipe.modality)
        contents["digests.bin"] = b"".join(row_digests(batch, schema) for batch in outcome.kept)
    elif outcome.kept:
        for index, batches in enumerate(outcome.keys):
            contents[f"keys-{index}.arrow"] = (batches[0].schema, batches)
    if outcome.dropped:
        contents["dropped.arrow"] = (plan.dropped_schema, outcome.dropped)
    if outcome.quarantined:
        contents["quarantined.arrow"] = (QUARANTINE, quarantine_batches(outcome.quarantined))
    files.write(key, contents)
    unit = Unit(
        key,
        origin,
        shard,
        sum(batch.num_rows for batch in outcome.kept),
        size_bytes,
        [count.as_dict() for count in outcome.counts.values()],
        fragments,
        [asdict(note) for note in notes[:NOTES_KEPT]],
        [{name: value for name, value in row.items() if name != "content"} for row in outcome.quarantined[:FAULTS_SHOWN]],
    )
    workspace.metadata.record_unit(key, dataset, segment.index, origin, shard, unit.result)
    return unit


def stage_all(workspace: Workspace, files: UnitFiles, table: str, schema: pa.Schema, units: Sequence[Unit]) -> list[str]:
    """Give the fragments of one table of a version, in the order of units; what lies in small files is staged together."""
    name = table.rpartition("/")[2]
    fragments: list[str] = []
    waiting: list[Path] = []

    def stage_waiting() -> None:
        if waiting:
            batches = (batch for path in waiting for batch in read_batches(path))
            fragments.extend(workspace.tables.stage(table, schema, batches))
            waiting.clear()

    for unit in units:
        path = files.folder(unit.key) / f"{name}.arrow"
        if name == "rows" and unit.fragments:
            stage_waiting()
            fragments.extend(unit.fragments)
        elif path.exists():
            waiting.append(path)
    stage_waiting()
    return fragments


class StagedRows:
    """Random access to the rows of many units, numbered one after the other."""

    def __init__(self, files: UnitFiles, units: Sequence[Unit]) -> None:
        self._paths = [files.rows(unit.key) for unit in units]
        self._bases = np.concatenate([[0], np.cumsum([unit.rows for unit in units])]).astype(np.int64)

    def take(self, rows: NDArray[np.int64], columns: list[str]) -> pa.Table:
        """Fetch columns of single rows, in the order asked for, in ascending order of rows without a copy; each unit's file is read once."""
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        shards = np.searchsorted(self._bases, ordered, side="right") - 1
        parts: list[pa.Table] = []
        for shard in np.unique(shards):
            inside = ordered[shards == shard] - self._bases[shard]
            parts.extend(self._take_from(self._paths[shard], inside, columns))
        if not parts:
            return pa.table({name: [] for name in columns})
        if np.array_equal(ordered, rows):
            return pa.concat_tables(parts)
        inverse = np.empty(len(rows), np.int64)
        inverse[order] = np.arange(len(rows))
        return pa.concat_tables(parts).take(pa.array(inverse))

    def _take_from(self, path: Path, rows: NDArray[np.int64], columns: list[str]) -> Iterator[pa.Table]:
        base = 0
        for batch in read_batches(path, columns):
            start, end = np.searchsorted(rows, [base, base + batch.num_rows])
            if start < end:
                yield pa.Table.from_batches([batch.select(columns).take(pa.array(rows[start:end] - base))])
            base += batch.num_rows
            if end == len(rows):
                break
