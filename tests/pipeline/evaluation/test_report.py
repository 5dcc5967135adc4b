from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest

from liangji.core.errors import RequirementsError
from liangji.core.schema import Kind, Modality
from liangji.locales import topic
from liangji.pipeline.evaluation.documentation import ASPECTS
from liangji.pipeline.evaluation.indicators import Result, State
from liangji.pipeline.evaluation.report import QualityReport, assemble, to_json
from liangji.pipeline.evaluation.report_html import to_html
from liangji.pipeline.evaluation.requirements import Requirements, read_requirements
from liangji.stores.facts import VersionFacts
from liangji.stores.tables import Tables

GOLDEN = Path(__file__).parent / "quality_report.json"
SIGNALS = [pa.field("token_count", pa.int32()), pa.field("language", pa.string())]
ROWS = [
    {"text": "轴承温度过高，已停机检修。", "token_count": 9, "language": "zh"},
    {"text": "更换密封圈后，液压泵压力正常。", "token_count": 10, "language": "zh"},
    {"text": "Vibration within limits.", "token_count": 5, "language": "en", "source": "互联网", "source_details": "no address"},
    {"text": "轴承温度过高, 已停机检修.", "token_count": 9, "language": "zh"},
    {"text": "联系电话 13812345678，<div>广告</div>", "token_count": 12, "language": "zh", "original_time": None},
    {"text": "待补充", "token_count": 3, "language": "zh", "original_time": "2019-01-01"},
]
QUARANTINED = [
    {
        "origin": "raw/b.jsonl",
        "record": 4,
        "line": 5,
        "step": "0 read",
        "error_code": "input_error",
        "what": "x" * 300,
        "mend": "mend it",
        "content": b"kept aside",
    }
]
FINDINGS = {
    "2 drop_exact_duplicates": {"spilled_bytes": 0, "against": ["corpus@0123456789abcdef0123456789abcdef"]},
    "3 drop_near_duplicates": {
        "candidate_pairs": 323,
        "compared_pairs": 296,
        "planted_pairs": [
            {"similarity_from": 0.75, "similarity_to": 0.875, "planted": 40, "found": 39, "recall": 0.975, "low": 0.871186}
            | {"high": 0.995573},
            {"similarity_from": 0.875, "similarity_to": 1.0, "planted": 0, "found": 0, "recall": None, "low": 0.0, "high": 1.0},
        ],
        "planted_below": {"similarity_from": 0.65, "similarity_to": 0.75, "planted": 33, "dropped": 0},
        "spilled_bytes": 486_737,
    },
}


@pytest.fixture
def report(stage: Callable[..., Any]) -> QualityReport:
    dropped = {"too_few_words": 3, "exact_duplicate": 1}
    facts, tables = stage(ROWS, signals=SIGNALS, dropped=dropped, quarantined=QUARANTINED, findings=FINDINGS)
    statements = {"technical_support": "data@example.org", "limitations": "只有一条产线"}
    wanted = Requirements(
        minimum_rows=10, earliest_time="2026-01-01", coverage={"language": ["zh", "en", "ja"]}, statements=statements
    )
    return assemble(facts, tables, wanted)


def indicator(report: QualityReport, code: str) -> Result:
    return next(one for result in report.indicators for one in [result, *result.details] if one.code == code)


def fraction(report: QualityReport, code: str) -> tuple[int | None, int | None]:
    found = indicator(report, code)
    return found.numerator, found.denominator


def test_the_report_is_the_golden_one_byte_for_byte(report: QualityReport) -> None:
    """After a wanted change: write `to_json(report)` to the golden file and read the difference."""
    assert to_json(report).decode() == GOLDEN.read_text("utf-8")


def test_all_seventeen_indicators_stand_in_order(report: QualityReport) -> None:
    codes = [
        *(f"010{number}" for number in range(1, 5)),
        *(f"020{number}" for number in range(1, 9)),
        *(f"030{number}" for number in range(1, 6)),
    ]
    assert [result.code for result in report.indicators] == codes


def test_what_is_measured_is_measured_on_the_rows(report: QualityReport) -> None:
    assert fraction(report, "0201") == (5, 6)  # the source 互联网 has no address
    assert fraction(report, "0202") == (5, 6)  # a telephone number was left
    assert fraction(report, "0204") == (6, 6)
    assert fraction(report, "0208") == (3, 6)  # a copy in other punctuation, markup, a placeholder
    assert fraction(report, "02080103") == (5, 6)
    assert fraction(report, "02080105") == (5, 6)
    assert fraction(report, "02080106") == (5, 6)
    assert fraction(report, "0301") == (2, 3)
    assert fraction(report, "0302") == (6, 10)
    assert fraction(report, "0303") == (4, 5)


