"""Find out how the bytes of a text are encoded, and turn them into characters without losing what can be read.

Three questions, in this order. Is there a byte order mark? Are the bytes valid UTF-8 (other encodings hardly ever are)? If not,
under which encoding are the bytes least surprising? For the last one each encoding has a model of what is usually written in it
(common characters in order of frequency, the rest by class), the sample is decoded under each, and the encoding with the highest
likelihood wins: a unigram naive Bayes over the same bytes, so that encodings with one, two and four bytes a character compare
fairly. What the sender declared adds a little and never decides against the bytes.

Decoding goes line by line where a text is damaged: a bad byte costs one character of one line, and lines in another encoding
than the rest are read in theirs. Newlines are kept as they are. What is needed about letters and words of languages is not here.
"""

from __future__ import annotations

import codecs
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import BinaryIO, NamedTuple

from liangji.core.errors import InputError
from liangji.pipeline.collection.streams import Broken, read_head

SAMPLE_BYTES = 64 << 10
CHUNK_BYTES = 1 << 20
LOOK_AHEAD_BYTES = 8 << 20  # of a stream of hardly anything but ASCII, before its encoding is named
TELLING_BYTES = 1 << 10  # bytes beyond ASCII by which an encoding can be told
LINES_LISTED = 100


class Encoding(NamedTuple):
    """`name` is known to Python and, where IANA has one, to IANA; `confidence` in [0, 1]; `reason` in a few words."""

    name: str
    confidence: float
    reason: str


class Decoded(NamedTuple):
    """`replaced`: characters that could not be decoded and became U+FFFD; `lines_replaced`: where, the first 100, from 1."""

    text: str
    encoding: Encoding
    replaced: int
    lines_replaced: tuple[int, ...]
    notes: tuple[str, ...]


def detect(sample: bytes, declared: str | None = None) -> Encoding:
    """Name the encoding of a text from the start of its bytes, or from all of them.

    `declared` is what came with the text (HTTP header, user's word); declarations of HTML and XML are found in the sample
    itself. A sample that ends in the middle of a character is fine. Names: as in `FAMILIES`, or 'ascii'.
    """
    marked = _byte_order_mark(sample)
    if marked:
        return Encoding(marked[0], 1.0, "byte order mark")
    if sample.isascii() and b"\0" not in sample[:SAMPLE_BYTES]:
        return _escaped(sample) or Encoding("ascii", 1.0, "only ASCII")
    evidence = _evidence(sample)
    claims = {claim for claim in (_family(declared), _declared_inside(sample)) if claim}
    return _as_utf8(sample, evidence, claims) or _most_likely(evidence, claims)


def decode(data: bytes, declared: str | None = None) -> Decoded:
    """Decode a whole text; see `detect` for how its encoding is found."""
    encoding = detect(data, declared)
    _, mark = _byte_order_mark(data) or ("", b"")
    decoder = _LineDecoder(encoding)
    text = decoder.decode(data[len(mark) :], final=True)
    return Decoded(text, decoder.encoding, decoder.replaced, tuple(decoder.lines_replaced), decoder.notes())


def decode_stream(stream: BinaryIO, declared: str | None = None) -> tuple[Encoding, DecodedChunks]:
    """Decode a stream chunk by chunk, in bounded memory; each chunk but the last ends at the end of a line.

    A line longer than 8 MiB is cut between two characters.
    """
    head, stream = look_ahead(b"", stream)
    encoding = detect(head, declared)
    _, mark = _byte_order_mark(head) or ("", b"")
    chunks = DecodedChunks(stream, head[len(mark) :], encoding, declared)
    return encoding, chunks


def look_ahead(head: bytes, stream: BinaryIO) -> tuple[bytes, BinaryIO]:
    """Read on from `head` until there is enough to name an encoding by; give what was read, and what follows.

    Enough are 1 KiB of bytes beyond ASCII, or a NUL, in the first 8 MiB. A head that ended within the first character beyond
    ASCII, or behind a single stray byte, would be named by chance.
    """
    beyond = _count_beyond(head)
    while len(head) < SAMPLE_BYTES or (beyond < TELLING_BYTES and len(head) < LOOK_AHEAD_BYTES and b"\0" not in head):
        try:
            more, stream = read_head(stream, SAMPLE_BYTES if len(head) < SAMPLE_BYTES else CHUNK_BYTES)
        except InputError as error:
            return head, Broken(error).as_binary()
        if not more:
            break
        head += more
        beyond += _count_beyond(more)
    return head, stream


