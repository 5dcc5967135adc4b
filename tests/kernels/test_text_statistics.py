"""The kernels against the plain Python of the published rules, on any Unicode."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from liangji.kernels import lines, repetition, words
from liangji.kernels import text_statistics as kernel
from liangji.kernels.segmentation import CONTINUES, mark_words
from liangji.kernels.text_classes import PUBLISHED_PUNCTUATION, TERMINAL_MARKS, census_kinds, word_classes
from liangji.kernels.word_trie import WordTrie, word_trie

STOP_WORDS = {False: ("the", "be", "of", "中文"), True: ("的", "了", "the")}
COMMON_HAN = set(
    "".join(bytes((a, b)).decode("gb2312", "ignore") for a in range(0xB0, 0xD8) for b in range(0xA1, 0xFF))
    + "".join(bytes((a, b)).decode("big5", "ignore") for a in range(0xA4, 0xC7) for b in range(0x40, 0xFF))
)
HAN = re.compile("[\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U000323af\uf900-\ufaff]")
KANA = re.compile("[\u3040-\u30ff]")


def cut_words(text: str, script: bool) -> list[str]:
    if not script:
        return text.split()
    cut: list[str] = []
    joins = False
    for character in text:
        alone = bool(HAN.match(character) or KANA.match(character)) or unicodedata.category(character)[0] in "PS"
        if character.isspace():
            joins = False
        elif alone or not joins:
            cut.append(character)
            joins = not alone
        else:
            cut[-1] += character
    return cut


def is_mark(character: str, script: bool) -> bool:
    return unicodedata.category(character)[0] in "PS" if script else character in PUBLISHED_PUNCTUATION


def repeated(pieces: list[str]) -> tuple[int, int]:
    again = [piece for i, piece in enumerate(pieces) if piece in pieces[:i]]
    return len(again), sum(map(len, again))


def repeated_gram_characters(cut: list[str], n: int) -> int:
    seen: set[tuple[str, ...]] = set()
    characters = at = 0
    while at + n <= len(cut):
        gram = tuple(cut[at : at + n])
        if gram in seen:
            characters += len("".join(gram))
            at += n
        else:
            seen.add(gram)
            at += 1
    return characters


def top_gram_characters(cut: list[str], n: int, script: bool) -> int:
    grams = Counter(tuple(cut[i : i + n]) for i in range(len(cut) - n + 1))
    if not grams:
        return 0
    gram, times = grams.most_common(1)[0]
    return times * len(("" if script else " ").join(gram))


def c4_counts(text: str) -> dict[int, int]:
    counts: Counter[int] = Counter()
    for raw in text.splitlines():
        line = raw.strip()
        cut = line.split()
        if any(len(word) > 1000 for word in cut) or len(cut) < 3:
            continue
        line = re.sub(r"\[\d*]|\[edit]|\[citation needed]", "", line)
        if not line.endswith((".", "?", "!", '"', "'")) or line.endswith("..."):
            continue
        lower = re.sub("[A-Z]", lambda letter: letter[0].lower(), line)
        policies = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
        if "lorem ipsum" in lower:
            counts[lines.LOREM_LINES] += 1
        elif "javascript" in lower:
            counts[lines.SCRIPT_LINES] += 1
        elif "{" in line:
            counts[lines.CURLY_LINES] += 1
        elif any(policy in lower for policy in policies):
            counts[lines.POLICY_LINES] += 1
        else:
            counts[lines.KEPT] += 1
            ends = re.finditer(r"""[.?!](?![.?!])["')\]*`’”]*(?=[\x00-\x20].)""", line, re.DOTALL)
            initial = [re.search(r"(?:^|[\x00-\x20])[A-Z]\.$", line[: end.start() + 1]) for end in ends]
            counts[lines.SENTENCES] += 1 + sum(found is None for found in initial)
    return counts


