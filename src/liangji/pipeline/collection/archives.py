"""Archives and compressed streams → the bytes of their members, in memory; nothing is ever written at a member's name.

Ratio, size, depth and count are held in `reading`, which meters every stream that leaves here.
"""

from __future__ import annotations

import io
import lzma
import posixpath
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, ClassVar, Self

from pydantic.dataclasses import dataclass

from liangji.core.errors import InputError, LimitExceeded
from liangji.core.operator import STRICT, OperatorKind
from liangji.core.reading import Fault, Member, Note, ReadLimits
from liangji.core.schema import Modality
from liangji.core.units import format_size
from liangji.pipeline.collection.streams import BZIP2, GZIP, SPOOL_BYTES, XZ, ZSTANDARD, ByteStream, Decompressed, check_ratio

_SYSTEM_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


def is_safe(name: str) -> bool:
    """Tell whether a member's name stays inside the archive: relative, and never above its root."""
    parts = name.replace("\\", "/").split("/")
    is_drive = len(parts[0]) == 2 and parts[0][1] == ":" and parts[0][0].isascii() and parts[0][0].isalpha()
    return not (parts[0] == "" or is_drive or ".." in parts or "\0" in name)


def is_system_file(name: str) -> bool:
    """Tell whether a member is left behind by an operating system and never holds data."""
    base = posixpath.basename(name)
    return name.startswith("__MACOSX/") or base in _SYSTEM_FILES or base.startswith("._")


def _unsafe(origin: str, name: str) -> Fault:
    mend = "nothing was written; pack the archive again with relative names if the member is wanted"
    return Fault(origin, f"member '{name}' has a name outside the archive and is refused", mend, code="unsafe_name")


@dataclass(frozen=True, slots=True, config=STRICT)
class UnpackGzip:
    """Unpack gzip, also several members laid end to end.

    Input:  a gzip stream.
    Output: one member: the unpacked bytes. A cut or damaged stream is a fault after the records before it.
    Source: RFC 1952.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.UNPACK
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = (".gz", ".gzip", ".tgz")
    magic: ClassVar[tuple[bytes, ...]] = GZIP.magic
    seeks: ClassVar[bool] = False

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Member | Fault | Note]:
        del origin, limits
        yield Member("", Decompressed(stream, GZIP).as_binary())


@dataclass(frozen=True, slots=True, config=STRICT)
class UnpackBzip2:
    """Unpack bzip2, also several streams laid end to end.

    Input:  a bzip2 stream.
    Output: one member: the unpacked bytes.
    Source: bzip2 1.0.8 manual.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.UNPACK
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = (".bz2", ".tbz2", ".tbz")
    magic: ClassVar[tuple[bytes, ...]] = BZIP2.magic
    seeks: ClassVar[bool] = False

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Member | Fault | Note]:
        del origin, limits
        yield Member("", Decompressed(stream, BZIP2).as_binary())


@dataclass(frozen=True, slots=True, config=STRICT)
class UnpackXz:
    """Unpack xz and lzma; a dictionary over 256 MiB is refused.

    Input:  an xz or lzma stream.
    Output: one member: the unpacked bytes.
    Source: The .xz File Format 1.2.1.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.UNPACK
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = (".xz", ".lzma", ".txz")
    magic: ClassVar[tuple[bytes, ...]] = XZ.magic[:1]  # that of lzma is too short to go by
    seeks: ClassVar[bool] = False

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Member | Fault | Note]:
        del origin, limits
        yield Member("", Decompressed(stream, XZ).as_binary())


@dataclass(frozen=True, slots=True, config=STRICT)
class UnpackZstandard:
    """Unpack Zstandard, also several frames laid end to end; a window over 128 MiB is refused.

    Input:  a Zstandard stream.
    Output: one member: the unpacked bytes.
    Source: RFC 8878.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.UNPACK
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = (".zst", ".zstd", ".tzst")
    magic: ClassVar[tuple[bytes, ...]] = ZSTANDARD.magic
    seeks: ClassVar[bool] = False

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Member | Fault | Note]:
        del origin, limits
        yield Member("", Decompressed(stream, ZSTANDARD).as_binary())


# --- zip


