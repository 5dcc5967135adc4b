"""`liangji demo`: everything at once, from nothing."""

from __future__ import annotations

from pathlib import Path

import click

from liangji.cli.build import show_result, stoppable, summary, user
from liangji.cli.output import json_option, language, say, tell, write_json, write_table
from liangji.cli.progress import TerminalProgress
from liangji.core.units import format_size
from liangji.libraries.demo import DATASET, Shown, run_demo


@click.command(help=say("help.demo.text"))
@click.option(
    "--to",
    "folder",
    default="demo",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help=say("help.demo.directory"),
)
@click.option("--seed", default=7, show_default=True, type=click.IntRange(0), help=say("help.demo.seed"))
@click.option("--documents", default=1200, show_default=True, type=click.IntRange(200), help=say("help.demo.documents"))
@json_option
def demo(folder: Path, seed: int, documents: int, *, as_json: bool) -> int:
    with stoppable() as stop, TerminalProgress() as progress:
        shown = run_demo(
            folder,
            seed=seed,
            documents=documents,
            author=user() or "demo",
            language=language(),
            progress=progress,
            stop=stop,
            tell=lambda part: tell(say(f"demo.{part}", seed=seed, folder=folder)),
        )
    if as_json:
        write_json(
            {"build": summary(shown.build), "report": str(shown.report), "package": shown.package, "comparisons": shown.comparisons}
        )
    else:
        _show(shown)
    missed = any(item.found < item.planted for item in shown.comparisons)
    return 0 if shown.verification.is_sound and not missed else 1


def _show(shown: Shown) -> None:
    show_result(shown.build)
    click.echo(f"\n{click.style(say('demo.table'), bold=True)}")
    rows = [(say(f"demo.kinds.{item.kind}"), item.planted, item.found, say(f"demo.hows.{item.how}")) for item in shown.comparisons]
    write_table([say("demo.planted"), say("demo.count"), say("demo.found"), say("demo.how")], rows)
    package, folder = shown.package, shown.folder / shown.package.folder.name
    click.echo(say("verify.good" if shown.verification.is_sound else "verify.bad", files=package.files, rows=package.rows,
                   id=package.version_id, problems=len(shown.verification.problems)))  # fmt: skip
    click.echo(f"\n{click.style(say('demo.look'), bold=True)}")
    place = f"--workspace {shown.folder / 'workspace'}"
    for line in (
        f"{shown.report}  ({say('demo.see.report')})",
        f"{folder}  ({say('demo.see.package', size=format_size(package.size_bytes))})",
        f"liangji datasets rows {DATASET} --which dropped {place}",
        f"liangji verify {folder} --digest {package.digest}",
        f"{shown.folder / 'raw'}  ({say('demo.see.raw')})",
    ):
        click.echo(f"  {line}")
