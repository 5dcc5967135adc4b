"""Try a recipe on a little of its inputs and time every stage: what planning extrapolates from.

Stages are those of a build, run one after the other on one thread over batches cut as a build cuts them; each is timed in CPU seconds,
after a first call that compiles and loads. Only the records read count: nothing goes into a workspace.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from liangji.core.digest import row_digests
from liangji.core.errors import InputError, SchemaError
from liangji.core.operator import PARENT_ROW, OperatorKind
from liangji.core.reading import SourceFile
from liangji.core.schema import DECISION, DROP_REASON, payload_fields, record_schema
from liangji.engine.gathered import exchange_batches
from liangji.engine.plan import Plan
from liangji.engine.recipe import Step
from liangji.engine.shards import cut
from liangji.engine.units import UnitFiles
from liangji.libraries.datasets.planning import DIGEST, HASH, READ, STAGE_ROWS, UNIT_FILES, StageTrial, Trial
from liangji.libraries.datasets.sampling import stretches
from liangji.libraries.datasets.source import Inputs
from liangji.stores.objects import Objects
from liangji.stores.tables import Tables

SIZE_BYTES = 32_000_000  # of records: a few seconds, and long enough to even out what else the machine does
_HASHED_BYTES = 32 << 20
_JOINED = 4  # stretches are read as one where files are long
_LONG_FILE_BYTES = 4 << 20
_SWALLOWED = 16  # a file that a format swallows at once is gone through to its end, up to so many times what was wanted of it
_FEW_ROWS = 16  # for the first call

T = TypeVar("T")
Batches = list[pa.RecordBatch]


def try_recipe(plan: Plan, size_bytes: int = SIZE_BYTES) -> Trial:
    """Read about `size_bytes` of records, evenly over the inputs, and take them through every stage of a build.

    Raises: InputError where an input matches nothing, or no record can be read; SchemaError where a step lacks a column.
    """
    pa.set_cpu_count(1)  # as a build does
    _read(plan, 1)  # the first stretch, so that readers are loaded
    batches, input_bytes, seconds = _read(plan, size_bytes)
    trial = Trial(input_bytes, _rows(batches), _payload(plan, batches))
    if not trial.rows:
        raise InputError(
            "no record could be read from the start of the inputs", plan.recipe.file, "see `liangji build` on a few files"
        )
    trial.stages.append(StageTrial(HASH, trial.rows, input_bytes, input_bytes * _hash_seconds_per_byte()))
    trial.stages.append(StageTrial(READ, trial.rows, input_bytes, seconds))
    for step in plan.recipe.steps:
        batches = _try_step(plan, step, batches, trial)
    _try_storage(plan, batches, trial)
    return trial


def _read(plan: Plan, size_bytes: int) -> tuple[Batches, int, float]:
    """Give the records, the bytes of files gone through, and the CPU seconds."""
    inputs = Inputs(plan.recipe)
    files = inputs.listed()
    batches: Batches = []
    total = 0
    started = time.process_time()
    for file, most in _chosen(files, size_bytes):
        if sum(batch.nbytes for batch in batches) < size_bytes:
            read, consumed = _read_stretch(inputs, file, most)
            batches += read
            total += consumed
    return batches, total, time.process_time() - started


def _read_stretch(inputs: Inputs, file: SourceFile, most: int) -> tuple[Batches, int]:
    """Read about `most` bytes of records from a file; gives also the bytes of it gone through."""
    consumed = 0

    def count(size: int) -> None:
        nonlocal consumed
        consumed += size

    def items() -> Iterator[Any]:
        taken = 0
        for item in inputs.read(file, count):
            yield item
            taken += item.nbytes if isinstance(item, pa.RecordBatch) else 0
            if taken >= most and (consumed < file.size_bytes or taken >= _SWALLOWED * most):
                return

    return [batch for shard in cut(items()) for batch in shard.batches], consumed


def _hash_seconds_per_byte() -> float:
    data = bytes(_HASHED_BYTES)
    _, seconds = _timed(lambda: hashlib.sha256(data).digest())
    return seconds / _HASHED_BYTES


def _chosen(files: Sequence[SourceFile], size_bytes: int) -> list[tuple[SourceFile, int]]:
    """Choose what to read: everything where that is little, else long stretches of some files, since readers read ahead."""
    total = sum(file.size_bytes for file in files)
    if total <= size_bytes:
        return [(file, size_bytes) for file in files]
    chosen = stretches(files, size_bytes)
    if total < _JOINED * size_bytes or total < _LONG_FILE_BYTES * len(files):
        return chosen
    return [(file, _JOINED * most) for file, most in chosen[::_JOINED]]


def _try_step(plan: Plan, step: Step, batches: Batches, trial: Trial) -> Batches:
    stage = StageTrial(plan.step_label(step), _rows(batches), _payload(plan, batches), 0.0)
    trial.stages.append(stage)
    if step.operator.kind is OperatorKind.EXCHANGE:
        return _try_exchange(step, batches, stage)
    _survivors(step, batches[0].slice(0, _FEW_ROWS))
    results, stage.cpu_seconds = _timed(lambda: [each for batch in batches for each in _survivors(step, batch)])
    return _kept(results)


def _survivors(step: Step, batch: pa.RecordBatch) -> Batches:
    """Run an operator; where that fails, halve the batch until the bad rows stand alone, and leave them out, as a build does."""
    try:
        return [step.operator(batch)]
    except (MemoryError, SchemaError):  # a missing column is a fault of the recipe, not of a row
        raise
    except Exception:
        if not batch.num_rows:
            raise
        if batch.num_rows == 1:
            return _survivors(step, batch.slice(0, 0))
        middle = batch.num_rows // 2
        return _survivors(step, batch.slice(0, middle)) + _survivors(step, batch.slice(middle))


def _try_exchange(step: Step, batches: Batches, stage: StageTrial) -> Batches:
    """Time keys by themselves, and the rest as the decision, less what it costs to decide on a few rows."""
    operator = step.operator
    few = [batches[0].slice(0, _FEW_ROWS)]
    exchange_batches(operator, few)
    _, least = _timed(lambda: exchange_batches(operator, few))
    keys, stage.cpu_seconds = _timed(lambda: [operator.keys(batch) for batch in batches])
    results, whole = _timed(lambda: exchange_batches(operator, batches))
    stage.key_bytes = sum(batch.nbytes for batch in keys)
    stage.decide_seconds = max(0.0, whole - least - stage.cpu_seconds)
    return _kept(results)


def _kept(results: Batches) -> Batches:
    """Take dropped rows out; no batch is left out, so that the next step always has one."""
    kept = []
    for result in results:
        batch = result.drop_columns([PARENT_ROW]) if PARENT_ROW in result.schema.names else result
        if DROP_REASON in batch.schema.names:
            batch = batch.filter(batch.column(DROP_REASON).is_null()).drop_columns([item.name for item in DECISION])
        kept.append(batch)
    return kept


def _try_storage(plan: Plan, kept: Batches, trial: Trial) -> None:
    """Time digests, the tables of the version, and the files between segments."""
    schema = record_schema(plan.recipe.kind, plan.recipe.modality)
    rows, payload = _rows(kept), _payload(plan, kept)
    _, seconds = _timed(lambda: [row_digests(batch, schema) for batch in kept])
    trial.stages.append(StageTrial(DIGEST, rows, payload, seconds))
    with tempfile.TemporaryDirectory() as folder:
        tables = Tables(folder)
        tables.stage("trial/few", kept[0].schema, [kept[0].slice(0, _FEW_ROWS)])
        _, seconds = _timed(lambda: tables.stage("trial/rows", kept[0].schema, kept))
        trial.stages.append(StageTrial(STAGE_ROWS, rows, payload, seconds))
        trial.stored_bytes = sum(
            file.stat().st_size for file in (Path(folder) / "trial" / "rows.lance").rglob("*") if file.is_file()
        )
        size, seconds = _timed(lambda: _there_and_back(Path(folder) / "units", kept))
    trial.stages.append(StageTrial(UNIT_FILES, rows, payload, seconds))
    trial.unit_bytes = size


def _there_and_back(folder: Path, batches: Batches) -> int:
    """Write the batches as a unit of a build does, and read them again; gives their size in bytes."""
    files = UnitFiles(Objects.open(str(folder)), "trial")
    files.write("unit", {"rows": (batches[0].schema, batches)})
    for _ in files.batches("unit/rows"):
        pass
    return (folder / "trial" / "unit" / "rows").stat().st_size


def _rows(batches: Batches) -> int:
    return sum(batch.num_rows for batch in batches)


def _payload(plan: Plan, batches: Batches) -> int:
    names = [item.name for item in payload_fields(plan.recipe.kind, plan.recipe.modality)]
    return sum(batch.column(name).nbytes for batch in batches for name in names)


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.process_time()
    return work(), time.process_time() - started
