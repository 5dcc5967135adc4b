"""The main text of a web page: its paragraphs as lines, without navigation, advertisements, comments, footers and scripts.

Extraction is trafilatura's; what it is given and what is done where it finds too little stands here. How the bytes of a page
become characters is in `encodings`.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any, NamedTuple

LIMIT_CHARACTERS = 20_000_000  # of one page; the rest is not looked at


class MainText(NamedTuple):
    """`text`: paragraphs as lines, empty where the page has none; `language` as declared, `date` ISO 8601; None: not stated."""

    text: str
    title: str | None = None
    language: str | None = None
    date: str | None = None


def main_text(html: str, url: str | None = None) -> MainText:
    """Extract the main text of a page. `url` is kept out of the network: it only helps to make sense of links."""
    tree = _parsed(html[:LIMIT_CHARACTERS])
    if tree is None:
        return MainText("")
    language = tree.get("lang") or tree.get("{http://www.w3.org/XML/1998/namespace}lang")
    found = _extractor()(
        tree,
        url=url,
        fast=True,
        include_comments=False,
        include_tables=True,
        include_formatting=False,
        with_metadata=True,
        # Bounds are fixed: the default upper bound is today, and the same page must give the same record tomorrow.
        date_extraction_params={"extensive_search": False, "original_date": True, "max_date": "2100-01-01"},
    )
    if found is None:
        return MainText("", language=language)
    return MainText(_lines(found.text), found.title, language, found.date)


@cache
def _extractor() -> Any:
    import trafilatura  # noqa: PLC0415 - half a second

    for name in ("trafilatura", "htmldate", "courlan", "justext"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # they warn about each page without text: that is a result here
    return trafilatura.bare_extraction


def _parsed(html: str) -> Any:
    from lxml import etree  # noqa: PLC0415
    from lxml import html as lxml_html  # noqa: PLC0415

    readable = html.replace("\0", "")
    if "<" not in readable:
        return None
    parser = lxml_html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        # As bytes: a page that opens with an XML declaration is refused as a str.
        return lxml_html.document_fromstring(readable.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        return None  # nothing but white space or comments


def _lines(text: str | None) -> str:
    return "\n".join(" ".join(line.split()) for line in (text or "").split("\n") if line.strip())
