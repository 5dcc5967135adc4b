"""Keep and drop by presets and expressions."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from pydantic import ValidationError

from liangji.core.errors import SchemaError
from liangji.core.expression import Expression
from liangji.pipeline.cleaning.rules import Keep, Rule, preset
from liangji.pipeline.evaluation.text import COLUMNS, MeasureText, column_meanings

PRESETS = ("gopher", "c4", "fineweb", "chinese")
ROWS = pa.RecordBatch.from_pydict({"text": ["a", "b", None], "size": pa.array([5, 50, None], pa.int32())})


def decisions(batch: pa.RecordBatch) -> list[tuple[Any, ...]]:
    names = ("drop_reason", "drop_number", "drop_detail")
    return list(zip(*(batch.column(name).to_pylist() for name in names), strict=True))


def reasons(texts: list[str], rule: Keep, words: Any = "script") -> list[str | None]:
    batch = pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.large_string())})
    return list(rule(MeasureText(words=words)(batch)).column("drop_reason").to_pylist())


def members(folder: Path, archive: str, ending: str) -> Iterator[str]:
    with (folder / f"{archive}.tar.zst").open("rb") as packed:
        stream = zstandard.ZstdDecompressor().stream_reader(packed)
        with tarfile.open(fileobj=stream, mode="r|") as files:
            for file in files:
                content = files.extractfile(file) if file.name.endswith(ending) else None
                if content:
                    yield content.read().decode()


def test_the_first_condition_that_fails_gives_reason_number_and_detail() -> None:
    rule = Keep(
        where='size > 1 and contains(text, "b")',
        reason="not_b",
        rules=(Rule(reason="too_small", where="is_null(size) or size >= 2"),),
    )
    assert decisions(rule(ROWS)) == [
        ("not_b", None, 'contains(text, "b")'),
        (None, None, None),
        ("not_b", None, "size > 1"),
    ]
    assert decisions(Keep(where="size >= 10", reason="too_small")(ROWS))[0] == ("too_small", 5.0, "size >= 10")


def test_rows_may_be_cut_anywhere() -> None:
    rule = Keep(where="size >= 10")
    parts = [rule(ROWS.slice(i, 1)) for i in range(3)]
    assert pa.Table.from_batches(parts).to_pydict() == rule(ROWS).to_pydict()


@pytest.mark.parametrize("name", PRESETS)
def test_each_rule_of_a_preset_is_over_measured_columns_and_names_its_source(name: str) -> None:
    rules = preset(name).rules
    assert preset(name).words == ("script" if name == "chinese" else "whitespace")
    assert len({rule.reason for rule in rules}) == len(rules)
    for rule in rules:
        assert set(Expression.parse(rule.where).columns) <= set(COLUMNS)
        assert rule.source
        assert Expression.parse(rule.where).with_threshold(1)


def test_overrides_move_or_leave_out_single_thresholds() -> None:
    sentence = (
        "After a long winter the two sisters went to town with their old horse, because nobody else in our valley could be trusted "
        "when heavy snow still covered both roads and every bridge that crosses Green River."
    )
    text = [sentence]
    assert reasons(text, Keep(preset="gopher"), "whitespace") == ["too_few_words"]
    moved = Keep(preset="gopher", overrides={"too_few_words": 10})
    assert reasons(text, moved, "whitespace") == [None]
    assert reasons(text, Keep(preset="gopher", overrides={"too_few_words": 10, "words_too_long": 0}), "whitespace") == [
        "words_too_long"
    ]
    without = Keep(preset="gopher", overrides={"too_few_words": False})
    assert reasons(text, without, "whitespace") == [None]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no rule"),
        ({"preset": "gofer"}, "gopher"),
        ({"where": "__import__('os')"}, "unknown function"),
        ({"where": "size >"}, "character"),
        ({"preset": "gopher", "overrides": {"too_few_word": 3}}, "did you mean 'too_few_words'"),
        ({"preset": "gopher", "overrides": {"too_few_words": True}}, "too_few_words"),
        ({"preset": "gopher", "overrides": {"too_few_words": float("nan")}}, "too_few_words"),
        ({"where": "size > 1", "overrides": {"x": 1}}, "none without a preset"),
        ({"where": "size > 1", "reason": "Too Small"}, "reason"),
        ({"rules": [{"reason": "x", "where": "1 +"}]}, "character"),
        ({"presets": "gopher"}, "presets"),
    ],
)
def test_wrong_options_are_told_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message.replace("(", r"\(")):
        Keep(**options)


def test_missing_measures_are_told_with_the_mend() -> None:
    with pytest.raises(SchemaError) as caught:
        Keep(preset="gopher")(ROWS)
    assert "add measure_text before keep" in caught.value.mend


def test_a_preset_refuses_text_measured_in_the_other_word_mode() -> None:
    measured = MeasureText(words="whitespace")(ROWS)
    with pytest.raises(SchemaError) as caught:
        Keep(preset="chinese")(measured)
    assert caught.value.mend == "set measure_text: {words: script}"


def test_every_measured_column_has_a_meaning_and_a_type() -> None:
    measured = MeasureText()(ROWS)
    added = [name for name in measured.schema.names if name not in ROWS.schema.names]
    assert added == list(column_meanings())
    assert {str(measured.schema.field(name).type) for name in added} == {"int32", "float", "string"}
    assert all(measured.column(name)[2].as_py() is None for name in added)


@pytest.fixture(scope="module")
def good_chinese(shared_data: Path) -> dict[str, list[str]]:
    folder = shared_data / "text"
    rows = list(csv.DictReader(io.StringIO((folder / "medical_qa_gb18030.csv").read_bytes().decode("gb18030", "replace"))))
    poems = [
        "\n".join(poem["paragraphs"])
        for text in members(folder, "classical_poetry_json", ".json")
        if '"paragraphs"' in text and text.startswith("[")
        for poem in json.loads(text)[:200]
        if "paragraphs" in poem
    ]
    with gzip.open(folder / "classical_modern_bitext.jsonl.gz", "rt", encoding="utf-8") as lines:
        classical = [json.loads(line)["text"] for line in lines]
    pages = [
        json.loads(line)["main_text"] for text in members(folder, "html_pages_made", "truth.jsonl") for line in text.splitlines()
    ]
    return {
        "statutes": list(members(folder, "laws_zh_md", ".md"))[:200],
        "vue": list(members(folder, "docs_vue_zh_md", ".md")),
        "react": list(members(folder, "docs_react_zh_md", ".md")),
        "rust": list(members(folder, "docs_rust_zh_md", ".md")),
        "questions": [row["ask"] for row in rows],
        "answers": [row["answer"] for row in rows],
        "classical": classical,
        "poems": poems,
        "pages": pages,
    }


def test_good_chinese_text_is_kept(good_chinese: dict[str, list[str]]) -> None:
    for source, texts in good_chinese.items():
        dropped = [reason for reason in reasons(texts, Keep(preset="chinese")) if reason]
        assert len(texts) >= 40, source
        assert len(dropped) / len(texts) <= 0.02, (source, set(dropped))


def test_bad_chinese_text_is_dropped(good_chinese: dict[str, list[str]]) -> None:
    chance = random.Random(3)
    good = good_chinese["vue"] + good_chinese["answers"][:100] + good_chinese["statutes"][:30]
    menu = ["首页", "关于我们", "联系我们", "网站地图", "新闻中心", "产品展示", "友情链接", "上一篇", "返回顶部", "登录", "注册"]
    menus = [joiner.join(chance.sample(menu, 8)) for joiner in (" ", " | ", "\n", " > ") for _ in range(20)]
    bad = {
        "read as Latin-1": [text.encode().decode("latin-1") for text in good],
        "read as GBK": [text.encode().decode("gb18030", "replace") for text in good],
        "GBK read as UTF-8": [text.encode("gb18030").decode("utf-8", "replace") for text in good],
        "one phrase again and again": [chance.choice(good)[:60].strip() * 12 for _ in range(100)],
        "few lines again and again": ["\n".join(chance.choices(text.split("\n")[:3], k=40)) for text in good],
        "menus": menus,
        "numbers": [" ".join(str(chance.randrange(10**6)) for _ in range(50)) for _ in range(20)],
        "symbols": ["".join(chance.choices("★☆●■◆→—=…￥#*", k=80)) for _ in range(20)],
        "nearly empty": ["", "。", "无", "略", "见附件", "暂无内容", "\n\n"],
        "锟斤拷": ["锟斤拷" * 40],
    }
    for kind, texts in bad.items():
        kept = [text[:80] for text, reason in zip(texts, reasons(texts, Keep(preset="chinese")), strict=True) if reason is None]
        assert len(kept) / len(texts) <= 0.02, (kind, kept[:3])
