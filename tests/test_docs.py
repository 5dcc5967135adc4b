"""The generated pages say what the code does."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def generated() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pages: dict[str, str] = module.pages()
    return pages


def test_the_reference_is_as_the_code_is() -> None:
    stale = [name for name, text in generated().items() if (ROOT / "docs" / "reference" / name).read_text("utf-8") != text]
    assert stale == [], "run `make docs`"


@pytest.mark.parametrize("pair", [("README.md", "README.zh.md")])
def test_both_readmes_give_the_same_commands(pair: tuple[str, str]) -> None:
    english, chinese = (list(_code(ROOT / name)) for name in pair)
    assert english == chinese


def _code(page: Path) -> list[str]:
    """Take the lines of all shell blocks, without comments."""
    lines, inside = [], False
    for line in page.read_text("utf-8").splitlines():
        if line.startswith("```"):
            inside = line.startswith("```sh") and not inside
        elif inside:
            lines.append(line.partition("#")[0].rstrip())
    return lines
