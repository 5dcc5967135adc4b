"""Rules of the kinds of personal information with a format: a pattern finds what looks right, a judge says how sure it is.

They run on normalised text (`normalised`), around candidates only (`detection`). A judge answers `high` where a check digit or
the context confirms, `low` where it looks right but the check fails or the label beside it says that it is something else, and
None where it is nothing. Secrets are in `secrets`, names and addresses in `names`.
"""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Literal, NamedTuple

from liangji.governance.personal_information import check_digits
from liangji.kernels import anchor_bits as anchors

Confidence = Literal["high", "low"]

DIGITS, AT, COLONS, PLATE, TOKEN, LABEL, NAME = 1, 2, 4, 8, 16, 32, 64  # what a window was opened for (kernels.candidates)


class Candidate(NamedTuple):
    start: int
    end: int
    kind: str
    confidence: Confidence
    rank: int  # among candidates of one confidence that overlap, the higher rank wins, then the longer


class Rule(NamedTuple):
    kind: str
    triggers: int
    pattern: re.Pattern[str]
    judge: Callable[[str, re.Match[str]], Confidence | None]
    rank: int = 5
    anchor: int = 0  # marks of the places where a match can begin (kernels.anchor_bits); 0: it may begin everywhere
    mention: int = 0  # what the window must mention somewhere for the judge to be sure, or to say anything

    def candidate(self, text: str, match: re.Match[str]) -> Candidate | None:
        """Judge a match. A named group `value` narrows it."""
        confidence = self.judge(text, match)
        if confidence is None:
            return None
        group = "value" if "value" in self.pattern.groupindex else 0
        return Candidate(match.start(group), match.end(group), self.kind, confidence, self.rank)


def candidates(text: str, triggers: int) -> Iterator[Candidate]:
    """Find everything that looks right by trying all rules everywhere; overlaps are settled by the caller."""
    for rule in RULES:
        if rule.triggers & triggers:
            yield from filter(None, (rule.candidate(text, match) for match in rule.pattern.finditer(text)))


def candidates_at(text: str, triggers: int, marked: Iterable[tuple[int, int]], mentions: int) -> Iterator[Candidate]:
    """Find what `candidates` finds, from the marked places only: position and marks, ascending."""
    ends: defaultdict[int, int] = defaultdict(int)  # matches of one rule do not overlap
    for position, mark in marked:
        for number, rule in _rules_at(mark, triggers, mentions):
            if ends[number] <= position and (match := rule.pattern.match(text, position)):
                ends[number] = match.end()
                candidate = rule.candidate(text, match)
                if candidate:
                    yield candidate
    for _, rule in _rules_at(0, triggers, mentions):
        yield from filter(None, (rule.candidate(text, match) for match in rule.pattern.finditer(text)))


@cache
def _rules_at(mark: int, triggers: int, mentions: int) -> tuple[tuple[int, Rule], ...]:
    """Choose the rules that are tried at a place with these marks; with mark 0, those that are tried everywhere."""
    return tuple(
        (number, rule)
        for number, rule in enumerate(RULES)
        if rule.triggers & triggers
        and (rule.anchor & mark if mark else not rule.anchor)
        and (not rule.mention or rule.mention & mentions)
    )


def looked_at(triggers: int) -> int:
    """Give the marks and mentions without which a window of these triggers holds nothing that `candidates_at` finds."""
    found = 0
    for rule in RULES:
        if rule.triggers & triggers:
            found |= rule.anchor or rule.mention
    return found


# --- context -----------------------------------------------------------------------------------------------------------------

_FILLER = r"(?:号码?|编号|number|num|no\b\.?|为|是|is|value=|:|：|=|[\s\"'“”‘’`»>#.|,，()（）\[\]{}【】_/\\-]|->|=>)*$"


def _words(alternatives: str) -> str:
    r"""Write alternatives so that each begins with a letter, those of one letter together.

    The search then steps over all characters that begin none of them, and needs no look at each alternative at each place.

    >>> _words(r"order|\blog|订单")
    'o(?:rder)|l(?:(?<=\\bl)og)|订(?:单)'
    """
    by_letter: defaultdict[str, list[str]] = defaultdict(list)
    for word in re.split(r"\|(?![^(]*\))", alternatives):
        boundary = re.match(r"\\b|\(\?<!\[a-z\]\)", word)
        if boundary:
            letter, rest = word[boundary.end()], word[boundary.end() + 1 :]
            look = rf"(?<=\b{letter})" if boundary[0] == r"\b" else rf"(?<![a-z]{letter})"
            by_letter[letter].append(look + rest)
        else:
            by_letter[word[0]].append(word[1:])
    return "|".join(f"{letter}(?:{'|'.join(rests)})" for letter, rests in by_letter.items())


def _before(text: str, start: int, reach: int = 40) -> str:
    """Give what stands before a value, in lower case as `re.IGNORECASE` sees it: patterns of context are written in lower case."""
    before = text[max(0, start - reach) : start].lower()
    return before if before.isascii() else before.replace("ſ", "s").replace("ı", "i").replace("i\u0307", "i")


