"""What a place in a text can be the beginning of: one bit for each rule of personal information that is tried there only.

Set by `kernels.anchors`, read by `governance.personal_information.rules`; apart from the kernel, so that rules load without numba.
"""

from __future__ import annotations

MOBILE = 1 << 0  # eleven digits without a gap, or the country code before them
MOBILE_SPACED = 1 << 1
MOBILE_GROUPED = 1 << 2  # three, four and four
IDENTITY = 1 << 3
RESIDENCE = 1 << 4
OLD_IDENTITY = 1 << 5
CREDIT_CODE = 1 << 6
CARD = 1 << 7
CARD_SPACED = 1 << 8
CARD_GROUPED = 1 << 9
LANDLINE = 1 << 10
PASSPORT = 1 << 11
NUMBER_7_TO_9 = 1 << 12  # 7 to 9 digits, at most two capitals before them
TRAVEL_PERMIT = 1 << 13
NUMBER_8_OR_10 = 1 << 14
PERMANENT_RESIDENCE = 1 << 15
HONG_KONG = 1 << 16
SOCIAL_SECURITY_US = 1 << 17
IBAN = 1 << 18
PLUS = 1 << 19
AMERICAN = 1 << 20
IPV4 = 1 << 21
IPV6 = 1 << 22
MAC = 1 << 23
NUMBER_15 = 1 << 24
WORD_17 = 1 << 25
TOKEN_20 = 1 << 26  # digits, small letters and capitals among its characters
BEFORE_OFFICE = 1 << 27  # a number before `office`, `fax`, …

# places where a word stands
PHONE_WORD = 1 << 28
SOCIAL_WORD = 1 << 29
SECRET_WORD = 1 << 30
BEARER_WORD = 1 << 31
CURL_WORD = 1 << 32
BIRTH_WORD = 1 << 33
WECHAT_WORD = 1 << 34
QQ_WORD = 1 << 35
ARMS_WORD = 1 << 36
OFFICE_WORD = 1 << 37

EMAIL = 1 << 38  # the name before an `@`

# what a window mentions somewhere: without it, no rule of these can be sure of anything
MENTIONS_PASSPORT = 1 << 40
MENTIONS_TAIWAN = 1 << 41
MENTIONS_PERMANENT = 1 << 42
MENTIONS_DEVICE = 1 << 43
MENTIONS_SOCIAL_SECURITY = 1 << 44
MENTIONS_PLACE = 1 << 45
MENTIONS_ISSUER = 1 << 46
MENTIONS_NUMERALS = 1 << 47  # seven digits in a row, one of them a Chinese numeral
MENTIONS_MIXED = 1 << 48  # a small letter, a capital, a digit and a mark of passwords in one run
MENTIONS = ~0 << 40

WORDS: tuple[tuple[int, str], ...] = (  # known by their first two characters (Chinese) or three, in lower case
    (PHONE_WORD, "电话 手机 联系 座机 传真 号码 whatsapp phone mobile cell tel call fax contact dial text"),
    (SOCIAL_WORD, "社保 医保 社会 医疗"),
    (
        SECRET_WORD,
        "pass pwd secret token api access private auth encryption credential sk 密码 口令 密钥 私钥 令牌 秘钥 授权",
    ),
    (BEARER_WORD, "bearer basic token"),
    (CURL_WORD, "curl wget http"),
    (BIRTH_WORD, "出生 生日 生于 date birth dob born"),
    (WECHAT_WORD, "微信 v信 wechat weixin vx wx"),
    (QQ_WORD, "qq 扣扣 企鹅"),
    (ARMS_WORD, " ".join(f"{arm}字" for arm in "军兵士文职南北沈兰成济广海空参政后装武")),
    (OFFICE_WORD, "office fax mobile home cell work"),
    (MENTIONS_PASSPORT, "护照 passport"),
    (MENTIONS_TAIWAN, "台胞 台湾"),
    (MENTIONS_PERMANENT, "永久 永居 permanent"),
    (MENTIONS_DEVICE, "imei 串号 设备 device"),
    (MENTIONS_SOCIAL_SECURITY, "ssn social 社会"),
    (MENTIONS_PLACE, "经度 纬度 经纬 坐标 定位 位置 lat lng lon gps location 北纬 南纬 东经 西经"),
    (
        MENTIONS_ISSUER,
        (
            "aki asi abi acc aid aro lta akl aiz goc ya2 ghp gho ghu ghs ghr git xox hoo sk- rk_ sk_ sg. "
            "sk0 sk1 sk2 sk3 sk4 sk5 sk6 sk7 sk8 sk9 ska skb skc skd ske skf key glp npm pyp hf_ dop doo dor shp :aa eyj ---"
        ),
    ),
)
