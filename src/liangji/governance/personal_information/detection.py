"""Find personal information and secrets in texts, however they are written.

`find_in` takes a column: a kernel opens windows around candidates (`kernels.candidates`), the rules look into the windows only.
Positions are code points of the text as it was given.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from liangji.governance.personal_information import rules, secrets
from liangji.governance.personal_information.kinds import KINDS
from liangji.governance.personal_information.normalised import NUMERAL, code_point_table, with_numerals_as_digits
from liangji.governance.personal_information.rules import DIGITS, NAME, Candidate, Confidence
from liangji.kernels.anchor_bits import MENTIONS_NUMERALS

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
    from liangji.kernels import anchors  # noqa: PLC0415 - numba takes a while to load
    from liangji.kernels.buffers import text_buffers  # noqa: PLC0415
    from liangji.kernels.candidates import candidate_windows  # noqa: PLC0415

    wanted = frozenset(KINDS if kinds is None else kinds)
    buffers = text_buffers(texts)
    windows = candidate_windows(buffers, bool(wanted & _NAMES))
    found: list[tuple[Finding, ...]] = [()] * len(texts)
    if not len(windows.document):
        return found
    normalised = anchors.normalised_windows(buffers.data, windows.start, windows.end, code_point_table(anchors.DROPPED))
    places = anchors.anchors(normalised, only_sure=minimum_confidence == "high")
    whole = normalised.codes.tobytes().decode("utf-32-le")
    cuts = [*np.searchsorted(places.positions, normalised.starts).tolist(), len(places.positions)]
    starts, ends = normalised.starts.tolist(), normalised.ends.tolist()
    positions, marks = places.positions.tolist(), places.marks.tolist()
    columns = (windows.document, windows.characters_before, windows.triggers, places.mentions)
    for window, (document, before, triggers, mentions) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        first, start = cuts[window], starts[window]
        last = cuts[window + 1]
        if first == last and not triggers & ~DIGITS and not mentions:
            continue
        marked = [(positions[place] - start, marks[place]) for place in range(first, last)]
        chosen = tuple(
            Finding(
                before + int(normalised.origin[start + candidate.start]),
                before + int(normalised.origin[start + candidate.end - 1]) + 1,
                candidate.kind,
                candidate.confidence,
            )
            for candidate in _candidates(whole[start : ends[window]], triggers, marked, mentions, minimum_confidence)
            if candidate.kind in wanted
        )
        if chosen:
            found[document] += chosen
    return found


def _candidates(
    text: str, triggers: int, marked: list[tuple[int, int]], mentions: int, minimum_confidence: Confidence
) -> list[Candidate]:
    """Find what a normalised window holds, in order and without overlaps."""
    found = list(rules.candidates_at(text, triggers, marked, mentions))
    if triggers & ~DIGITS:
        found += secrets.candidates_at(text, triggers, marked, mentions)
    if triggers & NAME:
        from liangji.governance.personal_information import names  # noqa: PLC0415 - its patterns take a while to compile

        found += names.candidates(text)
    if triggers & DIGITS and mentions & MENTIONS_NUMERALS:
        spoken = with_numerals_as_digits(text)
        if spoken != text:
            found += [c for c in rules.candidates(spoken, DIGITS) if any(n in text[c.start : c.end] for n in NUMERAL)]
    if minimum_confidence == "high":  # what is unsure takes nothing from what is sure
        found = [candidate for candidate in found if candidate.confidence == "high"]
    return strongest(found)


def strongest(found: Sequence[Candidate]) -> list[Candidate]:
    """Settle overlaps: high before low, then rank, then length; the first of equals. Sorted by position."""
    if len(found) < 2:
        return list(found)
    in_order = sorted(found)
    settled: list[Candidate] = []
    first = 0
    reach = 0  # of the candidates from `first` on, each of which overlaps one before it
    for place, candidate in enumerate(in_order):
        if candidate.start >= reach:
            settled += _settled(in_order[first:place])
            first = place
        reach = max(reach, candidate.end)
    return settled + _settled(in_order[first:])


def _settled(overlapping: list[Candidate]) -> list[Candidate]:
    if len(overlapping) < 2:
        return overlapping
    chosen: list[Candidate] = []
    for candidate in sorted(overlapping, key=lambda c: (c.confidence != "high", -c.rank, c.start - c.end, c.start, c.kind)):
        if all(candidate.end <= other.start or other.end <= candidate.start for other in chosen):
            chosen.append(candidate)
    return sorted(chosen)
