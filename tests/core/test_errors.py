"""An error says what, where and how to mend it, and survives the way to another process."""

from __future__ import annotations

import pickle

import pytest

from liangji.core import errors
from liangji.core.errors import DocumentError, DocumentFault, LiangjiError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, LiangjiError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_crosses_processes(kind: type[LiangjiError]) -> None:
    error = kind("a", (DocumentFault(1, "x", "y"),)) if issubclass(kind, DocumentError) else kind("what", "where", "mend")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301  # our own bytes


def test_codes_are_distinct() -> None:
    assert len({kind.code for kind in KINDS}) == len(KINDS)


def test_three_lines() -> None:
    assert str(LiangjiError("no column", "batch 3", "name one")) == "no column\n  where: batch 3\n  mend:  name one"
