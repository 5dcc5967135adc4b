"""Items of benchmarks: the usual shapes of question, options and answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liangji.pipeline.aggregation.raw_fields import Payload, Unfit, as_plain, first_present, listed_names, type_name

_STEM = ("question", "problem", "stem", "input", "prompt", "instruction", "query", "问题", "题目", "题干")

_PASSAGE = ("passage", "article", "context", "材料", "背景")

_OPTIONS = ("options", "choices", "candidates", "选项")

_KEY = (
    "answer",
    "label",
    "std_answer",
    "target",
    "answerKey",
    "correct",
    "gold",
    "output",
    "solution",
    "答案",
    "标准答案",
    "正确答案",
)


def _option_list(fields: Mapping[str, Any], used: set[str]) -> list[str] | None:
    name = first_present(fields, _OPTIONS)
    if name is None:
        letters = [letter for letter in "ABCDEFGHIJ" if fields.get(letter) is not None]
        used.update(letters)
        return [as_plain(fields[letter], letter) for letter in letters] or None
    value = fields[name]
    used.add(name)
    if isinstance(value, dict):
        value = value["text"] if isinstance(value.get("text"), list) else list(value.values())
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        raise Unfit("bad_options", f"field '{name}' holds {type_name(value)}, not a list", "write options as a list of strings")
    return [as_plain(option.get("text", option.get("value")) if isinstance(option, dict) else option, name) for option in value]


def benchmark_payload(fields: Mapping[str, Any]) -> Payload:
    used: set[str] = set()
    stem = first_present(fields, _STEM)
    if stem is None and _is_headless_choice(fields):
        values = list(fields.values())
        return [as_plain(values[0], "1"), [as_plain(value, "option") for value in values[1:-1]], values[-1]], set(fields)
    key = first_present(fields, tuple(name for name in _KEY if name != stem))
    if stem is None or key is None:
        lacks = "question" if stem is None else "answer"
        mend = f"map it: `fields: {{{lacks}: …}}`"
        raise Unfit(f"no_{lacks}", f"has no field for the {lacks}; fields: {listed_names(fields)}", mend)
    question = as_plain(fields[stem], stem)
    passage = first_present(fields, _PASSAGE)
    if passage and passage != stem and isinstance(fields[passage], str) and fields[passage]:
        question = f"{fields[passage]}\n\n{question}"
        used.add(passage)
    answer = fields[key]
    if isinstance(answer, list):
        answer = ", ".join(as_plain(part, key) for part in answer)
    options = _option_list(fields, used)
    return [question, options, as_plain(answer, key)], used | {stem, key}


def _is_headless_choice(fields: Mapping[str, Any]) -> bool:
    """Tell a row of a table without header: question, options, and a letter that names one of them."""
    values = list(fields.values())
    names = [f"column_{number}" for number in range(1, len(values) + 1)]
    return (
        4 <= len(values) <= 8
        and list(fields) == names
        and isinstance(values[-1], str)
        and values[-1] in "ABCDEF"[: len(values) - 2]
    )
