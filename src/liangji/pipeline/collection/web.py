"""Web archives: pages and extracted texts out of WARC, WET and ARC files.

The record parser is our own: the fast ones pass over damage without a word, and extraction of the main text takes the time anyway.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator
from io import BufferedReader
from typing import Any, BinaryIO, ClassVar, NamedTuple

from pydantic.dataclasses import dataclass

from liangji.core.errors import InputError
from liangji.core.operator import STRICT, OperatorKind
from liangji.core.reading import Fault, Note, Raw, RawRecord, ReadLimits
from liangji.core.schema import Modality
from liangji.core.units import format_size
from liangji.pipeline.collection.decoding import decoded
from liangji.pipeline.collection.streams import KEPT_BYTES, Joined
from liangji.pipeline.collection.text import page_fields

_HEADER_BYTES = 64 << 10
_CHUNK_BYTES = 1 << 20
_VERSION = re.compile(rb"WARC/\d+\.\d+\s*$")
_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_NOT_RECORDS = frozenset({"warcinfo", "request", "metadata", "revisit", "continuation"})


class _Entry(NamedTuple):
    """One record of an archive; `what` says what is wrong with it."""

    kind: str
    headers: dict[str, str]
    body: bytes
    what: str = ""
    code: str = "damaged_record"


@dataclass(frozen=True, slots=True, config=STRICT)
class ReadWarc:
    """Read the pages of a web archive: the main text of HTML responses, the text of WET conversions.

    Input:  WARC 1.0 and 1.1 (also WET and WAT), ARC 1 and 2; compression is taken off before.
    Output: `text`, `title`, `url`, `date` (of the crawl), `content_type`. Requests, metadata and the like are noted by their
            number; a damaged record is a fault, and reading goes on with the next one.
    Source: ISO 28500:2017; ARC File Format 1.0 (Internet Archive, 1996).
    """

    kind: ClassVar[OperatorKind] = OperatorKind.READ
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = (".warc", ".wet", ".wat", ".arc")
    magic: ClassVar[tuple[bytes, ...]] = (b"WARC/", b"filedesc://")
    seeks: ClassVar[bool] = False

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Raw]:
        source = BufferedReader(Joined(b"", stream), _CHUNK_BYTES)
        head = source.peek(16)[:16]
        if not head.startswith(self.magic):
            raise InputError("not a web archive: it does not begin with WARC/ or filedesc://", "", "fetch the file again")
        entries = _arc_entries(source, limits) if head.startswith(b"filedesc") else _warc_entries(source, limits)
        passed_over: Counter[str] = Counter()
        for record, entry in enumerate(entries):
            if entry.what:
                url = entry.headers.get("warc-target-uri", "")
                what = f"record {record}{f' ({url})' if url else ''}: {entry.what}"
                yield Fault(origin, what, "fetch the archive again", -1, record, entry.body[:KEPT_BYTES], entry.code)
            elif entry.kind in ("response", "resource", "conversion"):
                yield from _content(entry, origin, record, passed_over)
            else:
                passed_over[entry.kind] += 1
        if passed_over:
            listed = ", ".join(f"{count} {kind}" for kind, count in sorted(passed_over.items()))
            yield Note(origin, f"records that hold no page, passed over: {listed}", code="passed_over")


def _warc_entries(source: BufferedReader[Joined], limits: ReadLimits) -> Iterator[_Entry]:
    while True:
        line = source.readline(_HEADER_BYTES)
        if not line:
            return
        if not line.strip():
            continue
        if not _VERSION.match(line):
            lost = _resync(source)
            yield _Entry("", {}, line, f"{len(line) + lost} bytes that are no WARC record; went on at the next one")
            continue
        headers = _headers(source)
        length = headers.get("content-length", "")
        if not length.isdecimal():
            yield _Entry("", headers, b"", "no usable Content-Length; went on at the next record")
            _resync(source)
            continue
        yield _body(source, headers.get("warc-type", "unknown"), headers, int(length), limits)


def _resync(source: BufferedReader[Joined]) -> int:
    """Go forward to the start of the next record; give the number of bytes passed over."""
    lost = 0
    while source.peek(8)[:5] != b"WARC/":
        line = source.readline(_CHUNK_BYTES)
        if not line:
            return lost
        lost += len(line)
    return lost


def _headers(source: BufferedReader[Joined]) -> dict[str, str]:
    headers: dict[str, str] = {}
    size, name = 0, ""
    while (line := source.readline(_HEADER_BYTES)).strip():
        size += len(line)
        if size > _HEADER_BYTES:
            raise InputError(f"a header of over {_HEADER_BYTES} bytes", "", "fetch the archive again")
        text = line.decode("utf-8", "replace").strip()
        if line[:1] in b" \t" and name:
            headers[name] += " " + text
            continue
        name, _, value = text.partition(":")
        name = name.strip().lower()
        headers[name] = value.strip()
    return headers


def _body(source: BufferedReader[Joined], kind: str, headers: dict[str, str], length: int, limits: ReadLimits) -> _Entry:
    """Read the block of a record; pass over one that is too long, or of a kind that is never looked at."""
    if length > limits.record_bytes or kind in _NOT_RECORDS:
        passed = _skip(source, length)
        if passed < length:
            return _Entry(kind, headers, b"", f"cut off: {length} bytes promised, {passed} present")
        if kind in _NOT_RECORDS:
            return _Entry(kind, headers, b"")
        what = f"{format_size(length)} long ({length} bytes), over the limit of {limits.record_bytes} bytes"
        return _Entry(kind, headers, b"", what, "limit_exceeded")
    body = source.read(length)
    if len(body) < length:
        return _Entry(kind, headers, body, f"cut off: {length} bytes promised, {len(body)} present")
    return _Entry(kind, headers, body)


def _skip(source: BufferedReader[Joined], length: int) -> int:
    passed = 0
    while passed < length and (data := source.read(min(_CHUNK_BYTES, length - passed))):
        passed += len(data)
    return passed


def _arc_entries(source: BufferedReader[Joined], limits: ReadLimits) -> Iterator[_Entry]:
    while line := source.readline(_HEADER_BYTES):
        if not line.strip():
            continue
        parts = line.decode("utf-8", "replace").split()
        if len(parts) < 5 or not parts[-1].isdecimal():
            yield _Entry("", {}, line, "not the header of an ARC record; went on at the next line that is")
            continue
        stamp = parts[2] if len(parts[2]) == 14 and parts[2].isdecimal() else ""
        date = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[8:10]}:{stamp[10:12]}:{stamp[12:]}Z" if stamp else ""
        headers = {"warc-target-uri": parts[0], "warc-date": date, "content-type": "application/http"}
        is_header = parts[0].startswith("filedesc:")
        is_page = parts[0].startswith(("http:", "https:"))
        kind = "warcinfo" if is_header else "response" if is_page else parts[0].partition(":")[0]
        yield _body(source, kind, headers, int(parts[-1]), limits)


def _content(entry: _Entry, origin: str, record: int, passed_over: Counter[str]) -> Iterator[Raw]:
    headers, body, status = entry.headers, entry.body, 200
    content_type, declared = _media_type(headers.get("content-type", ""))
    url = headers.get("warc-target-uri", "")
    if content_type == "application/http" or (entry.kind == "response" and body.startswith(b"HTTP/")):
        status, http, body = _http(body)
        content_type, declared = _media_type(http.get("content-type", ""))
        try:
            body = _decoded_body(body, http)
        except (InputError, OSError, EOFError, zlib.error) as error:
            what = f"record {record} ({url}): its body cannot be unpacked: {getattr(error, 'what', error)}"
            yield Fault(origin, what, "fetch the page again", -1, record, body[:KEPT_BYTES], "damaged_record")
            return
    if status >= 300 or url.startswith("dns:"):
        passed_over["dns" if url.startswith("dns:") else f"response of status {status}"] += 1
        return
    is_page = content_type in _PAGE_TYPES or (not content_type and b"<html" in body[:2048].lower())
    if not is_page and not content_type.startswith("text/"):
        passed_over[f"{entry.kind} of type {content_type or 'unknown'}"] += 1
        return
    try:
        text, notes = decoded(body, declared, origin)
    except InputError as error:
        yield Fault(origin, f"record {record} ({url}): {error.what}", error.mend, -1, record, body[:KEPT_BYTES])
        return
    for note in notes:
        if note.code == "characters_replaced":
            yield Note(origin, f"record {record}: {note.what}", code=note.code)
    fields: dict[str, Any] = page_fields(text, url) if is_page and entry.kind != "conversion" else {"text": text.strip("\r\n")}
    if not fields["text"].strip():
        mend = "nothing to do, unless the page should have text"
        yield Fault(origin, f"record {record} ({url}): the page has no main text", mend, -1, record, body[:KEPT_BYTES], "no_text")
        return
    if "date" in fields:
        fields["published"] = fields.pop("date")
    fields |= {"url": url, "date": headers.get("warc-date", ""), "content_type": content_type}
    yield RawRecord(fields, record, -1, origin)


def _media_type(header: str) -> tuple[str, str | None]:
    kind, _, parameters = header.partition(";")
    charset = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", parameters, re.IGNORECASE)
    return kind.strip().lower(), charset[1] if charset else None


def _http(data: bytes) -> tuple[int, dict[str, str], bytes]:
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        head, _, body = data.partition(b"\n\n")
    first, *rest = head.decode("latin-1").splitlines() or [""]
    parts = first.split()
    status = int(parts[1]) if len(parts) > 1 and parts[1].isdecimal() else 200
    pairs = (line.partition(":") for line in rest)
    return status, {name.strip().lower(): value.strip() for name, _, value in pairs}, body


def _decoded_body(body: bytes, http: dict[str, str]) -> bytes:
    """Take chunks and compression off, where they are still on: crawlers often leave the headers and decode the body."""
    if http.get("transfer-encoding", "").lower() == "chunked":
        body = _without_chunks(body)
    encoding = http.get("content-encoding", "").lower()
    if encoding in ("gzip", "x-gzip") and body.startswith(b"\x1f\x8b"):
        return _bounded(zlib.decompressobj(wbits=31), body)
    if encoding == "deflate" and body and not body.lstrip().startswith(b"<"):
        return _bounded(zlib.decompressobj(wbits=15 if body[0] & 0x0F == 8 else -15), body)
    if encoding == "br" and not body.lstrip().startswith(b"<"):
        raise InputError("it is packed with Brotli, which is not read")
    return body


_PAGE_BYTES = 64 << 20  # unpacked


def _bounded(inner: Any, body: bytes) -> bytes:
    data = inner.decompress(body, _PAGE_BYTES)
    if inner.unconsumed_tail:
        raise InputError(f"it unpacks to more than {format_size(_PAGE_BYTES)}")
    return bytes(data)


def _without_chunks(body: bytes) -> bytes:
    parts: list[bytes] = []
    at = 0
    while at < len(body):
        end = body.find(b"\r\n", at)
        try:
            size = int(body[at:end].partition(b";")[0], 16)
        except ValueError:
            return body if not parts else b"".join((*parts, body[at:]))
        if end < 0 or size == 0:
            break
        parts.append(body[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(parts)
