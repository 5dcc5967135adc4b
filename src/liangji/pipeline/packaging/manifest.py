"""The two lists that protect a package: `manifest.json` and `checksums.sha256`.

Each guards the other, so that a change of any single byte is found and pinned on the right file:

- the manifest names every file but the two lists, with size, SHA-256 and rows, and carries a digest of itself;
- the checksums name every file but themselves, the manifest too, as `sha256sum -c` reads them, and follow from the manifest byte
  for byte;
- the digest of the package is the SHA-256 of the checksums. It is printed at release; whoever keeps it can tell a package that
  was changed and listed anew.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from liangji.core.errors import PackageError
from liangji.core.operator import STRICT

SCHEMA = "liangji-package-1"
MANIFEST, CHECKSUMS = "manifest.json", "checksums.sha256"
_SHA256 = "^[0-9a-f]{64}$"
_CHECKSUM_LINE = re.compile("([0-9a-f]{64})  (.+)")
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, config=STRICT)
class PackageFile:
    """One file. `rows`, `split` and `exporter` are null for what holds no rows, `invalid_rows` for what has no format to meet."""

    path: str  # below the folder of the package, with forward slashes
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=_SHA256)]
    rows: Annotated[int | None, Field(ge=0)] = None
    split: str | None = None
    exporter: str | None = None
    invalid_rows: Annotated[int | None, Field(ge=0)] = None


@dataclass(frozen=True, slots=True, config=STRICT)
class Manifest:
    """What a package is and what lies in it, files in order of their paths."""

    schema: str
    dataset: str
    kind: str
    modality: str
    version: str
    version_id: str
    recipe_hash: str
    rows: Annotated[int, Field(ge=0)]
    files: list[PackageFile]

    def to_bytes(self) -> bytes:
        """Write the manifest with the digest of its own content."""
        body = asdict(self)
        return _json({**body, "digest": hashlib.sha256(_json(body)).hexdigest()})


class BrokenManifest(PackageError):
    """The manifest is not as it was written."""


def read_manifest(data: bytes) -> Manifest:
    """Read a manifest and check its digest.

    Raises: BrokenManifest where a byte of it is not as it was written.
    """
    try:
        value = orjson.loads(data)
        digest = value.pop("digest")
        manifest = TypeAdapter(Manifest).validate_python(value)
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValidationError) as fault:
        raise BrokenManifest(f"it is no manifest: {str(fault).splitlines()[0]}") from fault
    if manifest.to_bytes() != data or hashlib.sha256(_json(value)).hexdigest() != digest:
        raise BrokenManifest("its digest is not that of its content")
    if manifest.schema != SCHEMA:
        raise BrokenManifest(f"its schema is '{manifest.schema}', not '{SCHEMA}'")
    outside = [file.path for file in manifest.files if not is_inside(file.path)]
    if outside:
        raise BrokenManifest(f"'{outside[0]}' lies outside the package")
    return manifest


def checksums(manifest: Manifest) -> bytes:
    """Write the checksums that follow from a manifest."""
    entries = {file.path: file.sha256 for file in manifest.files}
    entries[MANIFEST] = hashlib.sha256(manifest.to_bytes()).hexdigest()
    return "".join(f"{entries[path]}  {path}\n" for path in sorted(entries)).encode()


def read_checksums(data: bytes) -> dict[str, str]:
    """Read what can be read of a list of checksums: path → SHA-256."""
    lines = data.decode("utf-8", "replace").splitlines()
    matches = filter(None, map(_CHECKSUM_LINE.fullmatch, lines))
    return {match[2]: match[1] for match in matches if is_inside(match[2])}


def is_inside(path: str) -> bool:
    """Tell whether a path names something below the folder of the package.

    >>> is_inside("data/train-00000.parquet"), is_inside("../secret"), is_inside("/etc/passwd")
    (True, False, False)
    """
    parts = path.split("/")
    return bool(path) and "\\" not in path and not any(part in ("", ".", "..") for part in parts) and path.isprintable()


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def list_files(folder: Path) -> Iterator[Path]:
    """List everything below a folder that is no folder, in order; links are listed and not followed."""
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            yield from list_files(entry)
        else:
            yield entry


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
