"""The eleven-field record of TC609-5-2025-02 (格式要求): how a row of each dataset kind becomes one, and what makes one invalid.

It lives in `core` because two modules of the pipeline need the same answer: packaging writes these records, evaluation counts
the rows that give a valid one (indicator 0201).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from liangji.core.schema import ANNOTATION, ID, ORIGIN, TEXT, Kind, Modality, payload_fields

FIELDS = (
    "id",
    "rid",
    "data_content",
    "annotation",
    "original_time",
    "last_modified_time",
    "version",
    "license",
    "source",
    "source_details",
    "generated_data_indicator",
)
SOURCES = ("互联网", "自采", "公开数据集", "组织机构", "论文", "其他")
INTERNET = "互联网"  # the one type of source whose details must be an address
ANNOTATION_METHODS = ("人工标注", "自动标注", "半自动标注", "其他")
ANNOTATORS = ("普通标注员", "专业标注员", "行业领域专家", "其他")

_DATE = re.compile(r"\d{4}-(0?[1-9]|1[0-2])-(0?[1-9]|[12]\d|3[01])")
_SEMANTIC_VERSION = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z.-]+)?")
_MEDIA = (Modality.IMAGE, Modality.AUDIO, Modality.VIDEO)


@dataclass(frozen=True, slots=True)
class RecordContext:
    """What a record takes from its version and not from its row."""

    kind: Kind
    modality: Modality
    version: str  # semantic version
    version_date: str  # ISO 8601: the last modification of a row that does not tell its own
    modified_times: Mapping[str, str] = field(default_factory=dict)  # origin of an input file → its ISO 8601 modification time

    @classmethod
    def of_version(
        cls, kind: str, modality: str, number: str | None, created_time: datetime, inputs: Iterable[Mapping[str, Any]]
    ) -> RecordContext:
        """Take the context from what the metadata tells about a version."""
        times = {str(entry["origin"]): str(entry["modified_time"]) for entry in inputs if entry.get("modified_time")}
        return cls(Kind(kind), Modality(modality), number or "", created_time.isoformat(), times)

    def modified_time(self, origin: str | None) -> str | None:
        """Find when the input file of an origin was last modified; members of an archive take the time of the archive."""
        if origin is None:
            return None
        return self.modified_times.get(origin) or self.modified_times.get(origin.partition("!")[0])


def to_record(row: Mapping[str, Any], context: RecordContext) -> dict[str, Any]:
    """Write one row in the eleven fields, in the order of the standard.

    Where the source does not tell the original time, the modification date of the input file stands in for it; a row that was not
    changed since it was collected takes the date of the version as its last modification. A value that is unknown stays null, so
    that `record_faults` can name it.
    """
    parents = row.get("parents")
    return {
        "id": row.get(ID),
        "rid": list(parents) if parents else None,
        "data_content": data_content(row, context.kind, context.modality),
        "annotation": _annotation(row.get(ANNOTATION)),
        "original_time": _date(row.get("original_time") or context.modified_time(row.get(ORIGIN))),
        "last_modified_time": _date(row.get("last_modified_time") or context.version_date),
        "version": context.version,
        "license": row.get("license"),
        "source": row.get("source"),
        "source_details": row.get("source_details"),
        "generated_data_indicator": row.get("generated"),
    }


def data_content(row: Mapping[str, Any], kind: Kind, modality: Modality) -> list[dict[str, Any]]:
    """Write the payload of a row as items with `media_type` and `content`; `role` tells the parts of a text record apart."""
    match kind:
        case Kind.INSTRUCTION:
            return [_text(message["content"], message["role"]) for message in row.get("messages") or ()]
        case Kind.PREFERENCE:
            return [_text(row.get(part), part) for part in ("prompt", "chosen", "rejected")]
        case Kind.BENCHMARK:
            options = [_text(option, "option") for option in row.get("options") or ()]
            return [_text(row.get("question"), "question"), *options, _text(row.get("answer"), "answer")]
    if modality is Modality.TEXT:
        return [_text(row.get(TEXT))]
    names = [column.name for column in payload_fields(kind, modality)]
    if modality in _MEDIA:
        extensions = {name: row[name] for name in names if name != "path" and row.get(name) is not None}
        return [{"media_type": modality.value, "content": row.get("path"), **extensions}]
    content = names[-1]  # series: values; table: row
    extensions = {name: row[name] for name in names[:-1] if row.get(name) is not None}
    return [{"media_type": modality.value, "content": row.get(content), **extensions}]


def record_faults(record: Mapping[str, Any]) -> list[str]:
    """Name everything that keeps a record from the format requirement; an empty list means that it is valid.

    >>> record_faults({"id": "a"})[0]
    "no field 'rid'"

    Source: TC609-5-2025-02, fields of the record; further fields are allowed.
    """
    faults = [f"no field '{name}'" for name in FIELDS if name not in record]
    if faults:
        return faults
    faults.extend(f"{name} is empty" for name in ("id", "license", "source_details") if not _is_filled(record[name]))
    rid = record["rid"]
    if rid is not None and not (isinstance(rid, list) and all(map(_is_filled, rid))):
        faults.append("rid is no list of ids")
    faults += _content_faults(record["data_content"])
    faults += _annotation_faults(record["annotation"])
    for name in ("original_time", "last_modified_time"):
        if not (isinstance(record[name], str) and _DATE.match(record[name])):
            faults.append(f"{name} is no date")
    if not (isinstance(record["version"], str) and _SEMANTIC_VERSION.fullmatch(record["version"])):
        faults.append("version is no semantic version")
    if record["source"] not in SOURCES:
        faults.append(f"source is none of {' '.join(SOURCES)}")
    elif record["source"] == INTERNET and not is_web_address(record["source_details"]):
        faults.append(f"source is {INTERNET} and source_details is no http(s) address")
    indicator = record["generated_data_indicator"]
    if isinstance(indicator, bool) or indicator not in (0, 1):
        faults.append("generated_data_indicator is neither 0 nor 1")
    return faults


def is_web_address(text: object) -> bool:
    """Tell whether a text is one absolute http(s) address.

    >>> is_web_address("https://example.org/a"), is_web_address("example.org")
    (True, False)
    """
    if not isinstance(text, str) or any(map(str.isspace, text.strip())):
        return False
    try:
        parts = urlsplit(text.strip())
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _text(content: str | None, role: str | None = None) -> dict[str, Any]:
    return {"media_type": "text", "content": content} if role is None else {"media_type": "text", "role": role, "content": content}


def _date(time: str | None) -> str | None:
    match = _DATE.match(time) if time else None
    return match[0] if match else time


def _annotation(text: str | None) -> dict[str, Any] | None:
    """Read the annotation column (JSON); what is no annotation in the sense of the standard becomes its label."""
    if text is None or not text.strip():
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = text
    if value is None:
        return None
    if isinstance(value, dict) and "label" in value:
        label = value["label"]
        return {
            **value,
            "label": label if isinstance(label, list) else [label],
            "annotation_method": value.get("annotation_method"),
            "annotator": value.get("annotator"),
        }
    return {"label": value if isinstance(value, list) else [value], "annotation_method": None, "annotator": None}


def _is_filled(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _content_faults(content: object) -> list[str]:
    if not isinstance(content, list) or not content:
        return ["data_content is empty"]
    faults = []
    for number, item in enumerate(content):
        if not isinstance(item, Mapping) or not _is_filled(item.get("media_type")):
            faults.append(f"data_content[{number}] has no media_type")
        elif not _is_filled(item.get("content")):
            faults.append(f"data_content[{number}] has no content")
    return faults


def _annotation_faults(annotation: object) -> list[str]:
    if annotation is None:
        return []
    if not isinstance(annotation, Mapping):
        return ["annotation is no object"]
    faults = []
    if not (isinstance(annotation.get("label"), list) and annotation["label"]):
        faults.append("annotation has no label")
    for name, allowed in (("annotation_method", ANNOTATION_METHODS), ("annotator", ANNOTATORS)):
        value = annotation.get(name)
        if value is not None and value not in allowed:
            faults.append(f"annotation.{name} is none of {' '.join(allowed)}")
    return faults
