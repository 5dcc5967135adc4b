"""Measure whole builds by the command line, from Parquet files to a committed version, and what a second start and a moved threshold cost.

The recipes are those of the README; a version counts as made when `liangji build` has ended, so start-up, ledger and commit are included.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.corpus import FOLDER
from bench.measure import Ran, run

RECIPE = """\
dataset: bench-{language}
kind: pretraining
inputs:
  - {{path: "raw/*.parquet", source: 自采, source_details: bench/corpus.py, license: CC0-1.0, generated: 1}}
steps:
  - normalize_text
  - measure_text: {{words: {words}}}
  - keep: {{preset: {preset}{overrides}}}
  - drop_exact_duplicates
  - drop_near_duplicates: {{similarity: 0.8}}
  - mask_personal_information
output: {{message: bench, author: bench}}
"""
RULES = {"en": ("whitespace", "gopher", "too_few_words: 60"), "zh": ("script", "chinese", "too_few_words: 60")}


class Build(NamedTuple):
    step: str
    command: str  # as a person would type it
    ran: Ran
    figures: dict[str, Any]  # what the build tells; `text_bytes` and `documents` where it did not see the whole corpus


def recipe(language: str, *, is_moved: bool = False) -> str:
    """Give the recipe of a language; moved: with another threshold for one rule."""
    words, preset, threshold = RULES[language]
    overrides = f", overrides: {{{threshold}}}" if is_moved else ""
    return RECIPE.format(language=language, words=words, preset=preset, overrides=overrides)


def builds(language: str) -> Iterator[Build]:
    """Build with two workers, with one, again with a threshold moved; then start a fresh process up to its first batch."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "raw").mkdir()
        for file in sorted((FOLDER / language).glob("*.parquet")):
            (folder / "raw" / file.name).symlink_to(file)
        (folder / "recipe.yaml").write_text(recipe(language), "utf-8")
        start = [sys.executable, "-m", "bench.first_batch", str(folder / "recipe.yaml")]
        run(start)  # compiles what was changed since the last time
        for workers, step in ((2, "whole_recipe_two_threads"), (1, "whole_recipe")):
            shutil.rmtree(folder / "workspace", ignore_errors=True)
            yield _build(folder, step, workers)
        (folder / "recipe.yaml").write_text(recipe(language, is_moved=True), "utf-8")
        yield _build(folder, "moved_threshold", 1)
        ran = run(start)
        figures = {"text_bytes": 0, "documents": ran.printed["rows"]}
        yield Build("first_batch", "python -m bench.first_batch recipe.yaml", ran, figures)


def _build(folder: Path, step: str, workers: int) -> Build:
    program = str(Path(sys.executable).with_name("liangji"))
    options = ["build", "recipe.yaml", "--workers", str(workers), "--json"]
    ran = run([program, *options], folder=folder)
    figures = {name: ran.printed[name] for name in ("rows_in", "rows_out", "version")}
    return Build(step, " ".join(["liangji", *options]), ran, figures)
