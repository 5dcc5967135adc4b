"""What the readers ask of `encodings`: a whole text, or a stream as UTF-8, with notes on what was converted or replaced."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

from liangji.core.errors import InputError
from liangji.core.reading import Note
from liangji.pipeline.collection.encodings import SAMPLE_BYTES, DecodedChunks, decode, decode_stream, detect, look_ahead
from liangji.pipeline.collection.streams import ByteStream, Joined, read_head

READ_AS = "read as "  # how the note begins that a text was not UTF-8
_PLAIN = ("ascii", "utf-8", "utf-8-sig")


def decoded(data: bytes, declared: str | None, origin: str) -> tuple[str, list[Note]]:
    """Decode a whole text; say where characters were replaced and which lines were in another encoding."""
    found = decode(data, declared)
    if _is_binary(found.text):
        raise InputError("binary data, not text", "", "leave the file out, or name its `format:`")
    return found.text, _notes(origin, found.encoding.name, found.replaced, found.lines_replaced, found.notes)


_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def _is_binary(text: str) -> bool:
    """Tell binary data by the share of control characters; a text may hold a few."""
    sample = text[:SAMPLE_BYTES]
    return len(_CONTROL.findall(sample)) > max(4, len(sample) // 50)


def _notes(origin: str, encoding: str, replaced: int, where: tuple[int, ...], others: tuple[str, ...]) -> list[Note]:
    notes = [Note(origin, what, code="encoding") for what in others]
    if encoding not in _PLAIN:
        notes.insert(0, Note(origin, f"{READ_AS}{encoding}", code="encoding"))
    if replaced:
        listed = ", ".join(map(str, where[:20])) + (", …" if len(where) > 20 else "")
        what = f"{replaced} character(s) could not be decoded as {encoding} and became U+FFFD, in line(s) {listed}"
        notes.append(Note(origin, what, where[0] if where else -1, "characters_replaced"))
    return notes


class Utf8Stream:
    """A stream of any encoding as UTF-8 without a byte-order mark; what is UTF-8 passes through untouched, faults and all."""

    def __init__(self, stream: ByteStream, decoding: Callable[[], DecodedChunks | None]) -> None:
        self.stream = stream.as_binary()
        self._decoding = decoding

    def notes(self, origin: str) -> list[Note]:
        """Tell what was converted or replaced; asked for at the end."""
        chunks = self._decoding()
        if chunks is None:
            return []
        return _notes(origin, chunks.encoding.name, chunks.replaced, chunks.lines_replaced, chunks.notes)


def utf8_stream(stream: BinaryIO, declared: str | None = None, *, repair: bool = False) -> Utf8Stream:
    """Look at the head of a stream and give the whole of it as UTF-8.

    With `repair`, bytes that are no UTF-8 in a UTF-8 file are replaced and counted; without, they are left for the reader to
    find, which costs nothing.
    """
    head, stream = read_head(stream, SAMPLE_BYTES)
    if not repair and declared is None and head.isascii() and detect(head).name == "ascii":
        undecided = _Undecided(head, stream)
        return Utf8Stream(undecided, lambda: undecided.chunks)
    head, stream = look_ahead(head, stream)
    if not repair and (detect(head).name in _PLAIN if declared is None else _is_utf8(declared)):
        return Utf8Stream(Joined(head.removeprefix(b"\xef\xbb\xbf"), stream), lambda: None)
    _, chunks = decode_stream(Joined(head, stream).as_binary(), declared)
    return Utf8Stream(_Encoded(chunks), lambda: chunks)


def _is_utf8(declared: str) -> bool:
    return declared.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig")


class _Undecided(ByteStream):
    """A stream that begins with ASCII, which reads alike in every encoding of lines: its first byte beyond decides the rest."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        super().__init__()
        self._head, self._stream = head, stream
        self._decided: ByteStream | None = None
        self._line = 1
        self.chunks: DecodedChunks | None = None  # where the rest turned out not to be UTF-8

    def read_some(self, size: int) -> bytes:
        if self._decided is not None:
            return self._decided.read_some(size)
        data, self._head = (self._head[:size], self._head[size:]) if self._head else (self._stream.read(size), b"")
        if data.isascii():
            self._line += data.count(b"\n")
            return data
        self._decided = self._decide(data)
        return self._decided.read_some(size)

    def _decide(self, data: bytes) -> ByteStream:
        head, stream = look_ahead(data, self._stream)
        encoding = detect(head)
        if encoding.name in _PLAIN:
            return Joined(head, stream)
        self.chunks = DecodedChunks(stream, head, encoding, None, self._line)
        return _Encoded(self.chunks)


class _Encoded(ByteStream):
    """Chunks of text as UTF-8 bytes."""

    def __init__(self, chunks: Iterator[str]) -> None:
        super().__init__()
        self._chunks, self._ready = chunks, b""

    def read_some(self, size: int) -> bytes:
        while not self._ready:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._ready = chunk.encode("utf-8", "replace")
        data, self._ready = self._ready[:size], self._ready[size:]
        return data
