"""Every code that an error, a fault or a note can carry has a phrase in both languages."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import liangji
from liangji.core import errors
from liangji.core.errors import LiangjiError
from liangji.locales import Language, topic

SOURCE = Path(liangji.__file__).parent
INDICATORS = SOURCE / "pipeline" / "evaluation"  # their codes are those of a standard


def trees() -> list[ast.Module]:
    return [ast.parse(path.read_text("utf-8")) for path in sorted(SOURCE.rglob("*.py")) if INDICATORS not in path.parents]


def codes_in_source() -> set[str]:
    """Collect what is given as `code`: by name, by position, or as a default."""
    positions = {"Unfit": 0}  # an exception: its first argument is its code
    found: list[ast.expr | None] = []
    modules = trees()
    for tree in modules:
        for kind in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            fields = [
                item for item in kind.body if isinstance(item, ast.AnnAssign) and "ClassVar" not in ast.unparse(item.annotation)
            ]
            for position, item in enumerate(fields):
                if ast.unparse(item.target) == "code":
                    positions[kind.name] = position
                    found.append(item.value)
    for tree in modules:
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            found += [keyword.value for keyword in call.keywords if keyword.arg == "code"]
            position = positions.get(ast.unparse(call.func).rpartition(".")[2], len(call.args))
            found += call.args[position : position + 1]
    return {value.value for value in found if isinstance(value, ast.Constant) and isinstance(value.value, str)}


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_code_has_its_phrase(language: Language) -> None:
    kinds = {kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, LiangjiError)}
    found = codes_in_source() | kinds
    assert {"limit_exceeded", "unclosed_quote", "wrong_ending", "no_field", "recipe_error"} <= found  # the search still searches
    assert found - topic("errors", language)["codes"].keys() == set()


def test_a_phrase_is_short() -> None:
    assert [phrase for phrase in topic("errors", "zh")["codes"].values() if len(phrase) > 16] == []
