"""Start as a build does and take one batch through the steps of a recipe, up to its first exchange: how long until work begins.

    python -m bench.first_batch recipe.yaml

The time of interest is that of this whole process, which its caller takes. Kernels come from numba's cache, as at any second start.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from liangji.core.operator import OperatorKind
from liangji.engine.recipe import Step
from liangji.libraries.datasets import building
from liangji.libraries.datasets.source import Inputs


def main() -> None:
    plan = building.check(Path(sys.argv[1]))
    steps = plan.recipe.steps
    inputs = Inputs(plan.recipe)
    batch = next(item for item in inputs.read(inputs.files()[0], lambda _: None) if isinstance(item, pa.RecordBatch))
    for step in _until_exchange(steps):
        batch = _run(step, batch)
    print(json.dumps({"rows": batch.num_rows, "columns": batch.num_columns}))


def _until_exchange(steps: Any) -> list[Step]:
    first = next((place for place, step in enumerate(steps) if step.operator.kind is OperatorKind.EXCHANGE), len(steps))
    return list(steps[: first + 1])


def _run(step: Step, batch: pa.RecordBatch) -> pa.RecordBatch:
    return step.operator.keys(batch) if step.operator.kind is OperatorKind.EXCHANGE else step.operator(batch)


if __name__ == "__main__":
    main()