class DecodedChunks:
    """The text of a stream, in order. `encoding`, `replaced`, `lines_replaced`, `notes` are final when it is exhausted."""

    def __init__(self, stream: BinaryIO, head: bytes, encoding: Encoding, declared: str | None, first_line: int = 1) -> None:
        self._stream, self._rest, self._declared = stream, head, declared
        self._decoder = _LineDecoder(encoding, first_line)
        self._chunks = self._decoded()

    @property
    def encoding(self) -> Encoding:
        return self._decoder.encoding

    @property
    def replaced(self) -> int:
        return self._decoder.replaced

    @property
    def lines_replaced(self) -> tuple[int, ...]:
        return tuple(self._decoder.lines_replaced)

    @property
    def notes(self) -> tuple[str, ...]:
        return self._decoder.notes()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self._chunks)

    def _decoded(self) -> Iterator[str]:
        decoder = self._decoder
        while True:
            try:
                block = self._stream.read(CHUNK_BYTES)
            except InputError:
                yield decoder.decode(self._rest[: self._rest.rfind(b"\n") + 1], final=False)  # damage keeps what stood before it
                raise
            final = not block
            data = self._rest + block
            if decoder.encoding.name == "ascii" and not data.isascii():
                # The first megabytes were ASCII, which every encoding of lines shares: only now is there something to decide.
                data, self._stream = look_ahead(data, self._stream)
                decoder.encoding = detect(data, self._declared)
            cut = len(data) if final or decoder.is_stateful else _safe_cut(data, decoder.encoding.name)
            self._rest = data[cut:]
            text = decoder.decode(data[:cut], final=final)
            if text:
                yield text
            if final:
                return


def _safe_cut(data: bytes, name: str) -> int:
    """Give where to cut: after the last line, or between characters where a line is too long to wait for."""
    cut = data.rfind(b"\n") + 1
    if cut or len(data) < LOOK_AHEAD_BYTES:
        return cut
    decoder = codecs.getincrementaldecoder(FAMILIES[name][-1])("replace")
    decoder.decode(data)
    return len(data) - len(decoder.getstate()[0])


FAMILIES: dict[str, tuple[str, ...]] = {
    "ascii": ("utf-8",),
    "utf-8": ("utf-8",),
    "utf-8-sig": ("utf-8",),
    "utf-16-le": ("utf-16-le",),
    "utf-16-be": ("utf-16-be",),
    "utf-32-le": ("utf-32-le",),
    "utf-32-be": ("utf-32-be",),
    "gb18030": ("gb18030",),
    "big5": ("big5", "big5hkscs", "cp950"),
    "shift_jis": ("shift_jis", "cp932"),
    "windows-31j": ("cp932",),
    "euc-jp": ("euc_jp", "euc_jis_2004"),
    "euc-kr": ("euc_kr", "cp949"),
    "hz": ("hz",),
    "iso-2022-jp": ("iso2022_jp", "iso2022_jp_ext"),
    "iso-2022-kr": ("iso2022_kr",),
    "windows-1252": ("cp1252", "latin-1"),
    "windows-1250": ("cp1250", "iso8859-2"),
    "windows-1251": ("cp1251",),
    "windows-1253": ("cp1253", "iso8859-7"),
    "windows-1254": ("cp1254", "iso8859-9"),
    "windows-1255": ("cp1255", "iso8859-8"),
    "windows-1256": ("cp1256",),
    "windows-1257": ("cp1257",),
    "windows-874": ("cp874",),
    "iso-8859-2": ("iso8859-2",),
    "iso-8859-5": ("iso8859-5",),
    "iso-8859-6": ("iso8859-6",),
    "iso-8859-7": ("iso8859-7",),
    "koi8-r": ("koi8-r",),
    "koi8-u": ("koi8-u",),
    "ibm866": ("cp866",),
}
"""Encoding → its codecs, from the narrowest to the widest; a line is read with the first that can."""

