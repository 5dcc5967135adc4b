"""Build a dataset from 2 GB of text in 16 files, within the default budget and within 1 GB; time, CPU time and peak memory.

The corpus is made from a seed: Chinese characters and made-up English words in random order, a few exact and near copies, a few
mobile numbers, so that every step has work. Whole processes are measured, by the operating system's own account.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

RECIPE = """\
dataset: large
kind: pretraining
inputs:
  - {path: "raw/*.jsonl", source: 自采, source_details: bench/large_build.py, license: CC0-1.0, generated: 1}
steps:
  - normalize_text
  - identify_language
  - measure_text: {words: script}
  - keep: {preset: chinese}
  - drop_exact_duplicates
  - drop_near_duplicates: {similarity: 0.8}
  - mask_personal_information
output: {message: large build, author: bench}
"""
_HAN = bytes(byte for row in range(0xB0, 0xD7) for column in range(0xA1, 0xFF) for byte in (row, column)).decode(
    "gb2312"
)  # the 3 666 commonest
_LETTERS = "etaoinshrdlucmfwypvbg"


def documents(seed: int, size_bytes: int) -> Iterator[str]:
    """Make documents of 300 to 3 000 characters until they are `size_bytes` of UTF-8 together."""
    rng = random.Random(seed)
    made, before = 0, ""
    vocabulary = random.Random(0)
    words = ["".join(vocabulary.choices(_LETTERS, k=vocabulary.randrange(2, 10))) for _ in range(20_000)] + [
        "the",
        "and",
        "of",
        "with",
    ] * 500
    while made < size_bytes:
        if before and rng.random() < 0.02:
            text = before if rng.random() < 0.5 else before + "补充说明一句。"
        elif rng.random() < 0.7:
            text = "\n".join(_chinese(rng) for _ in range(rng.randrange(3, 20)))
        else:
            text = "\n".join(" ".join(rng.choices(words, k=rng.randrange(8, 30))) + "." for _ in range(rng.randrange(3, 20)))
        made += len(text.encode())
        before = text
        yield text


def _chinese(rng: random.Random) -> str:
    sentence = "".join(rng.choices(_HAN, k=rng.randrange(30, 150)))
    half = len(sentence) // 2
    number = f"联系电话1380000{rng.randrange(10_000):04}" if rng.random() < 0.05 else ""
    return f"{sentence[:half]}，{sentence[half:]}{number}。"


def make_corpus(folder: Path, size_bytes: int, files: int) -> None:
    raw = folder / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        with (raw / f"{number:02}.jsonl").open("w", encoding="utf-8") as file:
            for text in documents(number, size_bytes // files):
                file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
    (folder / "recipe.yaml").write_text(RECIPE, "utf-8")


def measure(folder: Path, options: list[str]) -> dict[str, object]:
    """Build once in a fresh workspace; gives the outcome with wall and CPU seconds and peak memory in bytes."""
    workspace = folder / "workspace"
    shutil.rmtree(workspace, ignore_errors=True)
    command = [
        str(Path(sys.executable).with_name("liangji")),
        "build",
        "recipe.yaml",
        "--workspace",
        str(workspace),
        "--json",
        *options,
    ]
    started = time.monotonic()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101  # asked for above
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    outcome = json.loads(printed)
    text_bytes = sum(file.stat().st_size for file in (folder / "raw").iterdir())
    cpu = usage.ru_utime + usage.ru_stime
    return {
        "options": " ".join(options) or "(default)",
        "rows_in": outcome["rows_in"],
        "rows_out": outcome["rows_out"],
        "version": outcome["version"],
        "wall_seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(cpu, 1),
        "mb_per_cpu_second": round(text_bytes / 1e6 / cpu, 2),
        "peak_memory_bytes": usage.ru_maxrss * 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=float, default=2.0, help="GB of text")
    parser.add_argument("--files", type=int, default=16)
    parser.add_argument("--memory", action="append", default=None, help="budget to try; may be given again")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_corpus(folder, int(arguments.size * 1e9), arguments.files)
        for memory in arguments.memory or ["", "1GB"]:
            print(json.dumps(measure(folder, ["--memory", memory] if memory else []), ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
