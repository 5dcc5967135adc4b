"""Every damaged, hostile or odd file of the shared data ends as its line in `expected.jsonl` says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from liangji.core.reading import Fault, Note
from liangji.core.schema import Kind, Modality
from liangji.pipeline.aggregation.records import shape
from liangji.pipeline.collection.reading import read_raw


@dataclass
class Outcome:
    rows: list[dict[str, object]]
    faults: list[Fault]
    notes: list[Note]

    @property
    def texts(self) -> list[object]:
        return [row["text"] for row in self.rows]

    @property
    def fault_lines(self) -> list[int]:
        return [fault.line for fault in self.faults]

    def says(self, *words: str) -> bool:
        """Tell whether one fault holds all the words."""
        return any(all(word in f"{fault.origin} {fault.what} {fault.mend}" for word in words) for fault in self.faults)

    def notes_say(self, *words: str) -> bool:
        return any(all(word in note.what for word in words) for note in self.notes)


def outcome(path: Path, kind: Kind = Kind.PRETRAINING, modality: Modality = Modality.TEXT, **fields: str) -> Outcome:
    result = Outcome([], [], [])
    with path.open("rb") as stream:
        for item in shape(read_raw(stream, path.name, modality=modality), kind, modality, dict(fields)):
            if isinstance(item, pa.RecordBatch):
                result.rows += item.to_pylist()
            elif isinstance(item, Fault):
                result.faults.append(item)
            else:
                result.notes.append(item)
    return result


def refused(*words: str) -> Callable[[Path], bool]:
    def check(path: Path) -> bool:
        found = outcome(path)
        return not found.rows and len(found.faults) == 1 and found.says(path.name, *words)

    return check


def _broken_lines(path: Path) -> bool:
    found = outcome(path)
    return (
        found.fault_lines == [17, 31, 35, 66, 116, 127, 146, 195, 196]
        and len(found.rows) == 191
        and all(fault.content and fault.mend for fault in found.faults)
    )


def _bom_inside(path: Path) -> bool:
    with path.open("rb") as stream:
        raw = list(read_raw(stream, path.name))
    return [item.fields for item in raw] == [{"id": 1}, {"id": 2}] and len(outcome(path, text="id").rows) == 2  # type: ignore[union-attr]


def _deep_nesting(path: Path) -> bool:
    found = outcome(path, text="id")
    return found.fault_lines == [1] and len(found.rows) == 1 and found.says("nested too deeply")


def _invalid_utf8(path: Path) -> bool:
    found = outcome(path)
    lines = str(found.texts[0]).splitlines()
    return (lines[0], lines[2]) == ("正常一行", "第三行") and "�" in lines[1] and found.notes_say("4 character(s)", "line(s) 2")


def _ragged(path: Path) -> bool:
    found = outcome(path, text="name")
    return found.fault_lines == [3, 4] and found.texts == ["张三", "赵六, 主任", ""]


def _formula(path: Path) -> bool:
    found = outcome(path, text="name")
    cells = ["=1+1", '=HYPERLINK("http://example.com","x")', "+cmd", "@SUM(A1)", "-3.5"]
    return found.texts == cells and found.notes_say("4 cell(s)", "formula", "kept as data")


def _zone_and_comma(path: Path) -> bool:
    found = outcome(path, Kind.PRETRAINING, Modality.SERIES)
    values = [json.loads(str(row["values"])) for row in found.rows]
    is_noted = any(note.line == 6 and "time zone Z" in note.what for note in found.notes)
    return len(values) == 24 and values[1] == {"temp": 1.5} and is_noted and not found.faults


def _dangling(path: Path) -> bool:
    found = outcome(path, Kind.SUPERVISED, Modality.IMAGE)
    return found.says("annotation 2", "image_id 99") and [json.loads(str(row["annotation"]))["id"] for row in found.rows] == [1]


def _odd_names(path: Path) -> bool:
    found = outcome(path)
    return not found.faults and [str(row["origin"]).partition("!")[2] for row in found.rows] == found.texts and len(found.rows) == 5


def _slip(path: Path) -> bool:
    found = outcome(path)
    return found.says("../escaped_s.txt", "refused") and found.texts == ["ok"]


def _zero_rows(path: Path) -> bool:
    found = outcome(path)
    return (len(found.rows), found.faults) == (0, []) and found.notes_say("0 rows")


def _wrong_ending(path: Path) -> bool:
    found = outcome(path, modality=Modality.IMAGE)
    return len(found.rows) == 1 and found.notes_say("PNG") and outcome(path).says("not text")


def _huge_line(path: Path) -> bool:
    found = outcome(path)
    return len(found.rows) == 2 and found.texts[1] == "ok"


EXPECTED: dict[str, Callable[[Path], bool]] = {
    "zip_truncated.zip": refused("not a complete zip"),
    "zip_slip.zip": _slip,
    "gz_bomb_512MB.jsonl.gz": refused("expansion ratio of 200"),
    "zip_bomb_300MB.zip": refused("expansion ratio of 200"),
    "parquet_truncated.parquet": refused("footer"),
    "parquet_zero_rows.parquet": _zero_rows,
    "pdf_truncated.pdf": refused("truncated PDF"),
    "jpg_truncated.jpg": refused("truncated JPEG"),
    "png_bomb_15000x15000.png": refused("225000000", "100000000"),
    "png_named_jpg.jpg": _wrong_ending,
    "wav_truncated.wav": refused("16000 samples", "4478 samples"),
    "mp4_truncated.mp4": refused("incomplete video"),
    "bag_truncated.bag": refused("index missing"),
    "invalid_utf8.txt": _invalid_utf8,
    "bom_inside.jsonl": _bom_inside,
    "huge_line_8MB.jsonl.gz": _huge_line,
    "json_deep_nesting_3000.jsonl": _deep_nesting,
    "broken_lines.jsonl": _broken_lines,
    "csv_ragged.csv": _ragged,
    "csv_formula.csv": _formula,
    "billion_laughs_small.xml": refused("entities are refused"),
    "xxe_file.xml": refused("entities are refused"),
    "coco_dangling.json": _dangling,
    "yaml_duplicate_keys.yaml": refused("duplicate key '步骤'", "lines 1 and 2"),
    "odd_names.tar": _odd_names,
    "timeseries_zone_comma.csv": _zone_and_comma,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_bad_input_ends_as_expected(shared_data: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert EXPECTED[name](shared_data / "bad_inputs" / name)
    assert list(tmp_path.iterdir()) == [], "nothing may be written"


def test_every_bad_input_has_its_expectation(shared_data: Path) -> None:
    listed = (shared_data / "bad_inputs" / "expected.jsonl").read_text("utf-8").splitlines()
    assert {json.loads(line)["file"] for line in listed} == set(EXPECTED)


@pytest.mark.parametrize(
    "name", ["gz_bomb_512MB.jsonl.gz", "zip_bomb_300MB.zip", "png_bomb_15000x15000.png", "huge_line_8MB.jsonl.gz"]
)
def test_a_bomb_stays_under_one_gibibyte(shared_data: Path, name: str) -> None:
    code = (
        "import sys; from pathlib import Path; from liangji.pipeline.collection.reading import read_raw\n"
        "path = Path(sys.argv[1])\n"
        "with path.open('rb') as stream: items = list(read_raw(stream, path.name))\n"
        # Not ru_maxrss: that survives exec, so a large test process would be counted as its child.
        "peak = next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(len(items), peak)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(shared_data / "bad_inputs" / name)], capture_output=True, text=True, check=True, timeout=60
    )
    items, peak_kibibytes = map(int, done.stdout.split())
    assert items
    assert peak_kibibytes < 1 << 20
