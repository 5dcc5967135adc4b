"""One recipe over a folder of raw text as it lies there: archives, a GB18030 table, pages, Markdown, web archives."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.acceptance.conftest import Builder, Built

from liangji.libraries.datasets.releasing import release, verify
from liangji.pipeline.packaging.release import Released

STEPS = [
    "normalize_text",
    "simplify_chinese",
    "identify_language",
    {"measure_text": {"words": "script"}},
    {"keep": {"preset": "chinese"}},
    "drop_exact_duplicates",
    "drop_near_duplicates",
    "mask_personal_information",
]

# What the page beside the data says; archives made with a truth file have its lines as records too.
RECORDS = {
    "README.md": 1,
    "classical_modern_bitext.jsonl.gz": 51,
    "classical_poetry_json.tar.zst": 5101,
    "dedup_demo_dj.jsonl": 14,
    "docs_react_zh_md.tar.zst": 64,
    "docs_rust_en_md.tar.zst": 36,
    "docs_rust_zh_md.tar.zst": 47,
    "docs_vue_zh_md.tar.zst": 56,
    "encodings_chardet.tar.zst": 75,
    "encodings_made.tar.zst": 75 + 75,
    "html_pages_made.tar.zst": 115 + 115,
    "laws_zh_md.tar.zst": 613,
    "medical_qa_gb18030.csv": 3835,
    "warc/block-sized-records.warc.gz": 0,  # warcinfo alone
    "warc/example-iana.org-chunked.warc": 1,
    "warc/example.arc.gz": 1,
    "warc/example.warc.gz": 1,
    "warc/post-test.warc.gz": 0,  # requests, and answers that are no pages
    "warc/whirlwind.warc.gz": 1,
    "warc/whirlwind.warc.wat.gz": 0,
    "warc/whirlwind.warc.wet.gz": 1,
}


@pytest.fixture(scope="module")
def text(built: Builder) -> Built:
    return built("text", [{"path": "raw/text"}], STEPS)


@pytest.fixture(scope="module")
def package(text: Built, tmp_path_factory: pytest.TempPathFactory) -> Released:
    return release(text.workspace, "text", folder=tmp_path_factory.mktemp("release") / "package", splits="train=0.9,test=0.1")


@pytest.fixture(scope="module")
def small(built: Builder, tmp_path_factory: pytest.TempPathFactory) -> Released:
    """A package that verifies in no time: pages of web archives and demo records."""
    inputs = [{"path": "raw/text/warc"}, {"path": "raw/text/dedup_demo_dj.jsonl"}]
    version = built("small", inputs, STEPS)
    assert version.result.version.rows > 5
    return release(version.workspace, "small", folder=tmp_path_factory.mktemp("release") / "package", splits="train=0.5,test=0.5")


def test_every_input_gives_the_records_that_are_in_it(text: Built) -> None:
    found = {entry["origin"].removeprefix("raw/text/"): entry["rows"] for entry in text.result.version.inputs}
    assert found == RECORDS


def test_the_ledger_closes_and_its_rows_can_be_looked_at(text: Built) -> None:
    ledger = text.result.ledger
    assert ledger["rows_in"] == sum(RECORDS.values())
    assert ledger["rows_in"] == ledger["rows_out"] + sum(ledger["dropped"].values()) + ledger["quarantined"]
    kept, dropped, quarantined = (text.rows(which) for which in ("kept", "dropped", "quarantined"))
    assert (len(kept), len(quarantined)) == (ledger["rows_out"], ledger["quarantined"])
    assert Counter(row["drop_reason"] for row in dropped) == ledger["dropped"]
    ids = [row["id"] for row in (*kept, *dropped)]
    assert len(set(ids)) == len(ids) == sum(RECORDS.values())
    for step in ledger["steps"]:
        assert step["rows_in"] == step["rows_out"] + sum(step["dropped"].values()) + step["quarantined"], step


def test_statutes_and_documentation_are_kept(text: Built) -> None:
    """Good documents are not lost to rules: only copies of others go, or fragments."""
    kept = Counter(row["origin"].partition("!")[0].removeprefix("raw/text/") for row in text.rows())
    assert kept["laws_zh_md.tar.zst"] >= 0.98 * RECORDS["laws_zh_md.tar.zst"]
    assert kept["docs_rust_zh_md.tar.zst"] >= 0.9 * RECORDS["docs_rust_zh_md.tar.zst"]
    assert kept["docs_vue_zh_md.tar.zst"] >= 0.9 * RECORDS["docs_vue_zh_md.tar.zst"]


def test_the_package_verifies_sound(package: Released, text: Built) -> None:
    found = verify(package.folder, package.digest)
    assert found.problems == found.remarks == []
    assert (found.rows, found.version_id) == (text.result.version.rows, text.result.version.id)


def test_a_changed_byte_is_found_in_every_file_of_the_package(package: Released) -> None:
    rng = random.Random(16)
    for path in files_of(package):
        assert_changes_are_named(package, path, [rng.randrange(path.stat().st_size)], rng)
    assert verify(package.folder, package.digest).is_sound


def test_a_changed_byte_is_found_wherever_it_is(small: Released) -> None:
    rng = random.Random(17)
    for path in files_of(small):
        size = path.stat().st_size
        assert_changes_are_named(small, path, [0, size - 1, *(rng.randrange(size) for _ in range(30))], rng)
    assert verify(small.folder, small.digest).is_sound


def test_a_removed_and_an_added_file_are_named(small: Released, tmp_path: Path) -> None:
    for path in files_of(small):
        name = path.relative_to(small.folder).as_posix()
        path.rename(tmp_path / "aside")
        try:
            assert (name, "missing") in {(problem.file, problem.what) for problem in verify(small.folder).problems}
        finally:
            (tmp_path / "aside").rename(path)
    for name in ("extra.txt", "data/train-00009.parquet", "metadata/.hidden"):
        (small.folder / name).write_text("not of the version")
        problems = verify(small.folder, small.digest).problems
        (small.folder / name).unlink()
        assert [problem.file for problem in problems] == [name]


def files_of(package: Released) -> list[Path]:
    files = [path for path in sorted(package.folder.rglob("*")) if path.is_file()]
    assert len(files) == package.files
    return files


def assert_changes_are_named(package: Released, path: Path, positions: list[int], rng: random.Random) -> None:
    name = path.relative_to(package.folder).as_posix()
    for position in positions:
        with flipped(path, position, 1 << rng.randrange(8)):
            found = verify(package.folder)
        assert name in {problem.file for problem in found.problems}, (name, position)


@contextmanager
def flipped(path: Path, position: int, bits: int) -> Iterator[None]:
    """Flip bits of one byte of a file, and put it back."""
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[position] ^= bits
    path.write_bytes(changed)
    try:
        yield
    finally:
        path.write_bytes(whole)
