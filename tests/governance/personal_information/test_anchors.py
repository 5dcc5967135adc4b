"""Rules tried at marked places only must find what they find when each is tried everywhere."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from liangji.governance.personal_information import rules, secrets
from liangji.governance.personal_information.detection import Finding, find, find_in, strongest
from liangji.governance.personal_information.normalised import code_point_table, normalise
from liangji.governance.personal_information.rules import Candidate
from liangji.kernels import anchors

EVERY_TRIGGER = 63  # all but names, which are not marked
PIECES = (
    "电话 手机号码： 联系方式 13800138000 １３８　００１３　８０００ 😀 𠮷 \u200b \n ， 11010519491231002X a@b.example o'x.y_%+@c.org @ (AT) a[at]b[dot]com 京A12345 - 1 密码:aB3$dE6! "
    "身份证 银行卡号 订单编号 6222021001116245702 +86 0086 (+86) 86- 86 (0) 0571-81182894 (0571)81182894 护照 E12345678 EA1234567 H12345678 12345678 台胞证 "
    "永久居留 ABC123456789012 A123456(3) 社保号 123-45-6789 123456789 SSN DE89370400440532013000 +1-212-555-0123 (212) 555-0123 10.0.3.17 8.8.144.200 "
    "fe80::1ff:fe23:4567:890a 22:50:13 00:1A:2B:3C:4D:5E 001a.2b3c.4d5e IMEI 490154203237518 VIN 1M8GDM9AXKP042788 经度 116.397428,39.90923 出生日期 "
    "1990-01-02 微信 vx:zhangsan888 wxid_abc123456 QQ 南字第1234567号 password= token: Bearer curl -u user:pass1! sk-abcdefghijklmnop1234567 "
    "https://u:p4ss@h.com aB3dE6fG7hI8jK9lM0nP Xk29#dk2 office fax: mobile 一三八零零一三八零零零 一 . · _ ( ) + 0 8 9 版本 server order \u017fecret \u0130 \u0131 "
    "\u212a ime\u0131 91350100M000100Y43 913 5010 0M00 2024-05-16 17300123456789 0.12345678 # & \" ' / : ; = < > [ ]"
)
joints = st.sampled_from(("", "", " ", "，", "-", "x"))
texts = st.lists(
    st.sampled_from(PIECES.split(" ")) | st.text(alphabet="0123456789 -.·_()+86abX字", max_size=14) | joints, max_size=16
).map("".join)


def _marked(text: str, *, only_sure: bool) -> tuple[str, list[tuple[int, int]], int]:
    data = np.frombuffer(text.encode(), np.uint8)
    window = anchors.normalised_windows(data, np.zeros(1, np.int64), np.array([len(data)]), code_point_table(anchors.DROPPED))
    places = anchors.anchors(window, only_sure=only_sure)
    first, last = int(window.starts[0]), int(window.ends[0])
    marked = [(int(place) - first, int(mark)) for place, mark in zip(places.positions, places.marks, strict=True)]
    return window.codes[first:last].tobytes().decode("utf-32-le"), marked, int(places.mentions[0])


def _sure(found: list[Candidate]) -> list[Candidate]:
    return strongest([candidate for candidate in found if candidate.confidence == "high"])


def _check(text: str) -> None:
    plain, marked, mentions = _marked(text, only_sure=False)
    assert plain == normalise(text).text
    rest = [*secrets.candidates(plain, EVERY_TRIGGER)]
    everywhere = strongest([*rules.candidates(plain, EVERY_TRIGGER), *rest])
    at_marks = [*rules.candidates_at(plain, EVERY_TRIGGER, marked, mentions)]
    assert strongest([*at_marks, *secrets.candidates_at(plain, EVERY_TRIGGER, marked, mentions)]) == everywhere
    plain, marked, mentions = _marked(text, only_sure=True)
    at_marks = [*rules.candidates_at(plain, EVERY_TRIGGER, marked, mentions)]
    assert _sure([*at_marks, *rest]) == _sure([*rules.candidates(plain, EVERY_TRIGGER), *rest])


@settings(max_examples=400, deadline=None)
@given(texts)
def test_marked_places_miss_nothing_in_mixed_texts(text: str) -> None:
    _check(text)


def test_marked_places_miss_nothing_in_the_sets_with_truth(shared_data: Path) -> None:
    for name in ("pii_zh_made", "secrets_made"):
        with gzip.open(shared_data / f"pii_safety/{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for line in lines:
                _check(json.loads(line)["text"])


def test_values_far_apart_in_a_long_document_are_found_at_their_places() -> None:
    prose = "设备运行正常，维修人员按照操作规程完成了例行检查。😀" * 60
    text = prose + "请联系13800138000，" + prose + "身份证11010519491231002X。" + prose
    first, second = len(prose) + 3, 2 * len(prose) + 18
    assert find(text) == [
        Finding(first, first + 11, "mobile_phone", "high"),
        Finding(second, second + 18, "resident_identity_number", "high"),
    ]
    assert find_in(pa.array([None, prose, text]))[2] == tuple(find(text))
