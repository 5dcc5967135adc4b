"""Find exact and near duplicates among many synthetic documents within a memory budget: time, memory, spill and recall.

    python bench/near_duplicates_scale.py --rows 10000000 --memory-gb 4
    python bench/near_duplicates_scale.py --rows 10000000 --memory-gb 4 --exact

Nothing is stored beforehand: keys are made while they are read, as the operator would make them, so that disk shows only what the
deduplication itself writes. A document is 80 ideographs drawn by its number. One in ten is a copy of an earlier one, with its last
letters drawn anew: 0, 2, 4, 6, 8 or 12 of them, by which its Jaccard similarity is (77 - n) / (77 + n), from 1 down to 0.73. Each
value of its signature agrees with that of the original with just that probability, as MinHash has it, and so do its bands and
sketch; texts are compared for real. With --exact every tenth document has the content hash of an earlier one.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from liangji.engine.gathered import GatheredKeys, Source, exchange_batches
from liangji.kernels.minhash import SKETCH_WORDS
from liangji.kernels.shingles import mix
from liangji.pipeline.cleaning.candidate_pairs import SKETCH_COLUMNS
from liangji.pipeline.cleaning.exact_duplicates import DropExactDuplicates
from liangji.pipeline.cleaning.near_duplicates import DropNearDuplicates, choose_bands

_SHARD = 1_000_000
_BATCH = 50_000
_LETTERS = 80
_CHANGED = np.array([0, 2, 4, 6, 8, 12])  # letters at the end of a copy
_SHINGLES = _LETTERS - 3
_SIMILARITIES = (_SHINGLES - _CHANGED) / (_SHINGLES + _CHANGED)

Rows = NDArray[np.int64]


@njit(nogil=True, cache=True)
def originals(rows: Any) -> Any:
    """Give for each row the row it copies, itself for nine in ten, and how many letters of it are changed, as a place in `_CHANGED`."""
    original, level = rows.copy(), np.zeros(len(rows), np.int64)
    for i in range(len(rows)):
        if rows[i] % 10 == 9:
            drawn = mix(np.uint64(rows[i]))
            original[i] = np.int64(drawn % np.uint64(rows[i] // 10 + 1)) * 10
            level[i] = np.int64((drawn >> np.uint64(40)) % np.uint64(6))
    return original, level


@njit(nogil=True, cache=True)
def agrees(row: Any, value: int, similarity: float) -> Any:
    """Tell whether a copy has this value of its signature from its original: with the probability of their similarity."""
    return mix(mix(np.uint64(row) + np.uint64(1 << 42)) + np.uint64(value)) * 2.0**-64 < similarity


@njit(nogil=True, cache=True)
def band_keys(rows: Any, original: Any, level: Any, similarities: Any, bands: int, values: int) -> Any:
    """Draw the hashes of bands: that of the original where all `values` of the band agree."""
    keys = np.empty((len(rows), bands), np.uint64)
    for i in range(len(rows)):
        for band in range(bands):
            source = original[i]
            if source != rows[i]:
                for value in range(band * values, (band + 1) * values):
                    if not agrees(rows[i], value, similarities[level[i]]):
                        source = rows[i]
            keys[i, band] = mix(np.uint64(source) * np.uint64(64) + np.uint64(band + (1 << 40)))
    return keys


@njit(nogil=True, cache=True)
def sketch_words(rows: Any, original: Any, level: Any, similarities: Any) -> Any:
    """Draw sketches: 256 values of two bits, the first bits in four words and the second in four more."""
    words = np.empty((2 * SKETCH_WORDS, len(rows)), np.uint64)
    for i in range(len(rows)):
        for word in range(SKETCH_WORDS):
            own = np.uint64(0xFFFFFFFFFFFFFFFF)  # values that are not those of the original
            if original[i] != rows[i]:
                own = np.uint64(0)
                for bit in range(64):
                    if not agrees(rows[i], 64 * word + bit, similarities[level[i]]):
                        own |= np.uint64(1) << np.uint64(bit)
            for place in (word, SKETCH_WORDS + word):
                mine = mix(np.uint64(rows[i]) * np.uint64(64) + np.uint64(place + 32 + (1 << 40)))
                shared = mix(np.uint64(original[i]) * np.uint64(64) + np.uint64(place + 32 + (1 << 40)))
                words[place, i] = (mine & own) | (shared & ~own)
    return words


@njit(nogil=True, cache=True)
def letters(rows: Any, original: Any, level: Any, changed: Any, count: int) -> Any:
    """Draw the letters of texts: ideographs in UTF-8, three bytes each."""
    data = np.empty((len(rows), count * 3), np.uint8)
    for i in range(len(rows)):
        for j in range(count):
            is_own = rows[i] == original[i] or j >= count - changed[level[i]]
            drawn = mix(np.uint64((rows[i] if is_own else original[i]) * 128 + j + (1 << 41)))
            code_point = 0x4E00 + np.int64(drawn % np.uint64(0x5000))
            data[i, 3 * j] = 0xE0 | (code_point >> 12)
            data[i, 3 * j + 1] = 0x80 | ((code_point >> 6) & 0x3F)
            data[i, 3 * j + 2] = 0x80 | (code_point & 0x3F)
    return data


def near_keys(operator: DropNearDuplicates, start: int, end: int) -> Source:
    """Make the key columns that are asked for of the rows from `start` to before `end`."""
    bands = choose_bands(operator.similarity, operator.recall, operator.signature)

    def batches(names: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        for first in range(start, end, _BATCH):
            rows = np.arange(first, min(first + _BATCH, end))
            original, level = originals(rows)
            columns: dict[str, Any] = {"row": rows - start}
            if names is None or "size_bytes" in names:
                columns["size_bytes"] = np.full(len(rows), 3 * _LETTERS)
            if names is None or "bands" in names:
                hashes = band_keys(rows, original, level, _SIMILARITIES, bands.bands, bands.rows)
                offsets = np.arange(0, hashes.size + 1, bands.bands, dtype=np.int32)
                columns["bands"] = pa.ListArray.from_arrays(pa.array(offsets), pa.array(hashes.ravel()))
            if names is None or SKETCH_COLUMNS[0] in names:
                columns |= zip(SKETCH_COLUMNS, sketch_words(rows, original, level, _SIMILARITIES).view(np.int64), strict=True)
            yield pa.RecordBatch.from_pydict(columns)

    return batches


def exact_keys(start: int, end: int) -> Source:
    def batches(_names: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        for first in range(start, end, _BATCH):
            rows = np.arange(first, min(first + _BATCH, end))
            original, level = originals(rows)
            drawn = band_keys(original, original, level, _SIMILARITIES, 2, 1)
            content = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(rows), [None, pa.py_buffer(drawn.tobytes())])
            yield pa.RecordBatch.from_pydict({"row": rows - start, "content": content})

    return batches


def take(rows: Rows, columns: list[str]) -> pa.Table:
    made: dict[str, Callable[[], pa.Array]] = {"id": lambda: pa.array(rows).cast(pa.string()), "text": lambda: texts(rows)}
    return pa.table({name: made[name]() for name in columns})


def texts(rows: Rows) -> pa.Array:
    original, level = originals(rows)
    data = letters(rows, original, level, _CHANGED, _LETTERS)
    offsets = np.arange(0, data.size + 1, 3 * _LETTERS)
    return pa.LargeStringArray.from_buffers(len(rows), pa.py_buffer(offsets), pa.py_buffer(data))


def found_of(rows: int, dropped: Rows) -> dict[str, Any]:
    """Count the copies that were planted and dropped, by similarity, and the originals that were dropped."""
    planted, found = np.zeros(len(_CHANGED), np.int64), np.zeros(len(_CHANGED), np.int64)
    for start in range(0, rows, _SHARD):
        numbers = np.arange(start, min(start + _SHARD, rows))
        original, level = originals(numbers)
        is_dropped = np.zeros(len(numbers), np.bool_)
        inside = slice(*np.searchsorted(dropped, [start, start + _SHARD]))
        is_dropped[dropped[inside] - start] = True
        is_copy = original != numbers
        planted += np.bincount(level[is_copy], minlength=len(_CHANGED))
        found += np.bincount(level[is_copy & is_dropped], minlength=len(_CHANGED))
    names = [f"{similarity:.3f}" for similarity in _SIMILARITIES]
    counted = {name: [int(some), int(many)] for name, some, many in zip(names, found, planted, strict=True)}
    return {"found_of_planted": counted, "originals_dropped": len(dropped) - int(found.sum())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--memory-gb", type=float, default=4.0, help="budget of the whole process")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--exact", action="store_true", help="exact duplicates instead of near ones")
    parser.add_argument("--scratch", type=Path, help="folder for spill; default: the system's")
    arguments = parser.parse_args()
    operator = DropExactDuplicates() if arguments.exact else DropNearDuplicates(planted_pairs=0)
    exchange_batches(operator, [pa.RecordBatch.from_pydict({"id": ["a", "b"], "text": ["a", "a"]})])  # compiles
    bounds = [(start, min(start + _SHARD, arguments.rows)) for start in range(0, arguments.rows, _SHARD)]
    sources: list[tuple[Path | Source, int]] = [
        (near_keys(operator, *part) if isinstance(operator, DropNearDuplicates) else exact_keys(*part), part[0]) for part in bounds
    ]
    seconds, processor = time.perf_counter(), time.process_time()
    with (
        tempfile.TemporaryDirectory(dir=arguments.scratch) as folder,
        GatheredKeys(
            sources,
            rows=arguments.rows,
            take=take,
            memory_bytes=int(arguments.memory_gb * 1e9),
            threads=arguments.threads,
            scratch=Path(folder) / "scratch",
        ) as gathered,
    ):
        decisions = operator.prepare(gathered)
    measured = {
        "rows": arguments.rows,
        "exact": arguments.exact,
        "seconds": round(time.perf_counter() - seconds, 1),
        "cpu_seconds": round(time.process_time() - processor, 1),
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2),
        "spilled_gb": round(gathered.spilled_bytes / 1e9, 2),
        "dropped": len(decisions),
        **gathered.findings,
        **found_of(arguments.rows, decisions["row"].to_numpy()),
    }
    print(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()
