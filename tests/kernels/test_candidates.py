"""Windows are cut well, open around each value that a rule is sure of, and hang on their own document alone."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from liangji.governance.personal_information import rules
from liangji.governance.personal_information.normalised import normalise
from liangji.kernels.buffers import TextBuffers, text_buffers
from liangji.kernels.candidates import Windows, candidate_windows

PROSE = "设备运行正常，维修人员按照操作规程完成了例行检查。The quick brown fox jumps over the lazy dog, and nothing else happens. "
VALUES = [
    "13800138000",
    "１３８　００１３　８０００",
    "+86 138-0013-8000",
    "11010519491231002X",
    "110105 19491231 002X",
    "a.b@example.com",
    "京A12345",
    "0571-81182894",
    "6222021001116245702",
    "10.0.3.17",
    "fe80::1ff:fe23:4567:890a",
    "00:1A:2B:3C:4D:5E",
    "001a.2b3c.4d5e",
    "+1-212-555-0123",
    "123-45-6789",
    "E12345678",
    "DE89370400440532013000",
    "1M8GDM9AXKP042788",
    "91350100M000100Y43",
    "wxid_abc123456",
    "出生日期：1990-01-02",
    "QQ：123456789",
    "一三八零零一三八零零零",
    "39°54′26″N, 116°23′29″E",
    "123",
    "é",
    "😀",
    "𠮷",
    " ",
    "\n",
    "，",
    "Ａ",
    "x",
    "-----BEGIN",
    "password: hunter22",
    "",
]
TEXTS = st.lists(
    st.sampled_from(VALUES) | st.sampled_from((PROSE, PROSE * 3)) | st.text(st.characters(codec="utf-8"), max_size=5), max_size=8
).map("".join)


def windows_of(texts: list[str | None], *, wide: bool = True, cut: int = 0) -> tuple[TextBuffers, Windows]:
    buffers = text_buffers(pa.array(texts, pa.large_string() if wide else pa.string()).slice(cut))
    return buffers, candidate_windows(buffers, False)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.none() | TEXTS, max_size=4), st.booleans(), st.integers(0, 2))
def test_windows_are_ordered_and_cut_between_characters(texts: list[str | None], wide: bool, cut: int) -> None:
    buffers, windows = windows_of(texts, wide=wide, cut=cut)
    before = (-1, 0)
    for document, start, end, characters, triggers in zip(*(column.tolist() for column in windows), strict=True):
        first, last = buffers.offsets[document], buffers.offsets[document + 1]
        assert first <= start < end <= last
        assert (document, start) >= before
        assert len(bytes(buffers.data[first:start]).decode()) == characters
        assert bytes(buffers.data[start:end]).decode()
        assert triggers
        before = (document, end)


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXTS, max_size=4))
def test_the_windows_of_a_document_hang_on_no_other(texts: list[str]) -> None:
    buffers, together = windows_of(list(texts))
    found = []
    for document, text in enumerate(texts):
        _, alone = windows_of([text], wide=False)
        found += [
            (document, int(start + buffers.offsets[document]), int(end + buffers.offsets[document]), characters, triggers)
            for _, start, end, characters, triggers in zip(*alone, strict=True)
        ]
    assert list(zip(*together, strict=True)) == found


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_a_window_is_open_around_each_value_that_a_rule_is_sure_of(text: str) -> None:
    _, windows = windows_of([text])
    plain = normalise(text)
    opened = [
        (characters, characters + len(text.encode()[start:end].decode()), triggers)
        for _, start, end, characters, triggers in zip(*(column.tolist() for column in windows), strict=True)
    ]
    for rule in rules.RULES:
        for match in rule.pattern.finditer(plain.text):
            candidate = rule.candidate(plain.text, match)
            if candidate and candidate.confidence == "high":
                start, end = plain.span(candidate.start, candidate.end)
                assert any(low <= start and end <= high and triggers & rule.triggers for low, high, triggers in opened)
