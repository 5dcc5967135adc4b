"""The simulated inspection line: the same seed gives the same bytes, and the truth is true."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
import zipfile
from collections import Counter, defaultdict
from itertools import combinations, pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from PIL import Image

from liangji.core.errors import UsageError
from liangji.core.registry import Group, names
from liangji.pipeline.cleaning.normalisation import NormalizeText
from liangji.pipeline.synthesis.inspection_line import Planted, make_inspection_line
from liangji.pipeline.synthesis.inspection_line.documents import Document, PlantedClass, make_documents, shingles, similarity
from liangji.pipeline.synthesis.inspection_line.personal import credit_check_character, identity_check_character, luhn_check_digit

SIZE = 300
POOR = {PlantedClass.TOO_SHORT, PlantedClass.GARBAGE, PlantedClass.REPETITIVE, PlantedClass.BOILERPLATE}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("line")
    make_inspection_line(folder, documents=SIZE)
    return folder


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return make_documents(Random(3), SIZE)


@pytest.fixture(scope="module")
def truth(line: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((line / "truth.json").read_text("utf-8"))
    return content


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def normalised(text: str) -> str:
    changed: str = NormalizeText()(pa.record_batch({"text": [text]}))["text"][0].as_py()
    return changed


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(line: Path, tmp_path: Path) -> None:
    make_inspection_line(tmp_path / "again", documents=SIZE)
    assert digests(tmp_path / "again") == digests(line)
    make_inspection_line(tmp_path / "other", seed=8, documents=SIZE)
    assert digests(tmp_path / "other")["raw/logs/inspection_1.jsonl.gz"] != digests(line)["raw/logs/inspection_1.jsonl.gz"]


def test_the_counts_are_those_of_the_truth(tmp_path: Path) -> None:
    planted = make_inspection_line(tmp_path, documents=SIZE)
    truth = json.loads((tmp_path / "truth.json").read_text("utf-8"))
    assert isinstance(planted, Planted)
    assert planted.documents == SIZE == len(truth["documents"]) == len({entry["doc_id"] for entry in truth["documents"]})
    assert planted.classes == Counter(entry["planted"] for entry in truth["documents"])
    assert set(planted.classes) == set(PlantedClass)
    values = Counter(value["kind"] for entry in truth["documents"] for value in entry.get("values", ()))
    assert {**planted.personal_information, **planted.secrets} == values
    assert planted.faults == Counter(fault["kind"] for fault in truth["faults"])
    assert planted.anomalies == Counter(anomaly["kind"] for anomaly in truth["sensor_anomalies"])
    assert planted.table_errors == Counter(error["kind"] for error in truth["table_errors"])


def test_every_document_lies_where_the_truth_says(line: Path, truth: dict[str, Any]) -> None:
    encodings = {entry["origin"]: entry["encoding"] for entry in truth["encodings"]}
    by_file: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in truth["documents"]:
        by_file[entry["origin"]].append(entry)
    for origin, entries in by_file.items():
        file, _, member = origin.partition("!")
        path = line / file
        if file.endswith(".jsonl"):
            lines = path.read_bytes().splitlines()
            assert [json.loads(lines[entry["record"]])["doc_id"] for entry in entries] == [entry["doc_id"] for entry in entries]
        elif file.endswith(".csv"):
            rows = list(csv.DictReader(path.read_bytes().decode(encodings[file]).splitlines(keepends=True)))
            assert [rows[entry["record"]]["doc_id"] for entry in entries] == [entry["doc_id"] for entry in entries]
        elif file.endswith(".zip"):
            assert entries[0]["doc_id"] in zipfile.ZipFile(path).read(member).decode()
        elif file.endswith((".html", ".txt")):
            text = path.read_bytes().decode(encodings[file])
            assert all(paragraph in text for paragraph in entries[0].get("main_text", "").split("\n"))


def test_a_near_duplicate_is_near_and_an_exact_one_is_exact_after_normalisation(documents: list[Document]) -> None:
    texts = {document.doc_id: document.text for document in documents}
    for document in documents:
        if document.planted is PlantedClass.NEAR_DUPLICATE:
            assert 0.8 <= similarity(document.text, texts[document.original or ""]) < 1
        elif document.planted is PlantedClass.EXACT_DUPLICATE:
            assert normalised(document.text) == normalised(texts[document.original or ""])


def test_documents_that_are_not_planted_as_duplicates_are_not_similar(documents: list[Document]) -> None:
    ours = [document for document in documents if document.planted not in POOR]
    pairs = {frozenset((document.doc_id, document.original)) for document in ours if document.original}
    grams = {document.doc_id: shingles(document.text) for document in ours}
    highest = 0.0
    for first, second in combinations(grams, 2):
        if frozenset((first, second)) not in pairs:
            common = len(grams[first] & grams[second])
            highest = max(highest, common / (len(grams[first]) + len(grams[second]) - common))
    assert 0 < highest < 0.5


def test_clean_texts_are_of_the_promised_length(documents: list[Document]) -> None:
    lengths = [len(document.text) for document in documents if document.planted is PlantedClass.CLEAN]
    assert min(lengths) >= 150
    assert max(lengths) <= 900


def test_planted_values_stand_in_their_text_with_valid_check_digits(documents: list[Document]) -> None:
    kinds: Counter[str] = Counter()
    for document in documents:
        for kind, style, value in document.values:
            kinds[kind] += 1
            assert value in document.text
            plain = (
                value.translate({ord("０") + digit: str(digit) for digit in range(10)} | {ord("Ｘ"): "X"}).replace(" ", "").upper()
            )
            if kind == "resident_identity_number":
                assert identity_check_character(plain[:17]) == plain[17], (style, value)
            elif kind == "bank_card":
                assert luhn_check_digit(plain[:-1]) == plain[-1]
            elif kind == "unified_social_credit_code":
                assert credit_check_character(plain[:17]) == plain[17]
    assert set(kinds) >= {"mobile_phone", "email", "vehicle_plate", "landline", "ip_address", "password"}


def test_check_digits_follow_the_published_examples() -> None:
    assert identity_check_character("11010519491231002") == "X"  # GB 11643-1999
    assert credit_check_character("91350100M000100Y4") == "3"  # GB 32100-2015
    assert luhn_check_digit("7992739871") == "3"  # the usual example of ISO/IEC 7812-1


def test_faults_are_where_the_truth_says(line: Path, truth: dict[str, Any]) -> None:
    lines = (line / "raw/damaged/broken_lines.jsonl").read_bytes().splitlines()
    bad = {fault["record"] for fault in truth["faults"] if fault["origin"].endswith("broken_lines.jsonl")}
    for record, content in enumerate(lines):
        try:
            is_object = isinstance(json.loads(content), dict)
        except json.JSONDecodeError:
            is_object = False
        assert is_object == (record not in bad)
    with pytest.raises(EOFError), gzip.open(line / "raw/damaged/cut_member.jsonl.gz") as file:
        file.read()


def test_boxes_lie_within_the_plates_and_on_the_defects(line: Path) -> None:
    coco = json.loads((line / "raw/plates/annotations.json").read_text("utf-8"))
    sizes = {image["id"]: (image["width"], image["height"]) for image in coco["images"]}
    files = {image["id"]: image["file_name"] for image in coco["images"]}
    for box in coco["annotations"]:
        left, top, width, height = box["bbox"]
        assert left >= 0
        assert top >= 0
        assert left + width <= sizes[box["image_id"]][0]
        assert top + height <= sizes[box["image_id"]][1]
        assert 0 < box["area"] <= width * height
        pixels = np.asarray(Image.open(line / "raw/plates" / files[box["image_id"]]), np.float64)
        assert pixels[top : top + height, left : left + width].min() < np.median(pixels) - 15


def test_missing_sensor_values_and_stuck_ones_are_where_the_truth_says(line: Path, truth: dict[str, Any]) -> None:
    tables = {}
    for path in (line / "raw/sensors").glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            tables[f"sensors/{path.name}"] = list(csv.DictReader(file))
    missing = 0
    for anomaly in truth["sensor_anomalies"]:
        values = [row[anomaly["channel"]] for row in tables[anomaly["file"]][anomaly["first"] : anomaly["last"] + 1]]
        if anomaly["kind"] == "missing":
            assert set(values) == {""}
            missing += len(values)
        elif anomaly["kind"] == "stuck":
            assert len(set(values)) == 1
    assert missing == sum(value == "" for table in tables.values() for row in table for value in row.values())


def test_table_errors_are_where_the_truth_says(line: Path, truth: dict[str, Any]) -> None:
    with (line / "raw/quality/inspection.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for error in truth["table_errors"]:
        if error["kind"] != "duplicate_row":
            assert rows[error["row"]][error["column"]] != error["right"]
            rows[error["row"]][error["column"]] = error["right"]
    assert len(rows) - len({row["plate"] for row in rows}) == sum(e["kind"] == "duplicate_row" for e in truth["table_errors"])
    for row in rows:  # every error has been put right
        assert re.fullmatch(r"2025-06-\d\d", row["inspected_on"])
        assert row["verdict"] == ("合格" if abs(float(row["thickness_mm"]) - 1.2) <= 0.05 + 1e-9 else "不合格")
        assert 980 < float(row["width_mm"]) < 1020
        assert 40 < float(row["hardness_hrb"]) < 80


def test_planted_anomalies_of_a_channel_stand_an_hour_apart(truth: dict[str, Any]) -> None:
    stretches: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for anomaly in truth["sensor_anomalies"]:
        stretches[anomaly["file"], anomaly["channel"]].append((anomaly["first"], anomaly["last"]))
    for found in stretches.values():
        assert len(found) == 8
        assert all(later[0] - earlier[1] > 60 for earlier, later in pairwise(sorted(found)))


def test_the_recipe_names_operators_that_exist_and_files_that_were_written(line: Path) -> None:
    recipe = yaml.safe_load((line / "demo.yaml").read_text("utf-8"))
    assert {name for step in recipe["steps"] for name in step} <= set(names(Group.OPERATORS))
    assert all(list(line.glob(entry["path"])) for entry in recipe["inputs"])


def test_too_few_documents_and_a_folder_in_use_are_refused(line: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too few"):
        make_inspection_line(tmp_path, documents=10)
    with pytest.raises(UsageError, match="raw data already"):
        make_inspection_line(line, documents=SIZE)
