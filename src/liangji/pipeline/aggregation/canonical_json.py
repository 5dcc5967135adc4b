"""Values as canonical JSON, which ids are made from: UTF-8, no spaces, names sorted; whatever came in can be written."""

from __future__ import annotations

import base64
import re
from typing import Any

import orjson

_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS

_UNSAFE = re.compile("[\ud800-\udfff]")


def without_surrogates(value: Any) -> Any:
    """Replace halves of surrogate pairs, which no file of ours could hold."""
    if isinstance(value, str):
        return _UNSAFE.sub("�", value)
    if isinstance(value, list):
        return [without_surrogates(part) for part in value]
    if isinstance(value, dict):
        return {without_surrogates(name): without_surrogates(part) for name, part in value.items()}
    return value


def _foreign(value: Any) -> Any:
    """Write what JSON has no type for: bytes as text where they are text, else in base 64."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return base64.b64encode(value).decode("ascii")
    if isinstance(value, str):
        return without_surrogates(value)
    return str(value)


def canonical_bytes(value: Any) -> bytes:
    try:
        return orjson.dumps(value, _foreign, _CANONICAL)
    except TypeError:  # half a surrogate pair, or an integer of more than 64 bits
        return orjson.dumps(without_surrogates(_stringify_large(value)), _foreign, _CANONICAL)


def _stringify_large(value: Any) -> Any:
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return str(value)
    if isinstance(value, list):
        return [_stringify_large(part) for part in value]
    if isinstance(value, dict):
        return {name: _stringify_large(part) for name, part in value.items()}
    return value


def canonical_json(value: Any) -> str:
    return canonical_bytes(value).decode("utf-8")
