"""Which language a text is in: its script decides where it can, a statistical model only where one script serves many languages."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field
from pydantic.dataclasses import dataclass

from liangji.core.operator import STRICT, OperatorKind
from liangji.core.schema import TEXT, Modality, string_column, with_column
from liangji.kernels.buffers import text_buffers
from liangji.kernels.scripts import Script, script_table

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from py3langid.langid import LanguageIdentifier

UNDECIDED = "und"  # ISO 639-3 and BCP 47: undetermined

_LANGUAGE_OF_SCRIPT = {
    Script.HANGUL: "ko",
    Script.GREEK: "el",
    Script.HEBREW: "he",
    Script.GURMUKHI: "pa",
    Script.GUJARATI: "gu",
    Script.ORIYA: "or",
    Script.TAMIL: "ta",
    Script.TELUGU: "te",
    Script.KANNADA: "kn",
    Script.MALAYALAM: "ml",
    Script.SINHALA: "si",
    Script.THAI: "th",
    Script.LAO: "lo",
    Script.TIBETAN: "bo",
    Script.MYANMAR: "my",
    Script.GEORGIAN: "ka",
    Script.ARMENIAN: "hy",
    Script.ETHIOPIC: "am",
    Script.KHMER: "km",
    Script.MONGOLIAN: "mn-Mong",
    Script.YI: "ii",
}
_LANGUAGES_OF_SHARED_SCRIPT = {
    Script.CYRILLIC: frozenset(["ba", "be", "bg", "kk", "ky", "mk", "mn", "ru", "sr", "tg", "tt", "uk"]),
    Script.ARABIC: frozenset(["ar", "ary", "arz", "fa", "ps", "sdh", "ug", "ur"]),
    Script.DEVANAGARI: frozenset(["gom", "hi", "mr", "ne", "sa"]),
    Script.BENGALI: frozenset(["as", "bn"]),
}
_NEVER_LATIN = frozenset(
    [
        "am",
        "ar",
        "ary",
        "arz",
        "as",
        "ba",
        "be",
        "bg",
        "bn",
        "dz",
        "el",
        "fa",
        "grc",
        "gu",
        "gom",
        "hbo",
        "he",
        "hi",
        "hy",
        "ja",
        "ka",
        "kk",
        "km",
        "kn",
        "ko",
        "ky",
        "lo",
        "mk",
        "ml",
        "mn",
        "mr",
        "my",
        "ne",
        "or",
        "pa",
        "ps",
        "ru",
        "sa",
        "sdh",
        "si",
        "ta",
        "te",
        "tg",
        "th",
        "ug",
        "uk",
        "ur",
        "wuu",
        "yue",
        "zh",
    ]
)
_LETTERS_PER_WORD = 4  # a Han character or kana says as much as several letters: a Chinese text with code in it stays Chinese
_KANA_SHARE_OF_JAPANESE = 0.1
_MODEL_CHARACTERS = 2000  # the model's answer is settled long before

_LEAST_PROSE_SHARE = 0.1  # of East Asian to Latin letters, from which a text is looked at as prose with code in it
_CODE = r"(?s)```.*?```|~~~.*?~~~|`[^`\n]*`|<[^<>]{1,400}>|(?i:https?|ftp)://[!-~]+|\]\([!-~]+\)|(?-s:^---\n(?:.*\n)*?---\n)"
_EAST_ASIAN = [Script.HAN, Script.HAN_SIMPLIFIED, Script.HAN_TRADITIONAL, Script.KANA]


@dataclass(frozen=True, slots=True, config=STRICT)
class IdentifyLanguage:
    """Add the language of a text, and how sure that is.

    The letters of each script are counted over the whole text, a Han character, kana or Hangul syllable as four letters. Kana
    makes Japanese; among Chinese, characters that only one of the two writes decide between simplified and traditional. Latin,
    Cyrillic, Arabic, Devanagari and Bengali letters serve many languages: there a naive Bayes model over byte sequences answers,
    on the first 2 000 characters.

    Input:  `column`: string.
    Output: the batch with `language`: string, a BCP 47 tag (zh simplified or alike in both, zh-Hant traditional, en, ja, ko, …),
            `und` where no letter is found or the score is under `minimum_score`, null where the text is null; and
            `language_score`: float32 in [0, 1], share of the language's script, times the model's probability where it was asked.
    Raises: SchemaError where `column` is missing or is not a string.
    Source: scripts: Unicode Character Database, Blocks; Chinese: OpenCC dictionaries; model: Lui & Baldwin 2011, IJCNLP,
            "Cross-domain Feature Selection for Language Identification", as trained for py3langid.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.MEASURE
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT

    column: Annotated[str, Field(description="text column to judge")] = TEXT
    minimum_score: Annotated[float, Field(ge=0, le=1, description="score, 0 to 1, under which the language is left undecided")] = (
        0.3
    )

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        texts = string_column(batch, self.column)
        is_null = ~text_buffers(texts).valid
        texts, counts = _without_code_where_mixed(texts, _counts(texts))
        scripts, shares = _dominant_scripts(counts)
        languages = np.full(batch.num_rows, UNDECIDED, object)
        scores = shares.copy()
        is_east_asian = scripts == Script.HAN
        languages[is_east_asian] = _east_asian_languages(counts[is_east_asian])
        for script, language in _LANGUAGE_OF_SCRIPT.items():
            languages[scripts == script] = language
        for row in np.flatnonzero(np.isin(scripts, (Script.LATIN, *_LANGUAGES_OF_SHARED_SCRIPT)) & (shares > 0)):
            languages[row], probability = _modelled_language(texts[int(row)].as_py(), Script(scripts[row]))
            scores[row] *= probability
        languages[(scores < self.minimum_score) | (shares == 0)] = UNDECIDED
        batch = with_column(batch, "language", pa.array(languages, pa.string(), mask=is_null))
        return with_column(batch, "language_score", pa.array(scores.astype(np.float32), mask=is_null))


