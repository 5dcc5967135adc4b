"""Predict a build of a recipe at any size: gather what the model in `planning.py` asks for.

Rates come from a trial of the recipe on its own inputs, now and on this machine; where the inputs are not at hand, from the file of
measured rates. The shares of rows that reach each step come from the ledger of the dataset's newest version, where there is one.
A version that was built in one go from nothing, with the same steps and on a machine like this one, corrects the whole.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from pydantic import TypeAdapter

from liangji.core.errors import InputError, UsageError
from liangji.core.reading import SourceFile
from liangji.engine.budget import machine_memory
from liangji.engine.plan import Plan, make_plan
from liangji.engine.recipe import Step, read_recipe
from liangji.libraries.datasets.explaining import newest_version
from liangji.libraries.datasets.planning import (
    DIGEST,
    Machine,
    Planned,
    Prediction,
    Rates,
    Scale,
    Trial,
    Workload,
    correction_of,
    half_range,
    predict,
    shipped_rates,
    workload_of_rates,
    workload_of_trial,
)
from liangji.libraries.datasets.source import Inputs
from liangji.libraries.datasets.trial import try_recipe
from liangji.stores.facts import VersionFacts
from liangji.stores.workspace import Workspace

_DISK_TEST_BYTES = 128 << 20
_SHORTEST_BUILD_SECONDS = 10.0  # a shorter one tells about starting, not about work


@dataclass(frozen=True, slots=True)
class PastBuild:
    """A build that the prediction is corrected by."""

    number: str
    input_bytes: int
    workers: int
    seconds: float
    predicted_seconds: float  # by the model alone


@dataclass(frozen=True, slots=True)
class RunPredicted:
    """A prediction and all it leans on. Of `trial` and `rates` one is None: where the rates come from."""

    dataset: str
    prediction: Prediction
    machine: Machine
    scale: Scale
    rows: float | None
    error: float  # half the range, as a part
    trial: Trial | None
    rates: Rates | None
    shares_of: str | None  # number of the version whose ledger says how many rows reach each step
    past: PastBuild | None
    is_disk_measured: bool
    are_files_assumed: bool  # there are as many, of the same size, as the size asks for


def predict_run(
    path: Path,
    workspace: Workspace | None = None,
    *,
    size_bytes: int | None = None,
    files: int | None = None,
    cores: int | None = None,
    memory_bytes: int | None = None,
    machines: int | None = None,
    disk_mb_per_second: float | None = None,
    network_mb_per_second: float | None = None,
    price: float | None = None,
) -> RunPredicted:
    """Predict a build of this recipe.

    Defaults: the inputs as they are, this machine's cores, half its memory, the bandwidth measured now where the workspace lies.

    Raises: RecipeError; UsageError where neither inputs nor a size are there, or not one worker fits into the memory.
    """
    plan = make_plan(read_recipe(path))
    found = _inputs(plan)
    if not found and size_bytes is None:
        raise UsageError("the inputs are not here, so their size is unknown", plan.recipe.file, "give --size, such as 1TB")
    machine = Machine(
        cores or len(os.sched_getaffinity(0)),
        machine_memory() // 2 if memory_bytes is None else memory_bytes,
        machines,
        disk_mb_per_second or measure_disk(workspace.scratch if workspace else path.parent),
        network_mb_per_second,
        price,
    )
    scale = _scale(plan, found, size_bytes, files, machine)
    trial = try_recipe(plan) if found else None
    version = newest_version(workspace, plan.recipe.dataset)
    shares = _rows_in(plan, version)
    work = _workload(plan, trial, scale, shares)
    past = _past_build(plan, workspace, machine, trial, shares)
    measured_bytes = past.input_bytes if past else trial.input_bytes if trial else scale.input_bytes
    error = half_range(is_tried=trial is not None, is_corrected=past is not None, times_larger=scale.input_bytes / measured_bytes)
    correction = correction_of([(past.seconds, past.predicted_seconds)]) if past else 1.0
    return RunPredicted(
        plan.recipe.dataset,
        predict(work, machine, correction=correction, error=error),
        machine,
        scale,
        work.rows,
        error,
        trial,
        None if trial else shipped_rates(),
        version.number if version and shares else None,
        past,
        disk_mb_per_second is None,
        size_bytes is not None and files is None,
    )


def measure_disk(folder: Path) -> float:
    """Write and read a file in this folder, past the cache of the system; gives MB a second of both together."""
    block = os.urandom(1 << 20)
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        started = time.monotonic()
        for _ in range(_DISK_TEST_BYTES >> 20):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        while file.read(1 << 20):
            pass
        return 2 * _DISK_TEST_BYTES / 1e6 / (time.monotonic() - started)


def _inputs(plan: Plan) -> list[SourceFile]:
    """List the input files; none where an input matches nothing."""
    try:
        return Inputs(plan.recipe).listed()
    except InputError:
        return []


def _scale(plan: Plan, found: Sequence[SourceFile], size_bytes: int | None, files: int | None, machine: Machine) -> Scale:
    here = sum(file.size_bytes for file in found)
    if size_bytes is None or (size_bytes == here and files is None):
        return Scale(here, len(found), max(file.size_bytes for file in found), len(plan.segments))
    if size_bytes <= 0:
        raise UsageError("nothing to build", "--size", "give a size, such as 1TB")
    if files is None:
        files = max(1, round(len(found) * size_bytes / here)) if here else machine.cores * (machine.machines or 1)
    return Scale(size_bytes, files, size_bytes / files, len(plan.segments))


def _workload(plan: Plan, trial: Trial | None, scale: Scale, shares: dict[str, float]) -> Workload:
    if trial is not None:
        return workload_of_trial(trial, scale, shares)
    steps = [Planned(plan.step_label(step), step.name, _options(step)) for step in plan.recipe.steps]
    first = plan.recipe.inputs[0]
    suffix = PurePath(first.path).suffix.removeprefix(".")
    return workload_of_rates(shipped_rates(), scale, steps, f"read_{first.format or suffix or 'jsonl'}", shares)


def _options(step: Step) -> dict[str, Any]:
    options = TypeAdapter(type(step.operator)).dump_python(step.operator, mode="json")
    return dict(options)


def _rows_in(plan: Plan, version: VersionFacts | None) -> dict[str, float]:
    """Tell from a ledger, for each row read, how many came to each step of this plan, and to what follows the last."""
    if version is None:
        return {}
    counts = {step["step"]: step for step in version.ledger["steps"]}
    read = counts["0 read"]["rows_out"]
    labels = [plan.step_label(step) for step in plan.recipe.steps]
    if not read or any(label not in counts for label in labels):
        return {}
    shares = {label: counts[label]["rows_in"] / read for label in labels}
    return {**shares, DIGEST: version.ledger["rows_out"] / read}


def _past_build(
    plan: Plan, workspace: Workspace | None, machine: Machine, trial: Trial | None, shares: dict[str, float]
) -> PastBuild | None:
    """Find a build of this recipe that did all its work in one go: the first run of the dataset, and of a machine like this."""
    if workspace is None or trial is None:
        return None
    runs = workspace.metadata.runs(plan.recipe.dataset) if newest_version(workspace, plan.recipe.dataset) else []
    first = min(runs, key=lambda run: run.started_time).id if runs else None
    for version in workspace.metadata.versions(plan.recipe.dataset) if runs else ():
        environment = version.environment
        is_alike = environment["cores"] == os.cpu_count() and environment["platform"].endswith(platform.machine())
        if version.run_id != first or version.recipe_hash != plan.recipe_hash or not is_alike:
            continue
        if version.seconds < _SHORTEST_BUILD_SECONDS:
            continue
        sizes = [file["size_bytes"] for file in version.inputs]
        scale = Scale(sum(sizes), len(sizes), max(sizes), len(plan.segments))
        budget = environment["budget"]
        of_then = Machine(budget["workers"], budget["memory_bytes"], None, machine.disk_mb_per_second, None, None)
        predicted = predict(_workload(plan, trial, scale, shares), of_then).seconds
        return PastBuild(str(version.number), sum(sizes), budget["workers"], version.seconds, predicted)
    return None
