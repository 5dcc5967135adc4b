"""A real Ray cluster of one machine with two cores, and data that is worth sending to it."""

from __future__ import annotations

import json
import os
import random
import secrets
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from liangji.engine.ray_runner import RayRunner

RECIPE = """\
dataset: notes
kind: pretraining
inputs:
  - {path: raw, source: 自采, license: CC0-1.0}
steps:
  - normalize_text
  - measure_text: {words: script}
  - keep: {where: "character_count >= 20", reason: too_short}
  - drop_exact_duplicates
  - drop_near_duplicates: {similarity: 0.8}
output: {message: first build, author: tester}
"""

LARGE = "large.jsonl"


class Cluster(NamedTuple):
    address: str
    process: int  # `ray start`: all others descend from it
    environment: dict[str, str]  # of its workers, and of who uses its storage

    def workers(self) -> list[int]:
        """Find the processes that work on tasks at the moment."""
        children: dict[int, list[tuple[int, str]]] = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                try:
                    parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                    command = (folder / "cmdline").read_text()
                except (FileNotFoundError, ProcessLookupError):
                    continue
                children.setdefault(parent, []).append((int(folder.name), command))
        below, found = [self.process], []
        while below:
            for process, command in children.get(below.pop(), []):
                below.append(process)
                if command.startswith("ray::_run"):
                    found.append(process)
        return found


@pytest.fixture(scope="session")
def cluster(s3_options: dict[str, str]) -> Iterator[Cluster]:
    if find_spec("ray") is None or find_spec("daft") is None:
        pytest.skip("the runner for clusters is an extra: pip install 'liangji[ray]'")
    environment = (
        os.environ
        | {name.upper(): value for name, value in s3_options.items()}
        | {
            "AWS_ALLOW_HTTP": "true",
            "DO_NOT_TRACK": "true",
            "RAY_AUTH_MODE": "token",  # nobody else may use it, and a token in somebody's home directory means nothing
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
    )
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:  # short: a socket's path has at most 107 bytes
        command = [
            *(str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus=2", "--port=0"),
            *(f"--temp-dir={folder}", f"--ray-client-server-port={_free_port()}", "--object-store-memory=300000000"),
            *("--include-dashboard=false", "--disable-usage-stats"),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment) as process:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if "ray start --address=" in line:
                    address = line.partition("--address='")[2].partition("'")[0]
                if "runtime started" in line:
                    break
            else:
                pytest.fail("".join(lines))
            for line in process.stdout:
                if "ray start --address=" in line:
                    address = line.partition("--address='")[2].partition("'")[0]
                if "block forever" in line:
                    break
            yield Cluster(address, process.pid, environment)
            process.terminate()
            process.stdout.read()


@pytest.fixture(scope="session")
def ray(cluster: Cluster) -> Iterator[RayRunner]:
    """The runner, connected from this process."""
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):  # asked for when Ray is imported
            patch.setenv(name, cluster.environment[name])
        yield RayRunner.connect(cluster.address)
        sys.modules["ray"].shutdown()


def _free_port() -> int:
    """Find a port outside of those that Ray gives to its workers, from 10002 to 19999."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some small files, and a large one of three shards; with copies, short texts and broken lines."""
    folder = tmp_path_factory.mktemp("cluster") / "raw"
    folder.mkdir()
    rng = random.Random(1)
    for number in range(4):
        _write(folder / f"small-{number}.jsonl", rng, 300)
    _write(folder / LARGE, rng, 24_000)
    return folder


def _write(path: Path, rng: random.Random, documents: int) -> None:
    texts: list[str] = []
    for number in range(documents):
        if number % 10 == 9:
            texts.append(texts[-rng.randrange(1, 9)])  # copied
        elif number % 10 == 8:
            texts.append(texts[-1] + "附注")  # nearly
        elif number % 50 == 7:
            texts.append("太短")
        else:
            texts.append(
                "".join(
                    rng.choices("设备运行检测温度压力轴承电机振动记录维护更换清洁校准报警恢复正常操作", k=rng.randrange(200, 900))
                )
            )
    lines = [json.dumps({"text": text}, ensure_ascii=False) for text in texts]
    lines[documents // 2] = '{"text": "cut'
    path.write_text("\n".join(lines) + "\n", "utf-8")


@pytest.fixture
def recipe(raw: Path) -> Path:
    path = raw.parent / "recipe.yaml"
    path.write_text(RECIPE, "utf-8")
    return path
