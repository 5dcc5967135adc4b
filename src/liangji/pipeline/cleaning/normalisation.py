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
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from liangji.core.operator import STRICT, OperatorKind
from liangji.core.schema import TEXT, Modality, string_column, with_column
from liangji.kernels.buffers import text_buffers
from liangji.kernels.scripts import Script

if TYPE_CHECKING:
    from liangji.kernels.text_signs import CharacterSigns

Ranges = tuple[tuple[int, int], ...]  # of code points, both ends included


def _ranges_of(written: str) -> Ranges:
    spans = [span.partition("-") for span in written.split()]
    return tuple((int(first, 16), int(last or first, 16)) for first, _, last in spans)


def _ranges(codes: Iterable[int]) -> Ranges:
    ranges: list[tuple[int, int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1] = (ranges[-1][0], code)
        else:
            ranges.append((code, code))
    return tuple(ranges)


def _re2(ranges: Ranges) -> str:
    """Write the inside of a class of characters for RE2."""
    return "".join(rf"\x{{{low:X}}}-\x{{{high:X}}}" for low, high in ranges)


def _python(ranges: Ranges) -> str:
    """Write the inside of a class of characters for `re`."""
    return "".join(rf"\U{low:08x}-\U{high:08x}" for low, high in ranges)


_LINE_ENDS = _ranges_of("B C D 85 2028 2029")  # besides the line feed
_SET_SPACES = _ranges_of("A0 1680 2000-200A 202F 205F 3000")  # spaces that only set type
_CONTROLS = _ranges_of("0-8 E-1F 7F-84 86-9F")
# Soft hyphen, zero width space, bidirectional marks, word joiner, invisible operators, byte order mark, annotation anchors.
_FORMATS = _ranges_of("AD 200B 200E 200F 202A-202E 2060-206F FEFF FFF9-FFFB")
_NONCHARACTERS = ((0xFDD0, 0xFDEF), *((plane << 16 | 0xFFFE, plane << 16 | 0xFFFF) for plane in range(17)))
_PRIVATE_USE = _ranges_of("E000-F8FF F0000-FFFFD 100000-10FFFD")
_TAGS = _ranges_of("E0001 E0020-E007F")
_JOINERS = _ranges_of("200C 200D")
# A joiner shapes what stands before it in these scripts and in emoji; elsewhere it only hides a character boundary.
_JOINED_RE2 = (
    r"\p{Arabic}\p{Syriac}\p{Mongolian}\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Gujarati}\p{Oriya}\p{Tamil}\p{Telugu}\p{Kannada}"
    r"\p{Malayalam}\p{Sinhala}\p{Khmer}\p{Myanmar}\p{Tibetan}\p{So}\x{1F3FB}-\x{1F3FF}\x{FE0F}\x{20E3}"
)
# Han, kana, Hangul, bopomofo, their radicals, strokes and marks: a line that holds one of them is a line of Chinese context.
_CJK = _ranges_of(
    "1100-11FF 2E80-2FDF 3001-303F 3041-318F 31A0-31FF 3400-4DBF 4E00-9FFF A960-A97F AC00-D7FF F900-FAFF FF61-FFDC 20000-323AF"
)

_FULL_LOW, _FULL_HIGH, _TO_HALF = 0xFF01, 0xFF5E, 0xFF01 - 0x21
_CHINESE_PUNCTUATION = "！（），：；？［］｛｝～"
_FREE_WIDTH = "".join(c for c in map(chr, range(_FULL_LOW, _FULL_HIGH + 1)) if c not in _CHINESE_PUNCTUATION)
_HALF = {code: code - _TO_HALF for code in range(_FULL_LOW, _FULL_HIGH + 1)}
_FREE_WIDTH_RUN = re.compile(f"[{_FREE_WIDTH}]+")
_LATIN_LINE = re.compile(
    rf"^[^\n{_python(_CJK)}{_CHINESE_PUNCTUATION}]*[{_CHINESE_PUNCTUATION}][^\n{_python(_CJK)}]*$", re.MULTILINE
)
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
        signs = self._signs(column)
        needing = signs != 0
        if not needing.any():
            return batch
        chosen = pa.array(needing)
        texts = self._normalised(column.filter(chosen), signs[needing])
        return with_column(batch, self.column, pc.replace_with_mask(column, chosen, texts))

    def warm_up(self) -> None:
        self._signs(pa.array(["a"]))

    def _normalised(self, texts: pa.Array, signs: NDArray[np.uint16]) -> pa.Array:
        """Take each step over the texts that show its sign; what a step changed may show other signs."""
        for sign, change in self._steps():
            showing = signs & sign != 0
            if showing.any():
                chosen = pa.array(showing)
                changed = change(texts.filter(chosen))
                signs[showing] = self._signs(changed)
                texts = pc.replace_with_mask(texts, chosen, changed)
        return texts

    def _signs(self, texts: pa.Array) -> NDArray[np.uint16]:
        """Give the signs of each text that a step looks for: uint16[texts], zero where nothing can change."""
        from liangji.kernels.text_signs import text_signs  # noqa: PLC0415 - compiles

        if texts.null_count:
            texts = pc.fill_null(texts, "")
        wanted = np.bitwise_or.reduce([sign for sign, _ in self._steps()])
        return text_signs(text_buffers(texts), _character_signs(self.private_use), self.maximum_blank_lines + 1) & np.uint16(wanted)

    def _steps(self) -> tuple[Step, ...]:
        return _steps(self.form, self.width, self.whitespace, self.maximum_blank_lines, self.private_use)


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


Step = tuple[int, Callable[[pa.Array], pa.Array]]  # a sign of `liangji.kernels.text_signs`, and what is done to texts that show it


@cache
def _steps(form: str, width: str, whitespace: str, maximum_blank_lines: int, private_use: str) -> tuple[Step, ...]:
    """List what normalisation does, in order."""
    from liangji.kernels import text_signs as signs  # noqa: PLC0415 - compiles

    steps: list[Step] = [
        (signs.LINE_END, _replacing(rf"\r\n?|[{_re2(_LINE_ENDS)}]", "\n")),
        (signs.INVISIBLE, _replacing(_invisible_re2(private_use), r"\1\2")),
    ]
    if form == "NFKC":
        steps.append((signs.COMPATIBILITY, _unfolded))
    if width == "half":
        steps += [(signs.FREE_WIDTH, _in_half_width), (signs.LATIN_LINE, _with_latin_lines_in_half_width)]
    if form != "none":
        steps.append((signs.NOT_CANONICAL, _composed))  # NFKC is NFC over what was unfolded above
    if whitespace == "tidy":
        spaces, kept = _re2(_SET_SPACES), maximum_blank_lines + 1
        steps += [
            (signs.SET_SPACE, _replacing(rf"(?m)^[ \t]*[{spaces}][ \t{spaces}]*", "")),
            (signs.SET_SPACE, _replacing(rf"[{spaces}]", " ")),
            (signs.TRAILING_SPACE, _replacing(r"[ \t]+(\n|\z)", r"\1")),
            (signs.SPACE_RUN, _replacing(r"([^ \t\n]) {2,}", r"\1 ")),
            (signs.NEWLINE_RUN, _replacing(rf"\n{{{kept + 1},}}", "\n" * kept)),
            (signs.EDGE_NEWLINE, _replacing(r"\A\n+|\n+\z", "")),
        ]
    return tuple(steps)


@cache
def _character_signs(private_use: str) -> CharacterSigns:
    from liangji.kernels import text_signs as signs  # noqa: PLC0415 - compiles

    return signs.character_signs(
        {
            signs.LINE_END: _LINE_ENDS,
            signs.INVISIBLE: _invisible(private_use),
            signs.SET_SPACE: _SET_SPACES,
            signs.FREE_WIDTH: _ranges(map(ord, _FREE_WIDTH)),
            signs.NOT_CANONICAL: _not_surely_canonical(),
            signs.COMPATIBILITY: _compatibility_characters(),
            signs.CJK: _CJK,
            signs.CHINESE_PUNCTUATION: _ranges(map(ord, _CHINESE_PUNCTUATION)),
        }
    )


def _invisible(private_use: str) -> Ranges:
    removed = (*_CONTROLS, *_FORMATS, *_NONCHARACTERS, *_TAGS, *_JOINERS)
    return (*removed, *_PRIVATE_USE) if private_use == "remove" else removed


def _invisible_re2(private_use: str) -> str:
    """Build the pattern of what cannot be seen; groups 1 and 2 hold joiners and flag tags that stay, with what they join."""
    return rf"([{_JOINED_RE2}][{_re2(_JOINERS)}])|(\x{{1F3F4}}[{_re2(_TAGS)}]+)|[{_re2(_invisible(private_use))}]"


def _replacing(pattern: str, replacement: str) -> Callable[[pa.Array], pa.Array]:
    return lambda texts: pc.replace_substring_regex(texts, pattern, replacement)


def _composed(texts: pa.Array) -> pa.Array:
    return pc.utf8_normalize(texts, "NFC")


def _unfolded(texts: pa.Array) -> pa.Array:
    pattern = re.compile(f"[{_python(_compatibility_characters())}]+")
    return _each(texts, lambda text: pattern.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text))


