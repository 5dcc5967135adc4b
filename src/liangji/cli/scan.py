"""`liangji scan`: find personal information and secrets in files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal, cast

import click

from liangji.cli.output import explained, json_option, language, say, tell, write_json, write_table
from liangji.core.errors import UsageError
from liangji.core.reading import Fault, Note, place
from liangji.governance.personal_information.kinds import KINDS
from liangji.libraries import scanning
from liangji.locales import text


@click.command(help=say("help.scan.text"))
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--kinds", help=say("help.scan.kinds"))
@click.option(
    "--minimum-confidence",
    type=click.Choice(["high", "low"]),
    default="high",
    show_default=True,
    help=say("help.scan.minimum_confidence"),
)
@click.option("--show", is_flag=True, help=say("help.scan.show"))
@json_option
def scan(paths: tuple[Path, ...], kinds: str | None, minimum_confidence: str, *, show: bool, as_json: bool) -> None:
    unreadable: list[Fault] = []

    def hear(item: Fault | Note) -> None:
        if isinstance(item, Fault):
            unreadable.append(item)

    wanted = [name.strip() for name in kinds.split(",")] if kinds else None
    counts: Counter[tuple[str, str]] = Counter()
    try:
        findings = scanning.scan(
            paths, kinds=wanted, minimum_confidence=cast("Literal['high', 'low']", minimum_confidence), show=show, report=hear
        )
        for finding in findings:
            counts[finding["file"], finding["kind"]] += 1
            if as_json:
                write_json(finding)
            elif show:
                click.echo(
                    f"{finding['file']}:{finding['record']}:{finding['field']}:{finding['start']} {finding['kind']} {finding['value']}"
                )
    except ValueError as error:
        raise UsageError(str(error), "--kinds", f"known: {', '.join(KINDS)}") from error
    for fault in unreadable:
        where = place(fault.origin, fault.line)
        tell(f"{click.style(say('scan.unreadable'), fg='yellow')} {where}: {explained(fault.code, fault.what)}")
    if not as_json and not show:
        rows = [
            (file, text(f"personal_information.kinds.{kind}", language()), kind, count)
            for (file, kind), count in sorted(counts.items())
        ]
        write_table([say(f"scan.{name}") for name in ("file", "name", "kind", "count")], rows)
    tell(say("scan.done", files=len({file for file, _ in counts}), findings=sum(counts.values())))
