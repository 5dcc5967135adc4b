"""Bring text to one written form: Unicode form, width, invisible characters, white space; simplified Chinese.

Full width. NFKC would turn Chinese `，。（）：` into ASCII `,.():` and so damage correct Chinese text; yet `１３８` and `ＡＢＣ` are
better in half width, for searching, counting and personal information alike. So letters, digits and the signs that are no
Chinese punctuation (`＠％＋－／＝…`) become half width everywhere. Chinese punctuation becomes half width only in a line that
holds no CJK character at all; with the form NFKC as well.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from typing import Annotated, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field
from pydantic.dataclasses import dataclass

from liangji.core.operator import STRICT, OperatorKind
from liangji.core.schema import TEXT, Modality, string_column, with_column
from liangji.kernels.buffers import text_buffers
from liangji.kernels.scripts import Script

_LINE_ENDS = r"\r\n?|[\x{0B}\x{0C}\x{85}\x{2028}\x{2029}]"
_SET_SPACES = r"\x{A0}\x{1680}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}"  # spaces that only set type
_CONTROLS = r"\x{00}-\x{08}\x{0E}-\x{1F}\x{7F}-\x{84}\x{86}-\x{9F}"
_FORMATS = (  # soft hyphen, zero width space, bidirectional marks, word joiner, invisible operators, byte order mark, annotation anchors
    r"\x{AD}\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2060}-\x{206F}\x{FEFF}\x{FFF9}-\x{FFFB}"
)
_NONCHARACTERS = r"\x{FDD0}-\x{FDEF}" + "".join(rf"\x{{{plane:X}FFFE}}\x{{{plane:X}FFFF}}" for plane in range(17))
_PRIVATE_USE = r"\x{E000}-\x{F8FF}\x{F0000}-\x{FFFFD}\x{100000}-\x{10FFFD}"
_TAGS = r"\x{E0001}\x{E0020}-\x{E007F}"
_JOINERS = r"\x{200C}\x{200D}"
# A joiner shapes what stands before it in these scripts and in emoji; elsewhere it only hides a character boundary.
_JOINED = (
    r"\p{Arabic}\p{Syriac}\p{Mongolian}\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Gujarati}\p{Oriya}\p{Tamil}\p{Telugu}\p{Kannada}"
    r"\p{Malayalam}\p{Sinhala}\p{Khmer}\p{Myanmar}\p{Tibetan}\p{So}\x{1F3FB}-\x{1F3FF}\x{FE0F}\x{20E3}"
)
# Han, kana, Hangul, bopomofo, their radicals, strokes and marks: a line that holds one of them is a line of Chinese context.
_CJK_RANGES = (
    *((0x1100, 0x11FF), (0x2E80, 0x2FDF), (0x3001, 0x303F), (0x3041, 0x318F), (0x31A0, 0x31FF), (0x3400, 0x4DBF)),
    *((0x4E00, 0x9FFF), (0xA960, 0xA97F), (0xAC00, 0xD7FF), (0xF900, 0xFAFF), (0xFF61, 0xFFDC), (0x20000, 0x323AF)),
)
_CJK_RE2 = "".join(rf"\x{{{low:X}}}-\x{{{high:X}}}" for low, high in _CJK_RANGES)
_CJK = "".join(rf"\U{low:08x}-\U{high:08x}" for low, high in _CJK_RANGES)

_FULL_LOW, _FULL_HIGH, _TO_HALF = 0xFF01, 0xFF5E, 0xFF01 - 0x21
_CHINESE_PUNCTUATION = "！（），：；？［］｛｝～"
_FREE_WIDTH = "".join(c for c in map(chr, range(_FULL_LOW, _FULL_HIGH + 1)) if c not in _CHINESE_PUNCTUATION)
_HALF = {code: code - _TO_HALF for code in range(_FULL_LOW, _FULL_HIGH + 1)}
_FREE_WIDTH_RUN = re.compile(f"[{_FREE_WIDTH}]+")
_LATIN_LINE = re.compile(rf"^[^\n{_CJK}{_CHINESE_PUNCTUATION}]*[{_CHINESE_PUNCTUATION}][^\n{_CJK}]*$", re.MULTILINE)
_LATIN_LINE_RE2 = rf"(?m:^[^\n{_CJK_RE2}{_CHINESE_PUNCTUATION}]*[{_CHINESE_PUNCTUATION}][^\n{_CJK_RE2}]*$)"
_ELLIPSIS = "…"  # Chinese and English punctuation that NFKC would write as three full stops

_BEYOND_CANONICAL = 0x2FA20  # no character from here on has a decomposition or a combining class


@dataclass(frozen=True, slots=True, config=STRICT)
class NormalizeText:
    r"""Bring text to one Unicode form, width and white space, without invisible characters.

    In this order: line ends become `\n`; control characters, zero-width and bidirectional marks, soft hyphens, noncharacters and
    hidden tags go (joiners stay in emoji and in the scripts they shape); full width letters, digits and signs become half width,
    while Chinese punctuation stays as it is in Chinese lines; the Unicode form is taken; typographic spaces become plain ones;
    trailing spaces, runs of spaces within a line and long runs of blank lines go. Indentation by spaces and tabs is kept, since
    code and lists hang on it; ideographic indentation goes. Doing it twice changes nothing more.

    Input:  `column`: string.
    Output: the batch with `column` changed, type kept; null stays null, a text of nothing but white space becomes empty.
    Raises: SchemaError where `column` is missing or is not a string.
    Source: Unicode Standard Annex 15 (NFC, NFKC); Unicode 16.0 §23.2 (joiners), §23.7 (noncharacters); Annex 11 (width).
    """

    kind: ClassVar[OperatorKind] = OperatorKind.TRANSFORM
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT

    column: Annotated[str, Field(description="text column to normalise")] = TEXT
    form: Annotated[
        Literal["NFC", "NFKC", "none"],
        Field(description="Unicode form; NFKC also unfolds ligatures, circled digits and superscripts, which loses m² and ①"),
    ] = "NFC"
    width: Annotated[
        Literal["half", "keep"],
        Field(description="half: full width letters, digits and signs become ASCII, Chinese punctuation stays in Chinese lines"),
    ] = "half"
    whitespace: Annotated[
        Literal["tidy", "keep"],
        Field(description="tidy: one kind of space, none trailing, no runs within a line; keep: only line ends are unified"),
    ] = "tidy"
    maximum_blank_lines: Annotated[
        int, Field(ge=0, le=100, description="blank lines kept between two lines of text, 0 to 100; longer runs are cut to it")
    ] = 1
    private_use: Annotated[
        Literal["remove", "keep"],
        Field(description="characters of the private use areas: icons of web fonts for the most part, without meaning elsewhere"),
    ] = "remove"

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        column = string_column(batch, self.column)
        needing = pc.fill_null(pc.match_substring_regex(column, self._sign_of_need()), False)
        if not needing.true_count:
            return batch
        texts = self._normalised(column.filter(needing))
        return with_column(batch, self.column, pc.replace_with_mask(column, needing, texts))

    def warm_up(self) -> None:
        self._sign_of_need()

    def _normalised(self, texts: pa.Array) -> pa.Array:
        texts = _replaced(texts, _LINE_ENDS, "\n")
        texts = _replaced(texts, _invisible(self.private_use), r"\1\2")
        if self.form == "NFKC":
            texts = _where(texts, _re2_class(_compatibility_characters()), _unfolded)
        if self.width == "half":
            texts = _where(texts, f"[{_FREE_WIDTH}]", _in_half_width)
            texts = _where(texts, _LATIN_LINE_RE2, _with_latin_lines_in_half_width)
        if self.form != "none":
            canonical = _re2_class(_not_surely_canonical())
            texts = _where(texts, canonical, _composed)  # NFKC is NFC over what was unfolded above
        if self.whitespace == "tidy":
            for pattern, replacement in _white_space_rules(self.maximum_blank_lines):
                texts = _replaced(texts, pattern, replacement)
        return texts

    def _sign_of_need(self) -> str:
        return _sign_of_need(self.form, self.width, self.whitespace, self.maximum_blank_lines, self.private_use)


_KANA_SHARE_OF_JAPANESE = 0.1  # Japanese prose is a third kana and more; Chinese with a stray の stays far below


@dataclass(frozen=True, slots=True, config=STRICT)
class SimplifyChinese:
    """Write traditional Chinese in simplified characters; leave every other text alone.

    Only a text that holds a traditional character is converted. Phrases and words of a region (`tw2sp`: 軟體 → 软件) are put
    only where traditional characters outnumber simplified ones, since their tables would change correct simplified words
    (核心 → 内核); elsewhere the general conversion `t2s` serves. Japanese is left as it is.

    Input:  `column`: string.
    Output: the batch with `column` changed; with `count_column`, also that column: int32, the number of traditional characters
            before the change, null where the text is null.
    Raises: SchemaError where `column` is missing or is not a string.
    Source: OpenCC dictionaries (TSCharacters, TSPhrases and those of the variant).
    """

    kind: ClassVar[OperatorKind] = OperatorKind.TRANSFORM
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT

    column: Annotated[str, Field(description="text column to convert")] = TEXT
    variant: Annotated[
        Literal["t2s", "tw2s", "hk2s", "tw2sp"],
        Field(description="what is converted: any traditional text, Taiwan's or Hong Kong's standard, Taiwan's with its words"),
    ] = "t2s"
    count_column: Annotated[
        str | None, Field(description="name of a column for the number of traditional characters; none is added without it")
    ] = None

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        from liangji.kernels.script_counts import script_counts  # noqa: PLC0415 - compiles

        column = string_column(batch, self.column)
        counts = script_counts(text_buffers(column))
        traditional, simplified = counts[:, Script.HAN_TRADITIONAL], counts[:, Script.HAN_SIMPLIFIED]
        han = counts[:, Script.HAN] + traditional + simplified
        is_japanese = counts[:, Script.KANA] > _KANA_SHARE_OF_JAPANESE * (counts[:, Script.KANA] + han)
        needing = (traditional > 0) & ~is_japanese
        if needing.any():
            converters = [_converter(self.variant if by_variant else "t2s") for by_variant in (traditional > simplified)[needing]]
            texts = column.filter(pa.array(needing)).to_pylist()
            converted = [convert(text) for convert, text in zip(converters, texts, strict=True)]
            changed = pc.replace_with_mask(column, pa.array(needing), pa.array(converted, column.type))
            batch = with_column(batch, self.column, changed)
        if self.count_column is not None:
            is_null = column.is_null().to_numpy(zero_copy_only=False)
            batch = with_column(batch, self.count_column, pa.array(traditional.astype(np.int32), mask=is_null))
        return batch

    def warm_up(self) -> None:
        self(pa.record_batch({self.column: ["a"]}))
        _converter(self.variant)


@cache
def _converter(variant: str) -> Callable[[str], str]:
    import opencc  # noqa: PLC0415 - loads dictionaries

    convert: Callable[[str], str] = opencc.OpenCC(variant).convert
    return convert


@cache
def _sign_of_need(form: str, width: str, whitespace: str, maximum_blank_lines: int, private_use: str) -> str:
    """Build the one pattern that a text must match before anything can change in it: most texts are passed on untouched."""
    characters = rf"\r\x{{0B}}\x{{0C}}\x{{85}}\x{{2028}}\x{{2029}}{_CONTROLS}{_FORMATS}{_NONCHARACTERS}{_TAGS}{_JOINERS}"
    if private_use == "remove":
        characters += _PRIVATE_USE
    if whitespace == "tidy":
        characters += _SET_SPACES
    if width == "half":
        characters += _FREE_WIDTH
    if form != "none":
        characters += _re2_class(_not_surely_canonical())[1:-1]
    if form == "NFKC":
        characters += _re2_class(_compatibility_characters())[1:-1]
    signs = [f"[{characters}]"]
    if width == "half":
        signs.append(_LATIN_LINE_RE2)
    if whitespace == "tidy":
        signs += [pattern for pattern, _ in _white_space_rules(maximum_blank_lines)[2:]]
    return "|".join(signs)


@cache
def _white_space_rules(maximum_blank_lines: int) -> tuple[tuple[str, str], ...]:
    """Give pattern and replacement, in order. The first two are the only ones that see typographic spaces."""
    kept = maximum_blank_lines + 1
    return (
        (rf"(?m)^[ \t]*[{_SET_SPACES}][ \t{_SET_SPACES}]*", ""),
        (rf"[{_SET_SPACES}]", " "),
        (r"[ \t]+(\n|\z)", r"\1"),
        (r"([^ \t\n]) {2,}", r"\1 "),
        (rf"\n{{{kept + 1},}}", "\n" * kept),
        (r"\A\n+|\n+\z", ""),
    )


@cache
def _invisible(private_use: str) -> str:
    """Build the pattern of what cannot be seen; groups 1 and 2 hold joiners and flag tags that stay, with what they join."""
    removed = f"{_CONTROLS}{_FORMATS}{_NONCHARACTERS}{_TAGS}{_JOINERS}" + (_PRIVATE_USE if private_use == "remove" else "")
    return rf"([{_JOINED}][{_JOINERS}])|(\x{{1F3F4}}[{_TAGS}]+)|[{removed}]"


def _where(texts: pa.Array, pattern: str, change: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Change the texts that match: finding them runs at memory speed and without Python's lock, changing them may not."""
    matching = pc.match_substring_regex(texts, pattern)
    if not matching.true_count:
        return texts
    return pc.replace_with_mask(texts, matching, change(texts.filter(matching)))


