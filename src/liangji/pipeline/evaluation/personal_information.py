"""个人信息检测: count personal information and secrets in a text column. What is known and how it is found: `governance`."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, ClassVar, Literal

import pyarrow as pa
from pydantic import Field, field_validator
from pydantic.dataclasses import dataclass

from liangji.core.operator import STRICT, OperatorKind
from liangji.core.schema import TEXT, Modality, string_column, with_column


@dataclass(frozen=True, slots=True, config=STRICT)
class FindPersonalInformation:
    """Count personal information and secrets, by kind.

    Input:  `column`: string, one document a row.
    Output: the batch with `personal_information_count`: int32, and `personal_information_kinds`: string, a JSON object from kind
            to count, kinds in alphabetical order; both null where the text is null. Never the values.
    Raises: SchemaError where `column` is missing or is not a string.
    Source: GB/T 43697-2024, annex B (categories); rules and their standards: `governance.personal_information.kinds`.
    """

    column: Annotated[str, Field(description="column that holds the text")] = TEXT
    kinds: Annotated[
        list[str] | Literal["all", "all with a format"],
        Field(description="names of the kinds to count; `all with a format` leaves out names of persons and postal addresses"),
    ] = "all with a format"
    minimum_confidence: Annotated[
        Literal["high", "low"], Field(description="high: confirmed by check digit or context; low: also what only looks right")
    ] = "high"

    kind: ClassVar[OperatorKind] = OperatorKind.MEASURE
    version: ClassVar[str] = "2"
    modality: ClassVar[Modality] = Modality.TEXT

    @field_validator("kinds")
    @classmethod
    def _kinds_are_known(cls, kinds: list[str] | str) -> list[str] | str:
        from liangji.governance.personal_information.kinds import check_names  # noqa: PLC0415 - operators are listed without it

        return kinds if isinstance(kinds, str) else check_names(kinds)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        from liangji.governance.personal_information.detection import find_in  # noqa: PLC0415 - loads the kernels
        from liangji.governance.personal_information.kinds import KINDS, WITH_FORMAT  # noqa: PLC0415

        column = string_column(batch, self.column)
        wanted = {"all": frozenset(KINDS), "all with a format": WITH_FORMAT}.get(str(self.kinds)) or frozenset(self.kinds)
        found = find_in(column, wanted, self.minimum_confidence)
        valid = column.is_valid().to_pylist()
        counts = [len(spans) if is_valid else None for spans, is_valid in zip(found, valid, strict=True)]
        kinds = [_by_kind(spans) if is_valid else None for spans, is_valid in zip(found, valid, strict=True)]
        batch = with_column(batch, "personal_information_count", pa.array(counts, pa.int32()))
        return with_column(batch, "personal_information_kinds", pa.array(kinds, pa.string()))


def _by_kind(spans: tuple[tuple[int, int, str, str], ...]) -> str:
    if not spans:
        return "{}"
    counts = Counter(kind for _, _, kind, _ in spans)
    return "{" + ", ".join(f'"{kind}": {counts[kind]}' for kind in sorted(counts)) + "}"
