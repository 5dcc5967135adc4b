"""The rule language: what it gives, what it refuses, and that it never runs code."""

from __future__ import annotations

import contextlib

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangji.core.errors import UnknownName, UsageError
from liangji.core.expression import Expression, Threshold

BATCH = pa.RecordBatch.from_pydict(
    {
        "words": pa.array([10, 50, None, 200], pa.int32()),
        "share": pa.array([0.1, 0.3, None, 0.9], pa.float32()),
        "text": pa.array(["hello. world", "中文 text", None, ""], pa.large_string()),
        "flag": pa.array([True, False, None, True]),
    }
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("words >= 50", [False, True, False, True]),
        ("50 <= words < 200", [False, True, False, False]),
        ("not words >= 50", [True, False, False, False]),
        ("not (words >= 50)", [True, False, False, False]),
        ("share <= 0.3", [True, True, False, False]),  # 0.3 in float32 is above 0.3 in float64
        ("share == 0.1 or words == 200", [True, False, False, True]),
        ("words >= 50 or is_null(words)", [False, True, True, True]),
        ("words in (10, 200)", [True, False, False, True]),
        ("words not in (10, 200)", [False, True, False, False]),
        ("share in (0.1, 0.5)", [True, False, False, False]),
        ("words in (10.0, 0.5)", [True, False, False, False]),
        ('text in ("", "x")', [False, False, False, True]),
        ("words / 100 + share * 2 > 1", [False, True, False, True]),
        ("-words < -49.5", [False, True, False, True]),
        ("1 / (words - 10) > 0", [False, True, False, True]),
        ('contains(text, "中文")', [False, True, False, False]),
        (r'matches(text, "^\w+\.\s")', [True, False, False, False]),
        ("length(text) == 7", [False, True, False, False]),
        ("flag", [True, False, False, True]),
        ("flag == false", [False, True, False, False]),
        ("not flag and words > 1", [False, True, False, False]),
        ("true", [True, True, True, True]),
        ("1 < 2", [True, True, True, True]),
        ("words\n  > 20\n", [False, True, False, True]),
    ],
)
def test_a_condition_gives_for_each_row_whether_it_is_satisfied(text: str, expected: list[bool]) -> None:
    assert Expression.parse(text).evaluate(BATCH).to_pylist() == expected


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('id')",
        "words.__class__ == 1",
        "(lambda: 1)() == 1",
        "[x for x in (1,)] == 1",
        "open('/etc/passwd') == 1",
        "words[0] > 1",
        'f"{words}" == "1"',
        'b"a" == text',
        "words := 3",
        "words ** 2 > 1",
        "words if flag else share",
        "words is None",
        "None == words",
        "words + 1",
        "'text'",
        "",
        "   ",
        "words >",
        "words > 1; flag",
        "words > 1\x00",
        'contains(text, words) and contains(text, "a")',
        'matches(text, "(?=a)")',
        "contains(text)",
        'contains(text, "a", flags="i")',
        'words in "abc"',
        "words in ()",
        "words in (1, 'a')",
        "eval(text) == 1",
        "1e999 > words",
        f"{10**400} > words",
        f"{'9' * 5000} > words",
        f"{2**63} > words",
        "(" * 500 + "words > 1" + ")" * 500,
        "(" * 150 + "words > 1" + ")" * 150 + " and",
        "not " * 2000 + "flag",
        "-" * 9000 + "words > 1",
        " + ".join(["words"] * 3000) + " > 1",
        "x" * 20_000,
    ],
)
def test_what_is_no_rule_is_refused_with_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Expression.parse(text)
    assert caught.value.what
    assert caught.value.mend


@given(st.text(max_size=40) | st.text("wordshe() and not<>=+-*/.,'\"\\[]{}:0129e_", max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert Expression.parse(text).evaluate(BATCH).null_count == 0


def test_a_fault_names_its_place_in_characters() -> None:
    with pytest.raises(UsageError) as caught:
        Expression.parse('contains(text, "中文") and nope(words)')
    assert caught.value.what == "unknown function 'nope'"
    assert caught.value.where.startswith("character 26 of: ")


def test_an_unknown_column_gets_the_nearest_known_name() -> None:
    with pytest.raises(UnknownName) as caught:
        Expression.parse("share > 0 and wrods > 3").evaluate(BATCH)
    assert caught.value.what == "unknown column 'wrods'"
    assert caught.value.where == "character 15 of: share > 0 and wrods > 3"
    assert caught.value.mend == "did you mean 'words'?"


@pytest.mark.parametrize("text", ["text > 3", "words + text > 1", "words", "contains(words, 'a')", "not words", "flag + 1 > 0"])
def test_types_that_do_not_fit_are_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        Expression.parse(text).evaluate(BATCH)


def test_the_top_level_and_is_split_with_the_column_that_decides() -> None:
    parts = Expression.parse('words >= 50 and (share < 0.3 or flag) and not contains(text, "é and")').conjuncts()
    assert [(part.expression.text, part.column) for part in parts] == [
        ("words >= 50", "words"),
        ("share < 0.3 or flag", "share"),
        ('not contains(text, "é and")', "text"),
    ]
    assert Expression.parse("1 < 2").conjuncts()[0].column is None


def test_columns_come_in_the_order_in_which_they_are_named() -> None:
    assert Expression.parse('share > words and matches(text, "x") and share > 0').columns == ("share", "words", "text")


def test_a_threshold_can_be_moved() -> None:
    assert (
        Expression.parse('contains(text, "é 5") or words >= 50').with_threshold(20).text == 'contains(text, "é 5") or words >= 20'
    )
    assert Expression.parse("flag or share <= 0.3 or words == 7").with_threshold(0.5).evaluate(BATCH).to_pylist() == [
        True,
        True,
        False,
        True,
    ]
    with pytest.raises(UsageError):
        Expression.parse("flag").with_threshold(1)


def test_an_empty_batch_gives_no_rows() -> None:
    assert Expression.parse("words > 1 and text in ('a',)").evaluate(BATCH.slice(0, 0)).to_pylist() == []


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        ("words >= 50", Threshold("words", ">=", 50)),
        ("50 < words", Threshold("words", ">", 50)),
        ("a + b < 3 or a == 1", Threshold("a + b", "<", 3)),
        ("2 <= words <= 9", Threshold("words", ">=", 2)),
        ("length(text) > 1.5", Threshold("length(text)", ">", 1.5)),
        ("words * 2 > 50", None),  # the first number is not what something is compared with
        ("words == 50", None),
        ("words in (50, 60)", None),
        ("words > -50", None),
        ("is_null(words)", None),
    ],
)
def test_the_threshold_of_a_condition_is_found(text: str, threshold: Threshold | None) -> None:
    assert Expression.parse(text).threshold() == threshold


def test_what_a_threshold_is_held_against_is_calculated_for_each_row() -> None:
    batch = pa.RecordBatch.from_pydict({"a": [1, None, 3], "b": pa.array([0.5, 1, 2], pa.float32())})
    threshold = Expression.parse("a + b < 3").threshold()
    assert threshold is not None
    assert threshold.values(batch).to_pylist() == [1.5, None, 5.0]
