"""Real text gives one version, on one thread, on two and on a cluster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import yaml
from tests.cluster.conftest import Cluster
from tests.cluster.test_builds import ended, start

from liangji.engine.budget import Budget
from liangji.libraries.datasets.building import build
from liangji.stores.workspace import Workspace

FILES = (
    "laws_zh_md.tar.zst",
    "docs_rust_en_md.tar.zst",
    "docs_vue_zh_md.tar.zst",
    "classical_modern_bitext.jsonl.gz",
    "medical_qa_gb18030.csv",
)
STEPS = [
    "normalize_text",
    "identify_language",
    {"measure_text": {"words": "script"}},
    {"keep": {"preset": "chinese"}},
    "drop_exact_duplicates",
    {"drop_near_duplicates": {"similarity": 0.7}},
    {"drop_repeated_paragraphs": {"minimum_documents": 3}},
    "mask_personal_information",
    {"count_tokens": {"method": "estimate"}},
]


def test_threads_and_a_cluster_give_the_same_version_of_real_text(cluster: Cluster, shared_data: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "real.yaml"
    inputs = [{"path": str(shared_data / "text" / name), "source": "公开数据集", "license": "CC-BY-4.0"} for name in FILES]
    stated = {"dataset": "real", "kind": "pretraining", "inputs": inputs, "steps": STEPS}
    recipe.write_text(yaml.safe_dump(stated | {"output": {"author": "质量组", "message": "验收"}}, allow_unicode=True), "utf-8")
    built = [
        build(recipe, Workspace.open(tmp_path / f"{workers}"), budget=replace(Budget.of(), workers=workers)) for workers in (1, 2)
    ]
    on_cluster = ended(start(cluster, recipe, tmp_path / "ray"))
    assert [result.version.id for result in built] == [on_cluster["version"]] * 2
    assert on_cluster["rows_in"] == built[0].ledger["rows_in"] > 4000
    assert on_cluster["dropped"] == built[0].ledger["dropped"]
    assert on_cluster["dropped"]
