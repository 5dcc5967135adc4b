"""The exporting contract: how the rows of a version become the files of a package.

Exporters are found by entry point in the group `liangji.exporters`. Same rows, same bytes: no clock, no unseeded randomness, and
no dependence on how the batches were cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import pyarrow as pa

from liangji.core.records import RecordContext

FILE_BYTES = 1 << 30
"""Size at which an exporter starts its next file, in bytes, give or take one batch."""


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One file that an exporter wrote. `path` is relative to the folder of the package, with forward slashes."""

    path: str
    rows: int
    split: str
    exporter: str
    invalid_rows: int | None = None  # rows that do not meet the format as they are; null: the format has no such rule


@dataclass(frozen=True, slots=True)
class ExportFacts:
    """What an exporter is told about the rows: where they belong and what their records take from the version."""

    dataset: str
    split: str
    record: RecordContext


class Exporter(Protocol):
    """Write the rows of one split below `folder`, streaming, in files named `<split>-00000…`."""

    name: ClassVar[str]  # as registered
    version: ClassVar[str]

    def export(
        self, schema: pa.Schema, batches: Iterable[pa.RecordBatch], facts: ExportFacts, folder: Path, /
    ) -> list[ExportedFile]: ...
