"""A chart of speeds as SVG: one line for each step and language, one mark for each tool, on a logarithmic scale of MB/s a core."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import escape

_WIDTH, _LEFT, _RIGHT = 880, 330, 30
_ROW, _TOP, _BOTTOM = 26, 70, 34
_COLOURS = ("#c62828", "#1565c0", "#2e7d32", "#8e24aa", "#ef6c00", "#00838f", "#5d4037", "#9e9d24")
_FONT = "font-family=\"system-ui, 'Noto Sans SC', sans-serif\""


class Row(NamedTuple):
    label: str
    speeds: Mapping[str, float]  # tool → MB a CPU-second


def speeds_chart(rows: Sequence[Row], tools: Sequence[str], title: str, axis: str) -> str:
    """Draw the rows from top to bottom; the first of `tools` is ours and stands out."""
    speeds = [speed for row in rows for speed in row.speeds.values()]
    low, high = (math.floor(math.log10(min(speeds))), math.ceil(math.log10(max(speeds)))) if speeds else (0, 1)
    height = _TOP + _ROW * len(rows) + _BOTTOM
    colours = dict(zip(tools, _COLOURS, strict=False))

    def place(speed: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (math.log10(speed) - low) / (high - low)

    parts = [f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>', _text(16, 26, title, 16, weight="bold")]
    parts += _legend(tools, colours)
    for power in range(low, high + 1):
        x = place(10.0**power)
        parts.append(f'<line x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{height - _BOTTOM}" stroke="#ddd"/>')
        parts.append(_text(x, height - _BOTTOM + 16, f"{10.0**power:g}", 11, anchor="middle"))
    parts.append(_text(_WIDTH - _RIGHT, height - 4, axis, 11, anchor="end"))
    for number, row in enumerate(rows):
        y = _TOP + _ROW * number + _ROW / 2
        parts.append(f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="#f0f0f0"/>')
        parts.append(_text(_LEFT - 12, y + 4, row.label, 12, anchor="end"))
        for tool in reversed(tools):  # ours on top
            if tool in row.speeds:
                parts.append(_mark(place(row.speeds[tool]), y, tool, row.speeds[tool], colours[tool], is_ours=tool == tools[0]))
    body = "\n".join(parts)
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" {_FONT}>'
    return f"{opening}\n<title>{escape(title)}</title>\n{body}\n</svg>\n"


def _legend(tools: Sequence[str], colours: Mapping[str, str]) -> list[str]:
    parts = []
    for number, tool in enumerate(tools):
        x = 22 + number * (_WIDTH - 40) / max(len(tools), 6)
        parts.append(_mark(x, 48, tool, None, colours[tool], is_ours=number == 0))
        parts.append(_text(x + 12, 52, tool, 12))
    return parts


def _mark(x: float, y: float, tool: str, speed: float | None, colour: str, *, is_ours: bool) -> str:
    said = f"<title>{escape(tool)}: {speed:.3g} MB/s</title>" if speed is not None else ""
    if is_ours:
        return f'<rect x="{x - 6:.1f}" y="{y - 6:.1f}" width="12" height="12" fill="{colour}">{said}</rect>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}" fill-opacity="0.85">{said}</circle>'


def _text(x: float, y: float, content: str, size: int, *, anchor: str = "start", weight: str = "normal") -> str:
    style = f'font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="#222"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(content)}</text>'
