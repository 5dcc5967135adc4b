"""What the metadata database tells about datasets, versions and runs: plain values, no connection behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    name: str
    kind: str
    modality: str
    created_time: datetime  # UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFacts:
    """One immutable version of a dataset and how it came to be."""

    dataset: str
    id: str  # hexadecimal digits of the hash of the content
    number: str | None = None  # semantic version, '1.2.0'; None: `Metadata.add_version` gives the next
    author: str
    message: str
    created_time: datetime  # with zone; comes back in UTC
    parents: tuple[str, ...] = ()  # ids of the versions it was made from
    kind: str
    modality: str
    recipe: str  # the YAML text as it was run
    recipe_hash: str
    operators: dict[str, dict[str, str]] = field(default_factory=dict)  # name → {version, package}
    inputs: list[dict[str, Any]] = field(default_factory=list)  # origin, sha256, size_bytes, modified_time, rows of each file
    ledger: dict[str, Any] = field(default_factory=dict)  # rows_in, rows_out, dropped {reason: n}, quarantined, expanded, steps
    findings: dict[str, Any] = field(
        default_factory=dict
    )  # step → what an exchange measured of itself: recall, versions compared with
    tables: dict[str, int] = field(default_factory=dict)  # rows, dropped, quarantined, keys-… of an index → version of the table
    rows: int
    columns: list[str] = field(default_factory=list)  # 'name type' of each column; another list means a new major number
    signals: list[str] = field(default_factory=list)  # names of the measured columns
    notes: list[dict[str, Any]] = field(default_factory=list)
    run_id: str
    seconds: float  # wall time of the run
    environment: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunFacts:
    id: str
    dataset: str
    recipe_hash: str
    state: str  # 'running' until `Metadata.finish_run` says otherwise
    plan: dict[str, Any]
    facts: dict[str, Any]
    started_time: datetime  # UTC
    finished_time: datetime | None  # UTC; None: still running, or killed
