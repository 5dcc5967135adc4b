"""Lines read as columns are the lines read one by one: records, faults, notes, line numbers, values and their types."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from liangji.core.errors import InputError
from liangji.core.reading import Raw, RawBatch, ReadLimits
from liangji.core.schema import Kind
from liangji.pipeline.aggregation.records import Provenance, shape
from liangji.pipeline.collection import json as json_lines
from liangji.pipeline.collection import streams
from liangji.pipeline.collection.flat_json import flat_columns
from liangji.pipeline.collection.json import ReadJsonLines

LIMITS = ReadLimits(record_bytes=300)
NAMES = st.sampled_from(["text", "id", "n", "x", "url", "date", "", 'a"b', "\\", "文", "a:", "null", "\x00"]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=4
)
STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ['"id":', '\\"text\\":', "null", "}\n{", "2024-01-02", "2024-01-02T03:04:05Z", "\x00\x1f\x7f", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "\u2028"]
)  # fmt: skip
INTEGERS = st.integers(-(1 << 63), (1 << 63) - 1)
DECIMALS = st.floats(allow_nan=False, allow_infinity=False)
OF_ONE_TYPE = st.sampled_from([STRINGS, INTEGERS, DECIMALS, DECIMALS.filter(lambda x: x != int(x)), st.booleans(), st.none()])

ODD_LINES = (
        b"", b" ", b"\t\r", b"{}", b"[]", b"null", b'"x"', b"7", b"{", b"}", b"{}{}", b'{"text":"a"}{"text":"b"}', b'{"text":"a"},{"text":"b"}',
        b'{"text":', b'"a"}', b'{"text":{"a":1}', b',"n":1}', b'{"text":"a","text":"b"}', b'{"text":"a","n":{"m":1,"m":2}}', b'{"text":["a"]}',
        b'{"text":"a","n":1.0}', b'{"text":"a","n":-0}', b'{"text":"a","n":-0.0}', b'{"text":"a","n":1e2}', b'{"text":"a","n":1e400}',
        b'{"text":"a","n":18446744073709551615}', b'{"text":"a","n":123456789012345678901234567890}', b'{"text":"a","n":NaN}',
        b'{"text":"a","n":Infinity}', b'{"text":"a","n":-Infinity}', b'{"text":"a","n":01}', b'{"text":"a","n":+1}', b'{"text":"a","n":.5}',
        b'{"text":"a","n":null}', b'{"text":null}', b'{"text":null,"n":1}', b'{"n":1,"text":"a"}', b'{"text" : "a" , "n" : 1}', b' {"text":"a"}',
        b'{"text":"a"} ', b'{"te\\u0078t":"a"}', b'{"text":"\\ud83d\\ude00"}', b'{"text":"\\ud83d"}', b'{"text":"\\ude00\\ud83d"}', b'{"text":"\\x"}',
        b'{"text":"\x01"}', b'{"text":"\xff"}', b'{"text":"\xed\xa0\x80"}', b'{"text":"\xc4\xe3\xba\xc3\xb0\xa1"}', b'{"text":"a"}\r{"text":"b"}',
        b'\xef\xbb\xbf{"text":"a"}', b'\x00{"text":"a"}', b"{'text':'a'}", b'{"text":"a",}', b'{"text":"a"}x', b'{"text":"' + b"a" * 400 + b'"}',
        b'{"text":"a","n":1/*c*/}', b'{"text":true}', b'{"text":tru}', b'{"text":"a","n":1}}', b"[" * 1100, b'{"text":"a\nb"}', b"plain words", b'{"text":"a"}{"n":1}',
)  # fmt: skip


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Draw a file most of whose lines are flat objects of one shape."""
    kinds = draw(st.dictionaries(NAMES, OF_ONE_TYPE, min_size=1, max_size=4))
    is_ascii, separators = draw(st.booleans()), draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    lines: list[bytes] = []
    for _ in range(draw(st.integers(1, 12))):
        values: dict[str, Any] = {name: draw(kind) for name, kind in kinds.items()}
        match draw(st.integers(0, 40)):
            case 0:
                lines.append(draw(st.sampled_from(ODD_LINES)))
            case 1:
                lines.append(json.dumps(dict(reversed(values.items())), separators=separators).encode())
            case 2:
                values[draw(NAMES)] = draw(STRINGS | INTEGERS | DECIMALS | st.none() | st.lists(INTEGERS, max_size=1))
            case 3:
                values.popitem()
            case 4:
                values[next(iter(values))] = None
        lines.append(json.dumps(values, ensure_ascii=is_ascii, separators=separators).encode())
    ending = draw(st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"]))
    return ending.join(lines) + draw(st.sampled_from([b"", ending]))


def items(data: bytes, columns_from: int, chunk: int = streams.CHUNK_BYTES, block: int = 1 << 20) -> list[Raw]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "COLUMNS_FROM_BYTES", columns_from)
        patch.setattr(json_lines, "_BLOCK_BYTES", block)
        patch.setattr(streams, "CHUNK_BYTES", chunk)
        return list(ReadJsonLines(encoding="utf-8")(io.BytesIO(data), "x.jsonl", LIMITS))


