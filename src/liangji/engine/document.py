"""A YAML document that a person writes, a recipe or requirements: every fault is told at once, with line, field and mend."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import TypeAdapter

from liangji.core import registry
from liangji.core.errors import DocumentError, DocumentFault

_ALLOWED = re.compile(r"'([^']*)'|(\d+)")  # what pydantic lists: 'a', 'b' or 1


class Document:
    """A YAML document as plain values, with the line of each field and the faults found so far."""

    def __init__(
        self, file: str, error: type[DocumentError], examples: Mapping[str, str] | None = None, hidden: Sequence[str] = ()
    ) -> None:
        """`examples`: what a field may hold, as YAML; `hidden`: fields that nobody writes."""
        self.file = file
        self.faults: list[DocumentFault] = []
        self._error, self._examples, self._hidden = error, examples or {}, hidden
        self._lines: dict[tuple[Any, ...], int] = {}

    def load(self, text: str) -> Any:
        try:
            node = yaml.compose(text, yaml.SafeLoader)
            return None if node is None else self._value(node, (), frozenset())
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 0
            fault = DocumentFault(line, "", f"not YAML: {error.problem}", "check indentation, quotes and brackets near this line")
            raise self._error(self.file, (fault,)) from error
        except (yaml.YAMLError, ValueError) as error:  # an unprintable character, a date that is none
            raise self._error(self.file, (DocumentFault(0, "", f"not YAML: {error}", "save it as plain UTF-8 text"),)) from error

    def _value(self, node: yaml.Node, path: tuple[Any, ...], open_nodes: frozenset[int]) -> Any:
        self._lines[path] = node.start_mark.line + 1
        if id(node) in open_nodes:
            self.report(path, "an alias may not contain itself", "write the value out")
            return None
        inside = open_nodes | {id(node)}
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, inside)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(child, (*path, index), inside) for index, child in enumerate(node.value)]
        return yaml.SafeLoader("").construct_object(node)

    def _mapping(self, node: yaml.MappingNode, path: tuple[Any, ...], inside: frozenset[int]) -> dict[Any, Any]:
        values: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key, str):
                self.report(path, "a name must be plain text", "write `name: value`")
                continue
            if key in values:
                first = self._lines[(*path, key)]
                self.faults.append(
                    DocumentFault(
                        key_node.start_mark.line + 1,
                        dotted((*path, key)),
                        f"duplicate key, first on line {first}",
                        "keep one of them",
                    )
                )
                continue
            values[key] = self._value(value_node, (*path, key), inside)
            self._lines[(*path, key)] = key_node.start_mark.line + 1
        return values

    def line(self, path: tuple[Any, ...]) -> int:
        """Give the line of a field, or of the nearest thing around it that was written."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 0)

    def report(self, path: tuple[Any, ...], what: str, mend: str) -> None:
        self.faults.append(DocumentFault(self.line(path), dotted(path), what, mend))

    def fault(self, problem: Mapping[str, Any], model: Any, prefix: tuple[Any, ...] = ()) -> DocumentFault:
        """Turn a fault of pydantic into one of ours: the line, the field, and what may stand there."""
        location = tuple(part for part in problem["loc"] if (*prefix, part) in self._lines or not _is_branch(part))
        path = (*prefix, *location)
        if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            known = [name for name in _schema_of(model, location[:-1]).get("properties", {}) if name not in self._hidden]
            return DocumentFault(
                self.line(path), dotted(path), f"unknown name '{location[-1]}'", registry.suggestion(str(location[-1]), known)
            )
        what = str(problem["msg"]).removeprefix("Value error, ")
        return DocumentFault(self.line(path), dotted(path), what, self._mend(problem, _schema_of(model, location), location))

    def _mend(self, problem: Mapping[str, Any], schema: Mapping[str, Any], location: tuple[Any, ...]) -> str:
        kind, meaning = problem["type"], schema.get("description", "")
        name = next((part for part in reversed(location) if isinstance(part, str)), "")
        if kind.startswith("missing"):
            return _joined(f"add `{name}: {self._examples.get(name) or _example(schema)}`", meaning)
        if kind in ("enum", "literal_error"):
            known = [word or number for word, number in _ALLOWED.findall(str(problem["ctx"]["expected"]))]
            return registry.suggestion(str(problem["input"]), known)
        if kind == "string_pattern_mismatch" and name in self._examples:
            return _joined(f"write it like `{name}: {self._examples[name]}`", meaning)
        return meaning if kind in ("value_error", "string_pattern_mismatch") else _joined(_form(schema), meaning)


def dotted(path: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in path)


def _is_branch(part: Any) -> bool:
    """Tell pydantic's own names of union branches (`list[str]`, `function-after[…]`) from fields."""
    return isinstance(part, str) and re.search(r"[\[\]()]|^(str|int|float|bool)$", part) is not None


def _schema_of(model: Any, location: tuple[Any, ...]) -> dict[str, Any]:
    """Find the JSON Schema of a field, its description beside it; empty where nothing is known of it."""
    whole = TypeAdapter(model).json_schema()
    definitions = whole.get("$defs", {})
    here = _resolved(whole, definitions)
    for part in location:
        if isinstance(part, int):
            below = here.get("items", {})
        else:
            below = here.get("properties", {}).get(part) or here.get("additionalProperties") or {}
        here = _resolved(below if isinstance(below, dict) else {}, definitions)
    return here


def _resolved(schema: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Follow a reference, and of several branches the first that is not null; the description beside them is kept."""
    branches = [branch for branch in schema.get("anyOf", ()) if branch.get("type") != "null"]
    inner = branches[0] if branches else definitions.get(schema.get("$ref", "").rpartition("/")[2])
    if inner is None:
        return schema
    beside = {name: value for name, value in schema.items() if name not in ("anyOf", "$ref")}
    return {**_resolved(inner, definitions), **beside}


_EXAMPLE_OF_TYPE = {"string": "…", "integer": "1", "number": "0.5", "boolean": "true", "array": "[…]", "object": "{name: value}"}
_NAME_OF_TYPE = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list: [a, b]",
    "object": "a mapping: {name: value}",
}


def _example(schema: Mapping[str, Any]) -> str:
    choices = schema.get("enum") or [schema.get("const")]
    return str(choices[0]) if choices[0] is not None else _EXAMPLE_OF_TYPE.get(schema.get("type", ""), "…")


def _form(schema: Mapping[str, Any]) -> str:
    """Say what may be written: its type and its limits."""
    if schema.get("enum"):
        return f"write one of {', '.join(map(str, schema['enum']))}"
    limits = [f"{sign} {schema[name]}" for name, sign in _LIMITS.items() if name in schema]
    name = _NAME_OF_TYPE.get(schema.get("type", ""), "")
    wanted = " ".join(filter(None, (name, " and ".join(limits))))
    return f"write {wanted}" if wanted else ""


_LIMITS = {
    "minimum": ">=",
    "exclusiveMinimum": ">",
    "maximum": "<=",
    "exclusiveMaximum": "<",
    "minLength": "of length >=",
    "minItems": "with entries >=",
}


def _joined(*parts: str) -> str:
    return ": ".join(filter(None, parts))
