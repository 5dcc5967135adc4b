"""Replace what was found: by asterisks, by a label, by nothing, or by a pseudonym that is the same for the same value everywhere.

A pseudonym keeps the shape of its kind but lies in a range that is never given out, so that it is never taken for a real one and
`detection` does not report it: mobile numbers begin with 12, provinces of identity numbers with 99, cards with 99, plates carry
the letter I, passports EO, IP addresses stand in 0.0.0.0/8 or 100::/64, mail ends in `.invalid` (RFC 2606). The other kinds
become `[kind#…]` with 12 hexadecimal digits.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from liangji.governance.personal_information.check_digits import identity_check_character, luhn_check_digit
from liangji.governance.personal_information.detection import Look, look_into, looks_for_names
from liangji.governance.personal_information.kinds import SECRETS
from liangji.governance.personal_information.normalised import normalise, with_numerals_as_digits
from liangji.governance.personal_information.rules import UNREAL_MAC, Confidence

if TYPE_CHECKING:
    from liangji.kernels.surroundings import Stretches

Style = Literal["mask", "label", "remove", "pseudonym"]

_KEPT = {  # letters and digits that stay at the front and at the end, as is customary
    "mobile_phone": (3, 4),
    "landline": (4, 2),
    "phone": (3, 2),
    "resident_identity_number": (3, 4),
    "residence_permit": (3, 4),
    "bank_card": (4, 4),
    "passport": (1, 3),
    "vehicle_plate": (2, 1),
    "unified_social_credit_code": (4, 4),
    "person_name": (1, 0),
    "email": (1, 0),
    "iban": (4, 4),
    "imei": (2, 3),
    "vehicle_identification_number": (3, 4),
    "us_social_security_number": (0, 4),
}


class Replaced(NamedTuple):
    texts: pa.Array  # large_string
    counts: NDArray[np.int32]  # of each row: how many spans were replaced
    laid_bare: NDArray[np.int64]  # rows in which there may be more now: nothing is found in the others


def replace_in(
    texts: pa.Array, wanted: frozenset[str], minimum_confidence: Confidence, style: Style, key: bytes = b""
) -> Replaced | None:
    """Replace what is found in a string column, everything else stays; None where nothing is found.

    >>> replace_in(pa.array(["电话13812345678。"]), frozenset({"mobile_phone"}), "high", "mask").texts.to_pylist()
    ['电话138****5678。']
    """
    from liangji.kernels.buffers import text_buffers  # noqa: PLC0415 - numba takes a while to load
    from liangji.kernels.surroundings import Stretches, surroundings  # noqa: PLC0415

    look = look_into(text_buffers(texts), wanted, minimum_confidence)
    if not look.found:
        return None
    buffers, spliced = look.buffers, _splice(look, style, key)
    is_changed = np.zeros(len(look.windows.document), np.bool_)
    is_changed[[found.window for found in look.found]] = True
    around = surroundings(buffers, look.windows, is_changed, looks_for_names(wanted))
    moved = Stretches(around.document, spliced.moved(around.start), spliced.moved(around.end))
    document_ends = spliced.moved(buffers.offsets)
    counts = np.bincount(look.windows.document[[found.window for found in look.found]], minlength=len(texts))
    validity = pa.array(buffers.valid).buffers()[1] if texts.null_count else None
    replaced = pa.Array.from_buffers(
        pa.large_string(), len(texts), [validity, pa.py_buffer(document_ends), pa.py_buffer(spliced.data)]
    )
    laid_bare = _laid_bare(spliced.data, document_ends, moved, wanted, minimum_confidence)
    return Replaced(replaced, counts.astype(np.int32), laid_bare)


class _Spliced(NamedTuple):
    data: bytes
    starts: NDArray[np.int64]  # of the replaced spans, in the bytes before
    shifts: NDArray[np.int64]  # how far bytes have moved: those before the first span, and those behind each

    def moved(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give where bytes outside of the windows are now."""
        return places + self.shifts[np.searchsorted(self.starts, places)]


def _splice(look: Look, style: Style, key: bytes) -> _Spliced:
    buffers, normalised = look.buffers, look.normalised
    data = buffers.data.data
    done = int(buffers.offsets[0])
    parts: list[bytes | memoryview] = []
    shifts = [-done]
    windows = look.windows.start[[found.window for found in look.found]]
    starts = windows + normalised.byte[[found.start for found in look.found]]
    lasts = windows + normalised.byte[[found.end - 1 for found in look.found]]
    for found, start, last in zip(look.found, starts.tolist(), lasts.tolist(), strict=True):
        end = last + 1 + (data[last] >= 0xC0) + (data[last] >= 0xE0) + (data[last] >= 0xF0)
        value = replacement(str(data[start:end], "utf-8"), found.kind, style, key).encode()
        parts += [data[done:start], value]
        shifts.append(shifts[-1] + max(start, done) - start + len(value) - (end - start))
        done = end
    parts.append(data[done : int(buffers.offsets[-1])])
    return _Spliced(b"".join(parts), starts, np.array(shifts, np.int64))


