"""Ray runs what it is given, wherever that is; what goes wrong there is told here as it was raised."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.cluster import operators
from tests.cluster.conftest import Cluster

from liangji.core.errors import ClusterError, InputError, LiangjiError, UsageError
from liangji.engine import ray_runner
from liangji.engine.progress import RunStopped
from liangji.engine.ray_runner import RayRunner
from liangji.engine.runner import LocalRunner, Runner
from liangji.engine.units import UnitFiles
from liangji.engine.work import Job
from liangji.stores.objects import Objects

pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray and Daft, which run in this process here


@pytest.fixture(params=["local", "ray"])
def runner(request: pytest.FixtureRequest) -> Runner:
    if request.param == "local":
        return LocalRunner(2)
    return request.getfixturevalue("ray")  # type: ignore[no-any-return]  # named at run time


def each(
    runner: Runner, work: Callable[[Any, int], int], common: Any, items: range, check: Callable[[], None] = lambda: None
) -> dict[int, int]:
    received: dict[int, int] = {}
    runner.each(work, common, items, received.__setitem__, check)
    return received


def test_every_item_is_worked_on_once(runner: Runner) -> None:
    assert each(runner, operators.double, 10, range(20)) == {number: 20 * number for number in range(20)}
    assert each(runner, operators.double, 10, range(0)) == {}


def test_an_error_of_ours_comes_as_it_was_raised(runner: Runner) -> None:
    with pytest.raises(InputError) as raised:
        each(runner, operators.refuse, None, range(6))
    assert (raised.value.what, raised.value.where, raised.value.mend) == ("three is refused", "here", "leave it out")


def test_any_other_error_comes_as_it_is(runner: Runner) -> None:
    with pytest.raises(ZeroDivisionError, match="by three"):
        each(runner, operators.break_down, None, range(6))


def test_what_a_dead_worker_had_is_done_again(ray: RayRunner, tmp_path: Path) -> None:
    assert each(ray, operators.die_once, tmp_path, range(6)) == {number: number for number in range(6)}
    assert (tmp_path / "3").exists()


def test_work_that_kills_every_worker_is_given_up(ray: RayRunner) -> None:
    with pytest.raises(ClusterError, match="lost 4 times") as raised:
        each(ray, operators.die, None, range(1))
    assert "run the same command again" in raised.value.mend


def test_a_stop_ends_what_runs(ray: RayRunner, tmp_path: Path, cluster: Cluster) -> None:
    def check() -> None:
        if (tmp_path / "0").exists():
            raise RunStopped("stopped")

    with pytest.raises(RunStopped):
        each(ray, operators.wait_for, tmp_path, range(1), check)
    assert each(ray, operators.double, 1, range(4)) == {number: 2 * number for number in range(4)}  # nobody holds the cores


def test_a_slice_of_a_table_travels_without_the_rest() -> None:
    table = pa.table({"row": range(100_000), "text": ["text"] * 100_000})
    packed = ray_runner._packed(table.slice(7, 3))
    assert packed.size < 2000
    assert ray_runner._unpacked(packed).equals(table.slice(7, 3))


def test_a_machine_with_other_packages_is_refused() -> None:
    packages = ray_runner._packages()
    assert packages["liangji"]
    assert "pyarrow" in packages
    ray_runner._check_packages(packages)
    with pytest.raises(ClusterError, match=r"pyarrow .* instead of 1\.0"):
        ray_runner._check_packages(packages | {"pyarrow": "1.0"})


def test_a_machine_that_does_not_see_the_files_is_refused(tmp_path: Path) -> None:
    files = UnitFiles(Objects.open(str(tmp_path)), "notes")
    job = Job(None, None, files, None)  # type: ignore[arg-type]  # only its files are looked at
    with pytest.raises(ClusterError, match="does not see the files"):
        ray_runner._check_place(job)
    files.write(ray_runner._SHARED, {ray_runner._SHARED: b""})
    ray_runner._check_place(job)


def test_signals_stay_with_those_who_had_them(ray: RayRunner) -> None:
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize(
    ("address", "kind", "words"),
    [
        ("127.0.0.1:1", ClusterError, "nobody answers"),
        ("nonsense", UsageError, "no address"),
        ("host:port", UsageError, "no address"),
        ("ray://127.0.0.1:10001", UsageError, "Ray Client"),
    ],
)
def test_an_address_that_cannot_be_joined_is_told(address: str, kind: type[LiangjiError], words: str) -> None:
    with pytest.raises(kind, match=words) as raised:
        ray_runner._check_address(address)
    assert raised.value.mend


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "daft", None)
    with pytest.raises(UsageError) as raised:
        RayRunner.connect("local")
    assert raised.value.mend == 'pip install "liangji[ray]"'
