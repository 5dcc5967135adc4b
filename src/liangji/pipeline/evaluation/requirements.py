"""What a dataset is held against, and what only people can say about it: the data requirement of indicators 0101 to 0305.

Nothing here is guessed: an indicator whose target is not given is reported as not evaluated, and so is a statement nobody made.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from liangji.core.errors import InputError
from liangji.core.operator import STRICT


@dataclass(frozen=True, slots=True, config=STRICT)
class Requirements:
    """The targets of a dataset and the statements of the people responsible for it."""

    minimum_rows: Annotated[int | None, Field(ge=1, description="records the target scenario needs (0302)")] = None
    minimum_tokens: Annotated[int | None, Field(ge=1, description="tokens the target scenario needs (0302)")] = None
    earliest_time: Annotated[str | None, Field(pattern=r"^\d{4}-\d\d-\d\d", description="first date allowed, ISO 8601 (0303)")] = (
        None
    )
    latest_time: Annotated[str | None, Field(pattern=r"^\d{4}-\d\d-\d\d", description="last date allowed, ISO 8601 (0303)")] = None
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

    Raises: InputError where it is no such file, with every fault at once.
    """
    try:
        value = yaml.safe_load(path.read_text("utf-8"))
        return TypeAdapter(Requirements).validate_python(value or {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as fault:
        raise InputError(f"cannot read the requirements: {fault}", str(path), "write them as YAML in UTF-8") from fault
    except ValidationError as fault:
        faults = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in fault.errors())
        raise InputError(f"the requirements are not valid: {faults}", str(path), "fields: see `Requirements`") from fault
