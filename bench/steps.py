"""Measure one of our steps by itself, in this process, on one thread: `python -m bench.steps statistics_script zh`.

The corpus is read as a build reads it, in batches of about 4 MB; only the step is timed, pass after pass, and the best pass counts.
Prints one JSON object: `text_bytes` and `documents` of a pass, `net_cpu_seconds` of the best pass without start-up and, unless the
step is one of reading, without reading; `passes`, the seconds of each; and the figures of a `Pass`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.corpus import LANGUAGES, PARTS, parts
from bench.peers.protocol import caught
from liangji.core import registry
from liangji.core.digest import row_digests
from liangji.core.operator import OperatorKind
from liangji.core.schema import DROP_REASON, Kind, record_schema
from liangji.engine.gathered import GatheredKeys, exchange_batches
from liangji.engine.units import UnitFiles
from liangji.pipeline.aggregation.records import shape
from liangji.pipeline.collection.reading import read_raw
from liangji.stores.objects import Objects

BATCH_ROWS = 1400  # about 4 MB of the corpus, which is what a build hands to an operator
WARM_ROWS = 8
_LITTLE_MEMORY = 8 << 20  # so that the keys of the corpus go to disk, as those of a large dataset do
SCHEMA = record_schema(Kind.PRETRAINING)


class Pass(NamedTuple):
    """What one pass over the files took, and whatever else it tells: `scratch_bytes` that a later step finds, `removed` documents."""

    cpu_seconds: float
    figures: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Step:
    """A step and how it is measured."""

    run: Callable[[list[Path]], Pass]
    parts: int = PARTS  # of the corpus: slow steps see fewer
    passes: int = 3
    ending: str = "parquet"


def operator_named(name: str, **options: Any) -> Any:
    return registry.load(registry.Group.OPERATORS, name)(**options)


def batches(files: list[Path]) -> Iterator[pa.RecordBatch]:
    """Give `id` and `text` of the corpus in batches as a build has them."""
    for file in files:
        for batch in pq.ParquetFile(file).iter_batches(BATCH_ROWS, use_threads=False):
            columns = {name: batch.column(name).cast(SCHEMA.field(name).type) for name in ("id", "text")}
            yield pa.RecordBatch.from_pydict(columns)


def records(files: list[Path]) -> list[pa.RecordBatch]:
    """Give all records of the corpus in the record schema."""
    found = []
    for file in files:
        with file.open("rb") as stream:
            found += [item for item in shape(read_raw(stream, file.name), Kind.PRETRAINING) if isinstance(item, pa.RecordBatch)]
    return found


def timed(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def apply(files: list[Path], make: Callable[[], Any], prepare: Callable[[], Any] | None = None) -> Pass:
    """Time an operator on each batch; what `prepare` makes of the batch before is not timed."""
    operator, before = make(), prepare() if prepare else None
    is_exchange = operator.kind is OperatorKind.EXCHANGE
    call = operator.keys if is_exchange else operator
    spent, scratch = 0.0, 0
    for number, given in enumerate(batches(files)):
        batch = before(given) if before else given
        if not number:
            call(batch.slice(0, WARM_ROWS))
        started = time.process_time()
        result = call(batch)
        spent += time.process_time() - started
        scratch += result.nbytes if is_exchange else 0
    return Pass(spent, {"scratch_bytes": scratch} if is_exchange else {})


def exchange(files: list[Path], make: Callable[[], Any], *, reads: bool = False, planted: str | None = None) -> Pass:
    """Time keys, the decision over all rows, and carrying it out; with `reads` also the reading of the files.

    `planted`: tell how many of the planted copies of this kind were caught; empty: of every kind.
    """
    operator = make()
    exchange_batches(operator, [next(batches(files)).slice(0, WARM_ROWS)])
    given = None if reads else list(batches(files))
    decided: list[pa.RecordBatch] = []
    seconds = timed(lambda: decided.extend(exchange_batches(operator, given or batches(files))))
    if planted is None:
        return Pass(seconds)
    found = pa.Table.from_batches(decided)
    removed = found.filter(pc.is_valid(found[DROP_REASON]))["id"].to_pylist()
    language = files[0].parent.name
    return Pass(seconds, {"removed": len(removed), "caught": caught(language, found["id"].to_pylist(), removed, planted)})


def shared_rows(files: list[Path]) -> Pass:
    """Time the grouping of rows by shared keys on disk, on the bands of near duplicates: (key, row) pairs a second."""
    operator = operator_named("drop_near_duplicates")
    keys = [operator.keys(batch) for batch in batches(files)]
    bases = np.cumsum([0, *(batch.num_rows for batch in batches(files))]).tolist()
    pairs = sum(len(batch.column("bands").flatten()) for batch in keys)
    with tempfile.TemporaryDirectory() as folder:
        sources = [(partial(_whole, batch), base) for batch, base in zip(keys, bases, strict=False)]
        with GatheredKeys(
            sources, rows=bases[-1], take=_no_rows, memory_bytes=_LITTLE_MEMORY, threads=1, scratch=Path(folder) / "gathered"
        ) as gathered:
            seconds = timed(lambda: list(gathered.shared("bands")))
    return Pass(seconds, {"pairs": pairs, "scratch_bytes": gathered.spilled_bytes})


def _whole(batch: pa.RecordBatch, _: object) -> list[pa.RecordBatch]:
    return [batch]


def _no_rows(*_: object) -> pa.Table:
    raise AssertionError


def read(files: list[Path]) -> Pass:
    """Time from the bytes of the files to raw records."""

    def read_all() -> None:
        for file in files:
            with file.open("rb") as stream:
                for _ in read_raw(stream, file.name):
                    pass

    return Pass(timed(read_all))


def aggregate(files: list[Path]) -> Pass:
    """Time from raw records to those of the dataset, with ids and provenance."""
    spent = 0.0
    for file in files:
        with file.open("rb") as stream:
            raw = list(read_raw(stream, file.name))
        started = time.process_time()
        for _ in shape(raw, Kind.PRETRAINING):
            pass
        spent += time.process_time() - started
    return Pass(spent)


def digest(files: list[Path]) -> Pass:
    found = records(files)
    return Pass(timed(lambda: [row_digests(batch, SCHEMA) for batch in found]))


def stage_rows(files: list[Path]) -> Pass:
    """Time from records to fragments of a dataset table; scratch: their size."""
    from liangji.stores.tables import Tables  # noqa: PLC0415  # loads Lance, which no other step needs

    found = records(files)
    with tempfile.TemporaryDirectory() as folder:
        tables = Tables(folder)
        seconds = timed(lambda: tables.stage("bench/rows", SCHEMA, found))
        return Pass(seconds, {"scratch_bytes": _size(Path(folder))})


def unit_files(files: list[Path]) -> Pass:
    """Time from records to a compressed Arrow file, as it lies between two segments of a build, and back."""
    found = records(files)

    def there_and_back(folder: str) -> None:
        units = UnitFiles(Objects.open(folder), "bench")
        units.write("unit", {"rows": (SCHEMA, found)})
        for _ in units.batches("unit/rows"):
            pass

    with tempfile.TemporaryDirectory() as folder:
        seconds = timed(lambda: there_and_back(folder))
        return Pass(seconds, {"scratch_bytes": _size(Path(folder))})


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _operator(name: str, **options: Any) -> Callable[[list[Path]], Pass]:
    return partial(apply, make=partial(operator_named, name, **options))


_MEASURED = {words: partial(operator_named, "measure_text", words=words) for words in ("whitespace", "script")}
_EXACT, _NEAR = partial(operator_named, "drop_exact_duplicates"), partial(operator_named, "drop_near_duplicates", similarity=0.7)

STEPS = {
    "statistics_whitespace": Step(_operator("measure_text", words="whitespace")),
    "statistics_script": Step(_operator("measure_text", words="script")),
    "minhash_signatures": Step(partial(apply, make=_NEAR)),
    "near_duplicates": Step(partial(exchange, make=_NEAR, planted=""), passes=1),
    "exact_duplicates": Step(partial(exchange, make=_EXACT, reads=True, planted="exact")),
    "exact_duplicates_without_reading": Step(partial(exchange, make=_EXACT, planted="exact")),
    "exact_duplicates_hashing": Step(partial(apply, make=_EXACT)),
    "personal_information": Step(_operator("find_personal_information")),
    "personal_information_with_names": Step(_operator("find_personal_information", kinds="all"), parts=4, passes=2),
    "personal_information_masking": Step(_operator("mask_personal_information")),
    "normalisation": Step(_operator("normalize_text")),
    "tokens_estimate": Step(_operator("count_tokens", method="estimate")),
    "tokens_exact": Step(_operator("count_tokens"), parts=2, passes=2),
    "language": Step(_operator("identify_language"), parts=1, passes=2),
    "keep": Step(partial(apply, make=partial(operator_named, "keep", preset="chinese"), prepare=_MEASURED["script"]), parts=4),
    "simplify_chinese": Step(_operator("simplify_chinese"), parts=1, passes=2),
    "split_text": Step(_operator("split_text"), parts=1, passes=2),
    "repeated_lines": Step(partial(exchange, make=partial(operator_named, "drop_repeated_lines")), parts=4, passes=1),
    "repeated_paragraphs": Step(partial(exchange, make=partial(operator_named, "drop_repeated_paragraphs")), parts=4, passes=1),
    "read_parquet": Step(read),
    "read_jsonl": Step(read, ending="jsonl"),
    "aggregate": Step(aggregate, parts=4),
    "digest": Step(digest, parts=4),
    "stage_rows": Step(stage_rows, parts=4),
    "unit_files": Step(unit_files, parts=4),
    "shared_rows": Step(shared_rows),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=list(STEPS))
    parser.add_argument("language", choices=LANGUAGES)
    arguments = parser.parse_args()
    pa.set_cpu_count(1)
    step = STEPS[arguments.step]
    files = parts(arguments.language, step.ending, step.parts)
    passes = [step.run(files) for _ in range(step.passes)]
    texts = [pq.read_table(file, columns=["text"])["text"] for file in parts(arguments.language, count=step.parts)]
    measured = {
        "text_bytes": sum(pc.sum(pc.binary_length(column)).as_py() for column in texts),
        "documents": sum(map(len, texts)),
        "net_cpu_seconds": round(min(one.cpu_seconds for one in passes), 4),
        "passes": [round(one.cpu_seconds, 4) for one in passes],
        **passes[0].figures,
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