_STATEFUL = frozenset({"utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "hz", "iso-2022-jp", "iso-2022-kr"})
_MULTIBYTE = ("gb18030", "big5", "shift_jis", "euc-jp", "euc-kr")
_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)


def _byte_order_mark(data: bytes) -> tuple[str, bytes] | None:
    return next(((name, mark) for mark, name in _MARKS if data.startswith(mark)), None)


# --- what is looked at ------------------------------------------------------------------------------------------------


_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_ASCII = bytes(range(0x80))
_BEYOND_TWO_BYTES = re.compile(rb"[\xe0-\xf4][\x80-\xbf]{2,3}[^\x80-\xff]*[\xc2-\xf4][\x80-\xbf]")
# No encoding of lines has these bytes inside a character: after one of them a character begins.
_BOUNDARY = re.compile(rb"[\t\n\r -/]")


def _count_beyond(data: bytes) -> int:
    return 0 if data.isascii() else len(data.translate(None, _ASCII))


def _first_beyond(data: bytes, start: int) -> int:
    """Find the first byte beyond ASCII; -1 where there is none. Block by block, as `isascii` is far faster than a search."""
    for at in range(start, len(data), SAMPLE_BYTES):
        block = data[at : at + SAMPLE_BYTES]
        if not block.isascii() and (found := _NOT_ASCII.search(block)):
            return at + found.start()
    return -1


def _evidence(data: bytes) -> tuple[bytes, ...]:
    """Take parts of a text to name its encoding by: the head, what follows the first byte beyond ASCII where the head has few,
    and two from further on. Each begins with a character; its end may cut one.
    """
    if len(data) <= SAMPLE_BYTES or b"\0" in data[:SAMPLE_BYTES]:
        return (data[:SAMPLE_BYTES],)
    first = _first_beyond(data, 0)
    end = max(SAMPLE_BYTES, first + SAMPLE_BYTES // 4) if first < SAMPLE_BYTES else SAMPLE_BYTES
    parts = [data[:end]]  # never ends right behind the first byte that tells something
    for quarter in (0, 2, 3) if _count_beyond(parts[0]) < TELLING_BYTES else (2, 3):
        start = _character_start(data, max(end, len(data) * quarter // 4))
        if start >= 0:
            end = start + SAMPLE_BYTES // 4
            parts.append(data[start:end])
    return tuple(parts)


def _character_start(data: bytes, at: int) -> int:
    """Find where a character beyond ASCII, or a stretch with some, certainly starts behind `at`; -1 where that is not clear."""
    beyond = _first_beyond(data, at)
    if beyond < 0:
        return -1
    if data[beyond - 2 : beyond].isascii():
        return beyond  # in no encoding are two bytes of ASCII both inside a character
    found = _BOUNDARY.search(data, at, at + SAMPLE_BYTES)
    return found.end() if found else -1


def _as_utf8(data: bytes, evidence: tuple[bytes, ...], claims: set[str]) -> Encoding | None:
    """Recognise UTF-8 by its form alone: all of the text is valid, or nearly all of what was looked at."""
    sequences = _utf8_sequences(data)
    # Nine or more bytes that are UTF-8 by chance do not happen; fewer are weighed where something speaks for another encoding.
    is_open = b"\0" in data[:SAMPLE_BYTES] or bool(claims - {"utf-8"})
    if sequences and (not is_open or sequences >= 8 or any(map(_BEYOND_TWO_BYTES.search, evidence))):
        return Encoding("utf-8", 1.0, "valid UTF-8")
    if b"\0" in data[:SAMPLE_BYTES]:
        return None
    texts = "".join(_read(part, "utf-8") for part in evidence)
    bad = texts.count("\ufffd")
    good = len(texts) - len(texts.encode("ascii", "ignore")) - bad
    return Encoding("utf-8", 1.0, "valid UTF-8 but for a few bytes") if good >= max(8, 20 * bad) else None


def _utf8_sequences(data: bytes) -> int:
    """Count characters beyond ASCII, up to the first 8 or more, where `data` is valid UTF-8 but for a cut end; else 0."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    found = 0
    try:
        for at in range(0, len(data), CHUNK_BYTES):
            text = decoder.decode(data[at : at + CHUNK_BYTES])
            if found < 8 and not text.isascii():
                found += len(text) - len(text.encode("ascii", "ignore"))
    except UnicodeDecodeError:
        return 0
    return found


def _escaped(ascii_bytes: bytes) -> Encoding | None:
    """Recognise the encodings that write East Asian characters in ASCII bytes."""
    if b"\x1b$)C" in ascii_bytes:
        return Encoding("iso-2022-kr", 1.0, "escape sequence")
    if b"\x1b$B" in ascii_bytes or b"\x1b$@" in ascii_bytes:
        return Encoding("iso-2022-jp", 1.0, "escape sequence")
    if b"~{" not in ascii_bytes:
        return None
    start = max(ascii_bytes.find(b"~{") - 256, 0)
    text = codecs.getincrementaldecoder("hz")("replace").decode(ascii_bytes[start : start + SAMPLE_BYTES])
    # '~{' also stands in programs and in prose about them: the characters must make sense as Chinese.
    if _mean_surprise(text, "gb18030") > ORDINARY:
        return None
    return Encoding("hz", 0.99, "HZ escapes around Chinese characters")


# --- likelihood -------------------------------------------------------------------------------------------------------

UNDECODABLE, CONTROL, RARE = -16.0, -14.0, -14.0
ORDINARY = 9.5  # nats a character beyond ASCII: prose in the right encoding has 6 to 8, in a wrong one 10 to 14
MEANINGLESS = 12.0  # nats: not even the best encoding gives text
DECLARED_BONUS = 6.0
LONE = -5.0  # one character beyond ASCII between ASCII ones: é in a word, £ before a number; seldom a letter of another script
MIXED_WORD = -4.0  # a Latin letter beside one of a script that has no Latin letters
SWITCH = -8.0  # another encoding from the middle of a line on
DECISIVE = 200.0  # nats between the best and the second: no more of the sample is looked at
CORE_BYTES = 6 << 10
UTF8_PRIOR = 12.0  # a few bytes that happen to be valid UTF-8 are UTF-8, unless another reading is far better

# Most frequent characters, in about the order of their frequency in modern prose.
_SIMPLIFIED = (
    "的一是不了人在有我他这中大来上个国和也子时道为以到说们就出要会可你对生能而那得于着下自之年过发后作里用家行所然事成方多经么去法学如都同"
    "现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由"
    "问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名"
    "真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社"
    "便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切"
    "院让识候带导争运笔米风府收往花注改易红医亲局连流早深单段研调包技快参州周器细响群低近城消断千图整失众龙约英八六七九热布采效率节标型准备"
    "存容组织病息志随越始元素客究查况服验企火字语写根离吗吧呢"
)
_TRADITIONAL = (
    "的一是不了人在有我他這中大來上個國和也子時道為以到說們就出要會可你對生能而那得於著下自之年過發後作裡用家行所然事成方多經麼去法學如都同"
    "現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實日軍者意無力它與長把機十民第公此已工使情明性知全三又關點正業外將兩高間由"
    "問很最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西斯月話合回特代內信表化老給世位次度門任常先海通教兒原東聲提立及比員解水名"
    "真論處走義各入幾口認條平系氣題活爾更別打女變四神總何電數安少報才結反受目太量再感建務做接必場件計管期市直德資命山金指克許統區保至隊形社"
    "便空決治展馬科司五基眼書非則聽白卻界達光放強即像難且權思王象完設式色路記南品住告類求據程北邊死張該交規萬取拉格望覺術領共確傳師觀清今切"
    "院讓識候帶導爭運筆米風府收往花注改易紅醫親局連流早深單段研調包技快參州周器細響群低近城消斷千圖整失眾龍約英八六七九熱布採效率節標型準備"
    "存容組織病息志隨越始元素客究查況服驗企火字語寫根離嗎吧呢"
)
_CJK_PUNCTUATION = "，。、：“”；（）《》「」？！　·—…『』【】‘’％／～"
_HIRAGANA = "のにいるてしはとなをたがでかすられまもこりさうくあきせよっそれんだどめけつやみわえばおじろべちねほぶげづぐひへむびごふずゆぼざぎゃょゅ"
_KATAKANA = "ーンスルトイラリアクシドレジタフロカコテマサムニキバグオプッデナメパウエブセモミダハビチツワケノベソネポボガピヤズゴホユザギヒヨペェャョュィァ"
_KANJI = (
    "日一人年大国十本中長出三時行見月分後前生五間上東四今金九入学高円子外八六下来気小七山話女北午百書先名川千水半男西電校語土木聞食車何南万毎"
    "白天母火右読友左休父雨者新会社的事自手方地同場合目思言物業発部動体対性理定度実力現明全関主教所当作用意通不内表情法問要成高代政題最化取"
    "数経知立文集強元特家県私記世界心向調員画戦設持産米都安市民変身際平開特公道始美交品無連決計数信次報様使加売持利楽込置料投店商味系"
)
_HANGUL = (
    "이다는에의을가고하지은로한를도기사자리어서아시대나으인해그정스수들일구과부만전라보안장상주있여국면제원것적없우게무비니동위중선신연마성오했"
    "방화거유경요조내치않모생지세학미용산바소업트관회분등공개성였때문통실야계진금간양당까와재년말월명물불남민드행발반입차식네건력드식예체할히"
    "노본음려두데작각속심울러레호점글교강결김단터직집추배영영파최회후되된될했습니까블로저너든워같른많"
)


class _Model(NamedTuple):
    """Natural logarithms of probabilities of characters; what is not listed has the one of its class."""

    listed: dict[str, float]
    han: float
    other: float


def _ranked(mass: float, characters: str) -> dict[str, float]:
    """Share `mass` among characters by rank: frequency falls with rank (Zipf, flattened at the head)."""
    unique = list(dict.fromkeys(characters))
    weights = [1 / (rank + 20) for rank in range(len(unique))]
    return {character: math.log(mass * weight / sum(weights)) for character, weight in zip(unique, weights, strict=True)}


def _rows(codec: str, first: int, last: int) -> str:
    """Give the characters of a range of lead bytes: the standards put common characters together."""
    pairs = (bytes((lead, trail)) for lead in range(first, last + 1) for trail in (*range(0x40, 0x7F), *range(0x80, 0xFF)))
    return "".join(pair.decode(codec, "ignore") for pair in pairs)


def _mixed(*parts: dict[str, float]) -> dict[str, float]:
    """Join tables; a character of several takes its highest probability."""
    joined: dict[str, float] = {}
    for part in parts:
        for character, weight in part.items():
            joined[character] = max(weight, joined.get(character, -math.inf))
    return joined


@cache
def _ascii() -> dict[str, float]:
    table = {chr(code): -4.5 if code > 0x20 else CONTROL for code in range(0x80)}
    table |= dict.fromkeys("abcdefghijklmnopqrstuvwxyz ", -3.0) | dict.fromkeys("\t\r\n", -4.0)
    return table


@cache
def _simplified() -> dict[str, float]:
    level_one = dict.fromkeys(_rows("gb2312", 0xB0, 0xD7), math.log(0.2 / 3755))
    return _mixed(_ranked(0.68, _SIMPLIFIED), level_one, _ranked(0.12, _CJK_PUNCTUATION))


@cache
def _traditional() -> dict[str, float]:
    level_one = dict.fromkeys(_rows("big5", 0xA4, 0xC6), math.log(0.2 / 5401))
    return _mixed(_ranked(0.68, _TRADITIONAL), level_one, _ranked(0.12, _CJK_PUNCTUATION))


@cache
def _japanese() -> dict[str, float]:
    level_one = dict.fromkeys(_rows("euc_jp", 0xB0, 0xCF), math.log(0.12 / 2965))
    return _mixed(
        _ranked(0.45, _HIRAGANA), _ranked(0.2, _KATAKANA), _ranked(0.15, _KANJI), level_one, _ranked(0.08, _CJK_PUNCTUATION)
    )


@cache
def _korean() -> dict[str, float]:
    syllables = dict.fromkeys(_rows("euc_kr", 0xB0, 0xC8), math.log(0.15 / 2350))
    return _mixed(_ranked(0.8, _HANGUL), syllables, _ranked(0.02, _CJK_PUNCTUATION))


def _less(table: dict[str, float], nats: float) -> dict[str, float]:
    return {character: weight - nats for character, weight in table.items()}


_LATIN_SIGNS = "’“”–—…«»°§·©®€£ \xa0"
_CYRILLIC = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфёъ"
_LETTERS: dict[str, tuple[float, str]] = {
    # encoding → (share of these letters in a text, letters in about the order of their frequency)
    "windows-1252": (0.05, "éäèüöàçñóáíêãõßåæøôîâúûùœëïýìòðþ" + _LATIN_SIGNS),
    "windows-1250": (0.05, "áéíąęłśżžčšěřýůóöüńćźťďňőűúăâîşţđ" + _LATIN_SIGNS),
    "iso-8859-2": (0.04, "áéíąęłśżžčšěřýůóöüńćźťďňőűúăâîşţđ"),
    "windows-1254": (0.03, "ıişğüöçİâ" + _LATIN_SIGNS),
    "windows-1257": (0.03, "āšėīžēąčųūįęļņģķ" + _LATIN_SIGNS),
    "windows-1251": (0.8, _CYRILLIC + "іїєґ" + _LATIN_SIGNS),
    "koi8-r": (0.8, _CYRILLIC),
    "koi8-u": (0.6, _CYRILLIC + "іїєґ"),
    "ibm866": (0.8, _CYRILLIC),
    "iso-8859-5": (0.8, _CYRILLIC),
    "windows-1253": (0.8, "αοιετσνηυρπκμλωςγδχθφβξζψάέήίόύώ" + _LATIN_SIGNS),
    "iso-8859-7": (0.8, "αοιετσνηυρπκμλωςγδχθφβξζψάέήίόύώ"),
    "windows-1255": (0.8, "יוהלאבתרמשנעםדקחפטכגןסצזךףץ" + _LATIN_SIGNS),
    "windows-1256": (0.8, "اليمونترةبعدسفهكقأحجشصىخذطضإثئغءظؤآ،" + _LATIN_SIGNS),
    "iso-8859-6": (0.8, "اليمونترةبعدسفهكقأحجشصىخذطضإثئغءظؤآ،"),
    "windows-874": (0.8, "านรอกเง่มยวล้ดทสตะัปบคหแจพชขใไ็โผซศถณีุูิึื์ธภญษฐฎฉฟฝฬฆฮ"),
}
_LATIN = frozenset({"windows-1252", "windows-1250", "iso-8859-2", "windows-1254", "windows-1257"})
_MIXED_WORDS = re.compile(r"[A-Za-z][^\W\d_A-Za-z]|[^\W\d_A-Za-z][A-Za-z]")
_LONE = re.compile(r"(?<![^\x00-\x7f])[^\x00-\x7f](?![^\x00-\x7f])")
_INSIDE_A_WORD = re.compile(r"(?<=[A-Za-z])[^\x00-\x7f](?=[A-Za-z])")
_PRIORS = {"gb18030": 0.0, "big5": -0.5, "shift_jis": -1.0, "euc-jp": -1.0, "euc-kr": -1.0, "utf-8": 0.0, "windows-1252": -3.0}
_OTHER_PRIOR = -5.0  # for what is not listed: rarer in collections of Chinese and English


@cache
def _model(name: str) -> _Model:
    if name in _LETTERS:
        share, letters = _LETTERS[name]
        capitals = _ranked(share / 20, "".join(letter.upper() for letter in letters if len(letter.upper()) == 1))
        return _Model(_mixed(_ascii(), _ranked(share, letters), capitals), RARE, -12.0)
    if name == "gb18030":
        # Kana and traditional characters are in the standard, and are seldom what it is used for.
        listed = _mixed(_simplified(), _less(_traditional(), 2.5), _less(_japanese(), 5.0))
    elif name == "big5":
        listed = _mixed(_traditional(), _less(_japanese(), 5.0))
    elif name in {"shift_jis", "windows-31j", "euc-jp"}:
        listed = _japanese()
    elif name == "euc-kr":
        listed = _mixed(_korean(), _less(_traditional(), 5.0))
    else:
        others = _mixed(*(_ranked(share / 2, letters) for share, letters in _LETTERS.values()))
        listed = _mixed(_simplified(), _less(_traditional(), 0.5), _less(_japanese(), 0.5), _less(_korean(), 0.5), _less(others, 1))
    return _Model(_mixed(_ascii(), listed), RARE, -12.0)


def _class_weight(character: str, model: _Model) -> float:
    code = ord(character)
    if character == "\ufffd":
        return UNDECODABLE
    if 0x4E00 <= code <= 0x9FFF:
        return model.han
    if 0xFF61 <= code <= 0xFF9F:  # half-width katakana: single bytes of Shift_JIS, found in almost anything read so
        return -8.5
    if code < 0xA0 or 0xE000 <= code <= 0xF8FF or code > 0xFFFF or 0xD800 <= code <= 0xDFFF:
        return -17.0
    return model.other


def _likelihood(text: str, name: str) -> float:
    model = _model(name)
    listed = model.listed
    return sum(count * (listed.get(character) or _class_weight(character, model)) for character, count in Counter(text).items())


def _mean_surprise(text: str, name: str) -> float:
    """Give the nats a character beyond ASCII costs; infinite where there is none."""
    beyond = "".join(character for character in text if not character.isascii())
    return -_likelihood(beyond, name) / len(beyond) if beyond else math.inf


def _read(data: bytes, codec: str) -> str:
    return codecs.getincrementaldecoder(codec)("replace").decode(data)


def _read_parts(parts: tuple[bytes, ...], codec: str) -> str:
    return "\n".join(_read(part, codec) for part in parts)


def _most_likely(evidence: tuple[bytes, ...], claims: set[str]) -> Encoding:
    for parts in (_core(evidence), evidence):
        (name, best), (_, second) = sorted(_scores(parts, claims).items(), key=lambda item: -item[1])[:2]
        if best - second > DECISIVE:
            break
    if name == "shift_jis" and _read_parts(evidence, "cp932").count("\ufffd") < _read_parts(evidence, name).count("\ufffd"):
        name = "windows-31j"  # for the whole text: the two tables differ in signs such as the wave dash
    confidence = 1 / (1 + math.exp(-min(best - second, 50) / 4))
    if MEANINGLESS < _mean_surprise(_read_parts(parts, FAMILIES[name][0]), name) < math.inf:
        return Encoding(name, round(confidence / 2, 4), "hardly reads as text in any encoding")
    reason = "most likely characters" + (", as declared" if name in claims else ", against its declaration" if claims else "")
    return Encoding(name, round(confidence, 4), reason)


def _core(evidence: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Take the little that mostly decides: from the first byte beyond ASCII on."""
    part = next((part for part in evidence if not part.isascii()), evidence[0])
    beyond = _NOT_ASCII.search(part)
    start = max(beyond.start() - 256, 0) & ~1 if beyond else 0  # even: two bytes may be one character
    return (part[start : start + CORE_BYTES],)


def _scores(parts: tuple[bytes, ...], claims: set[str]) -> dict[str, float]:
    """Give the logarithm of likelihood times prior of each encoding."""
    scores: dict[str, float] = {}
    has_many_nuls = sum(part.count(0) for part in parts) * 3 >= sum(map(len, parts))
    for name in ("utf-8", *_MULTIBYTE, *_LETTERS, *_WIDE):
        if name.startswith("utf-32") and not has_many_nuls:
            continue
        text = min((_read_parts(parts, codec) for codec in FAMILIES[name]), key=lambda text: text.count("\ufffd"))
        scores[name] = _likelihood(text, name) + _PRIORS.get(name, _OTHER_PRIOR) + DECLARED_BONUS * (name in claims)
        if name in _LETTERS and name not in _LATIN:
            scores[name] += LONE * len(_LONE.findall(text)) + MIXED_WORD * len(_MIXED_WORDS.findall(text))
        if name in _MULTIBYTE:
            scores[name] += LONE * len(_INSIDE_A_WORD.findall(text))
        if name == "utf-8" and "\ufffd" not in text:
            scores[name] += UTF8_PRIOR
    return scores


# --- declarations -----------------------------------------------------------------------------------------------------

_DECLARATION = re.compile(rb"""(?:charset\s*=|encoding\s*=)\s*["']?\s*([A-Za-z0-9_.:-]+)""")


def _declared_inside(data: bytes) -> str | None:
    """Find the charset that an HTML or XML head declares."""
    found = _DECLARATION.search(data[:2048])
    return _family(found[1].decode("ascii")) if found else None


def _family(label: str | None) -> str | None:
    """Map any label to a name of `FAMILIES`; None for labels nobody knows."""
    if not label:
        return None
    try:
        codec = codecs.lookup(label.strip().strip("\"'")).name
    except (LookupError, ValueError):
        return None
    widened = {"gbk": "gb18030", "gb2312": "gb18030", "iso8859-1": "windows-1252", "cp932": "shift_jis", "ascii": None}
    if codec in widened:
        return widened[codec]
    ranked = sorted(
        (rank, name)
        for name, members in FAMILIES.items()
        for rank, member in enumerate(members)
        if codecs.lookup(member).name == codec
    )
    return ranked[0][1] if ranked else None


# --- decoding ---------------------------------------------------------------------------------------------------------

_UTF8_RUN = re.compile(rb"[\xe3-\xe9][\x80-\xbf]{2}[\xe2-\xef][\x80-\xbf]{2}[\xe2-\xef][\x80-\xbf]{2}")  # Chinese, as a rule
_LATIN_MOJIBAKE = re.compile("[\u00e3-\u00e9][\u0080-\u00bf\u0152-\u0192\u02c6-\u2122]{2}")


@dataclass(slots=True)
class _LineDecoder:
    """Decodes pieces that each end at the end of a line, and keeps account of what was replaced and what was foreign."""

    encoding: Encoding
    _line: int = 1  # number of the first line of the next piece
    replaced: int = 0
    lines_replaced: list[int] = field(default_factory=list)
    _native_line: int = 0  # the last that held characters of the main encoding
    _foreign: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # encoding → ranges of lines read in it
    _misread: str | None = None  # None: not looked yet
    _incremental: codecs.IncrementalDecoder | None = None

    @property
    def is_stateful(self) -> bool:
        return self.encoding.name in _STATEFUL

    def decode(self, data: bytes, *, final: bool) -> str:
        if self.is_stateful:
            text = self._decode_stateful(data, final=final)
        else:
            whole = self._decode_whole(data)
            text = (
                whole
                if whole is not None
                else ("\n".join(self._decode_line(line, number) for number, line in enumerate(data.split(b"\n"), self._line)))
            )
        self._line += text.count("\n")
        if self._misread is None and not text.isascii():
            self._misread = _misread_as(text[:SAMPLE_BYTES])
        return text

    def notes(self) -> tuple[str, ...]:
        found = [
            f"lines {', '.join(f'{first}-{last}' if first < last else str(first) for first, last in ranges[:20])} are {name}"
            for name, ranges in self._foreign.items()
        ]
        if self._misread:
            found.append(f"looks like UTF-8 that was once read as {self._misread}; kept as it is")
        return tuple(found)

    def _decode_whole(self, data: bytes) -> str | None:
        """Decode at once what has no fault and holds no lines of another encoding."""
        name = self.encoding.name
        try:
            text = data.decode(FAMILIES[name][0])
        except UnicodeDecodeError:
            return None
        if FAMILIES[name][0] != "utf-8":
            for run in _UTF8_RUN.finditer(data):
                end = data.find(b"\n", run.end())
                line = data[data.rfind(b"\n", 0, run.start()) + 1 : end if end >= 0 else len(data)]
                if _best_reading(line, name, "")[1]:
                    return None
        return text

    def _decode_stateful(self, data: bytes, *, final: bool) -> str:
        if self._incremental is None:
            self._incremental = codecs.getincrementaldecoder(FAMILIES[self.encoding.name][-1])("replace")
        text = self._incremental.decode(data, final)
        if "\ufffd" in text:
            for number, line in enumerate(text.split("\n"), self._line):
                self._count_replaced(line.count("\ufffd"), number)
        return text

    def _decode_line(self, line: bytes, number: int) -> str:
        hint = next(reversed(self._foreign), "")
        text, foreign, replaced = _best_reading(line, self.encoding.name, hint)
        if foreign:
            ranges = self._foreign.setdefault(foreign, [])
            if ranges and ranges[-1][1] >= self._native_line:  # only ASCII since, which is the same in both
                ranges[-1] = (ranges[-1][0], number)
            else:
                ranges.append((number, number))
        elif not line.isascii():
            self._native_line = number
        self._count_replaced(replaced, number)
        return text

    def _count_replaced(self, count: int, number: int) -> None:
        self.replaced += count
        if count and len(self.lines_replaced) < LINES_LISTED and (not self.lines_replaced or self.lines_replaced[-1] != number):
            self.lines_replaced.append(number)


def _strict(data: bytes, name: str) -> str | None:
    """Decode with the narrowest codec of the family that can; None where none can."""
    for codec in FAMILIES[name]:
        try:
            return data.decode(codec)
        except UnicodeDecodeError:
            continue
    return None


def _best_reading(line: bytes, main: str, hint: str) -> tuple[str, str, int]:
    """Read one line: its text, the encoding it turned out to be in where it is not `main`, and the characters replaced.

    A line that fails in `main` may be in another encoding, from its first or from its first bad byte on. That is believed only
    where it then reads as ordinary text. `hint` is the foreign encoding found last, tried first.
    """
    is_unicode = FAMILIES[main][0] == "utf-8"
    text = _strict(line, main)
    replaced = 0
    if text is not None and (is_unicode or _strict(line, "utf-8") is None or line.isascii()):
        return text, "", 0
    if text is None:
        text = min((line.decode(codec, "replace") for codec in FAMILIES[main]), key=lambda text: text.count("\ufffd"))
        replaced = text.count("\ufffd") - (line.count(b"\xef\xbf\xbd") if is_unicode else 0)
        if is_unicode and len(text) - len(text.encode("ascii", "ignore")) > 8 * replaced:
            return text, "", replaced  # a bad byte in a good line: nothing else needs to be tried
    least = _likelihood(text, main) + UTF8_PRIOR
    best = ""
    for other in sorted(_MULTIBYTE if is_unicode else ("utf-8",), key=lambda other: other != hint):
        for reading, likelihood in _foreign_readings(line, main, other, 2 if other == hint else 3):
            if likelihood > least:
                text, least, best, replaced = reading, likelihood, other, 0
        if best and other == hint:
            break
    return text, best, replaced


def _foreign_readings(line: bytes, main: str, other: str, minimum: int) -> Iterator[tuple[str, float]]:
    """Give the readings of a line, all or the part from the first bad byte on, in another encoding; only those without a fault.

    A legacy encoding must read as ordinary text of at least `minimum` characters; that bytes are valid UTF-8 is proof enough.
    """
    for head, first, tail, second in _halves(line, main, other):
        before, after = _strict(head, first), _strict(tail, second)
        if before is None or after is None:
            continue
        foreign = after if second == other else before
        characters = len(foreign) - len(foreign.encode("ascii", "ignore"))
        if other == "utf-8" or (characters >= minimum and _mean_surprise(foreign, other) < ORDINARY):
            switch = SWITCH if head else 0.0
            yield before + after, _likelihood(before, first) + _likelihood(after, second) + switch


def _halves(line: bytes, main: str, other: str) -> Iterator[tuple[bytes, str, bytes, str]]:
    yield b"", main, line, other
    for first, second in ((main, other), (other, main)):
        try:
            line.decode(FAMILIES[first][-1])
        except UnicodeDecodeError as error:
            yield line[: error.start], first, line[error.start :], second


def _misread_as(text: str) -> str:
    """Name the encoding that UTF-8 Chinese was mistaken for before it came to us; empty where nothing looks like it."""
    beyond = "".join(character for character in text if not character.isascii() and character != "\ufffd")
    if len(beyond) >= 6 and 3 * len(_LATIN_MOJIBAKE.findall(beyond)) > len(beyond) // 2:
        return "windows-1252"
    if len(beyond) < 8 or _mean_surprise(beyond, "gb18030") < ORDINARY:
        return ""
    back = beyond.encode("gb18030", "ignore").decode("utf-8", "ignore")
    return "gb18030" if len(back) * 2 > len(beyond) and _mean_surprise(back, "utf-8") < ORDINARY else ""
