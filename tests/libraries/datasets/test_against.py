"""New data is compared with earlier versions by an index that is computed once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.libraries.datasets.conftest import RECIPE, write_raw

from liangji.core.errors import RecipeError, SchemaError, UnknownName, UsageError
from liangji.engine.run import RunResult
from liangji.libraries.datasets import looking
from liangji.libraries.datasets.building import build
from liangji.pipeline.cleaning.near_duplicates import DropNearDuplicates
from liangji.stores.workspace import Workspace

pytestmark = pytest.mark.usefixtures("small_shards")


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the records that are signed."""
    rows: Counter[str] = Counter()
    keys = DropNearDuplicates.keys

    def counted(self: DropNearDuplicates, batch: pa.RecordBatch) -> pa.RecordBatch:
        rows["signed"] += batch.num_rows if "origin" in batch.schema.names else 0  # planted copies are no records
        return keys(self, batch)

    monkeypatch.setattr(DropNearDuplicates, "keys", counted)
    return rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two folders of files, the second of which repeats a file of the first."""
    write_raw(tmp_path / "old", range(3))
    write_raw(tmp_path / "new", range(2, 5))
    return tmp_path


def run(folder: Path, dataset: str, inputs: str, *, against: str = "", output: str = "", steps: str | None = None) -> RunResult:
    text = RECIPE.replace("dataset: notes", f"dataset: {dataset}").replace("path: raw", f"path: {inputs}")
    text = text.replace("{similarity: 0.8}", f"{{similarity: 0.8, against: [{against}]}}")
    text = text.replace("  - drop_exact_duplicates\n", steps or f"  - drop_exact_duplicates: {{against: [{against}]}}\n")
    text = text.replace("author: tester}", f"author: tester{output}}}")
    path = folder / f"{dataset}.yaml"
    path.write_text(text, "utf-8")
    return build(path, Workspace.open(folder / "w"))


def rows(folder: Path, dataset: str, version: str | None = None, **which: Any) -> list[dict[str, Any]]:
    return list(looking.rows(Workspace.open(folder / "w"), dataset, version, **which))


def test_rows_of_an_earlier_version_are_kept_and_new_ones_like_them_go(folder: Path) -> None:
    run(folder, "old", "old")
    delta = run(folder, "delta", "new", against="old")
    known = {row["text"] for row in rows(folder, "old")}
    fresh = {row["text"] for row in rows(folder, "delta")}
    assert fresh
    assert not known & fresh
    ids = {row["id"] for row in rows(folder, "old")}
    gone = [row for row in rows(folder, "delta", which="dropped") if row["drop_detail"] in ids]
    assert gone
    assert {row["drop_reason"] for row in gone} == {"exact_duplicate"}
    assert delta.version.findings["4 drop_exact_duplicates"]["against"] == [f"old@{run(folder, 'old', 'old').version.id}"]


def test_an_earlier_version_is_signed_once(folder: Path, signed: Counter[str]) -> None:
    old = run(folder, "old", "old")
    signed.clear()
    run(folder, "delta", "new", against="old")
    own = signed["signed"] - old.version.rows
    signed.clear()
    run(folder, "delta2", "new", against="old")
    assert signed["signed"] == own


def test_with_an_index_an_earlier_version_is_never_signed_again(folder: Path, signed: Counter[str]) -> None:
    indexed = run(folder, "old", "old", output=", index: true")
    plain = run(folder, "plain", "old")
    signed.clear()
    first = run(folder, "delta", "new", against="old")
    with_index = signed["signed"]
    second = run(folder, "delta2", "new", against="plain")
    assert signed["signed"] - with_index == with_index + plain.version.rows
    assert first.version.id != second.version.id  # the recipes name other versions
    assert [row["text"] for row in rows(folder, "delta")] == [row["text"] for row in rows(folder, "delta2")]
    assert indexed.version.rows == plain.version.rows


def test_every_version_may_be_meant(folder: Path) -> None:
    run(folder, "old", "old")
    run(folder, "old", "new")
    delta = run(folder, "delta", "new", against="old@*")
    assert delta.version.rows == 0
    assert len(delta.version.findings["5 drop_near_duplicates"]["against"]) == 2


def test_repeated_lines_are_known_across_datasets(folder: Path) -> None:
    run(folder, "old", "old")
    steps = "  - drop_repeated_paragraphs: {against: [old], minimum_characters: 10}\n"
    delta = run(folder, "delta", "old", steps=steps)
    assert delta.version.rows == 0
    assert delta.ledger["dropped"]["only_repeated_paragraphs"]


@pytest.mark.parametrize("reference", ["notes", "'notes@*'"])
def test_a_dataset_is_not_compared_with_its_own_newest_version(folder: Path, reference: str) -> None:
    with pytest.raises(UsageError, match="duplicate of itself"):
        run(folder, "notes", "new", against=reference)


def test_a_dataset_may_follow_a_named_version_of_itself(folder: Path) -> None:
    run(folder, "notes", "old")
    for _ in range(2):  # built again, it is the same
        grown = run(folder, "notes", "new", against="notes@1.0.0")
        assert grown.version.number == "1.1.0"
        assert grown.version.rows


def test_a_version_that_is_not_there_is_told_before_anything_is_read(folder: Path) -> None:
    with pytest.raises(UnknownName, match="nothing"):
        run(folder, "delta", "new", against="nothing")
    with pytest.raises(RecipeError, match="against"):
        run(folder, "delta", "new", against="'no name'")


@pytest.mark.parametrize("output", ["", ", index: true"])
def test_new_rows_are_held_against_the_rows_of_a_version_however_its_index_came(folder: Path, output: str) -> None:
    """The version holds masked texts: a new text with the number unmasked is no exact copy of any."""
    for name in ("phones", "more"):
        (folder / name).mkdir()
        (folder / name / "a.jsonl").write_text(
            '{"text": "设备报警请致电值班电话 13812345678，随后登记检修记录并更换轴承。"}\n', "utf-8"
        )
    run(folder, "masked", "phones", output=output)
    assert "13812345678" not in rows(folder, "masked")[0]["text"]
    steps = "  - drop_exact_duplicates: {against: [masked]}\n"
    delta = run(folder, "delta", "more", against="masked", steps=steps)
    assert delta.ledger["dropped"].get("exact_duplicate", 0) == 0


def test_an_index_may_be_asked_for_when_the_version_is_there_already(folder: Path) -> None:
    run(folder, "old", "old")
    again = run(folder, "old", "old", output=", index: true")
    assert not again.is_new
    assert len([name for name in Workspace.open(folder / "w").metadata.version("old").tables if name.startswith("keys-")]) == 2


def test_an_index_that_comes_later_numbers_the_rows_as_the_version_does(folder: Path) -> None:
    first, second = "  - path: raw\n    fields: {text: text}\n", "  - path: more\n"
    write_raw(folder / "raw", range(1), documents=10)
    write_raw(folder / "more", range(1, 2), documents=10)
    head = "dataset: old\nkind: pretraining\ninputs:\n"
    for inputs, output in ((first + second, ""), (second + first, ", index: true")):
        tail = f"steps: [drop_exact_duplicates: {{}}]\noutput: {{message: m, author: a{output}}}\n"
        (folder / "old.yaml").write_text(head + inputs + tail, "utf-8")
        built = build(folder / "old.yaml", Workspace.open(folder / "w"))
    assert not built.is_new
    texts = {row["id"]: row["text"] for row in rows(folder, "old")}
    steps = "  - drop_exact_duplicates: {against: [old]}\n"
    write_raw(folder / "again", range(2), documents=10)
    run(folder, "delta", "again", against="old", steps=steps)
    gone = [row for row in rows(folder, "delta", which="dropped") if row["drop_detail"] in texts]
    assert gone
    assert all(texts[row["drop_detail"]] == row["text"] for row in gone)


def test_a_version_without_the_column_is_told_before_anything_is_read(folder: Path, signed: Counter[str]) -> None:
    (folder / "talks").mkdir()
    (folder / "talks" / "a.jsonl").write_text('{"messages": [{"role": "user", "content": "你好"}]}\n', "utf-8")
    recipe = "dataset: talks\nkind: instruction\ninputs: [{path: talks}]\noutput: {message: m, author: a}\n"
    (folder / "talks.yaml").write_text(recipe, "utf-8")
    build(folder / "talks.yaml", Workspace.open(folder / "w"))
    with pytest.raises(SchemaError, match="talks"):
        run(folder, "delta", "new", against="talks")
    assert not +signed
