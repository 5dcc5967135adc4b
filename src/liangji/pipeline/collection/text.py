"""Formats of which a file is one document: plain text, Markdown, HTML, PDF, XML; and YAML, which is looked through."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Annotated, Any, BinaryIO, ClassVar

import yaml
from pydantic import Field
from pydantic.dataclasses import dataclass

from liangji.core.errors import InputError, LimitExceeded
from liangji.core.operator import STRICT, OperatorKind
from liangji.core.reading import Fault, Note, Raw, RawRecord, ReadLimits
from liangji.core.schema import Modality
from liangji.core.units import format_size
from liangji.pipeline.collection.decoding import decoded, utf8_stream
from liangji.pipeline.collection.streams import lines, read_whole, with_line_feeds


@dataclass(frozen=True, slots=True, config=STRICT)
class ReadText:
    """Read plain text: one document a file, or one a line.

    Input:  text in any of the encodings that are recognised.
    Output: the field `text`, characters unchanged but for the byte-order mark. Bytes that could not be decoded become U+FFFD and
            are noted with their lines.
    Source: The Unicode Standard 16.0, §3.10.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.READ
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = (".txt", ".text", ".log", ".srt", ".vtt", ".rst", ".tex", ".bmes")
    magic: ClassVar[tuple[bytes, ...]] = ()
    seeks: ClassVar[bool] = False

    encoding: Annotated[str | None, Field(description="encoding of the file; null: found from its bytes")] = None
    lines: Annotated[bool, Field(description="each line that is not blank is a document of its own")] = False

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Raw]:
        if self.lines:
            yield from self._each_line(stream, origin, limits)
            return
        try:
            data = read_whole(stream, limits)
        except LimitExceeded as error:
            if "expansion" in error.what or not error.mend:
                raise
            mend = f"if it holds one document a line, set `format: lines`; else {error.mend}"
            raise LimitExceeded(error.what, "", mend) from error
        text, notes = decoded(data, self.encoding, origin)
        yield from notes
        yield RawRecord({"text": text}, 0)

    def _each_line(self, stream: BinaryIO, origin: str, limits: ReadLimits) -> Iterator[Raw]:
        utf8 = utf8_stream(stream, self.encoding, repair=True)
        record = 0
        for line in lines(with_line_feeds(utf8.stream), limits):
            if line.beginning:
                what = f"line {line.number} is {format_size(line.size_bytes)} long, over the limit of {limits.record_bytes} bytes"
                mend = "raise `limits: {reading: {record_bytes: …}}` in the recipe"
                yield Fault(origin, what, mend, line.number, record, line.beginning, "limit_exceeded")
            elif not line.data.strip():
                continue
            else:
                yield RawRecord({"text": line.data.decode("utf-8", "replace").removesuffix("\r")}, record, line.number)
            record += 1
        yield from utf8.notes(origin)


@dataclass(frozen=True, slots=True, config=STRICT)
class ReadLines(ReadText):
    """Read plain text with one document a line; blank lines are passed over.

    Input:  text in any of the encodings that are recognised; asked for with `format: lines`.
    Output: the field `text`, one record a line.
    Source: The Unicode Standard 16.0, §3.10.
    """

    endings: ClassVar[tuple[str, ...]] = ()

    lines: Annotated[bool, Field(description="each line that is not blank is a document of its own")] = True


# --- Markdown

_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"^#[ \t]+([^\n]{1,500})", re.MULTILINE)
_HEADING_ID = re.compile(r"\{#[^}]*\}$")
# Every repetition is bounded: these run over texts that strangers wrote.
_PLAIN_RULES = (
    (re.compile(r"^(?:`{3,}|~{3,})[^\n]*\n?", re.MULTILINE), ""),  # fences go, the code stays
    (re.compile(r"!\[([^\]\n]{0,500})\]\([^)\n]{0,1000}\)"), r"\1"),
    (re.compile(r"\[([^\[\]\n]{1,500})\](?:\([^)\n]{0,1000}\)|\[[^\]\n]{0,200}\])"), r"\1"),
    (re.compile(r"^#{1,6}[ \t]+|[ \t]{1,20}\{#[^}\n]{0,200}\}[ \t]{0,20}$|^>[ \t]?", re.MULTILINE), ""),
    (re.compile(r"(\*\*|__|~~|`)(?=\S)([^\n]{1,300}?)(?<=\S)\1"), r"\2"),
    (re.compile(r"</?[A-Za-z][^<>\n]{0,1000}>"), ""),
)
_FRONT_MATTER_CHARACTERS = 64 << 10


