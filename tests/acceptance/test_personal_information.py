"""Personal information and secrets in files are found where they stand, look-alikes are left, and a masked dataset holds none."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.acceptance.conftest import Builder, json_lines

from liangji.governance.personal_information.kinds import SECRETS, WITH_FORMAT
from liangji.libraries.scanning import scan

KIND_OF_LABEL = {
    "BANK_CARD": "bank_card",
    "CN_ID": "resident_identity_number",
    "EMAIL": "email",
    "IP": "ip_address",
    "LANDLINE": "landline",
    "PASSPORT": "passport",
    "PHONE": "mobile_phone",
    "PLATE": "vehicle_plate",
    "USCC": "unified_social_credit_code",
    "WECHAT": "wechat_account",
}
KINDS_OF_ENTITY = {
    "US_SSN": {"us_social_security_number"},
    "CREDIT_CARD": {"bank_card"},
    "EMAIL_ADDRESS": {"email"},
    "IP_ADDRESS": {"ip_address"},
    "PHONE_NUMBER": {"phone", "mobile_phone", "landline"},
}


class Place(NamedTuple):
    """A value by file, record, field and characters."""

    file: str
    record: int
    field: str
    start: int
    end: int


def found_in(folder: Path, kinds: frozenset[str] | None = WITH_FORMAT) -> dict[Place, str]:
    """Scan a folder; give the kind of each finding by its place."""
    return {
        Place(finding["file"].removeprefix(f"{folder}/"), *(finding[name] for name in Place._fields[1:])): finding["kind"]
        for finding in scan([folder], kinds=kinds)
    }


def assert_found(found: dict[Place, str], wanted: dict[Place, str]) -> None:
    """Hold findings to recall 0.98 and precision 0.97, both by exact place and kind."""
    right = len(found.items() & wanted.items())
    assert right / len(wanted) >= 0.98, sorted(wanted.items() - found.items())[:20]
    assert right / len(found) >= 0.97, sorted(found.items() - wanted.items())[:20]


@pytest.fixture(scope="module")
def chinese(shared_data: Path) -> list[dict[str, Any]]:
    return json_lines(gzip.decompress((shared_data / "pii_safety/pii_zh_made.jsonl.gz").read_bytes()))


@pytest.fixture(scope="module")
def snippets(shared_data: Path) -> list[dict[str, Any]]:
    return json_lines(gzip.decompress((shared_data / "pii_safety/secrets_made.jsonl.gz").read_bytes()))


def labelled(row: dict[str, Any]) -> list[tuple[int, int, str]]:
    return [(s["start"], s["end"], KIND_OF_LABEL[s["label"]]) for s in row["spans"] if s["label"] in KIND_OF_LABEL]


def test_values_with_a_format_are_found_in_records(chinese: list[dict[str, Any]], tmp_path: Path) -> None:
    lines = [json.dumps({"number": row["id"], "text": row["text"]}, ensure_ascii=False) for row in chinese]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines), "utf-8")
    wanted = {
        Place("texts.jsonl", record, "text", start, end): kind
        for record, row in enumerate(chinese)
        for start, end, kind in labelled(row)
    }
    assert len(wanted) > 1300
    assert_found(found_in(tmp_path), wanted)


def test_values_with_a_format_are_found_in_text_files_and_archives(chinese: list[dict[str, Any]], tmp_path: Path) -> None:
    """One file a text, a third of them in an archive, and a third in GB18030."""
    wanted: dict[Place, str] = {}
    with zipfile.ZipFile(tmp_path / "texts.zip", "w") as archive:
        for number, row in enumerate(chinese):
            name = f"{number:04}.txt"
            if number % 3 == 0:
                archive.writestr(name, row["text"])
            else:
                (tmp_path / name).write_bytes(row["text"].encode("utf-8" if number % 3 == 1 else "gb18030"))
            file = f"texts.zip!{name}" if number % 3 == 0 else name
            wanted |= {Place(file, 0, "text", start, end): kind for start, end, kind in labelled(row)}
    assert_found(found_in(tmp_path), wanted)


def test_look_alikes_are_not_reported(chinese: list[dict[str, Any]], tmp_path: Path) -> None:
    lines = [json.dumps({"text": row["text"]}, ensure_ascii=False) for row in chinese]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines), "utf-8")
    found = [(place.record, place.start, place.end) for place in found_in(tmp_path)]
    reported = {
        (record, start, end)
        for record, start, end in found
        if any(start < other["end"] and end > other["start"] for other in chinese[record]["hard_negatives"])
    }
    assert sum(len(row["hard_negatives"]) for row in chinese) == 916
    assert len(reported) <= 0.01 * 916, reported


def test_values_with_a_format_are_found_in_english_texts(shared_data: Path, tmp_path: Path) -> None:
    """Synthetic texts, whose labels do not always hold the whole of a value: a finding of the kind that touches it counts."""
    rows = json.loads(gzip.decompress((shared_data / "pii_safety/presidio_synth_en.json.gz").read_bytes()))
    (tmp_path / "texts.jsonl").write_text("\n".join(json.dumps({"text": row["full_text"]}) for row in rows), "utf-8")
    found = found_in(tmp_path)
    missed = dict.fromkeys(KINDS_OF_ENTITY, 0)
    planted = dict(missed)
    for record, row in enumerate(rows):
        for span in row["spans"]:
            name = span["entity_type"]
            if name in KINDS_OF_ENTITY:
                planted[name] += 1
                missed[name] += not any(
                    place.record == record
                    and place.start < span["end_position"]
                    and place.end > span["start_position"]
                    and kind in KINDS_OF_ENTITY[name]
                    for place, kind in found.items()
                )
    assert sum(planted.values()) == 102
    assert sum(missed.values()) <= 0.02 * sum(planted.values()), missed


def test_secrets_are_found_and_look_alikes_are_not(snippets: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "snippets").mkdir()
    for number, row in enumerate(snippets):
        (tmp_path / "snippets" / f"{number:03}.txt").write_text(row["text"], "utf-8", newline="")
    found = set(found_in(tmp_path / "snippets", None))
    wanted = {
        Place(f"{number:03}.txt", 0, "text", row["start"], row["end"]) for number, row in enumerate(snippets) if row["secret"]
    }
    assert len(wanted) == 288
    assert len(found & wanted) / len(wanted) >= 0.98, sorted(wanted - found)[:10]
    assert len(found & wanted) / len(found) >= 0.97, sorted(found - wanted)[:10]


@pytest.mark.parametrize("style", ["mask", "label", "remove"])
def test_a_masked_dataset_holds_no_labelled_value(built: Builder, chinese: list[dict[str, Any]], style: str) -> None:
    path = built.folder / "personal.jsonl"
    path.write_text("\n".join(json.dumps({"text": row["text"]}, ensure_ascii=False) for row in chinese), "utf-8")
    version = built(f"masked-{style}", [{"path": path.name}], [{"mask_personal_information": {"style": style}}])
    texts = {row["record"]: row["text"] for row in version.rows()}
    assert len(texts) == len(chinese)
    values = [(record, row["text"][start:end]) for record, row in enumerate(chinese) for start, end, _ in labelled(row)]
    left = [(record, value) for record, value in values if value in texts[record]]
    assert left == []


def test_a_masked_dataset_holds_no_secret(built: Builder, snippets: list[dict[str, Any]]) -> None:
    path = built.folder / "snippets.jsonl"
    path.write_text("\n".join(json.dumps({"text": row["text"]}, ensure_ascii=False) for row in snippets), "utf-8")
    version = built("masked-secrets", [{"path": path.name}], [{"mask_personal_information": {"kinds": sorted(SECRETS)}}])
    texts = {row["record"]: row["text"] for row in version.rows()}
    assert len(texts) == len(snippets)
    values = [(record, row["text"][row["start"] : row["end"]]) for record, row in enumerate(snippets) if row["secret"]]
    assert [(record, value) for record, value in values if value in texts[record]] == []
