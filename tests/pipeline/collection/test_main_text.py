"""Main text of web pages: figures on made pages with truth, on the same texts in other page shapes, and on junk."""

from __future__ import annotations

import json
import socket
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path

import pytest
import zstandard

from liangji.pipeline.collection.encodings import decode
from liangji.pipeline.collection.main_text import LIMIT_TRAFILATURA, main_text

SENTENCE = "村口的老槐树据说有三百年了，树下常有人歇脚、下棋，也有人讲从前的事情。"


def f1(found: Iterable[str], wanted: Iterable[str]) -> float:
    """F1 of two multisets."""
    left, right = Counter(found), Counter(wanted)
    size = left.total() + right.total()
    return 2 * (left & right).total() / size if size else 1.0


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.split("\n") if line.strip()]


def five_grams(text: str) -> list[str]:
    squeezed = "".join(text.split())
    return [squeezed[start : start + 5] for start in range(max(1, len(squeezed) - 4))]


@pytest.fixture(scope="module")
def pages(shared_data: Path) -> list[tuple[str, str]]:
    """Pairs of a page and its main text."""
    with (
        (shared_data / "text" / "html_pages_made.tar.zst").open("rb") as packed,
        zstandard.ZstdDecompressor().stream_reader(packed) as raw,
        tarfile.open(fileobj=raw, mode="r|") as tar,
    ):
        files = {}
        for member in tar:
            content = tar.extractfile(member)
            if content is not None:
                files[member.name.removeprefix("./")] = content.read()
    truths = [json.loads(line) for line in files["truth.jsonl"].splitlines()]
    return [(decode(files[truth["file"]]).text, truth["main_text"]) for truth in truths]


def test_main_text_of_made_pages_agrees_with_the_truth(pages: list[tuple[str, str]]) -> None:
    found = [(main_text(html).text, truth) for html, truth in pages]
    assert len(found) == 115
    of_lines = [f1(lines(text), lines(truth)) for text, truth in found]
    of_grams = [f1(five_grams(text), five_grams(truth)) for text, truth in found]
    assert sum(of_lines) / len(found) >= 0.99
    assert sum(of_grams) / len(found) >= 0.99
    assert min(of_grams) >= 0.9


# The same texts in page shapes that the made pages do not have, with other names and other words around them.

MENU = ("网站首页", "要闻", "财经频道", "地方", "视频", "专题策划", "登录", "注册")
TEASERS = ("秋收时节看丰收：记者走进田间地头", "这座城市的夜经济有多火", "一图读懂最新政策", "专家解读：冬季如何防流感")
REPLIES = ("写得太好了，收藏了", "不太同意楼上的观点，还是要看实际情况", "沙发！", "请问有没有完整版可以看？")


def linked(words: Iterable[str], tag: str) -> str:
    return "".join(f'<{tag}><a href="/{number}">{word}</a></{tag}>' for number, word in enumerate(words))


def in_divisions(paragraphs: list[str]) -> str:
    body = "".join(f"<div>{paragraph}</div>" for paragraph in paragraphs)
    return (
        f'<div class="top">{linked(MENU, "span")}</div><div class="wz"><div class="l"><div class="xx">2024年03月05日 10:22 | 来源：某报'
        f'</div><div class="nr">{body}</div><div class="fx">分享到 <a>朋友圈</a> <a>微博</a></div></div>'
        f'<div class="r"><h3>排行榜</h3><ul>{linked(TEASERS, "li")}</ul></div></div>'
        f'<div class="pl">{"".join(f"<div>{reply}</div>" for reply in REPLIES)}</div>'
        '<div class="bq">Copyright © 2010-2024 某某在线 All Rights Reserved　增值电信业务经营许可证</div>'
    )


