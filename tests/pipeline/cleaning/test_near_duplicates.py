from __future__ import annotations

import gzip
import json
import random
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from liangji.engine.gathered import GatheredKeys, exchange_batches
from liangji.kernels.buffers import text_buffers
from liangji.kernels.shingles import jaccard_similarities, letter_table
from liangji.pipeline.cleaning.near_duplicates import DropNearDuplicates, choose_bands

Dropped = dict[str, tuple[str, float]]  # id → id kept instead, similarity


def dropped(
    operator: DropNearDuplicates,
    texts: dict[str, str | None],
    cut: int | None = None,
    threads: int = 1,
    memory_bytes: int = 256 << 20,
) -> Dropped:
    batch = pa.RecordBatch.from_pydict({"id": list(texts), "text": pa.array(texts.values(), pa.large_string())})
    parts = [batch] if cut is None else [batch.slice(0, cut), batch.slice(cut)]
    rows = pa.Table.from_batches(exchange_batches(operator, parts, threads=threads, memory_bytes=memory_bytes)).to_pylist()
    assert {row["drop_reason"] for row in rows} <= {None, "near_duplicate"}
    return {row["id"]: (row["drop_detail"], row["drop_number"]) for row in rows if row["drop_reason"]}


def exact(pairs: list[tuple[str | None, str | None]]) -> list[float]:
    buffers = text_buffers(pa.array([text for pair in pairs for text in pair], pa.large_string()))
    earlier = np.arange(0, 2 * len(pairs), 2)
    found = jaccard_similarities(buffers.data, buffers.offsets, earlier, earlier + 1, letter_table(), 4, 5)
    return [float(similarity) for similarity in found]


def normalized(text: str) -> str:
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text))


def lines(path: Path) -> list[dict[str, Any]]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in content.splitlines()]


@pytest.fixture(scope="module")
def edits(shared_data: Path) -> dict[str, str | None]:
    return {record["id"]: normalized(record["text"]) for record in lines(shared_data / "neardup" / "text_edits.jsonl.gz")}


@pytest.fixture(scope="module")
def truth(shared_data: Path) -> list[dict[str, Any]]:
    return lines(shared_data / "neardup" / "text_edits_truth.jsonl")


def test_planted_copies_are_found_and_other_documents_are_not(edits: dict[str, str | None], truth: list[dict[str, Any]]) -> None:
    found = dropped(DropNearDuplicates(similarity=0.7), edits)
    keeper = {name: found.get(name, (name, 1))[0] for name in edits}
    all_of_kind, merged = Counter[str](), Counter[str]()
    for record in truth:
        if "of" in record:
            all_of_kind[record["kind"]] += 1
            merged[record["kind"]] += keeper[record["id"]] == keeper[record["of"]]
    share = {kind: merged[kind] / count for kind, count in all_of_kind.items()}
    for kind in ("exact", "whitespace", "punct_width", "case", "boilerplate", "edit_2pct"):
        assert share[kind] >= 0.98, (kind, merged[kind], all_of_kind[kind])
    for kind in ("edit_40pct", "one_sentence_quoted"):
        assert share[kind] <= 0.01, (kind, merged[kind], all_of_kind[kind])
    group = {record["id"]: record["group"] for record in truth}
    assert all(group[name] == group[kept] for name, (kept, _) in found.items())


