"""Build in a process of its own, cut into many small units, so that it can be killed between any two of them."""

from __future__ import annotations

import sys
from pathlib import Path

from liangji.engine import shards
from liangji.libraries.datasets.building import build
from liangji.stores.workspace import Workspace

if __name__ == "__main__":
    shards.SHARD_BYTES, shards.BATCH_BYTES = 8 << 10, 4 << 10
    recipe, workspace = map(Path, sys.argv[1:])
    print("started", flush=True)
    print(build(recipe, Workspace.open(workspace)).version.id)
