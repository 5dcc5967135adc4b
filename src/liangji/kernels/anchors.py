"""Where in the windows of `kernels.candidates` a rule can begin: rules are tried there and nowhere else.

The windows of a batch are written one after the other as code points, digits, letters and dashes in one way (the table comes from
`governance.personal_information.normalised`). One pass marks each place with the bits of `anchor_bits`. A mark may be false: the
rule then finds nothing. None may be missed, which is tested against the rules tried everywhere. With `only_sure`, numbers whose check
digit is wrong are passed over.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from liangji.kernels.anchor_bits import (
    AMERICAN,
    BEFORE_OFFICE,
    CARD,
    CARD_GROUPED,
    CARD_SPACED,
    CREDIT_CODE,
    EMAIL,
    HONG_KONG,
    IBAN,
    IDENTITY,
    IPV4,
    IPV6,
    LANDLINE,
    MAC,
    MENTIONS,
    MENTIONS_DEVICE,
    MENTIONS_MIXED,
    MENTIONS_NUMERALS,
    MENTIONS_PASSPORT,
    MENTIONS_PLACE,
    MENTIONS_SOCIAL_SECURITY,
    MENTIONS_TAIWAN,
    MOBILE,
    MOBILE_GROUPED,
    MOBILE_SPACED,
    NUMBER_7_TO_9,
    NUMBER_8_OR_10,
    NUMBER_15,
    OFFICE_WORD,
    OLD_IDENTITY,
    PASSPORT,
    PERMANENT_RESIDENCE,
    PLUS,
    RESIDENCE,
    SOCIAL_SECURITY_US,
    TOKEN_20,
    TRAVEL_PERMIT,
    WORD_17,
    WORDS,
)
from liangji.kernels.characters import ONE, TWO, decode

DROPPED = -1  # in the table: a character without width, left out
_NUMERALS = np.array(sorted(map(ord, "〇○零一二三四五六七八九幺两壹贰叁肆伍陆柒捌玖貳參陸")), np.int32)
_FOLDED = {0x130: "i", 0x131: "i", 0x17F: "s", 0x212A: "k"}  # what re.IGNORECASE takes for ASCII letters
_DIGIT, _UPPER, _LOWER, _GAP, _NUMERAL = 1, 2, 4, 8, 16
_LETTER = _UPPER | _LOWER
_ALNUM = _DIGIT | _LETTER
_MARK = 32  # not a class of the table: only a bit beside those of letters and digits
_HINTS = 4096
_HINT = np.uint64(_HINTS - 1)
_APART = 32  # zeros between windows: no look ahead or back goes farther, so that none needs to ask where its window ends


class NormalisedWindows(NamedTuple):
    codes: NDArray[np.int32]
    origin: NDArray[np.int32]  # place in its window of each code point
    byte: NDArray[np.int32]  # where in its window each code point begins
    starts: NDArray[np.int64]  # in `codes`; zeros stand between the windows
    ends: NDArray[np.int64]


class Anchors(NamedTuple):
    positions: NDArray[np.int64]  # in `codes`, ascending
    marks: NDArray[np.int64]
    mentions: NDArray[np.int64]  # of each window


def normalised_windows(
    data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], table: NDArray[np.int32]
) -> NormalisedWindows:
    """Decode windows of UTF-8 and write each character as `table` says; code points beyond the table stay."""
    return NormalisedWindows(*_decode(data, starts, ends, table))


def anchors(windows: NormalisedWindows, *, only_sure: bool) -> Anchors:
    marks, mentions = _mark(windows.codes, windows.starts, windows.ends, _classes(), *_word_tables(), only_sure)
    positions = np.flatnonzero(marks)
    return Anchors(positions, marks[positions], mentions)


@cache
def _classes() -> NDArray[np.uint8]:
    classes = np.zeros(0x10000, np.uint8)
    classes[48:58] = _DIGIT
    classes[65:91] = _UPPER
    classes[97:123] = _LOWER
    classes[[ord(c) for c in " -.·_"]] = _GAP
    classes[_NUMERALS] |= _NUMERAL
    return classes


@cache
def _word_tables() -> tuple[NDArray[np.uint16], NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Give the fold of each code point to 16 bits, the marks of each hash of two and of three characters, and what sorts out most.

    That one says for the low bits of a hash whether a hash of two (1) or of three characters (2) that has marks ends in them: it
    stays in the first-level cache, where the others do not.
    """
    fold = np.arange(0x10000, dtype=np.uint16)
    fold[65:91] += 32
    for code_point, letter in _FOLDED.items():
        fold[code_point] = ord(letter)
    pairs, triples = np.zeros(0x10000, np.int64), np.zeros(0x10000, np.int64)
    for mark, words in WORDS:
        for word in words.split():
            if len(word) == 2:
                pairs[int(_pair.py_func(ord(word[0]), ord(word[1])))] |= mark
            else:
                triples[int(_triple.py_func(*map(ord, word[:3])))] |= mark
    hints = np.zeros(_HINTS, np.uint8)
    hints[np.flatnonzero(pairs) % _HINTS] |= 1
    hints[np.flatnonzero(triples) % _HINTS] |= 2
    return fold, pairs, triples, hints


