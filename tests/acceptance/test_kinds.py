"""Datasets of every kind from public files in the shapes they are shared in: counts as documented, released and verified."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.conftest import Builder, Built, json_lines, members

from liangji.libraries.datasets.releasing import release, verify

INSTRUCTION = {
    "alpaca_cot_zh_djdemo.jsonl": 11,
    "alpaca_en_seed_tasks.jsonl": 175,
    "alpaca_zh_demo.json": 489,
    "belle_eval_set.jsonl": 517,
    "belle_zh_seed_tasks.jsonl": 87,
    "glaive_toolcall_zh_demo.json": 150,
    "medical_sft_1K_format.jsonl.gz": 521,
    "sharegpt_zh_1K_format.jsonl.gz": 481,
}
PREFERENCE = {"dpo_zh_500.jsonl.gz": 243, "dpo_zh_demo.json": 140}


def assert_sound(version: Built, folder: Path, incomplete: int = 0) -> None:
    """Release a version and verify it; `incomplete`: rows that lack what the format requires, released as they are and told."""
    released = release(version.workspace, version.dataset, folder=folder / "package", splits="train=0.8,test=0.2")
    found = verify(released.folder, released.digest)
    assert found.problems == []
    manifest = json.loads((released.folder / "manifest.json").read_bytes())
    assert sum(file["invalid_rows"] or 0 for file in manifest["files"]) == incomplete
    assert bool(found.remarks) == bool(incomplete)
    assert found.rows == version.result.version.rows
    records = [line for path in sorted((released.folder / "records").iterdir()) for line in json_lines(path.read_bytes())]
    assert {record["id"] for record in records} == {row["id"] for row in version.rows()}


def counts(version: Built) -> dict[str, int]:
    return dict(Counter(Path(row["origin"].partition("!")[0]).name for row in version.rows()))


def test_instructions_of_many_shapes_become_messages(built: Builder, tmp_path: Path) -> None:
    version = built("instruction", [{"path": f"raw/instruct/{name}"} for name in INSTRUCTION], kind="instruction")
    assert counts(version) == INSTRUCTION
    assert version.result.ledger["quarantined"] == 0
    rows = version.rows()
    assert all(any(said["role"] == "user" and said["content"].strip() for said in row["messages"]) for row in rows)
    unanswered = [row for row in rows if "assistant" not in {said["role"] for said in row["messages"]}]
    assert [(Path(row["origin"]).name, row["record"]) for row in unanswered] == [
        ("sharegpt_zh_1K_format.jsonl.gz", 370)
    ]  # in the file
    silent = [row for row in rows if not all(said["content"].strip() for said in row["messages"])]
    assert len(silent) == 182  # 180 questions of one evaluation set have no answer
    assert_sound(version, tmp_path, incomplete=len(silent))


def test_a_conversation_keeps_every_turn(built: Builder, shared_data: Path) -> None:
    raw = json.loads((shared_data / "instruct/glaive_toolcall_zh_demo.json").read_text("utf-8"))
    version = built("turns", [{"path": "raw/instruct/glaive_toolcall_zh_demo.json"}], kind="instruction")
    found = {row["record"]: [message["content"] for message in row["messages"]] for row in version.rows()}
    for number, record in enumerate(raw):
        said = [turn["value"] for turn in record["conversations"]]
        assert found[number][-len(said) :] == said


def test_answers_that_are_missing_are_set_aside_with_their_lines(built: Builder, shared_data: Path) -> None:
    version = built("planted", [{"path": "raw/instruct/sft_planted_defects.jsonl"}], kind="instruction")
    records = json_lines((shared_data / "instruct/sft_planted_defects.jsonl").read_bytes())
    truth = json_lines((shared_data / "instruct/sft_planted_defects_truth.jsonl").read_bytes())
    assert len(records) == 505
    incomplete = {record["id"] for record in truth if record["defect"] == "missing_key"}
    aside = {records[row["line"] - 1]["id"] for row in version.rows("quarantined")}
    assert aside == incomplete
    assert version.result.version.rows == 505 - len(incomplete)


def test_preferences_of_two_shapes_become_pairs(built: Builder, tmp_path: Path, shared_data: Path) -> None:
    version = built("preference", [{"path": f"raw/instruct/{name}"} for name in PREFERENCE], kind="preference")
    assert counts(version) == PREFERENCE
    raw = json.loads((shared_data / "instruct/dpo_zh_demo.json").read_text("utf-8"))
    found = {row["record"]: row for row in version.rows() if row["origin"].endswith("demo.json")}
    for number, record in enumerate(raw):
        assert found[number]["chosen"] == record["chosen"]["value"]
        assert found[number]["rejected"] == record["rejected"]["value"]
    assert_sound(version, tmp_path)


def test_benchmarks_of_three_shapes_become_questions(built: Builder, tmp_path: Path, shared_data: Path) -> None:
    """Nested lists, JSON lines, and tables without a header."""
    bench = shared_data / "instruct/bench"
    wanted = {
        "agieval_zh.tar.zst": sum(len(json_lines(data)) for data in members(bench / "agieval_zh.tar.zst").values()),
        "gaokao_bench.tar.zst": sum(len(json.loads(data)["example"]) for data in members(bench / "gaokao_bench.tar.zst").values()),
        "mmlu_test.tar.zst": sum(map(table_rows, members(bench / "mmlu_test.tar.zst").values())),
    }
    version = built("benchmark", [{"path": f"raw/instruct/bench/{name}"} for name in wanted], kind="benchmark")
    assert counts(version) == wanted
    for row in version.rows():
        assert row["question"].strip(), row["origin"]
        if "mmlu" in row["origin"]:
            assert len(row["options"]) == 4
            assert row["answer"] in {"A", "B", "C", "D"}
    assert_sound(version, tmp_path)


def table_rows(data: bytes) -> int:
    return len(list(csv.reader(io.StringIO(data.decode(), newline=""))))


@pytest.mark.parametrize(
    ("modality", "path", "rows", "quarantined"),
    [
        ("audio", "media/speech_digits_fsdd.tar.zst", 120, 120),  # the lines of its manifest are no sounds
        ("audio", "media/aishell_BAC009S0724W0121.wav", 1, 0),
        ("image", "media/bccd_voc.tar.zst", 90, 90),  # one file of boxes an image
        ("video", "media/video", 1, 0),
        ("series", "industrial/skab_valve.tar.zst", 9012, 0),
        ("table", "industrial/ai4i2020_part.csv.gz", 5041, 0),
        ("text", "pii_safety/cold_offensive_zh_sample.csv", 1500, 0),
    ],
)
def test_supervised_sets_of_every_modality_are_built(
    built: Builder, tmp_path: Path, modality: str, path: str, rows: int, quarantined: int
) -> None:
    dataset = Path(path).name.partition(".")[0]
    version = built(dataset, [{"path": f"raw/{path}"}], kind="supervised", modality=modality)
    assert (version.result.version.rows, version.result.ledger["quarantined"]) == (rows, quarantined)
    assert_sound(version, tmp_path)


def test_transcripts_and_labels_become_annotations(built: Builder, shared_data: Path) -> None:
    digits: dict[str, Any] = {"path": "file", "annotation": "transcript"}
    version = built(
        "digits",
        [{"path": "raw/media/speech_digits_fsdd.tar.zst", "fields": digits}],
        kind="supervised",
        modality="audio",
    )
    manifest = json_lines(members(shared_data / "media/speech_digits_fsdd.tar.zst")["manifest.jsonl"])
    annotated = {row["path"]: json.loads(row["annotation"]) for row in version.rows() if row["annotation"] is not None}
    assert len(manifest) == 120
    assert annotated == {entry["file"]: entry["transcript"] for entry in manifest}


def test_preferences_without_pairs_are_refused_with_their_fields(built: Builder) -> None:
    version = built(
        "unpaired", [{"path": "raw/instruct/kto_en_demo.json"}, {"path": "raw/instruct/dpo_zh_500.jsonl.gz"}], kind="preference"
    )
    aside = version.rows("quarantined")
    assert (version.result.version.rows, len(aside)) == (243, 120)
    assert all("messages, label" in row["what"] and row["mend"] for row in aside)
