"""Find out what a file is, open the archives in it, and read every member; what cannot be read becomes a fault, never an exception.

Formats and archives are looked up in the registry (entry points `read_…` and `unpack_…`), by ending, then by first bytes.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, BinaryIO, NamedTuple

from pydantic import ValidationError

from liangji.core.errors import InputError, LiangjiError, LimitExceeded, UsageError
from liangji.core.operator import OperatorKind
from liangji.core.reading import Fault, Member, Note, Raw, RawBatch, RawRecord, ReadLimits
from liangji.core.registry import Group, load, names, suggestion
from liangji.core.schema import Modality
from liangji.pipeline.collection.decoding import READ_AS
from liangji.pipeline.collection.encodings import decode, detect
from liangji.pipeline.collection.streams import Budget, Counted, Joined, Metered, read_head, spooled

_HEAD_BYTES = 8192
_LISTED_MEMBERS = 3
_TAR_MAGIC_AT = 257


def read_raw(
    stream: BinaryIO,
    origin: str,
    limits: ReadLimits | None = None,
    *,
    format: str | None = None,  # noqa: A002  # the name of the recipe's field
    encoding: str | None = None,
    modality: Modality = Modality.TEXT,
    options: Mapping[str, Any] | None = None,
    verbatim: bool = False,
) -> Iterator[Raw]:
    """Read one file: its records in order, with faults and notes where they arise.

    `origin` is what people see and what ids are made from; members of archives add `!` and their name. `format` overrides what
    ending and bytes say (`csv` for `read_csv`), `encoding` what the bytes say; `options` go to the readers that have them. A
    picture, sound or video in a dataset of another modality is a fault. `verbatim` gives pages, Markdown and XML as the text
    they are, not what they say.

    Raises: UsageError for an unknown `format` or for options it does not have; bad content never raises.
    """
    limits = limits or ReadLimits()
    given = dict(options or {})
    wanted = _named(format) if format else None
    if wanted is not None:
        check_options(wanted, given)
    source = Counted(stream)
    walk = _Walk(Budget(limits, source), limits, wanted, given | ({"encoding": encoding} if encoding else {}), modality, verbatim)
    yield from walk.read(_Place(origin, origin.rpartition("/")[2].rpartition("!")[2]), source.as_binary())


class _Kind(NamedTuple):
    """One installed reader or unpacker."""

    name: str
    operator: Any

    @property
    def unpacks(self) -> bool:
        return self.operator.kind is OperatorKind.UNPACK

    @property
    def magic(self) -> tuple[bytes, ...]:
        return tuple(getattr(self.operator, "magic", ()))

    def make(self, options: Mapping[str, Any]) -> Any:
        """Make the operator with those of the options that it has."""
        known = getattr(self.operator, "__dataclass_fields__", {})
        return self.operator(**{name: value for name, value in options.items() if name in known})


def check_options(kind: _Kind, options: dict[str, Any]) -> None:
    """See that a reader takes these options.

    Raises: UsageError.
    """
    try:
        kind.operator(**options)
    except (ValidationError, TypeError) as error:
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            what = f"option '{'.'.join(map(str, first['loc']))}' of {kind.name}: {first['msg']}"
        else:
            what = f"options of {kind.name}: {error}"
        raise UsageError(what, "", f"`liangji operators show {kind.name}` lists its options") from error


@cache
def _installed() -> tuple[_Kind, ...]:
    found = [_Kind(name, load(Group.OPERATORS, name)) for name in names(Group.OPERATORS) if name.startswith(("read_", "unpack_"))]
    return tuple(kind for kind in found if kind.operator.kind in (OperatorKind.READ, OperatorKind.UNPACK))


@cache
def _endings() -> tuple[tuple[str, _Kind], ...]:
    """List endings, the longest first."""
    pairs = ((ending, kind) for kind in _installed() for ending in kind.operator.endings)
    return tuple(sorted(pairs, key=lambda pair: (-len(pair[0]), pair[0])))


def _named(name: str) -> _Kind:
    found = next((kind for kind in _installed() if kind.name in (f"read_{name}", name)), None)
    if found is None or found.unpacks:
        known = [kind.name.removeprefix("read_") for kind in _installed() if not kind.unpacks]
        raise UsageError(f"no format '{name}'", "", suggestion(name, known))
    return found


def _by_ending(name: str) -> _Kind | None:
    lowered = name.lower()
    return next((kind for ending, kind in _endings() if lowered.endswith(ending)), None)


def _by_bytes(head: bytes) -> _Kind | None:
    if head[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar":
        return next(kind for kind in _installed() if kind.name == "unpack_tar")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":  # the container of WAV
        return next(kind for kind in _installed() if kind.name == "read_image")
    matches = [(len(magic), kind) for kind in _installed() for magic in kind.magic if head.startswith(magic)]
    unpackers_last = sorted(matches, key=lambda match: (-match[0], not match[1].unpacks, match[1].name))
    return unpackers_last[0][1] if unpackers_last else None


def _is_text(head: bytes) -> bool:
    """Tell text by its first bytes: of no binary look in any encoding that is recognised."""
    if b"\0" in head:
        found = detect(head)
        is_wide = found.name.startswith(("utf-16", "utf-32")) and found.confidence > 0.9
        return is_wide and decode(head).replaced <= 1 + len(head) // 1000
    controls = sum(byte < 0x20 and byte not in b"\t\n\r\f\x1b" for byte in head)
    return controls <= len(head) // 50 and decode(head).replaced <= 1 + len(head) // 200


def _is_plain(head: bytes) -> bool:
    """Tell UTF-8 text, which may begin by chance with the letters of some format."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(character >= " " or character in "\t\n\r\f" for character in text)


