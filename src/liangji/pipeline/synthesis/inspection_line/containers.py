"""The files that the documents lie in: archives, tables, pages and notes in several encodings; some of them damaged.

Texts whose exact characters matter (duplicates, their originals, personal information, poor texts) go where a text is kept as
it is: JSON Lines, the table and plain notes. Pages and manuals take clean documents alone.
"""

from __future__ import annotations

import csv
import gzip
import html
import io
import json
import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from liangji.pipeline.synthesis.inspection_line.documents import Document, PlantedClass
from liangji.pipeline.synthesis.inspection_line.prose import vocabulary, write_chinese

_BROKEN_LINES = 12
_MOMENT = (2025, 6, 1, 8, 0, 0)  # of archive members: fixed, so that the same seed gives the same bytes
_NOTE_ENCODINGS = ("gb18030", "utf-16", "utf-8", "utf-8-sig")  # utf-16: little-endian with a byte-order mark
# In a file of its own a text of a few characters, or of garbage, has no encoding that anyone could tell.
_POOR = frozenset({PlantedClass.TOO_SHORT, PlantedClass.GARBAGE, PlantedClass.REPETITIVE, PlantedClass.BOILERPLATE})
# Pages: real encoding, and what the page says; the third one lies.
_PAGE_ENCODINGS = (("utf-8", "utf-8"), ("gb18030", "gbk"), ("gb18030", "utf-8"), ("utf-8", None), ("gb18030", None))


@dataclass(slots=True)
class Placed:
    """Where everything lies: what `truth.json` says of the text part."""

    documents: list[dict[str, Any]] = field(default_factory=list)
    encodings: list[dict[str, Any]] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)

    def add(self, document: Document, origin: str, record: int = 0) -> None:
        entry: dict[str, Any] = {"doc_id": document.doc_id, "planted": document.planted.value, "origin": origin, "record": record}
        if document.original is not None:
            entry["original"] = document.original
        if document.similarity is not None:
            entry["similarity"] = round(document.similarity, 4)
        if document.values:
            entry["values"] = [value._asdict() for value in document.values]
        self.documents.append(entry)


