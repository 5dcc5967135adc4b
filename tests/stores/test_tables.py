"""Versions of tables, on a folder and on S3."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from liangji.core.errors import SchemaError, StoreError, UsageError
from liangji.core.schema import Kind, record_schema
from liangji.stores.objects import Objects
from liangji.stores.tables import Tables, rows_of

Place = tuple[str, dict[str, str] | None]  # as the fixture `place` gives it

TABLE = "法规/rows"
SCHEMA = pa.schema([("id", pa.string()), ("text", pa.large_string())])


@pytest.fixture
def tables(place: Place) -> Tables:
    return Tables(*place)


def batch(*ids: str) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"id": list(ids), "text": [f"第{id_}条" for id_ in ids]}, schema=SCHEMA)


def ids(tables: Tables, version: int, **options: object) -> list[str]:
    return [id_ for part in tables.scan(TABLE, version, columns=["id"], **options) for id_ in part["id"].to_pylist()]  # type: ignore[arg-type]


def data_files(place: Place) -> list[str]:
    return sorted(found.key for found in Objects.open(*place).list(f"{TABLE}.lance/data/"))


def test_a_version_consists_of_exactly_its_fragments_in_their_order(tables: Tables) -> None:
    first, second = (tables.stage(TABLE, SCHEMA, [batch(*part)]) for part in ("abc", "de"))
    version = tables.commit(TABLE, SCHEMA, [*second, *first])
    assert ids(tables, version) == ["d", "e", "a", "b", "c"]
    assert [rows_of(fragment) for fragment in (*first, *second)] == [3, 2]
    assert tables.count(TABLE, version) == 5
    assert tables.schema(TABLE, version) == SCHEMA


def test_fragments_serve_several_versions_and_old_versions_stay_as_they_were(tables: Tables) -> None:
    kept, dropped, added = (tables.stage(TABLE, SCHEMA, [batch(*part)]) for part in ("ab", "cd", "ef"))
    first = tables.commit(TABLE, SCHEMA, [*kept, *dropped])
    second = tables.commit(TABLE, SCHEMA, [*added, *kept])
    empty = tables.commit(TABLE, SCHEMA, [])
    last = tables.commit(TABLE, SCHEMA, kept)
    assert [first, second, empty, last] == [1, 2, 3, 4]
    assert ids(tables, first) == ["a", "b", "c", "d"]
    assert ids(tables, second) == ["e", "f", "a", "b"]
    assert ids(tables, empty) == []
    assert tables.schema(TABLE, empty) == SCHEMA
    assert ids(tables, last) == ["a", "b"]


def test_a_version_may_have_other_columns_than_the_one_before(tables: Tables) -> None:
    first = tables.commit(TABLE, SCHEMA, tables.stage(TABLE, SCHEMA, [batch("a")]))
    wider = pa.schema([("score", pa.float32()), *SCHEMA])
    rows = pa.RecordBatch.from_pydict({"score": [0.5], "id": ["b"], "text": ["x"]}, schema=wider)
    second = tables.commit(TABLE, wider, tables.stage(TABLE, wider, [rows]))
    assert tables.schema(TABLE, second) == wider
    assert next(tables.scan(TABLE, second)).to_pylist() == [{"score": 0.5, "id": "b", "text": "x"}]
    assert ids(tables, first) == ["a"]


def test_no_rows_stage_no_fragment(tables: Tables) -> None:
    assert tables.stage(TABLE, SCHEMA, []) == []
    assert tables.stage(TABLE, SCHEMA, [batch()]) == []


def test_a_scan_selects_columns_and_rows_and_keeps_the_order(tables: Tables) -> None:
    numbers = [f"{number:03}" for number in range(100)]
    fragments = [part for start in range(0, 100, 30) for part in tables.stage(TABLE, SCHEMA, [batch(*numbers[start : start + 30])])]
    version = tables.commit(TABLE, SCHEMA, fragments)
    assert ids(tables, version, offset=25, limit=10) == numbers[25:35]
    assert ids(tables, version, where="id >= '050'", limit=3) == ["050", "051", "052"]
    assert ids(tables, version, where="id >= '050'", offset=48) == ["098", "099"]
    assert ids(tables, version, limit=0) == []
    assert ids(tables, version, offset=1000) == []
    assert tables.count(TABLE, version, where="text = '第007条'") == 1
    assert max(part.num_rows for part in tables.scan(TABLE, version, batch_rows=8)) == 8
    assert next(tables.scan(TABLE, version, columns=["text", "id"])).schema.names == ["text", "id"]


def test_rows_are_taken_by_position_in_the_order_asked_for(tables: Tables) -> None:
    fragments = tables.stage(TABLE, SCHEMA, [batch(*"abc")]) + tables.stage(TABLE, SCHEMA, [batch(*"def")])
    version = tables.commit(TABLE, SCHEMA, fragments)
    assert tables.take(TABLE, version, [4, 0, 4], columns=["id"])["id"].to_pylist() == ["e", "a", "e"]
    assert tables.take(TABLE, version, []).num_rows == 0


EVERY_TYPE = pa.schema(
    [
        pa.field("required", pa.string(), nullable=False),
        ("tags", pa.list_(pa.string())),
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        ("text", pa.large_string()),
        ("category", pa.dictionary(pa.int32(), pa.string())),
        ("small", pa.int8()),
        ("nothing", pa.null()),
        ("all_null", pa.string()),
        ("bytes", pa.large_binary()),
        ("box", pa.struct([("x", pa.int32()), ("y", pa.list_(pa.float32()))])),
        ("moment", pa.timestamp("us", "UTC")),
        ("flag", pa.bool_()),
        ("hash", pa.uint64()),
        ("vector", pa.list_(pa.float32(), 2)),
        ("many", pa.large_list(pa.string())),
    ]
)


def every_type(first: str) -> pa.RecordBatch:
    """Each column with a value, an empty one where there is such a thing, and a null."""
    values = {
        "required": [first, "", "中"],
        "tags": [["a", None], [], None],
        "messages": [[{"role": "user", "content": None}, None], [], None],
        "text": ["𠮷 e\u0301\0\n", "", None],
        "category": pa.array([first, "x", None]).dictionary_encode(),  # another dictionary in each batch
        "small": [-128, 127, None],
        "nothing": [None] * 3,
        "all_null": [None] * 3,
        "bytes": [b"\xff\0", b"", None],
        "box": [{"x": 1, "y": [1.5, None]}, {"x": None, "y": None}, None],
        "moment": [0, 1, None],
        "flag": [True, False, None],
        "hash": [2**64 - 1, 0, None],
        "vector": [[1.0, 2.0], [0.0, None], None],
        "many": [["a"], [], None],
    }
    return pa.RecordBatch.from_pydict(values, schema=EVERY_TYPE)


@pytest.mark.parametrize("schema", [EVERY_TYPE, *(record_schema(kind) for kind in Kind)], ids=["every type", *Kind])
def test_every_column_type_comes_back_as_it_was_stored(tables: Tables, schema: pa.Schema) -> None:
    if schema is EVERY_TYPE:
        batches = [every_type("p"), every_type("q")[1:], every_type("r")]
    else:
        batches = [pa.RecordBatch.from_pylist([{}, {"id": "1", "parents": [], "generated": 1}], schema=schema)]
    version = tables.commit(TABLE, schema, tables.stage(TABLE, schema, batches))
    stored = list(tables.scan(TABLE, version))
    assert stored[0].schema == schema
    assert [row for part in stored for row in part.to_pylist()] == [row for part in batches for row in part.to_pylist()]


def test_what_the_stream_raises_comes_out_unchanged(tables: Tables) -> None:
    def failing() -> Iterator[pa.RecordBatch]:
        yield batch("a")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        tables.stage(TABLE, SCHEMA, failing())


def test_a_batch_of_another_schema_is_refused_by_the_first_column_that_differs(tables: Tables) -> None:
    other = pa.RecordBatch.from_pydict({"id": ["a"], "text": pa.array(["x"], pa.string())})
    with pytest.raises(SchemaError) as caught:
        tables.stage(TABLE, SCHEMA, [batch("a"), other])
    assert (
        caught.value.where == "column 1: pyarrow.Field<text: large_string> in the table, pyarrow.Field<text: string> in the batch"
    )


def test_errors_name_table_and_version_and_the_mend(tables: Tables) -> None:
    version = tables.commit(TABLE, SCHEMA, tables.stage(TABLE, SCHEMA, [batch("a")]))
    with pytest.raises(StoreError, match="there is no version 9 of table '法规/rows'"):
        tables.count(TABLE, 9)
    with pytest.raises(StoreError, match="there is no version 1 of table 'other'"):
        tables.schema("other", 1)
    with pytest.raises(StoreError, match="no row 1") as caught:
        tables.take(TABLE, version, [0, 1])
    assert caught.value.mend == "rows are numbered from 0 to 0"
    with pytest.raises(StoreError, match="No field named score") as caught:
        list(tables.scan(TABLE, version, where="score > 1"))
    assert ".rs" not in str(caught.value)
    assert caught.value.mend


@pytest.mark.parametrize("name", ["../outside", "a//rows", "", "/rows", "a/./rows"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    tables = Tables(str(tmp_path / "tables"))
    with pytest.raises(UsageError, match="is no name of a table"):
        tables.stage(name, SCHEMA, [batch("a")])
    with pytest.raises(UsageError, match="is no name of a table"):
        tables.collect_garbage(name, [])
    assert [path.name for path in tmp_path.iterdir()] == ["tables"]


def test_garbage_is_what_neither_a_version_nor_the_caller_holds(tables: Tables, place: Place) -> None:
    old, new, kept, orphan = (tables.stage(TABLE, SCHEMA, [batch(*part)]) for part in ("ab", "cd", "e", "fgh"))
    assert tables.collect_garbage(TABLE, [*old, *new, *kept, *orphan]) == 0
    first = tables.commit(TABLE, SCHEMA, old)
    second = tables.commit(TABLE, SCHEMA, new)
    size = json.loads(orphan[0])["files"][0]["file_size_bytes"]
    assert tables.collect_garbage(TABLE, kept) == size
    assert tables.collect_garbage(TABLE, kept) == 0
    assert len(data_files(place)) == 3
    third = tables.commit(TABLE, SCHEMA, kept)
    assert [ids(tables, version) for version in (first, second, third)] == [["a", "b"], ["c", "d"], ["e"]]
    assert tables.collect_garbage("never/written", []) == 0


def test_garbage_of_a_table_that_was_never_committed_is_freed(tables: Tables, place: Place) -> None:
    tables.stage(TABLE, SCHEMA, [batch("a")])
    assert tables.collect_garbage(TABLE, []) > 0
    assert data_files(place) == []


BUILDER = """
import os, sys
import pyarrow as pa
from liangji.stores.tables import Tables
tables = Tables(sys.argv[1], eval(sys.argv[2]))
schema = pa.schema([("id", pa.string()), ("text", pa.large_string())])
def batches(name):
    for part in range(20):
        texts = [os.urandom(2000).hex() for _ in range(100)]
        yield pa.record_batch([pa.array([f"{name}-{part}-{row}" for row in range(100)]), pa.array(texts, pa.large_string())], schema)
