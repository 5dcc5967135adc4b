"""Write docs/reference from the code: operators with their golden cases, recipe fields, commands in both languages, error codes.

`make docs` runs it; a test fails where the pages no longer say what the code does.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from liangji.cli.operators import describe, type_of
from liangji.core import errors, registry
from liangji.engine.recipe import Input, Limits, Output, Recipe, recipe_schema

ROOT = Path(__file__).parent
GOLDEN = ROOT.parent / "tests" / "golden"
GENERATED = "<!-- written by docs/generate.py: change the code, then `make docs` -->\n\n"


def pages() -> dict[str, str]:
    """Give every generated file: path below docs/reference → text."""
    return {
        "operators.md": GENERATED + "\n".join(_operators()),
        "recipe.md": GENERATED + "\n".join(_recipe()),
        "recipe.schema.json": json.dumps(recipe_schema(), indent=2, ensure_ascii=False) + "\n",
        "errors.md": GENERATED + "\n".join(_errors()),
        "commands.md": GENERATED + _commands("en"),
        "commands.zh.md": GENERATED + _commands("zh"),
    }


def _operators() -> Iterator[str]:
    found = sorted(
        (describe(name) for name in registry.names(registry.Group.OPERATORS)), key=lambda item: (item["module"], item["name"])
    )
    yield "# Operators\n"
    yield f"{len(found)} are installed. `liangji operators list` shows them; a package of yours adds its own by entry point.\n"
    module = ""
    for item in found:
        if item["module"] != module:
            module = item["module"]
            yield f"## {module}\n"
        yield f"### {item['name']}\n"
        yield f"{item['kind']} · {item['modality']} · version {item['version']}\n"
        yield f"```text\n{item['text']}\n```\n"
        yield from _options(item["schema"])
        yield from _golden(item["name"])


def _options(schema: dict[str, Any]) -> Iterator[str]:
    rows = schema.get("properties", {})
    if not rows:
        return
    yield "| option | type | default | meaning |\n|---|---|---|---|"
    for name, item in rows.items():
        cells = (
            f"`{name}`",
            _cell(type_of(item, schema.get("$defs", {}))),
            _default(name, item, schema),
            _cell(item.get("description", "")),
        )
        yield "| " + " | ".join(cells) + " |"
    yield ""


def _default(name: str, item: dict[str, Any], schema: dict[str, Any]) -> str:
    if name in schema.get("required", []):
        return "required"
    if "default" not in item:
        return "–"
    return "–" if isinstance(item["default"], dict | list) else f"`{_cell(str(item['default']))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _golden(name: str) -> Iterator[str]:
    for case in sorted((GOLDEN / name).glob("*.yaml")):
        yield f"Case `{case.stem}`:\n\n```yaml\n{case.read_text('utf-8').rstrip()}\n```\n"


def _recipe() -> Iterator[str]:
    yield "# Recipe\n"
    yield "A recipe is one YAML file. [recipe.schema.json](recipe.schema.json) is its JSON Schema, for editors.\n"
    for title, model in (("Recipe", Recipe), ("inputs: each entry", Input), ("output", Output), ("limits", Limits)):
        yield f"## {title}\n\n| field | type | default | meaning |\n|---|---|---|---|"
        schema = TypeAdapter(model).json_schema()
        for name, item in schema["properties"].items():
            if name not in ("text", "folder"):
                kind = "list of `name: {options}`" if name == "steps" else _cell(type_of(item, schema.get("$defs", {})))
                yield f"| `{name}` | {kind} | {_default(name, item, schema)} | {_cell(item.get('description', ''))} |"
        yield ""
    limits = TypeAdapter(Limits).json_schema()["$defs"]["ReadLimits"]
    yield "## limits.reading\n"
    yield from _options(limits)


def _errors() -> Iterator[str]:
    yield "# Errors\n"
    yield f"```text\n{inspect.getdoc(errors)}\n```\n\n| code | class |\n|---|---|"
    for name, kind in sorted(vars(errors).items()):
        if isinstance(kind, type) and issubclass(kind, errors.LiangjiError):
            yield f"| `{kind.code}` | `{name}` |"
    yield ""


def _commands(language: str) -> str:
    """Take the help of every command, in a process of its own: the language is chosen when the command line is imported."""
    environment = {**os.environ, "LIANGJI_LANG": language, "COLUMNS": "100", "USER": "user"}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("commands.py"))], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def main() -> None:
    folder = ROOT / "reference"
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, "utf-8")
        print(f"docs/reference/{name}")  # noqa: T201  # a script talks


if __name__ == "__main__":
    main()
