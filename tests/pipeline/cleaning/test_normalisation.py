"""Normalisation: what changes, what must not, and that doing it twice changes nothing more."""

from __future__ import annotations

import json
import tarfile
import unicodedata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from liangji.core.errors import SchemaError
from liangji.pipeline.cleaning.normalisation import NormalizeText, SimplifyChinese

TROUBLE = " \t\n\r\x00\x0b\x7f\x85\xa0\xad  \u200b\u200c\u200d\u200e\u2028\u202e\u2060\ufeff\u3000，。（）：ＡＢ１２＠％～…①㎡ﬁｱﾞ가\u1100\u1161\u11a8e\u0301\u0327क्‌‍ﻻ👨🏴\U000e0067\U000e007f\ue000\ufdd0\U0001ffff汉か後aA1.,"
FRAGMENTS = ["e\u0301", "\u1100\u1161\u11a8", "か\u3099", "👨\u200d👩", "क्\u200d", "\r\n", "\n\n\n\n", " \t ", "x，y\n", "汉，"]
PIECES = st.one_of(st.sampled_from(TROUBLE), st.sampled_from(FRAGMENTS), st.characters(exclude_categories=["Cs"]))
TEXTS = st.lists(PIECES, max_size=30).map("".join)


def normalised(*texts: str | None, kind: pa.DataType | None = None, **options: Any) -> list[str | None]:
    batch = pa.record_batch({"text": pa.array(texts, kind or pa.large_string())})
    changed: list[str | None] = NormalizeText(**options)(batch)["text"].to_pylist()
    return changed


@settings(max_examples=300, deadline=None)
@given(
    text=TEXTS,
    form=st.sampled_from(["NFC", "NFKC", "none"]),
    width=st.sampled_from(["half", "keep"]),
    whitespace=st.sampled_from(["tidy", "keep"]),
    blank_lines=st.integers(0, 2),
)
def test_normalising_twice_is_normalising_once(text: str, form: str, width: str, whitespace: str, blank_lines: int) -> None:
    options = {"form": form, "width": width, "whitespace": whitespace, "maximum_blank_lines": blank_lines}
    once = normalised(text, **options)
    assert normalised(*once, **options) == once
    if form != "none":
        assert once == [unicodedata.normalize("NFC", once[0] or "")]


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(st.none() | TEXTS, min_size=1, max_size=6), cut=st.integers(0, 6))
def test_a_text_does_not_depend_on_its_neighbours_or_on_the_string_type(texts: list[str | None], cut: int) -> None:
    together = normalised(*texts)
    assert [text for each in texts for text in normalised(each)] == together
    assert normalised(*texts, kind=pa.string()) == together
    batch = pa.record_batch({"text": pa.array(texts, pa.large_string())})
    assert NormalizeText()(batch.slice(cut))["text"].to_pylist() == together[cut:]


@settings(max_examples=400, deadline=None)
@given(
    texts=st.lists(st.none() | TEXTS, min_size=1, max_size=4),
    form=st.sampled_from(["NFC", "NFKC", "none"]),
    width=st.sampled_from(["half", "keep"]),
    whitespace=st.sampled_from(["tidy", "keep"]),
    blank_lines=st.integers(0, 2),
    private_use=st.sampled_from(["remove", "keep"]),
)
def test_no_sign_hides_what_a_step_would_change(
    texts: list[str | None], form: str, width: str, whitespace: str, blank_lines: int, private_use: str
) -> None:
    options: dict[str, Any] = {"form": form, "width": width, "whitespace": whitespace, "private_use": private_use}
    options["maximum_blank_lines"] = blank_lines
    changed = pa.array([text or "" for text in texts], pa.large_string())
    for _, change in NormalizeText(**options)._steps():  # each step over every text, whatever its signs
        changed = change(changed)
    expected = [None if text is None else after for text, after in zip(texts, changed.to_pylist(), strict=True)]
    assert normalised(*texts, **options) == expected


def test_a_null_that_owns_bytes_stays_null() -> None:
    texts = pa.array(["a  b", "c  d", "e"], pa.string())
    validity = pa.py_buffer(bytes([0b101]))
    column = pa.Array.from_buffers(pa.string(), 3, [validity, *texts.buffers()[1:]])
    assert NormalizeText()(pa.record_batch({"text": column}))["text"].to_pylist() == ["a b", None, "e"]


