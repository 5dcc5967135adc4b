"""What was measured, as it lies in `results/latest.json`: the machine, the corpus, and one entry for each tool, step and language."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

LATEST = Path(__file__).parent / "results" / "latest.json"
OURS = "liangji"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One step of one tool on one language, measured in a process of its own."""

    tool: str  # `liangji`, or the folder of a peer
    step: str
    language: str  # en, zh; or both
    date: str  # ISO 8601, UTC
    command: str  # from the root of the repository; {python}: the interpreter of the tool's environment
    text_bytes: int  # UTF-8 of the documents worked on
    documents: int
    net_cpu_seconds: float  # of the step, without start-up, imports and, but for steps that read, reading
    cpu_seconds: float  # of the whole process, user and system, with all repetitions
    wall_seconds: float  # of the whole process
    peak_memory_bytes: int
    figures: dict[str, Any] = field(default_factory=dict)  # whatever else the step tells: found copies, rows, passes

    @property
    def mb_per_cpu_second(self) -> float:
        return self.text_bytes / 1e6 / self.net_cpu_seconds


@dataclass(frozen=True, slots=True)
class Machine:
    processor: str
    cores: int
    memory_bytes: int
    system: str
    python: str

    @staticmethod
    def this() -> Machine:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return Machine(model, os.cpu_count() or 1, memory, platform.system(), platform.python_version())


@dataclass(slots=True)
class Results:
    machine: Machine
    corpus: dict[str, Any]
    versions: dict[str, dict[str, str]] = field(default_factory=dict)  # tool → package → version
    steps: dict[str, list[str]] = field(default_factory=dict)  # peer → the steps it has, measured or not
    measurements: list[Measurement] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path = LATEST) -> Results:
        content = json.loads(path.read_text("utf-8"))
        measurements = [Measurement(**entry) for entry in content["measurements"]]
        return cls(Machine(**content["machine"]), content["corpus"], content["versions"], content["steps"], measurements)

    def save(self, path: Path = LATEST) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", "utf-8")

    def put(self, new: Measurement) -> None:
        """Put a measurement in the place of an older one of the same tool, step and language."""
        named = (new.tool, new.step, new.language)
        self.measurements = [one for one in self.measurements if (one.tool, one.step, one.language) != named]
        self.measurements.append(new)

    def find(self, tool: str, step: str, language: str) -> Measurement | None:
        return next(iter(self.select(tool, step, language)), None)

    def select(self, tool: str, step: str, *languages: str) -> list[Measurement]:
        return [
            one
            for one in self.measurements
            if (one.tool, one.step) == (tool, step) and (not languages or one.language in languages)
        ]


def rate(measurements: Iterable[Measurement]) -> float:
    """Give MB per CPU-second over several measurements together."""
    both = list(measurements)
    return sum(one.text_bytes for one in both) / 1e6 / sum(one.net_cpu_seconds for one in both)


def our_versions() -> dict[str, str]:
    names = ("liangji", "duckdb", "numba", "numpy", "py3langid", "pyarrow", "pylance", "tiktoken")
    described = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return {**{name: version(name) for name in names}, "commit": described.stdout.strip()}