@njit(inline="always")
def _pair(first: Any, second: Any) -> Any:
    return np.uint64(np.int64(first) * 40503 + np.int64(second) * 2654435) & np.uint64(0xFFFF)


@njit(inline="always")
def _triple(first: Any, second: Any, third: Any) -> Any:
    return np.uint64(np.int64(first) * 40503 + np.int64(second) * 2654435 + np.int64(third) * 50051) & np.uint64(0xFFFF)


@njit(nogil=True, cache=True)
def _decode(data: Any, starts: Any, ends: Any, table: Any) -> Any:
    size = np.int64(_APART)
    for window in range(len(starts)):
        size += ends[window] - starts[window] + _APART
    codes, origin, byte = np.zeros(size, np.int32), np.zeros(size, np.int32), np.zeros(size, np.int32)
    first, behind = np.zeros(len(starts), np.int64), np.zeros(len(starts), np.int64)
    count = np.int64(0)
    for window in range(len(starts)):
        count += _APART
        first[window] = count
        at, last, place = starts[window], ends[window], 0
        while at < last:
            begin = at
            code, width = decode(data, at)
            at += width
            if code < len(table):
                code = np.int64(table[code])
            if code != DROPPED:
                codes[count] = code
                origin[count] = place
                byte[count] = begin - starts[window]
                count += 1
            place += 1
        behind[window] = count
    count += _APART
    return codes[:count].copy(), origin[:count].copy(), byte[:count].copy(), first, behind


@njit(nogil=True, cache=True)
def _mark(codes: Any, starts: Any, ends: Any, classes: Any, fold: Any, pairs: Any, triples: Any, hints: Any, only_sure: Any) -> Any:
    marks, kinds = np.zeros(len(codes), np.int64), np.zeros(len(codes), np.uint8)
    folded = np.zeros(len(codes), np.uint16)
    for at in range(len(codes)):
        code = np.uint64(codes[at])
        if code < np.uint64(0x10000):
            kinds[at] = classes[code]
            folded[at] = fold[code]
    mentions = np.zeros(len(starts), np.int64)
    for window in range(len(starts)):
        low, high = starts[window], ends[window]
        mentions[window] = _mark_words(codes, folded, low, high, kinds, pairs, triples, hints, marks)
        mentions[window] |= _mark_tokens(codes, low, high, kinds, marks)
        _mark_numbers(codes, low, high, kinds, marks, mentions[window], only_sure)
    return marks, mentions


