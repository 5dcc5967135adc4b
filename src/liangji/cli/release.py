"""`liangji release` and `liangji verify`: the package that is handed over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from liangji.cli.output import json_option, labelled, open_workspace, say, tell, workspace_options, write_json
from liangji.core.units import format_size
from liangji.libraries.datasets import releasing


@click.command(help=say("help.release.text"))
@click.argument("dataset")
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path, file_okay=False), help=say("help.release.to"))
@click.option("--version", "reference", help=say("help.datasets.version"))
@click.option("--splits", help=say("help.release.split"))
@click.option("--requirements", type=click.Path(path_type=Path, dir_okay=False, exists=True), help=say("help.report.requirements"))
@click.option("--also", multiple=True, metavar="NAME", help=say("help.release.also"))
@json_option
@workspace_options
def release(
    dataset: str,
    folder: Path,
    reference: str | None,
    splits: str | None,
    requirements: Path | None,
    also: tuple[str, ...],
    *,
    as_json: bool,
    **place: Any,
) -> None:
    workspace = open_workspace(**place)
    made = releasing.release(workspace, dataset, reference, folder=folder, splits=splits, requirements=requirements, also=also)
    if as_json:
        write_json({**_plain_folder(made), "folder": str(made.folder)})
        return
    click.echo(say("release.done", folder=made.folder))
    click.echo(say("release.digest", digest=made.digest, files=made.files, size=format_size(made.size_bytes)))
    click.echo(say("release.verify", folder=made.folder, digest=made.digest))
    for remark in made.remarks:
        words = say("release.remark", rows=f"{remark.rows:,}", total=f"{made.rows:,}", what=remark.what)
        tell(f"{click.style('!', fg='yellow')} {words}")
        mend = say("release.state" if remark.is_stated else "release.correct", field=remark.field)
        tell(f"  {labelled('mend', mend)}")


@click.command(help=say("help.verify.text"))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--digest", help=say("help.verify.digest"))
@json_option
def verify(folder: Path, digest: str | None, *, as_json: bool) -> int:
    found = releasing.verify(folder, digest)
    if as_json:
        write_json({**_plain_folder(found), "is_sound": found.is_sound})
    else:
        for problem in found.problems:
            click.echo(f"{click.style('✗', fg='red')} {problem.file}: {problem.what}")
        for remark in found.remarks:
            tell(f"{click.style('!', fg='yellow')} {remark.file}: {remark.what}")
        words = say("verify.good" if found.is_sound else "verify.bad", files=found.files, rows=f"{found.rows:,}", id=found.version_id,
                    problems=len(found.problems))  # fmt: skip
        click.echo(words)
        click.echo(say("verify.digest", digest=found.digest))
    return 0 if found.is_sound else 1


def _plain_folder(facts: Any) -> dict[str, Any]:
    """Give facts as plain values, the folder as a string."""
    names = (name for name in facts.__dataclass_fields__ if not name.startswith("_"))
    return {name: str(value) if isinstance(value := getattr(facts, name), Path) else value for name in names}