@dataclass(frozen=True, slots=True, config=STRICT)
class ReadMarkdown:
    """Read a Markdown document; front matter becomes fields, comments are taken out.

    Input:  Markdown with or without YAML front matter.
    Output: `text`, `title` (first heading, or the front matter's), and the front matter's other fields.
    Source: CommonMark 0.31.2; front matter as in Jekyll 4.3.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.READ
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = (".md", ".markdown", ".mdx")
    magic: ClassVar[tuple[bytes, ...]] = ()
    seeks: ClassVar[bool] = False

    encoding: Annotated[str | None, Field(description="encoding of the file; null: found from its bytes")] = None
    markup: Annotated[bool, Field(description="keep the markup; false: leave headings, links and emphasis as plain text")] = True

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Raw]:
        text, notes = decoded(read_whole(stream, limits), self.encoding, origin)
        yield from notes
        fields: dict[str, Any] = {}
        matter = _FRONT_MATTER.match(text)
        if matter and matter.end() <= _FRONT_MATTER_CHARACTERS:
            try:
                fields = _front_matter(matter[1])
                text = text[matter.end() :]
            except InputError as error:
                yield Note(origin, f"front matter left in the text: {error.what}", 1, "front_matter")
        text = _without_comments(text)
        if heading := _HEADING.search(text):
            fields.setdefault("title", _HEADING_ID.sub("", heading[1].rstrip().rstrip("#").rstrip()).rstrip())
        if not self.markup:
            for pattern, replacement in _PLAIN_RULES:
                text = pattern.sub(replacement, text)
        yield RawRecord({**fields, "text": text.strip("\r\n")}, 0)


def _without_comments(text: str) -> str:
    """Take comments out, but not those that stand in a block of code; what is never closed stays."""
    if "<!--" not in text:
        return text
    parts: list[str] = []
    prose: list[str] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        mark = _FENCE.match(line)
        if fence:
            parts.append(line)
            if mark and mark[1].startswith(fence) and not line[mark.end() :].strip():
                fence = ""
        elif mark:
            parts += (_cut_comments("".join(prose)), line)
            prose, fence = [], mark[1]
        else:
            prose.append(line)
    return "".join((*parts, _cut_comments("".join(prose))))


def _cut_comments(text: str) -> str:
    parts, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start)) >= 0:
        parts.append(text[at:start])
        at = end + 3
        starts_line = start == 0 or text[start - 1] == "\n"
        if starts_line and text[at : at + 1] == "\n":
            at += 1  # a line that was all comment goes whole
    return "".join((*parts, text[at:]))


def _front_matter(source: str) -> dict[str, Any]:
    value = load_yaml(source)
    if not isinstance(value, dict):
        raise InputError("it is no mapping")
    return {str(name): item for name, item in value.items() if name != "text"}


# --- HTML, XML


@dataclass(frozen=True, slots=True, config=STRICT)
class ReadHtml:
    """Read the main text of a web page, without navigation, advertisements and footers.

    Input:  HTML in any encoding, also with a wrong declaration of it.
    Output: `text`, and `title`, `language`, `date`, `description`, `author`, `keywords` where the page states them. A page without main text is a fault.
    Source: WHATWG HTML Living Standard; main text as in `main_text`.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.READ
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = (".html", ".htm", ".xhtml", ".shtml")
    magic: ClassVar[tuple[bytes, ...]] = ()
    seeks: ClassVar[bool] = False

    encoding: Annotated[str | None, Field(description="encoding of the page; null: found from its bytes")] = None

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Raw]:
        html, notes = decoded(read_whole(stream, limits), self.encoding, origin)
        yield from notes
        fields = page_fields(html)
        if not fields["text"]:
            raise InputError("the page has no main text", "", "leave the file out, or give it as plain text")
        yield RawRecord(fields, 0)