_MARKUP = frozenset(
    {"read_html", "read_markdown", "read_xml", "read_yaml"}
)  # text files of which a reader gives less than is there
_IS_PAGE = re.compile(rb"<!doctype\s+html|<html[\s>]", re.IGNORECASE)


def _looks_like_page(head: bytes) -> bool:
    return _IS_PAGE.search(head[:2048].replace(b"\0", b"")) is not None


_BINARY = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a Microsoft Office 97-2003 document", "save it as docx/xlsx or PDF, or export its text"),
    (b"Rar!", "a RAR archive", "pack it as zip, 7z or tar"),
    (b"SQLite format 3", "an SQLite database", "export its tables as csv or parquet"),
    (b"\x89HDF", "an HDF5 file", "export it as csv or parquet"),
    (b"\x93NUMPY", "a NumPy array", "export it as csv or parquet"),
    (b"ARROW1", "an Arrow file", "write it as parquet"),
    (b"Obj\x01", "an Avro file", "write it as parquet"),
    (b"ORC", "an ORC file", "write it as parquet"),
    (b"ULog", "a PX4 flight log (ULog)", "export it as csv"),
    (b"ID3", "an MP3 recording", "use it in a dataset of modality audio, as wav"),
    (b"\xff\xfb", "an MP3 recording", "use it in a dataset of modality audio, as wav"),
    (b"OggS", "an Ogg recording", "use it in a dataset of modality audio, as wav"),
    (b"fLaC", "a FLAC recording", "use it in a dataset of modality audio, as wav"),
    (b"\x1aE\xdf\xa3", "a Matroska video", "use it in a dataset of modality video, as mp4"),
    (b"\x7fELF", "a program (ELF)", "leave it out"),
    (b"MZ", "a program (Windows)", "leave it out"),
    (b"\xca\xfe\xba\xbe", "a program (Java or macOS)", "leave it out"),
    (b"\x80\x04\x95", "a Python pickle, which is never opened", "write it as parquet or jsonl"),
)
_OFFICE = {".docx": "Word", ".pptx": "PowerPoint", ".odt": "OpenDocument", ".ods": "OpenDocument", ".epub": "EPUB"}


def _refusal(name: str, head: bytes) -> InputError:
    """Name what an unreadable file looks like."""
    for magic, what, mend in _BINARY:
        if head.startswith(magic):
            return InputError(f"looks like {what}, which is not read", "", mend)
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    what = f"binary data of an unknown format (ending '.{ending}')" if ending else "binary data of an unknown format"
    return InputError(what, "", "leave the file out, convert it to text, or name its `format:`")


class _Place(NamedTuple):
    """Where a stream comes from."""

    origin: str  # what people see
    name: str  # what its format is told by: the member's name without endings of compression
    depth: int = 0  # unpackings around it
    nesting: int = 0  # archives around it
    is_unpacked_stream: bool = False  # what is left when the compression around an archive is taken off


