"""Shingles for libraries that take sets of strings: 5 words in English, 5 characters in Chinese, as their examples do."""

from __future__ import annotations

LENGTH = 5


def shingles(text: str, language: str) -> list[str]:
    if language == "zh":
        characters = "".join(text.split())
        return [characters[at : at + LENGTH] for at in range(max(1, len(characters) - LENGTH + 1))]
    words = text.lower().split()
    return [" ".join(words[at : at + LENGTH]) for at in range(max(1, len(words) - LENGTH + 1))]
