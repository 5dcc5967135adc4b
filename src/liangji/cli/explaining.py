"""What `liangji recipe explain` shows: steps, effects of rules, and what a build of some size would take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from liangji.cli.output import explained_reason, labelled, say, write_table
from liangji.core.operator import rule_source, summary
from liangji.core.units import format_duration, format_size
from liangji.libraries.datasets.planning import AGGREGATE, DECIDED, DIGEST, HASH, READ, STAGE_ROWS, UNIT_FILES

if TYPE_CHECKING:
    from liangji.engine.plan import Plan
    from liangji.libraries.datasets.explaining import RulesExplained
    from liangji.libraries.datasets.predicting import RunPredicted
    from liangji.pipeline.cleaning.rule_effects import Effects

_STAGES_SHOWN = 8
_CLOSE = 0.01  # of the CPU seconds: stages below are not worth a line


def step_facts(plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "step": plan.step_label(step),
            "line": step.line,
            "kind": str(step.operator.kind),
            "does": summary(type(step.operator)),
            "source": rule_source(type(step.operator)),
        }
        for step in plan.recipe.steps
    ]


def show_steps(plan: Plan) -> None:
    for step in step_facts(plan):
        click.echo(f"{click.style(step['step'], bold=True)}  [{step['kind']}]\n    {step['does']}")
        if step["source"]:
            click.echo(f"    {say('recipe.source')}: {step['source']}")
    for segment in plan.describe():
        parts = " → ".join([*segment["apply"], *segment["run"]]) or "-"  # type: ignore[misc]  # plain values
        click.echo(say("recipe.segment", number=segment["segment"], parts=parts, then=", ".join(segment["then"])))  # type: ignore[arg-type]


def rule_facts(found: RulesExplained) -> dict[str, Any]:
    """Give the effects of rules as the plain object of `--json`."""
    version = found.version
    return {
        "version": {"id": version.id, "number": version.number, "rows": version.rows} if version else None,
        "sample": found.sample,
        "effects": asdict(found.effects),
        "not_evaluated": found.not_evaluated,
        "removed": found.removed,
        "quarantined": found.quarantined,
        "inputs_changed": found.inputs_changed,
    }


def show_rules(found: RulesExplained) -> None:
    effects = found.effects
    click.echo()
    click.echo(click.style(_basis(found), bold=True))
    is_moved = _is_moved(effects)
    names = ["step", "rule", "condition", "alone", "only", "left", *(["before", "returning", "going"] if is_moved else [])]
    write_table([say(f"explain.{name}") for name in names], _rule_lines(effects, is_moved=is_moved))
    click.echo(say("explain.meaning"))
    click.echo(say("explain.kept", kept=f"{effects.kept:,}", rows=f"{effects.rows:,}", share=_share(effects.kept, effects.rows)))
    if found.version and (is_moved or found.removed):
        click.echo(
            say(
                "explain.against",
                kept=f"{effects.kept_before:,}",
                share=_share(effects.kept_before, effects.rows),
                returning=f"{effects.returning:,}",
                going=f"{effects.going:,}",
                held=f"{effects.going_from_version:,}",
            )
        )
    for line in _reservations(found):
        click.echo(f"- {line}")
    _show_nearest(effects)


def _basis(found: RulesExplained) -> str:
    rows, sample = f"{found.effects.rows:,}", found.sample
    if sample is None:
        return say("explain.from_version", number=found.version.number if found.version else "", rows=rows)
    size, read = format_size(sample.size_bytes), f"{sample.rows_read:,}"
    if sample.is_whole:
        return say("explain.from_whole", rows=rows, size=size, files=sample.files)
    return say("explain.from_sample", rows=rows, read=read, size=size, files_read=sample.files_read, files=sample.files)


def _is_moved(effects: Effects) -> bool:
    news = [rule.failed_before is None or rule.returning or rule.going for rule in effects.rules]
    return any(rule.failed_before is not None for rule in effects.rules) and any(news)


def _rule_lines(effects: Effects, *, is_moved: bool) -> Iterator[list[Any]]:
    for rule in effects.rules:
        past = [rule.failed_before, rule.returning, rule.going] if is_moved else []
        where = rule.conditions[0].where if len(rule.conditions) == 1 else ""
        yield [rule.step, explained_reason(rule.reason), where, rule.failed, rule.only, rule.left, *past]
        if len(rule.conditions) > 1:
            for condition in rule.conditions:
                yield ["", "", condition.where, condition.failed, condition.only, None, *([None] * len(past))]


def _reservations(found: RulesExplained) -> Iterator[str]:
    """Say what the figures do not know."""
    effects = found.effects
    unmeasured: dict[str, int] = {rule.step: rule.unmeasured for rule in effects.rules if rule.unmeasured}
    for step, rows in unmeasured.items():
        yield say("explain.unmeasured", step=step, rows=f"{rows:,}")
    for rule in found.not_evaluated:
        yield say("explain.not_evaluated", step=rule.step, reason=explained_reason(rule.reason), columns=", ".join(rule.columns))
    if found.removed:
        yield say("explain.removed", reasons=", ".join(map(explained_reason, found.removed)))
    if found.quarantined:
        yield say("explain.quarantined", rows=f"{found.quarantined:,}")
    if found.sample and found.sample.faults:
        yield say("explain.faults", rows=f"{found.sample.faults:,}")
    if found.inputs_changed:
        yield say("explain.inputs_changed")
    if found.version:
        yield say("explain.later_steps")


def _show_nearest(effects: Effects) -> None:
    lines = [
        (explained_reason(rule.reason), condition.where, example.id, example.value, example.passes)
        for rule in effects.rules
        for condition in rule.conditions
        for example in condition.nearest
    ]
    if lines:
        click.echo()
        write_table([say(f"explain.{name}") for name in ("rule", "condition", "id", "value", "passes")], lines)


def _share(rows: int, total: int) -> str:
    return f"{rows / total:.1%}" if total else "-"


def show_prediction(found: RunPredicted) -> None:
    result, machine, scale = found.prediction, found.machine, found.scale
    click.echo(
        say(
            "explain.scale",
            dataset=found.dataset,
            size=format_size(scale.input_bytes),
            files=f"{scale.files:,}",
            rows=f"{found.rows:,.0f}" if found.rows else "?",
            machines=machine.machines or 1,
            cores=machine.cores,
            memory=format_size(machine.memory_bytes),
        )
    )
    for name, words in _figures(found):
        click.echo(f"  {labelled(f'explain.{name}', words, bold=True)}")
    total = sum(stage.cpu_seconds for stage in result.stages)
    stages = [stage for stage in result.stages if stage.cpu_seconds >= _CLOSE * total][:_STAGES_SHOWN]
    lines = [
        (
            _stage(stage.name),
            format_size(stage.megabytes * 1e6),
            stage.megabytes / stage.cpu_seconds if stage.cpu_seconds else None,
            format_duration(stage.cpu_seconds),
            f"{stage.cpu_seconds / total:.0%}",
        )
        for stage in stages
    ]
    write_table([say(f"explain.{name}") for name in ("stage", "bytes", "rate", "cpu_time", "cpu_share")], lines)
    for line in _grounds(found):
        click.echo(f"- {line}")


def _figures(found: RunPredicted) -> Iterator[tuple[str, str]]:
    result, machine = found.prediction, found.machine
    least, most = format_duration(result.least_seconds), format_duration(result.most_seconds)
    yield "time", say("explain.time_words", time=format_duration(result.seconds), least=least, most=most)
    bounds = [say(f"explain.bounds.{bound}", stage=_stage(result.stages[0].name)) for bound in result.bounds]
    yield "bound", say("explain.and").join(bounds)
    yield "advice", say(f"explain.changes.{result.bounds[0]}", stage=_stage(result.stages[0].name))
    memory = say("explain.memory_words", memory=format_size(result.memory_bytes), workers=result.workers)
    if result.workers < machine.cores:
        memory += say("explain.memory_short", cores=machine.cores, memory=format_size(result.full_memory_bytes))
    if result.spilled_bytes:
        memory += say("explain.spill", size=format_size(result.spilled_bytes))
    yield "memory", memory
    yield "disk", say("explain.disk_words", scratch=format_size(result.scratch_bytes), stored=format_size(result.stored_bytes))
    if result.network_bytes:
        yield "network", format_size(result.network_bytes)
    hours = say("explain.hours_words", hours=f"{result.core_hours:,.2f}", cpu=f"{result.cpu_seconds / 3600:,.2f}")
    yield "core_hours", hours
    if result.cost is not None:
        yield "cost", f"{result.core_hours:,.2f} × {machine.price:g} = {result.cost:,.2f}"


def _grounds(found: RunPredicted) -> Iterator[str]:
    """Say what the prediction leans on."""
    if found.trial:
        yield say("explain.trial", size=format_size(found.trial.input_bytes), rows=f"{found.trial.rows:,.0f}")
    if found.rates:
        yield say("explain.rates", machine=found.rates.machine, date=found.rates.date, version=found.rates.liangji)
    if found.shares_of:
        yield say("explain.shares", number=found.shares_of)
    elif found.trial is None or any("drop" in stage.name for stage in found.prediction.stages):
        yield say("explain.no_shares")
    past = found.past
    if past:
        factor = f"{past.seconds / past.predicted_seconds:.2f}"
        size, seconds = format_size(past.input_bytes), f"{past.seconds:.1f}"
        yield say("explain.past", number=past.number, size=size, workers=past.workers, seconds=seconds, factor=factor)
    if found.are_files_assumed:
        yield say("explain.files_assumed", files=f"{found.scale.files:,}", size=format_size(found.scale.largest_file_bytes))
    key = "explain.disk_measured" if found.is_disk_measured else "explain.disk_given"
    yield say(key, rate=f"{found.machine.disk_mb_per_second:,.0f}")
    if found.prediction.network_bytes and not found.machine.network_mb_per_second:
        yield say("explain.network_unknown")
    if found.prediction.unknown:
        yield say("explain.unknown", stages=", ".join(map(_stage, found.prediction.unknown)))
    yield say("explain.error", error=f"{found.error:.0%}")


def _stage(name: str) -> str:
    """Name a stage that is no step of the recipe in the reader's language."""
    step, is_decision = name.removesuffix(DECIDED), name.endswith(DECIDED)
    if is_decision:
        return say("explain.decision", step=step)
    names = {HASH, READ, AGGREGATE, DIGEST, STAGE_ROWS, UNIT_FILES}
    return say(f"explain.stages.{name}") if name in names else name


def prediction_facts(found: RunPredicted) -> dict[str, Any]:
    """Give a prediction as the plain object of `--json`."""
    facts = {name: getattr(found, name) for name in ("dataset", "prediction", "machine", "scale", "rows", "error")}
    facts |= {name: getattr(found, name) for name in ("trial", "shares_of", "past", "is_disk_measured", "are_files_assumed")}
    facts["rates"] = {name: getattr(found.rates, name) for name in ("machine", "date", "liangji")} if found.rates else None
    return facts
