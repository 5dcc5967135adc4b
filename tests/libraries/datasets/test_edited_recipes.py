"""Whatever is done to a recipe, a workspace that has built it before gives what a build from nothing gives."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.libraries.datasets.conftest import document

from liangji.core.errors import RecipeError, RunError
from liangji.engine import shards
from liangji.engine.run import RunResult
from liangji.libraries.datasets import looking
from liangji.libraries.datasets.building import build
from liangji.pipeline.cleaning.normalisation import NormalizeText
from liangji.pipeline.cleaning.personal_information import MaskPersonalInformation
from liangji.pipeline.evaluation.text import MeasureText
from liangji.stores.workspace import Workspace

Steps = list[dict[str, dict[str, Any]]]

SEQUENCES, EDITS = 8, 5
FILES, DOCUMENTS = 2, 24

FAILS = {NormalizeText: "f1f", MeasureText: "f2f", MaskPersonalInformation: "f3f"}

BEGINNING: Steps = [
    {"normalize_text": {}},
    {"measure_text": {"words": "script"}},
    {"keep": {"where": "character_count >= 20", "reason": "too_short"}},
    {"drop_exact_duplicates": {}},
    {"mask_personal_information": {}},
]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", 12 << 10)
    monkeypatch.setattr(shards, "BATCH_BYTES", 6 << 10)


@pytest.fixture(autouse=True)
def failing_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each operator fail on the records that hold its mark."""
    for operator, mark in FAILS.items():
        call = operator.__call__

        def failing(self: Any, batch: pa.RecordBatch, call: Any = call, mark: str = mark) -> pa.RecordBatch:
            if any(mark in (text or "") for text in batch.column("text").to_pylist()):
                raise ValueError(mark)
            return call(self, batch)

        monkeypatch.setattr(operator, "__call__", failing)


def write_file(folder: Path, number: int) -> None:
    """Write documents with personal information, copies, short ones, ones that operators fail on, and shared lines."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(number)
    lines = []
    for _ in range(DOCUMENTS):
        text = document(rng.randrange(40))
        text += rng.choice(
            ["", "", "\n电话：13812345678。", "\n  Ｆｕｌｌ　ｗｉｄｔｈ  \n", "\n邮箱 a@example.org\n", "\n繁體資料檢測設備"]
        )
        text += rng.choice(["", "\n这一行在许多文档中反复出现，应当去除。\n" + document(rng.randrange(3))])
        text = rng.choice([text] * 8 + ["短", text + rng.choice(list(FAILS.values()))])
        lines.append(json.dumps({"text": text}, ensure_ascii=False))
    lines[rng.randrange(DOCUMENTS)] = '{"text": "cut'
    (folder / f"part-{number:02}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


def rule(rng: random.Random) -> dict[str, dict[str, Any]]:
    where = rng.choice(
        [
            f"character_count >= {rng.choice([20, 80, 150, 300])}",
            f"character_count < {rng.choice([100, 250, 400, 1_000_000])}",
            f"record >= {rng.choice([0, 5, 15, 1000])}",
            f"line_count <= {rng.choice([1, 2, 5])}",
        ]
    )
    return {"keep": {"where": where, "reason": f"rule_{rng.randrange(3)}"}}


def other_options(rng: random.Random) -> dict[str, dict[str, Any]]:
    return rng.choice(
        [
            {"normalize_text": {"whitespace": rng.choice(["tidy", "keep"])}},
            {"measure_text": {"words": "script"}},
            {"mask_personal_information": {"style": rng.choice(["mask", "label", "remove"])}},
            {"simplify_chinese": {}},
            {"split_text": {"maximum_characters": rng.choice([60, 120])}},
            {"drop_repeated_lines": {"minimum_documents": rng.choice([2, 4])}},
            {"drop_exact_duplicates": {}},
            {"drop_near_duplicates": {"similarity": 0.8}},
        ]
    )


def added(rng: random.Random, steps: Steps) -> None:
    steps.insert(rng.randrange(len(steps) + 1), rng.choice([rule, rule, other_options])(rng))


def removed(rng: random.Random, steps: Steps) -> None:
    if len(steps) > 2:
        del steps[rng.randrange(len(steps))]


def moved(rng: random.Random, steps: Steps) -> None:
    steps.insert(rng.randrange(len(steps)), steps.pop(rng.randrange(len(steps))))


def changed(rng: random.Random, steps: Steps) -> None:
    position = rng.randrange(len(steps))
    steps[position] = (rule if "keep" in steps[position] else other_options)(rng)


EDITS_OF_STEPS: list[Callable[[random.Random, Steps], None]] = [added, added, removed, moved, changed, changed]


def run(folder: Path, workspace: Path, steps: Steps, restore: list[str]) -> RunResult:
    recipe = {
        "dataset": "notes",
        "kind": "pretraining",
        "inputs": [{"path": "raw"}],
        "steps": steps,
        "restore": restore,
        "limits": {"fault_share": 1},
        "output": {"message": "edited", "author": "tester"},
    }
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(recipe), "utf-8")
    return build(path, Workspace.open(workspace))


def seen(workspace: Path, version: str) -> dict[str, list[Any]]:
    """Give everything that a version says of its rows."""
    opened = Workspace.open(workspace)
    return {
        which: [tuple(map(str, row.values())) for row in looking.rows(opened, "notes", version, which=which)]
        for which in ("kept", "dropped", "quarantined")
    }


@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_edited_at_random_a_recipe_gives_what_a_build_from_nothing_gives(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    for number in range(FILES):
        write_file(tmp_path / "raw", number)
    steps, restore = BEGINNING, list[str]()
    for edit in range(EDITS + 1):
        if edit:
            steps = list(steps)
            for _ in range(rng.randrange(1, 3)):
                rng.choice(EDITS_OF_STEPS)(rng, steps)
        try:
            fresh = run(tmp_path, tmp_path / f"fresh-{edit}", steps, restore)
        except (RecipeError, RunError) as refused:
            with pytest.raises(type(refused)):
                run(tmp_path, tmp_path / "w", steps, restore)
            steps = BEGINNING if isinstance(refused, RecipeError) else steps
            continue
        again = run(tmp_path, tmp_path / "w", steps, restore)
        assert again.version.id == fresh.version.id, steps
        assert again.ledger == fresh.ledger, steps
        expected = seen(tmp_path / f"fresh-{edit}", fresh.version.id)
        assert seen(tmp_path / "w", again.version.id) == expected, steps
        if rng.random() < 0.3:
            dropped = list(looking.rows(Workspace.open(tmp_path / "w"), "notes", which="dropped"))
            restore = [rng.choice(dropped)["id"]] if dropped else restore


@pytest.mark.parametrize("rules", [(True, False), (False, True)])
def test_a_rule_may_come_and_go_between_operators(rules: tuple[bool, bool], tmp_path: Path) -> None:
    write_file(tmp_path / "raw", 0)
    between = [{"keep": {"where": "record >= 0", "reason": "between"}}]
    for has_rule in rules:
        steps = [*BEGINNING[:1], between[0], *BEGINNING[1:2], *(between if has_rule else ()), BEGINNING[-1]]
        again = run(tmp_path, tmp_path / "w", steps, [])
    fresh = run(tmp_path, tmp_path / "fresh", steps, [])
    assert (again.version.id, again.ledger) == (fresh.version.id, fresh.ledger)
    assert seen(tmp_path / "w", again.version.id) == seen(tmp_path / "fresh", fresh.version.id)