def write_containers(random: Random, documents: list[Document], raw: Path) -> Placed:
    """Write all documents below `raw`, each once."""
    placed = Placed()
    copied = {document.original for document in documents}
    anywhere = [document for document in documents if document.planted is PlantedClass.CLEAN and document.doc_id not in copied]
    english = [document for document in documents if document.planted is PlantedClass.ENGLISH]
    count = len(documents)
    pages = _take(anywhere, count // 9)
    zipped, tarred = _take(anywhere, count // 25), _take(anywhere, count // 25)
    elsewhere = {document.doc_id for document in [*pages, *zipped, *tarred, *english]}
    plain = [document for document in documents if document.doc_id not in elsewhere]
    notes = [document for document in plain if document.planted not in _POOR][: count // 12]
    noted = {document.doc_id for document in notes}
    plain = [document for document in plain if document.doc_id not in noted]
    rows = _take(plain, count // 8)
    beside_broken, before_cut = _take(plain, count // 24), _take(plain, count // 40)
    for part in range(4):
        _write_json_lines(raw, f"logs/inspection_{part + 1}.jsonl.gz", plain[part::4], placed)
    _write_json_lines(raw, "english/notes.jsonl", english, placed)
    _write_table(raw, "legacy/shift_records.csv", rows, placed)
    _write_notes(raw, notes, placed)
    _write_pages(random, raw, pages, placed)
    _write_zip(raw, "manuals.zip", zipped, placed)
    _write_tar(raw, "archive.tar.gz", tarred, placed)
    _write_broken_lines(random, raw, "damaged/broken_lines.jsonl", beside_broken, placed)
    _write_cut_gzip(random, raw, "damaged/cut_member.jsonl.gz", before_cut, placed)
    placed.documents.sort(key=lambda entry: str(entry["doc_id"]))
    return placed


def _take(documents: list[Document], count: int) -> list[Document]:
    taken = documents[:count]
    del documents[:count]
    return taken


def _write(raw: Path, name: str, content: bytes) -> str:
    path = raw / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return f"{raw.name}/{name}"


def _line(document: Document) -> bytes:
    record = {
        "doc_id": document.doc_id,
        "planted": document.planted.value,
        "title": document.title,
        "body": document.text,
        "line": document.line,
        "equipment": document.equipment,
        "written_at": _iso(document.date),
    }
    return json.dumps(record, ensure_ascii=False).encode()


def _iso(date: str) -> str:
    year, month, day = (int(part) for part in date.replace("年", " ").replace("月", " ").rstrip("日").split())
    return f"{year}-{month:02}-{day:02}"


def _write_json_lines(raw: Path, name: str, documents: list[Document], placed: Placed) -> None:
    content = b"".join(_line(document) + b"\n" for document in documents)
    origin = _write(raw, name, gzip.compress(content, 6, mtime=0) if name.endswith(".gz") else content)
    for record, document in enumerate(documents):
        placed.add(document, origin, record)


def _write_table(raw: Path, name: str, documents: list[Document], placed: Placed) -> None:
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(["doc_id", "planted", "日期", "产线", "设备", "标题", "内容"])
    for document in documents:
        writer.writerow(
            [
                *(document.doc_id, document.planted.value, _iso(document.date), document.line),
                *(document.equipment, document.title, document.text),
            ]
        )
    origin = _write(raw, name, table.getvalue().encode("gb18030"))
    placed.encodings.append({"origin": origin, "encoding": "gb18030", "declared": None})
    for record, document in enumerate(documents):
        placed.add(document, origin, record)


def _write_notes(raw: Path, documents: list[Document], placed: Placed) -> None:
    for number, document in enumerate(documents):
        encoding = _NOTE_ENCODINGS[number % len(_NOTE_ENCODINGS)]
        content = b"\xff\xfe" + document.text.encode("utf-16-le") if encoding == "utf-16" else document.text.encode(encoding)
        origin = _write(raw, f"notes/{document.doc_id}.txt", content)
        placed.encodings.append({"origin": origin, "encoding": encoding, "declared": None})
        placed.add(document, origin)


# --- web pages


def _write_pages(random: Random, raw: Path, documents: list[Document], placed: Placed) -> None:
    for number, document in enumerate(documents):
        encoding, declared = _PAGE_ENCODINGS[number % len(_PAGE_ENCODINGS)]
        origin = _write(raw, f"web/{document.doc_id}.html", _page(random, document, declared).encode(encoding))
        placed.encodings.append({"origin": origin, "encoding": encoding, "declared": declared})
        placed.add(document, origin)
        placed.documents[-1]["main_text"] = document.text


def _page(random: Random, document: Document, charset: str | None) -> str:
    words = vocabulary()["pages"]
    site, title = random.choice(words["sites"]), html.escape(document.title)
    meta = f'<meta charset="{charset}">' if charset else ""
    navigation = "".join(f'<li><a href="/{at}/">{name}</a></li>' for at, name in enumerate(words["navigation"]))
    paragraphs = "\n".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in document.text.split("\n"))
    advertisements = random.sample(words["advertisements"], 2)
    related = "".join(f'<li><a href="/a/{random.randint(100, 999)}.html">{write_chinese(random).title}</a></li>' for _ in range(5))
    comments = "".join(
        f'<div class="comment"><b>网友{random.randint(10, 99)}</b>：{text}</div>' for text in random.sample(words["comments"], 3)
    )
    footer = "　".join(random.sample(words["footers"], 3))
    return f"""<!DOCTYPE html>
<html lang="zh-CN"><head>{meta}<title>{title} - {site}</title>
<script>var _page = {{"id": {random.randint(1000, 9999)}}}; track(_page);</script>
<style>.ad {{ border: 1px solid #ccc; }}</style></head>
<body>
<nav class="top"><ul>{navigation}</ul></nav>
<div class="ad">{advertisements[0]}</div>
<article>
<h1>{title}</h1>
<p class="meta">发布时间：{_iso(document.date)}　来源：{site}</p>
{paragraphs}
</article>
<aside class="related"><h3>相关阅读</h3><ul>{related}</ul></aside>
<div class="ad">{advertisements[1]}</div>
<section class="comments"><h3>网友评论</h3>{comments}</section>
<footer>{footer}</footer>
</body></html>
"""


# --- archives of manuals


def _markdown(document: Document) -> bytes:
    matter = f"---\ndoc_id: {document.doc_id}\nplanted: {document.planted.value}\nline: {document.line}\n---\n"
    body = document.text.replace("\n", "\n\n")
    return f"{matter}\n# {document.title}\n\n{body}\n".encode()


def _write_zip(raw: Path, name: str, documents: list[Document], placed: Placed) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for document in documents:
            member = zipfile.ZipInfo(f"manuals/{document.doc_id}.md", _MOMENT)
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, _markdown(document))
    _place_members(placed, _write(raw, name, content.getvalue()), documents, "manuals")


def _write_tar(raw: Path, name: str, documents: list[Document], placed: Placed) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for document in documents:
            text = _markdown(document)
            member = tarfile.TarInfo(f"archive/{document.doc_id}.md")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    _place_members(placed, _write(raw, name, gzip.compress(content.getvalue(), 6, mtime=0)), documents, "archive")


def _place_members(placed: Placed, origin: str, documents: Iterable[Document], folder: str) -> None:
    for document in documents:
        placed.add(document, f"{origin}!{folder}/{document.doc_id}.md")


# --- damaged files


def _write_broken_lines(random: Random, raw: Path, name: str, documents: list[Document], placed: Placed) -> None:
    """Put lines that are no JSON objects between good ones."""
    lines = [(_line(document), document, "") for document in documents]
    for number in range(_BROKEN_LINES):
        kind = ("cut", "bare_text", "array", "single_quotes")[number % 4]
        lines.insert(random.randint(0, len(lines)), (_broken_line(random, kind, number), None, kind))  # type: ignore[arg-type]
    origin = _write(raw, name, b"".join(line + b"\n" for line, _, _ in lines))
    for record, (_, document, kind) in enumerate(lines):
        if kind:
            placed.faults.append({"origin": origin, "record": record, "line": record + 1, "kind": kind})
        else:
            placed.add(document, origin, record)


def _broken_line(random: Random, kind: str, number: int) -> bytes:
    text = write_chinese(random).text.replace("\n", "")
    record = {"doc_id": f"B{number:05}", "planted": "broken", "body": text}
    whole = json.dumps(record, ensure_ascii=False)
    broken = {
        "cut": whole[: random.randint(60, len(whole) - 10)],
        "bare_text": text,
        "array": json.dumps([record["doc_id"], text], ensure_ascii=False),
        "single_quotes": str(record),
    }
    return broken[kind].encode()


def _write_cut_gzip(random: Random, raw: Path, name: str, documents: list[Document], placed: Placed) -> None:
    """Put a whole gzip member before one that ends in the middle of its only line: a copy that was broken off."""
    whole = gzip.compress(b"".join(_line(document) + b"\n" for document in documents), 6, mtime=0)
    lost = {"doc_id": "B99999", "planted": "cut", "body": "".join(write_chinese(random).text for _ in range(40))}
    cut = gzip.compress(json.dumps(lost, ensure_ascii=False).encode(), 6, mtime=0)
    origin = _write(raw, name, whole + cut[: len(cut) // 2])
    for record, document in enumerate(documents):
        placed.add(document, origin, record)
    placed.faults.append({"origin": origin, "record": len(documents), "line": len(documents) + 1, "kind": "cut_gzip_member"})