@dataclass(frozen=True, slots=True)
class _Walk:
    """One file, and everything in it."""

    budget: Budget
    limits: ReadLimits
    format: _Kind | None
    options: dict[str, Any]
    modality: Modality
    verbatim: bool = False

    def read(self, place: _Place, stream: BinaryIO) -> Iterator[Raw]:
        """Read one stream; whatever goes wrong in it is a fault that names it."""
        try:
            yield from self._dispatch(place, stream)
        except LimitExceeded as error:
            yield Fault(place.origin, error.what, error.mend, code=error.code)
        except LiangjiError as error:
            yield Fault(place.origin, error.what, error.mend, code=error.code)
        except RecursionError:
            yield Fault(place.origin, "cannot be read: nested too deeply", "flatten it", code="unreadable")
        except Exception as error:  # noqa: BLE001  # outermost loop over foreign bytes: each failure is recorded and counted
            what = f"cannot be read: {type(error).__name__}: {error}"
            yield Fault(place.origin, what, "fetch or convert the file again", code="unreadable")

    def _dispatch(self, place: _Place, stream: BinaryIO) -> Iterator[Raw]:
        head, rest = read_head(stream, _HEAD_BYTES)
        if not head:
            yield Note(place.origin, "empty file: no records", code="empty")
            return
        if stream.seekable():
            stream.seek(0)
        else:
            stream = Joined(head, rest).as_binary()
        kind, note = self._choose(place, head)
        if note:
            yield Note(place.origin, note, code="wrong_ending")
        if kind is None:
            yield from self._without_ending(place, stream)
        elif not getattr(kind.operator, "seeks", False) or stream.seekable():
            yield from self._apply(kind, place, stream)
        else:
            with spooled(stream) as copy:
                yield from self._apply(kind, place, copy)

    def _choose(self, place: _Place, head: bytes) -> tuple[_Kind | None, str]:
        """Decide on reader or unpacker; None stands for a stream that is named as compressed and is not."""
        if head[128:132] == b"DICM":
            raise InputError("not text: a DICOM image, which is not read", "", "leave it out of a text dataset")
        by_bytes, by_ending = _by_bytes(head), _by_ending(place.name)
        wanted = self.format
        if wanted and (by_bytes is None or not by_bytes.unpacks or head.startswith(wanted.magic)):
            return wanted, ""
        ending = place.name[place.name.rfind(".") :].lower() if "." in place.name else ""
        if by_ending is None:
            if ending in _OFFICE and by_bytes and by_bytes.name == "unpack_zip":
                raise InputError(f"{_OFFICE[ending]} documents are not read", "", "save it as PDF, Markdown or plain text")
            if by_bytes and by_bytes.name != "read_xml":
                return by_bytes, ""
            if not _is_text(head):
                raise _refusal(place.name, head)
            name = "read_html" if _looks_like_page(head) else by_bytes.name if by_bytes else "read_text"
            return next(kind for kind in _installed() if kind.name == name), ""
        if by_ending.name == "read_xml" and _looks_like_page(head):
            return next(kind for kind in _installed() if kind.name == "read_html"), f"named {ending}, but is an HTML page"
        if head.startswith(by_ending.magic) or by_bytes is by_ending:
            return by_ending, ""
        if by_ending.magic and head.startswith(tuple(magic for magic, *_ in _BINARY if len(magic) > 3)):
            raise _refusal(place.name, head)
        if by_bytes is not None and not _is_plain(head[:512]):
            return by_bytes, f"named {ending}, but its first bytes are those of {_plainly(by_bytes)}"
        if by_ending.unpacks and by_ending.magic and by_ending.name != "unpack_zip" and _is_plain(head[:512]):
            return None, f"named {ending}, but is not compressed"
        return by_ending, ""

    def _without_ending(self, place: _Place, stream: BinaryIO) -> Iterator[Raw]:
        unpacked = place._replace(name=place.name.rpartition(".")[0], depth=place.depth + 1)
        if unpacked.depth > 2 * self.limits.depth + 2:
            raise self._too_deep()
        yield from self.read(unpacked, stream)

    def _apply(self, kind: _Kind, place: _Place, stream: BinaryIO) -> Iterator[Raw]:
        if self.verbatim and kind.name in _MARKUP:
            kind = _named("text")
        operator = kind.make(self.options)
        if kind.unpacks:
            items = self._unpack(kind, operator, place, stream)
            yield from items if place.depth else _with_encodings_gathered(items, place.origin)
        elif operator.modality in (Modality.TEXT, self.modality):
            for item in operator(stream, place.origin, self.limits):
                if isinstance(item, RawRecord | RawBatch) and not item.origin:
                    yield item._replace(origin=place.origin)
                else:
                    yield item
        else:
            yield from self._refuse_media(kind, operator(stream, place.origin, self.limits), place.origin)

    def _refuse_media(self, kind: _Kind, items: Iterator[Raw], origin: str) -> Iterator[Raw]:
        """Look at a file of another modality all the same: that it is damaged matters more than that it is out of place."""
        is_sound = False
        for item in items:
            if isinstance(item, RawRecord | RawBatch):
                is_sound = True
            else:
                yield item
        if is_sound:
            what = f"not {self.modality}: the file is {_plainly(kind)}"
            mend = f"leave it out, or use it in a dataset of modality {kind.operator.modality}"
            yield Fault(origin, what, mend, code="wrong_modality")

    def _unpack(self, kind: _Kind, unpacker: Any, place: _Place, stream: BinaryIO) -> Iterator[Raw]:
        if place.nesting > self.limits.depth:
            raise self._too_deep()
        count = 0
        for item in unpacker(stream, place.origin, self.limits):
            if not isinstance(item, Member):
                yield item
                continue
            count += 1
            if count > self.limits.members:
                raise LimitExceeded(
                    f"holds more than the limit of {self.limits.members} members",
                    "",
                    "raise `limits: {reading: {members: …}}` in the recipe, or pack them into fewer files",
                )
            metered = Metered(item.stream, self.budget, place.depth, item.packed_bytes)
            yield from self.read(_inside(kind, place, item), metered.as_binary())
            if self.budget.is_spent:
                if item.name and not place.nesting:
                    what = f"not read beyond '{item.name}', which took the file over its limits"
                    yield Fault(place.origin, what, "take that member out, or raise the limit", code="limit_exceeded")
                return
        if not count and kind.operator.seeks:
            yield Note(place.origin, "no member of the archive was read", code="empty")

    def _too_deep(self) -> LimitExceeded:
        what = f"archives inside archives, deeper than the limit of {self.limits.depth}"
        return LimitExceeded(what, "", "unpack the outer ones, or raise `limits: {reading: {depth: …}}` in the recipe")


