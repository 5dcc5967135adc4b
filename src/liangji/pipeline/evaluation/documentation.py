"""The twenty aspects of the document of a dataset (说明文档, indicators 0101 to 0104): which the facts fill, which a person must.

An aspect is provided where the facts of the version tell it, or where a person stated it in the requirements; a statement is
taken over as it is and marked as one. Nothing is filled in from thin air.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from liangji.core.schema import Kind
from liangji.pipeline.evaluation.requirements import Requirements
from liangji.pipeline.evaluation.row_scan import RowScan
from liangji.stores.facts import VersionFacts


class Role(StrEnum):
    """Who must say or do what we cannot."""

    DATA_OWNER = "data_owner"  # 数据集负责人
    DATA_ENGINEER = "data_engineer"
    ANNOTATION_LEAD = "annotation_lead"
    COMPLIANCE = "compliance"
    DOMAIN_EXPERT = "domain_expert"
    MODEL_TEAM = "model_team"
    THIRD_PARTY = "third_party"


class Provision(StrEnum):
    FACTS = "facts"
    STATEMENT = "statement"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Aspect:
    """One aspect of the document. `values` go into the sentence that the words of the language have for it."""

    indicator: str  # 0101 … 0104
    code: str
    provision: Provision
    provided_by: Role  # who answers for it, or must still provide it
    values: dict[str, Any] = field(default_factory=dict)
    statement: str | None = None

    @property
    def is_provided(self) -> bool:
        return self.provision is not Provision.MISSING


_Values = Mapping[str, Any] | None  # what the facts tell; None: nothing
_Source = Callable[[VersionFacts, RowScan], _Values]


def _scale(facts: VersionFacts, scan: RowScan) -> _Values:
    if scan.tokens is None:
        return {"rows": facts.rows, "characters": scan.characters, "size_bytes": scan.size_bytes}
    return {"rows": facts.rows, "characters": scan.characters, "size_bytes": scan.size_bytes, "tokens": scan.tokens}


def _always(facts: VersionFacts, scan: RowScan) -> _Values:
    del facts, scan
    return {}


def _modality(facts: VersionFacts, scan: RowScan) -> _Values:
    del scan
    return {"modality": facts.modality, "kind": facts.kind}


def _distribution(facts: VersionFacts, scan: RowScan) -> _Values:
    del facts
    return {"shares": sorted(scan.shares), "signals": len(scan.distributions)} if scan.rows else None


def _labels(facts: VersionFacts, scan: RowScan) -> _Values:
    """A set whose kind needs no labels tells that it has none; a supervised set without any tells nothing."""
    if scan.annotated == 0 and facts.kind == Kind.SUPERVISED:
        return None
    return {"annotated": scan.annotated, "rows": scan.rows}


def _samples(facts: VersionFacts, scan: RowScan) -> _Values:
    del facts
    return {} if scan.rows else None


def _sources(facts: VersionFacts, scan: RowScan) -> _Values:
    if not facts.inputs or scan.untraceable.rows:
        return None
    return {"files": len(facts.inputs), "sources": sorted({str(share.value) for share in scan.shares.get("source", [])})}


def _processing(facts: VersionFacts, scan: RowScan) -> _Values:
    del scan
    return {"steps": [step["step"] for step in facts.ledger.get("steps", [])]} if facts.ledger.get("steps") else None


def _annotation_rules(facts: VersionFacts, scan: RowScan) -> _Values:
    """Rules apply only where something is annotated."""
    return {"annotated": 0} if scan.annotated == 0 and facts.kind != Kind.SUPERVISED else None


def _version_records(facts: VersionFacts, scan: RowScan) -> _Values:
    del scan
    return {
        "number": facts.number,
        "id": facts.id,
        "author": facts.author,
        "message": facts.message,
        "parents": list(facts.parents),
    }


def _license(facts: VersionFacts, scan: RowScan) -> _Values:
    del facts
    if not scan.dimensions.get("license") or scan.unknown["license"]:
        return None
    return {"licenses": sorted(str(share.value) for share in scan.shares["license"])}


_ASPECTS: tuple[tuple[str, str, Role, _Source | None], ...] = (
    # indicator, aspect, who answers for it, what the facts tell (None: only a person can)
    ("0101", "scale", Role.DATA_ENGINEER, _scale),
    ("0101", "format", Role.DATA_ENGINEER, _always),
    ("0101", "file_structure", Role.DATA_ENGINEER, _always),
    ("0101", "access_channel", Role.DATA_OWNER, None),
    ("0101", "technical_support", Role.DATA_OWNER, None),
    ("0102", "modality", Role.DATA_ENGINEER, _modality),
    ("0102", "distribution", Role.DATA_ENGINEER, _distribution),
    ("0102", "label_statistics", Role.ANNOTATION_LEAD, _labels),
    ("0102", "sample_examples", Role.DATA_ENGINEER, _samples),
    ("0102", "limitations", Role.DATA_OWNER, None),
    ("0103", "data_source", Role.DATA_ENGINEER, _sources),
    ("0103", "collection_method", Role.DATA_OWNER, None),
    ("0103", "processing", Role.DATA_ENGINEER, _processing),
    ("0103", "annotation_specification", Role.ANNOTATION_LEAD, _annotation_rules),
    ("0103", "version_records", Role.DATA_ENGINEER, _version_records),
    ("0104", "license", Role.COMPLIANCE, _license),
    ("0104", "target_scenarios", Role.DATA_OWNER, None),
    ("0104", "evaluation_method", Role.MODEL_TEAM, None),
    ("0104", "benchmark_results", Role.MODEL_TEAM, None),
    ("0104", "application_cases", Role.DATA_OWNER, None),
)
ASPECTS = tuple(code for _, code, _, _ in _ASPECTS)


def aspects(facts: VersionFacts, scan: RowScan, requirements: Requirements) -> list[Aspect]:
    """Fill the document from facts, then from statements; facts go first, a statement beside them is kept too."""
    filled = []
    for indicator, code, role, source in _ASPECTS:
        values = source(facts, scan) if source else None
        statement = requirements.statements.get(code, "").strip() or None
        provision = Provision.FACTS if values is not None else Provision.STATEMENT if statement else Provision.MISSING
        filled.append(Aspect(indicator, code, provision, role, dict(values or {}), statement))
    return filled
