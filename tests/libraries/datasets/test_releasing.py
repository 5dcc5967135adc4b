"""From raw files to a verified package through the doors that people use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from liangji.core.errors import UnknownName, UsageError
from liangji.libraries.datasets.building import build
from liangji.libraries.datasets.releasing import release, verify
from liangji.libraries.datasets.reporting import report
from liangji.stores.workspace import Workspace

RECIPE = """\
dataset: inspection
kind: pretraining
inputs:
  - path: raw.jsonl
    source: 自采
    source_details: 一号线巡检记录
    license: CC-BY-4.0
steps:
  - measure_text: {words: script}
  - keep: {where: character_count >= 6, reason: too_short}
  - drop_exact_duplicates: {}
output: {author: 质量组, message: 首次构建}
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp("inspection")
    texts = ["轴承温度过高，已停机检修。", "更换密封圈后压力正常。", "短", "轴承温度过高，已停机检修。", "电机电流波动，已记录。"]
    lines = [orjson.dumps({"text": text}) for text in texts]
    (folder / "raw.jsonl").write_bytes(b"\n".join([*lines, b"{broken"]) + b"\n")
    (folder / "recipe.yaml").write_text(RECIPE, "utf-8")
    opened = Workspace.open(folder / "workspace")
    build(folder / "recipe.yaml", opened)
    yield opened
    opened.close()


def test_a_built_version_is_reported_released_and_verified(workspace: Workspace, tmp_path: Path) -> None:
    measured = orjson.loads(report(workspace, "inspection", format="json"))
    assert (measured["counters"]["rows"], measured["quarantine"]["rows"], measured["ledger"]["closes"]) == (3, 1, True)
    assert sorted(measured["ledger"]["dropped"].values()) == [1, 1]
    released = release(workspace, "inspection", folder=tmp_path / "package", splits="train=0.5,test=0.5")
    found = verify(released.folder, released.digest)
    assert (found.problems, found.rows, found.version_id) == ([], 3, measured["identity"]["version_id"])
    assert "数据集质量报告" in report(workspace, "inspection", "1.0.0")
    assert "Dataset quality report" in report(workspace, "inspection", language="en")


def test_requirements_reach_the_report_and_the_package(workspace: Workspace, tmp_path: Path) -> None:
    given = tmp_path / "requirements.yaml"
    given.write_text("minimum_rows: 2\nstatements: {technical_support: 值班电话见内网}\n", "utf-8")
    measured = orjson.loads(report(workspace, "inspection", format="json", requirements=given))
    assert next(one["value"] for one in measured["indicators"] if one["code"] == "0302") == 1.0
    folder = release(workspace, "inspection", folder=tmp_path / "package", requirements=given).folder
    assert "> 责任人陈述: 值班电话见内网" in (folder / "README.md").read_text("utf-8")


def test_what_is_not_there_or_not_known_is_told(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(UnknownName):
        report(workspace, "inspektion")
    with pytest.raises(UsageError, match="no report format 'pdf'"):
        report(workspace, "inspection", format="pdf")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="add up"):
        release(workspace, "inspection", folder=tmp_path / "package", splits="train=0.5")
