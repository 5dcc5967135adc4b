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
from typing import Literal

from liangji.governance.personal_information.check_digits import identity_check_character, luhn_check_digit
from liangji.governance.personal_information.detection import Finding
from liangji.governance.personal_information.kinds import SECRETS
from liangji.governance.personal_information.normalised import normalise, with_numerals_as_digits
from liangji.governance.personal_information.rules import UNREAL_MAC

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


def replace(text: str, findings: list[Finding] | tuple[Finding, ...], style: Style, key: bytes = b"") -> str:
    """Replace all findings of a text; everything outside of them stays.

    >>> replace("电话13812345678。", [Finding(2, 13, "mobile_phone", "high")], "mask")
    '电话138****5678。'
    """
    parts, done = [], 0
    for finding in findings:
        parts += [text[done : finding.start], replacement(text[finding.start : finding.end], finding.kind, style, key)]
        done = finding.end
    return "".join([*parts, text[done:]])


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
