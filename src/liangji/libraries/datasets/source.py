"""The inputs of a recipe as the engine takes them: files found, identified by their bytes, read and shaped into records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import pyarrow as pa

from liangji.core import registry
from liangji.core.errors import InputError, UsageError
from liangji.core.reading import Fault, Note, SourceFile
from liangji.engine.recipe import Input, Recipe
from liangji.pipeline.aggregation.records import Provenance, shape
from liangji.pipeline.collection.connectors import Found, connector_for, fingerprint
from liangji.pipeline.collection.reading import read_raw

_SHAPE_VERSION = "1"  # raised when the same raw records may give other rows
# Libraries whose next version may read the same bytes in another way.
_LIBRARIES = ("defusedxml", "openpyxl", "orjson", "pillow", "pyarrow", "pypdfium2", "trafilatura")


class KnownHashes(Protocol):
    """Remembers the hashes of files, so that an unchanged file is not read again only to hash it."""

    def file_hash(self, location: str, size_bytes: int, modified_ns: int) -> str | None: ...

    def remember_file_hash(self, location: str, size_bytes: int, modified_ns: int, sha256: str) -> None: ...


class Inputs:
    """The inputs of one recipe; implements `core.reading.Source`."""

    def __init__(self, recipe: Recipe, known: KnownHashes | None = None) -> None:
        self._recipe, self._known = recipe, known
        self._changed_ns: dict[str, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"_recipe": self._recipe, "_known": None, "_changed_ns": self._changed_ns}  # readers elsewhere hash nothing

    def find(self) -> list[Found]:
        """List the input files, without reading them.

        Raises: InputError where an input matches nothing; UsageError where two inputs match the same file.
        """
        return [found for _, found in self._found]

    @cached_property
    def _found(self) -> list[tuple[int, Found]]:
        listed: dict[str, tuple[int, str]] = {}
        result = []
        for index, entry in enumerate(self._recipe.inputs):
            for found in connector_for(entry.path).find(entry.path, self._recipe.folder):
                first, location = listed.setdefault(found.origin, (index, found.location))
                if first != index:
                    is_same = location == found.location
                    raise UsageError(
                        f"'{found.origin}' belongs to two inputs" if is_same else f"two files would be known as '{found.origin}'",
                        f"inputs.{first} and inputs.{index}",
                        "narrow one of their paths, so that no record is read twice"
                        if is_same
                        else "put the recipe in a folder above both, or rename one of their folders",
                    )
                result.append((index, found))
        return result

    def files(self) -> list[SourceFile]:
        return [replace(file, sha256=self._known_hash(file)) for file in self.listed()]

    def fingerprint(self, file: SourceFile) -> str:
        with _opened(self._recipe.inputs[file.input_index], file.location, file.origin) as stream:
            return fingerprint(stream)[0]

    def remember(self, file: SourceFile) -> None:
        changed_ns = self._changed_ns[file.location]
        if self._known is not None and changed_ns:
            self._known.remember_file_hash(file.location, file.size_bytes, changed_ns, file.sha256)

    def listed(self) -> list[SourceFile]:
        """List the input files as `files` does, without reading them: `sha256` is empty. Enough to look into them."""
        return [SourceFile(found.origin, found.location, found.size_bytes, "", found.modified_time, i) for i, found in self._found]

    def identity(self, file: SourceFile) -> object:
        entry = self._recipe.inputs[file.input_index]
        stated = entry.model_dump(mode="json", exclude={"path"})
        limits = self._recipe.limits.model_dump(mode="json")["reading"]
        return [file.origin, str(self._recipe.kind), str(self._recipe.modality), stated, limits, reader_versions()]

    def read(self, file: SourceFile, consumed: Callable[[int], None]) -> Iterator[pa.RecordBatch | Fault | Note]:
        entry = self._recipe.inputs[file.input_index]
        with _opened(entry, file.location, file.origin) as stream:
            raw = read_raw(
                cast("BinaryIO", _Counting(stream, consumed)),
                file.origin,
                self._recipe.limits.reading,
                format=entry.format,
                encoding=entry.encoding,
                options=entry.options,
                modality=self._recipe.modality,
            )
            for item in shape(raw, self._recipe.kind, self._recipe.modality, entry.fields, _provenance(entry)):
                self._check_unchanged(file)
                yield item
        self._check_unchanged(file)

    def _known_hash(self, file: SourceFile) -> str:
        """Give the hash of a file that has not changed since it was hashed, else ''; note when it last changed."""
        changed_ns = self._changed_ns[file.location] = _changed_ns(file.location)
        if self._known is None or not changed_ns:
            return ""
        return self._known.file_hash(file.location, file.size_bytes, changed_ns) or ""

    def _check_unchanged(self, file: SourceFile) -> None:
        """Raises: InputError where a file is no longer the one that was hashed: its rows would go under another's name."""
        if self._changed_ns.get(file.location, 0) not in (0, _changed_ns(file.location)):
            raise InputError("the file changed while it was read", file.origin, "build again when nobody writes to it")


def _changed_ns(location: str) -> int:
    """Tell when a file last changed; 0 for an object, which is hashed each time: stores keep seconds at best.

    The time of the inode, because people's tools set the other one back (`cp -p`, `rsync -t`, unpacking).
    """
    path = Path(location)
    return path.stat().st_ctime_ns if path.exists() else 0


@cache
def reader_versions() -> list[str]:
    """Name the versions of all that turns bytes into records."""
    readers = [
        f"{name} {registry.load(registry.Group.OPERATORS, name).version}"
        for name in registry.names(registry.Group.OPERATORS)
        if name.startswith(("read_", "unpack_"))
    ]
    return [_SHAPE_VERSION, *readers, *(f"{library} {version(library)}" for library in _LIBRARIES)]


def _opened(entry: Input, location: str, origin: str) -> BinaryIO:
    """Raises: InputError where the file cannot be opened, or is gone since it was listed."""
    try:
        return connector_for(entry.path).open(location)
    except OSError as error:
        raise InputError(
            f"cannot open the file: {error.strerror}", origin, "see that it is there and may be read, then run again"
        ) from error


def _provenance(entry: Input) -> Provenance:
    return Provenance(entry.source, entry.source_details, entry.license, entry.original_time, entry.generated)


class _Counting:
    """A stream that tells how much of it has been read: the bytes read, but never more than up to the furthest place.

    So neither a look at the end of a file nor reading a part twice passes for progress.
    """

    def __init__(self, stream: BinaryIO, consumed: Callable[[int], None]) -> None:
        self._stream, self._consumed = stream, consumed
        self._read = self._furthest = self._told = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._tell(len(data))
        return data

    def readinto(self, buffer: bytearray) -> int:
        size: int = self._stream.readinto(buffer)  # type: ignore[attr-defined]  # every binary stream has it
        self._tell(size)
        return size

    def _tell(self, size: int) -> None:
        self._read += size
        self._furthest = max(self._furthest, self._stream.tell())
        progress = min(self._read, self._furthest) - self._told
        if progress > 0:
            self._consumed(progress)
            self._told += progress

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
