"""Raw files and a recipe over them, small enough to build in a second."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest

from liangji.engine import shards

RECIPE = """\
dataset: notes
kind: pretraining
inputs:
  - path: raw
    source: 自采
    source_details: 检测产线
    license: CC0-1.0
steps:
  - normalize_text
  - measure_text: {words: script}
  - keep: {where: "character_count >= 20", reason: too_short}
  - drop_exact_duplicates
  - drop_near_duplicates: {similarity: 0.8}
  - mask_personal_information
output: {message: first build, author: tester}
"""


def sentence(rng: random.Random) -> str:
    return (
        "".join(rng.choices("设备运行检测温度压力轴承电机振动记录维护更换清洁校准报警恢复正常操作", k=rng.randrange(20, 60))) + "。"
    )


def document(seed: int) -> str:
    rng = random.Random(seed)
    return "".join(sentence(rng) for _ in range(rng.randrange(2, 8)))


def write_raw(folder: Path, files: range, documents: int = 60) -> None:
    """Write some files of documents; a few are too short, copies, or broken lines."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in files:
        rng = random.Random(number)
        lines = []
        for index in range(documents):
            seed = number * 1000 + index
            text = document(seed - 1 if index % 10 == 9 else seed)
            if index % 15 == 14:
                text = "太短"
            lines.append(json.dumps({"text": text, "number": seed}, ensure_ascii=False))
        lines[rng.randrange(documents)] = '{"text": "cut'
        data = ("\n".join(lines) + "\n").encode()
        name = f"part-{number:02}.jsonl"
        if number % 2:
            (folder / f"{name}.gz").write_bytes(gzip.compress(data, mtime=0))
        else:
            (folder / name).write_bytes(data)


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut finely, so that a small corpus has many units."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 8 << 10)
    monkeypatch.setattr(shards, "BATCH_BYTES", 4 << 10)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    write_raw(tmp_path / "raw", range(4))
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE, "utf-8")
    return path
