"""Charts as inline SVG: a funnel of rows, histograms and bars. No script, no font and no file from elsewhere; they print as seen.

Colours come from the page by class name, so that the style sheet alone decides them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from liangji.pipeline.evaluation.distributions import Distribution

_WIDTH = 640


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """What one step let through, and what it took out."""

    label: str
    rows_out: int
    taken_out: int
    note: str  # the reasons, in words


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    count: int
    ratio: float


def funnel(steps: Sequence[FunnelStep], title: str) -> Markup:
    """Draw one bar a step, as wide as the rows that left it, with what it took out in another colour at its end."""
    largest = max((step.rows_out + step.taken_out for step in steps), default=0) or 1
    left, span = 210, 410
    top = 0
    parts = []
    for step in steps:
        kept, lost = (span * value / largest for value in (step.rows_out, step.taken_out))
        parts += [
            _text(left - 10, top + 19, step.label, "label end"),
            _rect(left, top + 6, max(kept, 1.0), 18, "kept"),
            _rect(left + kept, top + 6, lost, 18, "lost") if step.taken_out else "",
            _text(left + 6 if kept > 70 else left + kept + lost + 6, top + 19.5, number_text(step.rows_out), _place(kept)),
            _text(left, top + 37, step.note, "note") if step.note else "",
        ]
        top += 46 if step.note else 30
    return _svg(parts, top + 4, title)


def histogram(distribution: Distribution, title: str) -> Markup:
    """Draw the bins of a distribution with the range below and the commonest count at the side."""
    bins = distribution.bins
    if not bins:
        return Markup()
    largest = max(entry.count for entry in bins) or 1
    left, base, tall, span = 8.0, 118.0, 100.0, 304.0
    width = span / len(bins)
    parts = [_line(left, base, left + span, base)]
    for number, entry in enumerate(bins):
        high = tall * entry.count / largest
        if entry.count:
            high = max(high, 1.0)
        parts.append(
            f'<rect class="kept" x="{left + number * width + 0.5:.2f}" y="{base - high:.2f}" width="{max(width - 1, 1):.2f}" '
            f'height="{high:.2f}"><title>{_number(entry.low)} – {_number(entry.high)}: {number_text(entry.count)}</title></rect>'
        )
    parts += [
        _text(left, base + 15, _number(bins[0].low), "tick"),
        _text(left + span, base + 15, _number(bins[-1].high), "tick end"),
        _text(left, 12, number_text(largest), "tick"),
    ]
    return _svg(parts, 138, title, width=320)


def bars(entries: Sequence[Bar], title: str) -> Markup:
    """Draw horizontal bars with count and share, in the order given."""
    largest = max((entry.count for entry in entries), default=0) or 1
    height, left, span = 27, 210, 280
    parts = []
    for number, entry in enumerate(entries):
        top = number * height
        length = max(span * entry.count / largest, 1.0)
        parts += [
            _text(left - 10, top + 17, entry.label, "label end"),
            _rect(left, top + 4, length, 18, "kept"),
            _text(left + length + 8, top + 17.5, f"{number_text(entry.count)}  ({entry.ratio:.1%})", "outside"),
        ]
    return _svg(parts, len(entries) * height + 4, title)


def number_text(value: int) -> str:
    """Write a count with thousands apart.

    >>> number_text(1234567)
    '1,234,567'
    """
    return f"{value:,}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


def _place(length: float) -> str:
    """Put a number on its bar, or beside a short one."""
    return "inside" if length > 70 else "outside"


def _svg(parts: Sequence[str], height: float, title: str, width: int = _WIDTH) -> Markup:
    body = "".join(parts)
    opening = f'<svg class="chart" viewBox="0 0 {width} {height:g}" role="img" aria-label="{escape(title)}">'
    return Markup(f"{opening}<title>{escape(title)}</title>{body}</svg>")  # noqa: S704  # every text in it went through `escape`


def _text(x: float, y: float, content: str, style: str) -> str:
    return f'<text class="{style}" x="{x:g}" y="{y:g}">{escape(_cut(content, style))}</text>'


def _cut(content: str, style: str) -> str:
    """Shorten what would run out of the chart; a wide character counts twice."""
    room = {"label end": 30, "note": 76}.get(style, 80)
    width = 0
    for position, character in enumerate(content):
        width += 2 if ord(character) > 0x2E7F else 1
        if width > room:
            return f"{content[: position - 1]}…"
    return content


def _rect(x: float, y: float, width: float, height: float, style: str) -> str:
    return f'<rect class="{style}" x="{x:.2f}" y="{y:g}" width="{width:.2f}" height="{height:g}" rx="2"/>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="axis" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'
