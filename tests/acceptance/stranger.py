"""A package of somebody else: what it would ship. Copied out and registered by `test_stranger`, never imported by the tests."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field
from pydantic.dataclasses import dataclass

from liangji.core.exporting import ExportedFile, ExportFacts
from liangji.core.operator import STRICT, OperatorKind, with_decision
from liangji.core.reading import Raw, RawRecord, ReadLimits
from liangji.core.schema import Modality, string_column, with_column
from liangji.pipeline.collection.connectors import Found


@dataclass(frozen=True, slots=True, config=STRICT)
class CommaShare:
    """Measure the share of Chinese commas.

    Input:  `text`: string.
    Output: the batch with `comma_share`: float64 in [0, 1]; null where the text is null or empty.
    Source: own.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.MEASURE
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        texts = string_column(batch, "text").to_pylist()
        shares = [text.count("，") / len(text) if text else None for text in texts]
        return with_column(batch, "comma_share", pa.array(shares, pa.float64()))


@dataclass(frozen=True, slots=True, config=STRICT)
class AtMostCommas:
    """Drop texts of hardly anything but commas.

    Input:  `comma_share`.
    Output: decisions with reason `too_many_commas`.
    Source: own.
    """

    maximum_share: Annotated[float, Field(description="share of commas up to which a text is kept", ge=0, le=1)] = 0.5

    kind: ClassVar[OperatorKind] = OperatorKind.RULE
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        share = batch.column("comma_share")
        fails = pc.greater(share, self.maximum_share)
        reason = pc.if_else(fails, "too_many_commas", pa.scalar(None, pa.string()))
        return with_decision(batch, reason, share)


@dataclass(frozen=True, slots=True, config=STRICT)
class Fragile:
    """Measure the number that a text ends in, and fail on a text that ends in none.

    Input:  `text`: string.
    Output: the batch with `number`: int64.
    Source: own.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.MEASURE
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        numbers = [int(text.rpartition(" ")[2]) for text in string_column(batch, "text").to_pylist()]
        return with_column(batch, "number", pa.array(numbers, pa.int64()))


@dataclass(frozen=True, slots=True, config=STRICT)
class Careless:
    """Lose the last row of every batch.

    Input:  anything.
    Output: too little.
    Source: own.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.TRANSFORM
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.slice(0, max(0, batch.num_rows - 1))


@dataclass(frozen=True, slots=True, config=STRICT)
class ReadTicket:
    """Read tickets: one a paragraph, `subject: body`.

    Input:  UTF-8 text.
    Output: fields `text` and `subject`.
    Source: own.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.READ
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = (".ticket",)
    magic: ClassVar[tuple[bytes, ...]] = ()
    seeks: ClassVar[bool] = False

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Raw]:
        for record, ticket in enumerate(stream.read().decode().strip().split("\n\n")):
            subject, _, body = ticket.partition(": ")
            yield RawRecord({"text": body, "subject": subject}, record)


class Drawer:
    """Files that lie nowhere but here: `drawer://<count>` has that many."""

    schemes: ClassVar[tuple[str, ...]] = ("drawer",)

    def find(self, path: str, base: Path) -> list[Found]:
        count = int(path.removeprefix("drawer://"))
        return [
            Found(f"drawer://{number}.ticket", str(number), len(self._ticket(number)), "2026-01-01T00:00:00+00:00")
            for number in range(count)
        ]

    def open(self, location: str) -> BinaryIO:
        return io.BytesIO(self._ticket(int(location)))

    def _ticket(self, number: int) -> bytes:
        return f"抽屉: 第{number}份工单，从抽屉里取出 {number}".encode()


@dataclass(frozen=True, slots=True, config=STRICT)
class Lines:
    """Write the texts alone, one a line."""

    name: ClassVar[str] = "lines"
    version: ClassVar[str] = "1"

    def export(
        self, schema: pa.Schema, batches: Iterable[pa.RecordBatch], facts: ExportFacts, folder: Path, /
    ) -> list[ExportedFile]:
        texts: list[Any] = [text for batch in batches for text in batch.column("text").to_pylist()]
        (folder / "lines").mkdir(exist_ok=True)
        path = f"lines/{facts.split}-00000.lines"
        (folder / path).write_text("".join(f"{text}\n" for text in texts), "utf-8")
        return [ExportedFile(path, len(texts), facts.split, self.name)]
