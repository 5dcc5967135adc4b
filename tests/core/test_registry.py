"""What is installed is found by entry point, ours and a stranger's alike, and loads."""

from __future__ import annotations

import pytest

from liangji.core.errors import UnknownName
from liangji.core.operator import OperatorKind, rule_source, summary
from liangji.core.registry import Group, load, names


@pytest.mark.parametrize("group", list(Group))
def test_everything_that_is_registered_loads(group: Group) -> None:
    assert [name for name in names(group) if load(group, name) is None] == []


@pytest.mark.parametrize("name", names(Group.OPERATORS))
def test_every_operator_says_what_it_is(name: str) -> None:
    operator = load(Group.OPERATORS, name)
    assert isinstance(operator.kind, OperatorKind)
    assert operator.version
    assert summary(operator)
    assert rule_source(operator)


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'normalize_text'"):
        load(Group.OPERATORS, "normalise_text")
