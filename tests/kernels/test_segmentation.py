"""Words cut by a dictionary are those of jieba without its model for unknown words; other scripts stay whole."""

from __future__ import annotations

import io
import logging
import math
import random
import re
import unicodedata
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liangji.kernels.segmentation import BLANK, STARTS, mark_words
from liangji.kernels.text_classes import word_classes
from liangji.kernels.word_trie import WordTrie, word_trie
from liangji.pipeline.evaluation.dictionary import dictionary, dictionary_path

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # jieba is compiled with its old escapes, and asks for pkg_resources
    import jieba

jieba.setLogLevel(logging.ERROR)

BLOCK = "一不中国人民大学生的了\u9fd5aAzZ09+#&._%-"
MARKS = "，。“”《》!?/'\"()[]{}<>@$^*=|~`\\:;,·…—￥🙂"
OTHER_SINGLE = "\u9fd6㐀𠀀豈のカー・"
SPACES = " \n\t\r\u3000\u00a0\u2028\x1c"


def cut(text: str, trie: WordTrie) -> list[str]:
    data = np.frombuffer(b"..." + text.encode(), np.uint8)
    marks = np.full(data.size, 9, np.uint8)
    mark_words(data, 3, data.size, trie.nodes, trie.unknown, word_classes(script=True), marks)
    words: list[str] = []
    at = 0
    for character in text:
        if marks[at] == STARTS:
            words.append("")
        if marks[at] != BLANK:
            words[-1] += character
        at += len(character.encode())
    return words


def tokenizer(lines: list[tuple[str, int]]) -> Any:
    """Make jieba's own tokenizer over a dictionary, without its cache on disk."""
    file = io.BytesIO("".join(f"{word} {frequency} n\n" for word, frequency in lines).encode())
    file.name = "dictionary"
    made = jieba.Tokenizer()
    made.FREQ, made.total = made.gen_pfdict(file)
    made.initialized = True
    return made


def trie_of(lines: list[tuple[str, int]]) -> WordTrie:
    total = sum(frequency for _, frequency in lines)
    known = [line for line in lines if re.fullmatch("[\u4e00-\u9fd5a-zA-Z0-9+#&._%-]+", line[0])]
    return word_trie(pa.array([word for word, _ in known], pa.string()), np.array([n for _, n in known], np.int64), total)


def plain_cut(text: str, lines: list[tuple[str, int]]) -> list[str]:
    """Cut slowly and plainly, any Unicode: likeliest path in each block, runs of letters put together."""
    total = sum(frequency for _, frequency in lines)
    weights = {word: math.log(frequency) - math.log(total) for word, frequency in lines}
    words: list[str] = []
    in_run = False
    for part in re.split("([\u4e00-\u9fd5a-zA-Z0-9+#&._%-]+)", text):
        is_block = bool(re.match("[\u4e00-\u9fd5a-zA-Z0-9+#&._%-]", part))
        for word in _likeliest(part, weights, -math.log(total)) if is_block else part:
            joins = bool(re.fullmatch("[a-zA-Z0-9]", word)) if is_block else not (word.isspace() or _is_alone(word))
            if joins and in_run:
                words[-1] += word
            elif not word.isspace():
                words.append(word)
            in_run = joins
    return words


def _is_alone(character: str) -> bool:
    han_or_kana = "[\u4e00-\u9fff\u3400-\u4dbf\u3040-\u30ff\uf900-\ufaff\U00020000-\U000323af]"
    return bool(re.match(han_or_kana, character)) or unicodedata.category(character)[0] in "PS"


def _likeliest(block: str, weights: dict[str, float], unknown: float) -> list[str]:
    scores, pasts = [0.0] * (len(block) + 1), [0] * len(block)
    for first in reversed(range(len(block))):
        ends = [past for past in range(first + 1, len(block) + 1) if block[first:past] in weights] or [first + 1]
        scores[first], pasts[first] = max((weights.get(block[first:past], unknown) + scores[past], past) for past in ends)
    words, at = [], 0
    while at < len(block):
        words.append(block[at : pasts[at]])
        at = pasts[at]
    return words


def by_jieba(text: str, made: Any = jieba.dt) -> list[str]:
    return [word for word in made.lcut(text, HMM=False) if not word.isspace()]