def test_chinese_punctuation_stays_full_width_where_there_is_chinese() -> None:
    assert normalised("电压：２２０Ｖ，正常（ＯＫ）！？；", form="NFKC") == ["电压：220V，正常（OK）！？；"]


def test_punctuation_becomes_half_width_in_a_line_without_chinese() -> None:
    assert normalised("ｔｅｌ：１３８，ｏｋ\n电话：１３８，好") == ["tel:138,ok\n电话：138，好"]


def test_joiners_stay_in_emoji_and_in_the_scripts_they_shape_and_go_elsewhere() -> None:
    family, persian, devanagari = "👨\u200d👩\u200d👧", "می\u200cخواهم", "क्\u200dष"
    assert normalised(family, persian, devanagari, "身份\u200d证\u200c号") == [family, persian, devanagari, "身份证号"]


def test_invisible_characters_go_even_between_digits() -> None:
    assert normalised("1\u200b3\u200e8\u20600\ufeff0\u00ad1") == ["138001"]


def test_indentation_of_code_is_kept_and_ideographic_indentation_goes() -> None:
    assert normalised("def f():\n    return  1\n\u3000\u3000段落") == ["def f():\n    return 1\n段落"]


def test_every_line_end_becomes_a_line_feed() -> None:
    assert normalised("a\r\nb\rc\u2028d\x85e") == ["a\nb\nc\nd\ne"]


def test_a_batch_that_needs_nothing_is_passed_on_as_it_is() -> None:
    batch = pa.record_batch({"text": pa.array(["已经是规范的文本。\n\n第二段 ok."])})
    assert NormalizeText()(batch) is batch


def test_private_use_characters_can_be_kept() -> None:
    assert normalised("图\ue001标") == ["图标"]
    assert normalised("图\ue001标", private_use="keep") == ["图\ue001标"]


def test_a_column_that_is_missing_is_an_error() -> None:
    with pytest.raises(SchemaError, match="no column 'body'"):
        normalised("a", column="body")


def simplified(*texts: str | None, **options: Any) -> list[str | None]:
    batch = pa.record_batch({"text": pa.array(texts, pa.large_string())})
    changed: list[str | None] = SimplifyChinese(**options)(batch)["text"].to_pylist()
    return changed


def test_traditional_text_becomes_simplified_and_other_text_stays() -> None:
    texts = ["這臺機器運轉正常。", "这台机器运转正常。", "All is well.", None, ""]
    assert simplified(*texts) == ["这台机器运转正常。", *texts[1:]]


def test_simplified_words_that_look_regional_are_not_changed() -> None:
    assert simplified("核心程序和源文件", "乾隆年间的核心程序", variant="tw2sp") == ["核心程序和源文件", "乾隆年间的核心程序"]


def test_japanese_is_left_as_it_is() -> None:
    assert simplified("機械の點検を實施しました。") == ["機械の點検を實施しました。"]


def test_traditional_characters_are_counted_before_they_go() -> None:
    batch = pa.record_batch({"text": ["機器", "机器", None]})
    assert SimplifyChinese(count_column="traditional")(batch)["traditional"].to_pylist() == [1, 0, None]


def test_real_traditional_poems_hold_no_traditional_character_afterwards(shared_data: Path) -> None:
    archive = shared_data / "text" / "classical_poetry_json.tar.zst"
    with archive.open("rb") as file, tarfile.open(fileobj=zstandard.ZstdDecompressor().stream_reader(file), mode="r|") as tar:
        content = next(tar.extractfile(member).read() for member in tar if "poet.tang" in member.name)  # type: ignore[union-attr]
    poems = ["\n".join(poem["paragraphs"]) for poem in json.loads(content)][:500]
    once = simplified(*poems)
    batch = pa.record_batch({"text": pa.array(once, pa.large_string())})
    left = SimplifyChinese(count_column="traditional")(batch)["traditional"].to_numpy()
    assert (left > 0).mean() < 0.02  # 乾 and a few more are right in simplified words too
