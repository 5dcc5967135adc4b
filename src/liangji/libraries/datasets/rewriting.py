"""Change options of `keep` steps in the text of a recipe; all else stays as a person wrote it, comments included."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import yaml

from liangji.core.errors import LiangjiError, UsageError
from liangji.engine.recipe import Recipe, parse_recipe
from liangji.pipeline.cleaning.rules import Keep


@dataclass(frozen=True, slots=True)
class RuleChanges:
    """What to write into the options of a `keep` step."""

    overrides: dict[str, float | bool] = field(default_factory=dict)  # in place of those that stand there; empty: they stay
    rules: dict[int, str] = field(default_factory=dict)  # position in `rules` → its condition
    where: str | None = None  # None: stays

    def __bool__(self) -> bool:
        return bool(self.overrides or self.rules or self.where is not None)


class _Edit(NamedTuple):
    start: int  # characters of the text
    end: int
    text: str


def rewritten(recipe: Recipe, changes: Mapping[int, RuleChanges]) -> str:
    """Give the text of a recipe with other options in its `keep` steps, each named by its line.

    Raises: UsageError where the text is written so that a change cannot be put in its place (aliases, for one).
    """
    edits = sorted(edit for line, change in changes.items() if change for edit in _edits(recipe, line, change))
    text, end = "", 0
    for edit in edits:
        text += recipe.text[end : edit.start] + edit.text
        end = edit.end
    text += recipe.text[end:]
    if not _is_as_meant(recipe, text, changes):
        raise UsageError("the recipe cannot be changed by machine as it is written", recipe.file, "write the changes in by hand")
    return text


def flow(overrides: Mapping[str, float | bool]) -> str:
    """Write `overrides` on one line."""
    return "{" + ", ".join(f"{reason}: {written(value)}" for reason, value in overrides.items()) + "}"


def written(value: float | bool) -> str:
    """Write a threshold as a person would."""
    return "false" if value is False else f"{value:.15g}"


def _edits(recipe: Recipe, line: int, change: RuleChanges) -> Iterator[_Edit]:
    options = _entries(_options_node(recipe, line))
    if change.overrides:
        if "overrides" in options:
            yield _replaced(options["overrides"][1], flow(change.overrides))
        elif "preset" in options:
            key, value = options["preset"]
            is_flow = recipe.text[key.start_mark.index - key.start_mark.column : key.start_mark.index].strip(" -") != ""
            before = ", " if is_flow else "\n" + " " * key.start_mark.column
            end = value.end_mark.index
            yield _Edit(end, end, f"{before}overrides: {flow(change.overrides)}")
    if change.where is not None and "where" in options:
        yield _replaced(options["where"][1], json.dumps(change.where, ensure_ascii=False))
    for index, where in change.rules.items():
        rule = _entries(options["rules"][1].value[index])
        yield _replaced(rule["where"][1], json.dumps(where, ensure_ascii=False))


def _options_node(recipe: Recipe, line: int) -> yaml.Node:
    """Find the options of the step that starts on a line."""
    for step in _entries(yaml.compose(recipe.text, yaml.SafeLoader))["steps"][1].value:
        for key, value in _entries(step).values():
            if key.start_mark.line + 1 == line:
                return value
    raise UsageError(f"no step starts on line {line}", recipe.file)


def _entries(node: yaml.Node | None) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    return {key.value: (key, value) for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}


def _replaced(node: yaml.Node, text: str) -> _Edit:
    last = node
    while isinstance(last, yaml.CollectionNode) and not last.flow_style and last.value:
        last = last.value[-1][1] if isinstance(last, yaml.MappingNode) else last.value[-1]  # else blank lines would go with it
    if isinstance(last, yaml.ScalarNode) and last.style in ("|", ">"):
        text += "\n"  # a block scalar ends with its line
    return _Edit(node.start_mark.index, last.end_mark.index, text)


def _is_as_meant(recipe: Recipe, text: str, changes: Mapping[int, RuleChanges]) -> bool:
    """See that the new text says what was asked for, and nothing else."""
    try:
        found = parse_recipe(text, recipe.file, recipe.folder)
    except LiangjiError:
        return False
    if len(found.steps) != len(recipe.steps):
        return False
    return all(
        _is_changed_so(old.operator, new.operator, changes.get(old.line))
        for old, new in zip(recipe.steps, found.steps, strict=True)
    )


def _is_changed_so(old: object, new: object, change: RuleChanges | None) -> bool:
    if not change or not isinstance(old, Keep) or not isinstance(new, Keep):
        return old == new
    rules = [change.rules.get(index, rule.where) for index, rule in enumerate(old.rules)]
    return (
        dict(new.overrides) == dict(change.overrides or old.overrides)
        and [rule.where for rule in new.rules] == rules
        and new.where == (old.where if change.where is None else change.where)
    )
