"""What is installed: operators, connectors and exporters, found by entry point, so that ours and a stranger's plug in alike.

A package adds an operator with one line of its own `pyproject.toml`; nothing is loaded before it is used::

    [project.entry-points."liangji.operators"]
    my_rule = "my_package.rules:MyRule"
"""

from __future__ import annotations

import difflib
from enum import StrEnum
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from liangji.core.errors import UnknownName, UsageError


class Group(StrEnum):
    OPERATORS = "liangji.operators"
    CONNECTORS = "liangji.connectors"
    EXPORTERS = "liangji.exporters"


@cache
def _entries(group: Group) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in sorted(entry_points(group=group), key=lambda entry: (entry.name, entry.value)):
        if entry.name in found and found[entry.name].value != entry.value:
            raise UsageError(
                f"two packages register '{entry.name}'",
                f"{found[entry.name].value} and {entry.value}",
                "uninstall one of them",
            )
        found[entry.name] = entry
    return found


def names(group: Group) -> list[str]:
    """List what is installed, by name."""
    return sorted(_entries(group))


def load(group: Group, name: str) -> Any:
    """Import what is registered under a name.

    Raises: UnknownName, with the nearest known one; UsageError where an optional part is not installed.
    """
    entry = _entries(group).get(name)
    if entry is None:
        raise UnknownName(f"no '{name}' among the {group.removeprefix('liangji.')}", "", suggestion(name, names(group)))
    try:
        return entry.load()
    except ModuleNotFoundError as missing:
        raise UsageError(f"'{name}' needs the package '{missing.name}'", entry.value, f"pip install {missing.name}") from missing


def suggestion(name: str, known: list[str]) -> str:
    """Name the nearest known name, or list them all."""
    near = difflib.get_close_matches(name, known, 1, 0.6)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
