"""Measure documents of text: the statistics on which the Gopher, C4, FineWeb and Chinese rules decide.

What is counted, and how, is told in `liangji.kernels.text_statistics`; here counts become named, typed columns. The rules that
decide on them live in `liangji.pipeline.cleaning.rules`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from liangji.core.operator import STRICT, OperatorKind
from liangji.core.schema import TEXT, Modality, string_column, with_column
from liangji.pipeline.evaluation.dictionary import dictionary, dictionary_hash, dictionary_path

WORD_MODE = "word_mode"

ENGLISH_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")  # Rae et al. 2021, appendix A.1.1
CHINESE_STOP_WORDS = tuple("的了是在不有和一人这为之以于而也其者与所及或")  # frequent in modern, legal and classical texts


_Pick = Callable[[Any, NDArray[np.int64]], NDArray[np.int64]]  # (kernel module, its counts) → one count of each document
_Place = Callable[[Any], int]  # kernel module → the place of a count; late, because the module loads numba


class Column(NamedTuple):
    """One measured column: what it means, and the count it is, or the two counts whose ratio it is."""

    meaning: str
    part: _Pick
    whole: _Pick | None = None


def _columns() -> dict[str, Column]:
    columns: dict[str, Column] = {}

    def picked(place: _Place) -> _Pick:
        return lambda kernel, counts: counts[:, place(kernel)]

    def count(name: str, place: _Place, meaning: str) -> None:
        columns[name] = Column(meaning, picked(place))

    def ratio(name: str, part: _Place, whole: _Place, meaning: str) -> None:
        columns[name] = Column(meaning, picked(part), picked(whole))

    def word(place: str) -> _Place:
        return lambda kernel: int(kernel.WORD_BLOCK + getattr(kernel.word_walk, place))

    def broken(place: str) -> _Place:
        return lambda kernel: int(kernel.BROKEN_BLOCK + getattr(kernel.lines, place))

    def plain(place: str) -> _Place:
        return lambda kernel: int(kernel.PLAIN_BLOCK + getattr(kernel.lines, place))

    def whole(place: str) -> _Place:
        return lambda kernel: int(getattr(kernel, place))

    def gram(n: int) -> _Place:
        return lambda kernel: int(kernel.GRAM_BLOCK + n - kernel.repetition.SHORTEST)

    characters = whole("CHARACTERS")
    count("byte_count", whole("BYTES"), "bytes of the text in UTF-8")
    count("character_count", characters, "Unicode code points of the text")
    count("word_count", word("WORDS"), "words, as the option `words` cuts them")
    count("non_symbol_word_count", word("SPELLED_WORDS"), "words with at least one character that is no punctuation")
    ratio("mean_word_length", word("SPELLED_CHARACTERS"), word("SPELLED_WORDS"), "characters per word, over the non-symbol words")
    ratio("alphabetic_word_share", word("LETTERED_WORDS"), word("WORDS"), "words with at least one letter, of all words")
    count("stop_word_count", word("STOP_WORDS"), "different stop words of the list that occur, case-sensitive")
    ratio("hash_to_word_ratio", whole("HASHES"), word("WORDS"), "'#' per word")
    ratio("ellipsis_to_word_ratio", whole("ELLIPSES"), word("WORDS"), "'...' and '…' per word")
    count("line_count", broken("LINES"), "lines at any Unicode line break, empty ones included")
    ratio("bullet_line_share", broken("BULLETS"), broken("LINES"), "lines that start with '•' or '-', of all lines")
    ratio("ellipsis_line_share", broken("ELLIPSES"), broken("LINES"), "lines that end with '...' or '…', of all lines")
    count("paragraph_count", plain("PARAGRAPHS"), "paragraphs, cut at two or more newlines")
    ratio("duplicate_line_share", plain("REPEATED_PIECES"), plain("PIECES"), "lines seen before, of all non-empty lines")
    ratio("duplicate_line_character_share", plain("REPEATED_CHARACTERS"), characters, "characters in lines seen before")
    ratio(
        "duplicate_paragraph_share", plain("REPEATED_PARAGRAPHS"), plain("PARAGRAPHS"), "paragraphs seen before, of all paragraphs"
    )
    ratio(
        "duplicate_paragraph_character_share",
        plain("REPEATED_PARAGRAPH_CHARACTERS"),
        characters,
        "characters in paragraphs seen before",
    )
    gram_characters = whole("GRAM_CHARACTERS")
    for n in (2, 3, 4):
        ratio(f"top_{n}gram_character_share", gram(n), gram_characters, f"characters in the most frequent {n}-gram of words")
    for n in range(5, 11):
        ratio(
            f"duplicate_{n}gram_character_share",
            gram(n),
            gram_characters,
            f"characters in {n}-grams of words seen before, each character counted once",
        )
    count("filled_line_count", plain("FILLED"), "lines that hold more than white space")
    ratio("line_end_punctuation_share", plain("ENDED"), plain("FILLED"), "filled lines that end in a sentence-ending mark")
    ratio("short_line_share", plain("SHORT"), plain("FILLED"), "filled lines of at most 30 characters")
    columns["duplicate_filled_line_character_share"] = Column(
        "characters in filled lines seen before, of all characters but newlines",
        picked(plain("FILLED_REPEATED_CHARACTERS")),
        lambda kernel, counts: counts[:, kernel.CHARACTERS] - counts[:, kernel.NEWLINES],
    )
    ratio("newline_to_word_ratio", whole("NEWLINES"), word("WORDS"), "newlines per word: high in lists")
    count("c4_kept_line_count", broken("KEPT"), "lines that C4's line rules keep")
    count("c4_sentence_count", broken("SENTENCES"), "sentences in the lines that C4's line rules keep")
    count("c4_lorem_ipsum_line_count", broken("LOREM_LINES"), "otherwise good lines that hold 'lorem ipsum'")
    count("c4_curly_bracket_line_count", broken("CURLY_LINES"), "otherwise good lines that hold '{'")
    count("c4_javascript_line_count", broken("SCRIPT_LINES"), "otherwise good lines that hold 'javascript'")
    count("c4_policy_line_count", broken("POLICY_LINES"), "otherwise good lines on terms of use, privacy or cookies")
    ratio("han_character_share", whole("HAN"), characters, "Han characters, of all characters")
    ratio(
        "rare_han_share",
        whole("RARE_HAN"),
        whole("HAN"),
        "Han characters outside the first levels of both GB 2312 and Big5, of all Han: high in UTF-8 read as GBK",
    )
    ratio("digit_share", whole("DIGITS"), characters, "decimal digits of any script, of all characters")
    ratio("punctuation_share", whole("MARKS"), characters, "punctuation and symbols beyond U+00FF or in ASCII, of all characters")
    ratio(
        "damaged_character_share",
        whole("DAMAGED"),
        characters,
        "U+FFFD, controls, private use and noncharacters, of all characters: high in wrongly decoded text",
    )
    ratio(
        "latin_supplement_share",
        whole("SUPPLEMENT"),
        characters,
        "characters U+00A1 to U+00FF without the middle dot, of all characters: high in Chinese read as Latin-1",
    )
    ratio(
        "separator_share",
        whole("SEPARATORS"),
        characters,
        "white space and the dividers of menus (| ｜ · •), of all characters: high in lists of links",
    )
    ratio(
        "clause_mark_share",
        whole("CLAUSE_MARKS"),
        characters,
        "marks that end or divide a clause (，。、；：！？… and , ; ! ?), of all characters: none in lists of links",
    )
    return columns


COLUMNS: dict[str, Column] = _columns()


def column_meanings() -> dict[str, str]:
    """Give each column that `measure_text` adds, with its meaning, in order."""
    meanings = {name: column.meaning for name, column in COLUMNS.items()}
    return meanings | {WORD_MODE: "the word mode measured with: whitespace, script or dictionary; the presets of `keep` check it"}


@dataclass(frozen=True, slots=True, config=STRICT)
class MeasureText:
    """Add the document statistics of the Gopher, C4, FineWeb and Chinese rules.

    Input:  `column`: string, one document a row.
    Output: the batch with int32 counts, float32 ratios in the unit their meaning tells (shares in [0, 1]), and `word_mode`, as
            `liangji.pipeline.evaluation.text.column_meanings` lists them; all null where the text is null, ratios null where
            their denominator is zero. Rows and order kept. n-grams are looked for in the first 4,194,304 words.
    Raises: SchemaError where `column` is missing or is not a string; UsageError for `words: dictionary` without its extra.
    Source: Rae et al. 2021, arXiv:2112.11446, appendix A.1.1 and table A1 (Gopher); Raffel et al. 2020, JMLR 21(140),
            section 2.2 (C4); Penedo et al. 2024, arXiv:2406.17557, section 3.6 (FineWeb); details as in datatrove 0.10.
            Words of a dictionary: as `jieba.lcut(text, HMM=False)` of jieba 0.42.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.MEASURE
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT

    column: Annotated[str, Field(description="text column")] = TEXT
    words: Annotated[
        Literal["whitespace", "script", "dictionary"],
        Field(
            description="what a word is: a run between white space, as the published English rules count; or, for `script`, also "
            "each Han character, kana, punctuation mark and symbol by itself; or, for `dictionary`, as `script` but Han text cut "
            "into the words of jieba's list (extra `chinese`)"
        ),
    ] = "whitespace"
    language: Annotated[
        Literal["en", "zh"] | None,
        Field(description="whose stop words are counted; unset: en with whitespace words, else zh"),
    ] = None

    @model_validator(mode="after")
    def _dictionary_is_installed(self) -> Self:
        if self.words == "dictionary":
            dictionary_path()
        return self

    def fingerprint(self) -> str | None:
        """Name the word list that the counts hang on."""
        return dictionary_hash() if self.words == "dictionary" else None

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        from liangji.kernels import text_statistics as kernel  # noqa: PLC0415 - numba loads when the first batch comes

        texts = string_column(batch, self.column)
        is_null = np.asarray(texts.is_null().to_numpy(zero_copy_only=False))
        if texts.null_count:
            texts = pc.fill_null(texts, "")
        trie = dictionary() if self.words == "dictionary" else None
        counts = kernel.text_statistics(texts, script=self.words != "whitespace", stop_words=self._stop_words(), trie=trie)
        for name, column in COLUMNS.items():
            part = column.part(kernel, counts)
            values = _count(part, is_null) if column.whole is None else _ratio(part, column.whole(kernel, counts), is_null)
            batch = with_column(batch, name, values)
        modes = pa.array([self.words], pa.string()).take(pa.array(np.zeros(len(texts), np.int64), mask=is_null))
        return with_column(batch, WORD_MODE, modes)

    def _stop_words(self) -> tuple[str, ...]:
        language = self.language or ("en" if self.words == "whitespace" else "zh")
        return CHINESE_STOP_WORDS if language == "zh" else ENGLISH_STOP_WORDS


def _count(values: NDArray[np.int64], is_null: NDArray[np.bool_]) -> pa.Array:
    return pa.array(values, pa.int64(), mask=is_null).cast(pa.int32())


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64], is_null: NDArray[np.bool_]) -> pa.Array:
    undefined = whole == 0
    return pa.array((part / np.where(undefined, 1, whole)).astype(np.float32), mask=is_null | undefined)
