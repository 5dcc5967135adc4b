"""Make the package of one version: a folder that anyone can check with nothing but itself.

```
README.md README.en.md   the document (说明文档) in both languages
data/ records/           rows as Parquet, and as eleven-field records
metadata/                licences, sources, splits, ledger, version, quality report, recipe
quality_report.html      the same report for people; quality_report.en.html in English
croissant.json           Croissant 1.1
manifest.json checksums.sha256
```
The same version gives the same bytes: no clock is read.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from liangji.core.errors import UsageError
from liangji.core.exporting import ExportedFile, Exporter, ExportFacts
from liangji.core.records import RecordContext, to_record
from liangji.locales import Language
from liangji.pipeline.packaging import croissant as metadata
from liangji.pipeline.packaging.card import CardFile, card, describe
from liangji.pipeline.packaging.exporters import Parquet, Records
from liangji.pipeline.packaging.manifest import CHECKSUMS, MANIFEST, SCHEMA, Manifest, PackageFile, checksums, list_files, sha256_of
from liangji.pipeline.packaging.splits import METHOD, ONE, Splits
from liangji.stores.facts import VersionFacts

_CARDS: tuple[tuple[Language, str], ...] = (("zh", "README.md"), ("en", "README.en.md"))
_STATED = ("source", "source_details", "license", "original_time")  # what an input of the recipe says of all its records
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Content:
    """What goes into a package. `batches` is called once for each split and exporter and gives all rows each time."""

    facts: VersionFacts
    schema: pa.Schema
    batches: Callable[[], Iterator[pa.RecordBatch]]
    report: bytes  # JSON, schema `liangji-quality-report-1`
    pages: Mapping[Language, str]  # the report as HTML


@dataclass(frozen=True, slots=True)
class Remark:
    """Why some records do not meet the format requirement; they are released as they are."""

    field: str  # of the record
    what: str
    rows: int
    mend: str
    is_stated: bool  # the recipe's input can state the field


@dataclass(frozen=True, slots=True)
class Released:
    """A package that was made. Keep `digest`: it proves later that nothing in the package was changed and listed anew."""

    folder: Path
    dataset: str
    version: str
    version_id: str
    rows: int
    files: int
    size_bytes: int
    digest: str  # SHA-256 of checksums.sha256
    remarks: tuple[Remark, ...] = ()  # most rows first


def release(
    content: Content, folder: Path, splits: Splits = ONE, exporters: Sequence[Exporter] = (Parquet(), Records())
) -> Released:
    """Write the package beside its place and move it there when it is complete.

    Raises: UsageError where the folder holds something already.
    """
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("the package would overwrite something", str(folder), "name a folder that is new or empty")
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        released = _write(content, scratch, splits, exporters)
        scratch.chmod(0o755)
        os.replace(scratch, folder)  # noqa: PTH105  # `Path.replace` refuses nothing less and says no more
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return Released(folder, **released)


def _write(content: Content, folder: Path, splits: Splits, exporters: Sequence[Exporter]) -> dict[str, Any]:
    facts = content.facts
    exported = _export(content, folder, splits, exporters)
    report = orjson.loads(content.report)
    _write_metadata(folder, content, report, splits, exported)
    data = [_measure(folder, file) for file in exported]
    sample = _sample(content)
    for language, name in _CARDS:
        listed = [CardFile(file.path, file.rows or 0, file.size_bytes, file.split or "") for file in data]
        _put(folder / name, card(report, content.schema, listed, sample, language).encode())
    described = metadata.croissant(_description(facts, report), content.schema, [_data_file(file) for file in data])
    _put(folder / "croissant.json", _json(described))
    known = {file.path: file for file in data}
    files = [known.get(path) or _measure(folder, ExportedFile(path, -1, "", "")) for path in _paths(folder)]
    manifest = Manifest(
        schema=SCHEMA,
        dataset=facts.dataset,
        kind=facts.kind,
        modality=facts.modality,
        version=facts.number or "",
        version_id=facts.id,
        recipe_hash=facts.recipe_hash,
        rows=facts.rows,
        files=files,
    )
    _put(folder / MANIFEST, manifest.to_bytes())
    _put(folder / CHECKSUMS, checksums(manifest))
    return {
        "dataset": facts.dataset,
        "version": facts.number or "",
        "version_id": facts.id,
        "rows": facts.rows,
        "files": len(files) + 2,
        "size_bytes": sum(path.stat().st_size for path in list_files(folder)),
        "digest": sha256_of(folder / CHECKSUMS),
        "remarks": _remarks(report),
    }


def _remarks(report: Mapping[str, Any]) -> tuple[Remark, ...]:
    """Take from the report what its indicator 0201 found wrong with records."""
    evidence = [entry for result in report["indicators"] if result["code"] == "0201" for entry in result["evidence"]]
    faults = [fault for entry in evidence if entry["name"] == "faults" for fault in entry["value"].items()]
    return tuple(_remark(what, rows) for what, rows in sorted(faults, key=lambda item: (-item[1], item[0])))


def _remark(what: str, rows: int) -> Remark:
    name = "source_details" if "source_details" in what else what.partition(" ")[0]
    is_stated = name in _STATED
    mend = f"fill in `{name}` for the input in the recipe, and build again" if is_stated else "mend the records, and build again"
    return Remark(name, what, rows, mend, is_stated)


def _export(content: Content, folder: Path, splits: Splits, exporters: Sequence[Exporter]) -> list[ExportedFile]:
    facts = content.facts
    context = RecordContext.of_version(facts.kind, facts.modality, facts.number, facts.created_time, facts.inputs)
    exported = []
    for exporter in exporters:
        for split in splits.shares:
            rows = splits.only(split, content.batches())
            exported += exporter.export(content.schema, rows, ExportFacts(facts.dataset, split, context), folder)
    return exported


def _sample(content: Content) -> dict[str, Any] | None:
    facts = content.facts
    context = RecordContext.of_version(facts.kind, facts.modality, facts.number, facts.created_time, facts.inputs)
    first = next(content.batches(), None)
    return None if first is None else to_record(first.slice(0, 1).to_pylist()[0], context)


def _write_metadata(
    folder: Path, content: Content, report: Mapping[str, Any], splits: Splits, exported: Sequence[ExportedFile]
) -> None:
    facts, below = content.facts, folder / "metadata"
    below.mkdir()
    licenses = [(share["value"], share["count"]) for share in report["shares"].get("license", [])]
    _put(below / "licences.csv", _csv(("license", "rows"), licenses))
    columns = ("origin", "sha256", "size_bytes", "modified_time", "source", "source_details", "license", "rows")
    inputs = sorted(facts.inputs, key=lambda entry: str(entry.get("origin")))
    _put(below / "sources.csv", _csv(columns, [[entry.get(name) for name in columns] for entry in inputs]))
    rows = {
        name: sum(file.rows for file in exported if file.split == name and file.exporter == exported[0].exporter)
        for name in splits.shares
    }
    manifest = [{"name": name, "share": share, "rows": rows[name]} for name, share in splits.shares.items()]
    _put(below / "split_manifest.json", _json({"method": METHOD, "splits": manifest}))
    _put(below / "ledger.json", _json(facts.ledger))
    _put(below / "version.json", _json(_version(facts)))
    _put(below / "quality_report.json", content.report)
    _put(below / "recipe.yaml", facts.recipe.encode())
    for language, page in content.pages.items():
        _put(folder / ("quality_report.html" if language == "zh" else f"quality_report.{language}.html"), page.encode())


def _version(facts: VersionFacts) -> dict[str, Any]:
    """Tell of a version what stands for itself outside its workspace."""
    inside = ("recipe", "ledger", "tables", "inputs")
    return {name: value for name, value in asdict(facts).items() if name not in inside}


def _description(facts: VersionFacts, report: Mapping[str, Any]) -> metadata.Description:
    shares = report["shares"]
    return metadata.Description(
        name=facts.dataset,
        text=describe(report, "zh"),
        version=facts.number or "",
        version_id=facts.id,
        creator=facts.author,
        published=facts.created_time.isoformat(),
        licenses=sorted(share["value"] for share in shares.get("license", []) if share["value"]),
        languages=sorted(share["value"] for share in shares.get("language", []) if share["value"] not in (None, "…", "und", "")),
        inputs=sorted(str(entry.get("origin")) for entry in facts.inputs),
    )


def _data_file(file: PackageFile) -> metadata.DataFile:
    return metadata.DataFile(file.path, file.size_bytes, file.sha256, file.split or "")


def _measure(folder: Path, file: ExportedFile) -> PackageFile:
    path = folder / file.path
    holds_rows = file.rows >= 0
    return PackageFile(
        path=file.path,
        size_bytes=path.stat().st_size,
        sha256=sha256_of(path),
        rows=file.rows if holds_rows else None,
        split=file.split if holds_rows else None,
        exporter=file.exporter if holds_rows else None,
        invalid_rows=file.invalid_rows,
    )


def _paths(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in list_files(folder))


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Write a table for spreadsheets: UTF-8 with a mark, and no cell that one would run as a formula."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return b"\xef\xbb\xbf" + file.getvalue().encode()


def _cell(value: Any) -> str:
    written = "" if value is None else str(value)
    return f"'{written}" if isinstance(value, str) and written.startswith(_FORMULA_STARTS) else written


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _put(path: Path, data: bytes) -> None:
    path.write_bytes(data)
