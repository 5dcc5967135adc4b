"""Find personal information and secrets in texts, however they are written.

`find_in` takes a column: a kernel opens windows around candidates (`kernels.candidates`), the rules look into the windows only.
Positions are code points of the text as it was given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from liangji.governance.personal_information import rules, secrets
from liangji.governance.personal_information.kinds import KINDS
from liangji.governance.personal_information.normalised import NUMERAL, code_point_table, with_numerals_as_digits
from liangji.governance.personal_information.rules import AT, DIGITS, NAME, PLATE, Candidate, Confidence
from liangji.kernels.anchor_bits import MENTIONS_NUMERALS

if TYPE_CHECKING:
    from liangji.kernels.anchors import Anchors, NormalisedWindows
    from liangji.kernels.buffers import TextBuffers
    from liangji.kernels.candidates import Windows

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

    look = look_into(text_buffers(texts), frozenset(KINDS if kinds is None else kinds), minimum_confidence)
    before, document = look.windows.characters_before, look.windows.document
    found: list[tuple[Finding, ...]] = [()] * len(texts)
    for window, start, end, kind, confidence in look.found:
        begin = int(before[window])
        first, last = begin + int(look.normalised.origin[start]), begin + int(look.normalised.origin[end - 1]) + 1
        found[document[window]] += (Finding(first, last, kind, confidence),)
    return found


def looks_for_names(wanted: frozenset[str]) -> bool:
    return bool(wanted & _NAMES)


class Found(NamedTuple):
    window: int
    start: int  # in the codes of the normalised windows
    end: int
    kind: str
    confidence: Confidence


class Look(NamedTuple):
    """What was seen in a column, by place in its windows; `find_in` and `masking` make positions in texts and bytes of it."""

    buffers: TextBuffers
    windows: Windows
    normalised: NormalisedWindows
    found: list[Found]  # by window, then by start


def look_into(buffers: TextBuffers, wanted: frozenset[str], minimum_confidence: Confidence) -> Look:
    from liangji.kernels import anchors  # noqa: PLC0415
    from liangji.kernels.candidates import candidate_windows  # noqa: PLC0415

    windows = candidate_windows(buffers, looks_for_names(wanted))
    normalised = anchors.normalised_windows(buffers.data, windows.start, windows.end, code_point_table(anchors.DROPPED))
    places = anchors.anchors(normalised, only_sure=minimum_confidence == "high")
    found: list[Found] = []
    whole = normalised.codes.tobytes().decode("utf-32-le")
    starts, ends = normalised.starts.tolist(), normalised.ends.tolist()  # lists: a number of an array is slow to take out
    triggers, mentions = windows.triggers.tolist(), places.mentions.tolist()
    for window, marked in _windows_to_judge(windows, normalised, places):
        start, text = starts[window], whole[starts[window] : ends[window]]
        found += [
            Found(window, start + candidate.start, start + candidate.end, candidate.kind, candidate.confidence)
            for candidate in _candidates(text, triggers[window], marked, mentions[window], minimum_confidence)
            if candidate.kind in wanted
        ]
    return Look(buffers, windows, normalised, found)


def _windows_to_judge(
    windows: Windows, normalised: NormalisedWindows, places: Anchors
) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Give the windows in which a rule has something to try, each with its marks: place in the window and mark."""
    looked_at = _looked_at()[windows.triggers]
    of_position = np.searchsorted(normalised.starts, places.positions, "right") - 1
    marks = places.marks & looked_at[of_position]
    is_marked = marks != 0
    of_mark = of_position[is_marked]
    positions = (places.positions[is_marked] - normalised.starts[of_mark]).tolist()
    marked = list(zip(positions, marks[is_marked].tolist(), strict=True))
    to_judge = ((places.mentions & looked_at) != 0) | ((windows.triggers & (AT | PLATE | NAME)) != 0)
    to_judge[of_mark] = True
    chosen = np.flatnonzero(to_judge)
    cuts = zip(np.searchsorted(of_mark, chosen).tolist(), np.searchsorted(of_mark, chosen, "right").tolist(), strict=True)
    for window, (first, last) in zip(chosen.tolist(), cuts, strict=True):
        yield window, marked[first:last]


@cache
def _looked_at() -> NDArray[np.int64]:
    """Give what is looked at in a window of each combination of triggers."""
    numerals = (MENTIONS_NUMERALS if triggers & DIGITS else 0 for triggers in range(2 * NAME))
    looked_at = [n | rules.looked_at(triggers) | secrets.looked_at(triggers) for triggers, n in enumerate(numerals)]
    return np.array(looked_at, np.int64)


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
