"""Made-up values of each kind, the ways people write them, the places where they stand, and what only looks like them."""

from __future__ import annotations

import random
from typing import NamedTuple

from liangji.governance.personal_information.check_digits import (
    credit_code_check_character,
    identity_check_character,
    luhn_check_digit,
)

_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_NUMERALS = str.maketrans("0123456789", "〇一二三四五六七八九")
_MOBILE_STARTS = ("130", "138", "139", "147", "150", "159", "166", "177", "186", "191", "199")
_AREAS = ("010", "021", "0755", "0571", "0371", "0931", "0898")
_REGIONS = ("110101", "310104", "440305", "510107", "610113", "659001", "530102")
_PLATES = ("京A", "沪B", "粤B", "苏E", "新C", "琼A", "蒙D")
_BANKS = ("622202", "621700", "622848", "436742", "621661", "955880")


class Written(NamedTuple):
    text: str
    start: int
    end: int
    kind: str


def digits(source: random.Random, count: int) -> str:
    return "".join(source.choices("0123456789", k=count))


def mobile(source: random.Random) -> str:
    return source.choice(_MOBILE_STARTS) + digits(source, 8)


def identity_number(source: random.Random) -> str:
    born = f"{source.randint(1940, 2015)}{source.randint(1, 12):02d}{source.randint(1, 28):02d}"
    body = source.choice(_REGIONS) + born + digits(source, 3)
    return body + identity_check_character(body)


def card(source: random.Random) -> str:
    prefix = source.choice(_BANKS)
    body = prefix + digits(source, (15 if prefix[0] == "4" else 18) - len(prefix))
    return body + luhn_check_digit(body)


def credit_code(source: random.Random) -> str:
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    body = source.choice(("91", "92", "93", "12", "52")) + source.choice(_REGIONS) + "M" + "".join(source.choices(alphabet, k=8))
    return body + credit_code_check_character(body)


def plate(source: random.Random) -> str:
    if source.random() < 0.3:
        return source.choice(_PLATES) + source.choice("DF") + digits(source, 5)
    return source.choice(_PLATES) + source.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") + digits(source, 4)


def address(source: random.Random) -> str:
    return ".".join(str(source.randint(low, 254)) for low in (1, 0, 0, 33))


def email(source: random.Random) -> str:
    return (
        source.choice(("li.wei", "zhang_", "Wang-Fang", "a"))
        + digits(source, 3)
        + "@"
        + source.choice(("example.com", "mail.example.com.cn"))
    )


def landline(source: random.Random) -> str:
    area = source.choice(_AREAS)
    return f"{area}-{source.choice('2345678')}{digits(source, 7)}"


def passport(source: random.Random) -> str:
    return "E" + source.choice("0123456789ABCDEFGH") + digits(source, 7)


MAKERS = {
    "mobile_phone": (mobile, ("手机", "电话", "联系方式", "Tel", "mobile", "拨打", "call me on")),
    "resident_identity_number": (identity_number, ("身份证", "身份证号码", "证件号", "ID card", "公民身份号码")),
    "bank_card": (card, ("银行卡", "卡号", "账户", "收款账号", "card number", "打款到")),
    "unified_social_credit_code": (credit_code, ("统一社会信用代码", "信用代码", "税号", "营业执照号")),
    "vehicle_plate": (plate, ("车牌", "车牌号", "号牌", "车辆", "驾驶")),
    "ip_address": (address, ("IP", "来源地址", "from", "host", "登录IP")),
    "email": (email, ("邮箱", "邮件", "E-mail", "mail", "发送至")),
    "landline": (landline, ("座机", "固定电话", "电话", "传真", "Tel")),
    "passport": (passport, ("护照", "护照号", "护照号码", "passport", "Passport No.")),
}


def variants(source: random.Random, kind: str, value: str) -> str:
    """Write a value in one of its ways."""
    ways = [value, value, value.translate(_FULL_WIDTH)]
    if kind == "mobile_phone":
        parts = (value[:3], value[3:7], value[7:])
        ways += [f"{code}{value}" for code in ("+86 ", "+86", "0086", "(+86)", "86-", "+86-")]
        ways += [separator.join(parts) for separator in (" ", "-", ".", "－", "　", "\u00a0", "·", " - ")]
        ways += [
            "+86 " + " ".join(parts),
            value.translate(_NUMERALS),
            value.replace("1", "幺", 1).translate(_NUMERALS),
            "\u200b".join(parts),
        ]
        ways += [" ".join(value), "一" + value[1:]]
    if kind == "resident_identity_number":
        ways += [value.lower(), " ".join((value[:6], value[6:14], value[14:])), "-".join((value[:6], value[6:14], value[14:]))]
        ways += [" ".join(value[at : at + 4] for at in range(0, 18, 4)), value[:6] + "\u200b" + value[6:]]
    if kind == "bank_card":
        ways += [separator.join(value[at : at + 4] for at in range(0, len(value), 4)) for separator in (" ", "-", "　")]
    if kind == "landline":
        area, _, number = value.partition("-")
        ways += [
            f"({area}){number}",
            f"（{area}）{number}",
            f"{area}－{number}",
            f"+86-{area[1:]}-{number}",
            f"{area}-{number[:4]} {number[4:]}",
        ]
    if kind == "vehicle_plate":
        ways += [value[:2] + "·" + value[2:], value[:2] + " " + value[2:]]
    return source.choice(ways)


