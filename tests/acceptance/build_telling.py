"""Build in a process of its own, cut into many small units, and tell each that is done, so that it can be killed after any."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from liangji.engine import shards
from liangji.engine.progress import Silent
from liangji.libraries.datasets.building import build
from liangji.stores.workspace import Workspace


class Telling(Silent):
    """Writes a line for each unit that is done."""

    def advance(self, done: int, rows: int, size_bytes: int) -> None:
        if rows:
            os.write(sys.stdout.fileno(), b"unit\n")  # whole, whatever other threads write


if __name__ == "__main__":
    shards.SHARD_BYTES, shards.BATCH_BYTES = 8 << 10, 4 << 10
    recipe, workspace, database, objects = sys.argv[1:]
    print(build(Path(recipe), Workspace.open(Path(workspace), database, objects), progress=Telling()).version.id)
