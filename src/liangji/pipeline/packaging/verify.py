"""Check a package with nothing but itself: no workspace, no network.

First bytes (both lists against each other and against every file), then meaning: rows, records, ledger, and the id of the
version, computed again from the rows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from liangji.core.digest import combine, row_digests, version_id
from liangji.core.errors import UsageError
from liangji.core.records import record_faults
from liangji.core.schema import ID, Kind, Modality, record_schema
from liangji.pipeline.packaging.manifest import (
    CHECKSUMS,
    MANIFEST,
    BrokenManifest,
    Manifest,
    PackageFile,
    checksums,
    list_files,
    read_checksums,
    read_manifest,
    sha256_of,
)

_EXAMPLES = 5  # faulty records named per file
_BATCH_ROWS = 1024
_LEDGER = "metadata/ledger.json"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it was released. `file` is relative to the package."""

    file: str
    what: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found. `digest` is that of the package as it lies there; compare it with the one printed at release."""

    folder: Path
    dataset: str
    version: str
    version_id: str
    rows: int
    files: int
    digest: str
    problems: list[Problem]
    remarks: list[Problem]  # not a change: what the package was released with and a buyer should know

    @property
    def is_sound(self) -> bool:
        return not self.problems


@dataclass(slots=True)
class _Findings:
    problems: list[Problem] = field(default_factory=list)
    remarks: list[Problem] = field(default_factory=list)

    def add(self, file: str, what: str) -> None:
        self.problems.append(Problem(file, what))

    def names(self, file: str) -> bool:
        return any(problem.file == file for problem in self.problems)


def verify(folder: Path, digest: str | None = None) -> Verification:
    """Check everything in a package; gives all problems, not the first alone.

    `digest`: the one printed at release; without it, a package that was changed and listed anew, by someone who knows how, passes.
    Raises: UsageError where the folder is no package at all.
    """
    if not (folder / MANIFEST).is_file() and not (folder / CHECKSUMS).is_file():
        raise UsageError("no package there", str(folder), f"name the folder that holds {MANIFEST} and {CHECKSUMS}")
    found = _Findings()
    listed = _read(folder, CHECKSUMS, found)
    manifest = _manifest(folder, found)
    actual = hashlib.sha256(listed).hexdigest()
    if digest is not None and digest.strip().lower() != actual:
        found.add(CHECKSUMS, f"the digest of the package is {actual}, not the one given")
    wanted = {file.path: file.sha256 for file in manifest.files} if manifest else read_checksums(listed)
    _check_bytes(folder, wanted, found)
    if manifest is None:
        return Verification(folder, "", "", "", 0, len(wanted), actual, found.problems, found.remarks)
    _check_checksums(listed, checksums(manifest), found)
    _check_rows(folder, manifest, found)
    _check_ledger(folder, manifest, found)
    files = len(manifest.files) + 2
    return Verification(
        folder, manifest.dataset, manifest.version, manifest.version_id, manifest.rows, files, actual, found.problems, found.remarks
    )


def _manifest(folder: Path, found: _Findings) -> Manifest | None:
    data = _read(folder, MANIFEST, found)
    if not data and found.names(MANIFEST):
        return None
    try:
        return read_manifest(data)
    except BrokenManifest as broken:
        found.add(MANIFEST, f"changed: {broken.what}")
        return None


def _read(folder: Path, name: str, found: _Findings) -> bytes:
    path = folder / name
    if path.is_symlink() or not path.is_file():
        found.add(name, "missing")
        return b""
    return path.read_bytes()


def _check_bytes(folder: Path, wanted: dict[str, str], found: _Findings) -> None:
    """Compare every file with its listed SHA-256, and name what is not listed."""
    there = {path.relative_to(folder).as_posix(): path for path in list_files(folder)}
    for name, path in there.items():
        if name not in wanted and name not in (MANIFEST, CHECKSUMS):
            found.add(name, "not part of the package")
        elif path.is_symlink():
            found.add(name, "a link, not a file")
    for name, sha256 in wanted.items():
        path = folder / name
        if name not in there:
            found.add(name, "missing")
        elif name != MANIFEST and not path.is_symlink() and sha256_of(path) != sha256:
            found.add(name, "changed: its SHA-256 is not the one listed")


def _check_checksums(listed: bytes, wanted: bytes, found: _Findings) -> None:
    if listed == wanted or (not listed and found.names(CHECKSUMS)):
        return
    pairs = zip_longest(listed.splitlines(keepends=True), wanted.splitlines(keepends=True))
    line = next(number for number, (one, other) in enumerate(pairs, 1) if one != other)
    found.add(CHECKSUMS, f"changed: line {line} does not follow from the manifest")


def _check_rows(folder: Path, manifest: Manifest, found: _Findings) -> None:
    """Read all rows again: counts, records, and the id of the version. Files that were found changed are left alone."""
    try:
        kind, modality = Kind(manifest.kind), Modality(manifest.modality)
    except ValueError as fault:
        found.add(MANIFEST, str(fault))
        return
    tables = [file for file in manifest.files if file.exporter == "parquet"]
    records = [file for file in manifest.files if file.exporter == "records"]
    _check_sum(tables, manifest.rows, found)
    _check_sum(records, manifest.rows, found)
    if not any(found.names(file.path) for file in tables):
        schema, digests, ids = record_schema(kind, modality), bytearray(), _Ids()
        readable = [
            _check_table(folder, file, schema, digests, ids, found) for file in tables
        ]  # all of them, whatever the first says
        is_whole = all(readable)
        if tables and is_whole and version_id(kind, modality, manifest.recipe_hash, combine(bytes(digests))) != manifest.version_id:
            found.add(MANIFEST, "the rows are not those of the version it names")
        record_ids = _Ids()
        sound = [
            _check_records(folder, file, manifest.version, record_ids, found) for file in records if not found.names(file.path)
        ]
        if is_whole and tables and len(sound) == len(records) and all(sound):
            for split in record_ids.differences(ids) if records else ():
                found.add(
                    next(file.path for file in records if file.split == split), "its ids are not those of the rows, in their order"
                )


def _check_sum(files: list[PackageFile], rows: int, found: _Findings) -> None:
    counted = sum(file.rows or 0 for file in files)
    if files and counted != rows:
        found.add(MANIFEST, f"its {files[0].exporter} files hold {counted} rows, the version has {rows}")


class _Ids:
    """The ids of each split in their order, as one digest: tells whether two exports hold the same rows."""

    def __init__(self) -> None:
        self._digests: dict[str, Any] = {}

    def add(self, split: str | None, ids: list[str | None]) -> None:
        digest = self._digests.setdefault(split or "", hashlib.sha256())
        digest.update("".join(f"{one}\n" for one in ids).encode())

    def differences(self, other: _Ids) -> list[str]:
        """Name the splits of this export that differ from the other."""
        return [split for split, digest in self._digests.items() if digest.digest() != other.digest(split)]

    def digest(self, split: str) -> bytes:
        return self._digests[split].digest() if split in self._digests else b""


def _check_table(folder: Path, file: PackageFile, schema: pa.Schema, digests: bytearray, ids: _Ids, found: _Findings) -> bool:
    rows = 0
    ids.add(file.split, [])
    try:
        with pq.ParquetFile(folder / file.path) as table:
            for batch in table.iter_batches(_BATCH_ROWS):
                rows += batch.num_rows
                digests += row_digests(batch, schema)
                ids.add(file.split, batch.column(ID).to_pylist())
    except (pa.ArrowException, OSError, KeyError, ValueError) as fault:
        found.add(file.path, f"cannot be read as rows of the dataset: {str(fault).splitlines()[0]}")
        return False
    if rows != file.rows:
        found.add(file.path, f"holds {rows} rows, not {file.rows}")
    return True


def _check_records(folder: Path, file: PackageFile, version: str, ids: _Ids, found: _Findings) -> bool:
    """Check each line. Records that were released without, say, a source are a remark: they are as they were released."""
    rows = invalid = 0
    examples: list[str] = []
    ids.add(file.split, [])
    with (folder / file.path).open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                record = orjson.loads(line)
                faults = record_faults(record)
                faults += [] if record.get("version") == version else [f"version is not {version}"]
                ids.add(file.split, [record.get(ID)])
            except (orjson.JSONDecodeError, AttributeError, TypeError):
                found.add(file.path, f"line {number} is no record")
                return False
            rows += 1
            if faults:
                invalid += 1
                examples += [f"line {number}: {'; '.join(faults)}"] if len(examples) < _EXAMPLES else []
    if rows != file.rows:
        found.add(file.path, f"holds {rows} records, not {file.rows}")
    if invalid != file.invalid_rows:
        found.add(
            file.path, f"{invalid} records do not meet the format, {file.invalid_rows} were released so: {' | '.join(examples)}"
        )
    elif invalid:
        found.remarks.append(Problem(file.path, f"{invalid} of {rows} records do not meet the format: {' | '.join(examples)}"))
    return True


def _check_ledger(folder: Path, manifest: Manifest, found: _Findings) -> None:
    if found.names(_LEDGER):
        return
    try:
        ledger = orjson.loads((folder / _LEDGER).read_bytes())
        taken = ledger["rows_in"] + ledger.get("expanded", 0)
        accounted = ledger["rows_out"] + sum(ledger["dropped"].values()) + ledger["quarantined"]
        rows_out = ledger["rows_out"]
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as fault:
        found.add(_LEDGER, f"is no ledger: {type(fault).__name__}")
        return
    if taken != accounted:
        found.add(_LEDGER, f"does not close: {taken} rows in, {accounted} accounted for")
    if rows_out != manifest.rows:
        found.add(_LEDGER, f"lets {rows_out} rows out, the version has {manifest.rows}")