_FRAMES = (
    "{label}：{value}",
    "{label}:{value}，请尽快处理。",
    "请记下{label} {value} 谢谢",
    '{{"{label}": "{value}"}}',
    "INSERT INTO t VALUES (1, '{label}', '{value}');",
    "<td>{label}</td><td>{value}</td>",
    "[2024-05-16 22:50:13] INFO {label}={value} done",
    "| {label} | {value} |",
    "😀𠮷{label}是{value}。",
    "{label}\t{value}\t备注",
)


def written(source: random.Random, kind: str) -> Written:
    """Make a text that holds one value of a kind."""
    make, labels = MAKERS[kind]
    value = variants(source, kind, make(source))
    before, _, after = source.choice(_FRAMES).partition("{value}")
    before = before.replace("{label}", source.choice(labels)).replace("{{", "{").replace("}}", "}")
    after = after.replace("{{", "{").replace("}}", "}")
    lead = source.choice(("", "", "2024年5月，三号线检修完毕。", "Batch 12 passed. ", "a\n"))
    start = len(lead) + len(before)
    return Written(lead + before + value + after, start, start + len(value), kind)


def look_alike(source: random.Random) -> str:
    """Make a text with a number that is none of the kinds."""
    year = f"20{source.randint(10, 29)}{source.randint(1, 12):02d}{source.randint(1, 28):02d}"
    identity = identity_number(source)
    wrong_identity = identity[:17] + source.choice([c for c in "0123456789X" if c != identity[17]])
    number = card(source)
    wrong_card = number[:-1] + source.choice([c for c in "0123456789" if c != number[-1]])
    return source.choice(
        (
            f"订单编号{digits(source, source.choice((12, 15, 18)))}已发货",
            f"运单号：{digits(source, 13)}",
            f"invoice no. {digits(source, 10)}",
            f"时间戳{year}{source.randint(0, 23):02d}3015",
            f"版本号 {source.randint(1, 20)}.{source.randint(0, 20)}.{source.randint(0, 20)}.{source.randint(0, 99)}",
            f"firmware v{source.randint(1, 9)}.{source.randint(0, 9)}.{source.randint(0, 9)}.{source.randint(100, 200)}",
            f"按手册第{source.randint(1, 9)}.{source.randint(0, 30)}.{source.randint(0, 9)}.{source.randint(0, 9)}节处理",
            f"型号FX{source.choice('35')}U-{digits(source, 8)}",
            f"6ES7{digits(source, 3)}-1AG40-0XB0 库存 {digits(source, 3)}",
            f"ISBN 978-7-{digits(source, 3)}-{digits(source, 5)}-{digits(source, 1)}",
            f"证件 {wrong_identity} 无效",
            f"卡 {wrong_card} 校验失败",
            f"sha256 {''.join(source.choices('0123456789abcdef', k=64))}",
            f"traceId={''.join(source.choices('0123456789abcdef', k=32))} cost=13ms",
            f"uuid {''.join(source.choices('0123456789abcdef', k=8))}-1147-ed62-30ca-66acb766d115",
            f"epoch 17{digits(source, 8)} and 17{digits(source, 11)} ms",
            f"尺寸 {digits(source, 3)}.{digits(source, 4)} × {digits(source, 3)}.{digits(source, 4)} mm",
            f"序列号：SN{digits(source, 11)}",
            f"批次 LOT-{year}-{digits(source, 4)}",
            f"压力 0.{digits(source, 11)} MPa",
            f"GB/T {digits(source, 5)}-20{digits(source, 2)}，{year[:4]}-{year[4:6]}-{year[6:]} 实施",
            f"文件大小 {digits(source, 9)} 字节，共 1,234,567 行",
            f"坐标系 {source.randint(0, 9)}.{digits(source, 2)}.{digits(source, 2)} 网格",
            f"ERR-{digits(source, 8)} at 0x{digits(source, 8)}",
            f"专利 CN20{digits(source, 10)}A",
            "react@18.2.0 logo@2x.png std::vector::iterator 12:30:45 user@host",
        )
    )
