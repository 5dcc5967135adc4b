"""`liangji recipe`: check a recipe, show its schema, explain its plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from liangji.cli import explaining
from liangji.cli.calibration import show_calibration
from liangji.cli.output import json_option, open_workspace, say, tell, workspace_options, write_json
from liangji.core.errors import InputError
from liangji.core.units import parse_size
from liangji.engine.recipe import recipe_schema
from liangji.libraries.datasets import building, predicting
from liangji.libraries.datasets.explaining import RulesExplained, explain_rules

if TYPE_CHECKING:
    from liangji.stores.workspace import Workspace


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
@click.option("--version", "reference", help=say("help.datasets.version"))
@click.option("--sample", is_flag=True, help=say("help.recipe.sample"))
@click.option("--rows", "examples", type=click.IntRange(0), default=0, help=say("help.recipe.rows"))
@click.option("--curves", is_flag=True, help=say("help.recipe.curves"))
@click.option("--size", help=say("help.recipe.size"))
@click.option("--files", type=click.IntRange(1), help=say("help.recipe.files"))
@click.option("--cores", type=click.IntRange(1), help=say("help.recipe.cores"))
@click.option("--memory", help=say("help.recipe.memory"))
@click.option("--machines", type=click.IntRange(1), help=say("help.recipe.machines"))
@click.option("--disk-mb-s", "disk", type=click.FloatRange(0, min_open=True), help=say("help.recipe.disk"))
@click.option("--network-mb-s", "network", type=click.FloatRange(0, min_open=True), help=say("help.recipe.network"))
@click.option("--price", type=click.FloatRange(0), help=say("help.recipe.price"))
@json_option
@workspace_options
def explain(
    file: Path,
    reference: str | None,
    sample: bool,
    examples: int,
    curves: bool,
    size: str | None,
    files: int | None,
    cores: int | None,
    memory: str | None,
    machines: int | None,
    disk: float | None,
    network: float | None,
    price: float | None,
    *,
    as_json: bool,
    workspace: Path,
    database: str | None,
    objects: str | None,
) -> None:
    plan = building.check(file)
    is_there = database is not None or objects is not None or workspace.is_dir()
    opened = open_workspace(workspace, database, objects) if is_there else None
    if any(given is not None for given in (size, files, cores, memory, machines, disk, network, price)):
        found = predicting.predict_run(
            file,
            opened,
            size_bytes=parse_size(size) if size else None,
            files=files,
            cores=cores,
            memory_bytes=parse_size(memory) if memory else None,
            machines=machines,
            disk_mb_per_second=disk,
            network_mb_per_second=network,
            price=price,
        )
        write_json(explaining.prediction_facts(found)) if as_json else explaining.show_prediction(found)
        return
    rules = _rules(file, opened, "sample" if sample else None, reference, examples, curves)
    if as_json:
        facts = {"dataset": plan.recipe.dataset, "recipe_hash": plan.recipe_hash, "steps": explaining.step_facts(plan)}
        write_json({**facts, "segments": plan.describe(), "rules": explaining.rule_facts(rules) if rules else None})
        return
    explaining.show_steps(plan)
    if rules:
        explaining.show_rules(rules)


def _rules(
    file: Path, workspace: Workspace | None, basis: Literal["sample"] | None, reference: str | None, examples: int, curves: bool
) -> RulesExplained | None:
    """Weigh the rules; where there is neither a version nor input, say so and show the steps alone."""
    try:
        return explain_rules(file, workspace, basis=basis, reference=reference, examples=examples, curves=curves)
    except InputError as error:
        if basis or reference:
            raise
        tell(say("explain.no_rows", what=error.what, where=error.where))
        return None


@recipe.command(help=say("help.recipe.calibrate.text"), short_help=say("help.recipe.calibrate.summary"))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--percentile",
    type=click.FloatRange(0, 50, min_open=True, max_open=True),
    default=1.0,
    show_default=True,
    help=say("help.recipe.calibrate.percentile"),
)
@click.option(
    "--by",
    type=click.Choice(["language", "source", "both", "all"]),
    default="language",
    show_default=True,
    help=say("help.recipe.calibrate.by"),
)
@click.option("--sample", default="64MB", show_default=True, help=say("help.recipe.calibrate.sample"))
@click.option("--rows", type=click.IntRange(1), default=20_000, show_default=True, help=say("help.recipe.calibrate.rows"))
@click.option("--write", "to", type=click.Path(path_type=Path, dir_okay=False), help=say("help.recipe.calibrate.write"))
@json_option
def calibrate(
    file: Path,
    percentile: float,
    by: Literal["language", "source", "both", "all"],
    sample: str,
    rows: int,
    to: Path | None,
    *,
    as_json: bool,
) -> None:
    from liangji.libraries.datasets import calibrating  # noqa: PLC0415 - loads operators and kernels

    calibration = calibrating.calibrate(file, percentile=percentile, by=by, size_bytes=parse_size(sample), rows=rows)
    if to is not None:
        calibrating.write_calibrated(file, calibration, to)
        tell(say("calibration.written", file=to))
    if as_json:
        write_json(calibration)
    else:
        show_calibration(calibration)