_OTHER_WORDS = (
    r"订单|单号|运单|快递|物流|流水|批[次号]|序列|型号|版本|货号|料号|条码|条形码|工单|合同|发票|票号|箱号|件号|图号|物料|零件|备件|部件|产品|商品|设备|机型|资产|库存|凭证|"
    r"交易|日志|会话|追踪|请求|任务|校验|哈希|指纹|时间戳|代码|编码|编号|固件|手册|标准|专利|期刊|书号|故障码|报警码|仓位|规格|order|invoice|serial|\bs/?n|"
    r"part|p/n|model|version|\bver|firmware|batch|\blot|tracking|ticket|isbn|issn|\bdoi|trace|span|request|"
    r"session|\blog|build|release|sku|\bean|upc|barcode|asset|checksum|hash|digest|timestamp|commit|"
    r"receipt|transaction|revision|\brev|product|item|case|job"
)
_OTHER_THING = re.compile(rf"(?:{_words(_OTHER_WORDS)})[a-z_\u4e00-\u9fff]{{0,4}}{_FILLER}")


def _label(words: str) -> re.Pattern[str]:
    """Match one of the words just before the value, with nothing but fillers in between."""
    return re.compile(rf"(?:{_words(words)})[a-z_\u4e00-\u9fff]{{0,6}}{_FILLER}")


def _follows(text: str, start: int, label: re.Pattern[str]) -> bool:
    return label.search(_before(text, start)) is not None


def _is_labelled_otherwise(text: str, start: int) -> bool:
    return _OTHER_THING.search(_before(text, start)) is not None


def _near(text: str, start: int, words: re.Pattern[str], reach: int = 60) -> bool:
    return words.search(_before(text, start, reach)) is not None


_PHONE_LABEL = _label(
    r"电话|手机|联系方式|致电|拨打|来电|座机|传真|热线|移动|号码|短信|回拨|whatsapp|phone|mobile|\bmob|cell|\btel|\bcall|contact|\bfax|\bdial|\bsms|text|\bph\b"
)
_PHONE_WORD = re.compile(r"(?:tel|phone|mobile|mob|cell|call|ph|fax|sms|contact|mobi|sj|dh|t|m)[._:-]?$", re.IGNORECASE)
_CARD_LABEL = _label(
    r"银行卡|卡号|账户|帐户|账号|帐号|借记卡|信用卡|储蓄卡|开户|收款|汇至|转账|付款|card|account|\bacct|visa|mastercard|amex|credit|debit|\bpan\b|\bcc\b"
)
_CARD_WORD = re.compile(_words(r"银行|卡|账|card|\bcc\b|credit|visa|amex|account"))
_IDENTITY_LABEL = _label(
    r"身份证|证件|身份号|公民|居民|居住证|身份|id[ _-]?card|identity|id[ _-]?(?:no|number)|citizen|驾驶证|驾照|sfz"
)


def _only_digits(value: str) -> str:
    return value if value.isdigit() else "".join(filter(str.isdigit, value))


def _compact(value: str) -> str:
    return "".join(c for c in value if c.isalnum()).upper()


def _group_lengths(value: str) -> tuple[int, ...]:
    if value.isalnum() and value.isascii():
        return (len(value),)
    return tuple(len(group) for group in re.split(r"[^0-9A-Za-z]+", value) if group)


_HANGS_BEFORE = re.compile(r"[A-Za-z_]$|[A-Za-z0-9][-_.·#]$|[A-Za-z]/$|(?<!\d)\d{1,3}/$")
_HANGS_BEHIND = re.compile(r"[A-Za-z_]|[-_.·#][A-Za-z0-9]|/[A-Za-z]")


def _is_alone(text: str, start: int, end: int) -> bool:
    """Tell whether no letter, no hyphenated part and no further number hangs on the value: part numbers look like that."""
    return not _HANGS_BEFORE.search(text[max(0, start - 5) : start]) and not _HANGS_BEHIND.match(text[end : end + 2])


# --- numbers of China ----------------------------------------------------------------------------------------------------------

_S = r"[ \-.·_]{0,3}"  # what may stand between two digits of one number
_MOBILE_RANGE = re.compile(r"1(?:3\d|4[5-9]|5[0-35-9]|6[2567]|7[0-8]|8\d|9[0-35-9])")
_CHINA = r"(?:(?:\+|(?<![0-9A-Za-z])00)[ ]?86|(?<![0-9A-Za-z])86(?=[ \-)1]))"
_COUNTRY_CODE = rf"(?:(?:\({_CHINA}\)|{_CHINA})[ \-.]{{0,2}}(?:\(0\)[ ]?)?)?"
_MOBILE_GROUPS = {
    (3, 4, 4), (3, 3, 5), (4, 4, 3), (4, 3, 4), (3, 8), (7, 4), (3, 5, 3), (5, 6), (6, 5), (2, 9), (3, 2, 2, 2, 2), (3, 2, 3, 3), (3, 3, 3, 2), (3, 4, 2, 2),
    (1, 2, 2, 2, 2, 2), (2, 2, 2, 2, 2, 1), (2, 3, 3, 3), (1, 3, 3, 4), (1, 5, 5), (1, 10), (8, 3), (4, 7), (3, 6, 2),
}  # fmt: skip


