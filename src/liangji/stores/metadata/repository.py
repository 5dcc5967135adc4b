"""What the layers above ask of the metadata database, and change in it.

Each change is one short transaction, tried again where the database was busy. One `Metadata` may be used by all threads of a
process; another process opens its own.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

from sqlalchemy import Connection, Engine, Select, create_engine, delete, event, inspect, make_url, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError, StatementError
from sqlalchemy.orm import Session

from liangji.core.errors import StoreError, TransientError, UnknownName, UsageError
from liangji.core.registry import suggestion
from liangji.stores.facts import DatasetFacts, RunFacts, VersionFacts
from liangji.stores.metadata.migrations import NEWEST
from liangji.stores.metadata.models import Dataset, FileHash, Model, Run, Unit, Version

_BUSY_TIMEOUT_MILLISECONDS = 60_000
_ATTEMPTS = 5
_KEYS_A_QUERY = 500  # SQLite takes 32 766 variables, older ones 999
_MIGRATION_LOCK = 0x6C69616E676A69  # 'liangji': any number will do that nobody else in the database uses
_PASSING = re.compile(
    r"database is (locked|busy)|could not serialize|deadlock detected|connection.*(closed|lost|refused|reset)", re.IGNORECASE
)
_NUMBER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_SHORTEST_PREFIX = 4

T = TypeVar("T")
F = TypeVar("F", DatasetFacts, RunFacts, VersionFacts)


class Entry(NamedTuple):
    """Something that a build has done, and need not do again."""

    key: str
    result: dict[str, Any]
    segment: int = -1
    origin: str = ""
    shard: int = -1


class Metadata:
    """Datasets, versions, runs, units and hashes of input files, in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = engine.execution_options(writes=True)

    @classmethod
    def open(cls, url: str) -> Metadata:
        """Open a database and bring its tables up to date; two processes may do so at once.

        `url`: 'sqlite:////path/metadata.sqlite' or 'postgresql://user@host/database'.
        """
        _migrate(url)
        return cls(_engine(url))

    def close(self) -> None:
        self._engine.dispose()

    # Datasets and versions

    def ensure_dataset(self, name: str, kind: str, modality: str) -> None:
        """Make a dataset where there is none of that name.

        Raises: UsageError where it exists with another kind or modality.
        """

        def work(session: Session) -> None:
            existing = session.get(Dataset, name)
            if existing is None:
                values = {"name": name, "kind": kind, "modality": modality, "created_time": _now()}
                session.execute(self._insert(Dataset).values(values).on_conflict_do_nothing())
                existing = session.get_one(Dataset, name)
            if (existing.kind, existing.modality) != (kind, modality):
                raise UsageError(
                    f"dataset '{name}' holds {existing.kind} records of modality {existing.modality}, not {kind} of {modality}",
                    "",
                    "give the new dataset another name",
                )

        self._change(work)

    def datasets(self) -> list[DatasetFacts]:
        """List the datasets by name."""
        return self._ask(
            lambda session: [_facts(DatasetFacts, row) for row in session.scalars(select(Dataset).order_by(Dataset.name))]
        )

    def dataset(self, name: str) -> DatasetFacts:
        """Look up a dataset. Raises: UnknownName, with the nearest known name."""
        return self._ask(lambda session: _facts(DatasetFacts, _dataset(session, name)))

    def add_version(self, facts: VersionFacts) -> VersionFacts:
        """Enter a version, give it the next number where it has none, and return it as it stands.

        The first is 1.0.0; then the minor number counts up, or the major one where the columns have changed. Where the
        dataset has a version of that id already, that one is returned and nothing changes.

        Raises: UsageError without author or message, or with a number that is taken or is none; UnknownName.
        """
        if not facts.author.strip() or not facts.message.strip():
            missing = "author" if not facts.author.strip() else "message"
            raise UsageError(f"a version without {missing} is refused", f"dataset '{facts.dataset}'", f"give the {missing}")

        def work(session: Session) -> VersionFacts:
            session.execute(select(Dataset.name).where(Dataset.name == facts.dataset).with_for_update())  # one at a time
            _dataset(session, facts.dataset)
            earlier = list(session.scalars(_versions_of(facts.dataset)))
            same = next((version for version in earlier if version.id == facts.id), None)
            if same is not None:
                return _version_facts(same)
            numbered = replace(facts, number=_number(facts, earlier))
            values = {field.name: getattr(numbered, field.name) for field in fields(VersionFacts)}
            version = Version(**values | {"parents": list(facts.parents), "ordinal": earlier[-1].ordinal + 1 if earlier else 0})
            session.add(version)
            session.flush()
            session.refresh(version)
            return _version_facts(version)

        return self._change(work)

    def make_newest(self, name: str, id_: str) -> VersionFacts:
        """Put a version after all others, as when a dataset was built again with the content of an earlier time.

        Raises: UnknownName.
        """

        def work(session: Session) -> VersionFacts:
            _dataset(session, name)
            versions = list(session.scalars(_versions_of(name)))
            version = next((version for version in versions if version.id == id_), None)
            if version is None:
                raise UnknownName(f"no version '{id_}'", f"dataset '{name}'")
            if version is not versions[-1]:
                version.ordinal = versions[-1].ordinal + 1
            return _version_facts(version)

        return self._change(work)

    def attach_table(self, name: str, id_: str, table: str, version: int) -> None:
        """Enter a further table of a version: something that was computed from its rows. Raises: UnknownName."""

        def work(session: Session) -> None:
            found = session.get(Version, (name, id_), with_for_update=True)
            if found is None:
                raise UnknownName(f"no version '{id_}'", f"dataset '{name}'")
            found.tables = {**found.tables, table: version}

        self._change(work)

    def versions(self, name: str) -> list[VersionFacts]:
        """List the versions of a dataset, newest last. Raises: UnknownName."""

        def work(session: Session) -> list[VersionFacts]:
            _dataset(session, name)
            return [_version_facts(version) for version in session.scalars(_versions_of(name))]

        return self._ask(work)

    def version(self, name: str, reference: str | None = None) -> VersionFacts:
        """Look up a version by id, by an unambiguous beginning of it (4 digits or more), by number ('1.2.0'), or 'latest'.

        Raises: UnknownName; UsageError where the beginning of an id fits several.
        """

        def work(session: Session) -> VersionFacts:
            _dataset(session, name)
            rows = session.execute(select(Version.id, Version.number).where(Version.dataset == name).order_by(Version.ordinal))
            id_ = _resolve(name, [(row.id, row.number) for row in rows], reference)
            return _version_facts(session.get_one(Version, (name, id_)))

        return self._ask(work)

    # Runs

    def start_run(self, dataset: str, recipe_hash: str, plan: dict[str, Any]) -> str:
        """Enter a run in state 'running'. Output: its id. Raises: UnknownName."""
        id_ = uuid4().hex

        def work(session: Session) -> None:
            _dataset(session, dataset)
            run = Run(id=id_, dataset=dataset, recipe_hash=recipe_hash, state="running", plan=plan, facts={}, started_time=_now())
            session.add(run)

        self._change(work)
        return id_

    def finish_run(self, run_id: str, state: str, facts: dict[str, Any]) -> None:
        """Tell how a run ended. Raises: UnknownName."""

        def work(session: Session) -> None:
            run = session.get(Run, run_id)
            if run is None:
                raise UnknownName(f"no run '{run_id}'", "", "list the runs of the dataset")
            run.state, run.facts, run.finished_time = state, facts, _now()

        self._change(work)

    def runs(self, dataset: str) -> list[RunFacts]:
        """List the runs of a dataset, newest last."""
        query = select(Run).where(Run.dataset == dataset).order_by(Run.started_time, Run.id)
        return self._ask(lambda session: [_facts(RunFacts, run) for run in session.scalars(query)])

    # Units

    def units(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Give the results of those units that are done."""

        def work(session: Session) -> dict[str, dict[str, Any]]:
            found: dict[str, dict[str, Any]] = {}
            for some in _chunks(keys):
                found.update((unit.key, unit.result) for unit in session.scalars(select(Unit).where(Unit.key.in_(some))))
            return found

        return self._ask(work)

    def record_units(self, dataset: str, entries: Sequence[Entry]) -> None:
        """Enter units as done, all or none; done again, the newer result stands. Raises: UnknownName where there is no such dataset."""

        def work(session: Session) -> None:
            _dataset(session, dataset)
            for entry in entries:
                values = {**entry._asdict(), "dataset": dataset, "done_time": _now()}
                del values["key"]
                insert = self._insert(Unit).values(key=entry.key, **values)
                session.execute(insert.on_conflict_do_update(index_elements=["key"], set_=values))

        self._change(work)

    def units_of(self, dataset: str) -> list[tuple[str, dict[str, Any]]]:
        """List key and result of the finished units of a dataset, by segment, origin and shard."""
        query = select(Unit).where(Unit.dataset == dataset).order_by(Unit.segment, Unit.origin, Unit.shard, Unit.key)
        return self._ask(lambda session: [(unit.key, unit.result) for unit in session.scalars(query)])

    def forget_units(self, keys: Sequence[str]) -> None:
        def work(session: Session) -> None:
            for some in _chunks(keys):
                session.execute(delete(Unit).where(Unit.key.in_(some)))

        self._change(work)

    # Hashes of input files

    def file_hash(self, location: str, size_bytes: int, modified_ns: int) -> str | None:
        """Give the SHA-256 remembered of a file, if size and time of change are still the same."""
        query = select(FileHash.sha256).where(
            FileHash.location == location, FileHash.size_bytes == size_bytes, FileHash.modified_ns == modified_ns
        )
        return self._ask(lambda session: session.scalar(query))

    def remember_file_hash(self, location: str, size_bytes: int, modified_ns: int, sha256: str) -> None:
        values = {"size_bytes": size_bytes, "modified_ns": modified_ns, "sha256": sha256}
        insert = self._insert(FileHash).values(location=location, **values)
        self._change(lambda session: session.execute(insert.on_conflict_do_update(index_elements=["location"], set_=values)))

    # Transactions

    def _insert(self, model: type[Model]) -> Any:
        """Begin an insert that can say what to do on conflict, which each dialect spells for itself."""
        return (postgresql if self._engine.dialect.name == "postgresql" else sqlite).insert(model)

    def _ask(self, work: Callable[[Session], T]) -> T:
        return self._transact(self._engine, work)

    def _change(self, work: Callable[[Session], T]) -> T:
        return self._transact(self._writer, work)

    def _transact(self, engine: Engine, work: Callable[[Session], T]) -> T:
        for attempt in range(_ATTEMPTS):
            with _told(engine.url):
                try:
                    with Session(engine) as session, session.begin():
                        return work(session)
                except DBAPIError as error:
                    if not _is_passing(error) or attempt == _ATTEMPTS - 1:
                        raise
            time.sleep(0.05 * 2**attempt)
        raise AssertionError("the last attempt returns or raises")


def _dataset(session: Session, name: str) -> Dataset:
    found = session.get(Dataset, name)
    if found is None:
        known = list(session.scalars(select(Dataset.name).order_by(Dataset.name)))
        raise UnknownName(f"no dataset '{name}'", "", suggestion(name, known) if known else "build one first")
    return found


def _facts(kind: type[F], row: Model) -> F:
    """Copy the columns of a row that are fields of the facts."""
    return kind(**{field.name: getattr(row, field.name) for field in fields(kind)})


def _version_facts(row: Version) -> VersionFacts:
    facts = _facts(VersionFacts, row)
    return replace(facts, parents=tuple(facts.parents))


def _versions_of(dataset: str) -> Select[Version]:
    return select(Version).where(Version.dataset == dataset).order_by(Version.ordinal)


def _number(facts: VersionFacts, earlier: Sequence[Version]) -> str:
    """Give the semantic number of a version that follows others."""
    if facts.number is not None:
        if not _NUMBER.fullmatch(facts.number):
            raise UsageError(f"'{facts.number}' is no version number", f"dataset '{facts.dataset}'", "write it like 1.2.0")
        if any(version.number == facts.number for version in earlier):
            raise UsageError(f"version {facts.number} exists already", f"dataset '{facts.dataset}'", "leave the number out")
        return facts.number
    if not earlier:
        return "1.0.0"
    major, minor, _ = max(tuple(map(int, version.number.split("."))) for version in earlier)
    newest = earlier[-1]
    is_told = newest.columns and facts.columns
    is_same = newest.columns == facts.columns if is_told else newest.signals == facts.signals
    return f"{major}.{minor + 1}.0" if is_same else f"{major + 1}.0.0"


def _resolve(dataset: str, versions: Sequence[tuple[str, str]], reference: str | None) -> str:
    """Find the id that a reference means among (id, number), oldest first."""
    if not versions:
        raise UnknownName(f"dataset '{dataset}' has no version", "", "build one first")
    if reference is None or reference == "latest":
        return versions[-1][0]
    exact = [id_ for id_, number in versions if reference in {id_, number}]
    begins = [id_ for id_, _ in versions if id_.startswith(reference)] if len(reference) >= _SHORTEST_PREFIX else []
    if not exact and len(begins) > 1:
        raise UsageError(
            f"'{reference}' fits {len(begins)} versions", f"dataset '{dataset}'", f"write more digits: {', '.join(begins[:5])}"
        )
    found = exact or begins
    if not found:
        known = [name for id_, number in versions for name in (number, id_)]
        mend = suggestion(reference, known) if len(known) <= 20 else f"the newest is {versions[-1][1]}"
        raise UnknownName(f"no version '{reference}'", f"dataset '{dataset}'", mend)
    return found[0]


def _chunks(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), _KEYS_A_QUERY):
        yield keys[start : start + _KEYS_A_QUERY]


def _now() -> datetime:
    return datetime.now(UTC)


def _json(value: Any) -> str:
    """Write JSON that people can read; a string that is no Unicode (the name of some file) is escaped."""
    try:
        written = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StoreError(f"a value cannot be stored: {error}", "metadata database", "give plain JSON values; no NaN") from error
    return written if _is_unicode(written) else json.dumps(value)


def _is_unicode(words: str) -> bool:
    try:
        words.encode()
    except UnicodeEncodeError:
        return False
    return True


# Opening


def _engine(url: str, *, keeps_references: bool = True) -> Engine:
    """Make an engine for one of the two dialects; `keeps_references` off lets a migration copy a table on SQLite."""
    try:
        address = make_url(url)
        if address.get_backend_name() == "postgresql":
            address = address.set(drivername="postgresql+psycopg")
        engine = create_engine(address, json_serializer=_json, pool_pre_ping=address.get_backend_name() == "postgresql")
    except ModuleNotFoundError as missing:
        raise UsageError(f"PostgreSQL needs the package '{missing.name}'", "", "pip install 'liangji[postgresql]'") from missing
    except (ArgumentError, NoSuchModuleError) as error:
        raise UsageError(
            "the address of the database is not understood", "", "write sqlite:////path/metadata.sqlite or postgresql://host/name"
        ) from error
    if engine.dialect.name == "sqlite":
        _use_sqlite_well(engine, keeps_references=keeps_references)
    elif engine.dialect.name != "postgresql":
        raise UsageError(f"no support for {engine.dialect.name}", "", "use sqlite or postgresql")
    return engine


def _use_sqlite_well(engine: Engine, *, keeps_references: bool) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, and not behind our back
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MILLISECONDS}")
        connection.execute(f"PRAGMA foreign_keys = {'ON' if keeps_references else 'OFF'}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer takes the lock at once: a reader that turns writer half-way is refused without waiting.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(url: str) -> None:
    """Bring the tables up to date; whoever comes second waits, and finds it done."""
    engine = _engine(url, keeps_references=False)
    try:
        with _told(engine.url):
            if engine.dialect.name == "sqlite":
                _write_ahead(engine)
            with engine.connect() as connection:
                if _revision(connection) == NEWEST:
                    return
            from liangji.stores.metadata.migrations.upgrade import bring_up_to_date  # noqa: PLC0415 Alembic is slow to import

            with engine.execution_options(writes=True).begin() as connection:
                if engine.dialect.name == "postgresql":
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
                bring_up_to_date(connection)
    finally:
        engine.dispose()


def _write_ahead(engine: Engine) -> None:
    """Switch SQLite to its write-ahead log, which lets readers read beside a writer. The file remembers it."""
    for _ in range(100):
        try:
            with closing(engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:  # SQLite does not wait for this lock by itself
            if "locked" not in str(error):
                raise
            time.sleep(0.05)
        else:
            return


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


# Errors


def _is_passing(error: DBAPIError) -> bool:
    return error.connection_invalidated or bool(_PASSING.search(str(error.orig)))


@contextmanager
def _told(url: URL) -> Iterator[None]:
    """Tell errors of SQLAlchemy and the drivers as ours."""
    where = url.render_as_string(hide_password=True)
    try:
        yield
    except DBAPIError as error:
        words = str(error.orig).strip().partition("\n")[0]
        if _is_passing(error):
            raise TransientError(f"the metadata database is busy or away: {words}", where, "try again") from error
        raise StoreError(f"the metadata database refused: {words}", where, "check that it is reachable and writable") from error
    except sqlite3.Error as error:
        raise StoreError(
            f"the metadata database refused: {error}", where, "check that it is writable, and an SQLite file"
        ) from error
    except StatementError as error:
        if isinstance(error.orig, StoreError):
            raise error.orig from None
        raise StoreError(f"a value cannot be stored: {error.orig}", where, "give times with their zone") from error
    except SQLAlchemyError as error:
        raise StoreError(str(error), where) from error
