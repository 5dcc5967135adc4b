"""A build that is killed at any instant and started again ends with the version of an undisturbed one."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.libraries.datasets.conftest import write_raw

from liangji.engine import shards
from liangji.libraries.datasets import looking
from liangji.libraries.datasets.building import build
from liangji.stores.workspace import Workspace

KILLS = 20


def start(recipe: Path, workspace: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(Path(__file__).with_name("build_finely.py")), str(recipe), str(workspace)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


def test_killed_at_random_instants_it_ends_with_the_same_version(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow: each of the 20 kills needs a process. The instants are spread over the whole build by its measured length."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 8 << 10)  # as in `build_finely`
    monkeypatch.setattr(shards, "BATCH_BYTES", 4 << 10)
    write_raw(tmp_path / "raw", range(4), documents=20)
    process = start(recipe, tmp_path / "undisturbed")
    began = time.monotonic()
    undisturbed, _ = process.communicate()
    length = time.monotonic() - began
    rng = random.Random(20)
    killed = attempts = 0
    while killed < KILLS:
        attempts += 1
        assert attempts <= 3 * KILLS, "the build is over before it can be killed"
        workspace = tmp_path / f"killed-{attempts}"
        process = start(recipe, workspace)
        time.sleep(length * rng.random())
        killed += process.poll() is None
        process.kill()
        process.communicate()
        again = build(recipe, Workspace.open(workspace))
        assert again.version.id == undisturbed.strip()
        assert len(list(looking.rows(Workspace.open(workspace), "notes"))) == again.version.rows