@dataclass(frozen=True, slots=True, config=STRICT)
class UnpackZip:
    """Unpack a zip archive; names without the UTF-8 flag are read as UTF-8 where they are, else as GB18030.

    Input:  a zip archive.
    Output: its files in the order of the archive. Encrypted members and unsafe names are faults; the others go on.
    Source: PKWARE APPNOTE 6.3.10.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.UNPACK
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = (".zip",)
    magic: ClassVar[tuple[bytes, ...]] = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
    seeks: ClassVar[bool] = True

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Member | Fault | Note]:
        del limits
        try:
            archive = zipfile.ZipFile(stream)
        except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError) as error:
            raise InputError(f"not a complete zip: {error}", "", "fetch or pack the archive again") from error
        with archive:
            for info in archive.infolist():
                name = zip_name(info)
                if not is_safe(name):
                    yield _unsafe(origin, name)
                elif info.is_dir() or is_system_file(name):
                    continue
                elif stat.S_ISLNK(info.external_attr >> 16):
                    yield Note(origin, f"member '{name}' is a link: skipped", code="link_skipped")
                elif info.flag_bits & 0x1:
                    yield Fault(origin, f"member '{name}' is encrypted", "pack it again without a password", code="encrypted")
                else:
                    yield from _open_zip_member(archive, info, origin, name)


def _open_zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, origin: str, name: str) -> Iterator[Member | Fault]:
    try:
        member = archive.open(info)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, struct.error) as error:
        yield Fault(f"{origin}!{name}", f"cannot be unpacked: {error}", "pack the archive again with deflate")
        return
    with member:
        yield Member(name, _Sound(member).as_binary(), info.compress_size)


class _Sound(ByteStream):
    """A member of a zip archive whose damage is named as such."""

    def __init__(self, member: Any) -> None:
        super().__init__()
        self._member = member

    def read_some(self, size: int) -> bytes:
        try:
            return bytes(self._member.read(size))
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error) as error:
            raise InputError(f"damaged in the archive: {error}", "", "pack the archive again") from error


def zip_name(info: zipfile.ZipInfo) -> str:
    """Decode the name of a member: the library takes what has no UTF-8 flag as code page 437."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        packed = info.orig_filename.encode("cp437")
    except UnicodeEncodeError:
        return info.filename
    return name_from_bytes(packed)


def name_from_bytes(packed: bytes) -> str:
    """Decode a file name of unknown encoding: UTF-8, else GB18030, else byte by byte."""
    for encoding in ("utf-8", "gb18030"):
        try:
            return packed.decode(encoding)
        except UnicodeDecodeError:
            continue
    return packed.decode("latin-1")


# --- tar


