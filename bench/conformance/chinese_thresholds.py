"""Measure what the thresholds of the preset `chinese` rest on: real good text, and text that is bad for a known reason.

    python -m bench.conformance.chinese_thresholds ../shared/data

First table: for each rule the extreme of good text that is kept (the largest value where the threshold is the most, the smallest
where it is the least), what 99 % of it stay within, and of the kind of bad text that the rule drops most of the value that 99 % go
beyond, and the median. Second table: the share of each source of good text and of each kind of bad text that the preset drops.

Each threshold of the preset lies between the extreme of good text and the bad, nearer to the bad; how, says
docs/decisions/0003-word-modes.md. To calibrate on text of your own: `liangji recipe calibrate`.
"""

from __future__ import annotations

import argparse
import base64
import csv
import gzip
import io
import json
import random
import re
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import zstandard
from numpy.typing import NDArray

from liangji.core.expression import Expression
from liangji.pipeline.cleaning.calibration import Observed, observe
from liangji.pipeline.cleaning.rules import Keep, preset
from liangji.pipeline.evaluation.text import MeasureText

POEMS = 3000
DAMAGED_STATUTES, DAMAGED_ANSWERS, DAMAGED_PAGES = 100, 100, 50
MENU = (
    "首页",
    "关于我们",
    "联系我们",
    "网站地图",
    "新闻中心",
    "产品展示",
    "友情链接",
    "上一篇",
    "下一篇",
    "返回顶部",
    "登录",
    "注册",
    "服务条款",
    "隐私政策",
    "帮助中心",
)
HAN = re.compile("[\u4e00-\u9fff]")
SYMBOLS = "★☆●■◆→—=…￥#*"
EMPTY = ("", "。", "无", "略", "见附件", "暂无内容", "\n\n", "详见正文", "同上")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder / "text"
    good = good_texts(folder)
    bad = bad_texts(good)
    measured = {name: measure(texts) for name, texts in {**good, **bad}.items()}
    all_good = pa.concat_batches([measured[name] for name in good])
    write("rule", "threshold", "good up to", "99 % of it", "bad from", "its median", "which is")
    for rule in preset("chinese").rules:
        write(rule.reason, *figures(Expression.parse(rule.where), all_good, {name: measured[name] for name in bad}))
    for title, part in (("good text", good), ("bad text", bad)):
        sys.stdout.write("\n")
        write(title, "texts", "dropped %", "by")
        for name in part:
            dropped = [reason for reason in Keep(preset="chinese")(measured[name]).column("drop_reason").to_pylist() if reason]
            reasons = sorted(set(dropped), key=lambda reason: -dropped.count(reason))
            texts = measured[name].num_rows
            write(
                name, f"{texts:,}", f"{100 * len(dropped) / texts:.1f}", ", ".join(f"{r} {dropped.count(r)}" for r in reasons[:3])
            )


def write(first: str, *cells: str) -> None:
    sys.stdout.write(f"{first:32} " + " ".join(f"{cell:>13}" for cell in cells) + "\n")


def measure(texts: list[str]) -> pa.RecordBatch:
    batch = MeasureText(words="script")(pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.large_string())}))
    return batch.drop_columns(["text"])


def figures(condition: Expression, good: pa.RecordBatch, bad: dict[str, pa.RecordBatch]) -> tuple[str, ...]:
    threshold = condition.threshold()
    if threshold is None:
        raise ValueError(f"no threshold in {condition.text}")
    seen = observe(condition, good)
    kept = seen.values[hanging(seen) & ~seen.fails()]  # the few that fail are told with their share
    kinds = {name: observe(condition, batch) for name, batch in bad.items()}
    kind, worst = max(kinds.items(), key=lambda found: (found[1].fails() & hanging(found[1])).mean())
    values = worst.values[hanging(worst)]
    is_most = threshold.comparison in ("<", "<=")
    of_good, of_bad = ((1, 0.99), (0.01, 0.5)) if is_most else ((0, 0.01), (0.99, 0.5))
    share = (worst.fails() & hanging(worst)).mean()
    good_limits = [f"{value:.3g}" for value in np.quantile(kept, of_good)]
    bad_limits = [f"{value:.3g}" for value in np.quantile(values, of_bad)] if share > 0.5 else ["-", "-"]
    which = f"{100 * share:.0f} % of {kind}" if share > 0.5 else "-"
    return f"{threshold.comparison} {threshold.number:g}", *good_limits, *bad_limits, which


def hanging(seen: Observed) -> NDArray[np.bool_]:
    """Tell which rows hang on the threshold."""
    return np.asarray(seen.passes_low != seen.passes_high)


