"""Raw records → batches of the record schema: which field becomes which column, where each record comes from, its id.

`id` is the first 32 hexadecimal digits of the SHA-256 of a JSON array in UTF-8 without spaces, names sorted: origin, number of the
record, then the payload columns in the order of the schema. The same file read again gives the same ids; a changed text another.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson
import pyarrow as pa

from liangji.core.reading import Fault, Note, Raw, RawBatch, RawRecord
from liangji.core.schema import ANNOTATION, TEXT, Kind, Modality, payload_fields, record_schema

BATCH_ROWS = 1024
BATCH_BYTES = 1 << 20  # of payload
_SAMPLE_RECORDS = 64  # looked at before a column is guessed
_KEPT_BYTES = 64 << 10
_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS

Fields = Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the records of one input come from, as the recipe states it; null: not stated."""

    source: str | None = None
    source_details: str | None = None
    license: str | None = None
    original_time: str | None = None
    generated: int = 0


def shape(
    raw: Iterable[Raw],
    kind: Kind,
    modality: Modality = Modality.TEXT,
    fields: Fields | None = None,
    provenance: Provenance | None = None,
) -> Iterator[pa.RecordBatch | Fault | Note]:
    """Shape the raw records of one file into batches of `record_schema(kind, modality)`; faults and notes pass through.

    `fields` maps a column to the raw field that fills it, to several that are joined by a blank line, or to a nested one
    (`a.b`). What it leaves out is found by the usual names; a text column without a usual name is guessed and noted. Raw fields
    that no column takes are kept in `extra`. A record that lacks its payload is a fault. Batches are cut at 1024 rows or 1 MiB
    of payload, whichever comes first, so always alike.
    """
    shaper = _Shaper(kind, modality, dict(fields or {}), provenance or Provenance())
    for item in _with_guesses(_single_records(raw), shaper):
        if not isinstance(item, RawRecord):
            yield item
            continue
        fault = shaper.add(item)
        if fault is not None:
            yield fault
        elif shaper.is_full:
            yield shaper.batch()
    if shaper.rows:
        yield shaper.batch()


def _single_records(raw: Iterable[Raw]) -> Iterator[RawRecord | Fault | Note]:
    for item in raw:
        if isinstance(item, RawBatch):
            for row, values in enumerate(item.columns.to_pylist(), item.record):
                yield RawRecord(values, row, -1, item.origin)
        else:
            yield item


def _with_guesses(items: Iterator[RawRecord | Fault | Note], shaper: _Shaper) -> Iterator[RawRecord | Fault | Note]:
    """Hold back the first records of each origin whose text has no usual name, until it is clear which fields are the text."""
    if not shaper.guesses_text:
        yield from items
        return
    origin: str | None = None
    ahead: deque[RawRecord | Fault | Note] = deque()
    while True:
        item = ahead.popleft() if ahead else next(items, None)
        if item is None:
            return
        if isinstance(item, RawRecord) and item.origin != origin:
            origin = item.origin
            shaper.guessed = ()
            if not has_usual_text(item.fields):
                ahead.extend(islice(items, max(0, _SAMPLE_RECORDS - len(ahead))))
                rows = [held.fields for held in (item, *ahead) if isinstance(held, RawRecord) and held.origin == origin]
                shaper.guessed = () if any(map(has_usual_text, rows)) else guess_text(rows)
                if shaper.guessed:
                    yield _guess_note(origin, shaper.guessed)
        yield item


def _guess_note(origin: str, guessed: tuple[str, ...]) -> Note:
    listed = ", ".join(guessed)
    value = listed if len(guessed) == 1 else f"[{listed}]"
    what = f"no field has a usual name for text; took the longest: {listed}. To decide yourself: `fields: {{text: {value}}}`"
    return Note(origin, what, code="text_guessed")


class Unfit(Exception):
    """A record that cannot become a row: what is missing, and how to mend it."""

    def __init__(self, code: str, what: str, mend: str) -> None:
        super().__init__(code, what, mend)
        self.code, self.what, self.mend = code, what, mend


# --- text

_TEXT_NAMES = (
    "text", "content", "contents", "body", "正文", "内容", "文本", "全文", "原文", "文章", "article", "article_body", "document",
    "passage", "raw_content", "main_text", "markdown", "paragraphs", "段落", "sentence", "sentences", "story", "abstract",
)  # fmt: skip