def reference(text: str, script: bool, cut: list[str] | None = None) -> dict[int, int]:
    """Count as the published rules say, slowly and plainly. `cut`: the words, where they are of neither mode."""
    cut = cut_words(text, script) if cut is None else cut
    spelled = [word for word in cut if not all(is_mark(character, script) for character in word)]
    split = text.splitlines()
    filled = [line for line in text.split("\n") if line.strip()]
    pieces = re.split("\n+", text)
    paragraphs = re.split("\n{2,}", text.strip())
    han = HAN.findall(text)
    expected = {
        kernel.BYTES: len(text.encode()),
        kernel.CHARACTERS: len(text),
        kernel.NEWLINES: text.count("\n"),
        kernel.HASHES: text.count("#"),
        kernel.ELLIPSES: text.count("...") + text.count("…"),
        kernel.GRAM_CHARACTERS: len(text),
        kernel.HAN: len(han),
        kernel.RARE_HAN: sum(character not in COMMON_HAN for character in han),
        kernel.DIGITS: sum(character.isdecimal() for character in text),
        kernel.MARKS: sum(is_mark(character, script=True) and not 0xA0 < ord(character) < 0x100 for character in text)
        - text.count("\ufffd")
        + text.count("·"),
        kernel.SUPPLEMENT: sum(0xA0 < ord(character) < 0x100 and character != "·" for character in text),
        kernel.CLAUSE_MARKS: sum(character in "，。、；：！？…,;!?" for character in text),
        kernel.SEPARATORS: sum(character.isspace() or character in "|｜·•‧・›" for character in text),
        kernel.WORD_BLOCK + words.WORDS: len(cut),
        kernel.WORD_BLOCK + words.SPELLED_WORDS: len(spelled),
        kernel.WORD_BLOCK + words.SPELLED_CHARACTERS: sum(map(len, spelled)),
        kernel.WORD_BLOCK + words.LETTERED_WORDS: sum(any(map(str.isalpha, word)) for word in cut),
        kernel.WORD_BLOCK + words.STOP_WORDS: len(set(cut) & set(STOP_WORDS[script])),
        kernel.BROKEN_BLOCK + lines.LINES: len(split),
        kernel.BROKEN_BLOCK + lines.BULLETS: sum(line.lstrip().startswith(("•", "-")) for line in split),
        kernel.BROKEN_BLOCK + lines.ELLIPSES: sum(line.rstrip().endswith(("...", "…")) for line in split),
        kernel.PLAIN_BLOCK + lines.FILLED: len(filled),
        kernel.PLAIN_BLOCK + lines.ENDED: sum(line.endswith(tuple(TERMINAL_MARKS)) for line in filled),
        kernel.PLAIN_BLOCK + lines.SHORT: sum(len(line) <= 30 for line in filled),
        kernel.PLAIN_BLOCK + lines.FILLED_REPEATED_CHARACTERS: repeated(filled)[1],
        kernel.PLAIN_BLOCK + lines.PIECES: len(pieces),
        kernel.PLAIN_BLOCK + lines.REPEATED_PIECES: repeated(pieces)[0],
        kernel.PLAIN_BLOCK + lines.REPEATED_CHARACTERS: repeated(pieces)[1],
        kernel.PLAIN_BLOCK + lines.PARAGRAPHS: len(paragraphs),
        kernel.PLAIN_BLOCK + lines.REPEATED_PARAGRAPHS: repeated(paragraphs)[0],
        kernel.PLAIN_BLOCK + lines.REPEATED_PARAGRAPH_CHARACTERS: repeated(paragraphs)[1],
    }
    c4 = c4_counts(text)
    for place in (lines.KEPT, lines.SENTENCES, lines.LOREM_LINES, lines.CURLY_LINES, lines.SCRIPT_LINES, lines.POLICY_LINES):
        expected[kernel.BROKEN_BLOCK + place] = c4[place]
    for n in range(repetition.SHORTEST, repetition.LONGEST + 1):
        place = kernel.GRAM_BLOCK + n - repetition.SHORTEST
        expected[place] = top_gram_characters(cut, n, script) if n <= 4 else repeated_gram_characters(cut, n)
    return expected


PIECES = [
    *"ab的了|·。，、…—.!?\"'[]{}#-•\n\r\t 0９\u00a0\u3000\u2028\x85\x0b\x1c\ufffd\ue000éÂ鐨龘\U00020000カあ😀",
    *(
        "\n\n",
        "\r\n",
        "...",
        "the",
        "be ",
        "of",
        "中文",
        "Lorem ipsum",
        "JavaScript",
        "use cookies",
        "Terms of Use",
        "[1]",
        "[edit]",
    ),
    *("abcdefgh", "ijklmnop9", "a1b2c3d4e5f6g7h8", "privacy policy"),
    *("[citation needed]", "One two three.", "J. Smith said so. ", "a b c d e f g h i j k ", "甲乙丙丁戊己庚辛壬癸", "- x\n"),
]
FEW_PIECES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4)  # few, so that lines and n-grams repeat
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(PIECES), max_size=60).map("".join),
    FEW_PIECES.flatmap(lambda few: st.lists(st.sampled_from(few), max_size=60).map("".join)),
)
EDGES = [
    "\na\n",
    "\n",
    " \n ",
    "x" * 30 + "\n" + "x" * 31,
    "中" * 30 + "\n" + "中" * 31,
    "a b..\na b...\na b. .\n..\n",
    "one two three..\none two three...\none two three…\n",
    "a b c d e a b c d e a b c d e a b c d e f",
    "a a a a a a a a a a a a a a a a a a a a a a a a a",
    "甲乙丙丁戊甲乙丙丁戊甲乙丙丁戊" * 2,
    "  \n\na\n\n\nb\n\na\n\n  ",
    "a b " + "x" * 1000 + ".\na b " + "x" * 1001 + ".\na b " + "中" * 1001 + ".\na b " + "x" * 900 + "\u3000" + "y" * 900 + ".",
    "word " * 300 + "end.\n" + "word" * 500 + " and some more.\n" + "a\u3000b\u3000c" * 400 + ".",
    "java[1]script is two words.\nlorem[edit] ipsum here.\nA. b c! D e? (f.) g.' h. I. j k...l m.",
    "the\x1fbe the\x00of of\x7f -- 'the' the, don't",
    "a\r\nb\rc\x85d\u2028e\x1cf\n",
    "one two three[1].\none two three. [1]\none two three.[x]\n one [edit]two three![citation needed]",
]


