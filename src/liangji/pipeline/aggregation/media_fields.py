"""Records of other modalities: references to pictures, sounds and videos, points of series, rows of tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from liangji.pipeline.aggregation.canonical_json import canonical_json
from liangji.pipeline.aggregation.raw_fields import Payload, Unfit, as_plain, first_present, listed_names

_TIMES = ("time", "timestamp", "datetime", "date", "ts", "时间", "日期", "时间戳")


def series_payload(fields: Mapping[str, Any]) -> Payload:
    if "path" in fields and "sha256" in fields:
        raise Unfit("not_a_series", "a log file holds no rows that can be read", "export it as csv or parquet")
    name = next((name for name in fields if name.lower() in _TIMES), None)
    if name is None:
        raise Unfit("no_time", f"has no field for the time; fields: {listed_names(fields)}", "map it: `fields: {time: …}`")
    values = {
        key: value
        for key, value in fields.items()
        if key != name and isinstance(value, int | float) and not isinstance(value, bool)
    }
    if not values:
        raise Unfit(
            "no_values", f"has no numbers beside the time; fields: {listed_names(fields)}", "check delimiter and decimal sign"
        )
    return [as_plain(fields[name], name), canonical_json(values)], {name, *values}


def table_payload(fields: Mapping[str, Any]) -> Payload:
    if not fields:
        raise Unfit("empty_row", "the row is empty", "leave it out")
    return [canonical_json(fields)], set(fields)


def media_payload(columns: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Payload]:
    def extract(fields: Mapping[str, Any]) -> Payload:
        path = first_present(fields, ("path", "file_name", "image", "audio", "video", "文件"))
        if path is None or not isinstance(fields[path], str):
            raise Unfit("no_path", f"has no field for the file; fields: {listed_names(fields)}", "map it: `fields: {path: …}`")
        return [fields[path], *(fields.get(name) for name in columns[1:])], {path, *columns[1:]}

    return extract