def test_what_needs_people_has_no_value_and_says_who(report: QualityReport) -> None:
    for code in ("0203", "0206", "0207", "0304", "0305", "02080101", "02080102", "02080107"):
        found = indicator(report, code)
        assert (found.state, found.value) == (State.NOT_EVALUATED, None)
        assert found.needs


def test_a_dimension_that_is_not_measured_throughout_has_no_score(report: QualityReport) -> None:
    assert [(one.score, one.reaches_pass_mark) for one in report.dimensions] == [(70.0, False), (None, None), (None, None)]


def test_the_twenty_aspects_come_from_facts_or_statements_or_are_missing(report: QualityReport) -> None:
    assert [aspect.code for aspect in report.aspects] == list(ASPECTS)
    provisions = {aspect.code: str(aspect.provision) for aspect in report.aspects}
    assert (provisions["scale"], provisions["limitations"], provisions["benchmark_results"]) == ("facts", "statement", "missing")


def test_no_content_of_a_record_stands_in_the_report(report: QualityReport) -> None:
    written = to_json(report).decode() + to_html(report)
    assert "13812345678" not in written
    assert "kept aside" not in written
    assert len(report.quarantine.examples[0]["what"]) == 200


def test_the_same_version_gives_the_same_bytes(report: QualityReport, stage: Callable[..., Any]) -> None:
    assert to_json(report) == to_json(report)
    assert to_html(report) == to_html(report)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_page_stands_alone_and_every_word_is_known(report: QualityReport, language: Any) -> None:
    page = to_html(report, language)
    assert re.findall(r"""(?:src|href)\s*=|url\(|@import|<script|https?://(?!www\.w3\.org)""", page) == []
    assert "<svg" in page
    for code in ("0101", "0208", "02080107", "0305"):
        assert f'<span class="code">{code}</span>' in page


@pytest.mark.parametrize(("language", "below"), [("zh", "低于阈值"), ("en", "below the threshold")])
def test_the_page_tells_what_deduplication_measured_of_itself(report: QualityReport, language: Any, below: str) -> None:
    page = to_html(report, language)
    rows = [re.findall(r">([^<>]+)<", row) for row in re.findall(r"<tr[^>]*>(.*?)</tr>", page)]
    first = rows.index(["0.750–0.875", "40", "39", "97.5%", "87.1–99.6%"])
    assert rows[first + 1] == ["0.875–1.000", "0", "0", "—", "—"]
    assert rows[first + 2][1:] == ["40", "39", "97.5%", "87.1–99.6%"]
    assert rows[first + 3][:4] == ["0.65–0.75 ", below, "33", "0"]
    assert ["2 drop_exact_duplicates", "corpus@0123456789abcdef0123456789abcdef"] in rows


def test_a_version_without_deduplication_has_no_section_of_it(stage: Callable[..., Any]) -> None:
    report = assemble(*stage([{"text": "一"}]))
    assert report.deduplication == []
    assert topic("report", "en")["sections"]["deduplication"] not in to_html(report, "en")


def test_of_many_earlier_versions_the_page_names_twenty(stage: Callable[..., Any]) -> None:
    versions = [f"corpus@{number:032x}" for number in range(23)]
    page = to_html(assemble(*stage([{"text": "一"}], findings={"1 drop_exact_duplicates": {"against": versions}})), "en")
    assert [version in page for version in versions] == [True] * 20 + [False] * 3
    assert "3 more in the JSON report" in page


def test_names_from_outside_are_no_markup(stage: Callable[..., Any]) -> None:
    facts, tables = stage(
        [{"text": "正文", "license": "<script>alert(1)</script>"}], message="<img src=x onerror=alert(1)>", dropped={"<b>": 1}
    )
    page = to_html(assemble(facts, tables))
    assert "<script>" not in page
    assert "<img" not in page
    assert "<b>:" not in page


@pytest.mark.parametrize("name", ["report", "indicators", "card"])
def test_both_languages_say_the_same_things(name: str) -> None:
    def keys(words: Any, path: str = "") -> set[str]:
        if not isinstance(words, dict):
            return {path}
        return {key for word, below in words.items() for key in keys(below, f"{path}.{word}")}

    assert keys(topic(name, "zh")) == keys(topic(name, "en"))