def _laid_bare(
    data: bytes, document_ends: NDArray[np.int64], stretches: Stretches, wanted: frozenset[str], minimum_confidence: Confidence
) -> NDArray[np.int64]:
    """Give the rows in which something is found around what was replaced, or whose stretch cuts a window."""
    from liangji.kernels.buffers import TextBuffers  # noqa: PLC0415

    whole = memoryview(data)
    bounds = list(zip(stretches.start.tolist(), stretches.end.tolist(), strict=True))
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(stretches.end - stretches.start)])
    joined = np.frombuffer(b"".join([whole[start:end] for start, end in bounds]), np.uint8)
    look = look_into(TextBuffers(joined, offsets, np.ones(len(bounds), np.bool_)), wanted, minimum_confidence)
    stretch, row = look.windows.document, stretches.document[look.windows.document]
    is_cut = (look.windows.start == offsets[stretch]) & (stretches.start[stretch] != document_ends[row])
    is_cut |= (look.windows.end == offsets[stretch + 1]) & (stretches.end[stretch] != document_ends[row + 1])
    return np.unique(np.concatenate([row[is_cut], row[[found.window for found in look.found]]]))


def replacement(value: str, kind: str, style: Style, key: bytes = b"") -> str:
    if style == "mask":
        return masked(value, kind)
    if style == "label":
        return f"[{kind}]"
    return "" if style == "remove" else pseudonym(value, kind, key)


def masked(value: str, kind: str) -> str:
    """Put an asterisk for each letter and digit but the customary ones; the length stays.

    >>> masked("zhang282@example.cn", "email"), masked("+86 138-1234-5678", "mobile_phone")
    ('z*******@example.cn', '+86 138-****-5678')
    """
    if kind == "email" and "@" in value:
        name, _, domain = value.rpartition("@")
        return masked(name, "email") + "@" + domain if name else "*" * len(value)
    if kind == "ip_address" and value.count(".") == 3:
        first, second, *rest = value.split(".")
        return ".".join([first, second, *("*" * len(part) for part in rest)])
    if kind in SECRETS:
        return "*" * len(value)
    front, back = _KEPT.get(kind, (0, 0))
    places = [place for place, character in enumerate(value) if character.isalnum()]
    prefix = re.match(r"[(（]?\s*(?:[+＋]|00)\s*[8８]\s*[6６]", value) if kind in {"mobile_phone", "landline"} else None
    if prefix:
        front += sum(map(str.isalnum, prefix[0]))
    kept = set(places[:front] + places[len(places) - back :]) if len(places) > front + back else set()
    covered = set(places) - kept
    return "".join("*" if place in covered else character for place, character in enumerate(value))


def pseudonym(value: str, kind: str, key: bytes) -> str:
    """Give the pseudonym of a value: the same for each way to write it, unlinkable without the key.

    >>> pseudonym("138 1234 5678", "mobile_phone", b"k") == pseudonym("１３８１２３４５６７８", "mobile_phone", b"k")
    True
    """
    number = int.from_bytes(hmac.digest(key, f"{kind}\0{canonical(value, kind)}".encode("utf-8", "surrogatepass"), "sha256"))
    make = _PSEUDONYMS.get(kind)
    return make(number) if make else f"[{kind}#{number % 16**12:012x}]"


def canonical(value: str, kind: str) -> str:
    """Write a value the one way that all its ways to be written share.

    >>> canonical("+86 138-1234-5678", "mobile_phone")
    '13812345678'
    """
    plain = normalise(value).text
    if kind in SECRETS or kind in {"email", "wechat_account", "person_name", "postal_address", "coordinates"}:
        return plain if kind in SECRETS else plain.casefold().replace(" ", "")
    spoken = with_numerals_as_digits(plain)
    compact = "".join(c for c in spoken if c.isalnum() or c in ".:").upper()
    if kind == "mobile_phone":
        return "".join(c for c in compact if c.isdigit())[-11:]
    return compact if kind == "ip_address" else compact.replace(".", "").replace(":", "")


def _mobile(number: int) -> str:
    return f"12{number % 10**9:09d}"


def _identity(number: int) -> str:
    body = f"990000{1900 + number % 100:04d}{1 + number // 100 % 12:02d}{1 + number // 1200 % 28:02d}{number // 33600 % 1000:03d}"
    return body + identity_check_character(body)


def _card(number: int) -> str:
    body = f"99{number % 10**13:013d}"
    return body + luhn_check_digit(body)


def _mac(number: int) -> str:
    digits = f"{UNREAL_MAC}{number % 16**6:06X}"
    return ":".join(digits[place : place + 2] for place in range(0, 12, 2))


_PSEUDONYMS: dict[str, Callable[[int], str]] = {
    "mobile_phone": _mobile,
    "resident_identity_number": _identity,
    "residence_permit": _identity,
    "bank_card": _card,
    "mac_address": _mac,
    "email": lambda number: f"user-{number % 16**12:012x}@pseudonym.invalid",
    "passport": lambda number: f"EO{number % 10**7:07d}",
    "vehicle_plate": lambda number: f"京I{number % 16**5:05X}",
    "ip_address": lambda number: str(ipaddress.IPv4Address(number % 2**24)),
}