_NEVER_TEXT = frozenset(
    ("id", "_id", "uid", "uuid", "name", "url", "link", "path", "file", "file_name", "filename", "date", "time", "timestamp", "datetime",
     "author", "lang", "language", "source", "license", "编号", "序号", "链接", "日期", "时间", "作者", "来源")
)  # fmt: skip


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and bool(value) and all(isinstance(part, str) for part in value))


def has_usual_text(fields: Mapping[str, Any]) -> bool:
    """Tell whether a record has text in a field whose name says that it is the text."""
    return _is_text(fields.get("text")) or any(_is_text(value) for name, value in fields.items() if name.lower() in _TEXT_NAMES)


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


def _as_text(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return "\n".join(value)
    if value is None:
        raise Unfit("no_text", f"field '{name}' is null", "fill it in, or map another field: `fields: {text: …}`")
    raise Unfit(
        "not_a_string", f"field '{name}' holds {_type_name(value)}, not a string", "write it as a string, or map another field"
    )


def _type_name(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else type(value).__name__


def _plain(value: Any, name: str) -> str:
    """Give a scalar as text: numbers are welcome where a short answer is wanted."""
    if isinstance(value, bool | int | float):
        return orjson.dumps(value).decode()
    return _as_text(value, name)


def _lookup(fields: Mapping[str, Any], path: str) -> Any:
    """Follow a path: the name as it stands, else part by part at its dots, numbers into lists.

    Raises: KeyError.
    """
    if path in fields:
        return fields[path]
    value: Any = fields
    for part in path.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise KeyError(path)
    return value


def _listed(fields: Mapping[str, Any]) -> str:
    names = list(fields)
    return ", ".join(names[:12]) + (", …" if len(names) > 12 else "") if names else "none"


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """Name the first of some usual names that a record has, with something in it."""
    return next((name for name in names if fields.get(name) is not None), None)


# --- instruction, preference, benchmark

_SYSTEM = ("system", "system_prompt", "系统提示")
_TURNS = ("messages", "conversations", "conversation", "dialogue", "dialog", "turns", "对话")
_QUESTION = ("instruction", "prompt", "question", "query", "ask", "problem", "指令", "问题", "提问", "用户输入")
_INPUT = ("input", "context", "输入", "上下文")
_ANSWER = (
    "output", "response", "answer", "completion", "reply", "target", "std_answer", "solution", "输出", "回答", "答案", "回复", "答复",
)  # fmt: skip
_CHOSEN = ("chosen", "response_chosen", "chosen_response", "preferred", "优选", "优选回答", "正例")
_REJECTED = ("rejected", "response_rejected", "rejected_response", "dispreferred", "劣选", "劣选回答", "反例")
_STEM = ("question", "problem", "stem", "input", "prompt", "instruction", "query", "问题", "题目", "题干")
_PASSAGE = ("passage", "article", "context", "材料", "背景")
_OPTIONS = ("options", "choices", "candidates", "选项")
_KEY = (
    "answer",
    "label",
    "std_answer",
    "target",
    "answerKey",
    "correct",
    "gold",
    "output",
    "solution",
    "答案",
    "标准答案",
    "正确答案",
)
_LABELS = ("annotation", "annotations", "label", "labels", "entities", "spans", "tags", "标注", "标签", "类别")
_ROLES = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "observation": "tool",
}

Payload = tuple[list[Any], set[str]]  # values in the order of the schema, and the raw fields they came from


def _turn(value: Any) -> dict[str, str]:
    """Read one turn of a conversation: OpenAI's role and content, or ShareGPT's from and value."""
    if not isinstance(value, dict):
        raise Unfit("bad_messages", f"a turn is {_type_name(value)}, not an object", "write turns as {role, content}")
    role = value.get("role") or value.get("from") or value.get("speaker")
    content = next((value[name] for name in ("content", "value", "text") if value.get(name) is not None), None)
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "\n".join(part for part in parts if isinstance(part, str))
    if content is None and value.get("tool_calls"):
        content = orjson.dumps(value["tool_calls"], option=_CANONICAL).decode()
    if not isinstance(role, str) or not isinstance(content, str):
        raise Unfit("bad_messages", "a turn lacks its role or its content", "write turns as {role, content}")
    return {"role": _ROLES.get(role, role), "content": content}


def _turns(value: Any, name: str) -> list[dict[str, str]]:
    if not isinstance(value, list) or not value:
        raise Unfit("bad_messages", f"field '{name}' holds no turns", "write it as a list of {role, content}")
    return [_turn(turn) for turn in value]


def _history(fields: Mapping[str, Any], used: set[str]) -> list[dict[str, str]]:
    turns = []
    for pair in fields.get("history") or []:
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair):
            turns += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
            used.add("history")
    return turns


