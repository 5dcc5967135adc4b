"""Sensor series of the line, one value a minute over two days, with spikes, drift, a stuck value and gaps at known places."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_MINUTES = 2 * 24 * 60
_START = datetime(2025, 6, 2, tzinfo=timezone(timedelta(hours=8)))
_SPIKES = 5
_QUIET = 60  # minutes at least between two planted anomalies


class _Channel(NamedTuple):
    name: str
    level: float
    swing: float  # of the day
    noise: float
    decimals: int


_CHANNELS = (
    _Channel("vibration_mm_per_s", 2.8, 0.4, 0.12, 3),
    _Channel("bearing_temperature_celsius", 52, 4, 0.3, 2),
    _Channel("motor_current_ampere", 148, 12, 1.8, 1),
    _Channel("oil_pressure_megapascal", 16.5, 0.3, 0.06, 3),
)
_MACHINES = ("mill_1", "mill_2", "fan_3", "pump_4")


def write_sensors(random: Random, seed: int, raw: Path) -> list[dict[str, Any]]:
    """Write one table a machine; give every anomaly with its machine, channel, kind and rows (first and last, 0-based)."""
    folder = raw / "sensors"
    folder.mkdir(parents=True, exist_ok=True)
    anomalies: list[dict[str, Any]] = []
    times = [(_START + timedelta(minutes=minute)).isoformat() for minute in range(_MINUTES)]
    for number, machine in enumerate(_MACHINES):
        generator = np.random.default_rng([seed, 1000 + number])
        columns = []
        for channel in _CHANNELS:
            values = _healthy(channel, generator)
            planted = _plant(values, channel, random)
            anomalies += [{"file": f"sensors/{machine}.csv", "channel": channel.name, **anomaly} for anomaly in planted]
            columns.append(["" if np.isnan(value) else f"{value:.{channel.decimals}f}" for value in values])
        lines = ["time," + ",".join(channel.name for channel in _CHANNELS)]
        lines += [",".join(row) for row in zip(times, *columns, strict=True)]
        (folder / f"{machine}.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return anomalies


def _healthy(channel: _Channel, generator: np.random.Generator) -> NDArray[np.float64]:
    minutes = np.arange(_MINUTES)
    day = np.sin(2 * np.pi * minutes / 1440 + generator.uniform(0, 2 * np.pi))
    return np.asarray(channel.level + channel.swing * day + generator.normal(0, channel.noise, _MINUTES), np.float64)


def _plant(values: NDArray[np.float64], channel: _Channel, random: Random) -> list[dict[str, Any]]:
    """Change `values` in place: some spikes, one drift, one stuck stretch, one gap, none near another."""
    lengths = [("spike", 1)] * _SPIKES
    lengths += [("drift", random.randint(180, 300)), ("stuck", random.randint(40, 90)), ("missing", random.randint(5, 40))]
    random.shuffle(lengths)
    spare = _MINUTES - sum(length + _QUIET for _, length in lengths)
    starts = sorted(random.sample(range(spare), len(lengths)))
    anomalies, used = [], 0
    for (kind, length), start in zip(lengths, starts, strict=True):
        first = start + used
        last = first + length - 1
        used += length + _QUIET
        part = values[first : last + 1]
        if kind == "spike":
            part += random.choice((-1, 1)) * channel.noise * random.uniform(14, 25)
        elif kind == "drift":
            part += np.linspace(0, channel.swing * 2.5 + channel.noise * 10, length)
        elif kind == "stuck":
            part[:] = part[0]
        else:
            part[:] = np.nan
        anomalies.append({"kind": kind, "first": first, "last": last})
    return anomalies