@njit(nogil=True, cache=True)
def _mark_words(codes: Any, folded: Any, low: Any, high: Any, kinds: Any, pairs: Any, triples: Any, hints: Any, marks: Any) -> Any:
    """Mark where words stand; give what the window mentions."""
    mentioned = np.int64(0)
    numerals, run, gap = 0, 0, 0
    for at in range(low, high):
        first = np.uint64(at)
        second, third = first + ONE, first + TWO
        code = codes[first]
        if code >= 0x10000:
            run, numerals = 0, 0
            continue
        kind = kinds[first]
        if kind & (_DIGIT | _NUMERAL):  # a run of digits and Chinese numerals, with at most two gaps between
            run += 1
            numerals += kind & _NUMERAL
            gap = 0
            if run >= 7 and numerals:
                mentioned |= MENTIONS_NUMERALS
        elif run:
            gap += 1
            if gap > 2 or not kind & _GAP or code == 95:
                run, numerals = 0, 0
        if code == 0xB0:
            mentioned |= MENTIONS_PLACE
        pair = _pair(folded[first], folded[second])
        triple = _triple(folded[first], folded[second], folded[third])
        if not (hints[pair & _HINT] & np.uint8(1) or hints[triple & _HINT] & np.uint8(2)) or codes[second] >= 0x10000:
            continue
        found = pairs[pair]
        if codes[third] < 0x10000:
            found |= triples[triple]
        if found:
            mentioned |= found & MENTIONS
            marks[at] |= found & ~np.int64(MENTIONS)
            if found & OFFICE_WORD and _follows_number(codes, at, kinds):
                for place in range(at - 28, at):
                    if codes[place] == 43 or codes[place] == 40 or kinds[place] & _DIGIT:
                        marks[place] |= BEFORE_OFFICE
    return mentioned


@njit(nogil=True, cache=True)
def _follows_number(codes: Any, at: Any, kinds: Any) -> Any:
    for place in range(at - 1, at - 5, -1):
        code = codes[place]
        if kinds[place] & _DIGIT:
            return place < at - 1
        if not (code == 32 or code == 45 or code == 40 or code == 44 or code == 47 or code == 92):
            return False
    return False


@njit(nogil=True, cache=True)
def _mark_tokens(codes: Any, low: Any, high: Any, kinds: Any, marks: Any) -> Any:
    """Mark words of 17, tokens of 20 and more, codes with a check character, and addresses; tell whether a run could be a password."""
    credit_end = low
    word, token, token_kinds = -1, -1, 0
    mixed, has_mixed = 0, False
    for at in range(low, high + 1):
        code = codes[at]
        is_alnum = kinds[at] & _ALNUM
        if is_alnum and word < 0:
            word = at
            if at >= credit_end and _may_begin_credit_code(code):
                end, is_likely = _credit_code_end(codes, at, kinds)
                if end >= 0:
                    credit_end = end
                    if is_likely:
                        marks[at] |= CREDIT_CODE
        elif not is_alnum and word >= 0:
            if at - word == 17:
                marks[word] |= WORD_17
            word = -1
        in_token = is_alnum or code == 95 or code == 43 or code == 47 or code == 45
        if in_token and token < 0:
            token, token_kinds = at, 0
        elif not in_token and token >= 0:
            if 20 <= at - token <= 128 and kinds[token] & _ALNUM and token_kinds == _ALNUM:
                marks[token] |= TOKEN_20
            token = -1
        token_kinds |= is_alnum
        if (code == 58 or (is_alnum and word == at)) and _may_begin_address(codes, at):
            _mark_address(codes, at, marks)
        if is_alnum:
            mixed |= is_alnum
        elif _is_password_mark(code):
            mixed |= _MARK
        elif not _joins_password(code):
            mixed = 0
        has_mixed = has_mixed or mixed == _ALNUM | _MARK
        if (code == 64 or code == 40 or code == 91) and _is_at(codes, at):
            _mark_email(codes, at, kinds, marks)
    return MENTIONS_MIXED if has_mixed else 0


@njit(inline="always")
def _is_password_mark(code: Any) -> Any:
    """Tell whether the character is one of !#$%&?@^."""
    return code == 33 or 35 <= code <= 38 or code == 63 or code == 64 or code == 94


