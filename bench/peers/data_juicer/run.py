"""Data-Juicer: its operators are run in this process on one dataset, as its default executor does with `np: 1`, caches off.

The dataset lies in a file, as `load_dataset` leaves it: one made in memory would be hashed as a whole before each operator.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ["HF_DATASETS_OFFLINE"] = os.environ["HF_HUB_OFFLINE"] = "1"

import datasets
from data_juicer.core.data import NestedDataset
from data_juicer.ops.deduplicator.document_deduplicator import DocumentDeduplicator
from data_juicer.ops.deduplicator.document_minhash_deduplicator import DocumentMinhashDeduplicator
from data_juicer.ops.filter.alphanumeric_filter import AlphanumericFilter
from data_juicer.ops.filter.average_line_length_filter import AverageLineLengthFilter
from data_juicer.ops.filter.character_repetition_filter import CharacterRepetitionFilter
from data_juicer.ops.filter.maximum_line_length_filter import MaximumLineLengthFilter
from data_juicer.ops.filter.special_characters_filter import SpecialCharactersFilter
from data_juicer.ops.filter.text_length_filter import TextLengthFilter
from data_juicer.ops.filter.word_repetition_filter import WordRepetitionFilter
from data_juicer.ops.filter.words_num_filter import WordsNumFilter
from data_juicer.ops.mapper.clean_email_mapper import CleanEmailMapper
from data_juicer.ops.mapper.clean_ip_mapper import CleanIpMapper
from data_juicer.ops.mapper.fix_unicode_mapper import FixUnicodeMapper
from data_juicer.ops.mapper.punctuation_normalization_mapper import PunctuationNormalizationMapper
from data_juicer.ops.mapper.whitespace_normalization_mapper import WhitespaceNormalizationMapper

from bench.peers.protocol import Slice, Spent, Step, cpu_seconds, dedup_figures, main, write_slice

datasets.disable_caching()
datasets.disable_progress_bars()


SCRATCH = tempfile.TemporaryDirectory()


def load(part: Slice) -> Any:
    """Write the slice to a file of its own and read it as Data-Juicer does."""
    folder = Path(tempfile.mkdtemp(dir=SCRATCH.name))
    return NestedDataset(
        datasets.load_dataset("json", data_files=str(write_slice(part, folder)), split="train", cache_dir=str(folder / "cache"))
    )


def first_three(part: Slice) -> Slice:
    return Slice(part.language, part.ids[:3], part.texts[:3])


def process(dataset: Any, operators: Sequence[Any]) -> Any:
    return dataset.process(list(operators), open_monitor=False)


def measure(part: Slice, operators: Sequence[Any]) -> tuple[float, Any]:
    """Run on three documents, so that what loads late is loaded, then on the slice by the clock; give CPU seconds and what is left."""
    process(load(first_three(part)), operators)
    given = load(part)
    left = given

    def work() -> None:
        nonlocal left
        left = process(given, operators)

    return cpu_seconds(work), left


def measure_with_files(part: Slice, operators: Sequence[Any]) -> tuple[float, Any]:
    """The same from JSON Lines to JSON Lines."""
    process(load(first_three(part)), operators)
    folder = Path(tempfile.mkdtemp(dir=SCRATCH.name))
    path = write_slice(part, folder)
    left: Any = None

    def work() -> None:
        nonlocal left
        given = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(folder / "cache"))
        left = process(NestedDataset(given), operators)
        left.to_json(str(folder / "out.jsonl"), force_ascii=False)

    return cpu_seconds(work), left


def filters() -> list[Any]:
    """The eight operators nearest to the Gopher rules; they keep everything, so that each sees every document."""
    return [
        AlphanumericFilter(min_ratio=0, max_ratio=1),
        AverageLineLengthFilter(min_len=0),
        CharacterRepetitionFilter(rep_len=10, min_ratio=0, max_ratio=1),
        MaximumLineLengthFilter(min_len=0),
        SpecialCharactersFilter(min_ratio=0, max_ratio=1),
        TextLengthFilter(min_len=0),
        WordsNumFilter(min_num=0),
        WordRepetitionFilter(rep_len=10, min_ratio=0, max_ratio=1),
    ]


def minhash(language: str) -> DocumentMinhashDeduplicator:
    cut = "space" if language == "en" else "character"
    return DocumentMinhashDeduplicator(
        tokenization=cut, window_size=5, num_permutations=112, jaccard_threshold=0.7, num_bands=14, num_rows_per_band=8
    )


def dropped(part: Slice, left: Any) -> set[str]:
    return set(part.ids) - set(left["id"])


def statistics(part: Slice) -> Spent:
    return Spent(measure(part, filters())[0], {})


def minhash_signatures(part: Slice) -> Spent:
    operator = minhash(part.language)
    load(first_three(part)).map(operator.compute_hash)
    given = load(part)
    return Spent(cpu_seconds(lambda: given.map(operator.compute_hash)), {})


def near_duplicates(part: Slice) -> Spent:
    seconds, left = measure(part, [minhash(part.language)])
    return Spent(seconds, dedup_figures(part, dropped(part, left)))


def exact_duplicates(part: Slice) -> Spent:
    seconds, left = measure_with_files(part, [DocumentDeduplicator()])
    return Spent(seconds, dedup_figures(part, dropped(part, left), "exact"))


def exact_duplicates_without_reading(part: Slice) -> Spent:
    seconds, left = measure(part, [DocumentDeduplicator()])
    return Spent(seconds, dedup_figures(part, dropped(part, left), "exact"))


def personal_information_masking(part: Slice) -> Spent:
    return Spent(measure(part, [CleanEmailMapper(), CleanIpMapper()])[0], {})


def normalisation(part: Slice) -> Spent:
    return Spent(measure(part, [FixUnicodeMapper(), PunctuationNormalizationMapper(), WhitespaceNormalizationMapper()])[0], {})


def whole_recipe(part: Slice) -> Spent:
    """From file to file: encoding repaired, the eight filters, exact and near duplicates, contacts removed."""
    operators = [
        FixUnicodeMapper(),
        *filters(),
        DocumentDeduplicator(),
        minhash(part.language),
        CleanEmailMapper(),
        CleanIpMapper(),
    ]
    seconds, left = measure_with_files(part, operators)
    return Spent(seconds, {"rows_in": len(part.ids), "rows_out": len(left)})


if __name__ == "__main__":
    main(
        {
            "statistics_script": Step(statistics, 10),
            "minhash_signatures": Step(minhash_signatures, 10.9),
            "near_duplicates": Step(near_duplicates, 10.9),
            "exact_duplicates": Step(exact_duplicates, 40),
            "exact_duplicates_without_reading": Step(exact_duplicates_without_reading, 40),
            "personal_information_masking": Step(personal_information_masking, 20),
            "normalisation": Step(normalisation, 5),
            "whole_recipe": Step(whole_recipe, 8),
        },
        ("py-data-juicer", "datasets", "torch"),
    )
