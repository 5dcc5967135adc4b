"""A build that is killed at any instant and started again ends with the version of an undisturbed one."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

from liangji.libraries.datasets import looking
from liangji.stores.workspace import Workspace

KILLS = 20


def start(recipe: Path, workspace: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(Path(__file__).with_name("build_finely.py")), str(recipe), str(workspace)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


def test_killed_at_random_instants_it_ends_with_the_same_version(recipe: Path, tmp_path: Path) -> None:
    """Slow: each of the 20 kills needs two processes. The instants are spread over the whole build by its measured length."""
    began = time.monotonic()
    undisturbed, _ = start(recipe, tmp_path / "undisturbed").communicate()
    length = time.monotonic() - began
    rng = random.Random(20)
    killed = 0
    for number in range(KILLS):
        workspace = tmp_path / f"killed-{number}"
        process = start(recipe, workspace)
        time.sleep(length * (number + rng.random()) / KILLS)
        killed += process.poll() is None
        process.kill()
        process.communicate()
        again, _ = start(recipe, workspace).communicate()
        assert again == undisturbed
        rows = list(looking.rows(Workspace.open(workspace), "notes"))
        assert len(rows) == looking.show(Workspace.open(workspace), "notes").rows
    assert killed > KILLS // 2
