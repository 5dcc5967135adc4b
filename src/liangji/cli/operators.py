"""`liangji operators`: every tool that is installed."""

from __future__ import annotations

import inspect
from itertools import groupby
from typing import Any

import click
from pydantic import TypeAdapter

from liangji.cli.output import json_option, language, say, write_json, write_table
from liangji.core import registry
from liangji.core.operator import rule_source, summary
from liangji.locales import text


@click.group(help=say("help.operators.summary"))
def operators() -> None: ...


def describe(name: str) -> dict[str, Any]:
    """Give the facts of one operator: module, kind, modality, version, options, source of its rule."""
    kind = registry.load(registry.Group.OPERATORS, name)
    schema = TypeAdapter(kind).json_schema()
    module = kind.__module__.split(".")
    return {
        "name": name,
        "module": module[2] if module[:2] == ["liangji", "pipeline"] else module[0],
        "kind": str(kind.kind),
        "modality": str(kind.modality),
        "version": kind.version,
        "label": _word("labels", name) or summary(kind),
        "does": summary(kind),
        "source": rule_source(kind),
        "options": list(schema.get("properties", {})),
        "schema": schema,
        "text": inspect.getdoc(kind) or "",
    }


@operators.command("list", help=say("help.operators.list"))
@json_option
def list_(*, as_json: bool) -> None:
    found = [describe(name) for name in registry.names(registry.Group.OPERATORS)]
    if as_json:
        write_json([{key: value for key, value in item.items() if key not in ("schema", "text")} for item in found])
        return
    found.sort(key=lambda item: (item["module"], item["kind"], item["name"]))
    for module, items in groupby(found, key=lambda item: item["module"]):
        click.secho(f"\n{_word('modules', module) or module}", bold=True)
        for item in items:
            click.echo(f"  {click.style(item['name'], fg='cyan')}  {item['label']}  [{item['kind']} · v{item['version']}]")
            if item["options"]:
                click.echo(f"      {say('operators.options')}: {', '.join(item['options'])}")
            click.echo(f"      {say('operators.source')}: {item['source'] or '-'}")
    click.echo(f"\n{say('operators.count', count=len(found))}")


def _word(topic: str, key: str) -> str:
    """Name an operator or a module in the reader's language; a stranger's by its own word."""
    try:
        return text(f"operators.{topic}.{key}", language())
    except KeyError:
        return ""


@operators.command(help=say("help.operators.show"))
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    found = describe(name)
    if as_json:
        write_json(found)
        return
    click.echo(f"{click.style(name, bold=True)}  {found['kind']} · {found['module']} · {found['modality']} · v{found['version']}\n")
    click.echo(found["text"] + "\n")
    properties: dict[str, Any] = found["schema"].get("properties", {})
    definitions = found["schema"].get("$defs", {})
    rows = [
        (key, type_of(item, definitions), _default(key, item, found["schema"]), item.get("description", ""))
        for key, item in properties.items()
    ]
    write_table([say(f"operators.{key}") for key in ("option", "type", "default", "meaning")], rows)


def _default(key: str, item: dict[str, Any], schema: dict[str, Any]) -> str:
    if key in schema.get("required", []):
        return say("operators.required")
    return str(item.get("default", "-"))


def type_of(item: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Say which values an option takes, from its JSON Schema."""
    item = definitions.get(item.get("$ref", "").rpartition("/")[2], item)
    if "enum" in item:
        return " | ".join(str(value) for value in item["enum"])
    if "anyOf" in item:
        return " | ".join(type_of(branch, definitions) for branch in item["anyOf"])
    return str(item.get("const") or item.get("type") or "-")
