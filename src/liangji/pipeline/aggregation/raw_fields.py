"""The fields of one raw record: looked up by name or path, and taken as text; what does not fit is told with its mend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

Payload = tuple[list[Any], set[str]]  # values in the order of the schema, and the raw fields they came from


class Unfit(Exception):
    """A record that cannot become a row: what is missing, and how to mend it."""

    def __init__(self, code: str, what: str, mend: str) -> None:
        super().__init__(code, what, mend)
        self.code, self.what, self.mend = code, what, mend


def is_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and bool(value) and all(isinstance(part, str) for part in value))


def as_text(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return "\n".join(value)
    if value is None:
        raise Unfit("no_text", f"field '{name}' is null", "fill it in, or map another field: `fields: {text: …}`")
    raise Unfit(
        "not_a_string", f"field '{name}' holds {type_name(value)}, not a string", "write it as a string, or map another field"
    )


def type_name(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else type(value).__name__


def as_plain(value: Any, name: str) -> str:
    """Give a scalar as text: numbers are welcome where a short answer is wanted."""
    if isinstance(value, bool | int | float):
        return orjson.dumps(value).decode()
    return as_text(value, name)


def look_up(fields: Mapping[str, Any], path: str) -> Any:
    """Follow a path: the name as it stands, else part by part at its dots, numbers into lists.

    Raises: KeyError.
    """
    if path in fields:
        return fields[path]
    value: Any = fields
    for part in path.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise KeyError(path)
    return value


def listed_names(fields: Mapping[str, Any]) -> str:
    names = list(fields)
    return ", ".join(names[:12]) + (", …" if len(names) > 12 else "") if names else "none"


def first_present(fields: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """Name the first of some usual names that a record has, with something in it."""
    return next((name for name in names if fields.get(name) is not None), None)
