"""Rows that share keys are the same, found on a cluster or on one machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from liangji.core.errors import ClusterError, SchemaError
from liangji.engine.gathered import GatheredKeys
from liangji.engine.progress import RunStopped, check_stop
from liangji.engine.ray_runner import RayRunner

pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray and Daft, which run in this process here


@dataclass(frozen=True)
class Given:
    """A source of keys that can be sent to a worker."""

    batch: pa.RecordBatch

    def __call__(self, names: Sequence[str] | None) -> Iterable[pa.RecordBatch]:
        yield self.batch if names is None else self.batch.select(names)


@dataclass(frozen=True)
class Broken(Given):
    """One that only this process can read."""

    process: int = field(default_factory=os.getpid)

    def __call__(self, names: Sequence[str] | None) -> Iterable[pa.RecordBatch]:
        if os.getpid() != self.process:
            raise OSError("the disk is gone")
        return Given.__call__(self, names)


def narrow(rng: np.random.Generator, rows: int) -> pa.Array:
    return pa.array(rng.integers(0, 2**64, 40, np.uint64)[rng.integers(0, 40, rows)], mask=rng.random(rows) < 0.1)


def wide(rng: np.random.Generator, rows: int) -> pa.Array:
    keys = [bytes(rng.integers(0, 2, 16, np.uint8)) if rng.random() < 0.9 else b"\xff" * 16 for _ in range(rows)]
    return pa.array([None if rng.random() < 0.1 else key[:15] + bytes([key[15] % 2]) for key in keys], pa.binary(16))


def lists(rng: np.random.Generator, rows: int) -> pa.Array:
    """Lists of keys, some empty, null, or with a key twice."""
    counts = rng.integers(0, 4, rows)
    return pa.array(
        [None if rng.random() < 0.1 else rng.integers(2**63, 2**63 + 60, count, np.uint64).tolist() for count in counts],
        pa.list_(pa.uint64()),
    )


def gathered(kind: Any, folder: Path, make: Any, sources: Any = Given, check: Callable[[], None] = lambda: None) -> GatheredKeys:
    """Three shards after two of an earlier version, with rows left out at the ends and in between."""
    rng = np.random.default_rng(7)
    sizes = [30, 20, 50, 0, 70]
    bases = (np.cumsum([0, *sizes[:-1]]) - 50).tolist()
    batches = [
        pa.RecordBatch.from_pydict({"row": pa.array(range(rows), pa.int64()), "other": range(rows), "key": make(rng, rows)})
        for rows in sizes
    ]
    keys: GatheredKeys = kind(
        [(sources(batch), base) for batch, base in zip(batches, bases, strict=True)],
        rows=120,
        reference_rows=50,
        take=None,
        memory_bytes=100 << 20,
        threads=1,
        scratch=folder,
        check=check,
        excluded=pa.table({"row": pa.array([0, 49, 50, 51, 80, 119], pa.int64())}),
    )
    return keys


def records(tables: Iterator[pa.Table]) -> list[tuple[Any, int]]:
    """Check what each table promises, and give the records of all in order of keys."""
    found: list[tuple[Any, int]] = []
    for table in tables:
        pairs = list(zip(table["key"].to_pylist(), table["row"].to_pylist(), strict=True))
        assert pairs == sorted(set(pairs))
        assert not {key for key, _ in pairs} & {key for key, _ in found}
        found += pairs
    return sorted(found)


@pytest.mark.parametrize("make", [narrow, wide, lists])
@pytest.mark.parametrize("minimum", [1, 2, 5])
@pytest.mark.parametrize("rows_a_task", [1, 60, 1 << 20])
def test_the_same_rows_share_keys_on_a_cluster(
    ray: RayRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, minimum: int, rows_a_task: int
) -> None:
    from liangji.engine import ray_shuffle  # noqa: PLC0415 - an extra

    monkeypatch.setattr(ray_shuffle, "_ROWS_A_TASK", rows_a_task)
    more = pa.RecordBatch.from_pydict({"row": pa.array(range(120, 140), pa.int64()), "key": make(np.random.default_rng(7), 20)})
    for added in (None, more):
        wanted = records(gathered(GatheredKeys, tmp_path / "local", make).shared("key", minimum, added))
        assert wanted
        assert records(gathered(ray.gather, tmp_path / "cluster", make).shared("key", minimum, added)) == wanted


def test_keys_are_streamed_in_the_same_order(ray: RayRunner, tmp_path: Path) -> None:
    found, wanted = (
        pa.Table.from_batches(gathered(kind, tmp_path / "x", narrow).scan(["key"])) for kind in (ray.gather, GatheredKeys)
    )
    assert found.equals(wanted)


def test_nothing_shares_a_key_where_there_is_nothing(ray: RayRunner, tmp_path: Path) -> None:
    options: dict[str, Any] = {"rows": 0, "take": None, "memory_bytes": 1 << 26, "threads": 1, "scratch": tmp_path}
    assert list(ray.gather([], **options).shared("key")) == []


def test_keys_of_another_type_are_refused(ray: RayRunner, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="keys 'key' are double"):
        list(gathered(ray.gather, tmp_path, lambda _, rows: pa.array([0.5] * rows)).shared("key"))


def test_a_shuffle_that_fails_says_why(ray: RayRunner, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="the disk is gone"):
        list(gathered(ray.gather, tmp_path, narrow, Broken).shared("key"))


def test_a_stop_is_heard_while_the_cluster_works(ray: RayRunner, tmp_path: Path) -> None:
    stop = threading.Event()
    tables = gathered(ray.gather, tmp_path, narrow, check=partial(check_stop, stop)).shared("key")
    next(tables)
    stop.set()
    with pytest.raises(RunStopped):
        list(tables)
