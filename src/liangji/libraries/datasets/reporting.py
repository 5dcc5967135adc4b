"""Report on the quality of a version: what was measured, and what people, models and third parties must still evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from liangji.core.errors import UsageError
from liangji.locales import Language
from liangji.pipeline.evaluation.report import QualityReport, assemble, to_json
from liangji.pipeline.evaluation.report_html import to_html
from liangji.pipeline.evaluation.requirements import Requirements, read_requirements
from liangji.stores.workspace import Workspace

ReportFormat = Literal["html", "json"]


def measure(workspace: Workspace, dataset: str, reference: str | None = None, requirements: Path | None = None) -> QualityReport:
    """Measure a version and give its report; `requirements`: a YAML file of targets and statements."""
    given = read_requirements(requirements) if requirements else Requirements()
    return assemble(workspace.metadata.version(dataset, reference), workspace.tables, given)


def report(
    workspace: Workspace,
    dataset: str,
    reference: str | None = None,
    format: ReportFormat = "html",  # noqa: A002  # the word people write: --format html
    language: Language = "zh",
    requirements: Path | None = None,
) -> str:
    """Write the report of a version as a page or as JSON."""
    if format not in ("html", "json"):
        raise UsageError(f"no report format '{format}'", "", "use html or json")
    measured = measure(workspace, dataset, reference, requirements)
    return to_html(measured, language) if format == "html" else to_json(measured).decode()