def in_a_layout_table(paragraphs: list[str]) -> str:
    return (
        f"<table><tr><td colspan=2>{' | '.join(f'<a href=/>{word}</a>' for word in MENU)}</td></tr><tr><td><b>热点推荐</b><br>"
        f"{'<br>'.join(f'<a href=/>·{teaser}</a>' for teaser in TEASERS)}</td><td><center>发布时间：2009-3-12　点击：323次</center>"
        f"{'<br><br>'.join('　　' + paragraph for paragraph in paragraphs)}<br><center>【<a>打印本页</a>】【<a>关闭窗口</a>】</center>"
        "</td></tr><tr><td colspan=2>主办单位：某某市某某局　技术支持：某某公司<br>地址：某某路88号　邮编：000000</td></tr></table>"
    )


def in_an_article(paragraphs: list[str]) -> str:
    shapes = ("<p>{}</p>", "<ul><li>{}</li></ul>", "<p>{}</p>", "<blockquote><p>{}</p></blockquote>", "<pre><code>{}</code></pre>")
    body = "".join(shapes[number % 5].format(paragraph) for number, paragraph in enumerate(paragraphs))
    return (
        f"<header><nav><ul>{linked(MENU, 'li')}</ul></nav></header><main><article><div class=entry-content>{body}</div></article>"
        f"<aside><h3>相关文章</h3><ul>{linked(TEASERS, 'li')}</ul></aside></main><section id=comments>"
        f"{''.join(f'<div class=comment-body><p>{reply}</p></div>' for reply in REPLIES)}</section><footer><p>© 2023 某博客</p></footer>"
    )


def without_names(paragraphs: list[str]) -> str:
    body = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return (
        f"<div>{''.join(f'<a href=/>{word}</a>' for word in MENU)}</div><div><div><div>2024-05-06 09:00 某某通讯社</div><div>{body}</div>"
        f"</div><div>{linked(TEASERS, 'div')}</div></div><div>{''.join(f'<div><p>{reply}</p></div>' for reply in REPLIES)}</div>"
        "<div><p>关于我们　联系方式　法律声明　隐私政策</p><p>版权所有 未经授权禁止转载</p></div>"
    )


@pytest.mark.parametrize("shape", [in_divisions, in_a_layout_table, in_an_article, without_names])
def test_main_text_is_found_in_other_page_shapes(pages: list[tuple[str, str]], shape: Callable[[list[str]], str]) -> None:
    scores = []
    for _, truth in pages[::3]:
        paragraphs = lines(truth)
        html = f"<html><head><title>某某在线</title></head><body>{shape([escape(line, quote=False) for line in paragraphs])}</body></html>"
        scores.append(f1(five_grams(main_text(html).text), five_grams(truth)))
    assert sum(scores) / len(scores) >= 0.97


def page(body: str) -> str:
    return f'<html lang="zh"><head><title>槐树</title></head><body><div class="nav">{linked(MENU, "li")}</div>{body}</body></html>'


def test_code_lists_and_short_paragraphs_inside_the_article_stay() -> None:
    body = f"<article><p>{SENTENCE}</p><p>如下：</p><ul><li>一棵</li><li>两棵</li></ul><pre>for tree in trees:\n    water(tree)</pre><p>{SENTENCE}</p></article>"
    assert main_text(page(body)).text.split("\n") == [
        SENTENCE,
        "如下：",
        "一棵",
        "两棵",
        "for tree in trees:",
        "    water(tree)",
        SENTENCE,
    ]


LONG_REPLY = "作者说得有道理，不过在我们这里情况要复杂得多：去年试过一次，没有成功，希望以后能多写一些实际的例子，让大家少走弯路。"
NOTICES = "<div>版权声明：本文为原创，未经许可不得转载，违者必究。</div><div>（责任编辑：某某）</div>"


@pytest.mark.parametrize(
    "before",
    [
        "<div><h1>槐树</h1></div>",
        '<div style="display: none">给搜索引擎看的一句话，读者看不到它，它也不是正文。</div>',
        "<div hidden>给搜索引擎看的一句话，读者看不到它，它也不是正文。</div>",
        "<p>您的位置：<a href=/>主站</a> » <a href=/b>文库</a> » 详情</p>",
        "<p>发布时间：2022年10月8日　浏览：233</p>",
    ],
)
def test_what_stands_above_the_first_paragraph_goes(before: str) -> None:
    paragraphs = [f"{number}、{SENTENCE}" for number in range(4)]
    assert main_text(page(before + "".join(f"<p>{text}</p>" for text in paragraphs))).text.split("\n") == paragraphs


