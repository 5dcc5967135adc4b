from __future__ import annotations

import csv
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from liangji.core.errors import UsageError
from liangji.core.schema import Kind, Modality
from liangji.pipeline.packaging.manifest import CHECKSUMS, MANIFEST
from liangji.pipeline.packaging.release import Content, release
from liangji.pipeline.packaging.splits import Splits
from liangji.pipeline.packaging.verify import verify


def everything(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_package_holds_what_its_page_says(package: Path) -> None:
    assert sorted(everything(package)) == [
        "README.en.md",
        "README.md",
        CHECKSUMS,
        "croissant.json",
        "data/train-00000.parquet",
        MANIFEST,
        "metadata/ledger.json",
        "metadata/licences.csv",
        "metadata/quality_report.json",
        "metadata/recipe.yaml",
        "metadata/sources.csv",
        "metadata/split_manifest.json",
        "metadata/version.json",
        "quality_report.en.html",
        "quality_report.html",
        "records/train-00000.jsonl",
    ]


def test_the_same_version_gives_the_same_bytes(content: Content, tmp_path: Path) -> None:
    first, second = (release(content, tmp_path / name) for name in ("first", "second"))
    assert everything(first.folder) == everything(second.folder)
    assert first.digest == second.digest == hashlib.sha256((first.folder / CHECKSUMS).read_bytes()).hexdigest()
    assert first.files == len(everything(first.folder))
    assert first.size_bytes == sum(map(len, everything(first.folder).values()))


def test_the_document_tells_what_deduplication_measured_of_itself(content_of: Callable[..., Content], tmp_path: Path) -> None:
    counts = {"similarity_from": 0.8, "similarity_to": 1.0, "planted": 40, "found": 39, "recall": 0.975, "low": 0.87, "high": 0.99}
    below = {"similarity_from": 0.7, "similarity_to": 0.8, "planted": 33, "dropped": 0}
    found = {"planted_pairs": [counts], "planted_below": below, "against": ["corpus@ab"]}
    folder = release(content_of([{"text": "一"}], findings={"3 drop_near_duplicates": found}), tmp_path / "package").folder
    english, chinese = ((folder / name).read_text("utf-8").splitlines() for name in ("README.en.md", "README.md"))
    checked = "Deduplication checked itself (3 drop_near_duplicates): 40 similar copies planted, 39 found (recall 97.5 %, "
    assert [line for line in english if line.startswith(checked)]
    assert "3 drop_near_duplicates compared with earlier versions: corpus@ab." in english
    assert [line for line in chinese if line.startswith("查重自检（3 drop_near_duplicates）：埋入相似副本 40 份，找到 39 份")]
    assert verify(folder).is_sound


def test_common_tools_check_the_same_sums(package: Path) -> None:
    tool = shutil.which("sha256sum")
    if tool is None:
        pytest.skip("no sha256sum on this machine")
    checked = subprocess.run([tool, "--check", "--strict", CHECKSUMS], cwd=package, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_a_folder_that_holds_something_is_left_alone(content: Content, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("x", "utf-8")
    with pytest.raises(UsageError, match="overwrite"):
        release(content, tmp_path / "taken")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "tables") == ["taken"]
    (tmp_path / "empty").mkdir()
    assert verify(release(content, tmp_path / "empty").folder).is_sound


def test_a_release_that_fails_leaves_nothing(content: Content, tmp_path: Path) -> None:
    class Failing:
        name, version = "failing", "1"

        def export(self, *_: object) -> list[object]:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        release(content, tmp_path / "package", exporters=(Failing(),))  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir() if path.name != "tables"] == []


def test_splits_follow_from_the_id_and_lose_nothing(content_of: Callable[..., Content], tmp_path: Path) -> None:
    rows = [{"text": f"记录 {number}", "parents": [f"{number % 50:032x}"] if number % 2 else []} for number in range(400)]
    made = release(content_of(rows), tmp_path / "package", Splits.parse("train=0.8,validation=0.1,test=0.1")).folder
    assert verify(made).is_sound
    ids = {name: pq.read_table(made / f"data/{name}-00000.parquet").to_pylist() for name in ("train", "validation", "test")}
    counts = {name: len(found) for name, found in ids.items()}
    assert sum(counts.values()) == 400
    assert counts["train"] > 280
    assert min(counts.values()) > 10
    manifest = orjson.loads((made / "metadata/split_manifest.json").read_bytes())
    assert {split["name"]: split["rows"] for split in manifest["splits"]} == counts
    place: dict[str, str] = {}
    for name, found in ids.items():
        for row in found:
            key = (row["parents"] or [row["id"]])[0]
            assert place.setdefault(key, name) == name  # pieces of one record stay together
            position = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
            assert name == ("train" if position < 0.8 else "validation" if position < 0.9 else "test")


@pytest.mark.parametrize(
    "words", ["train=0.9", "train=0.9,test=0.2", "Train=1", "train=x", "train=1.5,test=-0.5", "train=0.5,train=0.5", ""]
)
def test_splits_that_make_no_whole_are_refused(words: str) -> None:
    with pytest.raises(UsageError):
        Splits.parse(words)


def test_no_cell_of_a_table_runs_as_a_formula(content_of: Callable[..., Content], tmp_path: Path) -> None:
    made = content_of(
        [{"text": "正文", "license": "=cmd|' /C calc'!A0"}],
        inputs=[{"origin": "raw/a.jsonl", "source": "@SUM(1)", "source_details": "+1", "license": "-1", "size_bytes": -1}],
    )
    folder = release(made, tmp_path / "package").folder
    for name in ("licences.csv", "sources.csv"):
        with (folder / "metadata" / name).open(encoding="utf-8-sig", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "@", "+")) or (cell == "-1" and name == "licences.csv")]
    assert "'=cmd" in (folder / "metadata" / "licences.csv").read_text("utf-8")


