"""Write `src/liangji/libraries/datasets/rates.yaml`: how fast our operators and the stages of a build were here.

`liangji recipe explain` estimates from it how long a build takes on so many cores. Rates are over the corpus, half Chinese and half
English by bytes, in MB of text (UTF-8) a CPU-second of one thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bench.results import OURS, Measurement, Results, rate

FILE = Path(__file__).parent.parent / "src" / "liangji" / "libraries" / "datasets" / "rates.yaml"
_HEAD = """\
# How fast operators and stages were on the machine named, on one thread: written by `python -m bench --write-rates`, not by hand.
# mb_per_cpu_second: MB of text (UTF-8) a CPU-second, on text that is half Chinese and half English.
# scratch_bytes_per_text_byte: what is left on disk for a later step. peak_memory_bytes: of the process that measured it.
# rows_per_cpu_second: pairs of key and row that are grouped. variants: the same operator with other options than its defaults.
"""
STAGES = ("read_parquet", "read_jsonl", "aggregate", "digest", "stage_rows", "unit_files", "shared_rows")
# Operator → measured step; then its variants: options → measured step.
OPERATORS: dict[str, str] = {
    "count_tokens": "tokens_exact",
    "drop_exact_duplicates": "exact_duplicates_without_reading",
    "drop_near_duplicates": "near_duplicates",
    "drop_repeated_lines": "repeated_lines",
    "drop_repeated_paragraphs": "repeated_paragraphs",
    "find_personal_information": "personal_information",
    "identify_language": "language",
    "keep": "keep",
    "mask_personal_information": "personal_information_masking",
    "measure_text": "statistics_whitespace",
    "normalize_text": "normalisation",
    "simplify_chinese": "simplify_chinese",
    "split_text": "split_text",
}
VARIANTS: dict[str, list[tuple[dict[str, str], str]]] = {
    "count_tokens": [({"method": "estimate"}, "tokens_estimate")],
    "find_personal_information": [({"kinds": "all"}, "personal_information_with_names")],
    "measure_text": [({"words": "script"}, "statistics_script")],
}
KEYS = {  # exchanges: the step that makes nothing but the keys, whose size is the scratch of the exchange
    "drop_exact_duplicates": "exact_duplicates_hashing",
    "drop_near_duplicates": "minhash_signatures",
}


def write_rates(results: Results, file: Path = FILE) -> None:
    rates: dict[str, Any] = {}
    for name, step in [*OPERATORS.items(), *((stage, stage) for stage in STAGES)]:
        found = results.select(OURS, step)
        if found:
            rates[name] = _rate(found, results.select(OURS, KEYS[name]) if name in KEYS else found)
    for name in rates.keys() & VARIANTS.keys():
        rates[name]["variants"] = [
            {"options": options, **_rate(found, found)} for options, step in VARIANTS[name] if (found := results.select(OURS, step))
        ]
    content = {
        "machine": f"{results.machine.processor}, {results.machine.cores} cores",
        "date": max(one.date for one in results.measurements)[:10],
        "liangji": results.versions[OURS]["liangji"],
        "rates": rates,
    }
    file.write_text(_HEAD + yaml.safe_dump(content, sort_keys=False, allow_unicode=True), "utf-8")


def _rate(found: list[Measurement], keys: list[Measurement]) -> dict[str, Any]:
    entry: dict[str, Any] = {"mb_per_cpu_second": _rounded(rate(found))}
    pairs = sum(one.figures.get("pairs", 0) for one in found)
    if pairs:
        entry["rows_per_cpu_second"] = int(_rounded(pairs / sum(one.net_cpu_seconds for one in found)))
    scratch = sum(one.figures.get("scratch_bytes", 0) for one in keys)
    if scratch:
        entry["scratch_bytes_per_text_byte"] = _rounded(scratch / sum(one.text_bytes for one in keys))
    return {**entry, "peak_memory_bytes": max(one.peak_memory_bytes for one in found)}


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