_DECIMALS_BEFORE, _DECIMALS_BEHIND = re.compile(r"\d\.$"), re.compile(r"\.\d")
_AMOUNT_BEHIND = re.compile(r"[ ]?(?:[万美日欧港]?元(?![旦宵])|人民币|字节|bytes?\b)")


def _judge_mobile(text: str, match: re.Match[str]) -> Confidence | None:
    start, end = match.start("number"), match.end("number")
    groups = _group_lengths(match["number"])
    if len(groups) > 1 and groups not in _MOBILE_GROUPS and len(groups) != 11:
        return None
    if _DECIMALS_BEFORE.search(text[max(0, match.start() - 2) : match.start()]) or _DECIMALS_BEHIND.match(text[end : end + 2]):
        return None  # a decimal number
    whole = match.start() != start or _follows(text, match.start(), _PHONE_LABEL)
    if whole:
        return "high"
    if len(groups) == 2 and "." in match["number"]:
        return None  # a decimal number as well
    if _AMOUNT_BEHIND.match(text, end):
        return "low"
    if not _MOBILE_RANGE.match(_only_digits(match["number"])) or _is_labelled_otherwise(text, start):
        return "low"
    if _is_alone(text, start, end):
        return "high" if len(groups) < 4 or len(groups) == 11 else "low"
    return (
        "high" if _PHONE_WORD.search(text[max(0, start - 8) : start]) and not re.match(r"[A-Za-z]", text[end : end + 1]) else "low"
    )


def _judge_identity(_: str, match: re.Match[str]) -> Confidence | None:
    value = _compact(match[0])
    if value[:2] in {"81", "82", "83"} or not check_digits.has_identity_shape(value):
        return None
    return "high" if check_digits.is_resident_identity_number(value) else "low"


def _judge_residence_permit(_: str, match: re.Match[str]) -> Confidence | None:
    value = _compact(match[0])
    if not value.startswith(("810000", "820000", "830000")) or not check_digits.has_identity_shape(value):
        return None
    return "high" if check_digits.is_resident_identity_number(value) else "low"


def _judge_old_identity(text: str, match: re.Match[str]) -> Confidence | None:
    if not check_digits.is_old_identity_number(_only_digits(match[0])):
        return None
    return "high" if _follows(text, match.start(), _IDENTITY_LABEL) else "low"


