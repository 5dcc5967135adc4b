"""The seventeen indicators of the quality evaluation specification, 0101 to 0305, and the details of its annex for 0208.

Source: TC609-5-2025-04 (质量评测规范). Documentation: aspects provided / 5. Data quality: conforming records / all records.
Model application: by target. An indicator that facts cannot prove says who must evaluate it and with what; it gets no value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from liangji.core.schema import Modality
from liangji.pipeline.evaluation.distributions import OTHERS
from liangji.pipeline.evaluation.documentation import Aspect, Provision, Role
from liangji.pipeline.evaluation.requirements import Requirements
from liangji.pipeline.evaluation.row_scan import Finding, RowScan
from liangji.stores.facts import VersionFacts

VERSION = "2"  # of the methods below; raised whenever the same facts may give another value
PASS_MARK = 0.9  # each dimension must reach it (secondary sources; the notice itself does not print it)


class State(StrEnum):
    MEASURED = "measured"
    PARTLY_MEASURED = "partly_measured"
    NOT_EVALUATED = "not_evaluated"


class Dimension(StrEnum):
    DOCUMENTATION = "documentation"
    QUALITY = "quality"
    APPLICATION = "application"


@dataclass(frozen=True, slots=True)
class Need:
    """What is missing before an indicator may be called met: who must do what."""

    who: Role
    what: str  # key of the words


@dataclass(frozen=True, slots=True)
class Evidence:
    """How to get from a number to its rows: ids or numbers of rows, counts by reason, or a command."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Result:
    """One indicator, or one detail of the annex.

    `value` is numerator / denominator in [0, 1]; null where nothing was measured. A partly measured indicator carries the value
    of the part that was; `needs` tells the rest.
    """

    code: str
    dimension: Dimension
    state: State
    method: str  # key of the words
    numerator: int | None = None
    denominator: int | None = None
    unit: str = "records"
    sample_size: int | None = None
    evidence: list[Evidence] = field(default_factory=list)
    needs: list[Need] = field(default_factory=list)
    details: list[Result] = field(default_factory=list)
    value: float | None = field(init=False)
    method_version: str = VERSION

    def __post_init__(self) -> None:
        ratio = self.numerator / self.denominator if self.numerator is not None and self.denominator else None
        object.__setattr__(self, "value", None if ratio is None else round(min(ratio, 1.0), 6))


@dataclass(frozen=True, slots=True)
class DimensionSummary:
    """`score` is the mean of the indicators, each with the same weight, out of 100; null until every one is measured."""

    dimension: Dimension
    measured: int
    partly_measured: int
    not_evaluated: int
    score: float | None
    reaches_pass_mark: bool | None


@dataclass(frozen=True, slots=True)
class Given:
    """What the indicators are computed from."""

    facts: VersionFacts
    scan: RowScan
    aspects: list[Aspect]
    requirements: Requirements

    @property
    def rows(self) -> int:
        return self.scan.rows


def evaluate(given: Given) -> list[Result]:
    """Compute all seventeen, in the order of their codes."""
    return [*(_documentation(given, code) for code in ("0101", "0102", "0103", "0104")), *(rule(given) for rule in _RULES)]


def summarise(results: list[Result]) -> list[DimensionSummary]:
    """Sum up each dimension; one that is not measured throughout has no score."""
    summaries = []
    for dimension in Dimension:
        own = [result for result in results if result.dimension is dimension]
        counts = {state: sum(result.state is state for result in own) for state in State}
        values = [result.value for result in own if result.value is not None]
        complete = counts[State.MEASURED] == len(own) == len(values)
        score = round(100 * sum(values) / len(values), 2) if complete else None
        summaries.append(
            DimensionSummary(
                dimension,
                counts[State.MEASURED],
                counts[State.PARTLY_MEASURED],
                counts[State.NOT_EVALUATED],
                score,
                None if score is None else score >= 100 * PASS_MARK,
            )
        )
    return summaries


def _documentation(given: Given, code: str) -> Result:
    own = [aspect for aspect in given.aspects if aspect.indicator == code]
    return Result(
        code,
        Dimension.DOCUMENTATION,
        State.MEASURED,
        "aspects",
        numerator=sum(aspect.is_provided for aspect in own),
        denominator=len(own),
        unit="aspects",
        sample_size=len(own),
        evidence=[Evidence("aspects", {place: [one.code for one in own if one.provision == place] for place in Provision})],
        needs=[Need(aspect.provided_by, f"aspect_{aspect.code}") for aspect in own if not aspect.is_provided],
    )


