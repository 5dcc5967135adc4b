"""The documents of the line, with what is planted among them: duplicates, edits, poor texts, personal information, other languages."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from liangji.pipeline.synthesis.inspection_line.personal import Planted, with_personal_information, with_secret
from liangji.pipeline.synthesis.inspection_line.prose import Prose, vocabulary, write_chinese, write_english

SHINGLE = 5  # characters, white space left out
_LEAST_SIMILARITY = 0.82  # of a near duplicate with its original: above the 0.8 that is promised


class PlantedClass(StrEnum):
    """What a document is there for."""

    CLEAN = "clean"
    ENGLISH = "english"
    TRADITIONAL = "traditional"
    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    PERSONAL_INFORMATION = "personal_information"
    SECRET = "secret"  # noqa: S105 - the name of a class
    TOO_SHORT = "too_short"
    GARBAGE = "garbage"
    REPETITIVE = "repetitive"
    BOILERPLATE = "boilerplate"


_SHARES = {
    PlantedClass.ENGLISH: 0.06,
    PlantedClass.TRADITIONAL: 0.015,
    PlantedClass.EXACT_DUPLICATE: 0.05,
    PlantedClass.NEAR_DUPLICATE: 0.06,
    PlantedClass.PERSONAL_INFORMATION: 0.08,
    PlantedClass.SECRET: 0.02,
    PlantedClass.TOO_SHORT: 0.015,
    PlantedClass.GARBAGE: 0.015,
    PlantedClass.REPETITIVE: 0.015,
    PlantedClass.BOILERPLATE: 0.015,
}


@dataclass(frozen=True, slots=True)
class Document:
    doc_id: str
    planted: PlantedClass
    title: str
    text: str
    line: str
    equipment: str
    date: str
    original: str | None = None  # doc_id of the document this one was copied from
    similarity: float | None = None  # Jaccard similarity with it, over 5-grams of characters
    values: tuple[Planted, ...] = ()


def make_documents(random: Random, count: int) -> list[Document]:
    """Make `count` documents in random order; ids tell nothing of the class."""
    numbers = {planted: max(1, round(share * count)) for planted, share in _SHARES.items()}
    clean = [_document(PlantedClass.CLEAN, write_chinese(random)) for _ in range(count - sum(numbers.values()))]
    ids = [f"D{number:05}" for number in range(count)]
    random.shuffle(ids)
    clean = [replace(document, doc_id=ids.pop()) for document in clean]
    copies = numbers[PlantedClass.EXACT_DUPLICATE] + numbers[PlantedClass.NEAR_DUPLICATE]
    originals = random.sample(clean, copies)  # each is copied once, so that the truth is a list of pairs
    planted = [_exact_duplicate(originals.pop(), random) for _ in range(numbers[PlantedClass.EXACT_DUPLICATE])]
    planted += [_near_duplicate(originals.pop(), random) for _ in range(numbers[PlantedClass.NEAR_DUPLICATE])]
    planted += [_document(PlantedClass.ENGLISH, write_english(random)) for _ in range(numbers[PlantedClass.ENGLISH])]
    planted += [_traditional(random) for _ in range(numbers[PlantedClass.TRADITIONAL])]
    planted += [_personal(random) for _ in range(numbers[PlantedClass.PERSONAL_INFORMATION])]
    planted += [_secret(random) for _ in range(numbers[PlantedClass.SECRET])]
    for planted_class, write in _POOR.items():
        planted += [_poor(planted_class, write(random), random) for _ in range(numbers[planted_class])]
    documents = clean + [replace(document, doc_id=ids.pop()) for document in planted]
    random.shuffle(documents)
    return documents


def similarity(first: str, second: str) -> float:
    """Give the Jaccard similarity of two texts over their 5-grams of characters, white space left out.

    >>> similarity("轴承温度偏高", "轴承 温度偏高"), similarity("轴承温度偏高", "一切正常运行")
    (1.0, 0.0)
    """
    grams, others = shingles(first), shingles(second)
    return len(grams & others) / max(1, len(grams | others))


def shingles(text: str) -> frozenset[str]:
    letters = re.sub(r"\s", "", text)
    return frozenset(letters[at : at + SHINGLE] for at in range(max(1, len(letters) - SHINGLE + 1)))


def _document(planted: PlantedClass, prose: Prose, text: str | None = None, values: tuple[Planted, ...] = ()) -> Document:
    return Document("", planted, prose.title, text or prose.text, prose.line, prose.equipment, prose.date, values=values)


# --- duplicates

_TO_FULL_WIDTH = {ord(digit): ord(digit) - ord("0") + ord("０") for digit in "0123456789"}


def _exact_duplicate(original: Document, random: Random) -> Document:
    """Copy a document as it is, or with full width digits, trailing spaces and line ends that normalisation takes away."""
    text = original.text
    if random.random() < 0.5:
        text = text.translate(_TO_FULL_WIDTH).replace("\n", "  \r\n") + " \r\n"
    return replace(original, doc_id="", planted=PlantedClass.EXACT_DUPLICATE, text=text, original=original.doc_id)


def _near_duplicate(original: Document, random: Random) -> Document:
    """Edit single words and numbers of a document until it is about as far from the original as it may be."""
    goal = random.uniform(_LEAST_SIMILARITY, 0.95)
    text = original.text
    for _ in range(200):
        edited = _edited(text, random)
        if similarity(edited, original.text) < goal:
            if text != original.text:
                break
            continue  # one edit was too much for a short text: try another
        text = edited
    reached = similarity(text, original.text)
    if not _LEAST_SIMILARITY <= reached < 1:  # 200 edits without one that fits: no text of 150 characters and more does that
        raise AssertionError(f"no near duplicate of {original.doc_id} found")
    title = original.title + "（修订）"
    return replace(
        original,
        doc_id="",
        planted=PlantedClass.NEAR_DUPLICATE,
        title=title,
        text=text,
        original=original.doc_id,
        similarity=reached,
    )


_QUANTITY = re.compile(r"(?<=[\u4e00-\u9fff])[1-9]\d*(?=[\u4e00-\u9fff])")  # no part of a code, a time or a decimal


def _edited(text: str, random: Random) -> str:
    edit = random.randrange(3)
    if edit == 0:
        word, other = random.choice(vocabulary()["synonyms"])
        return text.replace(word, other, 1)
    numbers = list(_QUANTITY.finditer(text))
    if edit == 1 and numbers:
        found = random.choice(numbers)
        return text[: found.start()] + str(int(found[0]) + random.randint(1, 3)) + text[found.end() :]
    ends = [found.end() for found in re.finditer("。", text)]
    at = random.choice(ends)
    return text[: at - 1] + random.choice(["，特此说明。", "，已备案。", "（见附图）。", "，供参考。", "，其余照旧。"]) + text[at:]


# --- other languages, personal information


def _traditional(random: Random) -> Document:
    import opencc  # noqa: PLC0415 - loads dictionaries

    prose = write_chinese(random)
    return _document(PlantedClass.TRADITIONAL, prose, opencc.OpenCC("s2t").convert(prose.text))


def _personal(random: Random) -> Document:
    prose = write_chinese(random)
    return _document(PlantedClass.PERSONAL_INFORMATION, prose, *with_personal_information(prose.text, random))


def _secret(random: Random) -> Document:
    prose = write_chinese(random)
    return _document(PlantedClass.SECRET, prose, *with_secret(prose.text, random))


# --- poor texts


def _poor(planted: PlantedClass, text: str, random: Random) -> Document:
    return _document(planted, write_chinese(random), text)


def _too_short(random: Random) -> str:
    remark = random.choice(["已阅", "见附件", "同上", "无异常", "照旧执行", "待补充", "图片略", "已处理"])
    return f"{remark}{random.randint(1, 9999)}。"


def _garbage(random: Random) -> str:
    """Write what a wrong decoding, a dump of bytes or a broken scan leaves behind."""
    style = random.randrange(3)
    if style == 0:
        return write_chinese(random).text.encode("utf-8").decode("gb18030", "replace")
    if style == 1:
        return " ".join(f"{random.randrange(256):02X}" for _ in range(random.randint(200, 400)))
    return "".join(random.choices("□■◆●★◎▲▼※§¤#@&*%^~|_=+<>[]{}", k=random.randint(200, 500)))


def _repetitive(random: Random) -> str:
    sentences = [sentence for sentence in re.split("(?<=。)", write_chinese(random).text) if len(sentence) > 8]
    separator = random.choice(["", "\n"])
    return separator.join([random.choice(sentences).strip()] * random.randint(10, 25))


def _boilerplate(random: Random) -> str:
    pages = vocabulary()["pages"]
    lines = [" | ".join(random.sample(pages["navigation"], 7)), random.choice(pages["sites"])]
    lines += random.sample(pages["advertisements"], 3) + random.sample(pages["navigation"], 6)
    lines += [
        *random.sample(pages["comments"], 4),
        f"上一页 下一页 共{random.randint(2, 99)}页",
        *random.sample(pages["footers"], 3),
    ]
    return "\n".join(lines)


_POOR = {
    PlantedClass.TOO_SHORT: _too_short,
    PlantedClass.GARBAGE: _garbage,
    PlantedClass.REPETITIVE: _repetitive,
    PlantedClass.BOILERPLATE: _boilerplate,
}
