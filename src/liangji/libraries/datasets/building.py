"""Build a dataset from a recipe."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liangji.core.errors import UsageError
from liangji.engine.budget import Budget
from liangji.engine.plan import Plan, make_plan
from liangji.engine.progress import Progress, Silent
from liangji.engine.recipe import Recipe, read_recipe
from liangji.engine.run import RunResult, run
from liangji.engine.runner import Runner
from liangji.libraries.datasets.source import Inputs
from liangji.stores.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a build would do."""

    dataset: str
    recipe_hash: str
    files: list[dict[str, Any]]  # origin, size_bytes
    segments: list[dict[str, Any]]
    columns: list[dict[str, str]]  # of the version: name, type


def check(path: Path) -> Plan:
    """Check a recipe and plan it.

    Raises: RecipeError with every fault.
    """
    return make_plan(read_recipe(path))


def forecast(path: Path) -> Forecast:
    """Tell what a build would read and do, without doing it.

    Raises: RecipeError; InputError where an input matches no file.
    """
    plan = check(path)
    files = [{"origin": found.origin, "size_bytes": found.size_bytes} for found in Inputs(plan.recipe).find()]
    columns = [{"name": column.name, "type": str(column.type)} for column in plan.schema]
    return Forecast(plan.recipe.dataset, plan.recipe_hash, files, plan.describe(), columns)


def build(
    path: Path,
    workspace: Workspace,
    *,
    author: str | None = None,
    default_author: str | None = None,
    message: str | None = None,
    budget: Budget | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
    runner: Runner | None = None,
) -> RunResult:
    """Run a recipe and commit a version; `author` and `message` win over those of the recipe, which wins over `default_author`.

    `runner` does the work: by default threads of this process.

    Raises: RecipeError, InputError, RunError (see `engine.run`); UsageError where nobody answers for the version.
    """
    plan = check(path)
    answerable, words = _signed(plan.recipe, author, default_author, message)
    return run(
        plan,
        Inputs(plan.recipe, workspace.metadata),
        workspace,
        author=answerable,
        message=words,
        budget=budget or Budget.of(),
        progress=progress or Silent(),
        stop=stop or threading.Event(),
        runner=runner,
    )


def _signed(recipe: Recipe, author: str | None, default_author: str | None, message: str | None) -> tuple[str, str]:
    """Find who answers for the version and what changed; refuse before the work rather than after it."""
    answerable = (author or recipe.output.author or default_author or "").strip()
    words = (message or recipe.output.message or "").strip()
    missing = [name for name, value in (("author", answerable), ("message", words)) if not value]
    if missing:
        raise UsageError(
            f"a version needs {' and '.join(missing)}",
            recipe.dataset,
            f"write `output: {{{', '.join(f'{name}: …' for name in missing)}}}` in the recipe, or give --{' and --'.join(missing)}",
        )
    return answerable, words