_CARD_LENGTHS = (
    (re.compile("62"), {16, 17, 18, 19}),
    (re.compile("4"), {16, 19}),
    (re.compile("5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), {16}),
    (re.compile("3[47]"), {15}),
    (re.compile("2131|1800"), {15}),
    (re.compile("30[0-59]|3[689]"), {14}),
    (re.compile("35|6011|64[4-9]|65|81"), {16}),
    (re.compile("9558"), {19}),
    (re.compile("5[06-9]|6"), {12, 13}),
    (re.compile("4"), {13}),
)


def _judge_card(text: str, match: re.Match[str]) -> Confidence | None:
    digits, start = _only_digits(match[0]), match.start()
    groups = _group_lengths(match[0])
    if len(groups) > 1 and not (set(groups[:-1]) <= {4, 6, 5} or groups in {(4, 6, 4), (4, 6, 5)} or len(groups) == len(digits)):
        return None
    issued = any(prefix.match(digits) and len(digits) in lengths for prefix, lengths in _CARD_LENGTHS)
    labelled = _follows(text, start, _CARD_LABEL) or (len(digits) != 18 and _near(text, start, _CARD_WORD, 24))
    if digits.startswith("99") or len(set(digits)) < 2 or not (issued or labelled) or (len(digits) < 14 and not labelled):
        return None
    if not check_digits.passes_luhn(digits):
        return "low"
    if labelled and not _is_labelled_otherwise(text, start):
        return "high"
    if (
        _is_labelled_otherwise(text, start)
        or not _is_alone(text, start, match.end())
        or check_digits.has_identity_shape(digits.ljust(18, "0")[:18])
    ):
        return "low"
    return "high" if issued else "low"


def _judge_credit_code(text: str, match: re.Match[str]) -> Confidence | None:
    value = _compact(match[0])
    if not _CREDIT_CODE_START.match(value) or not any(group >= 4 for group in _group_lengths(match[0])):
        return None
    labelled = _near(text, match.start(), _CREDIT_CODE_LABEL)
    if not check_digits.is_unified_social_credit_code(value):
        return "low" if labelled else None
    if labelled or not value.isdigit():
        return "high"
    # one number in 31 passes by chance: digits alone must pass the check inside, that of the organisation code, as well
    return "high" if check_digits.is_organization_code(value[8:17]) and not _is_labelled_otherwise(text, match.start()) else "low"


_CREDIT_CODE_LABEL = re.compile("信用代码|税号|纳税人|营业执照|credit code", re.IGNORECASE)
_CREDIT_CODE_START = re.compile(r"(?:[1-9A][1239]|N[1239]|Y[19])(?:1[0-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[123])")


_AREA_CODES = re.compile(
    r"0(?:10|2[0-57-9]|3(?:1\d|35|4[39]|5\d|7[0-79]|9[1-8])|4(?:1[1-9]|2[179]|3[1-9]|5[1-9]|6[4789]|7[0-9]|8[23])|5(?:1\d|2[37]|3\d|4[36]|5\d|6[1-6]|7\d|80|9[1-9])|6(?:3[1-5]|6[0-38]|9[12])|7(?:01|1\d|2[248]|3\d|4[3-6]|5\d|6[02368]|7\d|9\d)|8(?:1[236789]|2[5-7]|3\d|40|5[1-9]|7\d|8[3678]|9[1-8])|9(?:0[123689]|1\d|3\d|41|5[1-5]|7\d|9\d))"
)


_CONTACT_WORD = re.compile("[寄收发取]件人|联系人|收货人|经办人|备用|[拨打回]")


def _judge_landline(text: str, match: re.Match[str]) -> Confidence | None:
    area, number = match["area"], _only_digits(match["number"])
    if not _AREA_CODES.fullmatch("0" + area.lstrip("0")) or number[0] in "01":
        return None
    labelled = _follows(text, match.start(), _PHONE_LABEL) or match["country"] is not None
    if labelled:
        return "high"
    if _is_labelled_otherwise(text, match.start()) or not _is_alone(text, match.start(), match.end()):
        return "low"
    if match["separator"].strip() or "(" in match[0]:
        return "high"
    return "high" if _near(text, match.start(), _CONTACT_WORD, 24) else "low"


_PASSPORT_WORD = _label("护照|passport")
_PASSPORT_LABEL = re.compile(r"护照|旅行证|passport|签证|证件|出境|入境|旅客|乘客", re.IGNORECASE)


def _judge_passport(text: str, match: re.Match[str]) -> Confidence | None:
    if _follows(text, match.start(), _PASSPORT_WORD):
        return "high"
    if _is_labelled_otherwise(text, match.start()) or not _is_alone(text, match.start(), match.end()):
        return "low"
    return "high" if re.fullmatch(r"[Ee]\d{8}", match[0]) or _near(text, match.start(), _PASSPORT_LABEL) else "low"


def _needs(words: str, reach: int = 40, otherwise: Confidence | None = None) -> Callable[[str, re.Match[str]], Confidence | None]:
    pattern = re.compile(words, re.IGNORECASE)

    def judge(text: str, match: re.Match[str]) -> Confidence | None:
        return "high" if _near(text, match.start(), pattern, reach) else otherwise

    return judge


def _always(_: str, __: re.Match[str]) -> Confidence:
    return "high"


_PLATE_LABEL = re.compile(_words("车牌|号牌|牌照|牌号|车辆|车号|车主|轿车|货车|司机|停车|驶|plate|car|vehicle"))


def _judge_plate(text: str, match: re.Match[str]) -> Confidence | None:
    serial = _compact(match["serial"])
    if len(serial) == 6 and not re.search(r"^[A-HJK]|[A-HJK]$", serial):
        return None
    before = text[max(0, match.start() - 1) : match.start()]
    if match[0][0] in "京津" and before in "北南东天" and before:
        return "low"  # 北京A12345: a place and a number
    if _near(text, match.start(), _PLATE_LABEL):
        return "high"
    return "high" if re.search(r"\d", serial) and not match["serial"].islower() else "low"


# --- devices and networks ------------------------------------------------------------------------------------------------------

_VERSION_WORDS = (
    r"版本|版次|固件|软件|驱动|内核|系统|升级[到至]?|补丁|第|章|节|条|见|手册|version|\bver\.?|\bv|firmware|release|build|section|chapter|clause|"
    r"rev(?:ision)?|upgrade[d]? to"
)
_VERSION_LABEL = re.compile(rf"(?:{_words(_VERSION_WORDS)})[a-z_\u4e00-\u9fff]{{0,4}}{_FILLER}")
_VERSION_PREFIX = re.compile(rf"[a-z][-_/][a-z_\u4e00-\u9fff]{{0,4}}{_FILLER}")  # `fw-1.2.3.4`
_VERSION_ENDING = re.compile(
    r"\s*(?:节|章|条|款|版|版本|固件|小节|[-_]?(?:beta|alpha|rc|release|snapshot|build)|\.(?:zip|tar|exe|whl|jar|dll))",
    re.IGNORECASE,
)
_ADDRESS_LABEL = re.compile(
    _words(
        r"(?<![a-z])ip(?![a-z])|(?<![a-z])ipv4(?![a-z])|(?<![a-z])ip地址(?![a-z])|(?<![a-z])ip[ _-]?addr(?:ess)?(?![a-z])|地址|主机|服务器|节点|访问|连接|host|server|client|remote|来源|来自|登录|from|ping|"
        "网关|gateway|dns|src|dst|addr"
    )
)


def _judge_ipv4(text: str, match: re.Match[str]) -> Confidence | None:
    octets = [int(octet) for octet in match[0].split(".")]
    if max(octets) > 255 or any(len(octet) > 1 and octet[0] == "0" for octet in match[0].split(".")):
        return None
    before, after = _before(text, match.start(), 24), text[match.end() : match.end() + 8]
    labelled = _ADDRESS_LABEL.search(before) is not None and not _is_labelled_otherwise(text, match.start())
    if _VERSION_ENDING.match(after):
        return "low"
    if _VERSION_LABEL.search(before) or _VERSION_PREFIX.search(before):
        return "low" if not re.search(r"ip\W*$", before, re.IGNORECASE) else "high"
    if octets[0] == 0 or octets[:2] == [255, 255] or octets == [127, 0, 0, 1]:
        return "low"
    if labelled:
        return "high"
    return "low" if octets[0] == 127 or max(octets) < 32 or _is_labelled_otherwise(text, match.start()) else "high"


def _judge_ipv6(_: str, match: re.Match[str]) -> Confidence | None:
    groups = [group for group in match[0].split(":") if group]
    try:
        address = ipaddress.IPv6Address(match[0])
    except ValueError:
        return None
    if len(groups) < 3 or not any(c.isdigit() for c in match[0]):
        return None
    return "low" if address.is_loopback or address in ipaddress.IPv6Network("100::/64") else "high"


def _judge_mac(text: str, match: re.Match[str]) -> Confidence | None:
    value = _compact(match[0])
    if value in {"0" * 12, "F" * 12} or value.startswith(UNREAL_MAC):
        return "low"
    return (
        "low"
        if value.isdigit() and "-" in match[0] and not _near(text, match.start(), re.compile("mac|物理地址", re.IGNORECASE))
        else "high"
    )


UNREAL_MAC = "030000"  # a multicast, locally administered prefix that no device has: what pseudonyms begin with


def _judge_imei(text: str, match: re.Match[str]) -> Confidence | None:
    if not _near(text, match.start(), re.compile(r"imei|串号|设备识别码|device", re.IGNORECASE), 24):
        return None
    return "high" if check_digits.passes_luhn(_only_digits(match[0])) else "low"


def _judge_vehicle(text: str, match: re.Match[str]) -> Confidence | None:
    value = match[0].upper()
    labelled = _near(text, match.start(), re.compile(r"\bvin\b|车架|识别代[号码]|chassis", re.IGNORECASE), 24)
    if value.isdigit() or value.isalpha():
        return None
    if check_digits.is_vehicle_identification_number(value) and (
        labelled or (value[-4:].isdigit() and value[0] in "123456789JKLSVWYZ")
    ):
        return "high" if labelled or not _is_labelled_otherwise(text, match.start()) else "low"
    return "low" if labelled else None


_COORDINATE = r"(?:-?\d{1,3}\.\d{3,}|\d{1,3}°\d{1,2}(?:\.\d+)?[′'](?:\d{1,2}(?:\.\d+)?[″\"])?)"


def _judge_coordinates(text: str, match: re.Match[str]) -> Confidence | None:
    degrees = sorted(float(number) for number in re.findall(r"\d{1,3}\.\d{3,}", match[0])) if "°" not in match[0] else []
    if degrees and (degrees[0] > (90 if len(degrees) > 1 else 180) or degrees[-1] > 180):
        return None  # no place on Earth: one of two is a latitude
    if _near(
        text,
        match.start(),
        re.compile(
            r"经度|纬度|经纬|坐标|定位|位置|latitude|longitude|\blat\b|\blng\b|\blon\b|\bgps|location|[北南]纬|[东西]经",
            re.IGNORECASE,
        ),
        30,
    ):
        return "high"
    return "high" if "°" in match[0] and re.search("[NSEW北南东西]", text[max(0, match.start() - 2) : match.end() + 2]) else None


_EMAIL_LABEL = _label(r"邮箱|邮件|\be-?mail|\bmail")


def _judge_email(text: str, match: re.Match[str]) -> Confidence | None:
    ending = match[0].rpartition(".")[2].lower()
    if ending in {"png", "jpg", "jpeg", "gif", "webp", "svg", "css", "js", "ts", "py", "java", "invalid"}:
        return None
    if " @ " in match[0] and not (re.search(r"\d[^@]*@", match[0]) or _follows(text, match.start(), _EMAIL_LABEL)):
        return None  # "at", as in "see you @ example.com"
    if match[0].lower().startswith("git@") and text[match.end() : match.end() + 1] in {":", "/"}:
        return None
    return "high"


# --- numbers of other countries ------------------------------------------------------------------------------------------------


def _judge_ssn(text: str, match: re.Match[str]) -> Confidence | None:
    if _near(text, match.start(), re.compile(r"\bssn\b|social security|社会安全", re.IGNORECASE)):
        return "high"
    if "-" not in match[0]:
        return None
    return "low" if _is_labelled_otherwise(text, match.start()) or not _is_alone(text, match.start(), match.end()) else "high"


def _judge_iban(text: str, match: re.Match[str]) -> Confidence | None:
    value = _compact(match[0])
    if not 15 <= len(value) <= 34 or not check_digits.is_international_bank_account(value):
        return None
    return "low" if _is_labelled_otherwise(text, match.start()) else "high"  # one number in 97 passes by chance


def _judge_international(text: str, match: re.Match[str]) -> Confidence | None:
    digits = _only_digits(match[0])
    if not 9 <= len(digits) <= 15 or digits.startswith("86"):
        return None
    return "high" if re.search(r"[ \-.()]", match[0]) or _follows(text, match.start(), _PHONE_LABEL) or len(digits) >= 11 else "low"


def _judge_labelled_phone(text: str, match: re.Match[str]) -> Confidence | None:
    digits = _only_digits(match["value"])
    if (
        not 7 <= len(digits) <= 15
        or len(set(digits[-7:])) == 1
        or re.match(r"12\d{9}$|(?:19|20)\d\d[-.](?:\d\d[-.]\d\d|(?:19|20)\d\d$)", match["value"])
    ):
        return None
    start = match.start("value")
    if match[0].startswith("号码") and re.search("[证照件卡户单票]$", text[: match.start()][-1:]):
        return None  # 号码 of a document, not of a telephone
    if _is_labelled_otherwise(text, start) or re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){3}", match["value"]):
        return None
    return "high"


def _judge_american(text: str, match: re.Match[str]) -> Confidence | None:
    if _follows(text, match.start(), _PHONE_LABEL):
        return "high"
    return "low" if _is_labelled_otherwise(text, match.start()) or not _is_alone(text, match.start(), match.end()) else "high"


def _judge_wechat(text: str, match: re.Match[str]) -> Confidence | None:
    value = match["value"]
    if re.search(r"[\d_-]", value):
        return "high"
    return (
        "high"
        if re.search(r"[:：=是为]", text[match.start() : match.start("value")]) and value.islower() and value not in _NO_ACCOUNTS
        else None
    )


_NO_ACCOUNTS = frozenset({"wechat", "weixin", "string", "number", "account", "mobile", "openid", "unionid"})


_LABELLED_PHONE = (
    r"(?:电话|手机号?码?|联系方式|座机|传真|号码|whatsapp|\bphone|\bmobile|\bcell|\btel|\bcall|\bfax|\bcontact|\bdial|\btext (?:me|us))"
    r"[A-Za-z\u4e00-\u9fff ]{0,12}[\s:：=\"'.\-]{1,6}(?:(?:on|at|me|is|us)\s){0,2}(?P<value>\+?\(?\d[\d ()\-./]{5,20}\d)(?![\d.A-Za-z@_])"
)
_OFFICE_PHONE = r"(?<![\d.A-Za-z])(?P<value>\+?\(?\d[\d ()\-.]{5,20}\d)(?=[ \-(,/\\]{1,3}(?:office|fax|mobile|home|cell|work)\b)"
_LIST_SEPARATED = r"(?<![0-9A-Za-z])"
_END = r"(?![0-9A-Za-z])"

RULES: tuple[Rule, ...] = (
    Rule("email", AT, re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9][A-Za-z0-9._%+'-]{0,63}(?:@|[ ]@[ ]|[ ]?[\[(](?:at|AT)[\])][ ]?)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})(?:\.|[ ]?[\[(](?:dot|DOT)[\])][ ]?))+[A-Za-z]{2,24}(?![A-Za-z0-9-])"), _judge_email, 8, anchors.EMAIL),
    Rule("resident_identity_number", DIGITS, re.compile(rf"(?<!\d)[1-8](?:{_S}\d){{16}}{_S}[\dXx](?![0-9A-Za-z])"), _judge_identity, 9, anchors.IDENTITY),
    Rule("residence_permit", DIGITS, re.compile(rf"(?<!\d)8(?:{_S}\d){{16}}{_S}[\dXx](?![0-9A-Za-z])"), _judge_residence_permit, 9, anchors.RESIDENCE),
    Rule("resident_identity_number", DIGITS, re.compile(r"(?<![0-9A-Za-z])[1-8]\d{14}(?![0-9A-Za-z])"), _judge_old_identity, 7, anchors.OLD_IDENTITY),
    Rule("unified_social_credit_code", TOKEN | DIGITS, re.compile(rf"{_LIST_SEPARATED}[1-9ANYany](?:{_S}[0-9A-HJ-NPQRTUWXYa-hj-npqrtuwxy]){{17}}{_END}"), _judge_credit_code, 8, anchors.CREDIT_CODE),
    Rule("mobile_phone", DIGITS, re.compile(rf"(?<!\d){_COUNTRY_CODE}(?P<number>1[3-9]\d{{9}})(?!\d)"), _judge_mobile, 7, anchors.MOBILE),
    Rule("mobile_phone", DIGITS, re.compile(rf"(?<!\d)(?<!\d[ \-.·]){_COUNTRY_CODE}(?P<number>1{_S}[3-9](?:{_S}\d){{9}})(?![ \-.·]?\d)"), _judge_mobile, 6, anchors.MOBILE_SPACED),
    Rule("mobile_phone", DIGITS, re.compile(rf"(?<!\d){_COUNTRY_CODE}(?P<number>1[3-9]\d([ \-.·])\d{{4}}\2\d{{4}})(?!\d)"), _judge_mobile, 6, anchors.MOBILE_GROUPED),
    Rule("bank_card", DIGITS, re.compile(r"(?<!\d)(?<!\d\.)\d{12,19}(?!\.?\d)"), _judge_card, 6, anchors.CARD),
    Rule("bank_card", DIGITS, re.compile(rf"(?<!\d)(?<!\d[ \-.·])\d(?:{_S}\d){{12,18}}(?![ \-.·]?\d)"), _judge_card, 5, anchors.CARD_SPACED),
    Rule("bank_card", DIGITS, re.compile(r"(?<!\d)\d{4}([ \-.·])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?(?!\d)"), _judge_card, 5, anchors.CARD_GROUPED),
    Rule("landline", DIGITS, re.compile(r"(?<![0-9A-Za-z])(?<!\d[-.])(?P<country>\+?(?:00)?86[ \-]?(?=\(?[1-9]|0|\(0))?\(?(?P<area>(?(country)0?|0)(?:10|2\d|[3-9]\d\d))\)?(?P<separator>[ \-·.]{0,2})(?P<number>\d{7,8}|\d{3,4}[ \-]\d{4})(?:[ ]?(?:转|ext\.?|-)[ ]?\d{1,5})?(?!\d)"), _judge_landline, 5, anchors.LANDLINE),
    Rule("passport", DIGITS, re.compile(r"(?<![0-9A-Za-z])(?:[EeGg]\d{8}|[Ee][A-HJ-NP-Za-hj-np-z]\d{7}|[SsPp][Ee]?\d{7,8}|[Dd][Ee]\d{7}|[Kk][Jj]?\d{7,8})(?![0-9A-Za-z])"), _judge_passport, 5, anchors.PASSPORT),
    Rule("passport", DIGITS, re.compile(r"(?<=[护照号码: ])(?P<value>(?!E[IO])[A-Z]{0,2}\d{7,9})(?![0-9A-Za-z])"), lambda text, match: "high" if _follows(text, match.start("value"), re.compile(r"(?:护照|passport)(?:号码?|编号|no\.?|number)?[\s:：#]*$", re.IGNORECASE)) else None, 5, anchors.NUMBER_7_TO_9, anchors.MENTIONS_PASSPORT),
    Rule("mainland_travel_permit", DIGITS, re.compile(r"(?<![0-9A-Za-z])[HMhm]\d{8}(?:\d{2})?(?![0-9A-Za-z])"), _needs("通行证|回乡证|港澳|来往内地|travel permit", otherwise="low"), 5, anchors.TRAVEL_PERMIT),
    Rule("mainland_travel_permit", DIGITS, re.compile(r"(?<![0-9A-Za-z])\d{8}(?:\d{2})?(?![0-9A-Za-z])"), _needs("台胞证|台湾居民来往", 24), 5, anchors.NUMBER_8_OR_10, anchors.MENTIONS_TAIWAN),
    Rule("foreigner_permanent_residence", DIGITS, re.compile(r"(?<![0-9A-Za-z])(?:[A-Z]{3}\d{12}|9(?!90000)\d{17})(?![0-9A-Za-z])"), _needs("永久居留|永居|permanent resid"), 6, anchors.PERMANENT_RESIDENCE, anchors.MENTIONS_PERMANENT),
    Rule("military_identity", LABEL, re.compile(r"[军兵士文职南北沈兰成济广海空参政后装武]字第?[ ]?\d{6,8}号?"), _always, 6, anchors.ARMS_WORD),
    Rule("hong_kong_identity_number", TOKEN | DIGITS, re.compile(r"(?<![0-9A-Za-z])[A-Z]{1,2}\d{6}\([0-9A]\)"), lambda _, match: "high" if check_digits.is_hong_kong_identity_number(_compact(match[0])) else "low", 6, anchors.HONG_KONG),
    Rule("social_security_number", DIGITS, re.compile(r"(?:社保|医保|社会保障|医疗保险)(?:卡|账|帐)?(?:号码?|编号)?[\s:：为是\"'=]{1,4}(?P<value>[A-Z0-9]{8,20})(?![0-9A-Za-z])"), _always, 4, anchors.SOCIAL_WORD),
    Rule("us_social_security_number", DIGITS, re.compile(r"(?<![\d-])(?!000|666|9)\d{3}([- ]?)(?!00)\d{2}\1(?!0000)\d{4}(?![\d-])"), _judge_ssn, 5, anchors.SOCIAL_SECURITY_US),
    Rule("iban", TOKEN | DIGITS, re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,4})?(?![0-9A-Za-z])"), _judge_iban, 7, anchors.IBAN),
    Rule("phone", DIGITS, re.compile(r"(?<![0-9A-Za-z+])\+[1-9]\d{0,2}[ \-.]?(?:\(\d{1,4}\)[ \-.]?)?\d(?:[ \-.()]{0,2}\d){5,12}(?!\d)"), _judge_international, 4, anchors.PLUS),
    Rule("phone", DIGITS, re.compile(r"(?<![\d.A-Za-z-])(?:\+?1[ \-.])?(?:\([2-9]\d\d\)[ ]?[2-9]\d\d[-. ]\d{4}|[2-9]\d\d([-. ])[2-9]\d\d\1\d{4})(?:[ ]?(?:x|ext\.?)[ ]?\d{1,5})?(?![\d-])"), _judge_american, 3, anchors.AMERICAN),
    Rule("phone", DIGITS, re.compile(_LABELLED_PHONE, re.IGNORECASE), _judge_labelled_phone, 4, anchors.PHONE_WORD),
    Rule("phone", DIGITS, re.compile(_OFFICE_PHONE, re.IGNORECASE), _judge_labelled_phone, 4, anchors.BEFORE_OFFICE),
    Rule("ip_address", DIGITS | COLONS, re.compile(r"(?<![\d.])(?<![A-Za-z]-)(?<![A-Za-z])\d{1,3}(?:\.\d{1,3}){3}(?![\d]|\.\d)"), _judge_ipv4, 6, anchors.IPV4),
    Rule("ip_address", COLONS | TOKEN, re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{1,4}:|::)(?:[0-9A-Fa-f]{0,4}:){1,7}[0-9A-Fa-f]{0,4}(?![\w:])"), _judge_ipv6, 4, anchors.IPV6),
    Rule("mac_address", COLONS | TOKEN | DIGITS, re.compile(r"(?<![\w:-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w:-])|(?<![\w.])(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}(?![\w.])"), _judge_mac, 7, anchors.MAC),
    Rule("vehicle_plate", PLATE, re.compile(r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][ ]?[A-HJ-NP-Za-hj-np-z][ ·.\-]{0,3}(?P<serial>(?:[A-HJ-NP-Za-hj-np-z0-9][ ]?){4}[A-HJ-NP-Za-hj-np-z0-9]{2}|(?:[A-HJ-NP-Za-hj-np-z0-9][ ]?){4}[A-HJ-NP-Za-hj-np-z0-9挂学警港澳])(?![0-9A-Za-z])"), _judge_plate, 6),
    Rule("imei", DIGITS, re.compile(r"(?<!\d)\d{2}[ -]?\d{6}[ -]?\d{6}[ -]?\d(?!\d)"), _judge_imei, 7, anchors.NUMBER_15, anchors.MENTIONS_DEVICE),
    Rule("vehicle_identification_number", TOKEN | DIGITS, re.compile(r"(?<![0-9A-Za-z])[A-HJ-NPR-Za-hj-npr-z0-9]{17}(?![0-9A-Za-z])"), _judge_vehicle, 5, anchors.WORD_17),
    Rule("coordinates", DIGITS, re.compile(rf"(?<![\d.°]){_COORDINATE}(?:(?:[NSEW]?[,，\s/]{{1,3}}[NSEW]?){_COORDINATE})?(?!\d)(?!\.\d)"), _judge_coordinates, 3, mention=anchors.MENTIONS_PLACE),
    Rule("date_of_birth", LABEL, re.compile(r"(?:出生(?:日期|年月日?|于)?|生日|生于|date of birth|birth ?da(?:te|y)|\bdob|\bborn(?: on)?)[\s:：=\"'为是]{0,5}(?P<value>(?:19|20)\d\d(?:年|[-/.])?\d{1,2}(?:月|[-/.])?\d{1,2}日?|\d{1,2}[/.-]\d{1,2}[/.-](?:19|20)\d\d)(?!\d)", re.IGNORECASE), _always, 3, anchors.BIRTH_WORD),
    Rule("wechat_account", LABEL, re.compile(r"(?:微信号?|wechat|weixin|(?<![A-Za-z0-9/+_.-])[vw]x(?:号|id)?|V信号?)(?:账号|帐号|号码|号|id|\b)?[\s:：=为是\"'（(_]{0,5}(?P<value>[A-Za-z][A-Za-z0-9_-]{5,19})(?![A-Za-z0-9_@.-])", re.IGNORECASE), _judge_wechat, 4, anchors.WECHAT_WORD),
    Rule("wechat_account", LABEL, re.compile(r"(?<![A-Za-z0-9_-])wxid_[A-Za-z0-9]{6,24}(?![A-Za-z0-9_-])"), _always, 5, anchors.WECHAT_WORD),
    Rule("qq_number", LABEL, re.compile(r"(?<![A-Za-z])(?:qq|扣扣|企鹅)(?:号码?|群号?)?[\s:：=为是\"'（(]{0,5}(?P<value>[1-9]\d{4,10})(?![\d.@A-Za-z])", re.IGNORECASE), _always, 8, anchors.QQ_WORD),
)  # fmt: skip