def test_the_document_fills_the_twenty_aspects_and_says_what_is_missing(package: Path) -> None:
    chinese, english = ((package / name).read_text("utf-8") for name in ("README.md", "README.en.md"))
    assert chinese.count("\n### ") == english.count("\n### ") == 20
    assert chinese.count("未提供。应由数据集负责人提供。") == 6
    assert "6 条记录" in chinese
    assert "| 2 keep | 9 | 6 | 3 | 0 |" in english


def test_croissant_names_every_data_file_and_column(package: Path) -> None:
    described = orjson.loads((package / "croissant.json").read_bytes())
    assert described["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    assert {"name", "description", "license", "url", "creator", "datePublished", "version", "citeAs"} <= set(described)
    files = {file["@id"]: file for file in described["distribution"]}
    assert set(files) == {"data/train-00000.parquet", "records/train-00000.jsonl"}
    for path, file in files.items():
        assert file["sha256"] == hashlib.sha256((package / path).read_bytes()).hexdigest()
        assert file["contentSize"] == f"{(package / path).stat().st_size} B"
    fields = described["recordSet"][1]["field"]
    assert [field["name"] for field in fields] == pq.read_schema(package / "data/train-00000.parquet").names
    identifiers = [part["@id"] for part in [*described["distribution"], *described["recordSet"], *fields]]
    assert len(identifiers) == len(set(identifiers))


def test_rows_without_a_source_are_released_as_they_are_with_a_remark(content_of: Callable[..., Content], tmp_path: Path) -> None:
    folder = release(content_of([{"text": "一"}, {"text": "二", "source": None}]), tmp_path / "package").folder
    found = verify(folder)
    assert found.is_sound
    assert [remark.file for remark in found.remarks] == ["records/train-00000.jsonl"]
    assert "1 of 2 records do not meet the format: line 2: source is none of" in found.remarks[0].what


def test_an_empty_version_makes_a_package_too(content_of: Callable[..., Content], tmp_path: Path) -> None:
    assert verify(release(content_of([], dropped={"too_few_words": 1}), tmp_path / "package").folder).is_sound


def test_records_without_source_or_licence_are_remarked_with_the_field_to_fill(
    content_of: Callable[..., Content], tmp_path: Path
) -> None:
    rows = [
        {"text": "一", "source": None, "license": None},
        {"text": "二", "license": " "},
        {"text": "三", "source": "互联网", "source_details": "no address"},
    ]
    remarks = release(content_of(rows), tmp_path / "package").remarks
    assert [(remark.field, remark.rows, remark.is_stated) for remark in remarks] == [
        ("license", 2, True),
        ("source", 1, True),
        ("source_details", 1, True),
    ]
    assert "fill in `license` for the input" in remarks[0].mend


def test_records_that_meet_the_format_give_no_remark(content_of: Callable[..., Content], tmp_path: Path) -> None:
    assert release(content_of([{"text": "一"}]), tmp_path / "package").remarks == ()


def test_the_card_of_pictures_counts_files_and_no_characters(content_of: Callable[..., Content], tmp_path: Path) -> None:
    rows = [{"path": "a.png", "sha256": "ab" * 32, "size_bytes": 2000}]
    folder = release(content_of(rows, Kind.PRETRAINING, Modality.IMAGE), tmp_path / "package").folder
    assert "1 records, 2.0 kB of files." in (folder / "README.en.md").read_text("utf-8")
