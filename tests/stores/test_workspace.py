"""The workspace and its lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from liangji.core.errors import StoreError, UsageError
from liangji.stores.workspace import Workspace

HOLDER = """
import sys
from pathlib import Path
from liangji.stores.workspace import Workspace
with Workspace.open(Path(sys.argv[1])).lock(sys.argv[2] or None):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(directory: Path, dataset: str = "") -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a lock."""
    command = [sys.executable, "-c", HOLDER, str(directory), dataset]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    opened = Workspace.open(tmp_path / "工作区 a")
    yield opened
    opened.close()


def test_a_workspace_is_made_where_there_is_none_and_opened_where_there_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for _ in range(2):
        Workspace.open(tmp_path).close()
    assert (tmp_path / "notes.txt").read_text() == "mine"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"notes.txt", "metadata.sqlite", "tables", "objects", "scratch", "locks"}


def test_a_workspace_may_live_on_a_bucket_and_a_database_server(tmp_path: Path, s3_options: dict[str, str], database: str) -> None:
    opened = Workspace.open(tmp_path, database, f"s3://liangji/{tmp_path.name}/{database[:4]}", s3_options)
    schema = pa.schema([("id", pa.string())])
    batch = pa.RecordBatch.from_pydict({"id": ["a"]}, schema=schema)
    opened.tables.commit("a/rows", schema, opened.tables.stage("a/rows", schema, [batch]))
    opened.objects.put("report.html", b"<p>")
    opened.metadata.ensure_dataset("a", "pretraining", "text")
    opened.close()
    again = Workspace.open(tmp_path, database, f"s3://liangji/{tmp_path.name}/{database[:4]}", s3_options)
    assert again.tables.count("a/rows", 1) == 1
    assert again.objects.get("report.html") == b"<p>"
    assert [dataset.name for dataset in again.metadata.datasets()] == ["a"]
    again.close()
    assert not (tmp_path / "tables").exists()


def test_a_place_that_cannot_be_a_workspace_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot make a workspace"):
        Workspace.open(tmp_path / "file")


def test_a_second_builder_is_told_who_builds(workspace: Workspace) -> None:
    with held(workspace.directory, "法规/a") as other:
        with pytest.raises(UsageError, match=f"dataset '法规/a' is in use by process {other.pid}"), workspace.lock("法规/a"):
            pass
        with pytest.raises(UsageError, match=f"the workspace is in use by process {other.pid}"), workspace.lock():
            pass
        with workspace.lock("b"):  # another dataset may be built beside
            pass
    with workspace.lock("法规/a"), workspace.lock("b"):
        pass


def test_the_holder_of_the_workspace_keeps_every_builder_out(workspace: Workspace) -> None:
    with (
        held(workspace.directory) as other,
        pytest.raises(UsageError, match=f"the workspace is in use by process {other.pid}"),
        workspace.lock("a"),
    ):
        pass


def test_a_lock_holds_inside_one_process_too_and_ends_with_an_error(workspace: Workspace) -> None:
    def fail() -> None:
        with workspace.lock("a"):
            raise ZeroDivisionError

    with workspace.lock("a"), pytest.raises(UsageError, match=f"process {os.getpid()}"):
        fail()
    with pytest.raises(ZeroDivisionError):
        fail()
    for name in ("..", "法规/%2F", "长" * 80):
        with workspace.lock(name):
            pass
    with workspace.lock():
        pass


def test_the_lock_of_a_killed_builder_is_free(workspace: Workspace) -> None:
    with held(workspace.directory, "a") as killed:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    with (
        held(workspace.directory, "b") as other,
        pytest.raises(UsageError, match=rf"in use by process {other.pid}\n"),
        workspace.lock(),
    ):
        pass
    with workspace.lock("a"):
        pass
    with workspace.lock():
        pass