def good_texts(folder: Path) -> dict[str, list[str]]:
    table = (folder / "medical_qa_gb18030.csv").read_bytes().decode("gb18030", "replace")
    rows = list(csv.DictReader(io.StringIO(table)))
    with gzip.open(folder / "classical_modern_bitext.jsonl.gz", "rt", encoding="utf-8") as lines:
        classical = [json.loads(line)["text"] for line in lines]
    truths = members(folder / "html_pages_made.tar.zst", "truth.jsonl")
    return {
        "statutes": list(members(folder / "laws_zh_md.tar.zst", ".md")),
        "documentation: React": list(members(folder / "docs_react_zh_md.tar.zst", ".md")),
        "documentation: Vue": list(members(folder / "docs_vue_zh_md.tar.zst", ".md")),
        "documentation: Rust": list(members(folder / "docs_rust_zh_md.tar.zst", ".md")),
        "classical with modern parallel": classical,
        "poems": list(poems(folder)),
        "medical questions": [row["ask"] for row in rows],
        "medical answers": [row["answer"] for row in rows],
        "web pages, main text": [json.loads(line)["main_text"] for text in truths for line in text.splitlines()],
    }


def poems(folder: Path) -> Iterator[str]:
    """Take poems of all collections alike, simplified and traditional."""
    books = [json.loads(text) for text in members(folder / "classical_poetry_json.tar.zst", ".json") if text.startswith("[")]
    found = [["\n".join(poem["paragraphs"]) for poem in book if "paragraphs" in poem] for book in books]
    everything = [poem for book in found for poem in book]
    yield from everything[:: max(1, len(everything) // POEMS)][:POEMS]


def members(archive: Path, ending: str) -> Iterator[str]:
    with (
        archive.open("rb") as packed,
        tarfile.open(fileobj=zstandard.ZstdDecompressor().stream_reader(packed), mode="r|") as unpacked,
    ):
        for member in unpacked:
            content = unpacked.extractfile(member) if member.name.endswith(ending) else None
            if content:
                yield content.read().decode()


def bad_texts(good: dict[str, list[str]]) -> dict[str, list[str]]:
    chance = random.Random(3)
    whole = [text for name in good if name.startswith("documentation") for text in good[name]]
    whole += good["statutes"][:DAMAGED_STATUTES] + good["medical answers"][:DAMAGED_ANSWERS]
    whole += good["web pages, main text"][:DAMAGED_PAGES]
    damage: dict[str, Callable[[str], str]] = {
        "UTF-8 read as Latin-1": lambda text: text.encode().decode("latin-1"),
        "UTF-8 read as CP1252": lambda text: text.encode().decode("cp1252", "replace"),
        "UTF-8 read as GBK": lambda text: text.encode().decode("gb18030", "replace"),
        "GBK read as UTF-8": lambda text: text.encode("gb18030").decode("utf-8", "replace"),
        "GBK read as Latin-1": lambda text: text.encode("gb18030").decode("latin-1"),
    }
    chinese = [text for text in whole if len(HAN.findall(text)) >= len(text) / 10]  # damage leaves ASCII whole
    bad = {name: [read(text) for text in chinese] for name, read in damage.items()}
    bad["a phrase 12 times and more"] = [text[:60].strip() * chance.randrange(12, 40) for text in whole]
    bad["few lines, 40 times"] = ["\n".join(chance.choices(text.split("\n")[:3], k=40)) for text in whole]
    bad["menus"] = [joiner.join(chance.sample(MENU, 8)) for joiner in (" ", " | ", "\n", " > ", " · ") for _ in range(40)]
    bad["lists of dated titles"] = [dated_titles(chance, good["documentation: Vue"]) for _ in range(100)]
    bad["numbers"] = [" ".join(str(chance.randrange(10**6)) for _ in range(50)) for _ in range(50)]
    bad["symbols"] = ["".join(chance.choices(SYMBOLS, k=80)) for _ in range(50)]
    bad["encoded blobs"] = [base64.encodebytes(text.encode())[:4000].decode() for text in whole[:100]]
    bad["nearly empty"] = list(EMPTY)
    return bad


def dated_titles(chance: random.Random, pages: list[str]) -> str:
    """Make the front page of a news column: headings of real pages with dates."""
    headings = [line.lstrip("# ").split(" {")[0] for line in chance.choice(pages).splitlines() if line.startswith("#")]
    chosen = chance.choices(headings or ["通知公告"], k=20)
    return "\n".join(f"{title} 2024-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}" for title in chosen)


if __name__ == "__main__":
    main()
