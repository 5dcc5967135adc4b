"""个人信息脱敏: replace personal information and secrets in a text column. What is known and how it is found: `governance`."""

from __future__ import annotations

import hashlib
from typing import Annotated, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic.dataclasses import dataclass

from liangji.core.operator import STRICT, OperatorKind
from liangji.core.schema import TEXT, Modality, string_column, with_column

_ROUNDS = 8  # taking a value out can lay bare another beside it; the second round finds nothing in all but contrived texts


@dataclass(frozen=True, slots=True, config=STRICT)
class MaskPersonalInformation:
    """Replace personal information and secrets by asterisks, labels, nothing, or consistent pseudonyms.

    Input:  `column`: string, one document a row.
    Output: the batch with the column replaced and `personal_information_masked`: int32, how many spans were replaced; null where
            the text is null. Everything outside of the spans stays. With `mask` the text keeps its length in characters.
    Raises: SchemaError where `column` is missing or is not a string.
    Source: GB/T 37964-2019, annex A (masking, suppression, pseudonyms by keyed hash); kinds: `governance.personal_information.kinds`.
    """

    column: Annotated[str, Field(description="column that holds the text")] = TEXT
    kinds: Annotated[
        list[str] | Literal["all with a format"],
        Field(description="names of the kinds to replace; by default all but names of persons and postal addresses"),
    ] = "all with a format"
    style: Annotated[
        Literal["mask", "label", "remove", "pseudonym"],
        Field(description="asterisks (138****5678), [kind], nothing, or a value of the same shape that is never given out"),
    ] = "mask"
    minimum_confidence: Annotated[
        Literal["high", "low"], Field(description="high: confirmed by check digit or context; low: also what only looks right")
    ] = "high"
    key: Annotated[
        SecretStr | None,
        Field(
            description="secret of the pseudonyms: the same key gives the same value the same pseudonym; in a recipe: "
            '`key: "${LIANGJI_PSEUDONYM_KEY}"`, which is taken from the environment'
        ),
    ] = None

    kind: ClassVar[OperatorKind] = OperatorKind.TRANSFORM
    version: ClassVar[str] = "2"
    modality: ClassVar[Modality] = Modality.TEXT

    @field_validator("kinds")
    @classmethod
    def _kinds_are_known(cls, kinds: list[str] | str) -> list[str] | str:
        from liangji.governance.personal_information.kinds import check_names  # noqa: PLC0415 - operators are listed without it

        return kinds if isinstance(kinds, str) else check_names(kinds)

    @model_validator(mode="after")
    def _pseudonyms_have_a_key(self) -> MaskPersonalInformation:
        if self.style == "pseudonym" and self.key is None:
            raise ValueError(
                "style 'pseudonym' needs a `key`: without one, anybody could compute the pseudonyms; "
                'write `key: "${LIANGJI_PSEUDONYM_KEY}"` and set that environment variable'
            )
        return self

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        from liangji.governance.personal_information.kinds import WITH_FORMAT  # noqa: PLC0415

        column = string_column(batch, self.column)
        wanted = WITH_FORMAT if isinstance(self.kinds, str) else frozenset(self.kinds)
        replaced, counts = self._replace_all(column, wanted)
        batch = with_column(batch, self.column, replaced)
        return with_column(batch, "personal_information_masked", counts)

    def fingerprint(self) -> str | None:
        """Stand for the key in the identity of a step: another key makes other texts. The key cannot be read from it."""
        if self.key is None or self.style != "pseudonym":
            return None
        return hashlib.sha256(b"liangji pseudonym key\0" + self.key.get_secret_value().encode()).hexdigest()

    def warm_up(self) -> None:
        self._replace_all(pa.array(["13812345678"], pa.large_string()), frozenset({"mobile_phone"}))

    def _replace_all(self, column: pa.Array, wanted: frozenset[str]) -> tuple[pa.Array, pa.Array]:
        from liangji.governance.personal_information.masking import replace_in  # noqa: PLC0415

        key = self.key.get_secret_value().encode() if self.key else b""
        counts = np.zeros(len(column), np.int32)
        whole, part, rows = column, column, np.arange(len(column))
        for round_number in range(_ROUNDS):
            style = self.style if round_number < _ROUNDS // 2 else "mask"
            replaced = replace_in(part, wanted, self.minimum_confidence, style, key) if len(part) else None
            if replaced is None:
                break
            counts[rows] += replaced.counts
            part = replaced.texts.cast(column.type)
            if len(rows) == len(column):
                whole = part
            else:
                is_changed = np.zeros(len(column), np.bool_)
                is_changed[rows] = True
                whole = pc.replace_with_mask(whole, pa.array(is_changed), part)
            rows, part = rows[replaced.laid_bare], part.take(pa.array(replaced.laid_bare))
        return whole, pa.array(counts, mask=~column.is_valid().to_numpy(zero_copy_only=False))
