"""Raw data of an inspection line, simulated from a seed, with a truth beside it: what was planted, where, and how much of it.

`prose` writes texts, `documents` plants duplicates and faults among them, `personal` makes personal information with valid check
digits, `containers` lays everything into files; `plates`, `sensors` and `table` make the other modalities.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from random import Random

from liangji.core.errors import UsageError
from liangji.pipeline.synthesis.inspection_line.containers import write_containers
from liangji.pipeline.synthesis.inspection_line.documents import PlantedClass, make_documents

FEWEST_DOCUMENTS = 200  # with fewer, some kinds would have no room
_PLATES = 24


@dataclass(frozen=True, slots=True)
class Planted:
    """What the raw data holds, counted. `documents` are those that can be read; the lines of `faults` come on top."""

    documents: int
    classes: Mapping[str, int]  # class of document → documents
    personal_information: Mapping[str, int]  # kind → values
    secrets: Mapping[str, int]  # kind → values
    encodings: Mapping[str, int]  # encoding, of files that are not plain UTF-8 → files
    faults: Mapping[str, int]  # kind of damage → records lost by it
    plates: int
    defects: Mapping[str, int]  # kind of defect → boxes
    anomalies: Mapping[str, int]  # kind of anomaly in the sensor series → stretches
    table_errors: Mapping[str, int]  # kind of error in the quality table → cells, or rows for duplicates


def make_inspection_line(folder: Path, seed: int = 7, documents: int = 1200) -> Planted:
    """Write `raw/`, `demo.yaml` and `truth.json` into `folder`; the same seed and size give the same bytes.

    Raises: UsageError for fewer than 200 documents, or where `folder` already holds raw data: what is there is not touched.
    """
    if documents < FEWEST_DOCUMENTS:
        raise UsageError(f"{documents} documents are too few", "", f"ask for {FEWEST_DOCUMENTS} or more")
    from liangji.pipeline.synthesis.inspection_line.plates import write_plates  # noqa: PLC0415 - loads imaging
    from liangji.pipeline.synthesis.inspection_line.sensors import write_sensors  # noqa: PLC0415
    from liangji.pipeline.synthesis.inspection_line.table import write_table  # noqa: PLC0415

    raw = folder / "raw"
    if raw.exists():
        raise UsageError("there is raw data already", str(raw), "choose another folder, or remove this one")
    raw.mkdir(parents=True)
    made = make_documents(_chance("documents", seed), documents)
    placed = write_containers(_chance("containers", seed), made, raw)
    plates = write_plates(_chance("plates", seed), seed, raw, _PLATES)
    anomalies = write_sensors(_chance("sensors", seed), seed, raw)
    table_errors = write_table(_chance("table", seed), raw, documents // 2)
    values = {
        planted_class: Counter(value.kind for document in made if document.planted is planted_class for value in document.values)
        for planted_class in (PlantedClass.PERSONAL_INFORMATION, PlantedClass.SECRET)
    }
    planted = Planted(
        documents=len(made),
        classes=_sorted(Counter(document.planted.value for document in made)),
        personal_information=_sorted(values[PlantedClass.PERSONAL_INFORMATION]),
        secrets=_sorted(values[PlantedClass.SECRET]),
        encodings=_sorted(Counter(entry["encoding"] for entry in placed.encodings if entry["encoding"] != "utf-8")),
        faults=_sorted(Counter(fault["kind"] for fault in placed.faults)),
        plates=plates["images"],
        defects=plates["defects"],
        anomalies=_sorted(Counter(anomaly["kind"] for anomaly in anomalies)),
        table_errors=_sorted(Counter(error["kind"] for error in table_errors)),
    )
    truth = {
        "seed": seed,
        "planted": asdict(planted),
        "documents": placed.documents,
        "encodings": placed.encodings,
        "faults": placed.faults,
        "plate_issues": plates["issues"],
        "sensor_anomalies": anomalies,
        "table_errors": table_errors,
    }
    (folder / "truth.json").write_text(json.dumps(truth, ensure_ascii=False, indent=1) + "\n", "utf-8")
    (folder / "demo.yaml").write_text(recipe_text(), "utf-8")
    return planted


def recipe_text() -> str:
    """Give the recipe that builds a dataset from the text part; paths are relative to the folder of `make_inspection_line`."""
    return (files(__package__) / "demo.yaml").read_text("utf-8")


def _chance(part: str, seed: int) -> Random:
    """Give each part a stream of its own, so that more documents do not move the defects of the plates."""
    return Random(f"{part} {seed}")  # noqa: S311 - simulation, no secret hangs on it


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))
