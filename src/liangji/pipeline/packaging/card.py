"""The document of a package (说明文档, README): the twenty aspects of indicators 0101 to 0104, from the quality report.

The report comes as plain values (schema `liangji-quality-report-1`), because the modules of the pipeline do not know each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
import pyarrow as pa
from jinja2 import Environment, PackageLoader, StrictUndefined

from liangji.core.units import format_size
from liangji.locales import Language, text

_SAMPLE_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class CardFile:
    """One data file, as the document lists it."""

    path: str
    rows: int
    size_bytes: int
    split: str


def card(
    report: Mapping[str, Any], schema: pa.Schema, files: Sequence[CardFile], sample: Mapping[str, Any] | None, language: Language
) -> str:
    """Write the document in Markdown. `sample`: the first eleven-field record of the package; None where it has no rows."""
    return (
        _environment()
        .get_template("card.md.j2")
        .render(
            report=report,
            identity=report["identity"],
            card=_Words(report, language),
            schema=schema,
            files=files,
            sample=_shorten(sample),
            size=format_size,
        )
    )


def describe(report: Mapping[str, Any], language: Language) -> str:
    """Say in one sentence what the dataset is."""
    words = _Words(report, language)
    identity = report["identity"]
    return words.say("description", **{**identity, **words.kinds(), "rows": f"{report['counters']['rows']:,}"})


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("liangji.pipeline.packaging"),
        autoescape=False,  # noqa: S701  # Markdown: values go through `line` and `cell`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["line"] = _line
    environment.filters["cell"] = lambda value: _line(value).replace("|", "\\|")
    environment.filters["code"] = lambda value: "`" + " ".join(str(value).split()).replace("|", "\\|").replace("`", "'") + "`"
    return environment


class _Words:
    def __init__(self, report: Mapping[str, Any], language: Language) -> None:
        self._report, self._language = report, language

    def say(self, key: str, **values: object) -> str:
        return text(f"card.{key}", self._language, **values)

    def aspect(self, code: str) -> str:
        return text(f"indicators.aspects.{code}", self._language)

    def kinds(self) -> dict[str, str]:
        identity = self._report["identity"]
        return {
            "kind": text(f"report.kinds.{identity['kind']}", self._language),
            "modality": text(f"report.modalities.{identity['modality']}", self._language),
        }

    def sentence(self, aspect: Mapping[str, Any]) -> str:
        """Say what the facts tell of an aspect, or who must still tell it; a statement is quoted below."""
        if aspect["provision"] == "missing":
            return self.say("missing", role=text(f"indicators.roles.{aspect['provided_by']}", self._language))
        if aspect["provision"] == "statement":
            return ""
        is_media = self._report["identity"]["modality"] in ("image", "audio", "video")
        key = "scale_of_media" if aspect["code"] == "scale" and is_media else aspect["code"]
        return self.say(f"texts.{key}", **self._values(aspect["values"]))

    def deduplication(self, check: Mapping[str, Any]) -> list[str]:
        """Say what a step of deduplication measured of itself, and what it compared with."""
        sentences = []
        if check["total"]:
            sentences.append(self.say("texts.deduplication", step=check["step"], summary=check["summary"][self._language]))
        if check["against"]:
            sentences.append(self.say("texts.against", step=check["step"], versions=self._value(check["against"])))
        return sentences

    def _values(self, values: Mapping[str, Any]) -> dict[str, str]:
        counters = self._report["counters"]
        tokens = counters["tokens"]
        said = {name: self._value(value) for name, value in values.items()}
        extra = {
            "size": format_size(counters["size_bytes"]),
            "tokens": self.say("uncounted") if tokens is None else f"{tokens:,}",
            "created_time": self._report["identity"]["created_time"],
        }
        return {**extra, **said, **(self.kinds() if "kind" in values else {})}

    def _value(self, value: Any) -> str:
        if isinstance(value, list):
            return ("、" if self._language == "zh" else ", ").join(map(str, value)) or self.say("none")
        return f"{value:,}" if isinstance(value, int) else str(value)


def _line(value: object) -> str:
    """Put a value on one line of Markdown, with nothing in it that a reader would take for markup."""
    return " ".join(str(value).split()).replace("<", "&lt;").replace("](", "]\\(")


def _shorten(sample: Mapping[str, Any] | None) -> str:
    if sample is None:
        return "{}"
    content = [
        {**item, "content": f"{item['content'][:_SAMPLE_CHARACTERS]}…"} if len(item["content"] or "") > _SAMPLE_CHARACTERS else item
        for item in sample["data_content"]
    ]
    written = orjson.dumps({**sample, "data_content": content}, option=orjson.OPT_INDENT_2).decode()
    return written.replace("```", "'''")
