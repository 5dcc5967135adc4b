"""What the deduplication of a version measured of itself, read from what its exchanges found.

A run of near duplicates plants copies of known similarity and counts how many of them it finds (`planted_pairs` of cleaning); any
exchange names the earlier versions that it compared with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from liangji.core.proportions import wilson_interval
from liangji.core.units import format_percent
from liangji.locales import Language, text


@dataclass(frozen=True, slots=True)
class SimilarityRange:
    """Copies of a similarity from `similarity_from` to below `similarity_to`, or to 1 with it, and how many were found."""

    similarity_from: float
    similarity_to: float
    planted: int
    found: int
    recall: float | None  # null where none was planted
    low: float  # of the 95 % interval of the recall
    high: float


@dataclass(frozen=True, slots=True)
class Below:
    """Copies below the threshold, of which none should be dropped."""

    similarity_from: float
    similarity_to: float
    planted: int
    dropped: int


@dataclass(frozen=True, slots=True)
class DeduplicationCheck:
    """One step of deduplication: its check of itself, where it makes one, and the earlier versions that it compared with."""

    step: str
    total: SimilarityRange | None  # null where the step plants no copies
    ranges: list[SimilarityRange]
    below: Below | None
    against: list[str]  # 'dataset@version id'


def deduplication_checks(findings: Mapping[str, Mapping[str, Any]]) -> list[DeduplicationCheck]:
    """Read the findings of a version, step by step; a step that planted nothing and compared with nothing is left out."""
    return [_check(step, found) for step, found in findings.items() if found.get("planted_pairs") or found.get("against")]


def summary(check: DeduplicationCheck, language: Language) -> str:
    """Say in one sentence what a step found of its planted copies; empty where it plants none."""
    total, below = check.total, check.below
    if total is None or below is None:
        return ""
    if total.recall is None:
        return text("report.deduplication.nothing_planted", language)
    return text(
        "report.deduplication.summary",
        language,
        planted=f"{total.planted:,}",
        found=f"{total.found:,}",
        recall=format_percent(total.recall),
        low=format_percent(total.low),
        high=format_percent(total.high, upwards=True),
        below=f"{below.planted:,}",
        dropped=f"{below.dropped:,}",
    )


def _check(step: str, found: Mapping[str, Any]) -> DeduplicationCheck:
    ranges = [SimilarityRange(**counts) for counts in found.get("planted_pairs", [])]
    below = Below(**found["planted_below"]) if ranges else None
    return DeduplicationCheck(step, _total(ranges) if ranges else None, ranges, below, list(found.get("against", [])))


def _total(ranges: list[SimilarityRange]) -> SimilarityRange:
    planted, found = sum(one.planted for one in ranges), sum(one.found for one in ranges)
    recall = round(found / planted, 6) if planted else None
    bounds = [bound for one in ranges for bound in (one.similarity_from, one.similarity_to)]
    return SimilarityRange(min(bounds), max(bounds), planted, found, recall, *wilson_interval(found, planted))
