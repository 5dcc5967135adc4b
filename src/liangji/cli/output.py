"""How the command line speaks: language, JSON, tables, errors; and the options that many commands share."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import orjson

from liangji.core.errors import DocumentError, LiangjiError
from liangji.locales import Language, text, topic

if TYPE_CHECKING:
    from liangji.stores.workspace import Workspace

_NOTHING = "-"  # an empty cell
_NUMBER = re.compile(r"-?[\d,]+(\.\d+)?(e[+-]?\d+)?")

Command = TypeVar("Command", bound=Callable[..., Any])


def language() -> Language:
    """Find the language to speak: LIANGJI_LANG, else the locale where it is English, else Chinese."""
    chosen = os.environ.get("LIANGJI_LANG") or os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return "en" if chosen.lower().startswith("en") else "zh"


def say(key: str, **values: object) -> str:
    return text(f"cli.{key}", language(), **values)


def explained(code: str, what: str) -> str:
    """Put what a code means before its English words, where the reader's language is another."""
    phrase = "" if language() == "en" or code == LiangjiError.code else topic("errors", language())["codes"].get(code, "")
    return f"{phrase} — {what}" if phrase else what


def explained_reason(name: str) -> str:
    """Name a drop reason, and say what it means where the reader's language is not English and it is one of ours."""
    words = "" if language() == "en" else topic("report", language())["reasons"].get(name, "")
    return f"{name}（{words}）" if words else name


def labelled(key: str, words: str, **style: Any) -> str:
    """Write `label: words` with the colon of the language."""
    return f"{click.style(say(key), **style)}{'：' if language() == 'zh' else ': '}{words}"


def workspace_options(command: Command) -> Command:
    """Add `--workspace`, and `--database`, `--objects` for a workspace that is not all in its directory."""
    for option in (
        click.option("--objects", envvar="LIANGJI_OBJECTS", help=say("help.objects")),
        click.option("--database", envvar="LIANGJI_DATABASE", help=say("help.database")),
        click.option(
            "--workspace",
            envvar="LIANGJI_WORKSPACE",
            default="workspace",
            show_default=True,
            type=click.Path(path_type=Path, file_okay=False),
            help=say("help.workspace"),
        ),
    ):
        command = option(command)
    return command


def json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help=say("help.json"))(command)


def open_workspace(workspace: Path, database: str | None, objects: str | None) -> Workspace:
    """Open the workspace that the options name."""
    from liangji.stores.workspace import Workspace  # noqa: PLC0415  # half a second of Lance: not for `--help`

    return Workspace.open(workspace, database, objects)


def plain(value: Any) -> Any:
    """Turn facts into plain values for JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return value


def write_json(value: Any, *, indent: bool = False) -> None:
    """Write one JSON value on a line of stdout."""
    options = orjson.OPT_APPEND_NEWLINE | (orjson.OPT_INDENT_2 if indent else 0)
    sys.stdout.buffer.write(orjson.dumps(plain(value), option=options))
    sys.stdout.buffer.flush()


def write_table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table to stdout: aligned, wide characters counted as two."""
    from rich.console import Console  # noqa: PLC0415  # only where a table is shown
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    shown = [[_cell(value) for value in row] for row in rows]
    for position, heading in enumerate(headings):
        cells = {row[position] for row in shown} - {_NOTHING}
        numeric = bool(cells) and all(_NUMBER.fullmatch(cell) for cell in cells)
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in shown:
        table.add_row(*row)
    wide = None if sys.stdout.isatty() else 200
    Console(file=sys.stdout, width=wide, highlight=False).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return _NOTHING
    if isinstance(value, bool):
        return say("yes") if value else say("no")
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M")
    return str(value).replace("[", "\\[")


def tell(line: str) -> None:
    """Say something on stderr."""
    click.echo(line, err=True)


def report_error(error: LiangjiError) -> None:
    """Show an error on stderr: what, where, mend."""
    if isinstance(error, DocumentError):
        for fault in error.faults:
            place = f"{error.file}:{fault.line}" if fault.line else error.file
            _say_error(explained(error.code, f"{place} {fault.field}".rstrip() + f": {fault.what}"), "", fault.mend)
        return
    _say_error(explained(error.code, error.what), error.where, error.mend)


def _say_error(what: str, where: str, mend: str) -> None:
    tell(labelled("error", what, fg="red", bold=True))
    for label, line in (("where", where), ("mend", mend)):
        if line:
            tell(f"  {labelled(label, line)}")
