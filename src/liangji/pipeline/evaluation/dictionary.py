"""The word list of the package `jieba`, for cutting Chinese text into words; its code is never imported."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc
from pyarrow import csv, int64, string

from liangji.core.errors import InputError, UsageError

if TYPE_CHECKING:
    from liangji.kernels.word_trie import WordTrie

_LOOKED_UP = "^[\u4e00-\u9fd5a-zA-Z0-9+#&._%-]+$"  # other characters stand in no block that is segmented
_COLUMNS = {"word": string(), "frequency": int64(), "tag": string()}


def dictionary_path() -> Path:
    """Find the word list.

    Raises: UsageError where the optional package is not installed.
    """
    package = find_spec("jieba")
    if package is None or package.origin is None:
        raise UsageError("words cut by a dictionary need an optional part", "", 'pip install "liangji[chinese]"')
    return Path(package.origin).with_name("dict.txt")


@cache
def dictionary_hash() -> str:
    """Name the word list by its bytes: SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(dictionary_path().read_bytes()).hexdigest()


@cache
def dictionary() -> WordTrie:
    """Load the word list, once a process: lines of word, frequency and tag, divided by a space.

    Raises: UsageError where the optional package is not installed; InputError where its word list is not one.
    """
    from liangji.kernels.word_trie import word_trie  # noqa: PLC0415 - compiles

    path = dictionary_path()
    try:
        lines = csv.read_csv(
            path,
            read_options=csv.ReadOptions(column_names=list(_COLUMNS)),
            parse_options=csv.ParseOptions(delimiter=" ", quote_char=False),
            convert_options=csv.ConvertOptions(column_types=_COLUMNS, strings_can_be_null=False),
        )
    except (OSError, ValueError) as error:  # Arrow's errors are ValueErrors
        raise InputError(f"cannot read the word list: {error}", path.name, 'pip install --force-reinstall "jieba>=0.42"') from error
    total = pc.sum(lines["frequency"]).as_py()
    is_word = pc.and_(pc.match_substring_regex(lines["word"], _LOOKED_UP), pc.greater(lines["frequency"], 0))
    lines = lines.filter(is_word).combine_chunks()
    return word_trie(lines["word"].chunk(0), lines["frequency"].chunk(0).to_numpy(), total)
