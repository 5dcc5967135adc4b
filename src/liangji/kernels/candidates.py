"""Where in a text personal information or a secret could stand: one pass over the bytes, so that the rest costs no more than that.

A trigger (seven digits in a row however they are written, an `@`, a plate's province and letter, a random-looking token, the label
of a password) opens a window of bytes around it; windows that touch are one. Rules then run on windows only. A trigger may be
false, it must not be missed; what each rule needs is in `governance.personal_information.rules`.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from liangji.kernels.buffers import TextBuffers
from liangji.kernels.characters import decode

DIGITS, AT, COLONS, PLATE, TOKEN, LABEL, NAME = 1, 2, 4, 8, 16, 32, 64

_DIGIT, _LETTER, _SYMBOL, _SEPARATOR, _PROVINCE, _PAIR, _AT, _HOUSE = 1, 2, 4, 8, 16, 32, 64, 128
_BEFORE, _AFTER, _MORE = 160, 96, 256  # bytes of context; _MORE: how far a cut moves so as not to fall inside a token
_NUMERALS = "〇○零一二三四五六七八九幺两壹贰叁肆伍陆柒捌玖貳參陸"
_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_SEPARATORS = " -.()·_/‐‑‒–—―−－﹣─•・‧∙⋅●（）．　°′″'\"\u00a0\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202f\u2060\u2061\u2062\u2063\u2064\ufeff\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a＿／＋+"
_SYMBOLS = "_+-/=.~$!#%^&*@?"
_LABEL_PAIRS = "密码 口令 密钥 私钥 令牌 秘钥 权码 微信 信号 企鹅 扣扣 出生 生日 生于 字第 军字 兵字 士字 文字"
_NAME_PAIRS = (
    "姓名 联系 收件 收货 寄件 发件 报修 申请 负责 经办 操作 司机 驾驶 客户 用户 患者 病人 员工 乘客 旅客 户主 持卡 开户 收款 付款 法定 法人 当事 原告 被告 证人 嫌疑 值班 检修 检验 "
    "巡检 维修 工程 记录 审核 审批 签收 监护 投保 被保 学生 教师 医生 经理 主任 汇至 转给 汇给 户名 作者 车主 来访 访客 先生 女士 小姐 同志 老师 师傅 教授 号楼 单元"
)
_LABEL_WORDS = "password passwd pwd pass passphrase passcode secret token key apikey bearer basic credential credentials wechat weixin wxid qq vx wx dob birth birthday born sk user authorization curl"
_NAME_WORDS = "mr mrs ms dr prof miss name user username owner contact realname customer patient applicant"


class Windows(NamedTuple):
    document: NDArray[np.int64]
    start: NDArray[np.int64]  # byte in `data`
    end: NDArray[np.int64]
    characters_before: NDArray[np.int64]  # code points of the document before the window
    triggers: NDArray[np.int64]


def candidate_windows(texts: TextBuffers, with_names: bool) -> Windows:
    """Find the windows of all documents, in order; `with_names` opens windows for names of persons and addresses too."""
    return Windows(*_windows(texts.data, texts.offsets, *_tables(with_names)))


def character_classes(with_names: bool) -> NDArray[np.uint8]:
    """Give the classes of the characters up to U+FFFF; 0: nothing is made of it but that a run ends."""
    return _tables(with_names)[0]


@cache
def _tables(with_names: bool) -> tuple[NDArray[Any], ...]:
    classes = np.zeros(0x10000, np.uint8)
    for code_point in range(0x10000):
        if 0xD800 <= code_point < 0xE000:
            continue
        character = chr(code_point)
        if unicodedata.digit(character, None) is not None or character in _NUMERALS:
            classes[code_point] |= _DIGIT
        elif (character.isascii() and character.isalpha()) or 0xFF21 <= code_point <= 0xFF3A or 0xFF41 <= code_point <= 0xFF5A:
            classes[code_point] |= _LETTER
    for characters, flag in ((_SEPARATORS, _SEPARATOR), (_PROVINCES, _PROVINCE), (_SYMBOLS, _SYMBOL), ("@＠", _AT)):
        for character in characters:
            classes[ord(character)] |= flag
    pairs = {(ord(pair[0]) << 16) | ord(pair[1]): LABEL for pair in _LABEL_PAIRS.split()}
    words = {_packed(word): LABEL for word in _LABEL_WORDS.split()}
    if with_names:
        classes[ord("号")] |= _HOUSE
        pairs |= {(ord(pair[0]) << 16) | ord(pair[1]): NAME for pair in _NAME_PAIRS.split()}
        for word in _NAME_WORDS.split():
            words[_packed(word)] = words.get(_packed(word), 0) | NAME
    for pair in pairs:
        classes[pair >> 16] |= _PAIR
    endings = np.zeros(0x8000, np.bool_)
    for packed in words:
        endings[int(_ending.py_func(np.uint64(packed)))] = True  # uncompiled: it is called a few times only
    keys = sorted(pairs)
    word_keys = sorted(words)
    return (
        classes,
        np.array(keys, np.int64),
        np.array([pairs[key] for key in keys], np.int64),
        np.array(word_keys, np.uint64),
        np.array([words[key] for key in word_keys], np.int64),
        endings,
    )


def _packed(word: str) -> int:
    """Pack the last eight letters of a word into a number, as the scan does on its way."""
    return int.from_bytes(word.encode()[-8:], "big")


@njit(nogil=True, cache=True)
def _windows(data: Any, offsets: Any, classes: Any, pairs: Any, pair_flags: Any, words: Any, word_flags: Any, endings: Any) -> Any:
    capacity = 1024
    found = np.empty((5, capacity), np.int64)
    count = 0
    for document in range(len(offsets) - 1):
        first, last = offsets[document], offsets[document + 1]
        low, high, flags = np.int64(-1), np.int64(-1), 0
        counted_to, characters = first, np.int64(0)
        digits, run_start, gap = 0, first, 0
        token_start, token_letters, token_digits, token_marks, token_changes, token_kind = np.int64(-1), 0, 0, 0, 0, 0
        token_beyond_hexadecimal = 0
        dots, last_dot, colons, last_colon = 0, first - 100, 0, first - 100
        word, word_letters = np.uint64(0), 0
        previous_flags, previous_code = np.int64(0), np.int64(0)
        at = first
        while at <= last:
            event, event_low, event_high = 0, at, at
            width = 1
            code, kind = np.int64(0), np.int64(0)
            if at < last:
                byte = data[np.uint64(at)]
                if 97 <= byte <= 122:  # most of the bytes of many texts: a run of small letters opens nothing by itself
                    if word_letters == 0:
                        word = np.uint64(0)
                    if token_start < 0:
                        token_start, token_letters, token_digits, token_marks, token_changes, token_kind = at, 0, 0, 0, 0, 0
                        token_beyond_hexadecimal = 0
                    begin = at
                    while at < last:
                        byte = data[np.uint64(at)]
                        if byte < 97 or byte > 122:
                            break
                        if byte > 102:
                            token_beyond_hexadecimal = 1
                        word = (word << np.uint64(8)) | np.uint64(byte)
                        at += 1
                    word_letters += at - begin
                    token_letters += at - begin
                    if token_kind and token_kind != 2:
                        token_changes += 1
                    token_kind = 2
                    digits, gap = 0, 0
                    previous_flags, previous_code = np.int64(_LETTER), np.int64(word & np.uint64(0xFF))
                    if byte == 32 and at < last and token_digits == 0 and token_marks == 0 and token_changes < 6:
                        if not endings[_ending(word)]:  # a plain word and the space behind it: neither a token nor a label
                            token_start, word_letters = np.int64(-1), 0
                            previous_flags, previous_code = np.int64(0), np.int64(32)
                            at += 1
                    continue
                if byte < 0x80:
                    code = np.int64(byte)
                    kind = np.int64(classes[byte])
                elif byte < 0xF0:
                    code, width = decode(data, at)
                    kind = np.int64(classes[np.uint64(code)])
                    if width == 3 and kind == 0 and token_start < 0 and word_letters == 0 and digits == 0:
                        at += 3
                        while at < last and 0xE0 <= data[np.uint64(at)] < 0xF0:  # more of such characters, of which much is made
                            following, _ = decode(data, at)
                            if classes[np.uint64(following)]:
                                break
                            code = following
                            at += 3
                        previous_flags, previous_code = np.int64(0), code
                        continue
                else:
                    width = 4
                    if byte == 0xF0 and data[at + 1] == 0x9D and data[at + 2] == 0x9F:
                        kind = np.int64(_DIGIT)
            # digits, however they are written
            if kind & _DIGIT:
                if digits == 0:
                    run_start = at
                digits += 1
                gap = 0
                if digits >= 7:
                    event |= DIGITS
                    event_low = run_start if at - run_start < 4096 else at
            elif digits:
                if kind & _SEPARATOR and gap < 4:
                    gap += 1
                else:
                    digits, gap = 0, 0
            # tokens: letters, digits and symbols without a space
            ascii_token = width == 1 and kind & (_DIGIT | _LETTER | _SYMBOL)
            if ascii_token:
                if token_start < 0:
                    token_start, token_letters, token_digits, token_marks, token_changes, token_kind = at, 0, 0, 0, 0, 0
                    token_beyond_hexadecimal = 0
                now = 0
                if kind & _DIGIT:
                    token_digits += 1
                    now = 1
                elif kind & _LETTER:
                    token_letters += 1
                    token_beyond_hexadecimal = 1
                    now = 3
                elif code != 95 and code != 45 and code != 46 and code != 47 and code != 61:
                    token_marks += 1
                if now and token_kind and now != token_kind:
                    token_changes += 1
                if now:
                    token_kind = now
            elif token_start >= 0:
                length = at - token_start
                random = length >= 15 and token_letters >= 1 and token_digits >= 2 and token_changes >= 3
                long_secret = length >= 16 and token_changes >= 6
                marked = length >= 8 and token_marks >= 1 and token_digits >= 1 and token_letters >= 3
                if (random or long_secret or marked) and (token_beyond_hexadecimal or token_marks or length == 17):
                    in_url = data[token_start] == 47 and token_start + 1 < at and data[token_start + 1] == 47
                    if not in_url or token_changes >= 6:
                        event |= TOKEN
                        event_low = min(event_low, token_start)
                token_start = np.int64(-1)
            # words that label a secret, or a name
            if width == 1 and kind & _LETTER:
                if word_letters == 0:
                    word = np.uint64(0)
                word = (word << np.uint64(8)) | np.uint64(code | 0x20)
                word_letters += 1
            elif word_letters:
                if 2 <= word_letters <= 24 and endings[_ending(word)]:
                    mark = _word_flag(word, word_letters, words, word_flags)
                    if mark and _is_followed(data, at, last):
                        event |= mark
                        event_low = min(event_low, at - word_letters)
                word_letters = 0
            # single characters
            if kind & _AT and (
                previous_flags & (_DIGIT | _LETTER)
                or previous_code >= 0x80
                or previous_code == 95
                or previous_code == 45
                or (previous_code == 32 and at >= first + 2 and data[at - 2] > 32 and at + 2 < last and data[at + 1] == 32)
            ):
                event |= AT
            if code == 46 or code == 58:
                digit_before = previous_flags & _DIGIT
                if code == 46 and at + 9 < last and data[at + 5] == 46 and _is_group_pair(data, at):
                    event |= COLONS
                if code == 46 and digit_before:
                    dots = dots + 1 if at - last_dot <= 4 else 1
                    last_dot = at
                    if dots >= 3:
                        event |= COLONS
                elif code == 58 and (_is_hexadecimal(previous_code) or last_colon == at - 1):
                    colons = colons + 1 if at - last_colon <= 5 else 1
                    last_colon = at
                    if colons >= 3:
                        event |= COLONS
            elif (
                code == 65
                and at + 16 < last
                and data[at + 2] == 73
                and data[at + 3] == 65
                and (data[at + 1] == 75 or data[at + 1] == 83)
            ):
                event |= TOKEN  # AKIA and ASIA: capitals, and maybe not one digit
            elif (code == 40 or code == 91) and at + 3 < last and (data[at + 1] | 0x20) == 97 and (data[at + 2] | 0x20) == 116:
                if data[at + 3] == 41 or data[at + 3] == 93:
                    event |= AT
            elif (
                code == 45
                and at + 10 <= last
                and previous_code == 45
                and data[at + 1] == 66
                and data[at + 2] == 69
                and data[at + 3] == 71
            ):
                event |= TOKEN
                event_high = min(last, at + 20000)
            if width == 3:
                if kind & _PAIR and at + 6 <= last:
                    mark = _pair_flag(code, data, at + 3, pairs, pair_flags)
                    event |= mark
                if kind & _HOUSE and previous_flags & _DIGIT:
                    event |= NAME
                if kind & _PROVINCE and at + 4 < last and _is_plate_next(data, at + 3, last):
                    event |= PLATE
            if kind & (_DIGIT | _LETTER) or (kind & _SEPARATOR) == 0:
                previous_flags = kind
            else:
                previous_flags = np.int64(0)
            previous_code = code
            at += width
            if event:
                new_low = max(first, event_low - _BEFORE)
                new_high = min(last, max(at, event_high) + _AFTER)
                if high >= 0 and new_low <= high:
                    high = max(high, new_high)
                    flags |= event
                else:
                    if high >= 0:
                        if count == capacity:
                            found, capacity = _grown(found)
                        counted_to, characters = _close(
                            data, last, low, high, found, count, counted_to, characters, document, flags
                        )
                        count += 1
                        new_low = max(new_low, found[2, count - 1])
                    low, high, flags = new_low, new_high, event
        if high >= 0:
            if count == capacity:
                found, capacity = _grown(found)
            _close(data, last, low, high, found, count, counted_to, characters, document, flags)
            count += 1
    return (
        found[0, :count].copy(),
        found[1, :count].copy(),
        found[2, :count].copy(),
        found[3, :count].copy(),
        found[4, :count].copy(),
    )


@njit(nogil=True, cache=True)
def _grown(found: Any) -> Any:
    larger = np.empty((5, found.shape[1] * 2), np.int64)
    larger[:, : found.shape[1]] = found
    return larger, larger.shape[1]


@njit(nogil=True, cache=True)
def _close(
    data: Any,
    last: Any,
    low: Any,
    high: Any,
    found: Any,
    row: Any,
    counted_to: Any,
    characters: Any,
    document: Any,
    flags: Any,
) -> Any:
    """Write a window, its cuts moved off tokens and characters; give how many code points stand before it."""
    floor = counted_to
    steps = 0
    while low > floor and steps < _MORE and (_is_token_byte(data[low - 1]) or (data[low] & 0xC0) == 0x80):
        low -= 1
        steps += 1
    while low > floor and (data[low] & 0xC0) == 0x80:
        low -= 1
    steps = 0
    while high < last and ((steps < _MORE and _is_token_byte(data[high])) or (data[high] & 0xC0) == 0x80):
        high += 1
        steps += 1
    for place in range(counted_to, low):
        if (data[place] & 0xC0) != 0x80:
            characters += 1
    found[0, row], found[1, row], found[2, row], found[3, row], found[4, row] = document, low, high, characters, flags
    return low, characters


@njit(inline="always")
def _is_token_byte(byte: Any) -> Any:
    return (
        (48 <= byte <= 57)
        or (65 <= byte <= 90)
        or (97 <= byte <= 122)
        or byte == 95
        or byte == 45
        or byte == 46
        or byte == 43
        or byte == 47
    )


@njit(nogil=True, cache=True)
def _word_flag(word: Any, letters: Any, words: Any, word_flags: Any) -> Any:
    """Tell whether the word ends with a label: `password` in `PGPASSWORD`; labels of two letters must be the whole word."""
    flags = 0
    for index in range(len(words)):
        label = words[index]
        size = 0
        mask = np.uint64(0)
        while size < 8 and label > mask:
            mask = (mask << np.uint64(8)) | np.uint64(0xFF)
            size += 1
        if letters >= size and (word & mask) == label and (size > 2 or letters == size):
            flags |= word_flags[index]
    return flags


@njit(inline="always")
def _ending(word: Any) -> Any:
    """Give a number under 32768 to the last three letters of a word: most words are ruled out by it."""
    return (
        (word & np.uint64(0x1F)) | ((word >> np.uint64(3)) & np.uint64(0x3E0)) | ((word >> np.uint64(6)) & np.uint64(0x7C00))
    ) & np.uint64(0x7FFF)


@njit(nogil=True, cache=True)
def _is_followed(data: Any, at: Any, last: Any) -> Any:
    """Tell whether something that can assign a value stands within the next bytes."""
    for place in range(at, min(at + 12, last)):
        byte = data[place]
        if byte == 58 or byte == 61 or byte == 44 or byte == 62 or byte == 46 or byte == 123 or byte >= 0x80 or 48 <= byte <= 57:
            return True
    return at + 3 < last and (data[at] == 32 and data[at + 1] == 105 and data[at + 2] == 115)


@njit(inline="always")
def _pair_flag(code: Any, data: Any, at: Any, pairs: Any, pair_flags: Any) -> Any:
    if data[at] < 0xE0 or data[at] >= 0xF0:
        return 0
    following = ((np.int64(data[at]) & 0x0F) << 12) | ((np.int64(data[at + 1]) & 0x3F) << 6) | (np.int64(data[at + 2]) & 0x3F)
    key = (code << 16) | following
    place = np.searchsorted(pairs, key)
    return pair_flags[place] if place < len(pairs) and pairs[place] == key else 0


@njit(inline="always")
def _is_plate_next(data: Any, at: Any, last: Any) -> Any:
    """Tell whether a letter follows, and enough letters and digits after it."""
    if data[at] == 32:
        at += 1
    if at >= last:
        return False
    byte = data[at]
    if byte == 0xEF:
        return True
    if not (65 <= byte <= 90 or 97 <= byte <= 122):
        return False
    count = 0
    for place in range(at, min(at + 16, last)):
        byte = data[place]
        if 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122 or byte == 0xEF or byte == 0xE6 or byte == 0xE8:
            count += 1
    return count >= 5


@njit(nogil=True, cache=True)
def _is_group_pair(data: Any, at: Any) -> Any:
    """Tell whether four hexadecimal digits stand behind the point and four behind the next one, as in 001a.2b3c.4d5e."""
    for place in range(at + 1, at + 10):
        if place != at + 5 and not _is_hexadecimal(data[place]):
            return False
    return True


@njit(inline="always")
def _is_hexadecimal(code: Any) -> Any:
    return 48 <= code <= 57 or 65 <= code <= 70 or 97 <= code <= 102
