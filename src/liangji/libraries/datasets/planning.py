"""Predict what a build will take: time, memory, disk, core-hours, cost; and say what bounds it. Pure: rates and sizes come in.

The model:

    CPU seconds of a stage     what reaches it (bytes of payload; of files for reading; rows for a decision) / its rate
    what reaches a stage       input bytes × payload per input byte × the share that the steps before it let through
    elapsed                    start + hashing the inputs + max(map, files, disk, network) + decisions
      map                      CPU seconds of all stages but hashing and decisions × (s + (1 - s) / workers)
      files                    a file is read by one worker at a time: CPU seconds of reading / min(files, workers), and not less than
                               those of the largest file
      disk                     bytes read and written / measured bandwidth; the inputs are read twice, once to hash them
      network                  bytes that change machines / bandwidth of all machines; on Ray only, and only where it is given
    s                          share of a build's CPU seconds that run one at a time in one process (the interpreter's lock); 0 on
                               Ray, where each worker is a process
    workers                    as many as there are cores, and as fit into the memory (`engine.budget`), on each machine
    memory of an exchange      bytes of its keys for all rows; what is beyond its part of the budget is spilled to disk
    core-hours                 cores held × elapsed, whether they are busy or not; cost = core-hours × price

Rates come from a trial of the recipe on its own inputs (`trial.py`), else from a file of measured rates (`rates.yaml`). A past build of
the same recipe in this workspace corrects the whole by what it took against what the model says it should have taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from liangji.engine.budget import Budget, memory_for

HASH, READ, AGGREGATE, DIGEST, STAGE_ROWS, UNIT_FILES = "hash", "read", "aggregate", "digest", "stage_rows", "unit_files"
DECIDED = ": decision"  # after the label of an exchange: its part over all rows

MEASURED_ERROR = 0.3  # twice what the CPU seconds of the builds in docs/guide/planning.md were missed by: elapsed time is less sure
START_SECONDS = 3.0  # of `liangji build` on 569 short records: what is loaded before the first one and committed after the last
SERIAL_SHARE = 0.36  # sampled while the recipe of docs/guide/planning.md was built: worker seconds that held the lock
OTHER_MACHINE = 1.0  # rates of a table, on other data and often another machine: a factor of two either way
_SAME_ORDER = 100  # times the size that rates were measured at; beyond it the range is widened
_FURTHER = 0.2


class Bound(StrEnum):
    """What takes the longest, or stands in the way of more."""

    CPU = "cpu"
    LOCK = "lock"
    FILES = "files"
    DISK = "disk"
    NETWORK = "network"
    EXCHANGE = "exchange"
    HASHING = "hashing"


class Speed(BaseModel):
    """How fast an operator was with some of its options."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    options: dict[str, Any] = {}
    mb_per_cpu_second: float


class Rate(Speed):
    scratch_bytes_per_text_byte: float = 0.0  # keys of an exchange, files between segments, tables
    variants: tuple[Speed, ...] = ()

    def speed(self, options: Mapping[str, Any]) -> float:
        """Give MB a CPU second with these options: of the variant that most of them fit, or of the defaults."""
        fitting = [each for each in self.variants if all(options.get(name) == value for name, value in each.options.items())]
        return max(fitting, key=lambda each: len(each.options), default=self).mb_per_cpu_second


