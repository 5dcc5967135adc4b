from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liangji.engine.gathered import exchange_batches
from liangji.pipeline.cleaning.repeated_passages import DropRepeatedLines, DropRepeatedParagraphs

Operator = DropRepeatedLines | DropRepeatedParagraphs
HEADER, FOOTER = "首页 > 新闻中心 > 通知公告 > 正文", "版权所有 转载请注明出处"


def run(operator: Operator, texts: list[str | None], cut: int = 0) -> list[dict[str, Any]]:
    batch = pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.large_string())})
    rows: list[dict[str, Any]] = pa.Table.from_batches(
        exchange_batches(operator, [batch.slice(0, cut), batch.slice(cut)])
    ).to_pylist()
    return rows


def texts_of(rows: list[dict[str, Any]]) -> list[str | None]:
    return [row["text"] for row in rows]


PAGES: list[str | None] = [f"{HEADER}\n\n第{number}篇\n正文。\n\n{FOOTER}" for number in "一二三"]


def test_navigation_and_footers_go_and_short_lines_stay() -> None:
    rows = run(DropRepeatedLines(keep="none"), PAGES)
    assert texts_of(rows) == ["第一篇\n正文。", "第二篇\n正文。", "第三篇\n正文。"]
    assert {row["repeated_line_characters_removed"] for row in rows} == {len(HEADER) + len(FOOTER) + 4}
    assert {row["drop_reason"] for row in rows} == {None}


def test_the_first_copy_stays_by_default() -> None:
    assert texts_of(run(DropRepeatedLines(), PAGES, cut=1)) == [PAGES[0], "第二篇\n正文。", "第三篇\n正文。"]


def test_fewer_documents_than_the_minimum_change_nothing() -> None:
    assert texts_of(run(DropRepeatedLines(), PAGES[:2])) == PAGES[:2]
    repeated_inside: list[str | None] = [f"{FOOTER}\n{FOOTER}\n{FOOTER}\n"]
    assert texts_of(run(DropRepeatedLines(), repeated_inside)) == repeated_inside


def test_repeats_within_a_document_go_on_demand() -> None:
    texts: list[str | None] = [f"甲\n{FOOTER}\n乙\n{FOOTER}\n"]
    rows = run(DropRepeatedLines(within_document=True), texts)
    assert texts_of(rows) == [f"甲\n{FOOTER}\n乙\n"]
    assert rows[0]["repeated_line_characters_removed"] == len(FOOTER) + 1


def test_a_document_of_repeated_passages_alone_is_dropped_with_its_text_unchanged() -> None:
    rows = run(DropRepeatedLines(), [FOOTER, FOOTER, f"{FOOTER}\n", None, ""])
    assert [row["drop_reason"] for row in rows] == [None, "only_repeated_lines", "only_repeated_lines", None, None]
    assert [row["drop_number"] for row in rows] == [None, len(FOOTER), len(FOOTER) + 1, None, None]
    assert [row["repeated_line_characters_removed"] for row in rows] == [0, len(FOOTER), len(FOOTER) + 1, None, 0]
    assert texts_of(rows) == [FOOTER, FOOTER, f"{FOOTER}\n", None, ""]


def test_copied_paragraphs_go_from_the_second_document_on() -> None:
    copied = "本条例所称公共数据，是指国家机关、事业单位和经授权管理公共事务的组织，\n在履行职责或者提供公共服务过程中收集、产生的数据，其范围由目录确定。"
    texts: list[str | None] = [f"一\n\n{copied}\n\n二", f"三\n\n{copied.replace('，', '， ')}\n\n\n四", f"{copied}\n"]
    rows = run(DropRepeatedParagraphs(), texts, cut=2)
    assert texts_of(rows) == [texts[0], "三\n\n\n四", texts[2]]
    assert [row["drop_reason"] for row in rows] == [None, None, "only_repeated_paragraphs"]
    assert [row["repeated_paragraph_characters_removed"] for row in rows] == [
        0,
        len(copied) + len("\n\n") + copied.count("，"),
        len(copied) + 1,
    ]


def kept_lines(texts: list[str | None], minimum: int, keep: str) -> list[list[str]]:
    """The slow and obvious way."""
    split = [[line for line in ("".join(part.split()) for part in (text or "").split("\n")) if line] for text in texts]
    result = []
    for number, lines in enumerate(split):
        kept = []
        for line in lines:
            holders = [other for other, those in enumerate(split) if line in those]
            if len(holders) < minimum or (keep == "first" and holders[0] == number):
                kept.append(line)
        result.append(kept or lines)  # nothing left: the text of a dropped document stays
    return result


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.text("abc \n", max_size=12)), min_size=1, max_size=8),
    st.sampled_from(["none", "first"]),
    st.data(),
)
def test_what_stays_is_what_stands_in_too_few_documents(texts: list[str | None], keep: Any, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(texts)))
    rows = run(DropRepeatedLines(minimum_documents=2, minimum_characters=1, keep=keep), texts, cut)
    found = [["".join(line.split()) for line in (row["text"] or "").split("\n") if line.strip()] for row in rows]
    assert found == kept_lines(texts, 2, keep)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_the_type_of_the_column_stays(kind: pa.DataType) -> None:
    batch = pa.RecordBatch.from_pydict({"text": pa.array(["x", *PAGES, None], kind)}).slice(1)
    (result,) = exchange_batches(DropRepeatedLines(), [batch])
    assert result.schema.field("text").type == kind
    assert result["text"].to_pylist()[1:] == ["第二篇\n正文。", "第三篇\n正文。", None]


def test_documents_of_an_earlier_version_count_and_stay() -> None:
    earlier = [pa.RecordBatch.from_pydict({"text": [PAGES[0]]}), pa.RecordBatch.from_pydict({"text": ["另一篇", PAGES[1]]})]
    batch = pa.RecordBatch.from_pydict({"text": PAGES[2:]})
    (alone,) = exchange_batches(DropRepeatedLines(), [batch])
    assert alone["text"].to_pylist() == PAGES[2:]
    (result,) = exchange_batches(DropRepeatedLines(), [batch], references=earlier)
    assert result["text"].to_pylist() == ["第三篇\n正文。"]  # the first copy stands in the earlier version


@pytest.mark.parametrize("keep", ["none", "first"])
def test_what_is_removed_depends_on_neither_memory_nor_threads(keep: Any) -> None:
    texts: list[str | None] = ["\n".join(f"{line % 9000:>12}" for line in range(row * 7, row * 7 + 20)) for row in range(3000)]
    batch = pa.RecordBatch.from_pydict({"text": texts})
    operator = DropRepeatedLines(minimum_characters=1, keep=keep)
    (once,) = exchange_batches(operator, [batch])
    (spilled,) = exchange_batches(operator, [batch], memory_bytes=1, threads=3)
    assert spilled.equals(once)
    found = [["".join(line.split()) for line in (text or "").split("\n")] for text in once["text"].to_pylist()]
    holders: dict[str, list[int]] = {}
    for number, text in enumerate(texts):
        for line in (text or "").split("\n"):
            holders.setdefault(line.strip(), []).append(number)
    for number, (text, kept) in enumerate(zip(texts, found, strict=True)):
        lines = [line.strip() for line in (text or "").split("\n")]
        stays = [line for line in lines if len(holders[line]) < 3 or (keep == "first" and holders[line][0] == number)]
        assert kept == (stays or lines)