def _instruction(fields: Mapping[str, Any]) -> Payload:
    used: set[str] = set()
    turns: list[dict[str, str]] = []
    system = _first(fields, _SYSTEM)
    if system and isinstance(fields[system], str) and fields[system]:
        turns.append({"role": "system", "content": fields[system]})
        used.add(system)
    talk = _first(fields, _TURNS)
    if talk:
        return [turns + _turns(fields[talk], talk)], used | {talk}
    question = _first(fields, _QUESTION)
    source: Mapping[str, Any] = fields
    instances = fields.get("instances")
    if question and isinstance(instances, list) and instances and isinstance(instances[0], dict):
        source = instances[0]
        used.add("instances")
    answer = _first(source, tuple(name for name in _ANSWER if name != question))
    if question is None or answer is None:
        wanted = "an instruction" if question is None else "an answer"
        mend = "map them: `fields: {messages: …}`, or name them instruction, input, output"
        raise Unfit("no_messages", f"has no field for {wanted}; fields: {_listed(fields)}", mend)
    ask = _plain(fields[question], question)
    more = _first(source, _INPUT)
    if more and more != question and isinstance(source[more], str):
        if source is fields:
            used.add(more)
        ask = f"{ask}\n{source[more]}" if source[more] else ask
    used |= {question} | ({answer} if source is fields else set())
    turns += _history(fields, used)
    turns += [{"role": "user", "content": ask}, {"role": "assistant", "content": _plain(source[answer], answer)}]
    return [turns], used


def _reply(value: Any, name: str) -> str:
    """Take the reply out of a string, a turn, or a whole conversation that ends with it."""
    if isinstance(value, dict):
        return _turn(value)["content"]
    if isinstance(value, list) and value and isinstance(value[-1], dict):
        return _turn(value[-1])["content"]
    return _plain(value, name)


def _as_prompt(turns: list[dict[str, str]]) -> str:
    """Write a conversation as one prompt: a lone question as it is, else one turn a line with its role before it."""
    if len(turns) == 1:
        return turns[0]["content"]
    return "\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)


def _preference(fields: Mapping[str, Any]) -> Payload:
    chosen, rejected = _first(fields, _CHOSEN), _first(fields, _REJECTED)
    if chosen is None or rejected is None:
        lacks = "chosen" if chosen is None else "rejected"
        mend = f"map it: `fields: {{{lacks}: …}}`"
        raise Unfit("no_preference", f"has no field for the {lacks} reply; fields: {_listed(fields)}", mend)
    used = {chosen, rejected}
    turns: list[dict[str, str]] = []
    system = _first(fields, _SYSTEM)
    if system and isinstance(fields[system], str) and fields[system]:
        turns.append({"role": "system", "content": fields[system]})
        used.add(system)
    turns += _history(fields, used)
    talk, question = _first(fields, _TURNS), _first(fields, _QUESTION)
    if talk:
        turns += _turns(fields[talk], talk)
        used.add(talk)
    elif question:
        value = fields[question]
        turns += _turns(value, question) if isinstance(value, list) else [{"role": "user", "content": _plain(value, question)}]
        used.add(question)
    elif isinstance(fields[chosen], list) and len(fields[chosen]) > 1:
        turns += _turns(fields[chosen][:-1], chosen)
    if not turns:
        raise Unfit("no_prompt", f"has no field for the prompt; fields: {_listed(fields)}", "map it: `fields: {prompt: …}`")
    return [_as_prompt(turns), _reply(fields[chosen], chosen), _reply(fields[rejected], rejected)], used