class Rates(BaseModel):
    """A file of measured rates: operator or stage → MB of text a CPU second."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    machine: str
    date: str
    liangji: str
    rates: dict[str, Rate]


@cache
def shipped_rates() -> Rates:
    return TypeAdapter(Rates).validate_python(yaml.safe_load((files(__package__) / "rates.yaml").read_text("utf-8")))


@dataclass(slots=True)
class StageTrial:
    """What one stage did in a trial."""

    name: str  # HASH, READ, the label of a step ('2 measure_text'), DIGEST, STAGE_ROWS, UNIT_FILES
    rows: float  # that came to it
    payload_bytes: float  # of these, in Arrow memory; of files for HASH and READ
    cpu_seconds: float
    decide_seconds: float = 0.0  # of an exchange: CPU seconds of the decision over all rows
    key_bytes: float = 0.0  # of an exchange: gathered from these rows


@dataclass(slots=True)
class Trial:
    """What came of trying a recipe on some of its inputs."""

    input_bytes: float  # read of the input files
    rows: float
    payload_bytes: float
    stages: list[StageTrial] = field(default_factory=list)
    unit_bytes: float = 0.0  # of the kept rows, in a compressed Arrow file
    stored_bytes: float = 0.0  # of the kept rows, in a table of the version


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is to be built."""

    input_bytes: float
    files: int
    largest_file_bytes: float
    segments: int  # of the plan: rows are written between each two


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a build at the size that is planned for."""

    name: str
    megabytes: float  # that reach it
    cpu_seconds: float
    is_decision: bool = False  # over all rows at once, outside the workers


@dataclass(frozen=True, slots=True)
class Workload:
    """A build to plan for."""

    scale: Scale
    rows: float | None  # None: nothing tells how large a record is
    stages: tuple[Stage, ...]
    key_bytes: float  # of all exchanges
    unit_bytes: float  # written between segments
    stored_bytes: float  # of the version
    unknown: tuple[str, ...] = ()  # stages without a rate, left out


@dataclass(frozen=True, slots=True)
class Planned:
    """A step of a recipe, as a file of rates knows it."""

    label: str  # '2 measure_text'
    operator: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Machine:
    """What it runs on. `machines`: None for one machine without Ray."""

    cores: int
    memory_bytes: int
    machines: int | None
    disk_mb_per_second: float
    network_mb_per_second: float | None
    price: float | None  # of a core-hour


@dataclass(frozen=True, slots=True)
class Prediction:
    seconds: float
    least_seconds: float
    most_seconds: float
    cpu_seconds: float
    workers: int  # on each machine
    memory_bytes: float  # on each machine
    full_memory_bytes: int  # for a worker on each core
    spilled_bytes: float
    scratch_bytes: float
    stored_bytes: float
    network_bytes: float
    core_hours: float
    cost: float | None
    parts: dict[str, float]  # Bound → seconds it would take by itself
    bounds: tuple[Bound, ...]  # the first is what bounds the run; the others come within a fifth of it
    stages: tuple[Stage, ...]  # the costliest first
    unknown: tuple[str, ...]


def predict(work: Workload, machine: Machine, *, correction: float = 1.0, error: float = MEASURED_ERROR) -> Prediction:
    """Apply the model. `correction`: what a past build took, as a part of what the model says; `error`: half the range, as a part."""
    machines = machine.machines or 1
    budget = Budget.of(machine.memory_bytes, machine.cores)
    workers = budget.workers * machines
    lock = SERIAL_SHARE if machine.machines is None else 0.0
    hashing = _seconds(work, HASH)
    reading = _seconds(work, READ, AGGREGATE)
    decisions = sum(stage.cpu_seconds for stage in work.stages if stage.is_decision)
    mapped = sum(stage.cpu_seconds for stage in work.stages) - hashing - decisions
    largest = work.scale.largest_file_bytes / work.scale.input_bytes
    spilled = max(0.0, work.key_bytes / machines - budget.exchange_bytes) * machines
    moved = (work.key_bytes + work.unit_bytes) * (machines - 1) / machines
    transferred = 2 * work.scale.input_bytes + 2 * work.unit_bytes + 2 * work.key_bytes + 2 * spilled + work.stored_bytes
    parts = {
        Bound.CPU: mapped * (1 - lock) / workers,
        Bound.LOCK: mapped * lock,
        Bound.FILES: reading * max(largest, 1 / min(max(work.scale.files, 1), workers)),
        Bound.DISK: transferred / 1e6 / machine.disk_mb_per_second / machines,
        Bound.NETWORK: moved / 1e6 / machine.network_mb_per_second / machines if machine.network_mb_per_second else 0.0,
        Bound.EXCHANGE: decisions / machines,
        Bound.HASHING: hashing,
    }
    longest = max(parts[Bound.CPU] + parts[Bound.LOCK], parts[Bound.FILES], parts[Bound.DISK], parts[Bound.NETWORK])
    elapsed = correction * (START_SECONDS + parts[Bound.HASHING] + longest + parts[Bound.EXCHANGE])
    core_hours = elapsed * machine.cores * machines / 3600
    keys = min(work.key_bytes / machines, budget.exchange_bytes)
    return Prediction(
        seconds=elapsed,
        least_seconds=elapsed / (1 + error),
        most_seconds=elapsed * (1 + error),
        cpu_seconds=mapped + hashing + decisions + START_SECONDS,
        workers=budget.workers,
        memory_bytes=max(memory_for(budget.workers), memory_for(0) + keys),
        full_memory_bytes=memory_for(machine.cores),
        spilled_bytes=spilled,
        scratch_bytes=work.unit_bytes + 2 * work.key_bytes + spilled,
        stored_bytes=work.stored_bytes,
        network_bytes=moved,
        core_hours=core_hours,
        cost=None if machine.price is None else core_hours * machine.price,
        parts={str(name): correction * part for name, part in parts.items()},
        bounds=_bounds(parts),
        stages=tuple(sorted(work.stages, key=lambda stage: -stage.cpu_seconds)),
        unknown=work.unknown,
    )


def _seconds(work: Workload, *names: str) -> float:
    return sum(stage.cpu_seconds for stage in work.stages if stage.name in names)


def _bounds(parts: Mapping[Bound, float]) -> tuple[Bound, ...]:
    ordered = sorted(parts, key=lambda name: -parts[name])
    return tuple(name for name in ordered if parts[name] >= 0.8 * parts[ordered[0]])


def correction_of(past: Sequence[tuple[float, float]]) -> float:
    """Give what builds took as a part of what the model says, from pairs (measured, modelled) of seconds."""
    return sum(measured for measured, _ in past) / sum(modelled for _, modelled in past)


def half_range(*, is_tried: bool, is_corrected: bool, times_larger: float) -> float:
    """Tell by which part a prediction may miss either way: what was seen in practice, more where it leans on less."""
    error = MEASURED_ERROR if is_tried or is_corrected else OTHER_MACHINE
    return error + (_FURTHER if times_larger > _SAME_ORDER else 0.0)


def workload_of_trial(trial: Trial, scale: Scale, rows_in: Mapping[str, float]) -> Workload:
    """Extrapolate a trial to another size.

    `rows_in`: stage → rows that came to it for each row read, from the ledger of a version, which knows what a trial is too small
    to show: how many duplicates there are. Stages that it lacks keep the share they had in the trial.
    """
    times = scale.input_bytes / trial.input_bytes
    between = scale.segments - 1
    stages: list[Stage] = []
    keys = 0.0
    for stage in trial.stages:
        tried = stage.rows / trial.rows
        factor = times * (rows_in.get(stage.name, tried) / tried if tried else 0.0)
        keys += stage.key_bytes * factor
        if stage.name == UNIT_FILES:
            factor *= between
        megabytes = stage.payload_bytes * factor / 1e6
        stages.append(Stage(stage.name, megabytes, stage.cpu_seconds * factor))
        if stage.decide_seconds:
            stages.append(Stage(stage.name + DECIDED, megabytes, stage.decide_seconds * factor, is_decision=True))
    unit_bytes, stored_bytes = trial.unit_bytes * times * between, trial.stored_bytes * times
    return Workload(scale, trial.rows * times, tuple(stages), keys, unit_bytes, stored_bytes)


def workload_of_rates(rates: Rates, scale: Scale, steps: Sequence[Planned], reader: str, rows_in: Mapping[str, float]) -> Workload:
    """Take a build's stages from a file of rates. A byte of input counts as a byte of text; exchanges count with their decision."""
    text = scale.input_bytes / 1e6
    kept = text * rows_in.get(DIGEST, 1.0)
    between = kept * (scale.segments - 1)
    wanted = [(READ, Planned(READ, reader, {}), text), (AGGREGATE, Planned(AGGREGATE, AGGREGATE, {}), text)]
    wanted += [(step.label, step, text * rows_in.get(step.label, 1.0)) for step in steps]
    wanted += [(name, Planned(name, name, {}), size) for name, size in ((DIGEST, kept), (STAGE_ROWS, text), (UNIT_FILES, between))]
    stages, unknown, scratch = [], [], {}
    for label, step, megabytes in wanted:
        rate = rates.rates.get(step.operator)
        if rate is None:
            unknown.append(label)
        else:
            stages.append(Stage(label, megabytes, megabytes / rate.speed(step.options)))
            scratch[label] = 1e6 * megabytes * rate.scratch_bytes_per_text_byte
    keys = sum(scratch.get(step.label, 0.0) for step in steps)
    return Workload(scale, None, tuple(stages), keys, scratch.get(UNIT_FILES, 0.0), scratch.get(STAGE_ROWS, 0.0), tuple(unknown))
