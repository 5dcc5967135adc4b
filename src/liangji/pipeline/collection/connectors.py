"""Where raw data lies: files on this machine, and object stores. Nothing is loaded whole; nothing is written.

Connectors are found by entry point in the group `liangji.connectors`, so that a stranger's reaches its own kind of place.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NamedTuple, Protocol

from liangji.core.errors import InputError, UsageError
from liangji.core.registry import Group, load, names, suggestion

_CHUNK_BYTES = 1 << 20
_PATTERN = frozenset("*?[")


class Found(NamedTuple):
    """One file as a connector lists it. `origin` is relative to the recipe, with '/' between its parts."""

    origin: str
    location: str  # what `open` takes
    size_bytes: int
    modified_time: str  # ISO 8601, UTC


class Connector(Protocol):
    """Lists and opens files of one kind of place; made without arguments, so it takes credentials from the environment.

    `schemes` are the addresses it answers to: `("s3",)` for `s3://…`, the empty one for a path without any. Origins begin with
    the address, so that files of two places never share one.
    """

    schemes: ClassVar[tuple[str, ...]]

    def find(self, path: str, base: Path) -> list[Found]: ...

    def open(self, location: str) -> BinaryIO: ...


def connector_for(path: str) -> Connector:
    """Choose among the installed connectors by the scheme of an address; what has no `://` is a path of this machine.

    Raises: UsageError where none answers to the scheme.
    """
    scheme, found, _ = path.partition("://")
    known = _by_scheme()
    wanted = scheme.lower() if found else ""
    if wanted not in known:
        raise UsageError(f"no connector for '{scheme}://'", path, suggestion(wanted, sorted(filter(None, known))))
    connector: Connector = known[wanted]()
    return connector


@cache
def _by_scheme() -> dict[str, type]:
    """Map each scheme to the connector that answers to it.

    Raises: UsageError where two do.
    """
    found: dict[str, type] = {}
    for name in names(Group.CONNECTORS):
        connector = load(Group.CONNECTORS, name)
        for scheme in connector.schemes:
            if scheme in found:
                raise UsageError(f"two connectors answer to '{scheme}://'", f"one of them is '{name}'", "uninstall one of them")
            found[scheme] = connector
    return found


def fingerprint(stream: BinaryIO) -> tuple[str, int]:
    """Give SHA-256 (64 hexadecimal digits) and size of a stream."""
    digest, size = hashlib.sha256(), 0
    while data := stream.read(_CHUNK_BYTES):
        digest.update(data)
        size += len(data)
    return digest.hexdigest(), size


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _nothing_there(path: str, where: str) -> InputError:
    return InputError(
        f"no file matches '{path}'", where, "check the path; it is relative to the recipe, and '**' goes into folders"
    )


def _not_a_file(path: str, place: Path) -> InputError:
    """Say what stands at a path where a file or folder is wanted."""
    if place.is_symlink() and not place.exists():
        return InputError(f"'{path}' is a link to '{place.readlink()}', where nothing is", str(place.parent), "mend the link")
    what = "a named pipe" if place.is_fifo() else "a socket" if place.is_socket() else "a device"
    return InputError(f"'{path}' is {what}, not a file", str(place.parent), "write its content into a file")


class LocalFiles:
    """Files of this machine: one file, a folder with all in it, or a pattern; hidden files are passed over.

    Source: pattern syntax of Python's pathlib; `**` goes into folders.
    """

    schemes: ClassVar[tuple[str, ...]] = ("",)

    def find(self, path: str, base: Path) -> list[Found]:
        """List files in order of their origin: their path from `base`, or from the input's own folder where that lies elsewhere.

        Raises: InputError where nothing matches.
        """
        root = base / Path(path).expanduser()
        if root.is_file():
            found = [root]  # asked for by name: also when hidden
        elif root.is_dir():
            found = list(_files_below(root))
        elif _PATTERN & set(path):
            found = list(_matching(path, base))
        elif os.path.lexists(root):
            raise _not_a_file(path, root)
        else:
            raise _nothing_there(path, str(base))
        if not found:
            raise _nothing_there(path, str(base))
        start = _start(path, base)
        listed = {self._origin(file, start): file for file in found}
        return [self._found(origin, listed[origin]) for origin in sorted(listed)]

    def open(self, location: str) -> BinaryIO:
        return Path(location).open("rb")

    @staticmethod
    def _origin(file: Path, start: Path) -> str:
        relative = Path(os.path.relpath(file, start)).as_posix()
        return os.fsencode(relative).decode("utf-8", "backslashreplace")  # a name of another encoding is still a name

    @staticmethod
    def _found(origin: str, file: Path) -> Found:
        status = file.stat()
        return Found(origin, str(file), status.st_size, _iso(status.st_mtime))


def _start(path: str, base: Path) -> Path:
    """Say what origins are relative to: the recipe's folder, or the folder around an input that lies outside it.

    So neither records nor packages tell where on a machine the data lay, and the same data elsewhere gives the same version.
    """
    pattern = Path(path).expanduser()
    fixed = next((index for index, part in enumerate(pattern.parts) if _PATTERN & set(part)), len(pattern.parts))
    root = Path(os.path.abspath(base.joinpath(*pattern.parts[:fixed])))  # noqa: PTH100  # links stay as they are named
    inside = root.is_relative_to(os.path.abspath(base))  # noqa: PTH100
    return base if inside else root.parent


def _is_hidden(relative: Path) -> bool:
    return any(part.startswith(".") and part not in (".", "..") for part in relative.parts)


def _files_below(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):  # never follows links to folders: no loops
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and (file := Path(folder) / name).is_file():
                yield file


def _matching(path: str, base: Path) -> Iterator[Path]:
    pattern = Path(path).expanduser()
    first = next(index for index, part in enumerate(pattern.parts) if _PATTERN & set(part))
    root = base.joinpath(*pattern.parts[:first])
    rest = Path(*pattern.parts[first:])
    shows_hidden = _is_hidden(rest)
    for match in sorted(root.glob(str(rest))):
        if not shows_hidden and _is_hidden(match.relative_to(root)):
            continue
        if match.is_dir():
            yield from _files_below(match)
        elif match.is_file():
            yield match


class ObjectStore:
    """Objects behind an address: `s3://bucket/prefix`, `https://host/…` (WebDAV listing), `file:///folder`, `memory:///`.

    Credentials and endpoints come from the environment (`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, …) or from `options`.
    """

    schemes: ClassVar[tuple[str, ...]] = (
        "s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss", "http", "https", "file", "memory",
    )  # fmt: skip

    def __init__(self, store: Any = None, **options: Any) -> None:
        self._store, self._options = store, options

    def find(self, path: str, base: Path) -> list[Found]:
        """List objects under a prefix, or those that match a pattern after it, in order of their address.

        Raises: InputError where nothing matches or the store cannot be reached.
        """
        del base
        scheme, _, rest = path.partition("://")
        bucket, _, key = rest.partition("/")
        address = f"{scheme}://{bucket}"
        store = self._open_store(address)
        prefix = key
        if cut := min((key.index(mark) for mark in _PATTERN if mark in key), default=0):
            prefix = key[:cut].rpartition("/")[0]
        elif _PATTERN & set(key):
            prefix = ""
        try:
            if scheme in ("http", "https") and not _PATTERN & set(key):
                metas = [store.head(key)]
            else:
                metas = [meta for batch in store.list(prefix or None) for meta in batch]
                metas += [] if metas or not key or prefix != key else [store.head(key)]
        except Exception as error:  # each store has errors of its own kind
            raise InputError(
                f"cannot list '{path}': {_first_line(error)}", "", "check the address and the credentials in the environment"
            ) from error
        wanted = [meta for meta in metas if _is_wanted(meta["path"], key)]
        if not wanted:
            raise _nothing_there(path, address)
        found = [
            Found(f"{address}/{meta['path']}", f"{address}/{meta['path']}", meta["size"], _iso(meta["last_modified"].timestamp()))
            for meta in wanted
        ]
        return sorted(found)

    def open(self, location: str) -> BinaryIO:
        import obstore  # noqa: PLC0415  # a native library

        scheme, _, rest = location.partition("://")
        bucket, _, key = rest.partition("/")
        reader = obstore.open_reader(self._open_store(f"{scheme}://{bucket}"), key, buffer_size=_CHUNK_BYTES)
        return _Object(reader)  # type: ignore[return-value]  # a raw stream is a BinaryIO in all but name

    def _open_store(self, address: str) -> Any:
        if self._store is not None:
            return self._store
        from obstore.store import from_url  # noqa: PLC0415  # a native library

        try:
            return from_url(address, **self._options)
        except Exception as error:  # each store has errors of its own kind
            raise UsageError(
                f"no object store at '{address}': {_first_line(error)}", "", "use s3://, https://, file:/// or memory:///"
            ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _is_wanted(key: str, pattern: str) -> bool:
    if _is_hidden(Path(key)):
        return False
    if _PATTERN & set(pattern):
        return _matches(key.split("/"), pattern.split("/"))
    return not pattern or key == pattern or key.startswith(pattern.rstrip("/") + "/")


def _matches(parts: list[str], pattern: list[str]) -> bool:
    from fnmatch import fnmatchcase  # noqa: PLC0415

    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[skip:], pattern[1:] or ["*"]) for skip in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


class _Object(io.RawIOBase):
    """An object of a store as a stream that can seek."""

    def __init__(self, reader: Any) -> None:
        super().__init__()
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return self.readall()
        return bytes(self._reader.read(size))

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._reader.seek(offset, whence))

    def tell(self) -> int:
        return int(self._reader.tell())
