"""Streams between a file and its reader: metered, decompressed, cut into lines. None holds more than it is asked for."""

from __future__ import annotations

import bz2
import io
import lzma
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple, Protocol, cast

import zstandard

from liangji.core.errors import InputError, LimitExceeded
from liangji.core.reading import ReadLimits
from liangji.core.units import format_size

CHUNK_BYTES = 256 << 10
FREE_EXPANSION_BYTES = 16 << 20  # expansion up to here is never suspicious
KEPT_BYTES = 64 << 10  # of the bytes at fault
_LINE_ENDS_BYTES = 64 << 10  # looked at to tell how lines end
SPOOL_BYTES = 16 << 20  # held in memory before a temporary file is used
_RAISE_RATIO = "if the file is trusted, raise `limits: {reading: {expansion_ratio: …}}` in the recipe"


# --- metering


@dataclass(slots=True)
class Budget:
    """What has been unpacked of one input file, at each depth of nesting, against its limits."""

    limits: ReadLimits
    source: Counted
    unpacked: dict[int, int] = field(default_factory=dict)
    is_spent: bool = False  # the file as a whole went over: nothing more of it is read

    def spend(self, size: int, depth: int) -> None:
        total = self.unpacked.get(depth, 0) + size
        self.unpacked[depth] = total
        if total > self.limits.unpacked_bytes:
            self.is_spent = True
            raise LimitExceeded(
                f"unpacks to more than the limit of {format_size(self.limits.unpacked_bytes)}",
                "",
                "if the file is trusted, raise `limits: {reading: {unpacked_bytes: …}}` in the recipe",
            )
        try:
            check_ratio(total, self.source.seen, self.limits)
        except LimitExceeded:
            self.is_spent = True
            raise


def check_ratio(unpacked: int, packed: int, limits: ReadLimits) -> None:
    """Refuse what expands beyond the ratio, once it is big enough to matter."""
    if unpacked > FREE_EXPANSION_BYTES and unpacked > limits.expansion_ratio * packed:
        raise LimitExceeded(
            f"expands from {format_size(packed)} to more than {format_size(unpacked)}: "
            f"over the limit on the expansion ratio of {limits.expansion_ratio:g}",
            "",
            _RAISE_RATIO,
        )


