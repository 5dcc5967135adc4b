"""A build on a cluster ends with the version of a build on one machine, whatever is killed meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.conftest import LARGE, Cluster
from tests.conftest import BUCKET

from liangji.libraries.datasets import building
from liangji.stores.workspace import Workspace

UNTIL_KILLED_SECONDS = 120


@pytest.fixture(scope="session")
def undisturbed(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The build on one machine: version, and numbers of its ledger."""
    from tests.cluster.conftest import RECIPE  # noqa: PLC0415

    recipe = raw.parent / "recipe.yaml"
    recipe.write_text(RECIPE, "utf-8")
    workspace = Workspace.open(tmp_path_factory.mktemp("undisturbed"))
    result = building.build(recipe, workspace)
    workspace.close()
    return {
        "version": result.version.id,
        **{name: result.ledger[name] for name in ("rows_in", "rows_out", "dropped", "quarantined")},
    }


def start(cluster: Cluster, recipe: Path, workspace: Path, *options: str) -> subprocess.Popen[str]:
    program = str(Path(sys.executable).with_name("liangji"))
    command = [program, "build", str(recipe), "--workspace", str(workspace), "--json"]
    command += ["--runner", "ray", "--address", cluster.address, *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=cluster.environment)


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, talk = process.communicate()
    assert process.returncode == 0, talk
    result: dict[str, Any] = json.loads(output)
    return result


def wait_for_units(process: subprocess.Popen[str], workspace: Path, origin: str) -> None:
    """Wait until the first unit of a file is entered."""
    for _ in range(10 * UNTIL_KILLED_SECONDS):
        assert process.poll() is None, "the build was over before it could be disturbed"
        if (workspace / "metadata.sqlite").exists():
            opened = Workspace.open(workspace)
            entered = [result for _, result in opened.metadata.units_of("notes") if result.get("origin", "").endswith(origin)]
            opened.close()
            if entered:
                return
        time.sleep(0.1)
    pytest.fail("no unit was entered")


def test_a_cluster_gives_the_version_of_one_machine(
    cluster: Cluster, recipe: Path, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    result = ended(start(cluster, recipe, tmp_path / "workspace"))
    assert undisturbed.items() <= result.items()
    assert result["units_reused"] == 0
    again = building.build(recipe, Workspace.open(tmp_path / "workspace"))
    assert (again.version.id, again.is_new, again.units_run) == (undisturbed["version"], False, 0)


def test_everything_may_lie_on_an_object_store(cluster: Cluster, recipe: Path, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    result = ended(start(cluster, recipe, tmp_path / "workspace", "--objects", f"s3://{BUCKET}/cluster"))
    assert undisturbed.items() <= result.items()
    assert not list((tmp_path / "workspace" / "scratch" / "units").iterdir())


def test_a_cluster_for_one_build_leaves_nothing_behind(
    cluster: Cluster, recipe: Path, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    own = {name: value for name, value in cluster.environment.items() if not name.startswith("RAY_AUTH")} | {"HOME": str(home)}
    result = ended(start(cluster._replace(address="local", environment=own), recipe, tmp_path / "workspace"))
    assert undisturbed.items() <= result.items()
    assert not (home / ".ray").exists()


def test_a_worker_may_be_killed(cluster: Cluster, recipe: Path, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    process = start(cluster, recipe, tmp_path / "workspace")
    wait_for_units(process, tmp_path / "workspace", LARGE)
    workers = cluster.workers()
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    assert workers
    assert undisturbed.items() <= ended(process).items()


def test_a_killed_build_goes_on_where_it_was(cluster: Cluster, recipe: Path, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    process = start(cluster, recipe, tmp_path / "workspace")
    wait_for_units(process, tmp_path / "workspace", LARGE)
    process.kill()
    process.communicate()
    result = ended(start(cluster, recipe, tmp_path / "workspace"))
    assert undisturbed.items() <= result.items()
    assert result["units_reused"] > 0


def test_a_build_that_is_asked_to_stop_keeps_what_is_done(
    cluster: Cluster, recipe: Path, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    process = start(cluster, recipe, tmp_path / "workspace")
    wait_for_units(process, tmp_path / "workspace", LARGE)
    process.terminate()
    _, talk = process.communicate()
    assert process.returncode == 1
    assert "run the same command again" in talk or "再次运行" in talk
    result = building.build(recipe, Workspace.open(tmp_path / "workspace"))
    assert result.version.id == undisturbed["version"]
    assert result.units_reused > 0
