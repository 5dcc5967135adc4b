from __future__ import annotations

from typing import Any

import pytest

from liangji.core.proportions import wilson_interval
from liangji.pipeline.evaluation.deduplication import DeduplicationCheck, SimilarityRange, deduplication_checks, summary

NEAR = "8 drop_near_duplicates"


def counts(similarity_from: float, similarity_to: float, planted: int, found: int) -> dict[str, Any]:
    low, high = wilson_interval(found, planted)
    recall = found / planted if planted else None
    return {"similarity_from": similarity_from, "similarity_to": similarity_to, "planted": planted, "found": found} | {
        "recall": recall,
        "low": low,
        "high": high,
    }


def found(*ranges: dict[str, Any], **more: Any) -> dict[str, Any]:
    below = {"similarity_from": 0.7, "similarity_to": 0.8, "planted": 33, "dropped": 1}
    return {"candidate_pairs": 9, "planted_pairs": list(ranges), "planted_below": below, "spilled_bytes": 0, **more}


def test_the_ranges_are_added_up_with_an_interval_of_their_own() -> None:
    (check,) = deduplication_checks({NEAR: found(counts(0.8, 0.9, 40, 39), counts(0.9, 1.0, 1000, 1000))})
    assert check.step == NEAR
    assert [(one.planted, one.found) for one in check.ranges] == [(40, 39), (1000, 1000)]
    assert check.total == SimilarityRange(0.8, 1.0, 1040, 1039, 0.999038, *wilson_interval(1039, 1040))
    assert (check.below is not None, check.against) == (True, [])


def test_a_step_that_only_compared_has_its_versions_and_a_step_without_either_is_left_out() -> None:
    findings: dict[str, Any] = {
        "2 drop_exact_duplicates": {"spilled_bytes": 0, "against": ["corpus@ab"]},
        NEAR: {"spilled_bytes": 7},
    }
    assert deduplication_checks(findings) == [DeduplicationCheck("2 drop_exact_duplicates", None, [], None, ["corpus@ab"])]
    assert summary(deduplication_checks(findings)[0], "en") == ""


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh", "埋入相似副本 1,040 份，找到 1,039 份（召回 99.9 %，95 % 区间 99.4–100 %）；低于阈值的 33 份误删 1 份"),
        ("en", "1,040 similar copies planted, 1,039 found (recall 99.9 %, 95 % interval 99.4–100 %); of 33 below the threshold, 1"),
    ],
)
def test_the_summary_never_shows_the_recall_better_than_it_is(language: Any, words: str) -> None:
    (check,) = deduplication_checks({NEAR: found(counts(0.8, 0.9, 40, 39), counts(0.9, 1.0, 1000, 1000))})
    assert summary(check, language).startswith(words)


@pytest.mark.parametrize(("language", "words"), [("zh", "召回未测量"), ("en", "recall not measured")])
def test_where_nothing_could_be_planted_no_recall_is_claimed(language: Any, words: str) -> None:
    (check,) = deduplication_checks({NEAR: found(counts(0.8, 0.9, 0, 0), counts(0.9, 1.0, 0, 0))})
    assert check.total == SimilarityRange(0.8, 1.0, 0, 0, None, 0.0, 1.0)
    assert words in summary(check, language)
