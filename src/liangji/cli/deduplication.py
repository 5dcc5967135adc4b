"""What the deduplication of a version measured of itself, in lines: for `liangji build` and `liangji datasets show`."""

from __future__ import annotations

from typing import Any

import click

from liangji.cli.output import language
from liangji.locales import text
from liangji.pipeline.evaluation.deduplication import deduplication_checks, summary

_VERSIONS_SHOWN, _ID_DIGITS = 4, 12


def write_deduplication(findings: dict[str, Any], indent: str = "") -> None:
    """Write a line for each step that planted copies, and one for each that compared with earlier versions."""
    for check in deduplication_checks(findings):
        if check.total:
            click.echo(indent + _say("line", step=check.step, summary=summary(check, language())))
        if check.against:
            click.echo(indent + _say("against", step=check.step, versions=_versions(check.against)))


def _versions(against: list[str]) -> str:
    shown = []
    for reference in against[:_VERSIONS_SHOWN]:
        name, _, version = reference.partition("@")
        shown.append(f"{name}@{version[:_ID_DIGITS]}")
    joined = ("、" if language() == "zh" else ", ").join(shown)
    return joined if len(against) <= _VERSIONS_SHOWN else f"{joined} {_say('others', count=len(against))}"


def _say(key: str, **values: object) -> str:
    return text(f"report.deduplication.{key}", language(), **values)