def _records(given: Given, code: str, method: str, failed: Finding, **others: Any) -> Result:
    """Give an indicator of the second dimension: conforming records out of those looked at, which are all but `unseen`."""
    seen = given.rows - others.pop("unseen", 0)
    state = others.pop("state", State.MEASURED if seen == given.rows else State.PARTLY_MEASURED)
    return Result(
        code,
        Dimension.QUALITY,
        state if seen else State.NOT_EVALUATED,
        method,
        numerator=seen - failed.rows if seen else None,
        denominator=seen or None,
        sample_size=seen,
        evidence=[*others.pop("evidence", []), *_examples(failed)],
        **others,
    )


def _examples(failed: Finding) -> list[Evidence]:
    if not failed.rows:
        return []
    return [Evidence("failing_rows", failed.rows), *([Evidence("example_ids", failed.ids)] if failed.ids else [])]


def _open(code: str, dimension: Dimension, method: str, *needs: Need, evidence: list[Evidence] | None = None) -> Result:
    return Result(code, dimension, State.NOT_EVALUATED, method, evidence=evidence or [], needs=list(needs))


def _format(given: Given) -> Result:  # 0201
    evidence = [Evidence("faults", given.scan.record_faults)] if given.scan.record_faults else []
    return _records(given, "0201", "valid_records", given.scan.invalid_records, evidence=evidence)


def _safety(given: Given) -> Result:  # 0202
    """Only personal information and secrets are looked for; what is illegal, infringing or discriminating needs people."""
    found = given.scan.personal_information
    needs = [Need(Role.COMPLIANCE, "harmful_content"), Need(Role.THIRD_PARTY, "safety_assessment")]
    if found is None:
        return _open("0202", Dimension.QUALITY, "no_safety_scan", *needs)
    evidence = [Evidence("scanned_for", ["personal_information", "secrets"]), Evidence("found_by_kind", given.scan.personal_kinds)]
    return _records(given, "0202", "personal_information", found, evidence=evidence, state=State.PARTLY_MEASURED, needs=needs)


def _annotation_conformity(given: Given) -> Result:  # 0203
    scan = given.scan
    if not scan.annotated:
        return _open("0203", Dimension.QUALITY, "no_annotation", Need(Role.ANNOTATION_LEAD, "annotation_not_applicable"))
    return Result(
        "0203",
        Dimension.QUALITY,
        State.PARTLY_MEASURED,
        "annotation_format",
        numerator=scan.annotated - scan.badly_annotated.rows,
        denominator=scan.annotated,
        unit="annotated_records",
        sample_size=scan.annotated,
        evidence=_examples(scan.badly_annotated),
        needs=[Need(Role.ANNOTATION_LEAD, "annotation_rules")],
    )


def _structure(given: Given) -> Result:  # 0204
    return _records(given, "0204", "no_empty_item", given.scan.empty_items)


def _authenticity(given: Given) -> Result:  # 0205
    evidence = [Evidence("generated_rows", given.scan.generated), Evidence("input_files", len(given.facts.inputs))]
    needs = [Need(Role.DATA_OWNER, "compare_with_source")]
    if given.scan.generated:
        needs.append(Need(Role.DOMAIN_EXPERT, "generated_distribution"))
    return _records(given, "0205", "traceable", given.scan.untraceable, evidence=evidence, state=State.PARTLY_MEASURED, needs=needs)


def _consistency(given: Given) -> Result:  # 0206
    what = "single_modality" if given.facts.modality == Modality.TEXT else "cross_modal_consistency"
    return _open("0206", Dimension.QUALITY, "no_cross_modal_check", Need(Role.DOMAIN_EXPERT, what))


def _type_consistency(given: Given) -> Result:  # 0207
    del given
    return _open(
        "0207", Dimension.QUALITY, "no_type_check", Need(Role.DATA_OWNER, "declare_type"), Need(Role.DOMAIN_EXPERT, "judge_type")
    )