@pytest.mark.parametrize(
    "after",
    [
        NOTICES,
        f"<div>{NOTICES}</div>",
        f"<div><h3>评论区（3）</h3>{f'<div><b>网友</b> <i>3天前</i><p>{LONG_REPLY}</p></div>' * 3}</div>",
        f"<div><h3>评论区（3）</h3>{f'<dl><dt>用户</dt><dd>{LONG_REPLY}</dd></dl>' * 3}</div>",
        "<div><p>关于我们 | 联系我们 | 广告服务</p><p>Copyright © 2008-2023 某某网</p></div>",
    ],
)
@pytest.mark.parametrize("shape", ["<p>{}</p>", "　　{}<br><br>", "<div>{}</div>", "<div><p>{}</p></div>", "<p>{}"])
def test_what_stands_below_the_last_paragraph_goes(after: str, shape: str) -> None:
    paragraphs = [f"{number}、{SENTENCE}" for number in range(12)]
    body = "".join(shape.format(text) for text in paragraphs)
    assert main_text(page(f"<div><div>{body}</div>{after}</div>")).text.split("\n") == paragraphs


def test_a_bare_division_among_paragraphs_is_an_advertisement() -> None:
    paragraphs = [f"{number}、{SENTENCE}" for number in range(4)]
    advertisement = "<div>限时特惠，全场五折起，先到先得，点击了解详情</div>"
    html = page(f"<div>{advertisement.join(f'<p>{text}</p>' for text in paragraphs)}</div>")
    assert main_text(html).text.split("\n") == paragraphs


def test_a_heading_above_the_first_paragraph_and_short_lines_among_code_stay() -> None:
    code = "<div class=highlight><pre>function water(tree: Tree, times: number): void</pre></div>"
    body = f"<h2>第一章 槐树</h2>{code}<p>详细信息</p><p>{SENTENCE}</p><p>浇水</p>{code}{NOTICES}"
    line = "function water(tree: Tree, times: number): void"
    assert main_text(page(f"<div>{body}</div>")).text.split("\n") == ["第一章 槐树", line, "详细信息", SENTENCE, "浇水", line]


def test_title_and_declared_language_are_given() -> None:
    found = main_text(page(f"<article><p>{SENTENCE}</p></article>"))
    assert (found.title, found.language, found.text) == ("槐树", "zh", SENTENCE)


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    html = page(f'<img src="http://example.com/a.png"><p>{SENTENCE}</p><a rel="next" href="http://example.com/2">下一页</a>')
    assert SENTENCE in main_text(html, "http://example.com/1").text


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("", ""),
        (" \n ", ""),
        ("<!-- nothing -->", ""),
        ("<!DOCTYPE html>", ""),
        ("只有文字，没有标签。", "只有文字，没有标签。"),
        ("a < b and c > d", "a < b and c > d"),
        (f"<p>\0{SENTENCE}\0", SENTENCE),
        (f'<?xml version="1.0" encoding="gbk"?><html><body><p>{SENTENCE}</p></body></html>', SENTENCE),
        ("<div>" * 5000 + SENTENCE + "</div>" * 5000, SENTENCE),
        ("<body>" + "<b>" * 20_000 + SENTENCE, SENTENCE),
        ("<body>" + "<ul><li>" * 300 + SENTENCE, SENTENCE),
        ("<body><script>" + 'var a = "<p>";' * 1000, ""),
    ],
    ids=range(12),
)
def test_junk_gives_what_text_there_is(html: str, expected: str) -> None:
    assert main_text(html).text == expected


def test_a_page_of_five_megabytes_keeps_its_text() -> None:
    html = page("<div>" + f"<p>{SENTENCE * 4}</p>\n" * (5 * LIMIT_TRAFILATURA // 2 // len(SENTENCE * 4)) + "</div>")
    assert len(html) > 5_000_000
    found = lines(main_text(html).text)
    assert set(found) == {SENTENCE * 4}
    assert len(found) == html.count("<p>")
