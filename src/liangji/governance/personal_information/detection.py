"""Find personal information and secrets in texts, however they are written.

`find_in` takes a column: a kernel opens windows around candidates (`kernels.candidates`), the rules look into the windows only.
Positions are code points of the text as it was given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

import pyarrow as pa

from liangji.governance.personal_information import names, rules, secrets
from liangji.governance.personal_information.kinds import KINDS
from liangji.governance.personal_information.normalised import NUMERAL, normalise, with_numerals_as_digits
from liangji.governance.personal_information.rules import DIGITS, Candidate, Confidence

_NAMES = frozenset({"person_name", "postal_address"})


class Finding(NamedTuple):
    """`text[start:end]` is of this kind; `high`: a check digit or the context confirms it, `low`: it only looks right."""

    start: int
    end: int
    kind: str
    confidence: Confidence


def find(text: str, kinds: Collection[str] | None = None, minimum_confidence: Confidence = "high") -> list[Finding]:
    """Find what a text holds: sorted, without overlaps, the strongest claim on each character wins.

    >>> find("联系电话：１３８ ００１３ ８０００")
    [Finding(start=5, end=18, kind='mobile_phone', confidence='high')]
    """
    storable = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace") if not _is_storable(text) else text
    if len(storable) != len(text):  # a lone surrogate becomes one character, so that positions stay
        storable = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    return list(find_in(pa.array([storable], pa.large_string()), kinds, minimum_confidence)[0])


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def find_in(
    texts: pa.Array, kinds: Collection[str] | None = None, minimum_confidence: Confidence = "high"
) -> list[tuple[Finding, ...]]:
    """Find what each row of a string column holds, as `find` does; nothing in null rows."""
    from liangji.kernels.buffers import text_buffers  # noqa: PLC0415 - numba takes a while to load
    from liangji.kernels.candidates import candidate_windows  # noqa: PLC0415

    wanted = frozenset(KINDS if kinds is None else kinds)
    buffers = text_buffers(texts)
    windows = candidate_windows(buffers, bool(wanted & _NAMES))
    found: list[tuple[Finding, ...]] = [()] * len(texts)
    for document, start, end, before, triggers in zip(*(column.tolist() for column in windows), strict=True):
        window = buffers.data[start:end].tobytes().decode()
        chosen = tuple(
            Finding(finding.start + before, finding.end + before, finding.kind, finding.confidence)
            for finding in _find_in_window(window, triggers)
            if finding.kind in wanted and (minimum_confidence == "low" or finding.confidence == "high")
        )
        if chosen:
            found[document] += chosen
    return found


def _find_in_window(window: str, triggers: int) -> list[Finding]:
    normalised = normalise(window)
    text = normalised.text
    found = [*rules.candidates(text, triggers), *secrets.candidates(text, triggers), *names.candidates(text, triggers)]
    if triggers & DIGITS and not window.isascii():
        spoken = with_numerals_as_digits(text)
        if spoken != text:
            found += [c for c in rules.candidates(spoken, DIGITS) if any(n in text[c.start : c.end] for n in NUMERAL)]
    chosen = strongest(found)
    return [Finding(*normalised.span(c.start, c.end), c.kind, c.confidence) for c in chosen]


def strongest(found: Iterable[Candidate]) -> list[Candidate]:
    """Settle overlaps: high before low, then rank, then length; the first of equals. Sorted by position."""
    chosen: list[Candidate] = []
    for candidate in sorted(found, key=lambda c: (c.confidence != "high", -c.rank, c.start - c.end, c.start, c.kind)):
        if all(candidate.end <= other.start or other.end <= candidate.start for other in chosen):
            chosen.append(candidate)
    return sorted(chosen)
