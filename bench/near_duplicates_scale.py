"""Find near duplicates among synthetic documents within a fixed DuckDB memory limit, to see that it spills and how long it takes.

    python bench/near_duplicates_scale.py --rows 2000000 --memory-mb 1000

Keys are made up as the operator would make them: every tenth document repeats the bands of one before it, one in ten of its
bands changed; its sketch is the same. Texts are fetched on demand as the number of the original, so that copies compare as equal.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from liangji.engine.gathered import GatheredKeys
from liangji.kernels.minhash import SKETCH_WORDS
from liangji.pipeline.cleaning.near_duplicates import DropNearDuplicates, choose_bands

_SHARD = 100_000


def originals(rows: int) -> NDArray[np.int64]:
    """Give for each row the row it copies: itself for nine in ten."""
    generator = np.random.default_rng(7)
    numbers = np.arange(rows)
    copies = (numbers % 10 == 9) & (numbers > 10)
    source = generator.integers(0, np.maximum(numbers // 10, 1)) * 10
    return np.where(copies, source, numbers)


def write_keys(folder: Path, original: NDArray[np.int64], bands: int) -> list[tuple[Path, int]]:
    files = []
    for start in range(0, len(original), _SHARD):
        part = original[start : start + _SHARD]
        hashes = (part[:, None].astype(np.uint64) * np.uint64(bands) + np.arange(bands, dtype=np.uint64)) * np.uint64(
            0x9E3779B97F4A7C15
        )
        changed = np.random.default_rng(start).random(hashes.shape) < 0.1
        hashes[changed] = np.random.default_rng(start + 1).integers(1, 1 << 63, int(changed.sum()), dtype=np.uint64)
        offsets = np.arange(0, hashes.size + 1, bands, dtype=np.int32)
        keys = pa.record_batch(
            {
                "row": np.arange(len(part)),
                "size_bytes": np.full(len(part), 330),
                "bands": pa.ListArray.from_arrays(pa.array(offsets), pa.array(hashes.ravel())),
                **{f"sketch_{word}": (part + word) * 0x9E3779B97F4A7C1 for word in range(2 * SKETCH_WORDS)},
            }
        )
        path = folder / f"{start}.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, keys.schema) as writer:
            writer.write_batch(keys)
        files.append((path, start))
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--memory-mb", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    operator = DropNearDuplicates()
    original = originals(arguments.rows)

    def take(rows: NDArray[np.int64], columns: list[str]) -> pa.Table:
        texts = [np.binary_repr(number, 24).replace("0", "天地玄黄").replace("1", "宇宙洪荒日") for number in original[rows]]
        return pa.table({"id": [str(row) for row in rows], "text": pa.array(texts, pa.large_string())}).select(columns)

    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        bands = choose_bands(operator.similarity, operator.recall, operator.signature).bands
        files = write_keys(scratch, original, bands)
        before, processor = time.perf_counter(), time.process_time()
        with GatheredKeys(
            files,
            rows=arguments.rows,
            take=take,
            memory_bytes=arguments.memory_mb * 1_000_000,
            threads=arguments.threads,
            scratch=scratch / "duckdb",
        ) as gathered:
            dropped = operator.prepare(gathered)
    copies = int((original != np.arange(arguments.rows)).sum())
    print(f"rows {arguments.rows:,}, bands {bands}, copies planted {copies:,}, dropped {len(dropped):,}")
    print(f"wall {time.perf_counter() - before:.1f} s, processor {time.process_time() - processor:.1f} s")
    print(f"highest memory of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:.0f} MB")


if __name__ == "__main__":
    main()
