"""`liangji report`: the quality report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import click

from liangji.cli.output import language, open_workspace, say, tell, workspace_options
from liangji.libraries.datasets import reporting
from liangji.locales import Language


@click.command(help=say("help.report.text"))
@click.argument("dataset")
@click.option("--version", "reference", help=say("help.datasets.version"))
@click.option(
    "--format", "form", type=click.Choice(["html", "json"]), default="html", show_default=True, help=say("help.report.format")
)
@click.option("--json", "as_json", is_flag=True, help=say("help.report.json"))
@click.option("--requirements", type=click.Path(path_type=Path, dir_okay=False, exists=True), help=say("help.report.requirements"))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help=say("help.report.out"))
@click.option("--lang", type=click.Choice(["zh", "en"]), default=language(), help=say("help.report.language"))
@workspace_options
def report(
    dataset: str,
    reference: str | None,
    form: str,
    requirements: Path | None,
    out: Path | None,
    lang: str,
    *,
    as_json: bool,
    **place: Any,
) -> None:
    chosen = cast("reporting.ReportFormat", "json" if as_json else form)
    page = reporting.report(open_workspace(**place), dataset, reference, chosen, cast("Language", lang), requirements)
    if out is None:
        sys.stdout.buffer.write(page.encode())
        return
    out.write_text(page, "utf-8")
    tell(say("report.written", file=out))
