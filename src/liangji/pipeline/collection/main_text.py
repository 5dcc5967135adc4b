"""The main text of a web page: its paragraphs as lines, without navigation, advertisements, comments, footers and scripts.

Two judges look at the page. trafilatura knows the names, roles and shapes of boilerplate; it loses paragraphs that repeat, and
takes the whole body where it finds no shape it knows (paragraphs in `div` or between `br`, layout tables, as old Chinese sites
have them). So the page is also cut into blocks, and the densest container is found: the innermost element that holds nearly all
of the text that is not links. A block of that container stays if trafilatura kept it, or one just like it beside it. How the
bytes of a page become characters is in `encodings`.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from typing import Any, NamedTuple

LIMIT_CHARACTERS = 20_000_000  # of one page; the rest is not looked at
LIMIT_DEPTH = 200  # of elements, for trafilatura, which recurses
LIMIT_TRAFILATURA = (
    2_000_000  # characters, for trafilatura: its time grows faster than the page, so larger pages are judged by density alone
)


_LONG_TAG_CHARACTERS = 16 << 10
_MOST_ATTRIBUTES = 2000


class MainText(NamedTuple):
    """`text`: paragraphs as lines, empty where the page has none; `language` as declared, `date` ISO 8601; None: not stated."""

    text: str
    title: str | None = None
    language: str | None = None
    date: str | None = None


def main_text(html: str, url: str | None = None) -> MainText:
    """Extract the main text of a page. Nothing is fetched: `url` only helps to make sense of links."""
    html = _with_short_tags(html[:LIMIT_CHARACTERS].replace("\0", ""))
    tree = _parsed(html) if "<" in html else None
    if tree is None:
        return MainText(_without_tags(html))
    _without_hidden(tree)
    page = _cut(tree)
    found = _extracted(tree, url) if len(html) <= LIMIT_TRAFILATURA and page.depth <= LIMIT_DEPTH else None
    lines = _chosen(page, found.text or "" if found else "")
    language = tree.get("lang") or tree.get("xml:lang")
    if found is None:
        return MainText("\n".join(lines), " ".join((tree.findtext(".//title") or "").split()) or None, language)
    return MainText("\n".join(lines), found.title, language, found.date)


def _with_short_tags(html: str) -> str:
    """Take the attributes out of tags with thousands of them, each of which the parser compares with all before it."""
    parts, done, position = [], 0, 0
    while (start := html.find("<", position)) >= 0:
        end = html.find(">", start)
        end = len(html) if end < 0 else end
        position = end + 1
        if end - start > _LONG_TAG_CHARACTERS and html.count("=", start, end) + html.count(" ", start, end) > _MOST_ATTRIBUTES:
            name = re.compile(r"</?[a-zA-Z][\w:-]{0,64}").match(html, start)
            if name:
                parts += [html[done : name.end()], " "]
                done = end
    return "".join((*parts, html[done:])) if parts else html


def _parsed(html: str) -> Any:
    from lxml import etree  # noqa: PLC0415 - heavy
    from lxml import html as lxml_html  # noqa: PLC0415

    parser = lxml_html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True)
    try:
        # As bytes: a page that opens with an XML declaration is refused as a str.
        tree = lxml_html.document_fromstring(html.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        return None  # nothing but white space or comments
    # Deeper than 2048 elements the parser stops, and drops what follows.
    return None if any(error.type_name == "ERR_RESOURCE_LIMIT" for error in parser.error_log) else tree


_TAG = re.compile(r"<!--(?:(?!<!--).){0,10000}?-->|</?([a-zA-Z][a-zA-Z0-9]*)[^<>]{0,10000}>|<[!?][^<>]{0,10000}>", re.DOTALL)


def _without_tags(html: str) -> str:
    """Give all text of what has no shape: plain text, or tags nested beyond any reason."""
    lines, position, hidden = [], 0, ""
    for tag in _TAG.finditer(html):
        if not hidden:
            lines.append(html[position : tag.start()])
        name = (tag[1] or "").lower()
        if hidden:
            hidden = "" if name == hidden and tag[0].startswith("</") else hidden
        elif name in {"script", "style"} and not tag[0].startswith("</"):
            hidden = name
        if name not in _INLINE:
            lines.append("\n")
        position = tag.end()
    if not hidden:
        lines.append(html[position:])
    readable = unescape("".join(lines))
    return "\n".join(" ".join(line.split()) for line in readable.split("\n") if line.strip())


_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


def _without_hidden(tree: Any) -> None:
    """Take out what a reader is never shown."""
    for node in tree.xpath("/html/body//*[@hidden or @style]"):
        parent = node.getparent()
        if parent is not None and (node.get("hidden") is not None or _HIDDEN.search(node.get("style", ""))):
            node.drop_tree()


@cache
def _trafilatura() -> Any:
    import trafilatura  # noqa: PLC0415 - half a second

    for name in ("trafilatura", "htmldate", "courlan", "justext"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # they warn about each page without text: that is a result here
    return trafilatura.bare_extraction


def _extracted(tree: Any, url: str | None) -> Any:
    """Ask trafilatura; None where it finds no text or gives up on a page nested too deep."""
    try:
        return _trafilatura()(
            tree,
            url=url,
            fast=True,  # its second opinions (readability, jusText) cost as much again; ours is the density
            include_comments=False,
            include_tables=True,
            include_formatting=False,
            with_metadata=True,
            # Bounds are fixed: the default upper bound is today, and the same page must give the same record tomorrow.
            date_extraction_params={"extensive_search": False, "original_date": True, "max_date": "2100-01-01"},
        )
    except RecursionError:
        return None


# --- blocks -----------------------------------------------------------------------------------------------------------

_SKIPPED = frozenset(
    (
        "head",
        "script",
        "style",
        "noscript",
        "template",
        "svg",
        "math",
        "select",
        "option",
        "button",
        "textarea",
        "iframe",
        "object",
        "embed",
        "canvas",
        "audio",
        "video",
    )
)
_INLINE = frozenset(
    (
        "a",
        "abbr",
        "acronym",
        "b",
        "bdi",
        "bdo",
        "big",
        "cite",
        "code",
        "data",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "img",
        "ins",
        "kbd",
        "label",
        "mark",
        "q",
        "rp",
        "rt",
        "ruby",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
        "wbr",
        "input",
    )
)


class _Block(NamedTuple):
    text: str
    link_share: float  # characters inside links / characters
    parent: int  # the element whose text this is, and its tag
    tag: str


@dataclass(slots=True)
class _Element:
    """An element as a range of blocks, with the mass of the text in them."""

    parent: int
    name: str  # tag and class, or style: siblings of one name are parts of one thing
    first: int
    last: int = 0
    mass: float = 0.0
    blocks: int = 0  # that have mass
    children: list[int] = field(default_factory=list)


class _Page(NamedTuple):
    blocks: list[_Block]
    elements: list[_Element]
    depth: int
    title: str  # as the head has it


def _cut(tree: Any) -> _Page:
    """Cut a page into blocks: runs of text between the borders of block elements and line breaks. Walks without recursion."""
    from lxml import etree  # noqa: PLC0415

    blocks: list[_Block] = []
    elements = [_Element(-1, "", 0)]
    parts: list[tuple[str, bool]] = []
    at, tags, links, kept_space, depth, deepest = 0, [""], 0, 0, 0, 0

    def flush() -> None:
        raw = "".join(text for text, _ in parts)
        linked = sum(len(text.strip()) for text, is_link in parts if is_link)
        parts.clear()
        size = len(raw.strip())
        share = min(linked / size, 1.0) if size else 0.0
        lines = raw.split("\n") if kept_space else [" ".join(raw.split())]
        blocks.extend(_Block(line.rstrip(), share, at, tags[-1]) for line in lines if line.strip())

    walk = etree.iterwalk(tree, events=("start", "end"))
    for event, node in walk:
        tag = node.tag if isinstance(node.tag, str) else ""
        is_skipped, is_inline = tag in _SKIPPED or not tag, tag in _INLINE
        if event == "start":
            depth += 1
            deepest = max(deepest, depth)
            if is_skipped:
                walk.skip_subtree()
                continue
            if not is_inline:
                flush()
                if tag != "br":
                    elements.append(_Element(at, f"{tag} {node.get('class') or node.get('style', '')}".strip(), len(blocks)))
                    elements[at].children.append(len(elements) - 1)
                    at = len(elements) - 1
                    tags.append(tag)
                    kept_space += tag == "pre"
            links += tag == "a"
            if node.text:
                parts.append((node.text, links > 0))
            continue
        depth -= 1
        if not is_skipped:
            links -= tag == "a"
            if not is_inline:
                flush()
                if tag != "br":
                    elements[at].last = len(blocks)
                    at = elements[at].parent
                    tags.pop()
                    kept_space -= tag == "pre"
        if node.tail:
            parts.append((node.tail, links > 0))
    flush()
    elements[0].last = len(blocks)
    _weigh(blocks, elements)
    return _Page(blocks, elements, deepest, " ".join((tree.findtext(".//title") or "").split()))


_SENTENCE = re.compile(r"[。！？；，、：!?;,:]|\. ")


def _mass(block: _Block) -> float:
    """Weigh a block: its characters outside links; what is no sentence (menus, captions, dates) counts a quarter."""
    outside = len(block.text) * (1 - block.link_share)
    return outside if block.tag == "pre" or (outside >= 12 and _SENTENCE.search(block.text)) else outside / 4


def _weigh(blocks: list[_Block], elements: list[_Element]) -> None:
    for block in blocks:
        mass = _mass(block)
        elements[block.parent].mass += mass
        elements[block.parent].blocks += mass > 0
    for element in reversed(elements[1:]):  # children come after their parents
        elements[element.parent].mass += element.mass
        elements[element.parent].blocks += element.blocks


MOST, HALF, THIRD = 0.8, 0.5, 0.33


def _densest(elements: list[_Element], *, alone: bool = False) -> _Element:
    """Descend to the innermost element that holds nearly all of the text.

    A child is entered if it holds 80% of its parent's mass, or half of it while everything beside it comes in pieces half as
    long (comments, teasers, imprint). It is not entered where a sibling of the same tag and class holds a tenth: then both are
    parts of the text. `alone`: there is no other judge, so half of the mass is enough.
    """
    here = elements[0]
    while here.children:
        children = [elements[child] for child in here.children]
        top = max(children, key=lambda child: child.mass)
        others = [child for child in children if child is not top and child.mass > 0]
        share = top.mass / here.mass if here.mass else 0.0
        if any(child.name == top.name and " " in top.name and child.mass > top.mass / 10 for child in others):
            break
        piece = top.mass / max(top.blocks, 1)
        is_longest = alone or all(child.mass / max(child.blocks, 1) < piece / 2 for child in others)
        if share < (HALF if is_longest else MOST):
            break
        if top.last - top.first <= 1 and here.last - here.first > 1 and share < 0.95:
            break  # one long paragraph among short ones is no container
        here = top
    return here


# --- choice -----------------------------------------------------------------------------------------------------------


def _chosen(page: _Page, extracted: str) -> list[str]:
    """Choose the lines of the main text among the blocks of the page."""
    blocks = page.blocks
    container = _densest(page.elements)
    kept = _matched(blocks, extracted)
    kept_mass = sum(_mass(blocks[index]) for index in range(container.first, container.last) if index in kept)
    core = _densest(page.elements, alone=True)
    menus = [index for index, block in enumerate(blocks) if block.link_share > 0.8 and not core.first <= index < core.last]
    if kept_mass < THIRD * container.mass or (len(menus) > 2 and len(kept.intersection(menus)) > len(menus) * HALF):
        # trafilatura missed the text, or took the menus with it: density decides, and blocks of links go.
        inside = [index for index in range(core.first, core.last) if blocks[index].link_share < 0.6]
    else:
        inside = _completed(page, range(container.first, container.last), kept)
    inside = _trimmed(page, inside)
    inside = [index for index in inside if not _is_byline(blocks, index, inside)]
    return [blocks[index].text for index in inside if not _is_title(page, index, inside)]


def _completed(page: _Page, inside: range, kept: set[int]) -> list[int]:
    """Take what was kept inside the container, and what it left out in between although it is like what stands beside it."""
    blocks = page.blocks
    if not kept:
        return []
    neighbours = {(blocks[index].parent, blocks[index].tag) for index in kept}
    texts = {blocks[index].text for index in kept}
    grandparents = {(page.elements[blocks[index].parent].parent, blocks[index].tag) for index in kept}
    first, last = min(kept), max(kept)

    def stays(index: int) -> bool:
        block = blocks[index]
        if index in kept:
            return True
        if not first < index < last:
            return False
        beside = (page.elements[block.parent].parent, block.tag) in grandparents or (block.parent, block.tag) in neighbours
        return beside and (block.text in texts or (block.link_share < 0.3 and _mass(block) >= 12))

    return [index for index in inside if stays(index)]


# What runs in one flow: paragraphs, headings, lists and code side by side. Their frame is the element above all of these.
_FLOWING = frozenset(
    ("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "dl", "dt", "dd", "pre", "blockquote", "figure", "figcaption")
)
_BESIDE = frozenset({"pre", "h2", "h3", "h4", "h5", "h6"})  # stand among paragraphs however these are written
CARDS = 0.3  # weight of repeated boxes with a line of their own above their text (comments, teasers)


def _frames(page: _Page) -> list[int]:
    """Find for each element the frame that its text runs in: itself, or the next one above that is no part of a flow."""
    elements = page.elements
    cells = _cells(page)
    others = [0] * len(elements)  # blocks that are not code
    for block in page.blocks:
        others[block.parent] += block.tag != "pre"
    for at in range(len(elements) - 1, 0, -1):  # children come after their parents
        others[elements[at].parent] += others[at]
    frames = [0] * len(elements)
    for at in range(1, len(elements)):
        element = elements[at]
        is_code = element.last > element.first and not others[at]
        flows_on = is_code or at in cells or element.name.split(" ")[0] in _FLOWING
        frames[at] = frames[element.parent] if flows_on else at
    return frames


def _flows(page: _Page) -> list[tuple[int, str, str]]:
    """Tell for each block which flow it runs in: the frame around it, what the frame is called, and how it is written."""
    elements = page.elements
    names = [(element.parent, element.name) for element in elements]
    repeated = Counter(names)
    frames = _frames(page)
    flows = []
    for block in page.blocks:
        at, kind = frames[block.parent], "p"
        if block.tag in {"div", "p"} and _is_box_of_one(elements[at]):
            kind = elements[at].name if block.tag == "div" else f"{elements[at].name} p"
            at = elements[at].parent
        # Sections of one name beside one another are one flow; a bare `div` is no name.
        flows.append((*names[at], kind) if repeated[names[at]] > 1 and names[at][1] not in {"div", "td"} else (at, "", kind))
    return flows


def _is_box_of_one(element: _Element) -> bool:
    return element.name.split(" ")[0] == "div" and element.last - element.first == 1


def _cells(page: _Page) -> frozenset[int]:
    """Find the elements of tables of data: in rows of two cells or more, each of one block at most. Other tables are layout."""
    tables: dict[int, list[int]] = {}
    layout: set[int] = set()
    rows = Counter(element.parent for element in page.elements if element.name.split(" ")[0] in {"td", "th"})
    owner: dict[int, int] = {}
    for at, element in enumerate(page.elements):
        tag = element.name.split(" ")[0]
        if tag == "table":
            owner[at] = at
            tables[at] = [at]
        elif tag in {"tbody", "thead", "tfoot", "tr", "td", "th"} and element.parent in owner:
            owner[at] = owner[element.parent]
            tables[owner[at]].append(at)
            if (tag == "tr" and rows[at] < 2) or (tag in {"td", "th"} and element.last - element.first > 1):
                layout.add(owner[at])
    return frozenset(at for table, parts in tables.items() if table not in layout and len(parts) > 5 for at in parts)


def _trimmed(page: _Page, inside: list[int]) -> list[int]:
    """Keep to the flow that holds most of the text: all of it, and what was chosen in between, but nothing before or after.

    Where no flow holds half of the text, the choice stays as it is.
    """
    if not inside:
        return inside
    blocks = page.blocks
    flows = _flows(page)
    masses: defaultdict[tuple[int, str, str], float] = defaultdict(float)
    texts = [index for index in inside if blocks[index].tag not in _BESIDE and not _is_notice(blocks[index])] or inside
    for index in texts:
        masses[flows[index]] += _mass(blocks[index]) * (CARDS if _is_card(page, index) else 1)
    best, mass = max(masses.items(), key=lambda item: item[1])
    if mass < HALF * sum(masses.values()):
        return inside
    chosen = set(inside)
    own = [
        index
        for index, flow in enumerate(flows)
        if (flow == best or (flow[:2] == best[:2] and blocks[index].tag in _BESIDE))
        and (index in chosen or blocks[index].link_share < 0.6)
    ]
    own = _without_edges(blocks, own)
    if not own:
        return inside
    members = set(own)
    between = range(own[0], own[-1] + 1)
    times = Counter(blocks[index].text for index in between)

    def stays(index: int) -> bool:
        """Tell advertisements, as a rule: a bare `div` among paragraphs, or one of another look that comes again and again."""
        flow = flows[index]
        is_foreign = (
            blocks[index].tag == "div"
            and flow != best
            and flow[:2] == best[:2]
            and (best[2] == "p" or times[blocks[index].text] > 1)
        )
        return index in members or (index in chosen and not is_foreign)

    return _without_edges(blocks, [index for index in between if stays(index)])


def _is_card(page: _Page, index: int) -> bool:
    """Tell a block below a line of its own box, as a comment stands below its author."""
    blocks = page.blocks
    block = blocks[index]
    box = page.elements[page.elements[block.parent].parent]
    first = blocks[box.first] if box.first < len(blocks) else block
    return (
        block.tag in {"p", "dd", "div"}
        and box.first < index
        and not first.tag.startswith("h")
        and _mass(first) < 4
        and box.last - box.first <= 4
    )


def _without_edges(blocks: list[_Block], own: list[int]) -> list[int]:
    """Cut lines of links (where am I, previous, next) from both ends, and notices of rights and editors from the last one."""
    first, last = 0, len(own)
    while first < last and _is_way_in(blocks[own[first]]):
        first += 1
    while last > first and _is_way_out(blocks[own[last - 1]]):
        last -= 1
    at = last - 1
    while at > first and len(blocks[own[at]].text) < NOTICE_CHARACTERS:
        if _is_notice(blocks[own[at]]):
            last = at
        at -= 1
    return own[first:last]


def _is_notice(block: _Block) -> bool:
    return len(block.text) < NOTICE_CHARACTERS and block.tag != "pre" and bool(_NOTICE.search(block.text))


def _is_way_in(block: _Block) -> bool:
    is_line = len(block.text) < 60 and not block.text.endswith(_ENDS) and not block.tag.startswith("h")
    return is_line and block.link_share > (0.8 if block.tag == "li" else 0.2)


def _is_way_out(block: _Block) -> bool:
    return block.link_share > 0.3 and len(block.text) < 60 and block.tag != "li"


_ENDS = tuple("。！？.!?")
NOTICE_CHARACTERS = 80
_NOTICE = re.compile(
    r"©|Copyright|All [Rr]ights [Rr]eserved|版权(?:所有|声明)|ICP备|公网安备|许可证[：:]|^[（(【\[]?(?:责任)?编辑[：:]|^\S{2,4}(?: \| \S{2,4}){2,}$"
)


def _is_title(page: _Page, index: int, inside: list[int]) -> bool:
    """Tell the title of the page, which has its own field, from the text it stands above."""
    text = page.blocks[index].text
    return (
        index in inside[:3] and len(inside) > 1 and page.blocks[index].tag != "p" and len(text) >= 4 and page.title.startswith(text)
    )


_DATE = re.compile(r"(?:19|20)\d\d\s?[-/.年]\s?[01]?\d")


def _is_byline(blocks: list[_Block], index: int, inside: list[int]) -> bool:
    """Tell date, source and author from the text they stand above: a short block with a date that is no sentence."""
    text = blocks[index].text
    is_line = len(text) < 60 and not text.endswith(tuple("。！？.!?：:")) and not re.search("[，,；。]", text)
    return index in inside[:3] and is_line and bool(_DATE.search(text))


_MARKUP = re.compile(r"^\s*- |[\s|\\]+", re.MULTILINE)
_WINDOW = 20_000


def _matched(blocks: list[_Block], extracted: str) -> set[int]:
    """Find which blocks an extracted text was made of, white space and marks of lists and tables aside.

    A line is a block, or several of them in order (the cells of a table row, what stood between `br`).
    """
    lines = dict.fromkeys(_MARKUP.sub("", line) for line in extracted.split("\n"))
    wanted = [_MARKUP.sub("", block.text) for block in blocks]
    found = {index for index, text in enumerate(wanted) if text and text in lines}
    # A heading that says the same as a paragraph is the title of the page, which has its own field.
    paragraphs = {wanted[index] for index in found if blocks[index].tag != "h1"}
    found -= {index for index in found if blocks[index].tag == "h1" and wanted[index] in paragraphs}
    taken = {wanted[index] for index in found}
    joined = "\n".join(line for line in lines if line not in taken)
    position = 0
    for index, text in enumerate(wanted):
        if not text or index in found:
            continue
        place = joined.find(text, position, position + _WINDOW + len(text))
        # A short text may occur further on by chance: it must come at once.
        if place < 0 or (len(text) < 12 and place > position + 40):
            continue
        found.add(index)
        position = place + len(text)
    return found
