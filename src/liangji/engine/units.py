"""Units: one segment on one shard. A unit is idempotent, writes into a folder of its own, and is entered in the metadata when done.

Its key is made from everything that decides its result, so that resuming a killed run and adding files to a finished one are the
same thing: a unit whose key is entered is not run again. Roots and layers (`engine.views`) lie in the folder of the unit that made
them, and later units refer to them. A folder counts as soon as something that is entered refers to it; others are left from killed
runs, and are removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from itertools import chain
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from liangji.core.reading import Note
from liangji.core.schema import DECISION
from liangji.engine.plan import DROP_STEP, QUARANTINE, READ_STEP, Plan, Segment
from liangji.engine.segment import DIGEST, Dropped, Outcome, conform, quarantine_batches
from liangji.engine.views import ROW, Layer, Part, Root, Rows, View
from liangji.stores.objects import Objects
from liangji.stores.tables import Tables

FAULTS_SHOWN = 20  # a unit
NOTES_KEPT = 100  # a unit
_FRAGMENT_BYTES = 4 << 20  # a unit with less waits for its neighbours: thousands of small fragments would slow every reader down
_STAGED_TOGETHER = 64 << 20  # bytes of such units that become fragments in one go
_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")
ROOT_ROWS = "root-rows"  # file: int64, the root row of each row that a unit let through
_GROUP = "group"  # which of the groups that the unit dropped a row belongs to
_DROPPED = pa.schema([pa.field(ROW, pa.int64()), pa.field(_GROUP, pa.int64()), *DECISION])

Content = bytes | tuple[pa.Schema, Iterable[pa.RecordBatch]]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that is done. Places are 'folder/file'."""

    key: str
    folder: str
    segment: int
    lineage: str  # names the first root of its shard: what is entered of it, and of the layers over it
    root_lineage: str  # the same, as long as its rows are numbered by that root; empty where an operator made new rows since
    origin: str
    shard: int
    rows: int  # that it let through
    size_bytes: int  # of Arrow memory of these, estimated
    counts: list[dict[str, Any]]  # of the ledger
    root: dict[str, Any] | None  # place, lengths, size_bytes; None where nothing of it is needed any more
    layers: list[list[dict[str, Any]]]  # parts of each layer over the root: place, changed, has_failed, is_partly
    keys: list[list[dict[str, Any]]]  # parts of the keys of each exchange
    dropped: list[dict[str, Any]]  # groups: step, size_bytes, root, layers
    quarantined: list[str]  # places
    made: dict[str, list[dict[str, Any]]]  # name of a layer → all its parts: for runs of another plan
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

    @property
    def rows_in(self) -> int:
        """Rows read from the input, with those that could not be read."""
        return sum(count["rows_in"] for count in self.counts if count["step"] == READ_STEP)

    @property
    def folders(self) -> set[str]:
        """Every folder that this unit refers to."""
        roots = [self.root, *(group["root"] for group in self.dropped)]
        layers = [*self.layers, *self.keys, *self.made.values(), *(layer for group in self.dropped for layer in group["layers"])]
        places = (
            [root["place"] for root in roots if root] + [part["place"] for layer in layers for part in layer] + self.quarantined
        )
        return {self.folder, *(place.partition("/")[0] for place in places)}


@dataclass(frozen=True, slots=True)
class Staged:
    """Rows of a version: fragments that are there, or batches that are still to be staged."""

    fragments: list[str]
    size_bytes: int
    read: Callable[[], Iterable[pa.RecordBatch]]


