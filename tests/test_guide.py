"""The guide's recipes are valid, its commands exist, its links lead somewhere, and both languages show the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest
import yaml

from liangji.cli.main import cli
from liangji.core import registry
from liangji.engine.plan import make_plan
from liangji.engine.recipe import parse_recipe

GUIDE = Path(__file__).parent.parent / "docs" / "guide"
PAGES = sorted(GUIDE.glob("*.md"))
ENGLISH = [page for page in PAGES if not page.name.endswith(".zh.md")]
OF_THE_EXAMPLE = {"count_quantities"}  # the operator that `extending.md` adds; it is installed by nobody here
SECRETS = {"LIANGJI_PSEUDONYM_KEY": "a key for this test alone"}


class Block(NamedTuple):
    language: str
    line: int
    text: str

    @property
    def without_comments(self) -> str:
        return "\n".join(re.sub(r"(^|\s+)#( .*)?$", "", line) for line in self.text.splitlines())


def blocks(page: Path, *languages: str) -> list[Block]:
    """Take the fenced blocks of a page, of all languages where none is named."""
    return [block for block in _blocks(page) if not languages or block.language in languages]


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(found[1], text.count("\n", 0, found.start()) + 1, found[2])


RECIPES = [pytest.param(page, block, id=f"{page.name}:{block.line}") for page in PAGES for block in blocks(page, "yaml")]


@pytest.mark.parametrize(("page", "block"), RECIPES)
def test_every_recipe_of_the_guide_can_be_planned(page: Path, block: Block) -> None:
    written = yaml.safe_load(block.text)
    names = {step if isinstance(step, str) else next(iter(step)) for step in written.get("steps", [])}
    if names & OF_THE_EXAMPLE:
        assert names - OF_THE_EXAMPLE <= set(registry.names(registry.Group.OPERATORS))
        return
    plan = make_plan(parse_recipe(block.text, page.name, page.parent, SECRETS))
    assert plan.recipe.dataset
    assert plan.recipe.output.message


def test_the_guide_holds_recipes() -> None:
    assert len(RECIPES) >= 24


@pytest.mark.parametrize("english", ENGLISH, ids=lambda page: page.name)
def test_both_languages_show_the_same_code(english: Path) -> None:
    chinese = english.with_name(f"{english.stem}.zh.md")
    one, other = blocks(english), blocks(chinese)
    assert [block.language for block in one] == [block.language for block in other]
    for block, translated in zip(one, other, strict=True):
        if block.language != "text":  # what is printed is in the reader's language
            assert block.without_comments == translated.without_comments, f"{chinese.name}:{translated.line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_the_guide_exists_with_its_options(page: Path) -> None:
    for block in blocks(page, "sh"):
        for words in _commands(block.without_comments):
            command: click.Command = cli
            rest = words[1:]
            while isinstance(command, click.Group):
                below = command.get_command(click.Context(command), rest[0])
                assert below is not None, (page.name, words)
                command, rest = below, rest[1:]
            known = {name for option in command.params for name in option.opts}
            assert [word for word in rest if word.startswith("--") and word not in known] == [], (page.name, words)


def _commands(script: str) -> Iterator[list[str]]:
    for line in script.splitlines():
        if line.startswith("liangji "):
            yield re.split(r"\s+", line.partition("|")[0].strip())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
    assert links
