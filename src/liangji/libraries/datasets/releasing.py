"""Release a version as a package, and verify a package without a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from liangji.core.exporting import Exporter
from liangji.core.registry import Group, load
from liangji.libraries.datasets.reporting import measure
from liangji.pipeline.evaluation.report import to_json
from liangji.pipeline.evaluation.report_html import to_html
from liangji.pipeline.packaging import release as packaging
from liangji.pipeline.packaging import verify as verification
from liangji.pipeline.packaging.exporters import Parquet, Records
from liangji.pipeline.packaging.release import Content, Released
from liangji.pipeline.packaging.splits import ONE, Splits
from liangji.pipeline.packaging.verify import Verification
from liangji.stores.workspace import Workspace

_BATCH_ROWS = 256  # documents may be large, and several batches are read ahead


def release(
    workspace: Workspace,
    dataset: str,
    reference: str | None = None,
    *,
    folder: Path,
    splits: str | None = None,
    requirements: Path | None = None,
    also: Sequence[str] = (),
) -> Released:
    """Make the package of a version in a new or empty folder; `splits` as `train=0.9,validation=0.05,test=0.05`.

    Rows go out as Parquet and as records, and by each exporter named in `also`, as installed in the group `liangji.exporters`.

    Raises: UsageError where the folder holds something, or the splits cannot be read; UnknownName for an exporter that is not
    installed.
    """
    exporters = _exporters(also)
    shares = Splits.parse(splits) if splits else ONE
    facts = workspace.metadata.version(dataset, reference)
    report = measure(workspace, dataset, facts.id, requirements)
    table, version = f"{facts.dataset}/rows", facts.tables["rows"]
    content = Content(
        facts,
        workspace.tables.schema(table, version),
        lambda: workspace.tables.scan(table, version, batch_rows=_BATCH_ROWS),
        to_json(report),
        {"zh": to_html(report, "zh"), "en": to_html(report, "en")},
    )
    return packaging.release(content, folder, shares, exporters)


def _exporters(also: Sequence[str]) -> list[Exporter]:
    """Give the two exporters that every package has, which `verify` reads again, and the wanted ones, each once."""
    always: list[Exporter] = [Parquet(), Records()]
    others = dict.fromkeys(name for name in also if name not in (Parquet.name, Records.name))
    return [*always, *(load(Group.EXPORTERS, name)() for name in others)]


def verify(folder: Path, digest: str | None = None) -> Verification:
    """Check a package with nothing but itself, and with the digest printed at its release if that was kept."""
    return verification.verify(folder, digest)