class UnitFiles:
    """The folders of the units of one dataset. Copies may be sent to other processes."""

    def __init__(self, objects: Objects, dataset: str) -> None:
        self._objects, self._dataset = objects, dataset

    def __reduce__(self) -> tuple[type[UnitFiles], tuple[Objects, str]]:
        return UnitFiles, (self._objects, self._dataset)  # without the names of folders, which only the run asks for

    def exists(self, folder: str) -> bool:
        """Tell whether a folder was there at the first question, or has been added since."""
        return folder in self._folders

    def added(self, folder: str) -> None:
        """Take note of a folder that somebody has written."""
        self._folders.add(folder)

    @cached_property
    def _folders(self) -> set[str]:
        return self._objects.folders(f"{self._dataset}/")

    def write(self, name: str, files: dict[str, Content]) -> None:
        """Write the files of a new folder."""
        for file, content in files.items():
            with self._objects.output(self._key(f"{name}/{file}")) as sink:
                if isinstance(content, bytes):
                    sink.write(content)
                    continue
                schema, batches = content
                with pa.ipc.new_file(sink, schema, options=_COMPRESSED) as writer:
                    for batch in batches:
                        writer.write_batch(batch)

    def bytes(self, place: str) -> bytes:
        return self._objects.get(self._key(place))

    def batches(
        self, place: str, numbers: Sequence[int] | None = None, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Read batches of a file, by number or all; what is not asked for is not read. Columns that are not there are passed over."""
        with self._objects.random_access(self._key(place)) as file:
            reader = pa.ipc.open_file(file)
            if columns is not None:
                names = reader.schema.names
                fields = [names.index(name) for name in columns if name in names]
                reader = pa.ipc.open_file(file, options=pa.ipc.IpcReadOptions(included_fields=fields))
            for number in range(reader.num_record_batches) if numbers is None else numbers:
                yield reader.get_batch(number)

    def table(self, place: str) -> pa.Table:
        with self._objects.random_access(self._key(place)) as file:
            return pa.ipc.open_file(file).read_all()

    def remove_others(self, keep: set[str]) -> None:
        """Remove every folder that is not one of these."""
        for folder in self._objects.folders(f"{self._dataset}/") - keep:
            self._objects.delete_folder(self._key(f"{folder}/"))

    def _key(self, place: str) -> str:
        return f"{self._dataset}/{place}"

    # Views

    def root(self, facts: dict[str, Any]) -> Root:
        place = facts["place"]
        return Root(tuple(facts["lengths"]), facts["size_bytes"], partial(self.batches, place), place).held()

    def layer(self, name: str, parts: Sequence[dict[str, Any]]) -> Layer:
        return Layer(name, [self._part(part) for part in parts])

    def _part(self, facts: dict[str, Any]) -> Part:
        place = facts["place"]
        columns = self.table(place)
        failed = self.table(f"{place}-failed") if facts["has_failed"] else None
        if facts["is_partly"]:
            attempted = np.frombuffer(self.bytes(f"{place}-attempted"), np.int64)
        else:
            attempted = columns[ROW].to_numpy()
            if failed is not None:
                attempted = np.sort(np.concatenate([attempted, failed[ROW].to_numpy()]))
        changes = {name: partial(self.table, f"{place}-changed-{number}") for number, name in enumerate(facts["changed"])}
        return Part(attempted, columns, changes, failed, facts)

    def view(self, unit: Unit) -> View:
        """Give the rows that a unit let through."""
        if unit.root is None:
            return View.whole(Root.of([]))
        rows = np.frombuffer(self.bytes(f"{unit.folder}/{ROOT_ROWS}"), np.int64)
        return View(self.root(unit.root), rows, tuple(self.layer("", parts) for parts in unit.layers))

    def keys(self, unit: Unit, exchange: int, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Give the keys of the rows that a unit let through; `row` is the position among these."""
        return self.keys_of(unit, exchange, np.frombuffer(self.bytes(f"{unit.folder}/{ROOT_ROWS}"), np.int64), columns)

    def keys_of(self, unit: Unit, exchange: int, rows: Rows, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Give the keys of some root rows; `row` is the position among these."""
        table = self.layer("", unit.keys[exchange]).columns
        if columns is not None:
            table = table.select([ROW, *(name for name in columns if name != ROW)])
        table = table.filter(pa.array(np.isin(table[ROW].to_numpy(), rows, assume_unique=True)))
        yield from table.set_column(0, ROW, pa.array(np.searchsorted(rows, table[ROW].to_numpy()), pa.int64())).to_batches()

    # Tables of a version

    def staged_rows(self, unit: Unit) -> Staged:
        return Staged(unit.fragments, unit.size_bytes, partial(self.batches, f"{unit.folder}/rows") if unit.rows else _nothing)

    def staged_dropped(self, unit: Unit, schema: pa.Schema) -> Staged:
        return Staged([], sum(group["size_bytes"] for group in unit.dropped), partial(self._dropped, unit, schema))

    def staged_quarantined(self, unit: Unit) -> Staged:
        return Staged([], 0, lambda: chain.from_iterable(map(self.batches, unit.quarantined)))

    def _dropped(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Give the rows that a unit dropped, as they were then, with why."""
        if not unit.dropped:
            return
        decided = self.table(f"{unit.folder}/dropped")
        roots: dict[str, Root] = {}  # read once for all groups
        for number, group in enumerate(unit.dropped):
            table = decided.filter(pa.array(decided[_GROUP].to_numpy() == number)).combine_chunks()
            layers = tuple(self.layer("", parts) for parts in group["layers"])
            place = group["root"]["place"]
            root = roots[place] = roots.get(place) or self.root(group["root"])
            view = View(root, table[ROW].to_numpy(), layers)
            base = 0
            for rows, batch in view.batches():
                why = [table[column.name].combine_chunks().slice(base, len(rows)) for column in DECISION]
                step = pa.repeat(pa.scalar(group["step"]), len(rows))
                names = [*batch.schema.names, DROP_STEP, *(column.name for column in DECISION)]
                yield conform(pa.RecordBatch.from_arrays([*batch.columns, step, *why], names), schema)
                base += len(rows)


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the first operators made of one shard of an input: the same for every plan that begins with them."""

    root: dict[str, Any] | None  # None where nothing but the version needs it
    counts: list[dict[str, Any]]
    quarantined: list[str]
    notes: list[dict[str, Any]]
    faults: list[dict[str, Any]]

    @property
    def folders(self) -> set[str]:
        places = [*self.quarantined, *([self.root["place"]] if self.root else [])]
        return {place.partition("/")[0] for place in places}


class Writing:
    """The files of one unit as they come together."""

    def __init__(self, files: UnitFiles) -> None:
        self.folder = uuid4().hex
        self._store = files
        self._files: dict[str, Content] = {}
        self._roots: dict[Root, dict[str, Any]] = {}
        self._parts: dict[Part, dict[str, Any]] = {}

    def add(self, name: str, content: Content) -> str:
        """Add a file; gives its place."""
        self._files[name] = content
        return f"{self.folder}/{name}"

    def commit(self) -> None:
        self._store.write(self.folder, self._files)

    def beginning(self, outcome: Outcome, notes: Sequence[Note], *, keeps_root: bool) -> Beginning:
        """Add what became of a shard of an input."""
        quarantined = [self.add("quarantined-0", _quarantine(outcome))] if outcome.quarantined else []
        return Beginning(
            self.root(outcome.view.root) if keeps_root else None,
            [count.as_dict() for count in outcome.counts.values()],
            quarantined,
            [asdict(note) for note in notes[:NOTES_KEPT]],
            _shown(outcome),
        )

    def root(self, root: Root) -> dict[str, Any]:
        """Add a root, unless it is stored already; gives its facts."""
        if root.stored:
            return {"place": root.stored, "lengths": list(root.lengths), "size_bytes": root.size_bytes}
        if root not in self._roots:
            batches = list(root.read(range(len(root.lengths)), None))
            place = self.add(f"root-{len(self._roots)}", (batches[0].schema if batches else pa.schema([]), batches))
            self._roots[root] = {"place": place, "lengths": list(root.lengths), "size_bytes": root.size_bytes}
        return self._roots[root]

    def layer(self, layer: Layer) -> list[dict[str, Any]]:
        """Add a layer, but for parts that are stored already; gives the facts of all its parts."""
        return [part.stored or self._part(part) for part in layer.parts]

    def _part(self, part: Part) -> dict[str, Any]:
        if part not in self._parts:
            name = f"layer-{len(self._parts)}"
            place = self._table(name, part.columns)
            for number, read in enumerate(part.changes.values()):
                self._table(f"{name}-changed-{number}", read())
            if part.failed is not None:
                self._table(f"{name}-failed", part.failed)
            known = part.columns.num_rows + (0 if part.failed is None else part.failed.num_rows)
            is_partly = known != len(part.attempted)  # not every row has keys
            if is_partly:
                self.add(f"{name}-attempted", part.attempted.astype(np.int64).tobytes())
            facts = {"place": place, "changed": list(part.changes), "has_failed": part.failed is not None, "is_partly": is_partly}
            self._parts[part] = facts
        return self._parts[part]

    def _table(self, name: str, table: pa.Table) -> str:
        return self.add(name, (table.schema, table.combine_chunks().to_batches()))

    def dropped(self, groups: Sequence[Dropped]) -> list[dict[str, Any]]:
        """Add which rows were dropped and why; they themselves lie in their roots and layers."""
        if groups:
            self.add("dropped", (_DROPPED, [_dropped_rows(number, group) for number, group in enumerate(groups)]))
        return [
            {
                "step": group.label,
                "size_bytes": group.view.size_bytes,
                "root": self.root(group.view.root),
                "layers": [self.layer(layer) for layer in group.view.layers],
            }
            for group in groups
        ]


def finish(
    tables: Tables,
    writing: Writing,
    plan: Plan,
    segment: Segment,
    key: str,
    lineage: str,
    origin: str,
    shard: int,
    outcome: Outcome,
    beginning: Beginning | None = None,
) -> Unit:
    """Write what came of a unit; `beginning` is that of its shard, in the first segment."""
    view = outcome.view
    root, layers, fragments = None, [], []
    writing.add(ROOT_ROWS, view.rows.astype(np.int64).tobytes())
    if outcome.records is None:  # other segments follow
        root, layers = writing.root(view.root), [writing.layer(layer) for layer in view.layers]
    else:
        writing.add(DIGEST, _in_order(outcome.digests.columns, view.rows))
        if view.size_bytes >= _FRAGMENT_BYTES:
            fragments = tables.stage(f"{plan.recipe.dataset}/rows", plan.schema, outcome.records)
        elif len(view.rows):
            writing.add("rows", (plan.schema, outcome.records))
    keys = [writing.layer(layer) for layer in outcome.keys]
    dropped = writing.dropped(outcome.dropped)
    known = [*view.layers, *outcome.keys, outcome.digests]
    made = {layer.name: writing.layer(layer) for layer in known if layer.name}
    quarantined = [writing.add("quarantined", _quarantine(outcome))] if outcome.quarantined else []
    writing.commit()
    begun = beginning or Beginning(None, [], [], [], [])
    return Unit(
        key=key,
        folder=writing.folder,
        segment=segment.index,
        lineage=lineage,
        root_lineage=outcome.lineage,
        origin=origin,
        shard=shard,
        rows=len(view.rows),
        size_bytes=view.size_bytes,
        counts=begun.counts + [count.as_dict() for count in outcome.counts.values()],
        root=root,
        layers=layers,
        keys=keys,
        dropped=dropped,
        quarantined=begun.quarantined + quarantined,
        made=made,
        fragments=fragments,
        notes=begun.notes,
        faults=(begun.faults + _shown(outcome))[:FAULTS_SHOWN],
    )


def _nothing() -> Iterator[pa.RecordBatch]:
    return iter(())


def _quarantine(outcome: Outcome) -> Content:
    return QUARANTINE, quarantine_batches(outcome.quarantined)


def _shown(outcome: Outcome) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "content"} for row in outcome.quarantined[:FAULTS_SHOWN]]


def _dropped_rows(number: int, group: Dropped) -> pa.RecordBatch:
    rows = group.view.rows
    return pa.RecordBatch.from_arrays(
        [pa.array(rows), pa.array(np.full(len(rows), number)), *group.decisions.columns], schema=_DROPPED
    )


def _in_order(digests: pa.Table, rows: Rows) -> bytes:
    """Give the digests of some rows one after the other."""
    places = np.searchsorted(digests[ROW].to_numpy(), rows)
    return b"".join(digests[DIGEST].take(pa.array(places)).to_pylist())


def grouped(parts: Sequence[Staged]) -> list[list[Staged]]:
    """Cut the parts of a table into groups that are staged together; one that is staged already stands alone."""
    groups: list[list[Staged]] = []
    waiting_bytes = 0
    for part in parts:
        if part.fragments:
            groups.append([part])
        elif not groups or groups[-1][0].fragments or waiting_bytes >= _STAGED_TOGETHER:
            groups.append([part])
            waiting_bytes = part.size_bytes
        else:
            groups[-1].append(part)
            waiting_bytes += part.size_bytes
    return groups


def stage_group(table: tuple[Tables, str, pa.Schema], numbered: tuple[int, Sequence[Staged]]) -> list[str]:
    """Stage a group that is not staged yet; `table` has its name and schema, and the number of the group means nothing here."""
    tables, name, schema = table
    return tables.stage(name, schema, chain.from_iterable(part.read() for part in numbered[1]))


class StagedRows:
    """Random access to the rows of many units, numbered one after the other."""

    def __init__(self, files: UnitFiles, units: Sequence[Unit]) -> None:
        self._files, self._units = files, units
        self._bases = np.concatenate([[0], np.cumsum([unit.rows for unit in units])]).astype(np.int64)

    def take(self, rows: Rows, columns: list[str]) -> pa.Table:
        """Fetch columns of single rows, in the order asked for, in ascending order of rows without a copy; each unit is read once."""
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        units = np.searchsorted(self._bases, ordered, side="right") - 1
        parts: list[pa.Table] = []
        for number in np.unique(units):
            parts.extend(self._take_from(self._units[number], ordered[units == number] - self._bases[number], columns))
        if not parts:
            return pa.table({name: [] for name in columns})
        if np.array_equal(ordered, rows):
            return pa.concat_tables(parts)
        inverse = np.empty(len(rows), np.int64)
        inverse[order] = np.arange(len(rows))
        return pa.concat_tables(parts).take(pa.array(inverse))

    def _take_from(self, unit: Unit, positions: Rows, columns: list[str]) -> Iterator[pa.Table]:
        view = self._files.view(unit)
        wanted = view.rows[positions]
        for rows, batch in view.only(np.unique(wanted)).batches(columns):
            first, end = np.searchsorted(wanted, [rows[0], rows[-1] + 1])
            yield pa.Table.from_batches([batch.select(columns).take(pa.array(np.searchsorted(rows, wanted[first:end])))])
