"""Make the corpus on which everything is measured: Chinese and English text in equal parts, with planted copies and their truth.

    bench/.corpus/{en,zh}/00.parquet, 00.jsonl, 00.truth.jsonl, …    bench/.corpus/about.json

Each part holds its copies and their originals, so that a slow tool can be measured on one part alone. Text comes from three places:
real documents of `../shared/data` where they are at hand, maintenance prose of the demo generator, and for the bulk a chain that
continues from the last word (from the last two characters in Chinese) as these do, Markdown and line breaks included. So words, lines
and runs of words repeat about as often as in real text, while no two documents are alike unless they were planted.

The same sources give the same bytes.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import math
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench.conformance.published_rules import markdown
from liangji.pipeline.synthesis.inspection_line.personal import bank_card, email, ip_address, mobile_phone
from liangji.pipeline.synthesis.inspection_line.prose import write_chinese, write_english

FOLDER = Path(__file__).parent / ".corpus"
SHARED = Path(__file__).parent.parent.parent / "shared" / "data"
LANGUAGES = ("en", "zh")
PARTS = 10  # of each language
PART_BYTES = 11_000_000
_REVISION = 1  # raised when the code below would make other bytes

_PROSE_SHARE = 0.15  # of documents
_PERSONAL_SHARE = 0.05
_EXACT_SHARE, _EDITED_SHARE, _WRAPPED_SHARE = 0.03, 0.01, 0.015
_EDITS = (0.01, 0.02, 0.04)  # share of words (Chinese: characters) that are replaced in the near copies
_MEDIAN_CHARACTERS = {"en": 2200, "zh": 900}
_SPREAD = 0.9  # standard deviation of the logarithm of the length
_SHORTEST, _LONGEST = 120, 60_000  # characters
_WRAPPERS = {
    "en": ("Home | News | About us\n\n", "\n\nShare this page. All rights reserved."),
    "zh": ("首页 | 新闻 | 关于我们\n\n", "\n\n分享到朋友圈。版权所有，转载请注明出处。"),
}
_TOKEN = re.compile(r"[\u3400-\u9fff]|\n+|[^\s\u3400-\u9fff]+[^\S\n]*|[^\S\n]+")
_WORDS = {"en": re.compile(r"[A-Za-z]{2,}"), "zh": re.compile(r"[\u4e00-\u9fff]")}


@dataclass(frozen=True, slots=True)
class Document:
    text: str
    original: str = ""  # id of the document it was copied from
    planted: str = ""  # exact, edited_0.01, …, wrapped; empty: not a copy


def ensure_corpus(folder: Path = FOLDER) -> dict[str, Any]:
    """Make the corpus unless it is there; give what `about.json` says of it."""
    about = folder / "about.json"
    wanted = {"revision": _REVISION, "parts": PARTS, "part_bytes": PART_BYTES, "with_shared_data": SHARED.is_dir()}
    if about.exists():
        known: dict[str, Any] = json.loads(about.read_text("utf-8"))
        if known["made"] == wanted:
            return known
    with ProcessPoolExecutor(2) as pool:
        languages = dict(zip(LANGUAGES, pool.map(partial(_make_language, folder), LANGUAGES), strict=True))
    made = {"made": wanted, "languages": languages}
    about.write_text(json.dumps(made, indent=1) + "\n", "utf-8")
    return made


def parts(language: str, ending: str = "parquet", count: int = PARTS, folder: Path = FOLDER) -> list[Path]:
    return [folder / language / f"{number:02}.{ending}" for number in range(count)]


def _make_language(folder: Path, language: str) -> dict[str, Any]:
    target = folder / language
    target.mkdir(parents=True, exist_ok=True)
    real = list(_english() if language == "en" else _chinese()) if SHARED.is_dir() else []
    chance = Random(language)
    prose = [_prose(language, chance) for _ in range(3000)]
    chain = Chain([*real, *prose] if not real else [*real, *prose[:600]])
    digest = hashlib.sha256()
    totals = {"documents": 0, "bytes": 0, "planted": 0, "real_bytes": sum(len(text.encode()) for text in real)}
    for number in range(PARTS):
        documents = _make_part(language, number, real[number::PARTS], chain)
        ids = [f"{language}-{number:02}-{row:05}" for row in range(len(documents))]
        named = [Document(item.text, ids[int(item.original)] if item.planted else "", item.planted) for item in documents]
        _write_part(target / f"{number:02}", ids, named)
        for item in named:
            digest.update(item.text.encode())
        totals["documents"] += len(named)
        totals["bytes"] += sum(len(item.text.encode()) for item in named)
        totals["planted"] += sum(bool(item.planted) for item in named)
    return {**totals, "sha256": digest.hexdigest()}


def _make_part(language: str, number: int, real: list[str], chain: Chain) -> list[Document]:
    """Make one part in random order; `original` is the position of the original in the list that is given."""
    chance = Random(f"{language} {number}")
    texts = list(real)
    size = sum(len(text.encode()) for text in texts)
    copies = _EXACT_SHARE + len(_EDITS) * _EDITED_SHARE + _WRAPPED_SHARE
    while size < PART_BYTES * (1 - copies):
        text = _prose(language, chance) if chance.random() < _PROSE_SHARE else chain.write(chance, _length(language, chance))
        if chance.random() < _PERSONAL_SHARE:
            text = _with_contact(text, chance)
        texts.append(text)
        size += len(text.encode())
    planted = [Document(text) for text in texts]
    sources = iter(chance.sample(range(len(texts)), int(len(texts) * copies)))
    planted += [Document(texts[at], str(at), "exact") for at in _first(sources, len(texts) * _EXACT_SHARE)]
    for share in _EDITS:
        planted += [
            Document(_edited(texts[at], share, language, chance), str(at), f"edited_{share}")
            for at in _first(sources, len(texts) * _EDITED_SHARE)
        ]
    head, foot = _WRAPPERS[language]
    planted += [Document(head + texts[at] + foot, str(at), "wrapped") for at in sources]
    order = chance.sample(range(len(planted)), len(planted))
    place = {before: str(after) for after, before in enumerate(order)}
    return [
        Document(item.text, place[int(item.original)] if item.planted else "", item.planted)
        for item in (planted[before] for before in order)
    ]


def _first(sources: Iterator[int], count: float) -> Iterator[int]:
    for _ in range(int(count)):
        yield next(sources)


def _write_part(path: Path, ids: list[str], documents: list[Document]) -> None:
    texts = [document.text for document in documents]
    pq.write_table(pa.table({"id": ids, "text": texts}), path.with_suffix(".parquet"), compression="zstd", row_group_size=2000)
    with path.with_suffix(".jsonl").open("w", encoding="utf-8") as file:
        for name, text in zip(ids, texts, strict=True):
            file.write(json.dumps({"id": name, "text": text}, ensure_ascii=False) + "\n")
    with path.with_suffix(".truth.jsonl").open("w", encoding="utf-8") as file:
        for name, document in zip(ids, documents, strict=True):
            if document.planted:
                file.write(json.dumps({"id": name, "original": document.original, "planted": document.planted}) + "\n")


class Chain:
    """Words that follow each other as they do in the texts it was made from; in Chinese, characters that follow two characters."""

    def __init__(self, texts: list[str]) -> None:
        self._follows: dict[str, list[str]] = {}
        self._starts = []
        for text in texts:
            tokens = _TOKEN.findall(text)
            self._starts += tokens[:1]
            before = "\n"
            for token, following in pairwise(tokens):
                self._follows.setdefault(before[-1] + token if len(token) == 1 else token, []).append(following)
                before = token

    def write(self, chance: Random, characters: int) -> str:
        """Write at least so many characters, up to the end of a word."""
        draw = chance.random
        written: list[str] = []
        size = 0
        before, token = "\n", chance.choice(self._starts)
        while size < characters:
            written.append(token)
            size += len(token)
            options = self._follows.get(before[-1] + token if len(token) == 1 else token, self._starts)
            before, token = token, options[int(draw() * len(options))]
        return "".join(written).strip()


def _length(language: str, chance: Random) -> int:
    return min(_LONGEST, max(_SHORTEST, int(_MEDIAN_CHARACTERS[language] * math.exp(chance.gauss(0, _SPREAD)))))


def _prose(language: str, chance: Random) -> str:
    return (write_english(chance) if language == "en" else write_chinese(chance)).text


def _with_contact(text: str, chance: Random) -> str:
    """Put one made-up contact on a line of its own between two lines of the text."""
    value = chance.choice([mobile_phone, email, ip_address, bank_card])(chance).value
    lines = text.split("\n")
    lines.insert(chance.randint(0, len(lines)), f"联系 {value}" if chance.random() < 0.5 else f"Contact: {value}")
    return "\n".join(lines)


def _edited(text: str, share: float, language: str, chance: Random) -> str:
    """Replace a share of the words (Chinese: of the characters) by others of the same text."""
    words = _WORDS[language].findall(text)
    return _WORDS[language].sub(lambda found: chance.choice(words) if chance.random() < share else found[0], text)


def _english() -> Iterator[str]:
    with gzip.open(SHARED / "instruct" / "c4_demo.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from (json.loads(line)["text"] for line in lines)
    yield from markdown(SHARED / "text" / "docs_rust_en_md.tar.zst")


def _chinese() -> Iterator[str]:
    for archive in ("docs_vue_zh_md", "docs_rust_zh_md", "docs_react_zh_md", "laws_zh_md"):
        yield from markdown(SHARED / "text" / f"{archive}.tar.zst")
    table = (SHARED / "text" / "medical_qa_gb18030.csv").read_bytes().decode("gb18030", "replace")
    for row in csv.DictReader(io.StringIO(table)):
        yield row["ask"] + "\n" + row["answer"]


if __name__ == "__main__":
    print(json.dumps(ensure_corpus(), indent=1))