words_of_block = st.text(st.sampled_from(BLOCK), min_size=1, max_size=4)
dictionaries = st.lists(st.tuples(words_of_block, st.integers(1, 6)), min_size=1, max_size=60)  # few frequencies: many ties


@settings(max_examples=400)
@given(dictionaries, st.text(st.sampled_from(BLOCK + MARKS + OTHER_SINGLE + SPACES), max_size=80))
def test_any_dictionary_cuts_as_jieba_does(lines: list[tuple[str, int]], text: str) -> None:
    assert cut(text, trie_of(lines)) == by_jieba(text, tokenizer(lines))


ANY = st.text(
    st.one_of(st.sampled_from(BLOCK + MARKS + SPACES + "éяㄱ０\x00\ufffd\u3007々\u0301"), st.characters(exclude_categories=["Cs"])),
    max_size=60,
)


@settings(max_examples=400)
@given(st.dictionaries(words_of_block, st.integers(1, 6), min_size=1, max_size=40), ANY)
def test_any_text_is_cut_as_the_plain_way_does(lines: dict[str, int], text: str) -> None:
    assert cut(text, trie_of(list(lines.items()))) == plain_cut(text, list(lines.items()))


@settings(max_examples=200)
@given(dictionaries, st.data())
def test_texts_made_of_words_are_cut_as_jieba_does(lines: list[tuple[str, int]], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(lines), max_size=40))
    text = "".join(word for word, _ in chosen)
    assert cut(text, trie_of(lines)) == by_jieba(text, tokenizer(lines))


def test_the_dictionary_of_jieba_cuts_random_words_as_jieba_does() -> None:
    rng = random.Random(7)
    words = [line.split(" ")[0] for line in dictionary_path().read_text("utf-8").splitlines()]
    trie = dictionary()
    for _ in range(300):
        text = "".join(rng.choices(words, k=60))
        assert cut(text, trie) == by_jieba(text)


def test_real_text_is_cut_as_jieba_does() -> None:
    root = Path(__file__).parents[2]
    pages = [*root.glob("docs/guide/*.zh.md"), *root.glob("src/liangji/locales/zh/*.yaml"), root / "README.zh.md"]
    assert len(pages) > 5
    trie = dictionary()
    for page in pages:
        text = _without_letters_elsewhere(page.read_text("utf-8"))
        assert cut(text, trie) == by_jieba(text)


def test_real_documents_are_cut_as_jieba_does(shared_data: Path) -> None:
    text = (shared_data / "text" / "medical_qa_gb18030.csv").read_bytes()[:1_000_000].decode("gb18030", "ignore")
    text = _without_letters_elsewhere(text)
    assert cut(text, dictionary()) == by_jieba(text)


def _without_letters_elsewhere(text: str) -> str:
    """Leave out what jieba takes apart and we do not."""
    return "".join(each for each in text if _is_alone(each) or (each.isascii() and each.isprintable()) or each.isspace())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我来到北京清华大学", "我 来到 北京 清华大学"),
        ("他来到了网易杭研大厦", "他 来到 了 网易 杭 研 大厦"),
        ("T恤和C++与iPhone15，3.5元", "T恤 和 C++ 与 iPhone15 ， 3 . 5 元"),
        ("café和привет！２００４年", "café 和 привет ！ ２００４ 年"),
        ("", ""),
        (" \n\u3000", ""),
    ],
)
def test_words_people_expect(text: str, expected: str) -> None:
    assert cut(text, dictionary()) == expected.split()


def test_a_block_of_any_length_is_one_path() -> None:
    rng = random.Random(3)
    text = "".join(rng.choices("研究生命起源的科学家们大学生活动中心", k=5000))
    assert cut(text, dictionary()) == by_jieba(text)


def test_a_word_given_twice_has_its_last_frequency() -> None:
    lines = [("中国", 9), ("国人", 3), ("中国", 1), ("人", 1), ("中", 1)]
    assert cut("中国人", trie_of(lines)) == by_jieba("中国人", tokenizer(lines)) == ["中", "国人"]


def test_a_trie_of_no_word_cuts_every_character() -> None:
    trie = word_trie(pa.array([], pa.string()), np.zeros(0, np.int64), 1)
    assert cut("中国ab", trie) == ["中", "国", "ab"]
