"""The text of a record of pretraining or supervised sets: its usual names, and the guess where no field has one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liangji.pipeline.aggregation.raw_fields import is_text

TEXT_NAMES = (
    "text", "content", "contents", "body", "正文", "内容", "文本", "全文", "原文", "文章", "article", "article_body", "document",
    "passage", "raw_content", "main_text", "markdown", "paragraphs", "段落", "sentence", "sentences", "story", "abstract",
)  # fmt: skip

_NEVER_TEXT = frozenset(
    ("id", "_id", "uid", "uuid", "name", "url", "link", "path", "file", "file_name", "filename", "date", "time", "timestamp", "datetime",
     "author", "lang", "language", "source", "license", "编号", "序号", "链接", "日期", "时间", "作者", "来源")
)  # fmt: skip


def has_usual_text(fields: Mapping[str, Any]) -> bool:
    """Tell whether a record has text in a field whose name says that it is the text."""
    return is_text(fields.get("text")) or any(is_text(value) for name, value in fields.items() if name.lower() in TEXT_NAMES)


def guess_text(rows: list[dict[str, Any]]) -> tuple[str, ...]:
    """Name the fields that hold most of the text of some records: the longest, and those at least a quarter as long.

    >>> guess_text([{"id": "a-1", "科室": "内科", "提问": "发烧三天了怎么办，要吃药吗", "答复": "多喝水，注意休息，必要时到医院就诊"}])
    ('提问', '答复')
    """
    lengths: dict[str, int] = {}
    for row in rows:
        for name, value in row.items():
            if isinstance(value, str) and value:
                lengths[name] = lengths.get(name, 0) + len(value)
    likely = {name: length for name, length in lengths.items() if name.lower() not in _NEVER_TEXT} or lengths
    longest = max(likely.values(), default=0)
    long = tuple(name for name, length in likely.items() if length * 4 >= longest and length >= 10 * len(rows))
    return long or tuple(name for name, length in likely.items() if length == longest)[:1]