def _with_encodings_gathered(items: Iterator[Raw], origin: str) -> Iterator[Raw]:
    """Say once for an archive which of its members were read in another encoding than UTF-8; damage keeps its own note."""
    first: dict[str, list[str]] = {}  # what is noted → the first members it is noted of
    counts: Counter[str] = Counter()
    for item in items:
        if isinstance(item, Note) and item.what.startswith(READ_AS) and item.origin.startswith(f"{origin}!"):
            counts[item.what] += 1
            if counts[item.what] <= _LISTED_MEMBERS:
                first.setdefault(item.what, []).append(item.origin.removeprefix(f"{origin}!"))
        else:
            yield item
    for what, count in counts.items():
        listed = ", ".join(first[what]) + (", …" if count > _LISTED_MEMBERS else "")
        yield Note(origin, f"{count} member{'s' if count > 1 else ''} {what}: {listed}", code="encoding")


def _inside(kind: _Kind, place: _Place, member: Member) -> _Place:
    """Say where a member is: a compressed stream keeps the origin of its file, a member of an archive adds its name."""
    if member.name:
        origin = f"{place.origin}!{member.name}"
        return _Place(origin, member.name.rpartition("/")[2], place.depth + 1, place.nesting + 1)
    lowered = place.name.lower()
    ending = next((ending for ending in sorted(kind.operator.endings, key=len, reverse=True) if lowered.endswith(ending)), "")
    name = place.name[: len(place.name) - len(ending)] + (".tar" if ending.startswith(".t") else "")
    nesting = place.nesting + place.is_unpacked_stream
    return _Place(place.origin, name, place.depth + 1, nesting, is_unpacked_stream=True)


def _plainly(kind: _Kind) -> str:
    words = {
        "read_image": "an image",
        "read_wav": "a WAV recording",
        "read_video": "a video",
        "read_rosbag": "a ROS bag",
        "read_coco": "a COCO annotation file",
        "read_pdf": "a PDF document",
        "read_parquet": "a Parquet table",
        "read_warc": "a web archive",
        "read_xlsx": "a workbook",
    }
    return words.get(kind.name, kind.name.removeprefix("read_").removeprefix("unpack_"))