def _cleanliness(given: Given) -> Result:  # 0208
    details = _DETAILS[Modality(given.facts.modality)](given)
    is_text = given.facts.modality == Modality.TEXT  # only texts are looked through for damage
    damaged = Evidence("damaged_rows", {name: found.rows for name, found in given.scan.damaged.items()})
    return _records(
        given,
        "0208",
        "cleanliness" if is_text else "cleanliness_without_text",
        Finding(given.scan.repetition.unclean_rows),
        unseen=given.scan.unhashed,
        evidence=[damaged] if is_text else [],
        state=State.PARTLY_MEASURED,
        needs=list(dict.fromkeys([*_copies_unknown(given), *(need for detail in details for need in detail.needs)])),
        details=details,
    )


def _text_details(given: Given) -> list[Result]:
    scan = given.scan
    return [
        _open("02080101", Dimension.QUALITY, "perplexity", Need(Role.MODEL_TEAM, "perplexity")),
        _open("02080102", Dimension.QUALITY, "knowledge_density", Need(Role.MODEL_TEAM, "knowledge_density")),
        _repetition(given, "02080103"),
        _records(given, "02080104", "text_completeness", scan.truncated),
        _records(given, "02080105", "missing_information", scan.missing),
        _records(given, "02080106", "text_purity", scan.impure),
        _open("02080107", Dimension.QUALITY, "coherence", Need(Role.DOMAIN_EXPERT, "coherence")),
    ]


def _repetition(given: Given, code: str) -> Result:
    repetition = given.scan.repetition
    evidence = [Evidence("exact_copies", repetition.exact_copies), Evidence("folded_copies", repetition.folded_copies)]
    if repetition.example_rows:
        evidence.append(Evidence("example_row_numbers", repetition.example_rows))
    copies = Finding(repetition.folded_copies)
    return _records(given, code, "repetition", copies, unseen=given.scan.unhashed, evidence=evidence, needs=_copies_unknown(given))


def _copies_unknown(given: Given) -> list[Need]:
    return [Need(Role.DATA_ENGINEER, "media_files")] if given.scan.unhashed else []


def _media_details(first: int, names: tuple[str, ...]) -> Callable[[Given], list[Result]]:
    """Give the details of a modality: copies are counted; the rest waits for a threshold or a measurement."""

    def details(given: Given) -> list[Result]:
        results = []
        for number, name in enumerate(names, 1):
            code = f"0208{first:02}{number:02}"
            if name == "repetition":
                results.append(_repetition(given, code))
            else:
                results.append(_open(code, Dimension.QUALITY, "media_threshold", Need(Role.DATA_OWNER, "media_threshold")))
        return results

    return details


_DETAILS: dict[Modality, Callable[[Given], list[Result]]] = {
    Modality.TEXT: _text_details,
    Modality.IMAGE: _media_details(2, ("resolution", "repetition", "signal_to_noise", "clarity")),
    Modality.VIDEO: _media_details(3, ("resolution", "repetition", "frame_rate", "duration", "clarity", "dynamic_range")),
    Modality.AUDIO: _media_details(4, ("signal_to_noise", "distortion", "sample_rate", "bit_depth", "bit_rate", "duration")),
    Modality.SERIES: _media_details(0, ()),  # the annex has no details for these
    Modality.TABLE: _media_details(0, ()),
}


def _diversity(given: Given) -> Result:  # 0301
    scan = given.scan
    held = {name: sorted(values)[:50] for name, values in scan.dimensions.items()}
    wanted = {name: list(dict.fromkeys(values)) for name, values in given.requirements.coverage.items() if values}
    if not wanted:
        evidence = [Evidence("held", held)]
        return _open("0301", Dimension.APPLICATION, "coverage", Need(Role.DATA_OWNER, "coverage_target"), evidence=evidence)
    unmeasured = [name for name in wanted if not scan.dimensions.get(name)]
    measured = {name: values for name, values in wanted.items() if name not in unmeasured}
    covered = {name: [value for value in values if value in scan.dimensions[name]] for name, values in measured.items()}
    # A value that was not found may hide in the rows nobody measured, or behind the ten thousand values that are told apart.
    hiding = {name for name in measured if scan.unknown[name] or OTHERS in scan.dimensions[name]}
    uncertain = [name for name, values in measured.items() if name in hiding and len(covered[name]) < len(values)]
    needs = [_measure_first(name) for name in (*unmeasured, *uncertain)]
    evidence = [Evidence("wanted", wanted)]
    if unmeasured:
        evidence.append(Evidence("unmeasured_columns", unmeasured))
    if not measured:
        return _open("0301", Dimension.APPLICATION, "coverage", *needs, evidence=[*evidence, Evidence("held", held)])
    if uncertain:
        evidence.append(Evidence("rows_without_value", {name: scan.unknown[name] for name in uncertain}))
    return Result(
        "0301",
        Dimension.APPLICATION,
        State.PARTLY_MEASURED if needs else State.MEASURED,
        "coverage",
        numerator=sum(map(len, covered.values())),
        denominator=sum(map(len, measured.values())),
        unit="values",
        sample_size=given.rows,
        evidence=[Evidence("covered", covered), *evidence],
        needs=[*needs, Need(Role.DOMAIN_EXPERT, "confirm_dimensions")],
    )


