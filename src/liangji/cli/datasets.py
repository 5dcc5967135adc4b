"""`liangji datasets`: what there is, how it came to be, its rows, how versions differ."""

from __future__ import annotations

import json
from typing import Any, cast

import click

from liangji.cli.deduplication import write_deduplication
from liangji.cli.output import (
    explained,
    explained_reason,
    json_option,
    open_workspace,
    say,
    workspace_options,
    write_json,
    write_table,
)
from liangji.libraries.datasets import looking
from liangji.stores.facts import VersionFacts

_EXCERPT = 60  # characters of a text that a table shows
_JSON_COLUMNS = ("extra", "annotation", "row", "values")
_PAYLOADS = ("text", "content", "messages", "question", "prompt", "path", "row", "values")  # the first that is there is shown


@click.group(help=say("help.datasets.summary"))
def datasets() -> None: ...


@datasets.command("list", help=say("help.datasets.list"))
@json_option
@workspace_options
def list_(*, as_json: bool, **place: Any) -> None:
    found = looking.list_datasets(open_workspace(**place))
    if as_json:
        write_json([{"dataset": facts, "latest": _short(latest) if latest else None} for facts, latest in found])
    elif not found:
        click.echo(say("datasets.none"))
    else:
        headings = [say(f"datasets.{name}") for name in ("name", "kind", "modality", "number", "rows", "time")]
        write_table(
            headings,
            [
                (
                    facts.name,
                    facts.kind,
                    facts.modality,
                    *((latest.number, latest.rows, latest.created_time) if latest else (None,) * 3),
                )
                for facts, latest in found
            ],
        )


@datasets.command(help=say("help.datasets.show"))
@click.argument("dataset")
@click.option("--version", "reference", help=say("help.datasets.version"))
@json_option
@workspace_options
def show(dataset: str, reference: str | None, *, as_json: bool, **place: Any) -> None:
    version = looking.show(open_workspace(**place), dataset, reference)
    if as_json:
        write_json(version)
        return
    click.echo(f"{click.style(version.dataset, bold=True)} {version.number}  {version.id}")
    click.echo(f"  {version.message} — {version.author}, {version.created_time.astimezone():%Y-%m-%d %H:%M}")
    click.echo(
        say("datasets.facts", kind=version.kind, modality=version.modality, rows=f"{version.rows:,}", files=len(version.inputs))
    )
    ledger = version.ledger
    for reason, rows in sorted(ledger["dropped"].items(), key=lambda item: -item[1]):
        click.echo(f"  - {explained_reason(reason)}: {rows:,}")
    click.echo(say("datasets.quarantined", rows=f"{ledger['quarantined']:,}"))
    write_deduplication(version.findings, indent="  ")
    click.echo(say("datasets.signals", names=", ".join(version.signals) or "-"))


@datasets.command(help=say("help.datasets.log"))
@click.argument("dataset")
@json_option
@workspace_options
def log(dataset: str, *, as_json: bool, **place: Any) -> None:
    versions = looking.log(open_workspace(**place), dataset)
    if as_json:
        write_json([_short(version) for version in versions])
    else:
        headings = [say(f"datasets.{name}") for name in ("number", "id", "rows", "time", "author", "message")]
        write_table(headings, [(v.number, v.id, v.rows, v.created_time, v.author, v.message) for v in versions])


@datasets.command(help=say("help.datasets.diff"))
@click.argument("dataset")
@click.argument("before")
@click.argument("after", required=False)
@json_option
@workspace_options
def diff(dataset: str, before: str, after: str | None, *, as_json: bool, **place: Any) -> None:
    found = looking.diff(open_workspace(**place), dataset, before, after)
    if as_json:
        write_json({**_difference(found), "before": _short(found.before), "after": _short(found.after)})
        return
    click.echo(f"{found.before.number} {found.before.id}  →  {found.after.number} {found.after.id}")
    for name in ("added", "removed", "changed", "unchanged"):
        examples = found.examples.get(name)
        click.echo(f"  {say(f'datasets.{name}')}: {getattr(found, name):,}" + (f"  ({', '.join(examples)})" if examples else ""))
    for reason, (old, new) in found.dropped.items():
        click.echo(f"  {explained_reason(reason)}: {old:,} → {new:,}")
    if found.recipe_changed:
        click.echo(say("datasets.recipe_changed"))


@datasets.command(help=say("help.datasets.rows"))
@click.argument("dataset")
@click.option("--version", "reference", help=say("help.datasets.version"))
@click.option(
    "--which",
    type=click.Choice(["kept", "dropped", "quarantined"]),
    default="kept",
    show_default=True,
    help=say("help.datasets.which"),
)
@click.option("--reason", help=say("help.datasets.reason"))
@click.option("--limit", type=click.IntRange(1), help=say("help.datasets.limit"))
@click.option(
    "--format", "form", type=click.Choice(["table", "jsonl"]), default="table", show_default=True, help=say("help.datasets.format")
)
@click.option("--json", "as_json", is_flag=True, help=say("help.datasets.rows_json"))
@workspace_options
def rows(
    dataset: str,
    reference: str | None,
    which: str,
    reason: str | None,
    limit: int | None,
    form: str,
    *,
    as_json: bool,
    **place: Any,
) -> None:
    as_lines = as_json or form == "jsonl"
    shown = limit if as_lines or limit else 20
    found = looking.rows(
        open_workspace(**place), dataset, reference, which=cast("looking.Which", which), reason=reason, limit=shown
    )
    if as_lines:
        for row in found:
            write_json(_parsed(row))
        return
    columns = {
        "kept": ("id", "origin", "record"),
        "dropped": ("origin", "record", "drop_step", "drop_reason", "drop_number", "drop_detail"),
        "quarantined": ("origin", "line", "step", "what"),
    }[which]
    write_table([*columns, say("datasets.excerpt")], [(*(_said(row, name) for name in columns), _excerpt(row)) for row in found])


def _said(row: dict[str, Any], name: str) -> Any:
    """Give a value as people read it: what a code means stands beside it."""
    if name == "drop_reason":
        return explained_reason(row[name])
    return explained(row["error_code"], row[name]) if name == "what" else row[name]


def _parsed(row: dict[str, Any]) -> dict[str, Any]:
    """Give the JSON columns of a row as what they hold."""
    for name in _JSON_COLUMNS:
        if row.get(name):
            row[name] = json.loads(row[name])
    return row


def _excerpt(row: dict[str, Any]) -> str:
    value = next((row[name] for name in _PAYLOADS if row.get(name)), "")
    if row.get("time"):
        value = f"{row['time']}  {value}"
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT else line[:_EXCERPT] + "…"


def _difference(found: looking.Difference) -> dict[str, Any]:
    names = ("added", "removed", "changed", "unchanged", "examples", "dropped", "recipe_changed")
    return {name: getattr(found, name) for name in names}


def _short(version: VersionFacts) -> dict[str, Any]:
    names = ("dataset", "id", "number", "rows", "author", "message", "created_time", "parents", "recipe_hash")
    return {name: getattr(version, name) for name in names}
