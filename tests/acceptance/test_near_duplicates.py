"""Planted copies are found by a recipe over raw text, and documents that only share a sentence stay."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.conftest import Builder, json_lines

STEPS: list[Any] = ["normalize_text", "simplify_chinese", {"drop_near_duplicates": {"similarity": 0.7}}]
WITH_EXACT: list[Any] = [*STEPS[:2], "drop_exact_duplicates", STEPS[2]]


def kept_instead(built: Builder, dataset: str, path: str, steps: list[Any]) -> dict[str, str]:
    """Map the name of each document to that of the document that is kept for it, through chains of drops."""
    version = built(dataset, [{"path": path}], steps)
    kept, dropped = version.rows(), version.rows("dropped")
    names = {row["id"]: json.loads(row["extra"])["id"] for row in (*kept, *dropped)}
    instead = {row["id"]: row["drop_detail"] for row in dropped}

    def keeper(identifier: str) -> str:
        while identifier in instead:
            identifier = instead[identifier]
        return identifier

    return {name: names[keeper(identifier)] for identifier, name in names.items()}


@pytest.mark.parametrize("steps", [STEPS, WITH_EXACT], ids=["near", "exact then near"])
def test_planted_copies_are_found_and_other_documents_are_not(built: Builder, shared_data: Path, steps: list[Any]) -> None:
    truth = json_lines((shared_data / "neardup/text_edits_truth.jsonl").read_bytes())
    keeper = kept_instead(built, f"edits-{len(steps)}", "raw/neardup/text_edits.jsonl.gz", steps)
    assert len(keeper) == len(truth) == 799
    planted, merged, both_kept = Counter[str](), Counter[str](), Counter[str]()
    for record in truth:
        if "of" in record:
            copy, original = record["id"], record["of"]
            planted[record["kind"]] += 1
            merged[record["kind"]] += keeper[copy] == keeper[original]
            both_kept[record["kind"]] += keeper[copy] == copy and keeper[original] == original
    for kind in ("exact", "whitespace", "punct_width", "case", "boilerplate", "edit_2pct", "traditional"):
        assert 1 - both_kept[kind] / planted[kind] >= 0.98, (kind, both_kept[kind], planted[kind])
        assert merged[kind] / planted[kind] >= 0.98, (kind, merged[kind], planted[kind])
    for kind in ("edit_40pct", "one_sentence_quoted"):
        assert merged[kind] / planted[kind] <= 0.01, (kind, merged[kind], planted[kind])
    group = {record["id"]: record["group"] for record in truth}
    assert [name for name, kept in keeper.items() if group[name] != group[kept]] == []


def test_versions_of_statutes_are_told_from_different_statutes(built: Builder, shared_data: Path) -> None:
    """Pairs from 0.8 on are one document, pairs up to 0.3 are two (exact Jaccard of five-grams; between them: ungraded)."""
    pairs = json_lines((shared_data / "neardup/laws_pairs.jsonl").read_bytes())
    with gzip.open(shared_data / "neardup/laws_versions.jsonl.gz") as lines:
        assert len(lines.readlines()) == 103
    keeper = kept_instead(built, "laws", "raw/neardup/laws_versions.jsonl.gz", STEPS)
    near = [pair for pair in pairs if pair["jaccard5"] >= 0.8]
    different = [pair for pair in pairs if pair["jaccard5"] <= 0.3]
    assert min(len(near), len(different)) > 10
    both_kept = [pair for pair in near if keeper[pair["a"]] == pair["a"] and keeper[pair["b"]] == pair["b"]]
    assert len(both_kept) <= 0.02 * len(near), both_kept
    merged = [pair for pair in different if keeper[pair["a"]] == keeper[pair["b"]]]
    assert len(merged) <= 0.01 * len(different), merged
