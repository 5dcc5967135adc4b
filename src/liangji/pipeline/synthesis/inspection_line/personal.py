"""Personal information and secrets that belong to nobody: drawn at random, with valid check digits, in the ways people write them.

Kinds are named as in `liangji.governance.personal_information.kinds`.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from random import Random
from typing import NamedTuple

_FULL_WIDTH = str.maketrans("0123456789X-", "０１２３４５６７８９Ｘ－")
_NUMERALS = str.maketrans("0123456789", "零一二三四五六七八九")
_IDENTITY_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643-1999
_CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100-2015, table 1
_DIVISIONS = (
    "110105",
    "310115",
    "320102",
    "330106",
    "370102",
    "410105",
    "420106",
    "430102",
    "440106",
    "510107",
    "610113",
    "350102",
)
_MOBILE_PREFIXES = ("130", "136", "138", "139", "150", "155", "158", "166", "173", "177", "180", "186", "189", "191", "198", "199")
_CARD_PREFIXES = ("621226", "622848", "621700", "622588", "623058", "621661")
_PLATE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_ORGANIZATIONS = ("hengtai-roll", "ruifeng-bearing", "kaiyuan-hydraulic", "mingde-vision", "xinda-maintenance")


class Planted(NamedTuple):
    """One value in a text: its kind, how it is written, and the characters as they stand there."""

    kind: str
    style: str
    value: str


def mobile_phone(random: Random) -> Planted:
    digits = random.choice(_MOBILE_PREFIXES) + f"{random.randrange(10**8):08}"
    styles = {
        "plain": digits,
        "spaced": f"{digits[:3]} {digits[3:7]} {digits[7:]}",
        "dashed": f"{digits[:3]}-{digits[3:7]}-{digits[7:]}",
        "country_code": f"+86 {digits}",
        "full_width": digits.translate(_FULL_WIDTH),
        "numerals": digits.translate(_NUMERALS),
    }
    style = random.choice(["plain", "plain", "plain", *styles])
    return Planted("mobile_phone", style, styles[style])


def resident_identity_number(random: Random) -> Planted:
    birth = f"{random.randint(1962, 2003)}{random.randint(1, 12):02}{random.randint(1, 28):02}"
    body = random.choice(_DIVISIONS) + birth + f"{random.randint(1, 999):03}"
    number = body + identity_check_character(body)
    styles = {
        "plain": number,
        "lower_case": number.lower(),
        "spaced": f"{number[:6]} {number[6:14]} {number[14:]}",
        "full_width": number.translate(_FULL_WIDTH),
    }
    style = random.choice(["plain", "plain", "plain", *styles])
    return Planted("resident_identity_number", style, styles[style])


def identity_check_character(body: str) -> str:
    """Give the last character of an identity number (GB 11643-1999, clause 4.2)."""
    total = sum(weight * int(digit) for weight, digit in zip(_IDENTITY_WEIGHTS, body, strict=True))
    return "10X98765432"[total % 11]


def bank_card(random: Random) -> Planted:
    body = random.choice(_CARD_PREFIXES) + f"{random.randrange(10**12):012}"
    number = body + luhn_check_digit(body)
    styles = {"plain": number, "spaced": " ".join(number[at : at + 4] for at in range(0, len(number), 4))}
    style = random.choice(["plain", "plain", *styles])
    return Planted("bank_card", style, styles[style])


def luhn_check_digit(body: str) -> str:
    """Give the last digit of a card number (ISO/IEC 7812-1:2017, annex B)."""
    total = 0
    for position, digit in enumerate(reversed(body)):
        doubled = int(digit) * 2 if position % 2 == 0 else int(digit)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def unified_social_credit_code(random: Random) -> Planted:
    organisation = "".join(random.choices(string.digits, k=8))
    body = "91" + random.choice(_DIVISIONS) + organisation + _organisation_check_character(organisation)
    return Planted("unified_social_credit_code", "plain", body + credit_check_character(body))


def credit_check_character(body: str) -> str:
    """Give the last character of a unified social credit code (GB 32100-2015, annex B)."""
    total = sum(_CREDIT_ALPHABET.index(character) * pow(3, position, 31) for position, character in enumerate(body))
    return _CREDIT_ALPHABET[-total % 31]


def _organisation_check_character(digits: str) -> str:
    weights = (3, 7, 9, 10, 5, 8, 4, 2)  # GB 11714-1997
    remainder = 11 - sum(weight * int(digit) for weight, digit in zip(weights, digits, strict=True)) % 11
    return {10: "X", 11: "0"}.get(remainder, str(remainder))


def vehicle_plate(random: Random) -> Planted:
    serial = "".join(random.choices(string.digits + _PLATE_LETTERS, k=3)) + "".join(random.choices(string.digits, k=2))
    return Planted("vehicle_plate", "plain", random.choice("苏浙沪鲁鄂皖粤") + random.choice("ABCDEFGHJ") + serial)


def email(random: Random) -> Planted:
    user = "".join(random.choices(string.ascii_lowercase, k=random.randint(4, 8))) + str(random.randint(10, 999))
    return Planted("email", "plain", f"{user}@{random.choice(_ORGANIZATIONS)}.example.com")


def landline(random: Random) -> Planted:
    return Planted(
        "landline", "plain", f"{random.choice(['025', '027', '0512', '0571'])}-{random.randint(2, 8)}{random.randrange(10**7):07}"
    )


def ip_address(random: Random) -> Planted:
    return Planted("ip_address", "plain", f"10.{random.randint(8, 240)}.{random.randint(1, 254)}.{random.randint(2, 254)}")


# Each kind with the sentences it is written in.
_PERSONAL: tuple[tuple[Callable[[Random], Planted], tuple[str, ...]], ...] = (
    (mobile_phone, ("如有疑问请拨打值班手机{}。", "外协人员留的联系电话是{}，随时可以打。", "备件到货后通知司机，手机号{}。")),
    (
        resident_identity_number,
        ("入厂登记的身份证号为{}，已由门卫核对。", "特种作业证办理人身份证号码{}。", "临时工身份证{}，培训合格后上岗。"),
    ),
    (bank_card, ("维修费请汇到银行卡{}。", "劳务费结算卡号：{}，月底前打款。")),
    (unified_social_credit_code, ("开票单位统一社会信用代码{}。", "供应商营业执照代码为{}，资质在有效期内。")),
    (vehicle_plate, ("送货车辆车牌{}，从三号门进。", "吊车牌照{}已办好入厂证。")),
    (email, ("检测报告请发到{}。", "图纸电子版已发邮箱{}，注意查收。")),
    (landline, ("厂家售后座机{}，工作日有人接听。", "传真与电话同号：{}。")),
    (ip_address, ("采集服务器地址{}，改动前先备份。", "新换的交换机管理地址是{}。")),
)


def with_personal_information(text: str, random: Random) -> tuple[str, tuple[Planted, ...]]:
    """Add one to three sentences that hold personal information."""
    chosen = random.sample(_PERSONAL, random.randint(1, 3))
    values = tuple(make(random) for make, _ in chosen)
    sentences = [random.choice(frames).format(value.value) for (_, frames), value in zip(chosen, values, strict=True)]
    return text + "".join(sentences), values


def _random_string(random: Random, alphabet: str, length: int) -> str:
    return "".join(random.choices(alphabet, k=length))


def _password(random: Random) -> Planted:
    alphabet = string.ascii_letters + string.digits
    return Planted("password", "plain", _random_string(random, alphabet, 8) + random.choice("!@#%") + str(random.randint(10, 99)))


def _aws_key(random: Random) -> Planted:
    return Planted("aws_key", "plain", "AK" + "IA" + _random_string(random, string.ascii_uppercase + "234567", 16))


def _github_token(random: Random) -> Planted:
    return Planted("github_token", "plain", "gh" + "p_" + _random_string(random, string.ascii_letters + string.digits, 36))


def _connection_string(random: Random) -> Planted:
    secret = _random_string(random, string.ascii_letters + string.digits, 14)
    return Planted("connection_string", "plain", f"postgresql://collector:{secret}@10.20.{random.randint(1, 99)}.7:5432/line")


_SECRETS: tuple[tuple[Callable[[Random], Planted], str], ...] = (
    (_password, "临时账号的密码是{}，用完记得改。"),
    (_aws_key, "上传图像用的配置里写着 aws_access_key_id = {}。"),
    (_github_token, "脚本里留了一行 token={}，请尽快撤销。"),
    (_connection_string, "数据库连接串 {} 还在旧脚本里。"),
)


def with_secret(text: str, random: Random) -> tuple[str, tuple[Planted, ...]]:
    """Add one sentence that holds a secret."""
    make, frame = random.choice(_SECRETS)
    planted = make(random)
    return text + frame.format(planted.value), (planted,)