fragments = []
for name in range(100):
    print("staging", flush=True)
    fragments += tables.stage("法规/rows", schema, batches(name))
    print("committing", flush=True)
    tables.commit("法规/rows", schema, fragments)
"""


@pytest.mark.parametrize("wait_seconds", [0.0, 0.04])
@pytest.mark.parametrize("step", ["staging", "committing"])
def test_a_builder_killed_at_any_moment_leaves_whole_versions(tables: Tables, place: Place, step: str, wait_seconds: float) -> None:
    kept = tables.stage(TABLE, SCHEMA, [batch("a", "b")])
    assert tables.commit(TABLE, SCHEMA, kept) == 1
    builder = subprocess.Popen(
        [sys.executable, "-c", BUILDER, place[0], repr(place[1])], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert builder.stdout is not None
    assert builder.stderr is not None
    for _ in range(4):  # the second round: there is a version of its own by then
        if builder.stdout.readline().strip() == step and _ >= 2:
            break
    time.sleep(wait_seconds)
    os.kill(builder.pid, signal.SIGKILL)
    assert builder.wait() == -signal.SIGKILL
    with builder.stdout, builder.stderr:
        assert builder.stderr.read() == ""  # nor does Lance talk

    newest = tables.commit(TABLE, SCHEMA, kept)
    counts = [tables.count(TABLE, version) for version in range(1, newest + 1)]
    assert counts[0] == counts[-1] == 2
    assert counts[1:-1] == [2000 * round_ for round_ in range(1, newest - 1)]
    tables.collect_garbage(TABLE, [])
    assert len(data_files(place)) == 1 + (newest - 2)  # one file of ours, one of each round that was committed
    for version, count in enumerate(counts, 1):
        assert len(ids(tables, version)) == count


PEAK = """
import os, sys
import pyarrow as pa
from liangji.stores.tables import Tables
schema = pa.schema([("id", pa.string()), ("text", pa.large_string())])
def anonymous():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon")) >> 10
def watched(batches):
    global peak
    for batch in batches:
        peak = max(peak, anonymous())
        yield batch
