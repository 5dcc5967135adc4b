"""The quality report as one HTML file: no script, nothing loaded from elsewhere, made to be printed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from liangji.core.units import format_percent, format_size
from liangji.locales import Language, text, topic
from liangji.pipeline.evaluation import charts
from liangji.pipeline.evaluation.charts import Bar, FunnelStep, number_text
from liangji.pipeline.evaluation.deduplication import DeduplicationCheck, SimilarityRange, summary
from liangji.pipeline.evaluation.distributions import Distribution, Share
from liangji.pipeline.evaluation.indicators import Evidence, Result, State
from liangji.pipeline.evaluation.report import QualityReport, indicator_name

_WORDS_OF = {
    "found_by_kind": "kinds",
    "aspects": "aspects",
    "held": "fields",
    "covered": "fields",
    "wanted": "fields",
    "unmeasured_columns": "fields",
    "rows_without_value": "fields",
}  # evidence → group of words; others are among the values
_INPUTS, _REASONS, _SHARES, _DISTRIBUTIONS, _AGAINST = 200, 4, 12, 18, 20  # shown; the JSON report has them all


def to_html(report: QualityReport, language: Language = "zh") -> str:
    """Write a report as a page."""
    page = _Page(report, language)
    return _environment().get_template("report.html.j2").render(report=report, page=page, language=language, size=format_size)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("liangji.pipeline.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


class _Page:
    """Words and charts of one report in one language, as the template asks for them."""

    def __init__(self, report: QualityReport, language: Language) -> None:
        self._report, self._language = report, language

    def say(self, key: str, **values: object) -> str:
        return text(f"report.{key}", self._language, **values)

    def word(self, group: str, key: str) -> str:
        """Look up a word of the indicators; a name that is not ours (a reason, a column) stands for itself."""
        words: Mapping[str, str] = topic("indicators", self._language)[group]
        return words.get(key, key)

    def name(self, code: str) -> str:
        return indicator_name(code, self._language)

    def count(self, value: int | None) -> str:
        return self.say("values.unmeasured") if value is None else number_text(value)

    def percent(self, value: float | None) -> str:
        return "—" if value is None else f"{_floor(100 * value):.2f}%"

    def method(self, result: Result) -> str:
        return self.word("methods", result.method)

    def needs(self, result: Result) -> list[tuple[str, str]]:
        """Say who must do what; the details of the annex say theirs themselves."""
        own = {(need.who, need.what) for detail in result.details for need in detail.needs}
        needs = [need for need in result.needs if (need.who, need.what) not in own]
        return [(self.word("roles", need.who), self.word("needs", need.what)) for need in needs]

    def evidence(self, entry: Evidence) -> str:
        return f"{self.word('evidence', entry.name)}{self._colon}{self._value(entry.value, _WORDS_OF.get(entry.name, 'values'))}"

    @property
    def _colon(self) -> str:
        return "：" if self._language == "zh" else ": "

    def _value(self, value: Any, group: str) -> str:
        if isinstance(value, dict):
            shown = [
                f"{self._label(key, group)}{self._colon}{self._value(entry, group)}"
                if isinstance(entry, list)
                else f"{self._label(key, group)} {self._value(entry, group)}"
                for key, entry in value.items()
                if entry != []
            ]
            return ("；" if self._language == "zh" else "; ").join(shown) or self.say("values.none")
        if isinstance(value, list):
            return self._join([self._value(entry, group) for entry in value])
        return number_text(value) if isinstance(value, int) else self._label(str(value), group)

    def _label(self, name: str, group: str) -> str:
        """Say a name of the evidence: of a kind of personal information, of an aspect, or another of ours."""
        if group == "kinds":
            return str(topic("personal_information", self._language)["kinds"].get(name, name))
        if group == "fields":
            return self._known(group, name)
        return self.word(group, self.word("values", name))

    def reason(self, name: str) -> str:
        return self._known("reasons", name)

    def signal(self, name: str) -> str:
        return self._known("signals", name)

    def _known(self, group: str, name: str) -> str:
        """Say a name that others may have given: in words where it is one of ours, else as it is."""
        return str(topic("report", self._language)[group].get(name, name))

    def time(self, iso: str) -> str:
        return f"{datetime.fromisoformat(iso).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

    def _join(self, parts: list[str]) -> str:
        return ("、" if self._language == "zh" else ", ").join(parts) or self.say("values.none")

    def verdict(self) -> str:
        opened = sum(result.state is not State.MEASURED for result in self._report.indicators)
        if opened:
            return self.say("verdict_open", open=opened)
        return self.say("verdict_met" if all(one.reaches_pass_mark for one in self._report.dimensions) else "verdict_missed")

    def ledger(self) -> str:
        ledger = self._report.ledger
        if not ledger["closes"]:
            return self.say("ledger_open")
        counts = {name: number_text(ledger.get(name, 0)) for name in ("rows_in", "expanded", "rows_out", "quarantined")}
        return self.say("ledger_closed", dropped=number_text(self.dropped), **counts)

    @property
    def dropped(self) -> int:
        return sum(self._report.ledger.get("dropped", {}).values())

    def reasons(self) -> list[tuple[str, int, float]]:
        """List why rows were dropped, the commonest first, with the share of all that were dropped."""
        dropped = self._report.ledger.get("dropped", {})
        ordered = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
        return [(reason, rows, rows / self.dropped) for reason, rows in ordered if rows]

    def funnel(self) -> Markup:
        steps = [
            FunnelStep(step["step"], step["rows_out"], sum(step["dropped"].values()) + step["quarantined"], self._fate(step))
            for step in self._report.ledger.get("steps", [])
        ]
        return charts.funnel(steps, self.say("sections.funnel"))

    def _fate(self, step: Mapping[str, Any]) -> str:
        parts = []
        if step.get("expanded"):
            parts.append(self.say("values.expanded", rows=number_text(step["expanded"])))
        dropped = sorted(step["dropped"].items(), key=lambda item: (-item[1], item[0]))
        if dropped:
            reasons = self._join([f"{self.reason(reason)} {number_text(rows)}" for reason, rows in dropped[:_REASONS]])
            parts.append(self.say("values.lost", rows=number_text(sum(step["dropped"].values())), reasons=reasons))
        if step["quarantined"]:
            parts.append(self.say("values.set_aside", rows=number_text(step["quarantined"])))
        return self._join(parts) if parts else ""

    def deduplication_summary(self, check: DeduplicationCheck) -> str:
        return summary(check, self._language)

    def similarities(self, similarity_from: float, similarity_to: float) -> str:
        digits = max(2, *(len(f"{bound:g}") - 2 for bound in (similarity_from, similarity_to)))
        return f"{similarity_from:.{digits}f}–{similarity_to:.{digits}f}"

    def recall(self, counts: SimilarityRange) -> str:
        return "—" if counts.recall is None else f"{_one_digit(counts.recall)}%"

    def interval(self, counts: SimilarityRange) -> str:
        if counts.recall is None:
            return "—"
        return f"{_one_digit(counts.low)}–{_one_digit(counts.high, upwards=True)}%"

    def against(self, check: DeduplicationCheck) -> list[str]:
        return check.against[:_AGAINST]

    def more_against(self, check: DeduplicationCheck) -> int:
        return max(len(check.against) - _AGAINST, 0)

    def distributions(self) -> list[tuple[Distribution, Markup]]:
        """Draw what varies: the signals that have a word of their own first, in the order of the words."""
        words = list(topic("report", self._language)["signals"])
        ranks = {name: rank for rank, name in enumerate(words)}
        varying = [one for one in self._report.distributions if one.rows and one.minimum != one.maximum]
        ordered = sorted(varying, key=lambda one: (ranks.get(one.name, len(words)), one.name))
        return [(one, charts.histogram(one, self.signal(one.name))) for one in ordered[:_DISTRIBUTIONS]]

    @property
    def more_distributions(self) -> int:
        return max(sum(bool(one.rows) and one.minimum != one.maximum for one in self._report.distributions) - _DISTRIBUTIONS, 0)

    def constants(self) -> str:
        """List the signals that have the same value everywhere: a chart of them shows nothing."""
        same = [one for one in self._report.distributions if one.rows and one.minimum == one.maximum]
        return self._join([f"{self.signal(one.name)} = {self.number(one.minimum)}" for one in same]) if same else ""

    def shares(self) -> list[tuple[str, Markup]]:
        return [(name, charts.bars(self._bars(shares), name)) for name, shares in self._report.shares.items() if shares]

    def _bars(self, shares: list[Share]) -> list[Bar]:
        shown = [Bar(self._share_label(share.value), share.count, share.ratio) for share in shares[:_SHARES]]
        rest = shares[_SHARES:]
        if rest:
            shown.append(Bar(self.say("values.other"), sum(one.count for one in rest), sum(one.ratio for one in rest)))
        return shown

    def _share_label(self, value: str | None) -> str:
        return {None: self.say("values.unknown"), "…": self.say("values.other")}.get(value) or str(value)

    def number(self, value: float | None) -> str:
        if value is None:
            return "—"
        return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"

    def inputs(self) -> list[dict[str, Any]]:
        return self._report.inputs[:_INPUTS]

    @property
    def more_inputs(self) -> int:
        return max(len(self._report.inputs) - _INPUTS, 0)


def _one_digit(share: float, *, upwards: bool = False) -> str:
    """Write a share in percent with a digit behind the point, so that a column of them is in line."""
    return f"{float(format_percent(share, upwards=upwards)):.1f}"


def _floor(percent: float) -> float:
    """Cut to two digits: 99.999 % of a million records is not all of them."""
    return int(percent * 100 + 1e-9) / 100