def _replaced(texts: pa.Array, pattern: str, replacement: str) -> pa.Array:
    """Replace in the texts that match: replacing costs ten times as much as finding that there is nothing to replace."""
    return _where(texts, pattern, lambda matching: pc.replace_substring_regex(matching, pattern, replacement))


def _composed(texts: pa.Array) -> pa.Array:
    return pc.utf8_normalize(texts, "NFC")


def _unfolded(texts: pa.Array) -> pa.Array:
    pattern = re.compile(f"{_python_class(_compatibility_characters())}+")
    return _each(texts, lambda text: pattern.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text))


def _in_half_width(texts: pa.Array) -> pa.Array:
    return _each(texts, lambda text: _FREE_WIDTH_RUN.sub(lambda found: found[0].translate(_HALF), text))


def _with_latin_lines_in_half_width(texts: pa.Array) -> pa.Array:
    return _each(texts, lambda text: _LATIN_LINE.sub(lambda line: line[0].translate(_HALF), text))


def _each(texts: pa.Array, change: Callable[[str], str]) -> pa.Array:
    return pa.array(map(change, texts.to_pylist()), texts.type)


@cache
def _compatibility_characters() -> tuple[int, ...]:
    """List the characters that NFKC unfolds and that neither width nor white space nor Chinese punctuation decides about."""
    kept = {*range(_FULL_LOW, _FULL_HIGH + 1), ord(_ELLIPSIS), 0x3000}
    return tuple(
        code for code in range(0x80, _BEYOND_CANONICAL) if code not in kept and unicodedata.decomposition(chr(code)).startswith("<")
    )


@cache
def _not_surely_canonical() -> tuple[int, ...]:
    """List the characters without which a text is in NFC for sure (Annex 15, section 9: quick check).

    Characters that this Python does not know count as well, so that Arrow's newer table decides about them.
    """
    seconds = set()
    for code in range(_BEYOND_CANONICAL):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            seconds.add(int(parts[1], 16))
    jamo = {*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}
    return tuple(
        code
        for code in range(0x80, _BEYOND_CANONICAL)
        if not 0xD800 <= code < 0xF900
        and (
            code in seconds
            or code in jamo
            or unicodedata.combining(chr(code)) != 0
            or unicodedata.category(chr(code)) == "Cn"
            or not unicodedata.is_normalized("NFC", chr(code))
        )
    )


def _ranges(codes: Iterable[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1] = (ranges[-1][0], code)
        else:
            ranges.append((code, code))
    return ranges


def _re2_class(codes: Iterable[int]) -> str:
    return "[" + "".join(rf"\x{{{low:X}}}-\x{{{high:X}}}" for low, high in _ranges(codes)) + "]"


def _python_class(codes: Iterable[int]) -> str:
    return "[" + "".join(rf"\U{low:08x}-\U{high:08x}" for low, high in _ranges(codes)) + "]"