@pytest.mark.parametrize(
    ("kind", "modality", "row"),
    [
        (
            Kind.INSTRUCTION,
            Modality.TEXT,
            {"messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]},
        ),
        (Kind.PREFERENCE, Modality.TEXT, {"prompt": "问", "chosen": "好", "rejected": "差"}),
        (Kind.BENCHMARK, Modality.TEXT, {"question": "问", "options": ["甲", "乙"], "answer": "乙"}),
        (Kind.SUPERVISED, Modality.TEXT, {"text": "文", "annotation": '{"label": ["a"]}'}),
        (Kind.SUPERVISED, Modality.IMAGE, {"path": "a.png", "sha256": "ab", "size_bytes": 1, "width": 2, "height": 2}),
        (Kind.PRETRAINING, Modality.AUDIO, {"path": "a.wav", "sha256": "ab", "duration_seconds": 1.0}),
        (Kind.PRETRAINING, Modality.SERIES, {"time": "2026-01-01", "values": '{"a": 1}'}),
        (Kind.PRETRAINING, Modality.TABLE, {"row": '{"a": 1}'}),
    ],
)
def test_every_kind_and_modality_has_a_report(
    stage: Callable[..., Any], kind: Kind, modality: Modality, row: dict[str, Any]
) -> None:
    facts, tables = stage([row, {**row, "generated": 1, "parents": ["0"]}], kind, modality)
    report = assemble(facts, tables)
    assert fraction(report, "0201") == (2, 2)
    assert fraction(report, "0205") == (2, 2)
    assert indicator(report, "0208").numerator == 1  # the second is a copy of the first
    assert orjson.loads(to_json(report))["counters"]["generated"] == 1
    assert to_html(report, "en")


def test_an_empty_version_is_reported_and_nothing_is_divided_by_nothing(stage: Callable[..., Any]) -> None:
    report = assemble(*stage([], dropped={"too_few_words": 2}))
    assert indicator(report, "0201").state is State.NOT_EVALUATED
    of_rows = [result for result in report.indicators if result.code.startswith("02")]
    assert {(result.value, result.state) for result in of_rows} == {(None, State.NOT_EVALUATED)}
    assert to_html(report)


def report_of(staged: tuple[VersionFacts, Tables], requirements: Requirements) -> QualityReport:
    return assemble(*staged, requirements)


def whats(report: QualityReport, code: str) -> list[str]:
    return [need.what for need in indicator(report, code).needs]


def test_coverage_of_a_column_that_was_never_measured_is_not_evaluated(stage: Callable[..., Any]) -> None:
    report = report_of(stage([{"text": "一"}]), Requirements(coverage={"language": ["zh"], "domain": ["a"]}))
    assert (indicator(report, "0301").state, indicator(report, "0301").value) == (State.NOT_EVALUATED, None)
    assert whats(report, "0301") == ["measure_language", "measure_column"]
    assert to_html(report)


def test_coverage_of_an_empty_list_is_no_target(stage: Callable[..., Any]) -> None:
    report = report_of(stage([{"text": "一"}]), Requirements(coverage={"source": []}))
    assert indicator(report, "0301").state is State.NOT_EVALUATED
    assert whats(report, "0301") == ["coverage_target"]


def test_coverage_measured_in_part_is_called_so(stage: Callable[..., Any]) -> None:
    """A source is known, the language is not; and a licence that no row shows may be that of the rows without one."""
    rows = [{"text": "一", "license": "MIT"}, {"text": "二", "license": None}]
    report = report_of(stage(rows), Requirements(coverage={"source": ["自采", "自采"], "language": ["zh"]}))
    assert (indicator(report, "0301").state, *fraction(report, "0301")) == (State.PARTLY_MEASURED, 1, 1)
    report = report_of(stage(rows, name="again"), Requirements(coverage={"license": ["MIT", "Apache-2.0"]}))
    assert (indicator(report, "0301").state, *fraction(report, "0301")) == (State.PARTLY_MEASURED, 1, 2)
    assert "measure_license" in whats(report, "0301")


def test_coverage_takes_any_column_that_is_there(stage: Callable[..., Any]) -> None:
    rows = [{"text": "一", "domain": "steel"}]
    facts, tables = stage(rows, signals=[pa.field("domain", pa.large_string())])
    report = assemble(facts, tables, Requirements(coverage={"domain": ["steel", "coal"]}))
    assert (indicator(report, "0301").state, *fraction(report, "0301")) == (State.MEASURED, 1, 2)
    assert "domain" not in report.shares  # the shares that every report and package has words for
    assert to_html(report)


def test_a_target_in_tokens_that_were_not_counted_is_not_met_by_rows(stage: Callable[..., Any]) -> None:
    wanted = Requirements(minimum_rows=1, minimum_tokens=5)
    report = report_of(stage([{"text": "一"}]), wanted)
    assert (indicator(report, "0302").state, whats(report, "0302")) == (State.PARTLY_MEASURED, ["measure_tokens"])
    tokens = [pa.field("token_count", pa.int32())]
    report = report_of(stage([{"text": "一", "token_count": 2}, {"text": "二"}], signals=tokens, name="part"), wanted)
    assert (indicator(report, "0302").state, *fraction(report, "0302")) == (State.PARTLY_MEASURED, 2, 5)
    report = report_of(stage([{"text": "一", "token_count": 2}], signals=tokens, name="all"), wanted)
    assert (indicator(report, "0302").state, *fraction(report, "0302")) == (State.MEASURED, 2, 5)  # the rows are enough


def test_only_dates_are_held_against_the_window(stage: Callable[..., Any]) -> None:
    """2026-3-9 lies before 2026-03-31, whatever the alphabet says, and `last spring` is no date."""
    rows = [{"text": str(number), "original_time": time} for number, time in enumerate(["2026-3-9", "last spring", "2026-02-31"])]
    report = report_of(stage(rows), Requirements(latest_time="2026-03-31"))
    assert (indicator(report, "0303").state, *fraction(report, "0303")) == (State.PARTLY_MEASURED, 1, 1)


def test_media_that_were_not_read_are_no_originals(stage: Callable[..., Any]) -> None:
    rows = [{"path": "a.png", "sha256": "ab", "size_bytes": 7}, {"path": "b.png", "sha256": None}]
    report = assemble(*stage(rows, Kind.PRETRAINING, Modality.IMAGE))
    assert (indicator(report, "02080202").state, *fraction(report, "02080202")) == (State.PARTLY_MEASURED, 1, 1)
    assert "media_files" in whats(report, "0208")
    assert "damaged_rows" not in [entry.name for entry in indicator(report, "0208").evidence]
    report = assemble(*stage(rows[1:], Kind.PRETRAINING, Modality.IMAGE, name="none"))
    assert indicator(report, "02080202").state is State.NOT_EVALUATED


def test_a_fingerprint_is_no_text_of_so_many_characters(stage: Callable[..., Any]) -> None:
    report = assemble(*stage([{"path": "a.png", "sha256": "ab" * 32, "size_bytes": 7}], Kind.PRETRAINING, Modality.IMAGE))
    assert (report.counters.characters, report.counters.size_bytes) == (0, 7)
    assert "character_count" not in [one.name for one in report.distributions]


def test_one_row_without_a_licence_leaves_the_licence_open_however_rare_it_is(stage: Callable[..., Any]) -> None:
    rows = [{"text": str(number), "license": f"L{number % 55}"} for number in range(110)] + [{"text": "x", "license": " "}]
    report = assemble(*stage(rows))
    assert next(aspect for aspect in report.aspects if aspect.code == "license").provision == "missing"


def test_wrong_requirements_are_told_all_at_once(tmp_path: Path) -> None:
    path = tmp_path / "requirements.yaml"
    path.write_text("minimum_rows: 0\nminimum_token: 5\n", "utf-8")
    with pytest.raises(RequirementsError) as told:
        read_requirements(path)
    assert [(fault.line, fault.field, fault.mend.partition(":")[0]) for fault in told.value.faults] == [
        (1, "minimum_rows", "write a whole number >= 1"),
        (2, "minimum_token", "did you mean 'minimum_tokens'?"),
    ]
    path.write_text("earliest_time: 2024-02-31\nlatest_time: yesterday\n", "utf-8")
    with pytest.raises(RequirementsError):
        read_requirements(path)
    path.write_text("- minimum_rows\n", "utf-8")
    with pytest.raises(RequirementsError, match="are a mapping"):
        read_requirements(path)
    path.write_text("earliest_time: 2024-01-31\n", "utf-8")
    assert read_requirements(path).earliest_time == "2024-01-31"
    path.write_text("minimum_rows: 50000\nstatements: {limitations: 单一产线}\n", "utf-8")
    assert read_requirements(path) == Requirements(minimum_rows=50_000, statements={"limitations": "单一产线"})