def single(found: list[Raw]) -> list[str]:
    """Write out every item, with the order of fields and the types of values."""
    records = (record for item in found for record in (item.records() if isinstance(item, RawBatch) else [item]))
    return [repr(record) for record in records]


@settings(deadline=None, max_examples=300)
@given(files(), st.sampled_from([7, 64, 1 << 18]), st.sampled_from([1, 100, 1 << 20]))
@example(b"\n".join([b'{"text":"a","text":"b","n":1}', b'{"n":1}']), 64, 100)
@example(b"\n".join([b'{"a":{"b":1}', b'{"c":2}}']), 1 << 18, 1 << 20)
@example(b'{"text":"' + b"a" * 700 + b'"}\n{"text":"b"}\n' * 20, 64, 100)
def test_columns_hold_what_single_lines_hold(data: bytes, chunk: int, block: int) -> None:
    by_line = items(data, 1 << 40, chunk, block)
    by_column = items(data, 0, chunk, block)
    assert single(by_column) == single(by_line)
    for kind in (Kind.PRETRAINING, Kind.SUPERVISED):
        for provenance in (Provenance(), Provenance("公开数据集", "详情", "CC0-1.0", "2020")):
            assert list(shape(by_column, kind, provenance=provenance)) == list(shape(by_line, kind, provenance=provenance))


USUAL = (b'{"text":"a"}', b'{"text":"a","n":1}', b'{"text":"a","n":0.5}', b'{"text":{"a":1}}')


@pytest.mark.parametrize("usual", USUAL)
def test_an_odd_line_is_told_as_it_is_alone(usual: bytes) -> None:
    for odd in ODD_LINES:
        for data in (b"\n".join([usual, usual, odd, usual]), b"\n".join([odd, usual]), b"\n".join([usual, odd])):
            assert single(items(data, 0)) == single(items(data, 1 << 40)), data


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [298, 299, 300, 301])
def test_a_line_over_the_limit_is_no_column(size: int, ending: bytes) -> None:
    data = b'{"text":"' + b"a" * (size - 11) + b'"}' + ending + b'{"text":"b"}' + ending
    assert single(items(data, 0)) == single(items(data, 1 << 40))


@pytest.mark.parametrize(
    "line",
    [
        b'{"text":"a","n":1}',
        b'{"n":0.5,"text":"\xe6\x96\x87"}',
        b'{"text":"\\u6587 \\"text\\":","on":true}',
        b'{"text": "a", "x": null}',
    ],
)
@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_usual_lines_are_read_as_columns(line: bytes, ending: bytes) -> None:
    (batch,) = items(ending.join([line] * 100) + ending, 0)
    assert isinstance(batch, RawBatch)
    assert (batch.record, batch.line, batch.columns.num_rows) == (0, 1, 100)
    assert batch.columns.to_pylist() == [json.loads(line)] * 100


def test_lines_of_two_shapes_are_left_to_be_read_one_by_one() -> None:
    assert flat_columns(b'{"text":"a"}\n{"text":"b","n":1}', 99) is None
    assert flat_columns(b'{"text":"a","n":1}\n{"n":1,"text":"a"}', 99) is None


class Damaged(io.BytesIO):
    """A stream that cannot be read to its end."""

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if not data:
            raise InputError("the stream is damaged")
        return data


def test_what_was_read_before_the_damage_is_kept() -> None:
    line = b'{"text":"a"}\n'
    seen: list[Raw] = []
    with pytest.raises(InputError, match="damaged"):
        seen.extend(ReadJsonLines(encoding="utf-8")(Damaged(line * 30_000), "x.jsonl", ReadLimits()))
    assert len(single(seen)) == 30_000
