"""The model of a build's time, memory and disk: what it says when one thing changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from liangji.core.errors import UsageError
from liangji.engine.budget import MINIMUM_BYTES, memory_for
from liangji.libraries.datasets.planning import (
    DECIDED,
    DIGEST,
    HASH,
    MEASURED_ERROR,
    READ,
    SERIAL_SHARE,
    STAGE_ROWS,
    UNIT_FILES,
    Bound,
    Machine,
    Planned,
    Prediction,
    Rate,
    Rates,
    Scale,
    Speed,
    StageTrial,
    Trial,
    correction_of,
    half_range,
    predict,
    shipped_rates,
    workload_of_rates,
    workload_of_trial,
)

TRIAL = Trial(
    input_bytes=10e6,
    rows=1000,
    payload_bytes=9e6,
    stages=[
        StageTrial(HASH, 1000, 10e6, 0.01),
        StageTrial(READ, 1000, 10e6, 0.1),
        StageTrial("1 measure_text", 1000, 9e6, 0.2),
        StageTrial("2 keep", 1000, 9e6, 0.01),
        StageTrial("3 drop_near_duplicates", 500, 4.5e6, 0.05, decide_seconds=0.05, key_bytes=100e3),
        StageTrial(DIGEST, 500, 4.5e6, 0.01),
        StageTrial(STAGE_ROWS, 500, 4.5e6, 0.05),
        StageTrial(UNIT_FILES, 500, 4.5e6, 0.02),
    ],
    unit_bytes=3e6,
    stored_bytes=2e6,
)
TERABYTE = Scale(1e12, 1000, 1e9, segments=2)
SERVER = Machine(64, 64_000_000_000, None, 1000.0, None, None)
CLUSTER = replace(SERVER, machines=4)


def predicted(scale: Scale = TERABYTE, machine: Machine = SERVER, rows_in: dict[str, float] | None = None) -> Prediction:
    return predict(workload_of_trial(TRIAL, scale, rows_in or {}), machine)


def test_a_trial_is_multiplied_by_the_size() -> None:
    work = workload_of_trial(TRIAL, TERABYTE, {})
    stages = {stage.name: stage for stage in work.stages}
    assert work.rows == 100_000_000
    assert stages["1 measure_text"].cpu_seconds == pytest.approx(20_000)
    assert stages["3 drop_near_duplicates"].megabytes == pytest.approx(450_000)
    assert stages["3 drop_near_duplicates" + DECIDED].is_decision
    assert (work.key_bytes, work.unit_bytes, work.stored_bytes) == pytest.approx((10e9, 300e9, 200e9))
    assert sum(stage.cpu_seconds for stage in work.stages) == pytest.approx(0.5 * 1e5)


def test_rows_are_written_between_segments_only() -> None:
    one = workload_of_trial(TRIAL, replace(TERABYTE, segments=1), {})
    three = workload_of_trial(TRIAL, replace(TERABYTE, segments=3), {})
    assert one.unit_bytes == 0
    assert [stage.cpu_seconds for stage in one.stages if stage.name == UNIT_FILES] == [0]
    assert [stage.cpu_seconds for stage in three.stages if stage.name == UNIT_FILES] == pytest.approx([4000])


def test_a_ledger_says_how_many_rows_reach_a_step() -> None:
    work = workload_of_trial(TRIAL, TERABYTE, {"3 drop_near_duplicates": 0.25})
    stages = {stage.name: stage for stage in work.stages}
    assert stages["3 drop_near_duplicates"].cpu_seconds == pytest.approx(2500)  # half of what the trial let through
    assert work.key_bytes == pytest.approx(5e9)
    assert stages[DIGEST].cpu_seconds == pytest.approx(1000)


def test_threads_take_turns_and_processes_do_not() -> None:
    one = predicted(machine=replace(SERVER, cores=1))
    many = predicted()
    on_ray = predicted(machine=replace(SERVER, machines=1))
    mapped = one.parts[Bound.CPU] + one.parts[Bound.LOCK]
    assert many.parts[Bound.LOCK] == pytest.approx(SERIAL_SHARE * mapped)
    assert many.parts[Bound.CPU] == pytest.approx((1 - SERIAL_SHARE) * mapped / 64)
    assert many.bounds[0] == Bound.LOCK
    assert on_ray.parts[Bound.LOCK] == 0
    assert on_ray.parts[Bound.CPU] == pytest.approx(mapped / 64)
    assert on_ray.seconds < many.seconds < one.seconds


def test_machines_share_the_work_and_move_keys_and_rows() -> None:
    cluster = predicted(machine=CLUSTER)
    assert cluster.parts[Bound.CPU] == pytest.approx(predicted(machine=replace(SERVER, machines=1)).parts[Bound.CPU] / 4)
    assert cluster.network_bytes == pytest.approx((300e9 + 10e9) * 3 / 4)
    assert cluster.parts[Bound.NETWORK] == 0  # no bandwidth was given, none is made up
    slow = predicted(machine=replace(CLUSTER, network_mb_per_second=10))
    assert slow.bounds[0] == Bound.NETWORK
    assert predicted().network_bytes == 0


def test_one_great_file_is_read_by_one_worker() -> None:
    single = predicted(replace(TERABYTE, files=1, largest_file_bytes=1e12), replace(SERVER, machines=1))
    assert single.parts[Bound.FILES] == pytest.approx(10_000)
    assert single.bounds[0] == Bound.FILES
    assert predicted().parts[Bound.FILES] == pytest.approx(10_000 / 64)


def test_a_slow_disk_bounds_the_run() -> None:
    slow = predicted(machine=replace(SERVER, machines=1, disk_mb_per_second=20))
    assert slow.bounds[0] == Bound.DISK
    assert slow.parts[Bound.DISK] == pytest.approx((2e12 + 2 * 300e9 + 2 * 10e9 + 200e9) / 20e6)


def test_memory_limits_workers_and_what_an_exchange_may_hold() -> None:
    small = predicted(machine=replace(SERVER, memory_bytes=MINIMUM_BYTES))
    assert small.workers == 1
    assert small.full_memory_bytes == memory_for(64)
    assert small.spilled_bytes == pytest.approx(10e9 - 200_000_000)
    assert small.memory_bytes <= MINIMUM_BYTES + 200_000_000
    assert predicted().spilled_bytes == 0
    assert predicted().workers == 64
    with pytest.raises(UsageError, match="too little"):
        predicted(machine=replace(SERVER, memory_bytes=1))


def test_cost_is_of_cores_held_and_only_at_a_given_price() -> None:
    free, paid = predicted(machine=CLUSTER), predicted(machine=replace(CLUSTER, price=0.5))
    assert free.cost is None
    assert paid.core_hours == pytest.approx(paid.seconds * 256 / 3600)
    assert paid.cost == pytest.approx(paid.core_hours * 0.5)


def test_a_past_build_corrects_the_time_and_the_range_is_on_both_sides() -> None:
    work = workload_of_trial(TRIAL, TERABYTE, {})
    plain, slower = predict(work, SERVER), predict(work, SERVER, correction=correction_of([(30.0, 20.0)]), error=0.5)
    assert slower.seconds == pytest.approx(1.5 * plain.seconds)
    assert slower.cpu_seconds == plain.cpu_seconds  # waiting for others is no work
    assert (slower.least_seconds, slower.most_seconds) == pytest.approx((slower.seconds / 1.5, slower.seconds * 1.5))
    assert plain.most_seconds == pytest.approx(plain.seconds * (1 + MEASURED_ERROR))


def test_the_range_is_wider_where_less_is_known() -> None:
    tried = half_range(is_tried=True, is_corrected=False, times_larger=10)
    assert tried == MEASURED_ERROR
    assert half_range(is_tried=True, is_corrected=True, times_larger=10_000) > tried
    assert half_range(is_tried=False, is_corrected=False, times_larger=1) > tried


RATES = Rates(
    machine="m",
    date="2026-11-20",
    liangji="0",
    rates={
        "read_jsonl": Rate(mb_per_cpu_second=100),
        "aggregate": Rate(mb_per_cpu_second=200),
        "measure_text": Rate(mb_per_cpu_second=80, variants=(Speed(options={"words": "script"}, mb_per_cpu_second=40),)),
        "drop_near_duplicates": Rate(mb_per_cpu_second=50, scratch_bytes_per_text_byte=0.1),
        "stage_rows": Rate(mb_per_cpu_second=100, scratch_bytes_per_text_byte=0.5),
        "unit_files": Rate(mb_per_cpu_second=100, scratch_bytes_per_text_byte=0.7),
    },
)
STEPS = [
    Planned("1 measure_text", "measure_text", {"words": "script", "column": "text"}),
    Planned("2 of_a_stranger", "of_a_stranger", {}),
    Planned("3 drop_near_duplicates", "drop_near_duplicates", {}),
]


def test_a_table_of_rates_stands_in_where_nothing_can_be_tried() -> None:
    work = workload_of_rates(RATES, TERABYTE, STEPS, "read_jsonl", {"3 drop_near_duplicates": 0.5})
    stages = {stage.name: stage.cpu_seconds for stage in work.stages}
    assert stages["1 measure_text"] == pytest.approx(25_000)  # the variant that fits its options
    assert stages["3 drop_near_duplicates"] == pytest.approx(10_000)
    assert (work.key_bytes, work.unit_bytes, work.stored_bytes) == pytest.approx((50e9, 700e9, 500e9))
    assert work.unknown == ("2 of_a_stranger", DIGEST)
    assert work.rows is None
    assert predict(work, SERVER).unknown == work.unknown


def test_the_shipped_rates_know_the_stages_and_the_steps_of_the_readme() -> None:
    rates = shipped_rates()
    assert rates.machine
    assert rates.date
    known = {"read_jsonl", "read_parquet", "aggregate", DIGEST, STAGE_ROWS, UNIT_FILES, "normalize_text", "measure_text", "keep"}
    assert known | {"drop_exact_duplicates", "drop_near_duplicates", "mask_personal_information"} <= rates.rates.keys()
