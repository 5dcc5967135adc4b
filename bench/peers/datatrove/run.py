"""datatrove: its blocks are run one after the other in this process, as LocalPipelineExecutor does with one worker."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.dedup import (
    ExactDedupFilter,
    ExactDedupSignature,
    ExactFindDedups,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.exact_dedup import ExactDedupConfig
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    fineweb_quality_filter,
    gopher_quality_filter,
    gopher_repetition_filter,
)
from datatrove.pipeline.formatters import FTFYFormatter, PIIFormatter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.hashing import HashConfig
from datatrove.utils.typeshelper import Languages

from bench.peers.protocol import Slice, Spent, Step, cpu_seconds, dedup_figures, main, write_slice

LANGUAGE = {"en": Languages.english, "zh": Languages.mandarin_chinese}
MINHASH = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8, hash_config=HashConfig(precision=64))


def content(document: Document) -> str:
    return str(document.text)


EXACT = ExactDedupConfig(content_getter=content)


def as_documents(part: Slice) -> Iterator[Document]:
    return (Document(text=text, id=name) for name, text in zip(part.ids, part.texts, strict=True))


def filters(language: str) -> list[Any]:
    name = LANGUAGE[language]
    return [
        GopherQualityFilter(language=name),
        GopherRepetitionFilter(language=name),
        C4QualityFilter(language=name),
        FineWebQualityFilter(language=name),
    ]


def filters_that_keep_chinese() -> list[Any]:
    """The same without what drops every Chinese document: the mean length of words, English stop words, ends of lines in ASCII."""
    name = LANGUAGE["zh"]
    return [
        GopherQualityFilter(language=name, min_avg_word_length=0, min_stop_words=0),
        GopherRepetitionFilter(language=name),
        C4QualityFilter(language=name, filter_no_terminal_punct=False),
        FineWebQualityFilter(language=name),
    ]


def statistics(part: Slice) -> Spent:
    """All four rule sets on every document, words by spaCy (English) or jieba (Chinese)."""
    rules = filters(part.language)

    def judge(documents: Iterator[Document]) -> None:
        for document in documents:
            for rule in rules:
                rule.filter(document)

    judge(as_documents(Slice(part.language, part.ids[:3], part.texts[:3])))
    return Spent(cpu_seconds(lambda: judge(as_documents(part))), {})


def statistics_whitespace(part: Slice) -> Spent:
    """The same with words cut at white space; sentences of C4 still come from spaCy."""
    for module in (fineweb_quality_filter, gopher_quality_filter, gopher_repetition_filter):
        module.split_into_words = lambda text, *_: text.split()
    return statistics(part)


def minhash_signatures(part: Slice) -> Spent:
    with tempfile.TemporaryDirectory() as folder:
        block = MinhashDedupSignature(folder, MINHASH, LANGUAGE[part.language])
        block.word_tokenizer.word_tokenize("warm up 热身")
        return Spent(cpu_seconds(lambda: block.run(as_documents(part))), {})


def drop_near(documents: Iterator[Document], folder: Path, language: str, again: Iterator[Document]) -> Iterator[Document]:
    """Run the four stages; `again` are the same documents, for the last of them."""
    signatures, buckets, removed = (str(folder / name) for name in ("signatures", "buckets", "removed"))
    MinhashDedupSignature(signatures, MINHASH, LANGUAGE[language]).run(documents)
    for bucket in range(MINHASH.num_buckets):
        MinhashDedupBuckets(signatures, buckets, config=MINHASH).run(None, bucket, MINHASH.num_buckets)
    MinhashDedupCluster(buckets, removed, config=MINHASH).run()
    yield from MinhashDedupFilter(removed).run(again)


def drop_exact(documents: Iterator[Document], folder: Path, again: Iterator[Document]) -> Iterator[Document]:
    signatures, found = str(folder / "exact"), str(folder / "found")
    ExactDedupSignature(signatures, EXACT).run(documents)
    ExactFindDedups(signatures, found, EXACT).run()
    yield from ExactDedupFilter(found, EXACT).run(again)


def near_duplicates(part: Slice) -> Spent:
    left: list[str] = []
    with tempfile.TemporaryDirectory() as folder:

        def work() -> None:
            kept = drop_near(as_documents(part), Path(folder), part.language, as_documents(part))
            left.extend(document.id for document in kept)

        seconds = cpu_seconds(work)
    return Spent(seconds, dedup_figures(part, set(part.ids) - set(left)))


def exact_duplicates_without_reading(part: Slice) -> Spent:
    left: list[str] = []
    with tempfile.TemporaryDirectory() as folder:

        def work() -> None:
            left.extend(document.id for document in drop_exact(as_documents(part), Path(folder), as_documents(part)))

        seconds = cpu_seconds(work)
    return Spent(seconds, dedup_figures(part, set(part.ids) - set(left), "exact"))


def exact_duplicates(part: Slice) -> Spent:
    """The stages read the file twice, as the tool's pipelines do."""
    left: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        write_slice(part, Path(folder) / "in")
        reader = JsonlReader(str(Path(folder) / "in"))

        def work() -> None:
            left.extend(document.id for document in drop_exact(reader.run(), Path(folder), reader.run()))

        seconds = cpu_seconds(work)
    return Spent(seconds, dedup_figures(part, set(part.ids) - set(left), "exact"))


def personal_information_masking(part: Slice) -> Spent:
    formatter = PIIFormatter(only_remove_public_ips=False)
    formatter.format(part.texts[0])
    return Spent(cpu_seconds(lambda: [formatter.format(text) for text in part.texts]), {})


def normalisation(part: Slice) -> Spent:
    formatter = FTFYFormatter(normalization="NFC")
    formatter.format(part.texts[0])
    return Spent(cpu_seconds(lambda: [formatter.format(text) for text in part.texts]), {})


def whole_recipe(part: Slice) -> Spent:
    """From file to file: rules with early exit, exact and near duplicates, contacts masked; the clock includes reading and writing."""
    rules = filters(part.language) if part.language == "en" else filters_that_keep_chinese()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_slice(part, folder / "in")

        def work() -> None:
            documents = JsonlReader(str(folder / "in")).run()
            for rule in rules:
                documents = rule.run(documents)
            _write(documents, folder / "filtered")
            filtered = JsonlReader(str(folder / "filtered"))
            _write(drop_exact(filtered.run(), folder, filtered.run()), folder / "distinct")
            distinct = JsonlReader(str(folder / "distinct"))
            left = drop_near(distinct.run(), folder, part.language, distinct.run())
            _write(PIIFormatter(only_remove_public_ips=False).run(left), folder / "out")

        seconds = cpu_seconds(work)
        rows = sum(1 for _ in JsonlReader(str(folder / "out")).run())
    return Spent(seconds, {"rows_in": len(part.ids), "rows_out": rows})


def _write(documents: Iterator[Document], folder: Path) -> None:
    for _ in JsonlWriter(str(folder)).run(documents):
        pass


if __name__ == "__main__":
    main(
        {
            "statistics_whitespace": Step(statistics_whitespace, 5),
            "statistics_script": Step(statistics, 4),
            "minhash_signatures": Step(minhash_signatures, 5),
            "near_duplicates": Step(near_duplicates, 10.9),
            "exact_duplicates": Step(exact_duplicates, 40),
            "exact_duplicates_without_reading": Step(exact_duplicates_without_reading, 40),
            "personal_information_masking": Step(personal_information_masking, 20),
            "normalisation": Step(normalisation, 8),
            "whole_recipe": Step(whole_recipe, 6),
        },
        ("datatrove", "spacy", "jieba", "ftfy"),
    )
