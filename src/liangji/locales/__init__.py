"""Every word a person reads, in Chinese and English: one YAML file a topic under `zh/` and `en/`, with the same keys in both."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

Language = Literal["zh", "en"]


@cache
def topic(name: str, language: Language) -> dict[str, Any]:
    """Read all words of one topic: nested mappings of strings."""
    path = files(__name__) / language / f"{name}.yaml"
    words: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return words


def text(key: str, language: Language, **values: object) -> str:
    """Say something: `topic.key.subkey`, with values put in for `{name}`.

    Raises: KeyError where the key is missing, which the tests exclude for both languages.
    """
    name, *path = key.split(".")
    found: Any = topic(name, language)
    for part in path:
        found = found[part]
    return str(found).format(**values)