def _measure_first(dimension: str) -> Need:
    """Say who gives a dimension its values: a step measures the language, the input states source and licence."""
    what = f"measure_{dimension}" if dimension in ("language", "source", "license") else "measure_column"
    return Need(Role.DATA_ENGINEER if what in ("measure_language", "measure_column") else Role.DATA_OWNER, what)


def _scale(given: Given) -> Result:  # 0302
    """Hold tokens and records against their targets; where both are wanted, the one that is further off decides."""
    wanted, scan = given.requirements, given.scan
    targets = []
    if wanted.minimum_rows:
        targets.append((given.rows, wanted.minimum_rows, "records"))
    if wanted.minimum_tokens and scan.tokens is not None and scan.uncounted < given.rows:
        targets.append((scan.tokens, wanted.minimum_tokens, "tokens"))
    is_counted = scan.tokens is not None and (not scan.uncounted or scan.tokens >= (wanted.minimum_tokens or 0))
    needs = [Need(Role.DATA_ENGINEER, "measure_tokens")] if wanted.minimum_tokens and not is_counted else []
    if not targets:
        return _open("0302", Dimension.APPLICATION, "scale", *(needs or [Need(Role.DATA_OWNER, "scale_target")]))
    actual, target, unit = min(targets, key=lambda one: one[0] / one[1])
    state = State.PARTLY_MEASURED if needs else State.MEASURED
    return Result("0302", Dimension.APPLICATION, state, "scale", actual, target, unit, given.rows, needs=needs)


def _timeliness(given: Given) -> Result:  # 0303
    scan, wanted = given.scan, given.requirements
    evidence = [Evidence("rows_with_original_time", scan.dated)]
    if wanted.earliest_time is None and wanted.latest_time is None:
        return _open("0303", Dimension.APPLICATION, "timeliness", Need(Role.DATA_OWNER, "time_window"), evidence=evidence)
    if not scan.dated:
        return _open("0303", Dimension.APPLICATION, "timeliness", Need(Role.DATA_OWNER, "original_time"), evidence=evidence)
    undated = given.rows - scan.dated
    return Result(
        "0303",
        Dimension.APPLICATION,
        State.PARTLY_MEASURED if undated else State.MEASURED,
        "timeliness",
        numerator=scan.dated - scan.out_of_window.rows,
        denominator=scan.dated,
        sample_size=scan.dated,
        evidence=[*evidence, *_examples(scan.out_of_window)],
        needs=[Need(Role.DATA_OWNER, "original_time")] if undated else [],
    )


def _annotation_accuracy(given: Given) -> Result:  # 0304
    what = "annotation_sampling" if given.scan.annotated else "annotation_not_applicable"
    return _open("0304", Dimension.APPLICATION, "no_annotation_review", Need(Role.ANNOTATION_LEAD, what))


def _model_fitness(given: Given) -> Result:  # 0305
    del given
    return _open("0305", Dimension.APPLICATION, "no_model_trained", Need(Role.MODEL_TEAM, "train_both"))


_RULES: tuple[Callable[[Given], Result], ...] = (
    _format,
    _safety,
    _annotation_conformity,
    _structure,
    _authenticity,
    _consistency,
    _type_consistency,
    _cleanliness,
    _diversity,
    _scale,
    _timeliness,
    _annotation_accuracy,
    _model_fitness,
)
