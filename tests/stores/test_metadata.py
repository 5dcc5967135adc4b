"""The metadata database, on SQLite and PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from liangji.core.errors import StoreError, UnknownName, UsageError
from liangji.stores.facts import VersionFacts
from liangji.stores.metadata import Entry, Metadata
from liangji.stores.metadata.migrations import NEWEST
from liangji.stores.metadata.migrations.upgrade import configuration
from liangji.stores.metadata.models import Model

NAME = "法规"


@pytest.fixture
def metadata(database: str) -> Iterator[Metadata]:
    opened = Metadata.open(database)
    opened.ensure_dataset(NAME, "pretraining", "text")
    yield opened
    opened.close()


def version(id_: str = "ab" * 32, **others: Any) -> VersionFacts:
    facts = VersionFacts(
        dataset=NAME,
        id=id_,
        author="quality officer",
        message="第一版",
        created_time=datetime(2026, 11, 20, 8, 30, 0, 123456, tzinfo=UTC),
        parents=("cd" * 32,),
        kind="pretraining",
        modality="text",
        recipe="name: 法规\n",
        recipe_hash="ef" * 32,
        operators={"keep": {"version": "1", "package": "liangji"}},
        inputs=[{"origin": "a\udcff.txt", "sha256": "0" * 64, "size_bytes": 2**40}],
        ledger={"rows_in": 3, "dropped": {"too_few_words": 1, "a": 1}, "steps": [{"share": 0.1}]},
        tables={"rows": 3, "dropped": 1},
        rows=2**33,
        signals=["word_count"],
        notes=[{"what": "\0 in a text"}],
        run_id="r",
        seconds=1.25,
        environment={"python": "3.11"},
    )
    return replace(facts, **others)


def test_a_dataset_is_made_once_and_keeps_its_kind(metadata: Metadata) -> None:
    metadata.ensure_dataset(NAME, "pretraining", "text")
    metadata.ensure_dataset("another", "instruction", "text")
    assert [dataset.name for dataset in metadata.datasets()] == ["another", NAME]
    assert metadata.dataset(NAME).kind == "pretraining"
    assert metadata.dataset(NAME).created_time.utcoffset() == timedelta(0)
    with pytest.raises(UsageError, match="holds pretraining records of modality text, not pretraining of audio"):
        metadata.ensure_dataset(NAME, "pretraining", "audio")


def test_an_unknown_dataset_suggests_the_nearest(metadata: Metadata) -> None:
    metadata.ensure_dataset("statutes", "pretraining", "text")
    with pytest.raises(UnknownName) as caught:
        metadata.dataset("statute")
    assert caught.value.mend == "did you mean 'statutes'?"
    for call in (metadata.versions, metadata.version):
        with pytest.raises(UnknownName):
            call("nothing")
    with pytest.raises(UnknownName):
        metadata.start_run("nothing", "", {})
    with pytest.raises(UnknownName):
        metadata.record_units("nothing", [Entry("k", {}, 0, "a", 0)])
    with pytest.raises(UnknownName):
        metadata.add_version(version(dataset="nothing"))


def test_a_version_comes_back_as_it_was_entered(metadata: Metadata) -> None:
    entered = metadata.add_version(version())
    assert entered == replace(version(), number="1.0.0")
    assert metadata.version(NAME) == entered
    assert list(entered.ledger["dropped"]) == ["too_few_words", "a"]  # in the order given
    elsewhere = timezone(timedelta(hours=8))
    later = metadata.add_version(version("11" * 32, created_time=datetime(2026, 11, 20, 18, tzinfo=elsewhere)))
    assert later.created_time == datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert later.created_time.utcoffset() == timedelta(0)


def test_the_same_content_is_one_version(metadata: Metadata) -> None:
    first = metadata.add_version(version())
    assert metadata.add_version(version(message="again", author="someone else")) == first
    assert metadata.versions(NAME) == [first]


@pytest.mark.parametrize("missing", ["author", "message"])
def test_an_unsigned_version_is_refused(metadata: Metadata, missing: str) -> None:
    with pytest.raises(UsageError, match=f"a version without {missing} is refused"):
        metadata.add_version(version(**{missing: " "}))
    assert metadata.versions(NAME) == []


def test_numbers_count_up_and_another_schema_counts_the_major_one(metadata: Metadata) -> None:
    columns = ["id string", "text large_string"]
    steps: list[tuple[dict[str, Any], str]] = [
        ({}, "1.0.0"),
        ({}, "1.1.0"),
        ({"signals": ["word_count", "line_count"]}, "2.0.0"),
        ({"signals": ["word_count", "line_count"], "columns": columns}, "2.1.0"),
        ({"signals": [], "columns": columns}, "2.2.0"),
        ({"columns": ["id string"]}, "3.0.0"),
        ({"columns": ["id string"], "number": "2.10.3"}, "2.10.3"),
        ({"columns": ["id string"]}, "3.1.0"),
    ]
    for position, (others, number) in enumerate(steps):
        assert metadata.add_version(version(f"{position:064x}", **others)).number == number
    assert [facts.number for facts in metadata.versions(NAME)] == [number for _, number in steps]
    for wrong, why in {"3.1.0": "exists already", "v4": "no version number", "1.02.0": "no version number"}.items():
        with pytest.raises(UsageError, match=why):
            metadata.add_version(version("ff" * 32, number=wrong))


def test_numbers_are_given_once_when_many_enter_versions_at_once(metadata: Metadata) -> None:
    with ThreadPoolExecutor(8) as threads:
        numbers = list(threads.map(lambda n: metadata.add_version(version(f"{n:064x}")).number, range(24)))
    assert sorted(numbers, key=lambda number: int(str(number).split(".")[1])) == [f"1.{minor}.0" for minor in range(24)]


def test_a_version_is_found_by_id_prefix_number_and_latest(metadata: Metadata) -> None:
    ids = ["abcd1" + "0" * 59, "abcd2" + "0" * 59, "beef" + "0" * 60]
    with pytest.raises(UnknownName, match="has no version"):
        metadata.version(NAME)
    for id_ in ids:
        metadata.add_version(version(id_))
    found = {reference: metadata.version(NAME, reference).id for reference in (ids[0], "abcd2", "beef", "1.1.0", "latest", None)}
    assert found == {ids[0]: ids[0], "abcd2": ids[1], "beef": ids[2], "1.1.0": ids[1], "latest": ids[2], None: ids[2]}
    with pytest.raises(UsageError, match="'abcd' fits 2 versions"):
        metadata.version(NAME, "abcd")
    for unknown in ("bee", "1.9.0", ""):
        with pytest.raises(UnknownName, match=f"no version '{unknown}'"):
            metadata.version(NAME, unknown)


def test_a_run_is_entered_and_finished(metadata: Metadata) -> None:
    first = metadata.start_run(NAME, "hash", {"segments": 2})
    second = metadata.start_run(NAME, "hash", {})
    metadata.finish_run(first, "finished", {"rows": 3})
    finished, running = metadata.runs(NAME)
    assert (finished.id, finished.state, finished.plan, finished.facts) == (first, "finished", {"segments": 2}, {"rows": 3})
    assert finished.finished_time is not None
    assert finished.finished_time >= finished.started_time
    assert (running.id, running.state, running.finished_time) == (second, "running", None)
    with pytest.raises(UnknownName):
        metadata.finish_run("nothing", "finished", {})


def test_finished_units_are_found_in_any_number_and_forgotten(metadata: Metadata) -> None:
    for number in range(30):
        metadata.record_units(NAME, [Entry(f"key {number}", {"fragments": [f"{number}"]}, number % 2, "a\udcff\0", 30 - number)])
    metadata.record_units(NAME, [Entry("key 7", {"fragments": ["newer"]}, 1, "a", 0)])
    keys = [f"key {number}" for number in range(20, 3000)] + ["key 7"]
    found = metadata.units(keys)
    assert len(found) == 11
    assert found["key 7"] == {"fragments": ["newer"]}
    assert metadata.units([]) == {}
    assert [key for key, _ in metadata.units_of(NAME)][:3] == ["key 28", "key 26", "key 24"]  # by segment, origin, shard
    metadata.forget_units(keys)
    assert len(metadata.units_of(NAME)) == 19
    assert metadata.units_of("nothing") == []


def test_many_threads_record_units(metadata: Metadata) -> None:
    def record(thread: int) -> None:
        for number in range(15):
            metadata.record_units(NAME, [Entry(f"{thread}/{number}", {"n": number}, 0, "a", number)])
            assert metadata.units([f"{thread}/{number}"])

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(record, range(6)))
    assert len(metadata.units_of(NAME)) == 90


def test_a_file_hash_is_good_while_size_and_time_are_the_same(metadata: Metadata) -> None:
    place = "/data/文件 \udcff\0"
    assert metadata.file_hash(place, 1, 2) is None
    metadata.remember_file_hash(place, 2**40, 1_800_000_000_000_000_001, "aa")
    assert metadata.file_hash(place, 2**40, 1_800_000_000_000_000_001) == "aa"
    assert metadata.file_hash(place, 2**40, 1_800_000_000_000_000_002) is None
    metadata.remember_file_hash(place, 5, 6, "bb")
    assert metadata.file_hash(place, 2**40, 1_800_000_000_000_000_001) is None
    assert metadata.file_hash(place, 5, 6) == "bb"


def test_what_is_no_json_is_refused_and_leaves_nothing(metadata: Metadata) -> None:
    for value in (float("nan"), {1, 2}, object()):
        with pytest.raises(StoreError, match="a value cannot be stored"):
            metadata.record_units(NAME, [Entry("k", {"value": value}, 0, "a", 0)])
    with pytest.raises(StoreError, match="a value cannot be stored"):
        metadata.add_version(version(created_time=datetime(2026, 1, 1)))  # noqa: DTZ001 the fault under test
    assert metadata.units_of(NAME) == []


OPENER = """
import sys
from liangji.stores.metadata import Entry, Metadata
sys.stdin.read(1)
metadata = Metadata.open(sys.argv[1])
metadata.ensure_dataset("a", "pretraining", "text")
metadata.record_units("a", [Entry(sys.argv[2], {}, 0, "o", 0)])
"""


def test_two_processes_may_make_a_database_at_once(database: str) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", OPENER, database, str(n)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for n in range(2)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("g")
        process.stdin.flush()
    assert [process.communicate()[1] for process in processes] == [""] * 2
    assert [process.returncode for process in processes] == [0] * 2
    metadata = Metadata.open(database)
    assert len(metadata.units_of("a")) == 2
    metadata.close()


def test_the_migrations_give_the_tables_of_the_models(metadata: Metadata) -> None:
    with metadata._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Model.metadata) == []
        assert ScriptDirectory.from_config(configuration(connection)).get_current_head() == NEWEST


def test_a_database_of_a_newer_release_is_refused_and_left_alone(metadata: Metadata, database: str) -> None:
    with metadata._engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="not of this release"):
        Metadata.open(database)
    assert metadata.dataset(NAME).name == NAME


def test_rows_cannot_lose_what_they_belong_to(metadata: Metadata) -> None:
    metadata.add_version(version())
    with pytest.raises(StoreError, match="refused"):
        metadata._change(lambda session: session.execute(text("DELETE FROM dataset")))
    assert metadata.versions(NAME)


def test_addresses_are_understood_or_refused(tmp_path: Path) -> None:
    for wrong in ("nonsense", "mysql://host/db", "mongodb://host/db"):
        with pytest.raises(UsageError):
            Metadata.open(wrong)
    with pytest.raises(StoreError) as caught:
        Metadata.open("postgresql://person:secret@127.0.0.1:1/x")
    assert "secret" not in str(caught.value)
    with pytest.raises(StoreError):
        Metadata.open(f"sqlite:///{tmp_path}/missing/metadata.sqlite")
    (tmp_path / "text").write_text("no database, though long enough to be looked at as one" * 20)
    with pytest.raises(StoreError, match="not a database"):
        Metadata.open(f"sqlite:///{tmp_path}/text")
