"""Every damaged, hostile or odd file of the shared data, built alone: the good part is kept, and the fault is named."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from liangji.core.errors import RunError
from liangji.libraries.datasets import building, looking
from liangji.stores.workspace import Workspace


@dataclass(frozen=True)
class Expected:
    rows: int
    quarantined: int
    words: tuple[str, ...] = ()  # each stands in a fault, in a note, or in the error of a build without any row
    fields: str = ""
    kind: str = "pretraining"
    modality: str = "text"


EXPECTED = {
    "bag_truncated.bag": Expected(0, 1, ("index missing",)),
    "billion_laughs_small.xml": Expected(0, 1, ("entit",)),
    "bom_inside.jsonl": Expected(2, 0, fields="{text: id}"),
    "broken_lines.jsonl": Expected(191, 9, ("line 17 ", "line 146 ", "line 196 ")),
    "coco_dangling.json": Expected(1, 1, ("annotation 2",), kind="supervised", modality="image"),
    "csv_formula.csv": Expected(5, 0, ("spreadsheet formula",), kind="supervised", modality="table"),
    "csv_ragged.csv": Expected(3, 2, ("line 3 ", "line 4 "), kind="supervised", modality="table"),
    "gz_bomb_512MB.jsonl.gz": Expected(0, 1, ("expansion ratio of 200",)),
    "huge_line_8MB.jsonl.gz": Expected(2, 0),
    "invalid_utf8.txt": Expected(1, 0, ("line(s) 2",)),
    "jpg_truncated.jpg": Expected(0, 1, ("truncated",), kind="supervised", modality="image"),
    "json_deep_nesting_3000.jsonl": Expected(1, 1, ("line 1 ",), fields="{text: id}"),
    "mp4_truncated.mp4": Expected(0, 1, ("incomplete video",), kind="supervised", modality="video"),
    "odd_names.tar": Expected(5, 0),
    "parquet_truncated.parquet": Expected(0, 1, ("footer",)),
    "parquet_zero_rows.parquet": Expected(0, 0, ("0 rows",)),
    "pdf_truncated.pdf": Expected(0, 1, ("truncated PDF",)),
    "png_bomb_15000x15000.png": Expected(0, 1, ("225000000", "100000000"), kind="supervised", modality="image"),
    "png_named_jpg.jpg": Expected(1, 0, ("is a PNG image",), kind="supervised", modality="image"),
    "timeseries_zone_comma.csv": Expected(24, 0, ("decimal comma", "line 6: time zone Z"), kind="supervised", modality="series"),
    "wav_truncated.wav": Expected(0, 1, ("16000 samples", "4478 samples"), kind="supervised", modality="audio"),
    "xxe_file.xml": Expected(0, 1, ("entit",)),
    "yaml_duplicate_keys.yaml": Expected(0, 1, ("duplicate key", "lines 1 and 2")),
    "zip_bomb_300MB.zip": Expected(0, 1, ("expansion ratio of 200",)),
    "zip_slip.zip": Expected(1, 1, ("../escaped_s.txt",)),
    "zip_truncated.zip": Expected(0, 1, ("not a complete zip",)),
}


def test_every_bad_input_has_its_expected_outcome_here(shared_data: Path) -> None:
    listed = (shared_data / "bad_inputs" / "expected.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["file"] for line in listed} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_bad_input_keeps_its_good_part_and_names_the_fault(name: str, shared_data: Path, tmp_path: Path) -> None:
    expected = EXPECTED[name]
    inside = tmp_path / "inside"
    (inside / "raw").mkdir(parents=True)
    shutil.copy(shared_data / "bad_inputs" / name, inside / "raw" / name)
    recipe = inside / "recipe.yaml"
    fields = f"\n    fields: {expected.fields}" if expected.fields else ""
    recipe.write_text(
        f"dataset: bad\nkind: {expected.kind}\nmodality: {expected.modality}\ninputs:\n  - path: raw/{name}{fields}\n"
        "output: {message: bad input, author: tester}\n",
        encoding="utf-8",
    )
    workspace = Workspace.open(inside / "workspace", None, None)
    if expected.rows or not expected.quarantined:
        result = building.build(recipe, workspace)
        assert (result.ledger["rows_out"], result.ledger["quarantined"]) == (expected.rows, expected.quarantined)
        kept_aside = list(looking.rows(workspace, "bad", which="quarantined"))
        assert len(kept_aside) == expected.quarantined
        told = "\n".join(str(item["what"]) for item in (*kept_aside, *result.faults, *result.notes))
    else:
        with pytest.raises(RunError, match="no record could be used") as stopped:
            building.build(recipe, workspace)
        told = stopped.value.where
        assert name in told
    assert [word for word in expected.words if word not in told] == []
    assert "root:" not in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside"]
    assert sorted(path.name for path in inside.iterdir()) == ["raw", "recipe.yaml", "workspace"]
