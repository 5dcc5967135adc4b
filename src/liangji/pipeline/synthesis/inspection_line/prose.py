"""Maintenance prose: documents put together from the sentences and words in `vocabulary.yaml`.

A document is about one equipment and sticks to it: its parts, one symptom, one cause, what was measured and done. Two documents
may share a sentence's frame, never much more, so that they are no near duplicates of each other by accident.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

import yaml

Vocabulary = dict[str, Any]

# How many sentences of each role a document of a form takes, least and most, in order.
_FORMS: dict[str, tuple[tuple[str, int, int], ...]] = {
    "maintenance": (
        ("opening", 1, 1),
        ("background", 0, 1),
        ("finding", 2, 6),
        ("cause", 1, 2),
        ("action", 1, 4),
        ("verification", 1, 2),
        ("follow_up", 0, 2),
    ),
    "review": (
        ("background", 1, 2),
        ("opening", 1, 1),
        ("finding", 1, 3),
        ("cause", 1, 1),
        ("verification", 1, 1),
        ("lesson", 2, 4),
    ),
    "procedure": (("background", 1, 1), ("safety", 1, 2), ("procedure", 5, 9), ("lesson", 0, 1)),
    "handover": (("opening", 1, 2), ("finding", 1, 2), ("action", 1, 2), ("safety", 0, 1), ("follow_up", 1, 3)),
}
_HEADED_SHARE = 0.3
_SHORTEST, _LONGEST = 150, 900  # characters


@dataclass(frozen=True, slots=True)
class Prose:
    title: str
    text: str
    line: str
    equipment: str
    date: str


@cache
def vocabulary() -> Vocabulary:
    words: Vocabulary = yaml.safe_load((files(__package__) / "vocabulary.yaml").read_text("utf-8"))
    return words


def write_chinese(random: Random) -> Prose:
    """Write one Chinese document of 150 to 900 characters."""
    while True:
        prose = _Author(random).write()
        if _SHORTEST <= len(prose.text) <= _LONGEST:
            return prose


def write_english(random: Random) -> Prose:
    """Write one English maintenance note of six to ten sentences."""
    words = vocabulary()["english"]
    subject = {name: random.choice(words[name]) for name in ("equipment", "parts", "symptoms", "causes")}
    sentences = []
    for sentence in random.sample(words["sentences"], random.randint(6, 10)):
        person = random.choice(words["people"])
        slots = {
            "equipment": subject["equipment"],
            "part": subject["parts"] if random.random() < 0.6 else random.choice(words["parts"]),
            "symptom": subject["symptoms"] if random.random() < 0.6 else random.choice(words["symptoms"]),
            "cause": subject["causes"] if random.random() < 0.6 else random.choice(words["causes"]),
            "person": person,
            "person_start": person[0].upper() + person[1:],
            "shift": random.choice(words["shifts"]),
            "count": random.randint(12, 180),
            "small": random.randint(2, 9),
            "clock": _clock(random),
        }
        sentences.append(sentence.format_map(slots))
    cut = random.randint(3, len(sentences) - 2)
    text = " ".join(sentences[:cut]) + "\n\n" + " ".join(sentences[cut:])
    title = f"Maintenance note: {subject['equipment']}, {subject['parts']}"
    return Prose(title, text, f"line {random.randint(1, 5)}", subject["equipment"], _date(random))


class _Author:
    """What stays the same through one document, and the words that change from sentence to sentence."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.words = vocabulary()
        self.equipment = random.choice(self.words["equipment"])
        self.code = f"{self.equipment['code']}-{random.randint(1, 4):02}{random.randint(1, 60):02}"
        self.line = random.choice(self.words["lines"])
        self.section = random.choice(self.words["sections"])
        self.part, self.symptom, self.cause = (random.choice(self.equipment[name]) for name in ("parts", "symptoms", "causes"))
        self.date = _date(random)

    def write(self) -> Prose:
        form = self.random.choice(list(_FORMS))
        blocks = [self._block(role, least, most) for role, least, most in _FORMS[form]]
        blocks = [block for block in blocks if block]
        if self.random.random() < _HEADED_SHARE:
            text = self._with_headings(blocks, "procedure" if form == "procedure" else "maintenance")
        else:
            text = self._in_paragraphs(blocks)
        title = (
            f"{self.line}{self.equipment['name']}{self.part}{self.random.choice(['检修记录', '点检记录', '异常处理', '运行小结'])}"
        )
        return Prose(title, text, self.line, self.equipment["name"], self.date)

    def _block(self, role: str, least: int, most: int) -> list[str]:
        sentences = self.words["sentences"][role]
        chosen = self.random.sample(range(len(sentences)), self.random.randint(least, most))
        if role == "procedure":
            chosen.sort()  # steps have an order
        return [sentences[index].format_map(self._slots()) for index in chosen]

    def _slots(self) -> dict[str, Any]:
        random, words = self.random, self.words
        name, unit, low, high, decimals = random.choice(self.equipment["measures"])
        middle = (low + high) / 2
        return {
            **{key: random.choice(words[f"{key}s"]) for key in ("shift", "grade", "tool", "material", "lubricant", "adverb")},
            "person": random.choice(words["people"]),
            "equipment": self.equipment["name"],
            "code": self.code,
            "line": self.line,
            "section": self.section if random.random() < 0.7 else random.choice(words["sections"]),
            "part": self.part if random.random() < 0.6 else random.choice(self.equipment["parts"]),
            "symptom": self.symptom if random.random() < 0.7 else random.choice(self.equipment["symptoms"]),
            "cause": self.cause if random.random() < 0.7 else random.choice(self.equipment["causes"]),
            "action": random.choice(self.equipment["actions"]),
            "date": self.date if random.random() < 0.4 else _date(random),
            "clock": _clock(random),
            "measure": name,
            "unit": unit,
            "limit": f"{random.uniform(low, middle):.{decimals}f}",
            "value": f"{random.uniform(middle, high):.{decimals}f}",
            "count": random.randint(11, 98),
            "limit_days": random.choice([15, 20, 30, 45, 60, 90]),
            "small": random.randint(2, 9),
        }

    def _in_paragraphs(self, blocks: list[list[str]]) -> str:
        sentences = [sentence for block in blocks for sentence in block]
        if len(sentences) < 6 or self.random.random() < 0.35:
            return "".join(sentences)
        cut = self.random.randint(3, len(sentences) - 3)
        return "".join(sentences[:cut]) + "\n" + "".join(sentences[cut:])

    def _with_headings(self, blocks: list[list[str]], kind: str) -> str:
        headings = self.random.choice(self.words["headings"][kind])
        parts: list[list[str]] = [[] for _ in headings]
        for position, block in enumerate(blocks):
            parts[position * len(headings) // len(blocks)] += block
        numerals = "一二三四"
        return "\n".join(
            f"{numerals[position]}、{heading}\n{''.join(part)}"
            for position, (heading, part) in enumerate(zip(headings, parts, strict=True))
            if part
        )


def _date(random: Random) -> str:
    return f"{random.choice([2024, 2025])}年{random.randint(1, 12)}月{random.randint(1, 28)}日"


def _clock(random: Random) -> str:
    return f"{random.randint(0, 23)}:{random.randint(0, 59):02}"
