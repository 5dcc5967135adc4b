"""A build over web pages keeps what the author wrote and leaves out what surrounds it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.acceptance.conftest import Builder, json_lines, members

ARCHIVE = "text/html_pages_made.tar.zst"


def paragraphs(text: str) -> Counter[str]:
    """Lines that are not blank, with runs of white space as one space."""
    return Counter(" ".join(line.split()) for line in text.split("\n") if line.strip())


def five_grams(text: str) -> Counter[str]:
    squeezed = "".join(text.split())
    return Counter(squeezed[start : start + 5] for start in range(max(1, len(squeezed) - 4)))


def f1(found: Counter[str], wanted: Counter[str]) -> float:
    """F1 of two multisets: 2 × shared / (found + wanted)."""
    return 2 * (found & wanted).total() / (found.total() + wanted.total())


def test_the_main_text_of_pages_agrees_with_what_was_written(built: Builder, shared_data: Path) -> None:
    """Mean over pages of the F1 of paragraphs, of character five-grams; and no page is lost or misread."""
    found = built("pages", [{"path": f"raw/{ARCHIVE}"}]).texts()
    truths = {
        f"raw/{ARCHIVE}!{truth['file']}": truth["main_text"] for truth in json_lines(members(shared_data / ARCHIVE)["truth.jsonl"])
    }
    assert len(truths) == 115
    of_paragraphs = [f1(paragraphs(found[origin]), paragraphs(truth)) for origin, truth in truths.items()]
    of_grams = [f1(five_grams(found[origin]), five_grams(truth)) for origin, truth in truths.items()]
    assert sum(of_paragraphs) / len(truths) >= 0.95
    assert sum(of_grams) / len(truths) >= 0.95
    assert min(of_grams) >= 0.8
