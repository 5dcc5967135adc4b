"""Croissant 1.1 metadata of a package (JSON-LD).

Source: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html, required properties of a dataset, FileObject, RecordSet,
Field, and appendix 1 (context).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"

CONTEXT: dict[str, Any] = {
    "@language": "zh",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "annotation": "cr:annotation",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "excludes": "cr:excludes",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "readLines": "cr:readLines",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sdVersion": "cr:sdVersion",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
    "unArchive": "cr:unArchive",
    "value": "cr:value",
}

_ROWS = "data/"  # where the Parquet files lie
_FORMATS = {"parquet": "application/x-parquet", "jsonl": "application/jsonlines"}
_ADDRESSES = {
    # SPDX identifiers seen most often; any other licence is given by its name
    "Apache-2.0": "https://spdx.org/licenses/Apache-2.0",
    "CC-BY-4.0": "https://spdx.org/licenses/CC-BY-4.0",
    "CC-BY-SA-4.0": "https://spdx.org/licenses/CC-BY-SA-4.0",
    "CC0-1.0": "https://spdx.org/licenses/CC0-1.0",
    "MIT": "https://spdx.org/licenses/MIT",
}


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file of the package as Croissant names it."""

    path: str
    size_bytes: int
    sha256: str
    split: str


@dataclass(frozen=True, slots=True)
class Description:
    """What the metadata says about the dataset as a whole. `languages` as they were identified; may be empty."""

    name: str
    text: str
    version: str
    version_id: str
    creator: str
    published: str  # ISO 8601
    licenses: Sequence[str]
    languages: Sequence[str]
    inputs: Sequence[str]  # names of the input files


def croissant(description: Description, schema: pa.Schema, files: Sequence[DataFile]) -> dict[str, Any]:
    """Describe a package: its files with checksums, and the columns of each Parquet file as a record set."""
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": description.name,
        "description": description.text,
        "url": f"urn:liangji:{description.version_id}",
        "identifier": description.version_id,
        "version": description.version,
        "citeAs": f"{description.name} {description.version}, {description.version_id}",
        "creator": {"@type": "sc:Organization", "name": description.creator},
        "datePublished": description.published,
        "license": [_ADDRESSES.get(license_, license_) for license_ in description.licenses] or ["unknown"],
        **({"inLanguage": list(description.languages)} if description.languages else {}),
        "isLiveDataset": False,
        "prov:wasDerivedFrom": [
            {"@id": f"urn:liangji:input:{number}", "sc:name": name} for number, name in enumerate(description.inputs)
        ],
        "distribution": [_file(file) for file in files],
        "recordSet": [_splits(files), *(_record_set(schema, file) for file in files if file.path.startswith(_ROWS))],
    }


def _file(file: DataFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": file.path,
        "contentSize": f"{file.size_bytes} B",
        "encodingFormat": _FORMATS.get(
            file.path.rpartition(".")[2], "application/octet-stream"
        ),  # a stranger's exporter writes anything
        "sha256": file.sha256,
    }


def _splits(files: Sequence[DataFile]) -> dict[str, Any]:
    names = list(dict.fromkeys(file.split for file in files))
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [{"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"}],
        "data": [{"splits/name": name} for name in names],
    }


def _record_set(schema: pa.Schema, file: DataFile) -> dict[str, Any]:
    """Describe the rows of one Parquet file.

    One record set a file and not a FileSet over all: what is contained in a FileSet must come from an archive or a folder with
    an address of its own, and the reference reader (mlcroissant 1.1.1) reads plain files only so.
    """
    name = file.path.removeprefix(_ROWS).removesuffix(".parquet")
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "key": {"@id": f"{name}/id"},
        "field": [_field(name, file, column) for column in schema],
    }


def _field(record_set: str, file: DataFile, column: pa.Field) -> dict[str, Any]:
    kind = column.type
    field: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{record_set}/{column.name}",
        "name": column.name,
        "dataType": _data_type(kind),
        "source": {"fileObject": {"@id": file.path}, "extract": {"column": column.name}},
    }
    if pa.types.is_list(kind):
        field |= {"isArray": True, "arrayShape": "-1"}
    return field


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return _data_type(kind.value_type)
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else "sc:Text"
