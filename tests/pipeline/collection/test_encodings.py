"""Encodings found and texts decoded: figures on real data with truth, and what must hold for any text."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from liangji.core.reading import Fault, Note, Raw, RawBatch, RawRecord
from liangji.pipeline.collection.encodings import LINES_LISTED, Decoded, decode, decode_stream, detect
from liangji.pipeline.collection.reading import read_raw

PROSE = (
    "清晨的阳光照在院子里，老人把昨天晒干的豆子收进竹篮，又给门前的两棵石榴树浇了水。",
    "这家工厂去年引进了新的生产线，工人们经过三个月的培训，现在已经能够独立完成检验和包装。",
    "会议决定，从下个月起每周公布一次水质监测的结果，任何单位和个人都可以查询。",
    "她说自己小时候最喜欢听外婆讲故事，讲河边的渡船，讲山上的柿子，也讲那些走远了的人。",
    "如果发现数据有缺失，应当先查明原因，再决定是补采、修正还是剔除，并且写明理由。",
    "医生提醒大家，天气变冷以后要注意保暖，多喝温水，按时吃饭，不要熬夜。",
    "火车慢慢开出站台，窗外的田野一片金黄，远处有几个孩子正在放风筝。",
)
TRADITIONAL = (
    "清晨的陽光照在院子裡，老人把昨天曬乾的豆子收進竹籃，又給門前的兩棵石榴樹澆了水。",
    "這家工廠去年引進了新的生產線，工人們經過三個月的培訓，現在已經能夠獨立完成檢驗和包裝。",
    "她說自己小時候最喜歡聽外婆講故事，講河邊的渡船，講山上的柿子，也講那些走遠了的人。",
    "如果發現資料有缺失，應當先查明原因，再決定是補採、修正還是剔除，並且寫明理由。",
    "火車慢慢開出站臺，窗外的田野一片金黃，遠處有幾個孩子正在放風箏。",
)
UNICODE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")


def members(archive: Path) -> Iterator[tuple[str, bytes]]:
    with (
        archive.open("rb") as packed,
        zstandard.ZstdDecompressor().stream_reader(packed) as raw,
        tarfile.open(fileobj=raw, mode="r|") as tar,
    ):
        for member in tar:
            content = tar.extractfile(member)
            if content is not None:
                yield member.name.removeprefix("./"), content.read()


def read_strictly(data: bytes, *codecs: str) -> str:
    for codec in codecs:
        try:
            return data.decode(codec).removeprefix("\ufeff")
        except UnicodeDecodeError:
            continue
    raise AssertionError(f"no codec of {codecs} reads it")


def test_all_transcoded_chinese_texts_are_decoded_right(shared_data: Path) -> None:
    files = dict(members(shared_data / "text" / "encodings_made.tar.zst"))
    truths = [json.loads(line) for line in files["truth.jsonl"].splitlines()]
    texts = {truth["file"]: truth["sha256_utf8"] for truth in truths if "sha256_utf8" in truth}
    wrong = [name for name, sha in texts.items() if hashlib.sha256(decode(files[name]).text.encode()).hexdigest() != sha]
    assert len(texts) == 60
    assert wrong == []


def test_damaged_texts_are_noted_and_lose_nothing_that_can_be_read(shared_data: Path) -> None:
    files = dict(members(shared_data / "text" / "encodings_made.tar.zst"))
    for truth in map(json.loads, files["truth.jsonl"].splitlines()):
        if "damage" not in truth:
            continue
        decoded = decode(files[truth["file"]])
        assert decoded.notes, truth["file"]
        if truth["damage"] != "mixed":
            assert decoded.text.encode() == files[truth["file"]]  # valid UTF-8: kept byte for byte, though it reads badly
            continue
        lines = decoded.text.split("\n")
        missing = [number for number, line in enumerate(lines, 1) if line not in truth["original"]]
        assert len(missing) <= 1, truth["file"]  # the line in which one encoding was cut off and the other begins
        assert set(missing) == set(decoded.lines_replaced)


FAMILY_CODECS = {
    # as the web reads it: Python maps the middle dot and dash of gb2312 to other characters
    "GB2312": ("gb18030",),
    "SHIFT_JIS": ("shift_jis", "cp932"),
    "CP932": ("shift_jis", "cp932"),
    "Big5": ("big5", "big5hkscs", "cp950"),
    "EUC-JP": ("euc_jp", "euc_jis_2004"),
    "EUC-KR": ("euc_kr", "cp949"),
}


def test_collected_files_in_many_encodings_are_decoded_right(shared_data: Path) -> None:
    wrong = []
    total = 0
    for name, data in members(shared_data / "text" / "encodings_chardet.tar.zst"):
        encoding = name.split("/")[0]
        total += 1
        if decode(data).text != read_strictly(data, *FAMILY_CODECS.get(encoding, (encoding,))):
            wrong.append(name)
    assert total == 75
    assert wrong == []


def test_a_wrong_declaration_does_not_win(shared_data: Path) -> None:
    files = dict(members(shared_data / "text" / "html_pages_made.tar.zst"))
    truths = [json.loads(line) for line in files["truth.jsonl"].splitlines()]
    for truth in truths:
        data = files[truth["file"]]
        codec = "gb18030" if truth["encoding"].startswith("gb") else truth["encoding"]
        assert decode(data, truth["declared"]).text == data.decode(codec), truth["file"]
    assert sum(truth["declaration_wrong"] for truth in truths) == 11


def test_a_large_table_in_gb18030_is_decoded_right_whole_and_as_a_stream(shared_data: Path) -> None:
    data = (shared_data / "text" / "medical_qa_gb18030.csv").read_bytes()
    assert decode(data).text == data.decode("gb18030")
    encoding, chunks = decode_stream(io.BytesIO(data))
    assert encoding.name == "gb18030"
    assert "".join(chunks) == data.decode("gb18030")
    assert chunks.replaced == 0


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_ordinary_chinese_of_twenty_characters_comes_back_from_any_encoding(data: st.DataObject) -> None:
    codec = data.draw(st.sampled_from(("gb18030", "gbk", "big5", *UNICODE)))
    sentences = data.draw(st.lists(st.sampled_from(TRADITIONAL if codec == "big5" else PROSE), min_size=2, max_size=4))
    text = "".join(sentences)
    start = data.draw(st.integers(0, len(text) - 20))
    text = text[start : start + data.draw(st.integers(20, 80))]
    assert decode(text.encode(codec)).text == text


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(("gb18030", "big5", "utf-8")), st.integers(1, 3), st.integers(0, 4))
def test_an_end_in_the_middle_of_a_character_changes_nothing_before_it(codec: str, cut: int, which: int) -> None:
    text = TRADITIONAL[which].removesuffix("。")
    data = text.encode(codec)[:-cut]
    decoded = decode(data)
    assert decoded.text.rstrip("\ufffd") == data.decode(codec, "ignore")
    assert decoded.replaced == ("\ufffd" in decoded.text)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_give_some_text_and_a_stream_gives_the_same(data: bytes) -> None:
    decoded = decode(data)
    encoding, chunks = decode_stream(io.BytesIO(data))
    assert "".join(chunks) == decoded.text
    assert (encoding, chunks.replaced, chunks.lines_replaced) == (decoded.encoding, decoded.replaced, decoded.lines_replaced)


def test_bad_bytes_in_utf8_cost_only_their_own_characters() -> None:
    lines = [f"第{number}行：{PROSE[number % len(PROSE)]}".encode() for number in range(300)]
    lines[6] = lines[6][:10] + b"\xff" + lines[6][10:]
    lines[200] = lines[200][:-1]
    decoded = decode(b"\n".join(lines))
    assert decoded.encoding.name == "utf-8"
    assert (decoded.replaced, decoded.lines_replaced) == (2, (7, 201))
    read = decoded.text.split("\n")
    assert [line for number, line in enumerate(read) if number not in {6, 200}] == [
        line.decode() for number, line in enumerate(lines) if number not in {6, 200}
    ]
    assert read[6].replace("\ufffd", "").encode() == lines[6].replace(b"\xff", b"")


def test_a_replacement_character_that_was_written_is_not_counted() -> None:
    decoded = decode("上游已经丢了\ufffd一个字\n".encode() + b"\xff\xfe\n")
    assert (decoded.replaced, decoded.lines_replaced) == (2, (2,))


def test_only_the_first_lines_at_fault_are_listed() -> None:
    decoded = decode((PROSE[0].encode() + b"\xff\n") * (LINES_LISTED + 50))
    assert decoded.replaced == LINES_LISTED + 50
    assert decoded.lines_replaced == tuple(range(1, LINES_LISTED + 1))


def test_lines_in_another_encoding_are_read_in_theirs() -> None:
    data = (PROSE[0] + "\n").encode() * 20 + b"\n" + (PROSE[1] + "\n").encode("gb18030") * 5
    decoded = decode(data)
    assert decoded.text == (PROSE[0] + "\n") * 20 + "\n" + (PROSE[1] + "\n") * 5
    assert (decoded.replaced, decoded.notes) == (0, ("lines 22-26 are gb18030",))


def test_a_right_declaration_decides_what_the_bytes_leave_open() -> None:
    data = "Wczoraj wieczorem poszliśmy na długi spacer brzegiem rzeki".encode("iso-8859-2")
    assert detect(data, "iso-8859-2").name == "iso-8859-2"
    assert detect("Ünlü çağdaş".encode("windows-1254"), "windows-1254").name == "windows-1254"


@pytest.mark.parametrize(
    ("text", "codec", "name"),
    [
        ("~{ 是程序里的符号", "utf-8", "utf-8"),
        (PROSE[0], "hz", "hz"),
        ("これは日本語の文章です。漢字とかなが混ざっています。", "shift_jis", "shift_jis"),
        ("これは日本語の文章です。漢字とかなが混ざっています。", "euc_jp", "euc-jp"),
        ("これは日本語の文章です。", "iso2022_jp", "iso-2022-jp"),
        ("이 문서는 한국어로 쓰여 있습니다. 오늘은 날씨가 좋습니다.", "euc_kr", "euc-kr"),
        ("Сегодня хорошая погода, и мы пошли гулять в парк.", "koi8-r", "koi8-r"),
        ("Сегодня хорошая погода, и мы пошли гулять в парк.", "windows-1251", "windows-1251"),
        ("Le café était fermé, où déjeuner à présent ?", "windows-1252", "windows-1252"),
        ("Σήμερα ο καιρός είναι καλός και πήγαμε βόλτα.", "windows-1253", "iso-8859-7"),  # the same bytes
        ("plain words only", "ascii", "ascii"),
        ("", "utf-8", "ascii"),
    ],
)
def test_other_encodings_are_told_apart(text: str, codec: str, name: str) -> None:
    decoded = decode(text.encode(codec))
    assert (decoded.text, decoded.encoding.name) == (text, name)


def test_bytes_that_are_no_text_are_not_named_with_confidence() -> None:
    assert detect(hashlib.shake_256(b"seed").digest(20_000)).confidence <= 0.5


def test_a_stream_is_read_in_chunks_of_whole_lines() -> None:
    line = PROSE[2] + "\n"
    data = line.encode("gb18030") * 30_000
    encoding, chunks = decode_stream(io.BytesIO(data))
    read = list(chunks)
    assert encoding.name == "gb18030"
    assert len(read) > 1
    assert all(chunk.endswith("\n") for chunk in read)
    assert "".join(read) == line * 30_000


def test_a_stream_that_starts_in_ascii_is_decided_by_what_follows() -> None:
    head, tail = "id,name,value\n" * 700_000, (PROSE[3] + "\n") * 50
    encoding, chunks = decode_stream(io.BytesIO(head.encode() + tail.encode("gb18030")))
    assert encoding.name == "ascii"  # all that was known after 8 MiB
    assert "".join(chunks) == head + tail
    assert chunks.encoding.name == "gb18030"


PREFIXES = (b"a line of words, 17\n", b"x")
AROUND = st.sampled_from((0, 8 << 10, 64 << 10, 80 << 10, 256 << 10, 1 << 20)).flatmap(
    lambda size: st.integers(max(0, size - 3), size + 3) | st.integers(max(0, size - 300), size + 300)
)
CODECS = ("utf-8", "gb18030", "big5")


@st.composite
def late_chinese(draw: st.DrawFn, codecs: tuple[str, ...] = CODECS) -> tuple[str, str, bytes]:
    """A text that is ASCII for long, then Chinese, in one line or many: its codec, itself, its bytes."""
    codec = draw(st.sampled_from(codecs))
    filler = draw(st.sampled_from(PREFIXES)).decode()
    size = draw(AROUND)
    prefix = (filler * (size // len(filler) + 1))[:size]
    sentences = draw(st.lists(st.sampled_from(TRADITIONAL if codec == "big5" else PROSE), min_size=1, max_size=3))
    tail = draw(st.sampled_from(("", "\n", " "))).join(sentences * draw(st.sampled_from((1, 1, 40, 900))))
    text = prefix + tail + draw(st.sampled_from(("", "\n")))
    return codec, text, text.encode(codec)


@settings(max_examples=60, deadline=None)
@given(late_chinese())
def test_chinese_after_long_ascii_is_found_whole_and_as_a_stream(case: tuple[str, str, bytes]) -> None:
    codec, text, data = case
    decoded = decode(data)
    assert (decoded.encoding.name, decoded.text == text, decoded.replaced, decoded.notes) == (codec, True, 0, ())
    _, chunks = decode_stream(io.BytesIO(data))
    assert "".join(chunks) == text
    assert (chunks.encoding.name, chunks.replaced, chunks.notes) == (codec, 0, ())


def records_of(items: list[Raw]) -> list[RawRecord]:
    """Give the records of what was read, also of batches."""
    found = (record for item in items for record in (item.records() if isinstance(item, RawBatch) else [item]))
    return [record for record in found if isinstance(record, RawRecord)]


@settings(max_examples=60, deadline=None)
@given(late_chinese(), st.data())
def test_a_sample_may_be_cut_anywhere(case: tuple[str, str, bytes], data: st.DataObject) -> None:
    codec, text, encoded = case
    first = next(at for at, character in enumerate(text) if not character.isascii())
    cut = data.draw(st.integers(0, len(encoded)))
    name = detect(encoded[:cut]).name
    if cut <= first:
        assert name == "ascii"
    elif codec == "utf-8" and cut >= first + 3:
        assert name == "utf-8"
    elif cut >= first + 40:
        assert name == codec


@settings(max_examples=60, deadline=None)
@given(late_chinese(), st.sampled_from((".txt", ".md", ".csv", ".jsonl", "lines")))
def test_readers_find_chinese_after_long_ascii(case: tuple[str, str, bytes], ending: str) -> None:
    codec, text, _ = case
    text = text.strip()
    records: list[dict[str, Any]] = [{"text": line} for line in text.split("\n") if line]
    content = text
    if ending == ".csv":
        content = "text,n\n" + "".join(f'"{record["text"]}",1\n' for record in records)
        records = [record | {"n": 1} for record in records]
    elif ending == ".jsonl":
        content = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    elif ending != "lines":
        records = [{"text": text}]
    data = content.encode(codec)
    items = list(read_raw(io.BytesIO(data), "a" + ending, format="lines" if ending == "lines" else None))
    assert [record.fields for record in records_of(items)] == records
    notes = [item.what for item in items if isinstance(item, Fault | Note)]
    assert notes == ([] if codec == "utf-8" else [f"read as {codec}"])


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff\x1b~"), max_size=60), AROUND)
def test_what_is_valid_utf8_is_utf8(text: str, size: int) -> None:
    data = b"x" * size + text.encode()
    assert decode(data).text.encode() == data
    assert detect(data).name == ("ascii" if data.isascii() else "utf-8")


@settings(max_examples=20, deadline=None)
@given(
    size=st.sampled_from((0, 60_000, 70_000, 1 << 20)),
    stray=st.sampled_from((b"\xff", b"\x80", b"\xa0", b"\xe4\xb8", b"\xb0")),
    at=st.sampled_from((0.0, 0.00001, 0.5, 1.0)),
    one_line=st.booleans(),
)
def test_one_stray_byte_does_not_change_what_a_large_text_is_taken_for(size: int, stray: bytes, at: float, one_line: bool) -> None:
    chinese = ("" if one_line else "\n").join(PROSE * 600)
    data = ("plain words\n" * (size // 12) + chinese).encode()
    place = len(data[: int(at * len(data))].decode("utf-8", "ignore").encode())
    data = data[:place] + stray + b" " + data[place:]
    for read in (decode(data), decode_stream(io.BytesIO(data))[1]):
        text = read.text if isinstance(read, Decoded) else "".join(read)
        assert read.encoding.name == "utf-8"
        assert read.replaced == 1
        assert text == data.decode("utf-8", "replace")


def test_a_byte_order_mark_before_ascii_is_taken_off() -> None:
    data = b"\xef\xbb\xbf" + b"plain words\n" * 10_000
    assert decode(data + "，".encode()).text == data[3:].decode() + "，"
    assert decode(data).encoding.name == "utf-8-sig"
    _, chunks = decode_stream(io.BytesIO(data))
    assert "".join(chunks) == data[3:].decode()


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-16"])
def test_wide_encodings_may_begin_with_long_ascii(codec: str) -> None:
    text = "plain words\n" * 9_000 + PROSE[0]
    data = text.encode(codec)
    assert decode(data).text == text
    assert "".join(decode_stream(io.BytesIO(data))[1]) == text


def test_a_few_characters_after_a_single_stray_byte_are_not_misread_in_a_stream() -> None:
    text = "plain words\xa0\n" + "plain words\n" * 20_000 + "是\n" * 500
    data = text.encode().replace(b"\xc2\xa0", b"\xa0")
    _, chunks = decode_stream(io.BytesIO(data))
    assert "".join(chunks) == text.replace("\xa0", "\ufffd")


def test_records_before_damage_are_kept_where_the_encoding_is_still_open() -> None:
    packed = gzip.compress(b'{"text": "plain words"}\n' * 200_000, mtime=0)[:-2000]
    for name in ("jsonl", "lines"):
        items = list(read_raw(io.BytesIO(packed), "a.gz", format=name))
        assert len(records_of(items)) > 1000
        assert sum(isinstance(item, Fault) for item in items) == 1


def test_an_archive_says_once_which_members_were_not_utf8() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(5):
            archive.writestr(f"{number}.txt", PROSE[number].encode("gb18030"))
        archive.writestr("big.txt", TRADITIONAL[0].encode("big5"))
        archive.writestr("bad.txt", (PROSE[0] + PROSE[1]).encode("gb18030") + b"\xff\n")
        archive.writestr("utf8.txt", PROSE[0])
    packed.seek(0)
    notes = [(item.origin, item.code, item.what) for item in read_raw(packed, "a.zip") if isinstance(item, Note)]
    assert notes == [
        (
            "a.zip!bad.txt",
            "characters_replaced",
            "1 character(s) could not be decoded as gb18030 and became U+FFFD, in line(s) 1",
        ),
        ("a.zip", "encoding", "6 members read as gb18030: 0.txt, 1.txt, 2.txt, …"),
        ("a.zip", "encoding", "1 member read as big5: big.txt"),
    ]