@dataclass(frozen=True, slots=True, config=STRICT)
class UnpackTar:
    """Unpack a tar archive as a stream, also one that was compressed.

    Input:  a tar archive (ustar, GNU, pax).
    Output: its files in the order of the archive. Links and devices are noted and skipped; unsafe names are faults.
    Source: POSIX.1-2017 pax, ustar Interchange Format; GNU tar 1.35 manual, appendix D.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.UNPACK
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = (".tar",)
    magic: ClassVar[tuple[bytes, ...]] = ()  # at byte 257: `reading` looks there
    seeks: ClassVar[bool] = False

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Member | Fault | Note]:
        del limits
        ends: list[str] = []
        try:
            archive = tarfile.open(  # noqa: SIM115  # closed by the `with` below
                fileobj=stream, mode="r|", encoding="utf-8", errors="surrogateescape", tarinfo=_header_class(ends)
            )
        except tarfile.TarError as error:
            raise InputError(f"not a tar archive: {error}", "", "fetch or pack the archive again") from error
        with archive:
            last = "its beginning"
            while (info := _next_header(archive, last)) is not None:
                archive.members = []  # type: ignore[attr-defined]  # the library keeps each header: millions would fill the memory
                name = info.name.encode("utf-8", "surrogateescape")
                last = shown = name_from_bytes(name)
                if not is_safe(shown):
                    yield _unsafe(origin, shown)
                elif info.isdir() or is_system_file(shown):
                    continue
                elif not info.isfile():
                    yield Note(origin, f"member '{shown}' is a link or a device: skipped", code="link_skipped")
                elif (member := archive.extractfile(info)) is not None:
                    yield Member(shown.removeprefix("./"), _SoundTar(member).as_binary())
        if ends:
            raise InputError(f"the tar archive is damaged after {last}: {ends[-1]}", "", "fetch or pack the archive again")


def _next_header(archive: tarfile.TarFile, last: str) -> tarfile.TarInfo | None:
    try:
        return archive.next()
    except (tarfile.TarError, EOFError) as error:
        raise InputError(f"the tar archive is cut off after {last}: {error}", "", "fetch or pack the archive again") from error


def _header_class(ends: list[str]) -> type[tarfile.TarInfo]:
    """Make headers that remember why the archive ended: the library takes a broken header for the end of the archive."""

    class Header(tarfile.TarInfo):
        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
            try:
                return super().frombuf(buf, encoding, errors)
            except (tarfile.EOFHeaderError, tarfile.EmptyHeaderError):  # type: ignore[attr-defined]  # typeshed leaves them out
                raise
            except tarfile.HeaderError as error:
                ends.append(str(error))
                raise

    return Header


class _SoundTar(ByteStream):
    """A member of a tar archive whose early end is named as such."""

    def __init__(self, member: Any) -> None:
        super().__init__()
        self._member = member

    def read_some(self, size: int) -> bytes:
        try:
            return bytes(self._member.read(size))
        except tarfile.ReadError as error:
            raise InputError("cut off: the archive ends inside this member", "", "fetch or pack the archive again") from error


# --- 7z


@dataclass(frozen=True, slots=True, config=STRICT)
class Unpack7z:
    """Unpack a 7z archive; needs the optional part `liangji[7z]`.

    Input:  a 7z archive.
    Output: its files in the order of the archive, each unpacked into a nameless temporary file. Unsafe names are faults.
    Source: 7-Zip 23.01, DOC/7zFormat.txt.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.UNPACK
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = (".7z",)
    magic: ClassVar[tuple[bytes, ...]] = (b"7z\xbc\xaf\x27\x1c",)
    seeks: ClassVar[bool] = True

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Member | Fault | Note]:
        try:
            import py7zr  # noqa: PLC0415  # optional
        except ModuleNotFoundError as missing:
            raise InputError("7z archives need an optional part", "", 'pip install "liangji[7z]"') from missing
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        try:
            archive = py7zr.SevenZipFile(stream)
        except py7zr.exceptions.PasswordRequired as error:
            raise InputError(
                "the 7z archive is encrypted, with its list of members", "", "pack it again without a password"
            ) from error
        except (py7zr.exceptions.ArchiveError, EOFError, OSError, struct.error, lzma.LZMAError) as error:
            raise InputError(f"not a complete 7z archive: {error}", "", "fetch or pack the archive again") from error
        with archive:
            if archive.needs_password():
                raise InputError("the 7z archive is encrypted", "", "pack it again without a password")
            for info in archive.list():
                if not is_safe(info.filename):
                    yield _unsafe(origin, info.filename)
            files = [info for info in archive.list() if info.is_file and is_safe(info.filename)]
            factory = _spool_factory(size, limits)
            try:
                archive.extract(targets=[info.filename for info in files], factory=factory)
            except py7zr.exceptions.CrcError as error:
                raise InputError("damaged 7z archive: a checksum does not match", "", "pack the archive again") from error
            except (py7zr.exceptions.ArchiveError, EOFError, struct.error, lzma.LZMAError) as error:
                raise InputError(f"damaged 7z archive: {error}", "", "pack the archive again") from error
            for info in files:
                if not is_system_file(info.filename) and info.filename in factory.members:
                    member = factory.members[info.filename].file
                    member.seek(0)
                    yield Member(info.filename, member)
                    member.close()


def _spool_factory(packed_bytes: int, limits: ReadLimits) -> Any:
    import py7zr  # noqa: PLC0415  # optional
    from py7zr.io import Py7zIO, WriterFactory  # noqa: PLC0415

    total = 0

    class Spool(Py7zIO):
        def __init__(self) -> None:
            self.file: Any = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115  # closed by the caller

        def write(self, data: bytes | bytearray) -> int:
            nonlocal total
            total += len(data)
            check_ratio(total, packed_bytes, limits)
            if total > limits.unpacked_bytes:
                raise LimitExceeded(f"unpacks to more than the limit of {format_size(limits.unpacked_bytes)}")
            return int(self.file.write(data))

        def read(self, size: int | None = None) -> bytes:
            return bytes(self.file.read(-1 if size is None else size))

        def seek(self, offset: int, whence: int = 0) -> int:
            return int(self.file.seek(offset, whence))

        def flush(self) -> None:
            return None

        def size(self) -> int:
            return int(self.file.tell())

    class Factory(WriterFactory):
        def __init__(self) -> None:
            self.members: dict[str, Spool] = {}

        def create(self, filename: str) -> Py7zIO:
            return self.members.setdefault(filename, Spool())

    del py7zr
    return Factory()