class ByteStream(io.RawIOBase):
    """Base of streams that give bytes by `read_some`, at most as many as asked for, none at the end."""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return self.readall()
        return self.read_some(size)

    def readinto(self, buffer: Any) -> int:
        data = self.read_some(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read_some(self, size: int) -> bytes:
        raise NotImplementedError

    def as_binary(self) -> BinaryIO:
        """Give the stream as what it is in all but its base class."""
        return cast("BinaryIO", self)


class Counted(ByteStream):
    """Pass bytes through and remember how far into the stream anybody has looked."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream, self._position, self.seen = stream, 0, 0

    def read_some(self, size: int) -> bytes:
        data = self._stream.read(size) or b""
        self._position += len(data)
        self.seen = max(self.seen, self._position)
        return data

    def seekable(self) -> bool:
        return self._stream.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = self._stream.seek(offset, whence)
        return self._position

    def tell(self) -> int:
        return self._position


class Joined(ByteStream):
    """The head of a stream, then the rest of it."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._head, self._rest = head, rest

    def read_some(self, size: int) -> bytes:
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        return self._rest.read(size)


class Broken(ByteStream):
    """The rest of a stream that could not be read: raises what was wrong with it."""

    def __init__(self, error: InputError) -> None:
        super().__init__()
        self._error = error

    def read_some(self, size: int) -> bytes:
        del size
        raise self._error


def read_head(stream: BinaryIO, size: int) -> tuple[bytes, BinaryIO]:
    """Take the first bytes of a stream; give them, and what follows. What breaks behind them breaks when it is reached."""
    head = b""
    try:
        while len(head) < size and (more := stream.read(size - len(head))):
            head += more
    except InputError as error:
        if not head:
            raise
        return head, Broken(error).as_binary()
    return head, stream


class Metered(ByteStream):
    """Pass unpacked bytes through until they cost more than the limits allow."""

    def __init__(self, stream: BinaryIO, budget: Budget, depth: int, packed_bytes: int = -1) -> None:
        super().__init__()
        self._stream, self._budget, self._depth, self._packed_bytes, self._read = stream, budget, depth, packed_bytes, 0

    def read_some(self, size: int) -> bytes:
        data = self._stream.read(size) or b""
        self._read += len(data)
        if self._packed_bytes >= 0:
            check_ratio(self._read, self._packed_bytes, self._budget.limits)
        self._budget.spend(len(data), self._depth)
        return data


def spooled(stream: BinaryIO) -> BinaryIO:
    """Copy a pipe into a nameless temporary file, so that it can be seeked in. The caller closes it."""
    copy = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115  # the caller's
    while data := stream.read(CHUNK_BYTES):
        copy.write(data)
    copy.seek(0)
    return cast("BinaryIO", copy)


def read_whole(stream: BinaryIO, limits: ReadLimits) -> bytes:
    """Read a member that has to be held in memory.

    Raises: LimitExceeded where it is over `limits.member_bytes`.
    """
    parts, size = [], 0
    while data := stream.read(CHUNK_BYTES):
        size += len(data)
        if size > limits.member_bytes:
            raise LimitExceeded(
                f"is over {format_size(limits.member_bytes)}, the limit for a format that must be read whole",
                "",
                "give it as jsonl, csv or parquet, cut it, or raise `limits: {reading: {member_bytes: …}}` in the recipe",
            )
        parts.append(data)
    return b"".join(parts)


# --- decompression

_XZ_MEMORY_BYTES = 256 << 20  # the dictionary that the stream asks for, and a little
_ZSTANDARD_WINDOW_BYTES = 128 << 20


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gzip:
    """zlib under the interface that bz2 and lzma share."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class _Bzip2:
    """bz2, whose checksum stands behind each block: what is unpacked is held back until the block must have ended well."""

    HELD_BYTES = 1 << 20  # a block holds 900 000 bytes, more only where one byte is repeated on and on

    def __init__(self) -> None:
        self._inner = bz2.BZ2Decompressor()
        self._held = bytearray()

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return self._inner.needs_input

    def decompress(self, data: bytes, max_length: int) -> bytes:
        self._held += self._inner.decompress(data, max_length)
        return self._take(len(self._held) if self._inner.eof else len(self._held) - self.HELD_BYTES)

    def rest(self) -> bytes:
        """Give what is held back where the stream is cut off: only whole blocks are ever unpacked."""
        return self._take(len(self._held))

    def _take(self, size: int) -> bytes:
        if size <= 0:
            return b""
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken


class _Zstandard:
    """zstandard under the same interface; its output cannot be bounded, so its input is: 1 KiB gives at most 32 MiB."""

    _STEP_BYTES = 1 << 10

    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor(max_window_size=_ZSTANDARD_WINDOW_BYTES).decompressobj()
        self._waiting = b""

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data + self._waiting

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    def decompress(self, data: bytes, max_length: int) -> bytes:
        data = self._waiting + data if self._waiting else data
        parts, size, at = [], 0, 0
        while at < len(data) and size < max_length and not self._inner.eof:
            part = self._inner.decompress(data[at : at + self._STEP_BYTES])
            at += self._STEP_BYTES
            parts.append(part)
            size += len(part)
        self._waiting = data[at:]
        return b"".join(parts)


class Compression(NamedTuple):
    name: str
    magic: tuple[bytes, ...]
    start: Callable[[], _Decompressor]


GZIP = Compression("gzip", (b"\x1f\x8b",), _Gzip)
BZIP2 = Compression("bzip2", (b"BZh",), _Bzip2)
XZ = Compression("xz", (b"\xfd7zXZ\x00", b"\x5d\x00\x00"), lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY_BYTES))
ZSTANDARD = Compression(
    "zstandard",
    (b"\x28\xb5\x2f\xfd", *(bytes((low, 0x2A, 0x4D, 0x18)) for low in range(0x50, 0x60))),  # frames, skippable frames
    _Zstandard,
)


class Decompressed(ByteStream):
    """Unpack one or more compressed streams laid end to end; what is cut off or broken raises InputError where it is met."""

    def __init__(self, stream: BinaryIO, compression: Compression) -> None:
        super().__init__()
        self._stream, self._compression = stream, compression
        self._inner = compression.start()
        self._begun = False  # the present compressed stream has had input
        self._unpacked = 0
        self._ready = b""  # unpacked and not yet asked for

    def read_some(self, size: int) -> bytes:
        while not self._ready:
            if self._inner.eof:
                if not self._next_stream():
                    return b""
                continue
            data = self._stream.read(CHUNK_BYTES >> 2) if self._inner.needs_input else b""
            if self._inner.needs_input and not data:
                if not self._begun:
                    return b""
                self._ready = self._inner.rest() if isinstance(self._inner, _Bzip2) else b""
                if self._ready:
                    continue
                name = self._compression.name
                raise InputError(f"the {name} stream is cut off: its end is missing", "", "fetch the file again")
            self._ready = self._decompress(data, size)
        data, self._ready = self._ready[:size], self._ready[size:]
        return data

    def _decompress(self, data: bytes, size: int) -> bytes:
        self._begun = True
        try:
            unpacked = self._inner.decompress(data, max(size, CHUNK_BYTES))
        except (lzma.LZMAError, OSError, ValueError, EOFError, zlib.error, zstandard.ZstdError) as error:
            raise self._broken(error) from error
        self._unpacked += len(unpacked)
        return unpacked

    def _broken(self, error: Exception) -> InputError:
        name = self._compression.name
        if "too much memory" in str(error) or "emory usage limit" in str(error):
            limit = {"xz": _XZ_MEMORY_BYTES, "zstandard": _ZSTANDARD_WINDOW_BYTES}[name]
            what = f"the {name} stream wants more memory to be unpacked than the limit of {format_size(limit)}"
            return LimitExceeded(what, "", "compress it again with a smaller dictionary or window")
        what = f"the {name} stream is damaged ({error})"
        if self._compression is BZIP2:
            what += f"; the last {format_size(_Bzip2.HELD_BYTES)} before the damage are left out, for they may be wrong too"
        elif "incorrect" in str(error):  # only gzip ends so: with the checksum of all that was unpacked
            what += "; any record of it may be wrong"
        elif self._unpacked:
            what += "; records just before the damage may be wrong too"
        return InputError(what, "", "fetch the file again")

    def _next_stream(self) -> bool:
        rest = self._inner.unused_data.lstrip(b"\0")  # zero padding between and after streams is usual on tapes
        while len(rest) < 6:
            more = self._stream.read(CHUNK_BYTES >> 2)
            if not more:
                break
            rest = (rest + more).lstrip(b"\0")
        if not rest:
            return False
        if not rest.startswith(self._compression.magic):
            what = f"bytes after the end of the {self._compression.name} stream are no {self._compression.name}"
            raise InputError(what, "", "everything before them was read; fetch the file again if more should follow")
        self._inner = self._compression.start()
        self._ready = self._decompress(rest, CHUNK_BYTES)
        return True


# --- lines


class Line(NamedTuple):
    """One line without its line feed. One over the limit is empty, with its size and its beginning."""

    number: int  # 1-based
    data: bytes
    size_bytes: int
    beginning: bytes = b""


class Block(NamedTuple):
    """Whole lines without the last line feed."""

    number: int  # of the first line, 1-based
    data: bytes

    def lines(self, limits: ReadLimits) -> Iterator[Line]:
        for number, data in enumerate(self.data.split(b"\n"), self.number):
            yield _line(number, data, limits)


def blocks(stream: BinaryIO, limits: ReadLimits) -> Iterator[Block | Line]:
    """Cut a stream into blocks of lines; a line over `limits.record_bytes` is passed over without being held, and told by itself.

    A line over the limit that is no longer than a chunk may stand in a block: `Block.lines` tells it.
    """
    number, skipped, beginning = 1, 0, b""
    held: list[bytes] = []  # the line that has begun
    held_bytes = 0
    while chunk := stream.read(CHUNK_BYTES):
        whole, found, rest = chunk.rpartition(b"\n")
        if not found and skipped:
            skipped += len(chunk)
        elif not found:
            held.append(chunk)
            held_bytes += len(chunk)
            if held_bytes > limits.record_bytes:
                skipped, beginning = held_bytes, b"".join(held)[:KEPT_BYTES]
                held, held_bytes = [], 0
        else:
            if skipped:
                first, found, whole = whole.partition(b"\n")
                yield Line(number, b"", skipped + len(first), beginning)
                number, skipped = number + 1, 0
            if found:
                block = Block(number, b"".join((*held, whole)))
                yield block
                number += block.data.count(b"\n") + 1
            held, held_bytes = [rest], len(rest)
    if skipped:
        yield Line(number, b"", skipped, beginning)
    elif held_bytes:
        yield Block(number, b"".join(held))


def joined_blocks(source: Iterator[Block | Line], size: int) -> Iterator[Block | Line]:
    """Join neighbouring blocks until they have `size` bytes. What was read before an error is given before it is raised."""
    held: list[Block] = []
    held_bytes = 0
    try:
        for item in source:
            if isinstance(item, Block):
                held.append(item)
                held_bytes += len(item.data)
            if held and (isinstance(item, Line) or held_bytes >= size):
                yield _joined(held)
                held, held_bytes = [], 0
            if isinstance(item, Line):
                yield item
    except Exception:
        if held:
            yield _joined(held)
        raise
    if held:
        yield _joined(held)


def _joined(held: list[Block]) -> Block:
    return Block(held[0].number, b"\n".join([block.data for block in held]))


def lines(stream: BinaryIO, limits: ReadLimits) -> Iterator[Line]:
    """Cut a stream at line feeds; a line over `limits.record_bytes` is passed over without being held."""
    for item in blocks(stream, limits):
        if isinstance(item, Line):
            yield item
        else:
            yield from item.lines(limits)


class _CarriageReturns(ByteStream):
    """Line ends of old Macintosh files as line feeds."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream

    def read_some(self, size: int) -> bytes:
        return self._stream.read(size).replace(b"\r", b"\n")


def with_line_feeds(stream: BinaryIO) -> BinaryIO:
    """Give a stream whose lines end in line feeds, also where they end in carriage returns alone."""
    head, stream = read_head(stream, _LINE_ENDS_BYTES)
    whole = Joined(head, stream).as_binary()
    return _CarriageReturns(whole).as_binary() if b"\r" in head and b"\n" not in head else whole


def _line(number: int, data: bytes, limits: ReadLimits) -> Line:
    if len(data) > limits.record_bytes:
        return Line(number, b"", len(data), data[:KEPT_BYTES])
    return Line(number, data, len(data))