_META = re.compile(r"<meta\b[^<>]{0,4000}>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([\w:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_META_NAMES = ("description", "author", "keywords")
_HEAD_CHARACTERS = 64 << 10


def page_fields(html: str, url: str | None = None) -> dict[str, Any]:
    """Take the main text, and what the head tells of the page, out of HTML."""
    from html import unescape  # noqa: PLC0415  # with the extractor below: a reader of text alone needs neither

    from liangji.pipeline.collection.main_text import main_text  # noqa: PLC0415  # loads the extractor

    found = main_text(html, url)
    fields: dict[str, Any] = {"text": found.text}
    fields |= {name: value for name, value in zip(found._fields[1:], found[1:], strict=True) if value is not None}
    for meta in _META.finditer(html[:_HEAD_CHARACTERS]):
        attributes = {name.lower(): first or second or third for name, first, second, third in _ATTRIBUTE.findall(meta[0])}
        name, content = attributes.get("name", "").lower(), attributes.get("content")
        if name in _META_NAMES and content:
            fields.setdefault(name, unescape(content))
    return fields


_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")


@dataclass(frozen=True, slots=True, config=STRICT)
class ReadXml:
    """Read the text content of an XML document; entity definitions are refused, nothing outside the file is fetched.

    Input:  well-formed XML without an entity of its own.
    Output: `text`: the content of the elements, one line each; `root`: name of the outermost element.
    Source: XML 1.0 (fifth edition); OWASP XML External Entity Prevention.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.READ
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = (".xml", ".rss", ".atom", ".gpx", ".svg", ".kml")
    magic: ClassVar[tuple[bytes, ...]] = (b"<?xml",)
    seeks: ClassVar[bool] = False

    encoding: Annotated[str | None, Field(description="encoding of the file; null: found from its bytes")] = None

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Raw]:
        from xml.etree.ElementTree import ParseError  # noqa: PLC0415  # only the error; defusedxml parses

        from defusedxml import DefusedXmlException, EntitiesForbidden  # noqa: PLC0415  # with the parser
        from defusedxml.ElementTree import fromstring  # noqa: PLC0415  # loads the parser

        text, notes = decoded(read_whole(stream, limits), self.encoding, origin)
        yield from notes
        try:
            root = fromstring(_XML_DECLARATION.sub("", text).lstrip())  # decoded already: its own declaration may be wrong
        except EntitiesForbidden as error:
            mend = "take the DOCTYPE out; write the characters themselves"
            raise InputError(f"defines the entity '{error.name}': DTD entities are refused", "", mend) from error
        except DefusedXmlException as error:
            raise InputError("refers to something outside itself: refused", "", "take the DOCTYPE out") from error
        except ParseError as error:
            line, column = error.position
            what = str(error).partition(":")[0]
            yield Fault(origin, f"not well-formed XML: {what}, line {line}, column {column + 1}", "mend the file", line)
            return
        content = "\n".join(part for part in (piece.strip() for piece in root.itertext()) if part)
        yield RawRecord({"text": content, "root": root.tag.rpartition("}")[2]}, 0)


# --- PDF


@dataclass(frozen=True, slots=True, config=STRICT)
class ReadPdf:
    """Read the text layer of a PDF document.

    Input:  a PDF, not encrypted.
    Output: `text`: its pages, blank line between; `pages`: their number. No text layer, or a damaged file, is a fault.
    Source: ISO 32000-2:2020.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.READ
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = (".pdf",)
    magic: ClassVar[tuple[bytes, ...]] = (b"%PDF-",)
    seeks: ClassVar[bool] = False

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Raw]:
        import pypdfium2  # noqa: PLC0415  # loads a native library

        data = read_whole(stream, limits)
        is_whole = b"%%EOF" in data[-2048:]
        _check_streams(data)
        try:
            document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            what = f"damaged PDF: {error}" if is_whole else "truncated PDF: its end is missing"
            raise InputError(what, "", "fetch the file again, or remove its password") from error
        pages: list[str] = []
        unreadable: list[int] = []
        size = 0
        try:
            for number in range(len(document)):
                try:
                    pages.append(_page_text(document, number))
                except pypdfium2.PdfiumError:
                    unreadable.append(number + 1)
                    if len(unreadable) > _MOST_UNREADABLE_PAGES:
                        raise InputError("damaged PDF: most of its pages cannot be read", "", "fetch the file again") from None
                    continue
                size += len(pages[-1])
                if size > limits.record_bytes:
                    raise LimitExceeded(f"its text is over {format_size(limits.record_bytes)}", "", "cut the document")
            count = len(document)
        finally:
            document.close()
        text = "\n\n".join(page for page in pages if page)
        if unreadable:
            listed = ", ".join(map(str, unreadable[:20])) + (", …" if len(unreadable) > 20 else "")
            what = f"damaged PDF: page(s) {listed} of {count} cannot be read"
            if not text:
                raise InputError(what, "", "fetch the file again")
            yield Note(origin, what + "; the others were", code="damaged")
        if not text:
            what = "no text layer: needs OCR" if is_whole else "truncated PDF: its end is missing and it has no text"
            raise InputError(what, "", "run OCR on it first" if is_whole else "fetch the file again")
        if not is_whole:
            yield Note(origin, "the end of the PDF is missing; repaired, pages may be lacking", code="repaired")
        yield RawRecord({"text": text, "pages": count}, 0)


_MOST_UNREADABLE_PAGES = 1000
_CONTENT_BYTES = 32 << 20  # of one stream, unpacked: the library takes twenty times as much memory to draw it
_CONTENT_FREE_BYTES = _CONTENT_BYTES // 1032  # packed bytes that cannot unpack to more: deflate's best ratio
_STREAM = re.compile(rb"stream\r?\n")
_DICTIONARY_BYTES = 1024  # looked at before a stream, for what it is


def _page_text(document: Any, number: int) -> str:
    page = document[number]
    text_page = page.get_textpage()
    text: str = text_page.get_text_range().replace("\r\n", "\n").strip()
    text_page.close()
    page.close()
    return text


