"""Check digits of identity numbers, codes and cards. Each function takes the normalised value: ASCII, upper case, no separators."""

from __future__ import annotations

from datetime import date

_IDENTITY_CHECK = "10X98765432"
_IDENTITY_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CREDIT_CODE_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT_CODE_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_ORGANIZATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_VIN_VALUES = dict(
    zip("ABCDEFGHJKLMNPRSTUVWXYZ", (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9), strict=True)
)
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_PROVINCES = frozenset(
    [
        "11",
        "12",
        "13",
        "14",
        "15",
        "21",
        "22",
        "23",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
        "42",
        "43",
        "44",
        "45",
        "46",
        "50",
        "51",
        "52",
        "53",
        "54",
        "61",
        "62",
        "63",
        "64",
        "65",
        "71",
        "81",
        "82",
        "83",
    ]
)


def identity_check_character(body: str) -> str:
    """Compute the 18th character of a resident identity number from its first 17 digits.

    Source: GB 11643-1999, 4.2.4 (ISO 7064:1983 MOD 11-2).

    >>> identity_check_character("11010519491231002")
    'X'
    """
    return _IDENTITY_CHECK[sum(weight * int(digit) for weight, digit in zip(_IDENTITY_WEIGHTS, body, strict=True)) % 11]


def has_identity_shape(value: str) -> bool:
    """Tell whether the province and the date of birth of an 18-digit identity number exist.

    Source: GB 11643-1999, 4.2.1 and 4.2.2; GB/T 2260 for provinces; 81, 82 and 83 are residence permits of Hong Kong, Macao and Taiwan residents.

    >>> has_identity_shape("11010519491231002X"), has_identity_shape("110105194913310020")
    (True, False)
    """
    return value[:2] in _PROVINCES and _is_date(value[6:10], value[10:12], value[12:14])


def is_resident_identity_number(value: str) -> bool:
    """Verify province, date of birth and check character of an 18-digit identity number.

    Source: GB 11643-1999, clause 4.

    >>> is_resident_identity_number("11010519491231002X"), is_resident_identity_number("110105194912310021")
    (True, False)
    """
    return has_identity_shape(value) and identity_check_character(value[:17]) == value[17]


def is_old_identity_number(value: str) -> bool:
    """Verify province and date of birth of a 15-digit identity number, issued before 1999; it has no check digit.

    Source: GB 11643-1989.

    >>> is_old_identity_number("110105491231002")
    True
    """
    return value[:2] in _PROVINCES and _is_date("19" + value[6:8], value[8:10], value[10:12])


def _is_date(year: str, month: str, day: str) -> bool:
    try:
        return 1880 <= date(int(year), int(month), int(day)).year <= 2099
    except ValueError:
        return False


def credit_code_check_character(body: str) -> str:
    """Compute the 18th character of a unified social credit code from its first 17.

    Source: GB 32100-2015, annex A (MOD 31).

    >>> credit_code_check_character("91350100M000100Y4")
    '3'
    """
    total = sum(weight * _CREDIT_CODE_ALPHABET.index(c) for weight, c in zip(_CREDIT_CODE_WEIGHTS, body, strict=True))
    return _CREDIT_CODE_ALPHABET[-total % 31]


def is_unified_social_credit_code(value: str) -> bool:
    """Verify alphabet, region digits and check character of a unified social credit code.

    Source: GB 32100-2015, clause 4 and annex A.

    >>> is_unified_social_credit_code("91350100M000100Y43"), is_unified_social_credit_code("91350100M000100Y44")
    (True, False)
    """
    if len(value) != 18 or any(c not in _CREDIT_CODE_ALPHABET for c in value) or not value[2:8].isdigit():
        return False
    return credit_code_check_character(value[:17]) == value[17]


def is_organization_code(value: str) -> bool:
    """Verify the check character of an organisation code, without its hyphen.

    Source: GB 11714-1997, 3.2 (MOD 11-2 with weights 3 7 9 10 5 8 4 2).

    >>> is_organization_code("M000100Y4")
    True
    """
    total = sum(weight * int(c, 36) for weight, c in zip(_ORGANIZATION_WEIGHTS, value[:8], strict=True))
    return "0X987654321"[total % 11] == value[8]


def passes_luhn(digits: str) -> bool:
    """Verify the last digit of a bank card or device number.

    Source: ISO/IEC 7812-1:2017, annex B; 3GPP TS 23.003, annex B for IMEI.

    >>> passes_luhn("4111111111111111"), passes_luhn("4111111111111112")
    (True, False)
    """
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def luhn_check_digit(body: str) -> str:
    """Compute the digit that makes `body` pass.

    Source: ISO/IEC 7812-1:2017, annex B.

    >>> luhn_check_digit("411111111111111")
    '1'
    """
    return next(digit for digit in "0123456789" if passes_luhn(body + digit))


def is_vehicle_identification_number(value: str) -> bool:
    """Verify the 9th character of a vehicle identification number.

    Source: GB 16735-2019, annex B; ISO 3779 does not require it outside China and North America.

    >>> is_vehicle_identification_number("1M8GDM9AXKP042788"), is_vehicle_identification_number("1M8GDM9A0KP042788")
    (True, False)
    """
    if len(value) != 17 or any(c not in _VIN_VALUES and not c.isdigit() for c in value):
        return False
    total = sum(weight * (int(c) if c.isdigit() else _VIN_VALUES[c]) for weight, c in zip(_VIN_WEIGHTS, value, strict=True))
    return "0123456789X"[total % 11] == value[8]


def is_international_bank_account(value: str) -> bool:
    """Verify the two check digits of an IBAN.

    Source: ISO 13616-1:2020, 6.2 (ISO 7064 MOD 97-10).

    >>> is_international_bank_account("GB82WEST12345698765432"), is_international_bank_account("GB83WEST12345698765432")
    (True, False)
    """
    return int("".join(str(int(c, 36)) for c in value[4:] + value[:4])) % 97 == 1


def is_hong_kong_identity_number(value: str) -> bool:
    """Verify the character in parentheses of a Hong Kong identity card number, given without them.

    Source: Registration of Persons Regulations (Cap. 177A); weights 9 to 2, a missing first letter counts as 36.

    >>> is_hong_kong_identity_number("A1234563"), is_hong_kong_identity_number("A1234564")
    (True, False)
    """
    padded = value.rjust(9)
    values = [36 if c == " " else int(c, 36) for c in padded]
    return sum(weight * v for weight, v in zip(range(9, 0, -1), values, strict=True)) % 11 == 0
