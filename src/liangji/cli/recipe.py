"""`liangji recipe`: check a recipe, show its schema, explain its plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from liangji.cli.output import json_option, say, write_json
from liangji.core.operator import rule_source, summary
from liangji.engine.recipe import recipe_schema
from liangji.libraries.datasets import building


@click.group(help=say("help.recipe.summary"))
def recipe() -> None: ...


@recipe.command(help=say("help.recipe.check"))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def check(file: Path, *, as_json: bool) -> None:
    plan = building.check(file)
    if as_json:
        write_json({"dataset": plan.recipe.dataset, "recipe_hash": plan.recipe_hash, "steps": len(plan.recipe.steps)})
    else:
        click.echo(say("recipe.good", dataset=plan.recipe.dataset, steps=len(plan.recipe.steps)))


@recipe.command(help=say("help.recipe.schema"))
@json_option
def schema(*, as_json: bool) -> None:
    write_json(recipe_schema(), indent=not as_json)


@recipe.command(help=say("help.recipe.explain"))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def explain(file: Path, *, as_json: bool) -> None:
    plan = building.check(file)
    steps: list[dict[str, Any]] = [
        {
            "step": plan.step_label(step),
            "line": step.line,
            "kind": str(step.operator.kind),
            "does": summary(type(step.operator)),
            "source": rule_source(type(step.operator)),
        }
        for step in plan.recipe.steps
    ]
    if as_json:
        write_json({"dataset": plan.recipe.dataset, "recipe_hash": plan.recipe_hash, "steps": steps, "segments": plan.describe()})
        return
    for step in steps:
        click.echo(f"{click.style(step['step'], bold=True)}  [{step['kind']}]\n    {step['does']}")
        if step["source"]:
            click.echo(f"    {say('recipe.source')}: {step['source']}")
    for segment in plan.describe():
        parts = " → ".join([*segment["apply"], *segment["run"]]) or "-"  # type: ignore[misc]  # plain values
        click.echo(say("recipe.segment", number=segment["segment"], parts=parts, then=", ".join(segment["then"])))  # type: ignore[arg-type]
