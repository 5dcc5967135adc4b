"""`liangji build`: run a recipe."""

from __future__ import annotations

import getpass
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from liangji.cli.deduplication import write_deduplication
from liangji.cli.output import (
    explained,
    explained_reason,
    json_option,
    labelled,
    open_workspace,
    say,
    tell,
    workspace_options,
    write_json,
    write_table,
)
from liangji.cli.progress import TerminalProgress
from liangji.core.reading import place
from liangji.core.units import format_duration, format_size, parse_size
from liangji.engine.budget import Budget
from liangji.engine.ray_runner import RayRunner
from liangji.engine.run import RunResult
from liangji.libraries.datasets import building

_LISTED = 1000  # faults, and notes, of a build in JSON
_FAULTS_SHOWN, _FAULTS_ALIKE, _NOTES_SHOWN = 20, 2, 8  # of faults with one mend in one file, two say it all


@click.command(help=say("help.build.text"))
@click.argument("recipe", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--message", help=say("help.build.message"))
@click.option("--author", envvar="LIANGJI_AUTHOR", help=say("help.build.author"))
@click.option("--workers", type=click.IntRange(1, 1024), help=say("help.build.workers"))
@click.option("--memory", help=say("help.build.memory"))
@click.option("--runner", type=click.Choice(["local", "ray"]), default="local", show_default=True, help=say("help.build.runner"))
@click.option("--address", envvar="RAY_ADDRESS", default="auto", show_default=True, help=say("help.build.address"))
@click.option("--dry-run", is_flag=True, help=say("help.build.dry_run"))
@json_option
@workspace_options
def build(
    recipe: Path,
    message: str | None,
    author: str | None,
    workers: int | None,
    memory: str | None,
    runner: str,
    address: str,
    *,
    dry_run: bool,
    as_json: bool,
    workspace: Path,
    database: str | None,
    objects: str | None,
) -> None:
    if dry_run:
        _show_forecast(building.forecast(recipe), as_json=as_json)
        return
    budget = Budget.of(parse_size(memory) if memory else None, workers)
    with stoppable() as stop, TerminalProgress() as progress:
        result = building.build(
            recipe,
            open_workspace(workspace, database, objects),
            author=author,
            default_author=user(),
            message=message,
            budget=budget,
            progress=progress,
            stop=stop,
            runner=RayRunner.connect(address, budget.workers) if runner == "ray" else None,
        )
    _show_faults(result)
    if as_json:
        write_json(summary(result))
    else:
        show_result(result)


def summary(result: RunResult) -> dict[str, Any]:
    """Give the outcome of a build as the plain object of `--json`."""
    version, ledger = result.version, result.ledger
    return {
        "dataset": version.dataset,
        "version": version.id,
        "number": version.number,
        "is_new": result.is_new,
        "rows_in": ledger["rows_in"],
        "rows_out": ledger["rows_out"],
        "expanded": ledger["expanded"],
        "dropped": ledger["dropped"],
        "quarantined": ledger["quarantined"],
        "findings": version.findings,
        "seconds": round(result.seconds, 3),
        "units_run": result.units_run,
        "units_reused": result.units_reused,
        "unrecorded_message": result.unrecorded_message,
        "faults": result.faults[:_LISTED],
        "notes": result.notes[:_LISTED],
        "notes_total": len(result.notes),
    }


def _show_forecast(forecast: building.Forecast, *, as_json: bool) -> None:
    if as_json:
        write_json(asdict(forecast))
        return
    size = format_size(sum(file["size_bytes"] for file in forecast.files))
    click.echo(say("build.forecast", dataset=forecast.dataset, files=len(forecast.files), size=size))
    for segment in forecast.segments:
        steps = " → ".join([*segment["apply"], *segment["run"]]) or "-"
        click.echo(f"  {segment['segment']}. {steps}  ⇒  {', '.join(segment['then'])}")
    click.echo(say("build.columns", columns=", ".join(column["name"] for column in forecast.columns)))


def show_result(result: RunResult) -> None:
    version, ledger = result.version, result.ledger
    click.echo(say("build.done" if result.is_new else "build.same", dataset=version.dataset, number=version.number, id=version.id))
    if not version.rows:
        click.echo(click.style(say("build.empty"), fg="yellow"))
    if result.unrecorded_message:
        click.echo(say("build.unrecorded", message=version.message))
    steps = [
        (step["step"], step["rows_in"], step["rows_out"], _reasons(step["dropped"]), step["quarantined"])
        for step in ledger["steps"]
    ]
    write_table([say(f"build.{name}") for name in ("step", "rows_in", "rows_out", "dropped", "quarantined")], steps)
    dropped = sum(ledger["dropped"].values())
    expanded = f" + {ledger['expanded']:,}" if ledger["expanded"] else ""
    click.echo(
        say(
            "build.ledger",
            rows_in=f"{ledger['rows_in']:,}{expanded}",
            rows_out=f"{ledger['rows_out']:,}",
            dropped=f"{dropped:,}",
            quarantined=f"{ledger['quarantined']:,}",
        )
    )
    write_deduplication(version.findings)
    reused = say("build.reused", units=result.units_reused) if result.units_reused else ""
    click.echo(
        say("build.took", time=format_duration(result.seconds), seconds=f"{result.seconds:.1f}", units=result.units_run) + reused
    )


def _reasons(dropped: dict[str, int]) -> str:
    return (
        ", ".join(f"{explained_reason(name)} {rows:,}" for name, rows in sorted(dropped.items(), key=lambda item: -item[1])) or "-"
    )


def _show_faults(result: RunResult) -> None:
    """Name on stderr what could not be read or processed, and what a person should know."""
    shown = list(_telling(result.faults))[:_FAULTS_SHOWN]
    for fault in shown:
        tell(
            f"{click.style(say('build.fault'), fg='yellow')} {place(fault['origin'], fault['line'])}: {explained(fault['error_code'], fault['what'])}"
        )
        if fault["mend"]:
            tell(f"  {labelled('mend', fault['mend'])}")
    hidden = result.ledger["quarantined"] - len(shown)
    if hidden > 0:
        tell(say("build.more_faults", rows=f"{hidden:,}", dataset=result.version.dataset))
    notes: dict[str, list[str]] = {}
    for note in result.notes:
        notes.setdefault(explained(note["code"], note["what"]), []).append(place(note["origin"], note["line"]))
    for what, places in list(notes.items())[:_NOTES_SHOWN]:
        others = say("build.and_others", files=f"{len(places) - 1:,}") if len(places) > 1 else ""
        tell(f"{click.style(say('build.note'), fg='cyan')} {places[0]}{others}: {what}")
    if len(notes) > _NOTES_SHOWN:
        tell(say("build.more_notes", notes=len(notes) - _NOTES_SHOWN))


def _telling(faults: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Pass over faults that only repeat what the ones before them said: another line or member of one file, the same mend."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for fault in faults:
        alike = (fault["origin"].partition("!")[0], fault["error_code"], fault["mend"])
        seen[alike] += 1
        if seen[alike] <= _FAULTS_ALIKE:
            yield fault


def user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        return os.environ.get("HOSTNAME")


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or SIGTERM into a polite stop; the second one ends the process."""
    stop = threading.Event()

    def ask(number: int, _frame: object) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stop.set()
        tell(say("build.stopping"))

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
