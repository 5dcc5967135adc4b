"""How `liangji recipe calibrate` shows what it found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
import orjson

from liangji.cli.output import explained_reason, say, write_table

if TYPE_CHECKING:
    from liangji.libraries.datasets.calibrating import CalibratedCondition, CalibratedStep, Calibration
    from liangji.pipeline.cleaning.calibration import Proposal

_HEADINGS = ("rule", "condition", "group", "rows", "now", "dropped_now", "proposed", "dropped_then", "note")


def show_calibration(calibration: Calibration) -> None:
    size = say("calibration.whole" if calibration.is_whole else "calibration.part")
    click.echo(
        say(
            "calibration.sample",
            rows=f"{calibration.rows:,}",
            read=f"{calibration.files_read:,}",
            files=f"{calibration.files:,}",
            size=size,
            percentile=f"{calibration.percentile:g}",
        )
    )
    for step in calibration.steps:
        click.echo("\n" + click.style(say("calibration.step", step=step.step, line=step.line), bold=True))
        rows = [row for condition in step.conditions for row in _rows(condition)]
        write_table([say(f"calibration.{name}") for name in _HEADINGS], rows)
    left_out = {group.name for step in calibration.steps for each in step.conditions for group in each.groups[1:]}
    left_out -= {group.name for step in calibration.steps for each in step.conditions for group in each.groups if _is_shown(group)}
    if left_out:
        click.echo(say("calibration.left_out", groups=len(left_out)))
    then = f"{100 * calibration.dropped_then:.3g}"
    click.echo("\n" + say("calibration.together", now=f"{100 * calibration.dropped_now:.3g}", then=then))
    _show_changes(calibration)


def _rows(condition: CalibratedCondition) -> Iterator[tuple[Any, ...]]:
    """Give a row of the table for each group with enough rows, or for the largest one where none has."""
    reason = explained_reason(condition.reason)
    if not condition.groups:
        yield reason, condition.where, None, None, condition.now, None, None, None, say("calibration.no_threshold")
    shown = [group for group in condition.groups if _is_shown(group)] or list(condition.groups[:1])
    for position, group in enumerate(shown):
        found: Proposal = group.proposal
        first = (reason, condition.where) if position == 0 else ("", "")
        note = "" if found.rests == "enough_rows" else say(f"calibration.{found.rests}")
        then = None if found.dropped_then is None else _percent(found.dropped_then)
        yield *first, group.name or None, found.resting_on, condition.now, _percent(found.dropped_now), found.threshold, then, note


def _is_shown(group: Any) -> bool:
    return bool(group.proposal.rests != "too_few_rows")


def _percent(share: float) -> float:
    return float(f"{100 * share:.3g}")


def _show_changes(calibration: Calibration) -> None:
    """Print what to paste into the recipe."""
    if not any(step.changes for step in calibration.steps):
        click.echo(say("calibration.nothing"))
        return
    click.echo(say("calibration.paste"))
    for step in calibration.steps:
        if step.changes:
            click.echo("\n".join([f"# {say('calibration.step', step=step.step, line=step.line)}", *_yaml(step)]))


def _yaml(step: CalibratedStep) -> Iterator[str]:
    from liangji.libraries.datasets.rewriting import written  # noqa: PLC0415 - loads the operators

    now = {condition.reason: condition.now for condition in step.conditions if condition.is_preset}
    if step.changes.overrides:
        yield "overrides:"
        for reason, value in step.changes.overrides.items():
            before = now.get(reason)
            yield f"  {reason}: {written(value)}" + (f"  # {before:g}" if before is not None and before != value else "")
    for position, where in step.changes.rules.items():
        yield f"# rules.{position}"
        yield f"where: {orjson.dumps(where).decode()}"
    if step.changes.where is not None:
        yield f"where: {orjson.dumps(step.changes.where).decode()}"