def _in_half_width(texts: pa.Array) -> pa.Array:
    return _each(texts, lambda text: _FREE_WIDTH_RUN.sub(lambda found: found[0].translate(_HALF), text))


def _with_latin_lines_in_half_width(texts: pa.Array) -> pa.Array:
    return _each(texts, lambda text: _LATIN_LINE.sub(lambda line: line[0].translate(_HALF), text))


def _each(texts: pa.Array, change: Callable[[str], str]) -> pa.Array:
    return pa.array(map(change, texts.to_pylist()), texts.type)


@cache
def _compatibility_characters() -> Ranges:
    """List the characters that NFKC unfolds and that neither width nor white space nor Chinese punctuation decides about."""
    kept = {*range(_FULL_LOW, _FULL_HIGH + 1), ord(_ELLIPSIS), 0x3000}
    return _ranges(
        code for code in range(0x80, _BEYOND_CANONICAL) if code not in kept and unicodedata.decomposition(chr(code)).startswith("<")
    )


@cache
def _not_surely_canonical() -> Ranges:
    """List the characters without which a text is in NFC for sure (Annex 15, section 9: quick check).

    Characters that this Python does not know count as well, so that Arrow's newer table decides about them.
    """
    seconds = set()
    for code in range(_BEYOND_CANONICAL):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            seconds.add(int(parts[1], 16))
    jamo = {*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}
    return _ranges(
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