def generated():
    for part in range(400):
        texts = pa.array([os.urandom(4000).hex() for _ in range(250)], pa.large_string())
        yield pa.record_batch([pa.array([str(part)] * 250), texts], schema)
tables = Tables(sys.argv[1])
before = peak = anonymous()
if sys.argv[2] == "stage":
    tables.commit("t", schema, tables.stage("t", schema, watched(generated())))
else:
    assert sum(batch.num_rows for batch in watched(tables.scan("t", 1))) == 100_000
print(peak - before)
"""


def test_staging_and_scanning_hold_little_however_large_the_table(tmp_path: Path) -> None:
    for way in ("stage", "scan"):
        done = subprocess.run([sys.executable, "-c", PEAK, str(tmp_path), way], capture_output=True, text=True, check=True)
        assert int(done.stdout) < 400, way  # MiB, of 763 that pass through; 90 to 210 were measured, more on a busy machine
        assert done.stderr == ""


def test_a_row_larger_than_every_buffer_is_stored_and_read(tmp_path: Path) -> None:
    tables = Tables(str(tmp_path))
    large = pa.RecordBatch.from_pydict({"id": ["a", "b"], "text": ["良" * (30 << 20), "集"]}, schema=SCHEMA)
    version = tables.commit(TABLE, SCHEMA, tables.stage(TABLE, SCHEMA, [large]))
    assert [len(text) for part in tables.scan(TABLE, version) for text in part["text"].to_pylist()] == [30 << 20, 1]


def test_texts_of_any_length_come_back_as_they_were(tables: Tables) -> None:
    lengths = [0, 1, 300, 4095, 4096, 32_767, 32_768, 65_536, 3 << 20]
    texts: list[str | None] = [None, *("数据" * length for length in lengths), None, "", "终"]
    rows = pa.RecordBatch.from_pydict({"id": [str(row) for row in range(len(texts))], "text": texts}, schema=SCHEMA)
    version = tables.commit(TABLE, SCHEMA, tables.stage(TABLE, SCHEMA, [rows.slice(0, 4), rows.slice(4)]))
    assert [text for part in tables.scan(TABLE, version) for text in part["text"].to_pylist()] == texts
    assert tables.take(TABLE, version, [10, 0, 8, 3])["text"].to_pylist() == [texts[row] for row in (10, 0, 8, 3)]
    assert tables.schema(TABLE, version).field("text").metadata is None


def test_long_texts_are_compressed_whatever_their_script(tables: Tables, place: Place) -> None:
    text = "".join(chr(0x4E00 + (number * number) % 2000) for number in range(5000))
    rows = pa.RecordBatch.from_pydict({"id": list("abcdefgh"), "text": [f"{number}{text}" for number in range(8)]}, schema=SCHEMA)
    tables.stage(TABLE, SCHEMA, [rows])
    stored = sum(found.size_bytes for found in Objects.open(*place).list(f"{TABLE}.lance/data/"))
    assert stored < rows.nbytes / 2
