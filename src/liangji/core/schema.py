"""Record schemas: the columns every record has, and the payload of each dataset kind and modality.

A record is one row. System columns come first, then the payload, then `annotation` and `extra`; columns that an operator
measures (signals) follow in the order in which they were measured. Null means unknown, empty means known to be empty.
"""

from __future__ import annotations

from enum import StrEnum

import pyarrow as pa

from liangji.core.errors import SchemaError


class Kind(StrEnum):
    """What a dataset is for (Wuhan 2026 task programme, table 1, and supervised sets beside its four kinds)."""

    PRETRAINING = "pretraining"
    INSTRUCTION = "instruction"
    PREFERENCE = "preference"
    BENCHMARK = "benchmark"
    SUPERVISED = "supervised"


class Modality(StrEnum):
    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    SERIES = "series"
    TABLE = "table"


ID, TEXT, ORIGIN, RECORD, EXTRA, ANNOTATION = "id", "text", "origin", "record", "extra", "annotation"
DROP_REASON, DROP_NUMBER, DROP_DETAIL = "drop_reason", "drop_number", "drop_detail"

IDENTITY: tuple[pa.Field, ...] = (
    pa.field(ID, pa.string()),  # 32 hexadecimal digits: SHA-256 over origin, record and payload, cut to 128 bits
    pa.field("parents", pa.list_(pa.string())),  # ids this record was made from; empty for a collected one
    pa.field("source", pa.string()),  # type of source: 互联网, 自采, 公开数据集, 组织机构, 论文, 其他
    pa.field("source_details", pa.string()),  # traceable: address, dataset name, place or device, number of the authorisation
    pa.field("license", pa.string()),
    pa.field("original_time", pa.string()),  # ISO 8601; null where the source does not tell
    pa.field("last_modified_time", pa.string()),  # ISO 8601; null: not changed since it was collected
    pa.field("generated", pa.int8()),  # 0 collected, 1 synthetic
    pa.field(ORIGIN, pa.string()),  # file, and member of an archive after '!', relative to the recipe
    pa.field(RECORD, pa.int64()),  # 0-based position in the origin
)

MESSAGES = pa.list_(pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())]))

_MEDIA: tuple[pa.Field, ...] = (
    pa.field("path", pa.string()),  # reference to the object, relative to the recipe
    pa.field("sha256", pa.string()),
    pa.field("size_bytes", pa.int64()),
)

_PAYLOAD_OF_MODALITY: dict[Modality, tuple[pa.Field, ...]] = {
    Modality.TEXT: (pa.field(TEXT, pa.large_string()),),
    Modality.IMAGE: (*_MEDIA, pa.field("width", pa.int32()), pa.field("height", pa.int32())),
    Modality.AUDIO: (
        *_MEDIA,
        pa.field("sample_rate_hertz", pa.int32()),
        pa.field("channels", pa.int16()),
        pa.field("duration_seconds", pa.float64()),
    ),
    Modality.VIDEO: (*_MEDIA, pa.field("duration_seconds", pa.float64())),
    Modality.SERIES: (pa.field("time", pa.string()), pa.field("values", pa.string())),  # values: a JSON object, name → number
    Modality.TABLE: (pa.field("row", pa.string()),),  # a JSON object, column → value
}

_PAYLOAD_OF_KIND: dict[Kind, tuple[pa.Field, ...]] = {
    Kind.INSTRUCTION: (pa.field("messages", MESSAGES),),
    Kind.PREFERENCE: (
        pa.field("prompt", pa.large_string()),
        pa.field("chosen", pa.large_string()),
        pa.field("rejected", pa.large_string()),
    ),
    Kind.BENCHMARK: (
        pa.field("question", pa.large_string()),
        pa.field("options", pa.list_(pa.string())),
        pa.field("answer", pa.large_string()),
    ),
}


def payload_fields(kind: Kind, modality: Modality = Modality.TEXT) -> tuple[pa.Field, ...]:
    """Name the payload columns of a dataset kind.

    Instruction, preference and benchmark sets are text; pretraining and supervised sets take the payload of their modality.
    """
    return _PAYLOAD_OF_KIND.get(kind) or _PAYLOAD_OF_MODALITY[modality]


def record_schema(kind: Kind, modality: Modality = Modality.TEXT) -> pa.Schema:
    """Give the schema of a record as it is collected, before anything is measured on it."""
    tail = (pa.field(ANNOTATION, pa.string()), pa.field(EXTRA, pa.string()))  # JSON each; extra: the fields no column took
    return pa.schema([*IDENTITY, *payload_fields(kind, modality), *tail])


DECISION: tuple[pa.Field, ...] = (
    pa.field(DROP_REASON, pa.string()),  # what is wrong with the record: too_few_words; null: kept
    pa.field(DROP_NUMBER, pa.float64()),  # the number that decided
    pa.field(DROP_DETAIL, pa.string()),  # what the number was held against, or the id of the record kept instead
)


def string_column(batch: pa.RecordBatch, name: str) -> pa.Array:
    """Take a string column of a batch.

    Raises: SchemaError where it is missing or is no string.
    """
    index = batch.schema.get_field_index(name)
    if index < 0:
        raise SchemaError(
            f"no column '{name}'",
            f"columns: {', '.join(batch.schema.names)}",
            "set the option to one of them, or measure it in an earlier step",
        )
    column = batch.column(index)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise SchemaError(f"column '{name}' is {column.type}, not a string", "", "name a text column, or cast it in the input")
    return column


def with_column(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    """Set a column: in its place where it exists, else at the end."""
    index = batch.schema.get_field_index(name)
    if index < 0:
        return batch.append_column(name, values)
    return batch.set_column(index, name, values)
