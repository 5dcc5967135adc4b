"""The demo: raw data of an inspection line from a seed, one dataset built, reported, packaged and verified; planted held against found."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from liangji.core.errors import UsageError
from liangji.engine.budget import Budget
from liangji.engine.progress import Progress
from liangji.engine.run import RunResult
from liangji.libraries.datasets import looking
from liangji.libraries.datasets.building import build
from liangji.libraries.datasets.releasing import release, verify
from liangji.libraries.datasets.reporting import report
from liangji.pipeline.packaging.release import Released
from liangji.pipeline.packaging.verify import Verification
from liangji.pipeline.synthesis.inspection_line import make_inspection_line
from liangji.stores.workspace import Workspace

DATASET = "inspection_line"
_COPIES = ("exact_duplicate", "near_duplicate")
_POOR = ("too_short", "garbage", "repetitive", "boilerplate")
_GOOD = ("clean", "english", "traditional", "personal_information", "secret")


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many of one planted kind there are, and how many were dealt with as they should be."""

    kind: str
    planted: int
    found: int
    how: str  # key of the words that say how


@dataclass(frozen=True, slots=True)
class Shown:
    """All that the demo made."""

    folder: Path
    build: RunResult
    report: Path
    package: Released
    verification: Verification
    comparisons: list[Comparison]


def run_demo(
    folder: Path,
    *,
    seed: int,
    documents: int,
    author: str,
    language: str,
    progress: Progress,
    stop: threading.Event,
    tell: Callable[[str], None],
) -> Shown:
    """Make everything below `folder`; raw data that an earlier call made from the same seed is used again.

    `tell` hears which part begins: making, building, reporting, packaging.

    Raises: UsageError where `folder` holds other raw data.
    """
    tell("making")
    _make(folder, seed, documents)
    workspace = Workspace.open(folder / "workspace")
    tell("building")
    built = build(folder / "demo.yaml", workspace, default_author=author, budget=Budget.of(), progress=progress, stop=stop)
    tell("reporting")
    page = folder / "report.html"
    page.write_text(report(workspace, DATASET, built.version.id, "html", "en" if language == "en" else "zh"), "utf-8")
    tell("packaging")
    package = folder / f"package-{built.version.number}"
    released = _released(workspace, built, package)
    return Shown(folder, built, page, released, verify(package, released.digest), compare(workspace, folder))


def _make(folder: Path, seed: int, documents: int) -> None:
    truth = folder / "truth.json"
    if not truth.exists():
        make_inspection_line(folder, seed, documents)
        return
    made = orjson.loads(truth.read_bytes())
    if (made["seed"], made["planted"]["documents"]) != (seed, documents):
        raise UsageError(
            "the folder holds a demo of another seed or size", str(folder), "choose another folder with --to, or remove it"
        )


def _released(workspace: Workspace, built: RunResult, folder: Path) -> Released:
    """Make the package, in place of one that an earlier demo left."""
    if folder.exists():
        found = verify(folder)
        if found.version_id == built.version.id and found.is_sound:
            size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
            return Released(folder, found.dataset, found.version, found.version_id, found.rows, found.files, size, found.digest)
        raise UsageError("there is a package already, and it is not of this version", str(folder), "remove it")
    return release(workspace, DATASET, built.version.id, folder=folder)


def compare(workspace: Workspace, folder: Path) -> list[Comparison]:
    """Hold what was planted against what became of it, joined by origin and record."""
    truth = orjson.loads((folder / "truth.json").read_bytes())
    kept = {(row["origin"], row["record"]): row["text"] for row in looking.rows(workspace, DATASET)}
    dropped = {(row["origin"], row["record"]): row["drop_reason"] for row in looking.rows(workspace, DATASET, which="dropped")}
    aside = {(row["origin"], row["line"]) for row in looking.rows(workspace, DATASET, which="quarantined")}
    documents: list[dict[str, Any]] = truth["documents"]
    by_class = {kind: [document for document in documents if document["planted"] == kind] for kind in (*_COPIES, *_POOR, *_GOOD)}
    places = {document["doc_id"]: _place(document) for document in documents}

    found = [
        Comparison(kind, len(by_class[kind]), _resolved(by_class[kind], places, kept, dropped), "one_of_two") for kind in _COPIES
    ]
    found += [Comparison(kind, len(by_class[kind]), sum(_place(d) in dropped for d in by_class[kind]), "dropped") for kind in _POOR]
    for kind in ("personal_information", "secret"):
        values = [(_place(document), item["value"]) for document in by_class[kind] for item in document["values"]]
        hidden = sum(value not in kept.get(place, "") for place, value in values)
        found.append(Comparison(f"{kind}_values", len(values), hidden, "masked"))
    faults = truth["faults"]
    found.append(Comparison("faults", len(faults), sum(_is_aside(fault, aside) for fault in faults), "quarantined"))
    found.append(_encodings(truth["encodings"], kept, dropped))
    copies = {document["original"] for kind in _COPIES for document in by_class[kind]}
    good = [document for kind in _GOOD for document in by_class[kind] if document["doc_id"] not in copies]
    found.append(Comparison("good_documents", len(good), sum(_place(document) in kept for document in good), "kept"))
    return found


def _is_aside(fault: dict[str, Any], aside: set[tuple[str, int]]) -> bool:
    """Tell whether a fault is in quarantine: by its line, or as the end of a stream that was cut off, which has none."""
    return (fault["origin"], fault["line"]) in aside or (fault["origin"], -1) in aside


def _place(document: dict[str, Any]) -> tuple[str, int]:
    return document["origin"], document["record"]


def _resolved(
    copies: Iterable[dict[str, Any]],
    places: dict[str, tuple[str, int]],
    kept: dict[tuple[str, int], str],
    dropped: dict[tuple[str, int], str],
) -> int:
    """Count copies of which, with their original, at most one is left; either of the two may be the one that comes first."""
    count = 0
    for copy in copies:
        pair = (_place(copy), places[copy["original"]])
        count += sum(place in kept for place in pair) <= 1 and all(place in kept or place in dropped for place in pair)
    return count


def _encodings(files: list[dict[str, Any]], kept: dict[tuple[str, int], str], dropped: dict[tuple[str, int], str]) -> Comparison:
    """Count files in another encoding, or with a wrong declaration, of which every record was read without a damaged character."""
    good = 0
    for file in files:
        texts = [text for (origin, _), text in kept.items() if origin == file["origin"]]
        gone = [reason for (origin, _), reason in dropped.items() if origin == file["origin"]]
        good += bool(texts or gone) and not any("\ufffd" in text for text in texts)
    return Comparison("encodings", len(files), good, "converted")
