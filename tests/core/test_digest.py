"""The digest of a dataset names its records: not their order, not how batches were cut, not what was measured."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangji.core import digest
from liangji.core.digest import row_digests, rows_digest, version_id
from liangji.core.schema import Kind, Modality, record_schema

SCHEMA = record_schema(Kind.PRETRAINING)


def batch(texts: Sequence[str | None]) -> pa.RecordBatch:
    rows: list[dict[str, Any]] = [
        {"id": f"{number}", "text": text, "parents": [], "record": number, "generated": 0} for number, text in enumerate(texts)
    ]
    return pa.RecordBatch.from_pylist(rows, SCHEMA)


@given(st.lists(st.one_of(st.none(), st.text(max_size=20)), max_size=20), st.integers(0, 20))
def test_cutting_and_order_do_not_matter(texts: list[str | None], cut: int) -> None:
    whole = batch(texts)
    assert rows_digest([whole.slice(cut), whole.slice(0, cut)], Kind.PRETRAINING) == rows_digest([whole], Kind.PRETRAINING)


def test_measured_columns_do_not_count_and_string_width_neither() -> None:
    plain = batch(["一", "two"])
    measured = plain.append_column("word_count", pa.array([1, 1], pa.int32()))
    narrow = measured.set_column(measured.schema.get_field_index("text"), "text", measured.column("text").cast(pa.string()))
    assert rows_digest([narrow], Kind.PRETRAINING) == rows_digest([plain], Kind.PRETRAINING)


def test_every_change_of_a_record_counts() -> None:
    cases: list[list[str | None]] = [[], ["a"], ["b"], [None], [""], ["a", "b"], ["ab", ""], ["", "ab"], ["a", "b", "b"]]
    digests = {rows_digest([batch(texts)], Kind.PRETRAINING) for texts in cases}
    assert len(digests) == 9


def test_lists_count_by_their_values() -> None:
    schema = record_schema(Kind.INSTRUCTION)
    one, two = (
        pa.RecordBatch.from_pylist([{"id": "1", "messages": [{"role": "user", "content": content}]}], schema)
        for content in ("a", "b")
    )
    assert rows_digest([one], Kind.INSTRUCTION) != rows_digest([two], Kind.INSTRUCTION)


def test_a_version_is_named_by_what_it_holds_and_how_it_was_made() -> None:
    names = {
        version_id(kind, Modality.TEXT, recipe, content)
        for kind, recipe, content in (
            (Kind.PRETRAINING, "r", "c"),
            (Kind.BENCHMARK, "r", "c"),
            (Kind.PRETRAINING, "s", "c"),
            (Kind.PRETRAINING, "r", "d"),
        )
    }
    assert len(names) == 4
    assert all(len(name) == 32 for name in names)


@pytest.mark.parametrize("pass_bytes", [1 << 20, 1000, 1])
def test_digests_combined_part_by_part_are_those_combined_at_once(pass_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "_PASS_BYTES", pass_bytes)
    digests = [hashlib.sha256(str(number).encode()).digest() for number in range(500)]
    parts = [b"".join(digests[start : start + 70]) for start in range(0, 500, 70)]
    assert digest.combine_parts(lambda: parts) == digest.combine(b"".join(digests))
    assert digest.combine_parts(list) == digest.combine(b"")


def digest_by_the_definition(row: dict[str, Any], schema: pa.Schema) -> bytes:
    """Do what the docstring of the module says, value by value."""
    fixed, variable = b"", b""
    for field in schema:
        value = row[field.name]
        if pa.types.is_integer(field.type):
            number = value or 0
        elif pa.types.is_floating(field.type):
            number = struct.unpack("<q", struct.pack("<d", value or 0.0))[0]
        else:
            is_json = value is not None and not isinstance(value, str)
            written = orjson.dumps(value, option=orjson.OPT_SORT_KEYS) if is_json else (value or "").encode()
            number, variable = len(written), variable + written
        fixed += struct.pack("<qq", value is not None, number)
    return hashlib.sha256(fixed + variable).digest()


TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "text": TEXTS,
            "record": st.none() | st.integers(-(1 << 63), (1 << 63) - 1),
            "generated": st.none() | st.integers(-128, 127),
            "seconds": st.none() | st.floats(allow_nan=False).filter(bool),
            "parents": st.none() | st.lists(TEXTS, max_size=2),
            "messages": st.none() | st.lists(st.none() | st.fixed_dictionaries({"role": TEXTS, "content": TEXTS}), max_size=2),
            "origin": TEXTS,
        }
    ),
    max_size=6,
)
FIELDS = (
    ("text", pa.large_string()),
    ("record", pa.int64()),
    ("generated", pa.int8()),
    ("seconds", pa.float64()),
    ("parents", pa.list_(pa.string())),
    ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
    ("origin", pa.string()),
)


@given(RECORDS, st.lists(st.sampled_from(FIELDS), min_size=1, unique=True), st.integers(0, 6))
def test_a_record_is_digested_as_the_module_defines(
    records: list[dict[str, Any]], fields: list[tuple[str, pa.DataType]], start: int
) -> None:
    schema = pa.schema(fields)
    rows = pa.RecordBatch.from_pylist(records, schema).slice(start)
    assert row_digests(rows, schema) == b"".join(digest_by_the_definition(row, schema) for row in rows.to_pylist())


def test_the_digest_of_known_records_never_changes() -> None:
    assert (
        rows_digest([batch(["一", None, "three"])], Kind.PRETRAINING)
        == "90e9adcad13b1b68ac3d2e10c4b849fd43b34ff7c69b919afefe91f8e90a135c"
    )
