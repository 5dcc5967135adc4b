"""The kinds of personal information and secrets that are known: what each is, how it is graded, and where its rule comes from.

Names for people are in `locales/*/personal_information.yaml` under `kinds` and `categories`.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum
from typing import NamedTuple

from liangji.locales import Language, text


class Category(StrEnum):
    """Categories of personal information (GB/T 43697-2024, annex B), and secrets beside them."""

    BASIC = "basic"
    IDENTITY = "identity"
    NETWORK_IDENTITY = "network_identity"
    PROPERTY = "property"
    COMMUNICATION = "communication"
    DEVICE = "device"
    LOCATION = "location"
    ORGANIZATION = "organization"  # identifies an organisation, and through a sole trader a person
    SECRET = "secret"  # noqa: S105 - the name of a category (annex B: 身份鉴别信息)


class Kind(NamedTuple):
    name: str
    category: Category
    is_sensitive: bool  # GB/T 35273-2020, annex B: leaking it endangers a person or property
    has_format: bool  # False: a name or an address, found by its context only
    rule: str  # where the rule comes from

    def title(self, language: Language) -> str:
        return text(f"personal_information.kinds.{self.name}", language)


_ISSUER = "the issuer's published token format"
_TABLE: tuple[Kind, ...] = (
    Kind("resident_identity_number", Category.IDENTITY, True, True, "GB 11643-1999, clause 4"),
    Kind("residence_permit", Category.IDENTITY, True, True, "State Council order 2018-81, article 4; GB 11643-1999"),
    Kind("passport", Category.IDENTITY, True, True, "National Immigration Administration, passport numbers"),
    Kind("mainland_travel_permit", Category.IDENTITY, True, True, "National Immigration Administration, H or M and 8 or 10 digits"),
    Kind("foreigner_permanent_residence", Category.IDENTITY, True, True, "3 letters and 12 digits; 18 digits from 2023"),
    Kind("military_identity", Category.IDENTITY, True, True, "officer's card: arm, 字第 and 6 to 8 digits"),
    Kind("hong_kong_identity_number", Category.IDENTITY, True, True, "Cap. 177A, check character in parentheses"),
    Kind("social_security_number", Category.IDENTITY, True, True, "label 社保 or 医保 and 8 to 18 characters"),
    Kind("us_social_security_number", Category.IDENTITY, True, True, "SSA, randomization 2011: no 000, 666, 9xx"),
    Kind("bank_card", Category.PROPERTY, True, True, "ISO/IEC 7812-1:2017"),
    Kind("iban", Category.PROPERTY, True, True, "ISO 13616-1:2020"),
    Kind("mobile_phone", Category.BASIC, True, True, "MIIT numbering plan: 11 digits, ranges in use"),
    Kind("landline", Category.BASIC, False, True, "MIIT numbering plan: area code and 7 or 8 digits"),
    Kind("phone", Category.BASIC, True, True, "ITU-T E.164; NANP"),
    Kind("email", Category.BASIC, False, True, "RFC 5322, 3.4.1"),
    Kind("date_of_birth", Category.BASIC, False, True, "a date after the label of a birth date"),
    Kind("person_name", Category.BASIC, False, False, "surname list and context"),
    Kind("postal_address", Category.BASIC, True, False, "division, road and house number in a row"),
    Kind("wechat_account", Category.NETWORK_IDENTITY, False, True, "6 to 20 characters from a letter, after a label; wxid_"),
    Kind("qq_number", Category.NETWORK_IDENTITY, False, True, "5 to 11 digits after a label"),
    Kind("ip_address", Category.NETWORK_IDENTITY, False, True, "RFC 791; RFC 4291"),
    Kind("mac_address", Category.DEVICE, False, True, "IEEE 802"),
    Kind("imei", Category.DEVICE, False, True, "3GPP TS 23.003, 6.2"),
    Kind("vehicle_plate", Category.PROPERTY, False, True, "GA 36-2018"),
    Kind("vehicle_identification_number", Category.DEVICE, False, True, "GB 16735-2019"),
    Kind("coordinates", Category.LOCATION, True, True, "latitude and longitude with 4 or more decimals beside a label"),
    Kind("unified_social_credit_code", Category.ORGANIZATION, False, True, "GB 32100-2015"),
    Kind("private_key", Category.SECRET, True, True, "RFC 7468"),
    Kind("json_web_token", Category.SECRET, True, True, "RFC 7519"),
    Kind("connection_string", Category.SECRET, True, True, "RFC 3986, 3.2.1: user information with a password"),
    Kind("aws_key", Category.SECRET, True, True, _ISSUER),
    Kind("aliyun_key", Category.SECRET, True, True, _ISSUER),
    Kind("tencent_key", Category.SECRET, True, True, _ISSUER),
    Kind("google_key", Category.SECRET, True, True, _ISSUER),
    Kind("github_token", Category.SECRET, True, True, _ISSUER),
    Kind("slack_token", Category.SECRET, True, True, _ISSUER),
    Kind("access_token", Category.SECRET, True, True, _ISSUER + "; else a random string after a label"),
    Kind("api_key", Category.SECRET, True, True, _ISSUER + "; else a random string after a label"),
    Kind("password", Category.SECRET, True, True, "a value after the label of a password"),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _TABLE}
WITH_FORMAT: frozenset[str] = frozenset(kind.name for kind in _TABLE if kind.has_format)
SECRETS: frozenset[str] = frozenset(kind.name for kind in _TABLE if kind.category is Category.SECRET)


def check_names(names: Iterable[str]) -> list[str]:
    """Refuse names of kinds that are not in the table.

    Raises: ValueError that suggests the nearest name.
    """
    checked = list(names)
    for name in checked:
        if name not in KINDS:
            nearest = get_close_matches(name, KINDS, 1)
            raise ValueError(f"no kind of personal information '{name}'" + (f"; did you mean '{nearest[0]}'?" if nearest else ""))
    return checked
