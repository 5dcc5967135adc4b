"""Tell what is installed, reachable and writable, and what to do about the rest."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from liangji.core import registry
from liangji.core.errors import LiangjiError
from liangji.core.units import format_size
from liangji.engine.budget import MINIMUM_BYTES, machine_memory
from liangji.stores.workspace import Workspace

State = Literal["good", "missing", "bad"]

_LEAST_DISK_BYTES = 5_000_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `missing` can be done without; `bad` must be mended."""

    what: str
    state: State
    detail: str
    mend: str = ""


def examine(open_workspace: Callable[[], Workspace], directory: Path) -> Iterator[Finding]:
    """Look at the machine, the packages, the operators and the workspace."""
    yield from _machine(directory)
    yield from _packages()
    yield from _operators()
    yield from _workspace(open_workspace)


def _machine(directory: Path) -> Iterator[Finding]:
    yield Finding("python", "good", platform.python_version())
    memory = machine_memory()
    enough = memory // 2 >= MINIMUM_BYTES
    cores = len(os.sched_getaffinity(0))
    yield Finding(
        "memory",
        "good" if enough else "bad",
        f"{format_size(memory)}, {cores} cores",
        "" if enough else f"a build wants at least {format_size(2 * MINIMUM_BYTES)}, or --memory {format_size(MINIMUM_BYTES)}",
    )
    existing = next(folder for folder in (directory.absolute(), *directory.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    roomy = free >= _LEAST_DISK_BYTES
    yield Finding(
        "disk", "good" if roomy else "bad", f"{format_size(free)} free", "" if roomy else "make room, or choose another --workspace"
    )


def _packages() -> Iterator[Finding]:
    for line in requires("liangji") or []:
        requirement = Requirement(line)
        extra = "extra" in str(requirement.marker or "")
        try:
            yield Finding(requirement.name, "good", version(requirement.name))
        except PackageNotFoundError:
            state: State = "missing" if extra else "bad"
            yield Finding(requirement.name, state, "not installed", f'pip install "{requirement.name}{requirement.specifier}"')


def _operators() -> Iterator[Finding]:
    names = registry.names(registry.Group.OPERATORS)
    broken = 0
    for name in names:
        try:
            registry.load(registry.Group.OPERATORS, name)
        except (LiangjiError, ImportError, AttributeError) as error:
            broken += 1
            mend = error.mend if isinstance(error, LiangjiError) else "install the package that registers it again"
            yield Finding(f"operator {name}", "bad", str(error).partition("\n")[0], mend)
    yield Finding("operators", "good" if not broken else "bad", f"{len(names) - broken} of {len(names)} load")
    found = importlib.util.find_spec("dashscope") is not None
    yield Finding("default tokenizer", "good" if found else "bad", "qwen vocabulary", "" if found else "pip install dashscope")


def _workspace(open_workspace: Callable[[], Workspace]) -> Iterator[Finding]:
    try:
        workspace = open_workspace()
    except LiangjiError as error:
        yield Finding("workspace", "bad", f"{error.what} ({error.where})", error.mend)
        return
    yield Finding("workspace", "good", str(workspace.directory))
    yield Finding("metadata", "good", f"{len(workspace.metadata.datasets())} datasets")
    try:
        test = workspace.objects.self_test()
    except LiangjiError as error:
        yield Finding("objects", "bad", error.what, error.mend)
        return
    if not test.is_writable:
        yield Finding("objects", "bad", test.detail or "not writable", "check the address, the credentials and the permissions")
    elif not test.honours_create_only:
        yield Finding("objects", "missing", "create-only writes are not honoured", "let only one process write to this store")
    else:
        yield Finding("objects", "good", "writable, create-only writes are honoured")
