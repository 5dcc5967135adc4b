"""What a dataset is held against, and what only people can say about it: the data requirement of indicators 0101 to 0305.

Nothing here is guessed: an indicator whose target is not given is reported as not evaluated, and so is a statement nobody made.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from liangji.core.errors import DocumentFault, InputError, RequirementsError
from liangji.core.operator import STRICT
from liangji.engine.document import Document

_EXAMPLES = {
    "earliest_time": "2024-01-01",
    "latest_time": "2024-12-31",
    "coverage": "{language: [zh, en]}",
    "statements": "{limitations: …}",
}


def _written(value: Any) -> Any:
    """Take the dates that YAML reads without quotes."""
    return value.isoformat() if isinstance(value, date) else value


def _checked(value: str) -> str:
    date.fromisoformat(value[:10])
    return value


Day = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d"), AfterValidator(_checked), BeforeValidator(_written)]


@dataclass(frozen=True, slots=True, config=STRICT)
class Requirements:
    """The targets of a dataset and the statements of the people responsible for it."""

    minimum_rows: Annotated[int | None, Field(ge=1, description="records the target scenario needs (0302)")] = None
    minimum_tokens: Annotated[int | None, Field(ge=1, description="tokens the target scenario needs (0302)")] = None
    earliest_time: Annotated[Day | None, Field(description="first date allowed, ISO 8601 (0303)")] = None
    latest_time: Annotated[Day | None, Field(description="last date allowed, ISO 8601 (0303)")] = None
    coverage: Annotated[
        dict[str, list[str]],
        Field(description="values each dimension must hold (0301): `language`, `source` or `license` → values"),
    ] = Field(default_factory=dict)
    statements: Annotated[
        dict[str, str],
        Field(description="what a person says about an aspect of the document (0101-0104): `technical_support`, … → text"),
    ] = Field(default_factory=dict)


def read_requirements(path: Path) -> Requirements:
    """Read requirements from a YAML file.

    Raises: InputError where there is no such file, RequirementsError with every fault.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        raise InputError(f"cannot read the requirements: {fault}", str(path), "write them as YAML in UTF-8") from fault
    document = Document(str(path), RequirementsError, _EXAMPLES)
    value = document.load(text)
    if value is not None and not isinstance(value, dict):
        document.report((), "requirements are a mapping", "start with `minimum_rows: 50000`")
    try:
        requirements = TypeAdapter(Requirements).validate_python(value if isinstance(value, dict) else {})
    except ValidationError as error:
        document.faults += [document.fault(problem, Requirements) for problem in error.errors()]
    if document.faults:
        raise RequirementsError(str(path), tuple(sorted(document.faults, key=_line)))
    return requirements


def _line(fault: DocumentFault) -> int:
    return fault.line