@njit(inline="always")
def _joins_password(code: Any) -> Any:
    """Tell whether the character is another that may stand in a password: one of "+-./;<>_~."""
    return code == 34 or code == 43 or 45 <= code <= 47 or code == 59 or code == 60 or code == 62 or code == 95 or code == 126


@njit(inline="always")
def _is_at(codes: Any, at: Any) -> Any:
    """Tell whether an `@` stands here, or (at) or [at]."""
    return codes[at] == 64 or (
        codes[at + 1] | 32 == 97 and codes[at + 2] | 32 == 116 and (codes[at + 3] == 41 or codes[at + 3] == 93)
    )


@njit(nogil=True, cache=True)
def _mark_email(codes: Any, at: Any, kinds: Any, marks: Any) -> Any:
    """Mark where the name before an `@` can begin: at most 64 letters, digits and some marks, the first after none of them."""
    last = at - 1 if codes[at - 1] == 32 else at
    for place in range(last - 1, last - 65, -1):
        code = codes[place]
        if not (kinds[place] & _ALNUM or code == 39 or _joins_name(code)):
            return
        if kinds[place] & _ALNUM and not (kinds[place - 1] & _ALNUM or _joins_name(codes[place - 1])):
            marks[place] |= EMAIL


@njit(inline="always")
def _joins_name(code: Any) -> Any:
    """Tell whether the character is one of ._%+-."""
    return code == 46 or code == 95 or code == 37 or code == 43 or code == 45


@njit(inline="always")
def _may_begin_credit_code(code: Any) -> Any:
    """Tell whether the character is 1 to 9, A, N or Y."""
    letter = code | 32
    return 49 <= code <= 57 or letter == 97 or letter == 110 or letter == 121


@njit(nogil=True, cache=True)
def _credit_code_end(codes: Any, at: Any, kinds: Any) -> Any:
    """Give the end of 18 characters of a credit code, up to three gaps between any two; -1 where there are none.

    The first has been looked at. Likely is what has 1, 2, 3 or 9 and two digits next.
    """
    is_likely = True
    place = at + 1
    for number in range(17):
        gaps = 0
        while gaps < 3 and kinds[place] & _GAP:
            place += 1
            gaps += 1
        if not kinds[place] & _ALNUM:
            return np.int64(-1), False
        if number < 3 and not kinds[place] & _DIGIT:
            is_likely = False
        if number == 0 and not (49 <= codes[place] <= 51 or codes[place] == 57):
            is_likely = False
        letter = codes[place] | 32
        if letter == 105 or letter == 111 or letter == 115 or letter == 118 or letter == 122:  # I, O, S, V, Z
            return np.int64(-1), False
        place += 1
    return (np.int64(-1), False) if kinds[place] & _ALNUM else (np.int64(place), is_likely)


@njit(inline="always")
def _is_hexadecimal(code: Any) -> Any:
    return 48 <= code <= 57 or 65 <= code <= 70 or 97 <= code <= 102


@njit(inline="always")
def _may_begin_address(codes: Any, at: Any) -> Any:
    """Tell whether a colon stands here or within the next four characters, a dash behind two or a point behind four."""
    return (
        codes[at] == 58
        or codes[at + 1] == 58
        or codes[at + 2] == 58
        or codes[at + 3] == 58
        or codes[at + 4] == 58
        or codes[at + 2] == 45
        or codes[at + 4] == 46
    )


@njit(nogil=True, cache=True)
def _mark_address(codes: Any, at: Any, marks: Any) -> Any:
    before = codes[at - 1]
    if _is_hexadecimal(before):
        return
    second, fifth = codes[at + 2], codes[at + 4]
    if ((second == 58 or second == 45) and codes[at + 5] == second and codes[at + 14] == second) or (
        fifth == 46 and codes[at + 9] == 46
    ):
        marks[at] |= MAC
    if before == 58:
        return
    end, colons, has_gap = at, 0, False
    while codes[end] == 58 or _is_hexadecimal(codes[end]):
        if codes[end] == 58:
            colons += 1
            has_gap = has_gap or codes[end + 1] == 58
        end += 1
    if has_gap or colons == 7:  # fewer groups are no address: most are times
        marks[at] |= IPV6


