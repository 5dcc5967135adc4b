"""Recipes over real data with known truth, built through the doors that people use."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
import zstandard

from liangji.engine.run import RunResult
from liangji.libraries.datasets import looking
from liangji.libraries.datasets.building import build
from liangji.libraries.datasets.looking import Which
from liangji.stores.workspace import Workspace

RAW = "raw"  # what recipes call the folder of shared data
PROVENANCE = {"source": "公开数据集", "source_details": "shared test data", "license": "CC-BY-4.0"}


@dataclass(frozen=True, slots=True)
class Built:
    """A version and the workspace that holds it."""

    workspace: Workspace
    result: RunResult

    @property
    def dataset(self) -> str:
        return self.result.version.dataset

    def rows(self, which: Which = "kept") -> list[dict[str, Any]]:
        return list(looking.rows(self.workspace, self.dataset, which=which))

    def texts(self) -> dict[str, str]:
        """Map each origin to the text of its kept record; for inputs of one record a file."""
        return {row["origin"]: row["text"] for row in self.rows()}


def write_recipe(folder: Path, dataset: str, inputs: list[dict[str, Any]], steps: list[Any] | None = None, **stated: Any) -> Path:
    """Write a recipe; every input gets its provenance, so that its records meet the format requirement."""
    recipe = {
        "dataset": dataset,
        "kind": "pretraining",
        "inputs": [PROVENANCE | entry for entry in inputs],
        "steps": steps or [],
        "output": {"author": "质量组", "message": "验收"},
    }
    path = folder / f"{dataset}.yaml"
    path.write_text(yaml.safe_dump(recipe | stated, allow_unicode=True, sort_keys=False), "utf-8")
    return path


class Builder:
    """Builds recipes in one folder, where `raw` is the shared data as it lies there."""

    def __init__(self, folder: Path, shared_data: Path, opened: ExitStack) -> None:
        (folder / RAW).symlink_to(shared_data)
        self.folder, self._opened = folder, opened

    def __call__(self, dataset: str, inputs: list[dict[str, Any]], steps: list[Any] | None = None, **stated: Any) -> Built:
        workspace = Workspace.open(self.folder / f"workspace-{dataset}")
        self._opened.callback(workspace.close)
        return Built(workspace, build(write_recipe(self.folder, dataset, inputs, steps, **stated), workspace))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Iterator[Builder]:
    with ExitStack() as opened:
        yield Builder(tmp_path_factory.mktemp("acceptance"), shared_data, opened)


def members(archive: Path) -> dict[str, bytes]:
    """Read the files of a .tar.zst whole, by name."""
    with archive.open("rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as raw:
        data = io.BytesIO(raw.read())
    with tarfile.open(fileobj=data) as tar:
        return {
            member.name.removeprefix("./"): content.read() for member in tar if (content := tar.extractfile(member)) is not None
        }


def json_lines(data: bytes) -> list[Any]:
    return [json.loads(line) for line in data.splitlines() if line.strip()]
