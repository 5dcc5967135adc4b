"""Rules of secrets: tokens of known issuers, private keys, URLs with passwords, values after a label, and random strings alone.

What only looks like a secret is not reported: placeholders, UUIDs, digests, commit ids, images in base64, paths and identifiers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import log2

from liangji.governance.personal_information.rules import AT, LABEL, TOKEN, Candidate, Confidence
from liangji.kernels import anchor_bits as anchors

_ISSUED = tuple(  # kind, the words one of which a token begins with or holds, pattern
    (kind, words.split(), re.compile(rf"(?<![A-Za-z0-9_-]){pattern}(?![A-Za-z0-9])"))
    for kind, words, pattern in (
        ("aws_key", "AKIA ASIA ABIA ACCA AIDA AROA", r"(?:AKIA|ASIA|ABIA|ACCA|AIDA|AROA)[A-Z0-9]{16}"),
        ("aliyun_key", "LTAI", r"LTAI[A-Za-z0-9]{12,26}"),
        ("tencent_key", "AKID", r"AKID[A-Za-z0-9]{28,36}"),
        ("google_key", "AIza", r"AIza[A-Za-z0-9_-]{35}"),
        ("google_key", "GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{28}"),
        ("google_key", "ya29.", r"ya29\.[A-Za-z0-9_-]{30,}"),
        ("github_token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{36,}"),
        ("github_token", "github_pat_", r"github_pat_[A-Za-z0-9_]{22,}"),
        ("slack_token", "xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
        ("slack_token", "https://hooks", r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9+/]{30,}"),
        ("api_key", "sk-", r"sk-(?:ant-|proj-|svcacct-|or-v1-)?[A-Za-z0-9_-]{20,}"),
        ("api_key", "rk_ sk_", r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"),
        ("api_key", "SG.", r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
        ("api_key", "AKLT", r"AKLT[A-Za-z0-9_-]{20,}={0,2}"),
        ("api_key", "SK", r"SK[0-9a-f]{32}"),
        ("api_key", "key-", r"key-[0-9a-f]{32}"),
        ("access_token", "glpat-", r"glpat-[A-Za-z0-9_-]{20,}"),
        ("access_token", "npm_", r"npm_[A-Za-z0-9]{36}"),
        ("access_token", "pypi-", r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{30,}"),
        ("access_token", "hf_", r"hf_[A-Za-z0-9]{30,}"),
        ("access_token", "_v1_", r"do[opr]_v1_[0-9a-f]{64}"),
        ("access_token", "shp", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
        ("access_token", ":AA", r"\d{8,10}:AA[A-Za-z0-9_-]{33}"),
        ("json_web_token", "eyJ", r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    )
)
_ISSUED_BEGINNING = re.compile(  # one look instead of two dozen where there is none of them
    r"A[KSBCIR][ICO]A|AIDA|LTAI|AKID|AKLT|AIza|GOCSPX|ya29|gh[pousr]_|github_pat|xox|hooks\.slack|sk-|[rs]k_|SG\.|SK[0-9a-f]|key-|glpat|npm_|pypi-|hf_|do[opr]_v1|shp|:AA|eyJ|-----BEGIN"
)
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----(?:.{0,16384}?-----END (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----|[A-Za-z0-9+/=\s\\:,-]{0,16384})", re.DOTALL)  # fmt: skip
_URL_WITH_PASSWORD = re.compile(r"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9+.-]{1,24}://[^\s:/@\"'<>]{0,64}:(?P<password>[^\s/\"'<>]{1,128}?)@[A-Za-z0-9\[](?:(?![\"'<>`])[!-~])*")  # fmt: skip

_LABELLED = re.compile(
    r"(?P<rest>(?P<word>pass(?:word|wd|phrase|code)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|secret[_-]?key|auth[_-]?key|"
    r"encryption[_-]?key|credentials?|(?<![a-z])sk(?![a-z-])|密码|口令|密钥|私钥|令牌|秘钥|授权码)[A-Za-z0-9_.\-]{0,24})"
    r"(?P<operator>[\"'\])”’]{0,3}[ \t]{0,4}(?::[ \t]{0,2}[|>][+-]?\n[ \t]{1,16}|\{\s{0,12}(?:(?:type|description|sensitive)\b[^\n]{0,120}\n\s{0,12}){0,3}default[ \t]{0,12}=|:=|=>|->|[:=：]{1,2}|\||\s{1,12}value[ \t]?[:=]|,(?=\s*[\"'])|(?:是|为)[:：]?|：|改成|改为|设为|换成|换为|\bis\b|\bwas\b|>|(?<=密码)|(?<=口令)|(?<=密钥)|(?<=[a-z])[ ])[ \t]{0,4}(?:!!?\w{1,12}[ ])?)"
    r"(?:(?P<quote>[\"'`“‘])(?P<quoted>[^\"'`”’\n]{4,256})(?=[\"'`”’])|(?P<plain>[!-~]{4,256}))",
    re.IGNORECASE,
)
_NAME_BEFORE = re.compile(r"[A-Za-z0-9_.\-]*$")
_BEARER = re.compile(r"\b(?:Bearer|Basic|Token)[ ]+(?P<value>[A-Za-z0-9][!-~]{7,512}?)(?=[\"'\s,;，]|$)")
_USER_OPTION = re.compile(
    r"(?:curl|wget|http)\b[^\n]{0,80}?\s(?:-u|--user)[ =]?[\"']?[\w.-]{1,64}:(?P<value>[!-~]{4,64}?)(?=[\"'\s]|$)"
)
_ALONE = re.compile(r"(?<![A-Za-z0-9_+/.%&?#~-])[A-Za-z0-9][A-Za-z0-9_+/-]{19,127}(?![A-Za-z0-9_+/=.%-])")
_MIXED_ALONE = re.compile(r"(?:^|(?<=[\[|\s\"'`:：=>（(，。,；]|[\u4e00-\u9fff]))(?P<value>[A-Za-z0-9][!-&+\--9;<>?@A-Z^_a-z~]{6,30}[A-Za-z0-9!])(?=$|[\]|\s\"'`）)，。,；<]|[\u4e00-\u9fff])")  # fmt: skip
_SEGMENT = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_CAMEL_CASE = re.compile(r"[A-Z]?[a-z]{2,}(?:[A-Z][a-z]+)*")
_WORD = re.compile(r"[A-Z]?[a-z]{3,}")
_SEVEN_ALIKE = re.compile(r"(.)\1{6,}")
_BETWEEN_CHUNKS = re.compile(r"[\s\"'<>，。（）]")
_URL_MARK = re.compile(r"://|www\.|^/|\\")
_HAS_DIGIT, _HAS_LOWER, _HAS_UPPER = re.compile(r"\d"), re.compile("[a-z]"), re.compile("[A-Z]")
_MARK = re.compile(r"[!#$%^&*@?]")
_MARKED_CHUNK = re.compile(r"(?<!\S)(?=\S*[!#$%^&*@?])\S+")

_PLACEHOLDER = re.compile(
    r"^(?:<.*>?|\$\{?.*|\{\{?.*|%[A-Za-z_]+%|%\(?\w*\)?s|#\{.*|\[.*\]?|@[\w.]+@|__\w+__|\.{3,}|-+|[xX*•.#?_-]+|null|none|nil|undefined|true|false|string|str|text|required|optional|hidden|"
    r"required\W.*|secret|password|passwd|token|apikey|api_key|username|admin_password|redacted|empty|n/a|tbd)$"
    r"|^[A-Za-z_-]*(?:password|passwd|secret|token)[A-Za-z_-]*$|\bexample|example\b|EXAMPLE|your[_-]|_here\b|change[_-]?me|place[_-]?holder|dummy|xxxx|\*\*\*|redacted|<[a-z_ -]+>|insert[_-]|replace[_-]|to[_-]be[_-]|fill[_-]?in|做占位|此处|填写",
    re.IGNORECASE,
)
_EXPRESSION = re.compile(r"^[A-Za-z_][\w.]*[(\[].*|^(?:os\.|env\.|process\.env|self\.|this\.|settings\.|config\.|args\.|options\.|request\.|ctx\.|System\.|await\b|new\b|import\b)|^[A-Za-z_]+(?:\.[A-Za-z_]+){1,}$|^(?:function|lambda|return)\b")  # fmt: skip
_DIGEST = re.compile(r"^(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{56}|[0-9a-fA-F]{64}|[0-9a-fA-F]{96}|[0-9a-fA-F]{128}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|(?:sha\d+|md5)[:-].*)$")  # fmt: skip
_IS_NO_VALUE = re.compile(  # an address, whose password is found by itself, and a digest that says so
    r"[A-Za-z][A-Za-z0-9+.-]{1,24}://|(?:sha-?(?:1|224|256|384|512)|md5)[:-]", re.IGNORECASE
)
_MEDIA = re.compile(r"^(?:iVBORw0KGgo|/9j/|R0lGOD|UklGR|PHN2Zy|PD94bW|JVBERi0|UEsDB|Qk0|AAABAA|d09G|T1RUTw|data:)")
_NO_SECRET_NAME = re.compile(
    r"public|[_-]?(?:id|ids|type|count|limit|max|min|length|len|size|url|uri|path|file|name|endpoint|policy|algorithm|field|label|hint|regex|pattern|column|hash|digest|"
    r"expir\w*|ttl|timeout|ver|version|reset|required|enabled|strength|manager|prompt|error|invalid|input|arn)$|max_|min_|num_|tokeni[sz]|tokens|secretary|passenger|passage|bypass|compass|hashed",
    re.IGNORECASE,
)
_MEDIA_LABEL = re.compile(r"(?:b64|base64|image|img|icon|photo|picture|thumb|avatar|logo|font|hash|sha-?\d*|md5|digest|integrity|checksum|etag|uuid|guid|cert|public|signature|fingerprint|图片|图像|哈希|校验|摘要|签名|指纹)\w{0,12}[\"'\])]*\s*[:=,：是为]?\s*[\"'(]*(?:[a-z0-9]+-)?$", re.IGNORECASE)  # fmt: skip


Matches = Callable[[re.Pattern[str], int], Iterable[re.Match[str]]]


def candidates(text: str, triggers: int) -> Iterator[Candidate]:
    """Find every secret by trying all rules everywhere; overlaps are settled by the caller."""
    return _candidates(text, triggers, lambda pattern, _: pattern.finditer(text), ~0)


def candidates_at(text: str, triggers: int, marked: Sequence[tuple[int, int]], mentions: int) -> Iterator[Candidate]:
    """Find what `candidates` finds, from the marked places only: position and marks, ascending."""

    def matches(pattern: re.Pattern[str], anchor: int) -> Iterator[re.Match[str]]:
        end = 0
        for position, mark in marked:
            if mark & anchor and position >= end and (match := pattern.match(text, position)):
                end = match.end()
                yield match

    return _candidates(text, triggers, matches, mentions)


def looked_at(triggers: int) -> int:
    """Give the marks and mentions without which a window of these triggers, AT apart, holds nothing that `candidates_at` finds."""
    found = anchors.MENTIONS_ISSUER if triggers & (TOKEN | LABEL) else 0
    if triggers & LABEL:
        found |= anchors.SECRET_WORD | anchors.BEARER_WORD | anchors.CURL_WORD
    return found | (anchors.TOKEN_20 | anchors.MENTIONS_MIXED if triggers & (TOKEN | AT) else 0)


def _candidates(text: str, triggers: int, matches: Matches, mentions: int) -> Iterator[Candidate]:
    if triggers & (TOKEN | LABEL) and mentions & anchors.MENTIONS_ISSUER:
        yield from _issued(text)
    if triggers & AT and "://" in text:
        yield from _urls(text)
    if triggers & LABEL:
        yield from _labelled(text, matches)
    if triggers & (TOKEN | AT):
        yield from _alone(text, matches)
        if mentions & anchors.MENTIONS_MIXED:
            yield from _mixed_alone(text)


def _issued(text: str) -> Iterator[Candidate]:
    if not _ISSUED_BEGINNING.search(text):
        return
    for kind, words, pattern in _ISSUED:
        for match in pattern.finditer(text) if any(word in text for word in words) else ():
            confidence: Confidence = (
                "low" if _is_placeholder(match[0]) or (match[0].startswith("sk-") and _is_words(match[0])) else "high"
            )
            yield Candidate(*match.span(), kind, confidence, 20)
    for match in _PRIVATE_KEY.finditer(text) if "-----BEGIN" in text else ():
        yield Candidate(match.start(), match.start() + len(match[0].rstrip()), "private_key", "high", 30)


def _urls(text: str) -> Iterator[Candidate]:
    for match in _URL_WITH_PASSWORD.finditer(text):
        if not _is_placeholder(match["password"]) and match["password"].lower() not in {"pass", "pwd", "password"}:
            yield Candidate(match.start(), match.start() + len(match[0].rstrip(".,;)")), "connection_string", "high", 25)


def _labelled(text: str, matches: Matches) -> Iterator[Candidate]:
    for match in matches(_LABELLED, anchors.SECRET_WORD):
        before = _NAME_BEFORE.search(text, max(0, match.start() - 40), match.start())
        name = (before[0] if before else "") + match["rest"]
        word = match["word"].lower()
        start, value = match.start("plain"), match["plain"]
        if match["quoted"] is not None:
            start, value = match.start("quoted"), match["quoted"]
        else:
            value = _unquoted(value)
        confidence = _judge_labelled(name, word, match["operator"], value, is_quoted=match["quoted"] is not None)
        if confidence:
            yield Candidate(start, start + len(value), _kind_of(name, word), confidence, 15)
    for pattern, anchor in ((_BEARER, anchors.BEARER_WORD), (_USER_OPTION, anchors.CURL_WORD)):
        for match in matches(pattern, anchor):
            value = match["value"]
            is_random = any(map(str.isdigit, value)) or _segments(value) > 0.3
            if (
                _is_placeholder(value)
                or _MEDIA.match(value)
                or _IS_NO_VALUE.match(value)
                or not (is_random or pattern is _USER_OPTION)
            ):
                continue
            yield Candidate(*match.span("value"), "access_token", "low" if _DIGEST.match(value) else "high", 14)


def _unquoted(value: str) -> str:
    value = re.split(r"[\"'`<>]|[,;&](?=[A-Za-z_]+[=:])|\\n", value, maxsplit=1)[0]
    value = value.rstrip(",;.")
    return value.rstrip(")}]") if not re.search(r"[(\[{]", value) else value


def _judge_labelled(name: str, word: str, operator: str, value: str, *, is_quoted: bool) -> Confidence | None:
    if len(value) < 4 or _NO_SECRET_NAME.search(name) or _is_placeholder(value) or _MEDIA.match(value) or _EXPRESSION.match(value):
        return None
    if operator.isspace() and not re.search(r"\d", value):
        return None
    if _IS_NO_VALUE.match(value):
        return None
    is_password = word.startswith(("pass", "pwd")) or word in {"密码", "口令", "授权码"}
    classes = _classes(value)
    says_so = re.search(r"[:=>,是为改设换]", operator) is not None or word in {"密码", "口令", "密钥"}
    is_base64 = len(value) >= 32 and classes >= 3 and re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", value) and not _is_identifier(value)
    if (not is_base64 and value.startswith(("/", "./", "|", "--", "\\"))) or re.search(r"\s\S+\s", value):
        return None
    if is_password:
        if not says_so:
            return "high" if len(value) >= 6 and classes >= 3 else None
        if classes == 1 and value.isalpha():
            return ("high" if is_quoted and "," not in operator else "low") if len(value) >= 6 else None
        return "high" if len(value) >= 6 or classes >= 3 else "low"
    if len(value) < 8 or value.isdigit() or not re.search(r"\d", value):
        return "high" if len(value) >= 16 and _entropy(value) > 3.5 and says_so and _segments(value) > 0.34 else None
    if not says_so and (classes < 3 or len(value) < 12):
        return None
    if len(value) >= 16 or classes >= 3:
        return "high" if _entropy(value) >= 2.8 and not _is_words(value) else "low"
    return "low"


def _kind_of(name: str, word: str) -> str:
    lower = name.lower()
    for mark, kind in (
        ("aws", "aws_key"),
        ("aliyun", "aliyun_key"),
        ("tencent", "tencent_key"),
        ("google", "google_key"),
        ("github", "github_token"),
    ):
        if mark in lower and word != "password":
            return kind
    if word.startswith(("pass", "pwd")) or word in {"密码", "口令", "授权码"}:
        return "password"
    return "access_token" if word in {"token", "令牌"} else "api_key"


def _alone(text: str, matches: Matches) -> Iterator[Candidate]:
    for match in matches(_ALONE, anchors.TOKEN_20):
        value = match[0]
        if (
            len(value) in {64, 76}
            or _classes(value) < 3
            or not _HAS_DIGIT.search(value)
            or _MEDIA.match(value)
            or _DIGEST.match(value)
        ):
            continue
        if not (_HAS_LOWER.search(value) and _HAS_UPPER.search(value)) or _is_placeholder(value):
            continue
        if (
            value.count("/") > 4
            or _entropy(value) < 3.6
            or _is_words(value)
            or _is_identifier(value)
            or _is_part_of_url(text, match.start())
            or _MEDIA_LABEL.search(text[max(0, match.start() - 32) : match.start()])
        ):
            continue
        yield Candidate(*match.span(), "api_key", "high", 3)


def _mixed_alone(text: str) -> Iterator[Candidate]:
    for match in _mixed(text):
        value = match["value"]
        if (
            _classes(value) == 4
            and re.search(r"[!#$%^&*@?]", value[1:-1])
            and not _is_placeholder(value)
            and _is_password_like(value)
        ):
            if _is_part_of_url(text, match.start("value")):
                continue
            yield Candidate(*match.span("value"), "password", "high", 2)


def _mixed(text: str) -> Iterator[re.Match[str]]:
    """Match `_MIXED_ALONE` in what stands between blanks and holds a mark: no match reaches over a blank, none counts without one."""
    if not _MARK.search(text):
        return
    for chunk in _MARKED_CHUNK.finditer(text):  # the blank behind it belongs to what must follow a value
        yield from _MIXED_ALONE.finditer(text, chunk.start(), min(chunk.end() + 1, len(text)))


def _is_password_like(value: str) -> bool:
    if re.search(r"[/\\<>;|]|%[0-9A-F]{2}|\.[A-Za-z]|://|--|[?&]\w+=", value) or len(re.findall(r"[^A-Za-z0-9]", value)) > 5:
        return False
    words = re.findall(r"[A-Za-z]+", value)
    return sum(map(len, words)) >= 3 and (
        _segments(value) > 0.42 or not all(re.fullmatch(r"[A-Z]?[a-z]+|[A-Z]+|(?:[A-Z][a-z]{2,})+", word) for word in words)
    )


def _is_part_of_url(text: str, start: int) -> bool:
    before = text[max(0, start - 200) : start]
    chunk = _BETWEEN_CHUNKS.split(before.removesuffix("\n"))[-1]
    return _URL_MARK.search(chunk) is not None


def _is_placeholder(value: str) -> bool:
    return _PLACEHOLDER.search(value) is not None or _SEVEN_ALIKE.search(value) is not None


def _classes(value: str) -> int:
    """Count the classes of characters: lower case, upper case, digits, others."""
    characters = set(value)
    tests = (str.islower, str.isupper, str.isdigit, lambda character: not character.isalnum())
    return sum(any(map(test, characters)) for test in tests)


def _entropy(value: str) -> float:
    """Shannon entropy in bits per character."""
    return -sum(share * log2(share) for share in (value.count(c) / len(value) for c in set(value)))


def _segments(value: str) -> float:
    """Give the number of runs (a capitalised word, a word, capitals, digits) per character: 0.6 for random base64, under 0.3 for identifiers."""
    return len(_SEGMENT.findall(value)) / max(1, sum(map(str.isalnum, value)))


def _is_identifier(value: str) -> bool:
    """Tell identifiers in camel case and with hyphens from random characters: most of their letters stand in words."""
    words = sum(_CAMEL_CASE.fullmatch(part) is not None for part in value.replace("_", "-").split("-"))
    return words > 1 or sum(map(len, _WORD.findall(value))) > 0.5 * len(value)


def _is_words(value: str) -> bool:
    return len(value) >= 16 and _segments(value) < 0.34 and _classes(value) >= 2 and re.search(r"[A-Za-z]{4}", value) is not None and not re.search(r"^[0-9a-f]+$", value)  # fmt: skip
