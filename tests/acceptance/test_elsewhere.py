"""The same recipe gives the same version wherever rows, objects and metadata lie, and wherever the raw files do."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.acceptance.conftest import write_recipe
from tests.conftest import BUCKET
from tests.libraries.datasets.conftest import RECIPE, write_raw

from liangji.engine import shards
from liangji.libraries.datasets import looking
from liangji.libraries.datasets.building import build
from liangji.libraries.datasets.releasing import release, verify
from liangji.stores.objects import Objects
from liangji.stores.workspace import Workspace

INPUTS = ("text/docs_rust_zh_md.tar.zst", "text/dedup_demo_dj.jsonl", "text/encodings_made.tar.zst", "text/warc/whirlwind.warc.gz")
STEPS: list[Any] = [
    "normalize_text",
    {"measure_text": {"words": "script"}},
    {"keep": {"where": "character_count >= 200", "reason": "too_short"}},
    "drop_exact_duplicates",
    {"drop_near_duplicates": {"similarity": 0.7}},
    "mask_personal_information",
]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A PostgreSQL database and a place on S3, both empty."""

    database: str
    objects: str

    @contextmanager
    def open(self, directory: Path) -> Iterator[Workspace]:
        workspace = Workspace.open(directory, self.database, self.objects)
        try:
            yield workspace
        finally:
            workspace.close()


@pytest.fixture
def s3(s3_options: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials in the environment, as a server has them."""
    for name, value in s3_options.items():
        variable = name.upper() if name.startswith("aws_") else f"AWS_{name.upper()}"
        monkeypatch.setenv(variable, value)


@pytest.fixture
def elsewhere(s3: None, postgresql: str) -> Elsewhere:
    name = f"elsewhere_{secrets.token_hex(4)}"
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return Elsewhere(f"{postgresql}&options=-csearch_path%3D{name}", f"s3://{BUCKET}/{name}")


@pytest.fixture
def recipe(tmp_path: Path, shared_data: Path) -> Path:
    (tmp_path / "raw").symlink_to(shared_data)
    return write_recipe(tmp_path, "notes", [{"path": f"raw/{name}"} for name in INPUTS], STEPS)


def test_postgresql_and_s3_give_the_version_of_sqlite_and_a_folder(recipe: Path, tmp_path: Path, elsewhere: Elsewhere) -> None:
    here = Workspace.open(tmp_path / "here")
    version = build(recipe, here).version
    package = release(here, "notes", folder=tmp_path / "package-here")
    with elsewhere.open(tmp_path / "there") as there:
        other = build(recipe, there).version
        assert (other.id, other.rows, other.ledger["dropped"]) == (version.id, version.rows, version.ledger["dropped"])
        assert list(looking.rows(there, "notes")) == list(looking.rows(here, "notes"))
        assert not build(recipe, there).is_new
        released = release(there, "notes", folder=tmp_path / "package-there")
    here.close()
    found = verify(released.folder, released.digest)
    assert (found.problems, found.version_id) == ([], version.id)
    data = "data/train-00000.parquet"
    assert (released.folder / data).read_bytes() == (package.folder / data).read_bytes()
    assert not list((tmp_path / "there").rglob("*.lance"))


def test_raw_files_on_s3_give_the_same_records(recipe: Path, tmp_path: Path, shared_data: Path, elsewhere: Elsewhere) -> None:
    """An origin is the address then, so ids differ; what was read does not."""
    prefix = f"raw-{secrets.token_hex(4)}"
    for name in INPUTS:
        Objects.open(f"s3://{BUCKET}/{prefix}").put(name, shared_data / name)
    address = f"s3://{BUCKET}/{prefix}/"
    here = Workspace.open(tmp_path / "here")
    build(recipe, here)
    with elsewhere.open(tmp_path / "there") as there:
        other = build(write_recipe(tmp_path, "remote", [{"path": address}], STEPS), there)
        assert other.ledger["quarantined"] == 0
        remote = contents(there, "remote", address)
    assert remote == contents(here, "notes", "raw/")
    assert len(remote) > 100
    here.close()


def contents(workspace: Workspace, dataset: str, prefix: str) -> dict[tuple[str, int], tuple[str, int]]:
    """Map origin and number of each record, whatever lies before the origin, to its text and a measured column."""
    rows = looking.rows(workspace, dataset)
    return {(row["origin"].removeprefix(prefix), row["record"]): (row["text"], row["word_count"]) for row in rows}


@pytest.mark.parametrize("units", [1, 8, 16])
def test_a_build_killed_against_postgresql_and_s3_ends_with_the_same_version(
    tmp_path: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch, units: int
) -> None:
    """Killed when so many units are done; nobody knows what it is at by then."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 8 << 10)  # as in `build_telling`
    monkeypatch.setattr(shards, "BATCH_BYTES", 4 << 10)
    write_raw(tmp_path / "raw", range(3), documents=40)
    (tmp_path / "recipe.yaml").write_text(RECIPE, "utf-8")
    undisturbed = build(tmp_path / "recipe.yaml", Workspace.open(tmp_path / "undisturbed"))
    assert undisturbed.units_run > units
    kill_after(units, tmp_path / "recipe.yaml", tmp_path / "killed", elsewhere)
    with elsewhere.open(tmp_path / "killed") as workspace:
        again = build(tmp_path / "recipe.yaml", workspace)
        assert again.version.id == undisturbed.version.id
        assert 0 < again.units_reused < undisturbed.units_run
        assert len(list(looking.rows(workspace, "notes"))) == undisturbed.version.rows
        released = release(workspace, "notes", folder=tmp_path / "package")
    assert verify(released.folder, released.digest).problems == []


def kill_after(units: int, recipe: Path, workspace: Path, place: Elsewhere) -> None:
    command = [
        sys.executable,
        str(Path(__file__).with_name("build_telling.py")),
        str(recipe),
        str(workspace),
        place.database,
        place.objects,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(units)]
    process.kill()
    process.communicate()
    assert told == ["unit\n"] * units