def _option_list(fields: Mapping[str, Any], used: set[str]) -> list[str] | None:
    name = _first(fields, _OPTIONS)
    if name is None:
        letters = [letter for letter in "ABCDEFGHIJ" if fields.get(letter) is not None]
        used.update(letters)
        return [_plain(fields[letter], letter) for letter in letters] or None
    value = fields[name]
    used.add(name)
    if isinstance(value, dict):
        value = value["text"] if isinstance(value.get("text"), list) else list(value.values())
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        raise Unfit("bad_options", f"field '{name}' holds {_type_name(value)}, not a list", "write options as a list of strings")
    return [_plain(option.get("text", option.get("value")) if isinstance(option, dict) else option, name) for option in value]


def _benchmark(fields: Mapping[str, Any]) -> Payload:
    used: set[str] = set()
    stem = _first(fields, _STEM)
    if stem is None and _is_headless_choice(fields):
        values = list(fields.values())
        return [_plain(values[0], "1"), [_plain(value, "option") for value in values[1:-1]], values[-1]], set(fields)
    key = _first(fields, tuple(name for name in _KEY if name != stem))
    if stem is None or key is None:
        lacks = "question" if stem is None else "answer"
        mend = f"map it: `fields: {{{lacks}: …}}`"
        raise Unfit(f"no_{lacks}", f"has no field for the {lacks}; fields: {_listed(fields)}", mend)
    question = _plain(fields[stem], stem)
    passage = _first(fields, _PASSAGE)
    if passage and passage != stem and isinstance(fields[passage], str) and fields[passage]:
        question = f"{fields[passage]}\n\n{question}"
        used.add(passage)
    answer = fields[key]
    if isinstance(answer, list):
        answer = ", ".join(_plain(part, key) for part in answer)
    options = _option_list(fields, used)
    return [question, options, _plain(answer, key)], used | {stem, key}


def _is_headless_choice(fields: Mapping[str, Any]) -> bool:
    """Tell a row of a table without header: question, options, and a letter that names one of them."""
    values = list(fields.values())
    names = [f"column_{number}" for number in range(1, len(values) + 1)]
    return (
        4 <= len(values) <= 8
        and list(fields) == names
        and isinstance(values[-1], str)
        and values[-1] in "ABCDEF"[: len(values) - 2]
    )


# --- pretraining and supervised sets of other modalities

_TIMES = ("time", "timestamp", "datetime", "date", "ts", "时间", "日期", "时间戳")


def _series(fields: Mapping[str, Any]) -> Payload:
    if "path" in fields and "sha256" in fields:
        raise Unfit("not_a_series", "a log file holds no rows that can be read", "export it as csv or parquet")
    name = next((name for name in fields if name.lower() in _TIMES), None)
    if name is None:
        raise Unfit("no_time", f"has no field for the time; fields: {_listed(fields)}", "map it: `fields: {time: …}`")
    values = {
        key: value
        for key, value in fields.items()
        if key != name and isinstance(value, int | float) and not isinstance(value, bool)
    }
    if not values:
        raise Unfit("no_values", f"has no numbers beside the time; fields: {_listed(fields)}", "check delimiter and decimal sign")
    return [_plain(fields[name], name), _json(values)], {name, *values}


def _table(fields: Mapping[str, Any]) -> Payload:
    if not fields:
        raise Unfit("empty_row", "the row is empty", "leave it out")
    return [_json(fields)], set(fields)


def _media(columns: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Payload]:
    def extract(fields: Mapping[str, Any]) -> Payload:
        path = _first(fields, ("path", "file_name", "image", "audio", "video", "文件"))
        if path is None or not isinstance(fields[path], str):
            raise Unfit("no_path", f"has no field for the file; fields: {_listed(fields)}", "map it: `fields: {path: …}`")
        return [fields[path], *(fields.get(name) for name in columns[1:])], {path, *columns[1:]}

    return extract


# --- one row


_UNSAFE = re.compile("[\ud800-\udfff]")


def _cleaned(value: Any) -> Any:
    """Replace halves of surrogate pairs, which no file of ours could hold."""
    if isinstance(value, str):
        return _UNSAFE.sub("�", value)
    if isinstance(value, list):
        return [_cleaned(part) for part in value]
    if isinstance(value, dict):
        return {_cleaned(name): _cleaned(part) for name, part in value.items()}
    return value


