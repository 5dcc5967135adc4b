"""Options of `keep` are changed in a recipe's text, and nothing else in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from liangji.core.errors import UsageError
from liangji.engine.recipe import parse_recipe
from liangji.libraries.datasets.rewriting import RuleChanges, rewritten

HEAD = "# made by hand\ndataset: d  # a name\nkind: pretraining\ninputs:\n  - path: raw\nsteps:\n  - measure_text\n"
TAIL = "  # the end\n  - drop_exact_duplicates\noutput: {message: m}\n"
LINE = 8  # of the first step after measure_text


def changed(steps: str, change: RuleChanges, line: int = LINE) -> str:
    recipe = parse_recipe(HEAD + steps + TAIL, "recipe.yaml", Path())
    result = rewritten(recipe, {line: change})
    assert result.startswith(HEAD)
    assert result.endswith(TAIL)
    return result[len(HEAD) : len(result) - len(TAIL)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "  - keep: {preset: gopher}\n",
            "  - keep: {preset: gopher, overrides: {too_few_words: 20, words_too_long: 12.5}}\n",
        ),
        (
            "  - keep: {reason: r, preset: gopher, where: line_count > 1}  # why\n",
            "  - keep: {reason: r, preset: gopher, overrides: {too_few_words: 20, words_too_long: 12.5}, where: line_count > 1}  # why\n",
        ),
        (
            "  - keep:\n      preset: gopher  # published\n      where: line_count > 1\n",
            "  - keep:\n      preset: gopher\n      overrides: {too_few_words: 20, words_too_long: 12.5}  # published\n      where: line_count > 1\n",
        ),
        (
            "  - keep: {preset: gopher, overrides: {too_few_words: 5}}\n",
            "  - keep: {preset: gopher, overrides: {too_few_words: 20, words_too_long: 12.5}}\n",
        ),
        (
            "  - keep:\n      overrides:  # mine\n        too_few_words: 5\n        words_too_long: 9\n\n      preset: gopher\n",
            "  - keep:\n      overrides:  # mine\n        {too_few_words: 20, words_too_long: 12.5}\n\n      preset: gopher\n",
        ),
    ],
)
def test_overrides_are_set_where_they_belong(before: str, after: str) -> None:
    assert changed(before, RuleChanges({"too_few_words": 20.0, "words_too_long": 12.5})) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  - keep: {where: word_count > 5}\n", '  - keep: {where: "word_count > 7"}\n'),
        ("  - keep:\n      where: 'word_count > 5'  # few\n", '  - keep:\n      where: "word_count > 7"  # few\n'),
        (
            "  - keep:\n      where: >\n        word_count\n        > 5\n      reason: r\n",
            '  - keep:\n      where: "word_count > 7"\n      reason: r\n',
        ),
    ],
)
def test_a_condition_is_replaced_however_it_was_written(before: str, after: str) -> None:
    assert changed(before, RuleChanges(where="word_count > 7")) == after


def test_one_of_several_rules_is_replaced() -> None:
    before = '  - keep:\n      rules:\n        - {reason: a, where: "word_count > 5"}\n        - reason: b\n          where: matches(text, "\\d")\n'
    after = before.replace('matches(text, "\\d")', '"matches(text, \\"\\\\w\\")"')
    assert changed(before, RuleChanges(rules={1: 'matches(text, "\\w")'})) == after


def test_only_the_step_that_is_named_changes() -> None:
    before = "  - keep: {where: word_count > 5}\n  - keep: {where: word_count > 5}\n"
    after = '  - keep: {where: word_count > 5}\n  - keep: {where: "word_count > 7"}\n'
    assert changed(before, RuleChanges(where="word_count > 7"), LINE + 1) == after


def test_nothing_to_change_changes_nothing() -> None:
    before = "  - keep: {preset: gopher}\n"
    assert changed(before, RuleChanges()) == before


def test_what_cannot_be_changed_in_one_place_is_refused() -> None:
    before = "  - keep: &shared {where: word_count > 5}\n  - keep: *shared\n"
    with pytest.raises(UsageError, match="cannot be changed by machine"):
        changed(before, RuleChanges(where="word_count > 7"))