def _check_streams(data: bytes) -> None:
    """Refuse a document one of whose streams unpacks to more than any page needs; pictures, which are not drawn, may be large.

    Raises: LimitExceeded.
    """
    for match in _STREAM.finditer(data):
        start = match.end()
        dictionary = data[max(0, match.start() - _DICTIONARY_BYTES) : match.start()]
        dictionary = dictionary[dictionary.rfind(b" obj") + 1 :]
        levels = (
            dictionary.count(b"FlateDecode") + dictionary.count(b"/Fl ") + dictionary.count(b"/Fl]") + dictionary.count(b"/Fl/")
        )
        if not levels or (levels == 1 and b"/Image" in dictionary):
            continue
        end = data.find(b"endstream", start)
        packed = memoryview(data)[start : end if end >= 0 else len(data)]
        if levels == 1 and len(packed) < _CONTENT_FREE_BYTES:
            continue
        if _unpacks_beyond(packed, levels):
            what = f"a stream in it unpacks from {format_size(len(packed))} to more than {format_size(_CONTENT_BYTES)}"
            raise LimitExceeded(what, "", "print the document anew, or give its text")


def _unpacks_beyond(packed: bytes | memoryview, levels: int) -> bool:
    """Tell whether a deflated stream, or one deflated several times over, unpacks to more than the limit at any level."""
    for _ in range(levels):
        inflate = zlib.decompressobj()
        try:
            packed = inflate.decompress(packed, _CONTENT_BYTES + 1)
        except zlib.error:
            return False  # damaged or encrypted: the library says what it is
        if len(packed) > _CONTENT_BYTES:
            return True
    return False


# --- YAML

_MOST_YAML_BYTES = 16 << 20  # its parser takes a minute for as much
_MOST_YAML_NODES = 1_000_000  # with every alias written out


@dataclass(frozen=True, slots=True, config=STRICT)
class ReadYaml:
    """Read a YAML file: a mapping is one record, a list of mappings one record each; a key that stands twice is refused.

    Input:  YAML without tags of its own.
    Output: the records. A duplicate key is a fault with its name and line.
    Source: YAML 1.2.2 §3.2.1.3 (keys are unique).
    """

    kind: ClassVar[OperatorKind] = OperatorKind.READ
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = (".yaml", ".yml")
    magic: ClassVar[tuple[bytes, ...]] = ()
    seeks: ClassVar[bool] = False

    encoding: Annotated[str | None, Field(description="encoding of the file; null: found from its bytes")] = None

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Raw]:
        data = read_whole(stream, limits)
        if len(data) > _MOST_YAML_BYTES:
            what = f"{format_size(len(data))} of YAML, over the limit of {format_size(_MOST_YAML_BYTES)}"
            raise LimitExceeded(what, "", "write the records as jsonl")
        text, notes = decoded(data, self.encoding, origin)
        yield from notes
        value = load_yaml(text)
        if value is None:
            yield Note(origin, "nothing but comments: no records", code="empty")
            return
        for record, item in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(item, dict):
                yield RawRecord({str(name): entry for name, entry in item.items()}, record)
            else:
                yield Fault(origin, f"item {record} is no mapping", "write each record as a mapping", -1, record)


def load_yaml(source: str) -> Any:
    """Parse YAML without running anything, aliases without end or keys that stand twice.

    Raises: InputError, with the line.
    """
    loader = yaml.SafeLoader(source)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_nodes(node)
        return _as_json(loader.construct_document(node))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise InputError(f"not YAML: {error.problem}, line {line}", "", "mend the line") from error
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"not YAML: {str(error).splitlines()[0]}", "", "mend the file") from error
    finally:
        loader.dispose()


def _check_nodes(root: yaml.Node) -> None:
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        if id(node) in sizes:
            if sizes[id(node)] == 0:
                raise InputError("an alias that holds itself", "", "write the value out")
            return sizes[id(node)]
        sizes[id(node)] = 0
        total = 1
        if isinstance(node, yaml.MappingNode):
            seen: dict[str, int] = {}
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                    line = key.start_mark.line + 1
                    if key.value in seen:
                        what = f"duplicate key '{key.value}', lines {seen[key.value]} and {line}"
                        raise InputError(what, "", "keep one of them")
                    seen[key.value] = line
                total += size(key) + size(value)
        elif isinstance(node, yaml.SequenceNode):
            total += sum(size(item) for item in node.value)
        if total > _MOST_YAML_NODES:
            raise LimitExceeded(f"over {_MOST_YAML_NODES} values with its aliases written out", "", "write the values out")
        sizes[id(node)] = total
        return total

    size(root)


def _as_json(value: Any) -> Any:
    """Turn dates, sets and bytes of YAML into what JSON has."""
    if isinstance(value, dict):
        return {str(name): _as_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_as_json(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