def _foreign(value: Any) -> Any:
    """Write what JSON has no type for: bytes as text where they are text, else in base 64."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return base64.b64encode(value).decode("ascii")
    if isinstance(value, str):
        return _cleaned(value)
    return str(value)


def _dump(value: Any) -> bytes:
    try:
        return orjson.dumps(value, _foreign, _CANONICAL)
    except TypeError:  # half a surrogate pair, or an integer of more than 64 bits
        return orjson.dumps(_cleaned(_stringify_large(value)), _foreign, _CANONICAL)


def _stringify_large(value: Any) -> Any:
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return str(value)
    if isinstance(value, list):
        return [_stringify_large(part) for part in value]
    if isinstance(value, dict):
        return {name: _stringify_large(part) for name, part in value.items()}
    return value


def _json(value: Any) -> str:
    return _dump(value).decode("utf-8")


_OWN_COLUMNS = ("source", "source_details", "license", "original_time")  # what a mapping may take from the record itself
_ISO_TIME = re.compile(r"\d{4}-\d\d(-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?)?")


@dataclass(slots=True)
class _Shaper:
    """Rows of one file on their way into batches."""

    kind: Kind
    modality: Modality
    mapping: dict[str, str | list[str]]
    provenance: Provenance
    guessed: tuple[str, ...] = ()
    rows: int = 0
    _bytes: int = 0
    _schema: pa.Schema = field(init=False)
    _payload: tuple[str, ...] = field(init=False)
    _columns: dict[str, list[Any]] = field(init=False)
    _extract: Callable[[Mapping[str, Any]], Payload] = field(init=False)

    def __post_init__(self) -> None:
        self._schema = record_schema(self.kind, self.modality)
        self._payload = tuple(entry.name for entry in payload_fields(self.kind, self.modality))
        self._columns = {name: [] for name in self._schema.names}
        self._extract = self._extractor()

    @property
    def guesses_text(self) -> bool:
        return self._payload == (TEXT,) and TEXT not in self.mapping

    @property
    def is_full(self) -> bool:
        return self.rows >= BATCH_ROWS or self._bytes >= BATCH_BYTES

    def _extractor(self) -> Callable[[Mapping[str, Any]], Payload]:
        by_kind = {Kind.INSTRUCTION: _instruction, Kind.PREFERENCE: _preference, Kind.BENCHMARK: _benchmark}
        if self.kind in by_kind:
            return by_kind[self.kind]
        by_modality = {Modality.TEXT: self._text, Modality.SERIES: _series, Modality.TABLE: _table}
        return by_modality.get(self.modality) or _media(self._payload)

    def _text(self, fields: Mapping[str, Any]) -> Payload:
        text = fields.get("text")
        if type(text) is str:
            return [text], {"text"}
        present = [name for name in _TEXT_NAMES if fields.get(name) is not None]
        present = present or [name for name, value in fields.items() if value is not None and name.lower() in _TEXT_NAMES]
        for name in present:
            if _is_text(fields[name]):
                return [_as_text(fields[name], name)], {name}
        guessed = [name for name in self.guessed if isinstance(fields.get(name), str)]
        if guessed:
            return ["\n\n".join(fields[name] for name in guessed if fields[name])], set(guessed)
        if present or "text" in fields:
            name = present[0] if present else "text"
            return [_as_text(fields[name], name)], {name}
        what = f"has no field for the text; fields: {_listed(fields)}"
        raise Unfit("no_text", what, "name the field: `fields: {text: …}`")

    def add(self, raw: RawRecord) -> Fault | None:
        """Add one record; give a fault where it cannot become a row."""
        try:
            values, used = self._mapped(raw.fields) if self.mapping else self._extract(raw.fields)
            identity = _dump([raw.origin, raw.record, *values])
        except Unfit as unfit:
            content = _dump(raw.fields)[:_KEPT_BYTES]
            where = f"record {raw.record}" if raw.line < 0 else f"line {raw.line}"
            return Fault(raw.origin, f"{where} {unfit.what}", unfit.mend, raw.line, raw.record, content, unfit.code)
        columns = self._columns
        for name, value in zip(self._payload, values, strict=True):
            columns[name].append(value)
        columns["id"].append(hashlib.sha256(identity).hexdigest()[:32])
        columns["origin"].append(raw.origin)
        columns["record"].append(raw.record)
        self._append_rest(raw.fields, used)
        self.rows += 1
        self._bytes += len(identity)
        return None

    def _append_rest(self, fields: Mapping[str, Any], used: set[str]) -> None:
        columns, stated = self._columns, self.provenance
        rest = {name: value for name, value in fields.items() if name not in used} if fields.keys() != used else {}
        own = {column: self._own(fields, column) for column in _OWN_COLUMNS} if self.mapping else {}
        url = rest.get("url")
        columns[ANNOTATION].append(self._annotation(rest) if rest else None)
        columns["source"].append(own.get("source") or stated.source)
        columns["source_details"].append(own.get("source_details") or stated.source_details or (url if type(url) is str else None))
        columns["license"].append(own.get("license") or stated.license)
        columns["original_time"].append(own.get("original_time") or stated.original_time or (_own_time(rest) if rest else None))
        columns["extra"].append(_json(rest) if rest else None)

    def _annotation(self, rest: dict[str, Any]) -> str | None:
        """Take the annotation out of what the payload left over."""
        if ANNOTATION in self.mapping:
            value = self._own_value(rest, ANNOTATION)
            rest.pop(str(self.mapping[ANNOTATION]), None)
            return None if value is None else _json(value)
        name = _first(rest, _LABELS if self.kind is Kind.SUPERVISED else (ANNOTATION,))
        return _json(rest.pop(name)) if name else None

    def _own_value(self, fields: Mapping[str, Any], column: str) -> Any:
        path = self.mapping.get(column)
        if not isinstance(path, str):
            return None
        try:
            return _lookup(fields, path)
        except KeyError:
            return None

    def _own(self, fields: Mapping[str, Any], column: str) -> str | None:
        """Give the record's own word on its source, where the recipe maps one."""
        value = self._own_value(fields, column)
        return None if value is None else value if isinstance(value, str) else _json(value)

    def _mapped(self, fields: Mapping[str, Any]) -> Payload:
        """Fill the payload by the recipe's mapping; what it leaves out by the usual names."""
        if not any(column in self.mapping for column in self._payload):
            return self._extract(fields)
        values, used, view = {}, set(), dict(fields)
        for column in self._payload:
            paths = self.mapping.get(column)
            if paths is None:
                continue
            paths = [paths] if isinstance(paths, str) else list(paths)
            parts = []
            for path in paths:
                try:
                    parts.append(_lookup(fields, path))
                except KeyError:
                    what = f"has no field '{path}'; fields: {_listed(fields)}"
                    raise Unfit("no_field", what, f"correct `fields: {{{column}: …}}` in the recipe") from None
                used.add(path if path in fields else path.partition(".")[0])
            values[column] = self._joined(column, parts, paths)
        if all(column in values for column in self._payload):
            return [values[column] for column in self._payload], used
        view.update(values)
        for name in used - set(values):
            view.pop(name, None)
        rest, more = self._extract(view)
        filled = [values.get(column, value) for column, value in zip(self._payload, rest, strict=True)]
        return filled, used | (more - set(values))

    def _joined(self, column: str, parts: list[Any], paths: list[str]) -> Any:
        if column == "messages":
            return _turns(parts[0], paths[0])
        if column == "options":
            options = parts[0] if len(parts) == 1 and isinstance(parts[0], list) else parts
            return [_plain(option, column) for option in options]
        if column == TEXT and len(parts) == 1:
            return _plain(parts[0], paths[0])  # asked for by name: a number is taken as it is written
        if self.modality not in (Modality.TEXT, Modality.TABLE, Modality.SERIES) and len(parts) == 1:
            return parts[0]
        texts = [_plain(part, path) for part, path in zip(parts, paths, strict=True) if part is not None]
        return "\n\n".join(text for text in texts if text)

    def batch(self) -> pa.RecordBatch:
        """Give the rows gathered so far as a batch, and begin the next one."""
        columns = self._columns
        columns["parents"] = [[]] * self.rows
        columns["last_modified_time"] = [None] * self.rows
        columns["generated"] = [self.provenance.generated] * self.rows
        arrays = [_column(columns[entry.name], entry.type) for entry in self._schema]
        self._columns = {name: [] for name in self._schema.names}
        self.rows = self._bytes = 0
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)


def _own_time(rest: Mapping[str, Any]) -> str | None:
    for name in ("original_time", "date"):
        value = rest.get(name)
        if isinstance(value, str) and _ISO_TIME.fullmatch(value):
            return value
    return None


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, UnicodeEncodeError, TypeError, ValueError):
        return pa.array(_cleaned(values), kind)