@njit(nogil=True, cache=True)
def _mark_numbers(codes: Any, low: Any, high: Any, kinds: Any, marks: Any, mentioned: Any, only_sure: Any) -> Any:
    ends = np.empty(20, np.int64)  # behind each of the first twenty digits, gaps of up to three between any two
    identity_end, residence_end = low, low
    at = low
    while at < high:
        if codes[at] == 43 and 49 <= codes[at + 1] <= 57:
            marks[at] |= PLUS
        if not kinds[at] & _DIGIT:
            at += 1
            continue
        first = codes[at]
        end = at + 1
        while kinds[end] & _DIGIT:
            end += 1
        length = end - at
        _mark_short(codes, at, end, kinds, marks, mentioned)
        total = _spaced(kinds, at, ends)
        if total >= 11:
            _mark_mobile(codes, at, length, total, ends, kinds, marks)
        if total >= 17 and 49 <= first <= 56:
            last = _identity_end(codes, ends[16], kinds)
            if last >= 0:
                likely = not only_sure or _is_identity(codes, at, last, kinds)
                if at >= identity_end:
                    identity_end = last
                    if likely:
                        marks[at] |= IDENTITY
                if first == 56 and at >= residence_end:
                    residence_end = last
                    if likely:
                        marks[at] |= RESIDENCE
        if 12 <= length <= 19:
            if not only_sure or _passes_luhn(codes, at, end):
                marks[at] |= CARD
        if total >= 13 and (total != length or length > 19):
            marks[at] |= CARD_SPACED
            if length == 4 and total >= 16:
                marks[at] |= CARD_GROUPED
        if length == 15:
            marks[at] |= OLD_IDENTITY
        if total >= 15 and mentioned & MENTIONS_DEVICE:
            marks[at] |= NUMBER_15
        at = end


@njit(nogil=True, cache=True)
def _spaced(kinds: Any, at: Any, ends: Any) -> Any:
    count, place = 0, at
    while count < 20:
        gaps = 0
        while gaps < 3 and kinds[place] & _GAP:
            place += 1
            gaps += 1
        if not kinds[place] & _DIGIT:
            break
        place += 1
        ends[count] = place
        count += 1
    return count


@njit(nogil=True, cache=True)
def _identity_end(codes: Any, place: Any, kinds: Any) -> Any:
    gaps = 0
    while gaps < 3 and kinds[place] & _GAP:
        place += 1
        gaps += 1
    if not (kinds[place] & _DIGIT or codes[place] | 32 == 120):
        return np.int64(-1)
    return np.int64(-1) if kinds[place + 1] & _ALNUM else np.int64(place + 1)


@njit(nogil=True, cache=True)
def _is_identity(codes: Any, at: Any, end: Any, kinds: Any) -> Any:
    """Verify the check character (GB 11643-1999, ISO 7064 MOD 11-2): weights are the powers of two modulo 11."""
    total: Any = 0
    for place in range(at, end):
        if kinds[place] & _DIGIT:
            total = total * 2 + np.int64(codes[place]) - 48
        elif codes[place] | 32 == 120:
            total = total * 2 + 10
    return total % 11 == 1


@njit(nogil=True, cache=True)
def _passes_luhn(codes: Any, at: Any, end: Any) -> Any:
    total: Any = 0
    for place in range(at, end):
        digit = np.int64(codes[place]) - 48
        if (end - place) % 2 == 0:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return total % 10 == 0


