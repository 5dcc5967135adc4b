"""`liangji doctor`: what is installed, reachable, writable."""

from __future__ import annotations

from pathlib import Path

import click

from liangji.cli.output import json_option, open_workspace, say, workspace_options, write_json, write_table
from liangji.libraries import health


@click.command(help=say("help.doctor.text"))
@json_option
@workspace_options
def doctor(*, as_json: bool, workspace: Path, database: str | None, objects: str | None) -> int:
    findings = list(health.examine(lambda: open_workspace(workspace, database, objects), workspace))
    bad = [finding for finding in findings if finding.state == "bad"]
    if as_json:
        write_json(findings)
    else:
        headings = [say(f"doctor.{name}") for name in ("what", "state", "detail", "mend")]
        write_table(headings, [(f.what, say(f"doctor.{f.state}"), f.detail, f.mend) for f in findings])
        click.echo(say("doctor.count", count=len(bad)) if bad else say("doctor.all_good"))
    return 1 if bad else 0