def test_other_copies_of_the_same_kinds_are_found(edits: dict[str, str | None], truth: list[dict[str, Any]]) -> None:
    generator = random.Random(11)
    originals = [edits[record["id"]] or "" for record in truth if record["kind"] == "original"]
    texts: dict[str, str | None] = {}
    for number, text in enumerate(originals):
        characters = list(text)
        for place in generator.sample(range(len(text)), len(text) // 50):
            characters[place] = generator.choice(text)
        header, footer = "网站首页 > 通知公告 > 正文 字号 大 中 小\n", "\n主办单位 某某市信息中心 备案号 0000001\n打印 关闭"
        texts |= {f"{number}": text, f"{number}/edited": "".join(characters), f"{number}/wrapped": header + text + footer}
    found = dropped(DropNearDuplicates(similarity=0.7), texts)
    missed = [name for name in texts if "/" in name and found.get(name, ("",))[0] != name.partition("/")[0]]
    assert len(missed) <= 0.02 * 2 * len(originals), missed


def test_versions_of_statutes_are_told_from_different_statutes(shared_data: Path) -> None:
    texts: dict[str, str | None] = {
        record["id"]: record["text"] for record in lines(shared_data / "neardup" / "laws_versions.jsonl.gz")
    }
    found = dropped(DropNearDuplicates(similarity=0.7), texts)
    pairs = lines(shared_data / "neardup" / "laws_pairs.jsonl")
    similarities = exact([(texts[pair["a"]], texts[pair["b"]]) for pair in pairs])
    near, different = 0, 0
    for pair, similarity in zip(pairs, similarities, strict=True):
        if pair["jaccard5"] >= 0.8:
            near += 1
            assert similarity >= 0.7, pair
            assert {pair["a"], pair["b"]} & set(found), pair
        elif pair["jaccard5"] <= 0.3:
            different += 1
            assert similarity < 0.5, pair
            assert pair["b"] != found.get(pair["a"], ("",))[0] != pair["a"] != found.get(pair["b"], ("",))[0], pair
    assert near > 10
    assert different > 10


TITLES = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳云腾致雨露结为霜金生丽水玉出昆冈剑号巨阙珠称夜光果珍李柰菜重芥姜"


def family(generator: random.Random, size: int, changed: int) -> list[str]:
    """A chain of texts, each like the one before but for `changed` letters."""
    text = generator.choices(TITLES, k=200)
    chain = ["".join(text)]
    for _ in range(size - 1):
        for place in generator.sample(range(200), changed):
            text[place] = generator.choice(TITLES)
        chain.append("".join(text))
    return chain


def test_each_dropped_document_resembles_one_that_stays() -> None:
    generator = random.Random(4)
    texts: dict[str, str | None] = {f"{n}.{m}": text for n in range(30) for m, text in enumerate(family(generator, 8, 3))}
    found = dropped(DropNearDuplicates(similarity=0.7), texts)
    assert 100 < len(found) < len(texts) - 30
    assert not {kept for kept, _ in found.values()} & set(found)
    assert min(similarity for _, similarity in found.values()) >= 0.7
    exactly = exact([(texts[kept], texts[name]) for name, (kept, _) in found.items()])
    assert exactly == [similarity for _, similarity in found.values()]


@pytest.mark.parametrize("keep", ["first", "longest"])
def test_the_result_depends_on_neither_threads_nor_batches_nor_memory(keep: Any) -> None:
    generator = random.Random(9)
    texts: dict[str, str | None] = {f"{n}.{m}": text for n in range(20) for m, text in enumerate(family(generator, 6, 4))}
    operator = DropNearDuplicates(similarity=0.7, keep=keep)
    once = dropped(operator, texts)
    assert once == dropped(operator, texts, cut=37, threads=3)
    assert once == dropped(operator, texts, threads=2, memory_bytes=1)


def templated(generator: random.Random, documents: int, copies: int) -> dict[str, str | None]:
    """Documents of 60 to 80 % one template, similar by 0.4 to 0.7, and copies of some with 1 % of the letters changed."""
    letters = [chr(code) for code in range(0x4E00, 0x5E00)]
    template = generator.choices(letters, k=400)
    texts: dict[str, str | None] = {}
    for number in range(documents):
        own = generator.uniform(0.2, 0.4)
        texts[f"{number}"] = "".join(
            "".join(generator.choices(letters, k=20) if generator.random() < own else template[start : start + 20])
            for start in range(0, 400, 20)
        )
    for number in range(copies):
        characters = list(texts[f"{number}"] or "")
        for place in generator.sample(range(400), 4):
            characters[place] = generator.choice(letters)
        texts[f"{number}/copy"] = "".join(characters)
    return texts


def test_documents_on_one_template_hide_no_copy_and_none_is_dropped_for_another() -> None:
    """Against comparing every document with every one that stays."""
    texts = templated(random.Random(6), 400, 60)
    names = list(texts)
    kept: list[str] = []
    expected = {}
    for name in names:
        similar = [
            other for other, value in zip(kept, exact([(texts[other], texts[name]) for other in kept]), strict=True) if value >= 0.8
        ]
        if similar:
            expected[name] = similar
        else:
            kept.append(name)
    found = dropped(DropNearDuplicates(), texts)
    assert {name for name in names if "/copy" in name} <= set(found) <= set(expected)
    assert all(keeper in expected[name] for name, (keeper, _) in found.items())


def test_few_texts_are_fetched_where_documents_share_a_template(tmp_path: Path) -> None:
    texts = templated(random.Random(7), 1500, 0)
    operator = DropNearDuplicates(planted_pairs=0)
    batch = pa.RecordBatch.from_pydict({"id": list(texts), "text": pa.array(texts.values(), pa.large_string())})
    keys = operator.keys(batch)
    with pa.OSFile(str(tmp_path / "keys.arrow"), "wb") as sink, pa.ipc.new_file(sink, keys.schema) as writer:
        writer.write_batch(keys)
    fetched = []

    def take(rows: NDArray[np.int64], columns: list[str]) -> pa.Table:
        fetched.extend(rows.tolist())
        return pa.Table.from_batches([batch]).select(columns).take(pa.array(rows))

    with GatheredKeys(
        [(tmp_path / "keys.arrow", 0)], rows=1500, take=take, memory_bytes=64 << 20, threads=1, scratch=tmp_path / "scratch"
    ) as gathered:
        met = gathered.sql("SELECT hash FROM (SELECT unnest(bands) AS hash FROM keys) GROUP BY hash HAVING count(*) > 1")
        dropped_rows = operator.prepare(gathered).num_rows
    assert len(met) > 300
    assert len(fetched) <= 300 + 3 * dropped_rows


def test_the_longest_is_kept_on_demand() -> None:
    text = "".join(random.Random(2).choices(TITLES, k=300))
    texts: dict[str, str | None] = {"short": text, "long": text + "天地玄黄宇宙洪荒", "same": text + "天地玄黄宇宙洪荒"}
    assert set(dropped(DropNearDuplicates(), texts)) == {"long", "same"}
    assert {name: kept for name, (kept, _) in dropped(DropNearDuplicates(keep="longest"), texts).items()} == {
        "short": "long",
        "same": "long",
    }


def test_texts_without_letters_resemble_nothing() -> None:
    assert dropped(DropNearDuplicates(), {"a": "！！", "b": "！！", "c": None, "d": None, "e": "", "f": ""}) == {}


@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.8, 0.95, 1.0])
@pytest.mark.parametrize("recall", [0.9, 0.98, 0.999])
def test_bands_reach_the_recall_and_longer_ones_would_not_fit(similarity: float, recall: float) -> None:
    chosen = choose_bands(similarity, recall, 128)
    assert chosen.bands * chosen.rows <= 128
    assert chosen.recall(similarity) >= recall
    if similarity < 1:
        rows = chosen.rows + 1
        assert 1 - (1 - similarity**rows) ** (128 // rows) < recall


def test_options_that_no_signature_can_meet_are_refused() -> None:
    with pytest.raises(ValueError, match="a signature of 16 values cannot find pairs"):
        DropNearDuplicates(similarity=0.31, recall=0.999, signature=16)


@pytest.mark.parametrize("keep", ["first", "longest"])
def test_what_resembles_a_record_of_an_earlier_version_is_dropped_for_it(keep: Any) -> None:
    generator = random.Random(3)
    texts = ["".join(generator.choices(TITLES, k=200)) for _ in range(4)]
    earlier = [
        pa.RecordBatch.from_pydict({"id": ["old0", "old1"], "text": [texts[0], texts[1][:-3]]}),
        pa.RecordBatch.from_pydict({"id": ["old2"], "text": [texts[1]]}),  # no decision is given on it
    ]
    batch = pa.RecordBatch.from_pydict(
        {"id": ["a", "b", "c", "d"], "text": [texts[2], texts[1] + "天地玄", texts[3], texts[2] + "天地玄"]}
    )
    (result,) = exchange_batches(DropNearDuplicates(keep=keep), [batch], references=earlier)
    longest = ["d", "old1", None, None]
    assert result["drop_detail"].to_pylist() == (longest if keep == "longest" else [None, "old1", None, "a"])


def test_rows_of_earlier_versions_are_decided_on_as_if_they_had_been_kept_before() -> None:
    """The decisions on the second half are those of a run over both, where nothing in the first half is dropped."""
    generator = random.Random(12)
    chains = [family(generator, 6, 4) for _ in range(40)]
    older, newer = [chain[0] for chain in chains], [text for chain in chains for text in chain[1:]]
    both = dropped(DropNearDuplicates(similarity=0.7), {str(number): text for number, text in enumerate([*older, *newer])})
    batch = pa.RecordBatch.from_pydict({"id": [str(number) for number in range(40 + len(newer))], "text": [*older, *newer]})
    for memory_bytes in (1, 256 << 20):
        (result,) = exchange_batches(
            DropNearDuplicates(similarity=0.7), [batch[40:]], references=[batch[:9], batch[9:40]], memory_bytes=memory_bytes
        )
        found = {row["id"]: (row["drop_detail"], row["drop_number"]) for row in result.to_pylist() if row["drop_reason"]}
        assert found == both
        assert len(found) > 100