def _counts(texts: pa.Array) -> NDArray[np.int64]:
    from liangji.kernels.script_counts import script_counts  # noqa: PLC0415 - compiles

    return script_counts(text_buffers(texts)).astype(np.int64)


def _without_code_where_mixed(texts: pa.Array, counts: NDArray[np.int64]) -> tuple[pa.Array, NDArray[np.int64]]:
    """Take program code, markup and addresses out of texts that hold both Latin and East Asian letters in plenty.

    The language of a manual is that of its prose, however long its listings.
    """
    east_asian = _LETTERS_PER_WORD * counts[:, [*_EAST_ASIAN, Script.HANGUL]].sum(axis=1)
    is_mixed = (counts[:, Script.LATIN] > east_asian) & (east_asian > _LEAST_PROSE_SHARE * counts[:, Script.LATIN])
    if not is_mixed.any():
        return texts, counts
    prose = pc.replace_substring_regex(texts.filter(pa.array(is_mixed)), _CODE, " ")
    counts = counts.copy()
    counts[is_mixed] = _counts(prose)
    return pc.replace_with_mask(texts, pa.array(is_mixed), prose), counts


def _dominant_scripts(counts: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Find the script of most weight in each row, and its share; Han stands for Han and kana together."""
    weights = counts.copy()
    weights[:, Script.NONE] = 0
    weights[:, [*_EAST_ASIAN, Script.HANGUL]] *= _LETTERS_PER_WORD
    weights[:, Script.HAN] = weights[:, _EAST_ASIAN].sum(axis=1)
    weights[:, _EAST_ASIAN[1:]] = 0
    totals = weights.sum(axis=1)
    return weights.argmax(axis=1), weights.max(axis=1) / np.maximum(totals, 1)


def _east_asian_languages(counts: NDArray[np.int64]) -> NDArray[np.str_]:
    kana = counts[:, Script.KANA]
    is_japanese = kana > _KANA_SHARE_OF_JAPANESE * counts[:, _EAST_ASIAN].sum(axis=1)
    is_traditional = counts[:, Script.HAN_TRADITIONAL] > counts[:, Script.HAN_SIMPLIFIED]
    return np.where(is_japanese, "ja", np.where(is_traditional, "zh-Hant", "zh"))


def _modelled_language(text: str, script: Script) -> tuple[str, float]:
    """Ask the model for the likeliest language that is written in the script."""
    written_in = _LANGUAGES_OF_SHARED_SCRIPT.get(script)
    for language, probability in _model().rank(_only(script, text)):
        if language in written_in if written_in is not None else language not in _NEVER_LATIN:
            return language, float(probability)
    return UNDECIDED, 0.0


def _only(script: Script, text: str) -> str:
    """Blank out the letters of other scripts, which the model would follow, and cut to what it needs."""
    head = text[: 4 * _MODEL_CHARACTERS]
    codes = np.frombuffer(head.encode("utf-32-le"), np.uint32).copy()
    codes[~np.isin(script_table()[codes], (Script.NONE, script))] = ord(" ")
    return " ".join(codes.tobytes().decode("utf-32-le").split())[:_MODEL_CHARACTERS]


@cache
def _model() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415 - unpacks a model of some megabytes

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