@settings(max_examples=150, deadline=None)
@example(texts=EDGES, wide=False, script=False, cut=0)
@example(texts=EDGES, wide=True, script=True, cut=1)
@given(texts=st.lists(st.none() | TEXTS, max_size=5), wide=st.booleans(), script=st.booleans(), cut=st.integers(0, 3))
def test_counts_are_those_of_the_plain_rules(texts: list[str | None], wide: bool, script: bool, cut: int) -> None:
    array = pa.array(texts, pa.large_string() if wide else pa.string()).slice(cut)
    counts = kernel.text_statistics(array, script=script, stop_words=STOP_WORDS[script])
    for text, found in zip(texts[cut:], counts, strict=True):
        if not text:
            assert not found.any()
            continue
        expected = reference(text, script)
        assert {place: int(found[place]) for place in expected} == expected


DICTIONARY = {"中文": 9, "的了": 3, "甲乙丙": 5, "丙丁": 4, "戊己庚辛": 2, "的": 7, "a的": 2, "one": 1}


@settings(max_examples=100, deadline=None)
@example(texts=EDGES, wide=True, cut=1)
@given(texts=st.lists(st.none() | TEXTS, max_size=5), wide=st.booleans(), cut=st.integers(0, 3))
def test_words_of_a_dictionary_are_counted_by_the_same_rules(texts: list[str | None], wide: bool, cut: int) -> None:
    trie = word_trie(pa.array(list(DICTIONARY)), np.array(list(DICTIONARY.values())), 40)
    array = pa.array(texts, pa.large_string() if wide else pa.string()).slice(cut)
    counts = kernel.text_statistics(array, script=True, stop_words=STOP_WORDS[True], trie=trie)
    for text, found in zip(texts[cut:], counts, strict=True):
        if not text:
            assert not found.any()
            continue
        expected = reference(text, True, dictionary_words(text, trie))
        assert {place: int(found[place]) for place in expected} == expected


def dictionary_words(text: str, trie: WordTrie) -> list[str]:
    data = np.frombuffer(text.encode(), np.uint8)
    marks = np.empty(data.size, np.uint8)
    mark_words(data, 0, data.size, trie.nodes, trie.unknown, word_classes(script=True), marks)
    spread = ["\n" * int(marks[at] != CONTINUES) for at in np.cumsum([0, *(len(each.encode()) for each in text)])[:-1]]
    return "".join(map("".join, zip(spread, text, strict=True))).split()


def test_kinds_of_characters_are_told_apart() -> None:
    kinds = census_kinds()
    text = "中龘9。\ufffdÂ aカ\x00\ue000|#"
    assert [int(kinds[ord(character)]) for character in text] == [1, 2, 3, 9, 5, 6, 7, 0, 0, 5, 5, 8, 4]


def test_a_line_with_a_word_of_more_than_a_thousand_characters_is_no_c4_line() -> None:
    for length, kept in ((1000, 1), (1001, 0)):
        array = pa.array(["we say " + "x" * length + " here."])
        assert kernel.text_statistics(array, script=False, stop_words=())[0, kernel.BROKEN_BLOCK + lines.KEPT] == kept


@pytest.mark.parametrize("script", [False, True])
def test_a_text_of_many_characters_overruns_no_packed_counter(script: bool) -> None:
    text = "中文 123 abc。" * 2000
    counts = kernel.text_statistics(pa.array([text]), script=script, stop_words=STOP_WORDS[script])[0]
    assert (counts[kernel.HAN], counts[kernel.DIGITS], counts[kernel.MARKS]) == (4000, 6000, 2000)
    assert counts[kernel.SEPARATORS] == 4000


def test_a_repeated_text_is_nearly_all_repetition() -> None:
    text = "one two three four five six seven eight nine ten. " * 50
    counts = kernel.text_statistics(pa.array([text]), script=False, stop_words=())[0]
    shares = counts[kernel.GRAM_BLOCK + 3 :] / counts[kernel.CHARACTERS]
    assert np.all(shares > 0.75)


def test_at_most_64_stop_words_of_one_word_each() -> None:
    with pytest.raises(ValueError, match="at most 64"):
        kernel.text_statistics(pa.array(["x"]), script=False, stop_words=tuple(map(str, range(65))))
    with pytest.raises(ValueError, match="is 2 words"):
        kernel.text_statistics(pa.array(["x"]), script=True, stop_words=("中文",))
