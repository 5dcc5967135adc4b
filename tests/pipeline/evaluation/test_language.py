"""Language: scripts decide alone where they can; on real documents nearly all are right."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from liangji.pipeline.evaluation.language import IdentifyLanguage


def languages(*texts: str | None) -> list[str | None]:
    found: list[str | None] = IdentifyLanguage()(pa.record_batch({"text": pa.array(texts, pa.string())}))["language"].to_pylist()
    return found


def members(archive: Path, ending: str) -> Iterator[tuple[str, str]]:
    with archive.open("rb") as file, tarfile.open(fileobj=zstandard.ZstdDecompressor().stream_reader(file), mode="r|") as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is not None and member.name.endswith(ending):
                yield member.name, content.read().decode()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("巡检人员发现轴承温度偏高。", "zh"),
        ("巡檢人員發現軸承溫度偏高。", "zh-Hant"),
        ("機械の点検を実施しました。", "ja"),
        ("베어링을 교체했습니다", "ko"),
        ("สวัสดีครับ", "th"),
        ("The pump was replaced last night.", "en"),
        ("Die Pumpe wurde gestern Abend ausgetauscht.", "de"),
        ("یہ ایک جملہ ہے", "ur"),
        ("12:30 - 45%", "und"),
        ("", "und"),
        (None, None),
    ],
)
def test_each_text_is_in_its_language(text: str | None, language: str | None) -> None:
    assert languages(text) == [language]


def test_a_chinese_manual_with_long_listings_is_chinese() -> None:
    listing = "```python\n" + "for item in collection_of_values: print(item.attribute_name)\n" * 20 + "```"
    assert languages(f"下面的例子逐个打印集合中的元素，请先安装依赖。\n{listing}\n以上就是全部步骤。") == ["zh"]


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.none() | st.text(st.sampled_from("汉漢かaé б`<>\n1"), max_size=30), max_size=5), cut=st.integers(0, 5))
def test_a_batch_may_be_cut_anywhere_and_scores_are_shares(texts: list[str | None], cut: int) -> None:
    batch = pa.record_batch({"text": pa.array(texts, pa.large_string())})
    operator = IdentifyLanguage()
    whole = operator(batch)
    parts = pa.Table.from_batches([operator(batch.slice(0, cut)), operator(batch.slice(cut))])
    assert parts.to_pylist() == whole.to_pylist()
    assert all(score is None or 0 <= score <= 1 for score in whole["language_score"].to_pylist())


def test_threads_get_the_same_answers() -> None:
    texts = ["The bearing was hot.", "Le moteur a été remplacé hier soir.", "Насос был заменён вчера вечером."] * 5
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: languages(*texts), range(8)))
    assert answers == [languages(*texts)] * 8


def test_real_documents_are_in_their_language(shared_data: Path) -> None:
    text = shared_data / "text"
    statutes = [content for _, content in members(text / "laws_zh_md.tar.zst", ".md")][:200]
    assert languages(*statutes) == ["zh"] * len(statutes)
    english = [content for _, content in members(text / "docs_rust_en_md.tar.zst", ".md")]
    assert languages(*english) == ["en"] * len(english)
    manuals = [content for name in ("docs_vue_zh_md", "docs_rust_zh_md") for _, content in members(text / f"{name}.tar.zst", ".md")]
    assert languages(*manuals) == ["zh"] * len(manuals)
    with gzip.open(text / "classical_modern_bitext.jsonl.gz", "rt", encoding="utf-8") as file:
        classical = [json.loads(line)["text"] for line in file]
    assert languages(*classical) == ["zh"] * len(classical)


def test_traditional_poems_are_traditional(shared_data: Path) -> None:
    poems = [
        "\n".join(poem["paragraphs"])
        for name, content in members(shared_data / "text" / "classical_poetry_json.tar.zst", ".json")
        if "poet." in name and "全唐诗" in name
        for poem in json.loads(content)
    ]
    found = languages(*poems)
    assert len(found) > 1000
    assert found.count("zh-Hant") / len(found) > 0.99