@njit(nogil=True, cache=True)
def _mark_mobile(codes: Any, at: Any, length: Any, total: Any, ends: Any, kinds: Any, marks: Any) -> Any:
    first: Any = codes[at]
    code: Any = 0
    if first == 49 and 51 <= codes[ends[1] - 1] <= 57:
        if length <= 11:
            code = MOBILE if length == 11 else MOBILE_SPACED
        if length == 3:
            code |= MOBILE_GROUPED
    elif codes[at + 1] == 54 if first == 56 else (first == 48 and codes[at + 1] == 48):  # 86 and 0086
        if length == 13 or length == 15:
            code |= MOBILE
        elif total >= 13 and length < 15:
            code |= MOBILE_SPACED
            if length == 5 or length == 7:
                code |= MOBILE_GROUPED
    if code == 0:
        return
    marks[at] |= code
    for place in range(at - 13, at):  # the country code
        before = codes[place]
        if (before == 43 or before == 40 or before == 48 or before == 56) and not kinds[place - 1] & _DIGIT:
            marks[place] |= code


@njit(nogil=True, cache=True)
def _mark_short(codes: Any, at: Any, end: Any, kinds: Any, marks: Any, mentioned: Any) -> Any:
    """Mark what is known by the lengths of a few groups and by the letters before them."""
    length = end - at
    letters = 0
    while letters < 4 and kinds[at - letters - 1] & _LETTER:
        letters += 1
    if 1 <= letters <= 3 and not kinds[at - letters - 1] & _DIGIT:
        start = at - letters
        if 7 <= length <= 8 and letters <= 2:
            marks[start] |= PASSPORT
        if letters == 1 and (length == 8 or length == 10):
            marks[start] |= TRAVEL_PERMIT
        if letters == 3 and length == 12:
            marks[start] |= PERMANENT_RESIDENCE
        if letters == 2 and length >= 2:
            marks[start] |= IBAN
        if letters <= 2 and length == 6 and codes[end] == 40:
            marks[start] |= HONG_KONG
    if letters == 0:
        if (length == 8 or length == 10) and mentioned & MENTIONS_TAIWAN:
            marks[at] |= NUMBER_8_OR_10
        if length == 18 and codes[at] == 57:
            marks[at] |= PERMANENT_RESIDENCE
    if 7 <= length <= 9 and mentioned & MENTIONS_PASSPORT:
        for place in range(at - min(letters, 2), at + 1):
            marks[place] |= NUMBER_7_TO_9
    if length <= 3:
        _mark_groups(codes, at, end, kinds, marks, mentioned)
    elif length == 9 and mentioned & MENTIONS_SOCIAL_SECURITY:
        marks[at] |= SOCIAL_SECURITY_US
    if (codes[at] == 48 and length >= 3) or (codes[at] == 56 and codes[at + 1] == 54):  # an area code; 0086 and 86
        digits = 0
        for place in range(at, at + 26):
            digits += kinds[place] & _DIGIT
        if digits >= 10:
            for place in range(at - 2, at + 1):
                if place == at or codes[place] == 40 or codes[place] == 43:
                    marks[place] |= LANDLINE


@njit(nogil=True, cache=True)
def _mark_groups(codes: Any, at: Any, end: Any, kinds: Any, marks: Any, mentioned: Any) -> Any:
    """Mark addresses of networks, and 3-2-4 and 3-3-4 digits."""
    length, separator = end - at, codes[end]
    if separator == 46:
        place, groups = end, 1
        while groups < 4 and codes[place] == 46 and kinds[place + 1] & _DIGIT:
            place += 1
            digits = 0
            while digits < 3 and kinds[place] & _DIGIT:
                place += 1
                digits += 1
            groups += 1
        if groups == 4:
            marks[at] |= IPV4
    if length != 3:
        return
    middle = end + 1
    while separator == 41 and codes[middle] == 32 and middle < end + 2:
        middle += 1
    behind = middle
    while kinds[behind] & _DIGIT:
        behind += 1
    if behind - middle == 2 and (separator == 45 or (separator == 32 and mentioned & MENTIONS_SOCIAL_SECURITY)):
        marks[at] |= SOCIAL_SECURITY_US
    if behind - middle == 3 and (separator == 45 or separator == 46 or separator == 32 or separator == 41):
        for place in range(at - 4, at + 1):
            before = codes[place]
            if place == at or before == 43 or before == 49 or before == 40:
                marks[place] |= AMERICAN
