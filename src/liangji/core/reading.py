"""The reading contract: how the bytes of a file become records, and how what cannot be read is reported.

Readers yield, in the order of the file, three things: records (one by one, or as columns), faults (a record or a file that is
kept aside, counted as quarantined) and notes (something a person should know; nothing was lost).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, BinaryIO, ClassVar, NamedTuple, Protocol

import pyarrow as pa
from pydantic import Field
from pydantic.dataclasses import dataclass

from liangji.core.operator import STRICT, OperatorKind
from liangji.core.schema import Modality


@dataclass(frozen=True, slots=True, config=STRICT)
class ReadLimits:
    """What one input file may cost before it is refused. Sizes in bytes."""

    expansion_ratio: Annotated[float, Field(gt=1, description="unpacked bytes per packed byte, beyond the first 16 MiB")] = 200
    unpacked_bytes: Annotated[int, Field(gt=0, description="unpacked size of one input file")] = 1 << 40
    member_bytes: Annotated[int, Field(gt=0, description="size of a member that must be read whole (html, json, xlsx, text)")] = (
        256 << 20
    )
    record_bytes: Annotated[int, Field(gt=0, description="size of one record or line")] = 64 << 20
    depth: Annotated[int, Field(ge=0, description="archives inside archives")] = 4
    members: Annotated[int, Field(gt=0, description="members of one archive")] = 5_000_000
    pixels: Annotated[int, Field(gt=0, description="pixels of one image")] = 100_000_000


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One input file, found by a connector. `origin` is what people see and what ids are made from: relative to the recipe."""

    origin: str
    location: str
    size_bytes: int
    sha256: str
    modified_time: str  # ISO 8601, UTC
    input_index: int  # which entry of the recipe's `inputs` it came from


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that could not be read, kept aside. `line` is 1-based; `record` 0-based; -1 where there is none."""

    origin: str
    what: str
    mend: str = ""
    line: int = -1
    record: int = -1
    content: bytes = b""  # the bytes at fault, at most 64 KiB of them
    code: str = "input_error"


@dataclass(frozen=True, slots=True)
class Note:
    """Something a person should know about an input; no record was lost by it."""

    origin: str
    what: str
    line: int = -1
    code: str = "note"


def place(origin: str, line: int) -> str:
    """Say where something was found: the origin, and the line where there is one."""
    return f"{origin}:{line}" if line > 0 else origin


class RawRecord(NamedTuple):
    """One record as a format gives it: field → JSON value. Text formats give the single field `text`.

    A named tuple, because millions are made: a checked dataclass costs more than parsing the line.
    """

    fields: dict[str, Any]
    record: int  # 0-based position in its origin
    line: int = -1  # 1-based
    origin: str = ""  # file, and member of an archive after '!'; filled in on the way out, readers need not set it


class RawBatch(NamedTuple):
    """Records of a columnar format, untouched; row i is record `record` + i. The reader has seen to it that strings are UTF-8."""

    columns: pa.RecordBatch
    record: int
    origin: str = ""
    line: int = -1  # 1-based, of row 0; each row has a line of its own. -1 where the format has no lines

    def records(self) -> Iterator[RawRecord]:
        """Take the rows apart."""
        for row, fields in enumerate(self.columns.to_pylist()):
            yield RawRecord(fields, self.record + row, self.line + row if self.line > 0 else -1, self.origin)


Raw = RawRecord | RawBatch | Fault | Note


class Member(NamedTuple):
    """What an unpacker takes out of an archive, to be read before the next one is asked for."""

    name: str  # as people see it; empty for a compressed stream, which keeps the name of its file without the ending
    stream: BinaryIO
    packed_bytes: int = -1  # its size inside the archive; -1 where the format does not tell


class Reader(Protocol):
    """Read one format. Listed by `liangji operators list` under kind `read`; found by ending, then by first bytes.

    Its entry point is named `read_<format>`. `stream` can seek where the class sets `seeks = True`, else it may be a pipe.
    """

    kind: ClassVar[OperatorKind]
    version: ClassVar[str]
    modality: ClassVar[Modality]
    endings: ClassVar[tuple[str, ...]]  # '.jsonl', '.ndjson'
    magic: ClassVar[tuple[bytes, ...]]  # first bytes of a file of this format; empty where it has none
    seeks: ClassVar[bool]

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Raw]: ...


class Unpacker(Protocol):
    """Open one kind of archive or compressed stream; its entry point is named `unpack_<format>`.

    Limits on ratio, size, depth and count are held by the caller (`collection.reading`), which meters every stream.
    """

    kind: ClassVar[OperatorKind]
    version: ClassVar[str]
    modality: ClassVar[Modality]
    endings: ClassVar[tuple[str, ...]]
    magic: ClassVar[tuple[bytes, ...]]
    seeks: ClassVar[bool]

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Member | Fault | Note]: ...


class Source(Protocol):
    """All inputs of one recipe; what the engine runs on."""

    def files(self) -> list[SourceFile]:
        """List the input files in canonical order: by entry of the recipe, then by origin.

        `sha256` is empty where the bytes must be read for it.
        """

    def fingerprint(self, file: SourceFile) -> str:
        """Read a file for its SHA-256, in hexadecimal digits."""

    def remember(self, file: SourceFile) -> None:
        """Keep the SHA-256 of a file, so that it need not be read for it again while it is unchanged."""

    def identity(self, file: SourceFile) -> object:
        """Give everything but the bytes that decides what `read` yields, as plain values: origin, options, reader versions."""

    def read(self, file: SourceFile, consumed: Callable[[int], None]) -> Iterator[pa.RecordBatch | Fault | Note]:
        """Yield the records of one file in the record schema of the dataset, always cut the same way.

        `consumed` is told how many more bytes of the file have been read, for the progress display.
        """
