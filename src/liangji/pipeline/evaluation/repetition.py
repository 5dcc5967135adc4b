"""Count repeated rows of a whole version in one pass: exact copies, and copies that differ only in letter case, width, spaces or
punctuation.

An independent check on what was kept; the cleaning that removed duplicates before is not asked. Memory: 64 MiB of fingerprints,
then a scratch file of 25 bytes a row, read back one sixteenth at a time. Fingerprints are 64 bits of xxh3: for 100 million rows
one false pair is expected once in 3700 reports.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from numpy.typing import NDArray

_FINGERPRINT = np.dtype([("folded", "<u8"), ("exact", "<u8"), ("row", "<i8"), ("is_unclean", "u1")])
_PARTS = 16
_BUFFERED_ROWS = (64 << 20) // _FINGERPRINT.itemsize
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Repetition:
    """What the pass found. The first row of each group is not counted as a copy."""

    exact_copies: int
    folded_copies: int  # exact ones included
    unclean_rows: int  # copies, and rows that the caller had marked as unclean
    example_rows: list[int]  # 0-based numbers of the first copies in the version


class RepetitionCounter:
    """Collect the fingerprints of all rows; use it in a `with` block, so that its scratch folder goes away."""

    def __init__(self) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="liangji-report-")
        self._buffer: list[NDArray[np.void]] = []
        self._buffered = 0
        self._rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._scratch.cleanup()

    def add(self, documents: pa.Array, is_unclean: NDArray[np.bool_]) -> None:
        """Take the next rows: their content as strings (null and blank ones are no copies of each other)."""
        fingerprints = np.zeros(len(documents), _FINGERPRINT)
        fingerprints["exact"] = _hashes(documents)
        fingerprints["folded"] = _hashes(fold(documents))
        fingerprints["row"] = np.arange(self._rows, self._rows + len(documents))
        fingerprints["is_unclean"] = is_unclean
        alone = fingerprints["folded"] == 0  # only marks, or nothing: compared as they are
        fingerprints["folded"][alone] = fingerprints["exact"][alone]
        self._rows += len(documents)
        self._buffer.append(fingerprints)
        self._buffered += len(fingerprints)
        if self._buffered > _BUFFERED_ROWS:
            self._spill()

    def result(self) -> Repetition:
        exact = folded = unclean = 0
        examples: list[int] = []
        for part in self._parts():
            ordered = part[np.lexsort((part["row"], part["folded"]))]
            is_copy = np.zeros(len(ordered), bool)
            is_copy[1:] = (ordered["folded"][1:] == ordered["folded"][:-1]) & (ordered["folded"][1:] != 0)
            folded += int(is_copy.sum())
            unclean += int((is_copy | (ordered["is_unclean"] != 0)).sum())
            exact += _repeats(part["exact"])
            examples += ordered["row"][is_copy].tolist()
            examples = sorted(examples)[:_EXAMPLES]
        return Repetition(exact, folded, unclean, examples)

    def _spill(self) -> None:
        if not self._buffer:
            return
        rows = np.concatenate(self._buffer)
        parts = rows["folded"] >> np.uint64(60)
        for number in range(_PARTS):
            with self._path(number).open("ab") as file:
                file.write(rows[parts == number].tobytes())
        self._buffer, self._buffered = [], 0

    def _parts(self) -> Iterator[NDArray[np.void]]:
        """Give all rows, those with the same fingerprint in the same part."""
        if not self._path(0).exists():
            if self._buffer:
                yield np.concatenate(self._buffer)
            return
        self._spill()
        for number in range(_PARTS):
            yield np.fromfile(self._path(number), _FINGERPRINT)

    def _path(self, number: int) -> Path:
        return Path(self._scratch.name, f"{number:02}")


def fold(documents: pa.Array) -> pa.Array:
    """Keep only the letters and digits, in NFKC and lower case."""
    return pc.replace_substring_regex(pc.utf8_lower(pc.utf8_normalize(documents, form="NFKC")), r"[^\pL\pN]+", "")


def _repeats(hashes: NDArray[np.uint64]) -> int:
    hashes = hashes[hashes != 0]
    return len(hashes) - len(np.unique(hashes))


def _hashes(documents: pa.Array) -> NDArray[np.uint64]:
    """Fingerprint each string; 0 for null and blank ones."""
    values = documents.cast(pa.large_binary()).to_pylist()
    return np.fromiter(
        (xxhash.xxh3_64_intdigest(value) if value and not value.isspace() else 0 for value in values), np.uint64, len(values)
    )
