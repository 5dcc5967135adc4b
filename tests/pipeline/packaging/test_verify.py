from __future__ import annotations

import hashlib
import random
import shutil
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from liangji.core.errors import UsageError
from liangji.pipeline.packaging.manifest import CHECKSUMS, MANIFEST, checksums, read_manifest
from liangji.pipeline.packaging.verify import verify


def files_of(package: Path) -> list[Path]:
    return sorted(path for path in package.rglob("*") if path.is_file())


def problems(package: Path) -> dict[str, str]:
    return {problem.file: problem.what for problem in verify(package).problems}


def list_anew(package: Path, **rows: int) -> None:
    """Write both lists again, as someone would who changed a package and knows how they are made; `rows`: exporter → its count."""
    manifest = orjson.loads((package / MANIFEST).read_bytes())
    for entry in manifest["files"]:
        entry["rows"] = rows.get(entry["exporter"], entry["rows"])
        data = (package / entry["path"]).read_bytes()
        entry["sha256"], entry["size_bytes"] = hashlib.sha256(data).hexdigest(), len(data)
    option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    manifest.pop("digest")
    manifest["digest"] = hashlib.sha256(orjson.dumps(manifest, option=option)).hexdigest()
    (package / MANIFEST).write_bytes(orjson.dumps(manifest, option=option))
    (package / CHECKSUMS).write_bytes(checksums(read_manifest((package / MANIFEST).read_bytes())))


def test_a_fresh_package_is_sound(package: Path) -> None:
    found = verify(package)
    assert (found.problems, found.remarks, found.rows, found.is_sound) == ([], [], 6, True)
    assert found.digest == hashlib.sha256((package / CHECKSUMS).read_bytes()).hexdigest()


def test_a_flipped_byte_of_any_file_is_found_and_named(package: Path) -> None:
    chance = random.Random(7)
    for path in files_of(package):
        data = path.read_bytes()
        name = path.relative_to(package).as_posix()
        everywhere = range(len(data)) if name == CHECKSUMS else chance.sample(range(len(data)), min(12, len(data)))
        for position in {0, len(data) - 1, *list(everywhere)[:: 7 if name == CHECKSUMS else 1]}:
            changed = bytearray(data)
            changed[position] ^= 1 << chance.randrange(8)
            path.write_bytes(changed)
            assert name in problems(package), f"{name}, byte {position}"
            if name not in (MANIFEST, CHECKSUMS):
                assert set(problems(package)) == {name}
        path.write_bytes(data)
    assert problems(package) == {}


def test_a_byte_added_or_taken_away_is_found_and_named(package: Path) -> None:
    for path in files_of(package):
        data = path.read_bytes()
        name = path.relative_to(package).as_posix()
        for changed in (data + b"\n", data[:-1], b""):
            path.write_bytes(changed)
            assert name in problems(package)
        path.write_bytes(data)


def test_missing_extra_and_linked_files_are_named(package: Path) -> None:
    (package / "README.en.md").unlink()
    (package / "data" / "more.parquet").write_bytes(b"x")
    shutil.move(package / "croissant.json", package.parent / "croissant.json")
    (package / "croissant.json").symlink_to(package.parent / "croissant.json")
    assert problems(package) == {
        "README.en.md": "missing",
        "croissant.json": "a link, not a file",
        "data/more.parquet": "not part of the package",
    }


@pytest.mark.parametrize("name", [MANIFEST, CHECKSUMS])
def test_a_missing_list_is_named(package: Path, name: str) -> None:
    (package / name).unlink()
    assert problems(package)[name] == "missing"


def test_rows_changed_and_listed_anew_are_no_longer_those_of_the_version(package: Path) -> None:
    path = package / "data" / "train-00000.parquet"
    table = pq.read_table(path)
    texts = pa.array(["另一段文字", *table["text"].to_pylist()[1:]], pa.large_string())
    pq.write_table(table.set_column(table.schema.get_field_index("text"), "text", texts), path)
    list_anew(package)
    assert problems(package) == {MANIFEST: "the rows are not those of the version it names"}


def test_records_changed_and_listed_anew_are_told(package: Path) -> None:
    path = package / "records" / "train-00000.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[1:]))
    list_anew(package)
    assert problems(package)["records/train-00000.jsonl"] == "its ids are not those of the rows, in their order"
    path.write_bytes(lines[0].replace("自采".encode(), "别处".encode()) + b"".join(lines[1:]))
    list_anew(package)
    assert "line 1: source is none of" in problems(package)["records/train-00000.jsonl"]
    path.write_bytes(b"{\n" + b"".join(lines[1:]))
    list_anew(package)
    assert problems(package)["records/train-00000.jsonl"] == "line 1 is no record"


def test_counts_changed_in_the_manifest_are_held_against_the_files(package: Path) -> None:
    list_anew(package, parquet=7, records=5)
    assert problems(package) == {
        MANIFEST: "its records files hold 5 rows, the version has 6",
        "data/train-00000.parquet": "holds 6 rows, not 7",
        "records/train-00000.jsonl": "holds 6 records, not 5",
    }


def test_a_ledger_changed_and_listed_anew_does_not_close(package: Path) -> None:
    path = package / "metadata" / "ledger.json"
    ledger = orjson.loads(path.read_bytes())
    path.write_bytes(orjson.dumps({**ledger, "rows_in": ledger["rows_in"] + 1}))
    list_anew(package)
    assert problems(package) == {"metadata/ledger.json": "does not close: 11 rows in, 10 accounted for"}


def test_the_digest_kept_from_the_release_finds_any_package_listed_anew(package: Path) -> None:
    digest = verify(package).digest
    assert verify(package, digest).is_sound
    (package / "README.md").write_text("其他", "utf-8")
    list_anew(package)
    assert verify(package).is_sound
    assert [problem.file for problem in verify(package, digest).problems] == [CHECKSUMS]


def test_a_manifest_cannot_point_outside_the_package(package: Path) -> None:
    manifest = orjson.loads((package / MANIFEST).read_bytes())
    manifest["files"][0]["path"] = "../../etc/passwd"
    manifest.pop("digest")
    option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    manifest["digest"] = hashlib.sha256(orjson.dumps(manifest, option=option)).hexdigest()
    (package / MANIFEST).write_bytes(orjson.dumps(manifest, option=option))
    assert "outside the package" in problems(package)[MANIFEST]


def test_a_folder_that_is_no_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no package there"):
        verify(tmp_path)
