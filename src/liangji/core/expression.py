"""Rules as text: a small, safe language of conditions over the columns of a batch.

    word_count >= 50 and han_character_share > 0.3 and not matches(text, "(?i)lorem ipsum")

What it knows: column names, numbers, strings, `true` and `false`; `and`, `or`, `not`; `== != < <= > >=`, also chained; `in` and
`not in` a list of constants; `+ - * /`; and the functions `is_null(x)`, `contains(text, "…")`, `matches(text, "RE2 pattern")` and
`length(text)` (characters). A backslash in a string stands for itself, so that patterns need no doubling.

Unknown is not satisfied: a condition that comes out null, because a column is null or something was divided by zero, counts as
false. Numbers are compared in the type of the column, so that a share stored as float32 meets its threshold exactly.

Text is parsed with Python's own parser, checked node by node, and turned into `pyarrow.compute` calls; no Python code is run.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from liangji.core.errors import UnknownName, UsageError

MOST_CHARACTERS = 10_000
DEEPEST = 64  # levels of nesting

_Evaluator = Callable[[pa.RecordBatch], Any]  # gives an array, or a scalar for a constant

_COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Eq: ("==", "equal"),
    ast.NotEq: ("!=", "not_equal"),
    ast.Lt: ("<", "less"),
    ast.LtE: ("<=", "less_equal"),
    ast.Gt: (">", "greater"),
    ast.GtE: (">=", "greater_equal"),
}

_MIRRORED: dict[type[ast.cmpop], str] = {ast.Lt: ">", ast.LtE: ">=", ast.Gt: "<", ast.GtE: "<="}


def _as_double(value: Any) -> Any:
    """Calculate in float64: counts never overflow, and shares of counts are exact."""
    if pa.types.is_string(value.type) or pa.types.is_large_string(value.type) or pa.types.is_boolean(value.type):
        raise pa.ArrowTypeError(f"no arithmetic on {value.type}")
    return value.cast(pa.float64(), safe=False)


def _divide(left: Any, right: Any) -> Any:
    return pc.divide(left, pc.if_else(pc.equal(right, 0.0), None, right))


_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: pc.add,
    ast.Sub: pc.subtract,
    ast.Mult: pc.multiply,
    ast.Div: _divide,
}
_FUNCTIONS = {"is_null": 1, "length": 1, "contains": 2, "matches": 2}
_CONSTANT_NAMES = {"true": True, "false": False}
_STRING = re.compile(r"""(\w*)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Conjunct:
    """One condition of the `and` chain at the top of an expression."""

    expression: Expression
    column: str | None  # the column that decides: the first one named


@dataclass(frozen=True, slots=True)
class Threshold:
    """The first number of a condition and what is compared with it."""

    value: str  # a column, or something calculated from columns
    comparison: str  # seen from the value: `<`, `<=`, `>` or `>=`
    number: float

    def values(self, batch: pa.RecordBatch) -> pa.DoubleArray:
        """Give what is compared, for each row.

        Raises: as `Expression.evaluate`.
        """
        parsed = _Parsed(self.value, is_condition=False)
        check_columns(tuple(parsed.columns), batch.schema.names, self.value)
        return _as_double(parsed.evaluator(batch))


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed condition. Two with the same text are equal."""

    text: str
    columns: tuple[str, ...]  # in the order in which they are first named

    @staticmethod
    def parse(text: str) -> Expression:
        """Parse a condition.

        Raises: UsageError with the position (1-based character) of what it cannot take.

        >>> Expression.parse("words >= 50 and share < 0.3").columns
        ('words', 'share')
        """
        parsed = _Parsed(text)
        return Expression(parsed.text, tuple(parsed.columns))

    def conjuncts(self) -> tuple[Conjunct, ...]:
        """Split at the top-level `and`; a single condition where there is none."""
        parsed = _Parsed(self.text)
        node = parsed.root
        parts = node.values if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And) else [node]
        expressions = [Expression.parse(parsed.segment(part)) for part in parts]
        return tuple(Conjunct(each, each.columns[0] if each.columns else None) for each in expressions)

    def evaluate(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        """Tell for each row whether the condition is satisfied; never null.

        Raises: UsageError where a column is missing (with the nearest name) or has a type the condition cannot work on.
        """
        check_columns(self.columns, batch.schema.names, self.text)
        try:
            result = _Parsed(self.text).evaluator(batch)
            if not pa.types.is_boolean(result.type):
                raise UsageError(f"'{self.text}' gives {result.type}, not true or false", self.text, "compare it with something")
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            types = ", ".join(f"{name}: {batch.schema.field(name).type}" for name in self.columns)
            raise UsageError(f"types do not fit: {error}", f"{self.text} ({types})", "compare like with like") from error
        if isinstance(result, pa.Scalar):
            result = pa.repeat(result, batch.num_rows)
        return pc.fill_null(result, False)

    def threshold(self) -> Threshold | None:
        """Find what `with_threshold` moves; None where the first number is not what something is compared with in size.

        >>> Expression.parse("is_null(share) or share <= 0.4").threshold()
        Threshold(value='share', comparison='<=', number=0.4)
        """
        parsed = _Parsed(self.text)
        first = parsed.first_number()
        for node in ast.walk(parsed.root):
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                for left, operator, right in zip(sides, node.ops, sides[1:], strict=False):
                    if type(operator) in _MIRRORED and first in (left, right) and isinstance(first, ast.Constant):
                        comparison, mirrored = _COMPARISONS[type(operator)][0], _MIRRORED[type(operator)]
                        value, seen = (left, comparison) if first is right else (right, mirrored)
                        return Threshold(parsed.segment(value), seen, float(first.value))  # type: ignore[arg-type]  # a number
        return None

    def with_threshold(self, number: float) -> Expression:
        """Set another number for the first one in the expression.

        >>> Expression.parse("words >= 50").with_threshold(20).text
        'words >= 20'
        """
        parsed = _Parsed(self.text)
        first = parsed.first_number()
        if first is None:
            raise UsageError("no number in the rule: no threshold to move", self.text, "write the rule out")
        start, end = parsed.span(first)
        return Expression.parse(f"{parsed.text[:start]}{number:.15g}{parsed.text[end:]}")


def check_columns(wanted: tuple[str, ...], known: list[str], where: str) -> None:
    """Refuse names that are no columns.

    Raises: UnknownName for the first one, with its position and the nearest known name.
    """
    for name in wanted:
        if name not in known:
            place = re.search(rf"\b{re.escape(name)}\b", where)
            near = get_close_matches(name, known, 1)
            raise UnknownName(
                f"unknown column '{name}'",
                f"character {place.start() + 1 if place else 1} of: {where}",
                f"did you mean '{near[0]}'?" if near else f"columns: {', '.join(known)}",
            )


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool)


class _Parsed:
    """One expression being parsed: its tree, the columns found, and the way back from the tree to the text as written."""

    def __init__(self, text: str, *, is_condition: bool = True) -> None:
        self.text = " ".join(text.strip().splitlines())
        self.columns: dict[str, None] = {}
        if not self.text:
            raise UsageError("empty rule", "", "write a condition, such as word_count >= 50")
        if len(self.text) > MOST_CHARACTERS:
            raise UsageError(f"rule of {len(self.text)} characters; at most {MOST_CHARACTERS}", "", "split it into several rules")
        self._inserted: list[int] = []  # where `r` was put before a string, in the source
        self._source = _STRING.sub(self._as_raw, self.text)
        try:
            self.root = ast.parse(self._source, mode="eval").body
        except SyntaxError as error:
            raise self._fault_at(self._original((error.offset or 1) - 1), error.msg) from error
        except (ValueError, RecursionError, MemoryError) as error:
            raise self._fault_at(0, "the rule is nested too deeply, or holds a number that is too large") from error
        self.evaluator = self._condition(self.root, 0) if is_condition else self._value(self.root, 0)

    def first_number(self) -> ast.AST | None:
        return min((node for node in ast.walk(self.root) if _is_number(node)), key=self.span, default=None)

    def segment(self, node: ast.AST) -> str:
        start, end = self.span(node)
        return self.text[start:end]

    def span(self, node: Any) -> tuple[int, int]:
        """Give first and past-last character of a node in `text`."""
        encoded = self._source.encode()
        first, past = (len(encoded[:offset].decode()) for offset in (node.col_offset, node.end_col_offset))
        return self._original(first), self._original(past)

    def _as_raw(self, match: re.Match[str]) -> str:
        if match[1]:
            return match[0]  # a prefix of their own is refused with the node
        self._inserted.append(match.start() + len(self._inserted))
        return "r" + match[0]

    def _original(self, position: int) -> int:
        return position - sum(place < position for place in self._inserted)

    def _fault_at(self, position: int, what: str, mend: str = "") -> UsageError:
        shown = self.text if len(self.text) <= 200 else self.text[:200] + "…"
        raise UsageError(
            what, f"character {position + 1} of: {shown}", mend or "see `liangji operators show keep` for the language"
        )

    def _fault(self, node: ast.AST, what: str, mend: str = "") -> UsageError:
        return self._fault_at(self.span(node)[0], what, mend)

    def _condition(self, node: ast.expr, depth: int) -> _Evaluator:
        """Compile something that is true or false."""
        self._check_depth(node, depth)
        match node:
            case ast.BoolOp():
                parts = [self._condition(value, depth + 1) for value in node.values]
                combine = pc.and_kleene if isinstance(node.op, ast.And) else pc.or_kleene
                return lambda batch: _fold(combine, [part(batch) for part in parts])
            case ast.UnaryOp(op=ast.Not()):
                inner = self._condition(node.operand, depth + 1)
                return lambda batch: pc.invert(inner(batch))
            case ast.Compare():
                return self._comparison(node, depth)
            case ast.Call() if _name(node.func) != "length":
                return self._call(node, depth)
            case ast.Name() | ast.Constant(value=bool()):
                return self._value(node, depth)
        raise self._fault(node, f"'{self.segment(node)}' is no condition", "compare it with something")

    def _comparison(self, node: ast.Compare, depth: int) -> _Evaluator:
        links: list[_Evaluator] = []
        left = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, (ast.In, ast.NotIn)):
                links.append(self._membership(left, right, isinstance(operator, ast.NotIn), depth))
            elif type(operator) in _COMPARISONS:
                name = _COMPARISONS[type(operator)][1]
                links.append(_compare(name, self._value(left, depth + 1), self._value(right, depth + 1)))
            else:
                raise self._fault(right, "'is' is not known here", "use == or is_null(column)")
            left = right
        return lambda batch: _fold(pc.and_kleene, [link(batch) for link in links])

    def _membership(self, left: ast.expr, right: ast.expr, negated: bool, depth: int) -> _Evaluator:
        if not isinstance(right, (ast.Tuple, ast.List, ast.Set)) or not right.elts:
            raise self._fault(right, "'in' wants a list of constants", 'write x in ("a", "b"), or contains(text, "…")')
        constants = [self._constant(element) for element in right.elts]
        if len({isinstance(constant, str) for constant in constants}) > 1:
            raise self._fault(right, "strings and numbers are mixed in one list")
        value = self._value(left, depth + 1)

        def evaluate(batch: pa.RecordBatch) -> Any:
            values = value(batch)
            if isinstance(values, pa.Scalar):
                values = pa.repeat(values, batch.num_rows)
            wanted = pa.array(constants)
            if pa.types.is_floating(values.type) or not pa.types.is_floating(wanted.type):
                wanted = wanted.cast(values.type)
            else:
                values = values.cast(wanted.type)
            found = pc.is_in(values, value_set=wanted)
            return pc.if_else(pc.is_null(values), None, pc.invert(found) if negated else found)

        return evaluate

    def _value(self, node: ast.expr, depth: int) -> _Evaluator:
        """Compile something that gives a number, a string or a truth."""
        self._check_depth(node, depth)
        match node:
            case ast.Name(id=name) if name in _CONSTANT_NAMES:
                constant = pa.scalar(_CONSTANT_NAMES[name])
                return lambda _: constant
            case ast.Name(id=name):
                self.columns.setdefault(name)
                return lambda batch: batch.column(name)
            case ast.Constant() | ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
                scalar = pa.scalar(self._constant(node))
                return lambda _: scalar
            case ast.UnaryOp(op=ast.USub()):
                inner = self._value(node.operand, depth + 1)
                return lambda batch: pc.negate(_as_double(inner(batch)))
            case ast.BinOp() if type(node.op) in _ARITHMETIC:
                left, right = self._value(node.left, depth + 1), self._value(node.right, depth + 1)
                calculate = _ARITHMETIC[type(node.op)]
                return lambda batch: calculate(_as_double(left(batch)), _as_double(right(batch)))
            case ast.Call():
                return self._call(node, depth)
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                return self._condition(node, depth)
        raise self._fault(node, f"'{self.segment(node)}' is not part of the rule language")

    def _call(self, node: ast.Call, depth: int) -> _Evaluator:
        function = _name(node.func)
        if function not in _FUNCTIONS:
            near = get_close_matches(function or "", _FUNCTIONS, 1)
            mend = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(_FUNCTIONS)}"
            raise self._fault(node, f"unknown function '{self.segment(node.func)}'", mend)
        if node.keywords or len(node.args) != _FUNCTIONS[function]:
            raise self._fault(node, f"'{function}' takes {_FUNCTIONS[function]} argument(s)")
        subject = self._value(node.args[0], depth + 1)
        if function == "is_null":
            return lambda batch: pc.is_null(subject(batch))
        if function == "length":
            return lambda batch: pc.utf8_length(subject(batch))
        pattern = self._constant(node.args[1])
        if not isinstance(pattern, str):
            raise self._fault(node.args[1], f"'{function}' wants a string")
        if function == "contains":
            return lambda batch: pc.match_substring(subject(batch), pattern)
        try:
            pc.match_substring_regex(pa.array([""]), pattern)
        except pa.ArrowInvalid as error:
            raise self._fault(node.args[1], f"no RE2 pattern: {error}", "RE2 has no look-around and no back-references") from error
        return lambda batch: pc.match_substring_regex(subject(batch), pattern)

    def _constant(self, node: ast.expr) -> float | str | bool:
        sign = 1
        inner: ast.expr = node
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            sign, inner = -1, node.operand
        if isinstance(inner, ast.Constant):
            value = inner.value
            if isinstance(value, (str, bool)) and sign == 1:
                return value
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                if abs(value) >= 1 << 63 or not math.isfinite(value):
                    raise self._fault(node, "number out of range", "64 bits are the most")
                return sign * value
        raise self._fault(node, f"'{self.segment(node)}' is no constant of the rule language", "use is_null(column) for null")

    def _check_depth(self, node: ast.AST, depth: int) -> None:
        if depth > DEEPEST:
            raise self._fault(node, f"nested more than {DEEPEST} levels deep", "split it into several rules")


def _name(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else None


def _fold(combine: Callable[[Any, Any], Any], parts: list[Any]) -> Any:
    result = parts[0]
    for part in parts[1:]:
        result = combine(result, part)
    return result


def _compare(name: str, left: _Evaluator, right: _Evaluator) -> _Evaluator:
    def evaluate(batch: pa.RecordBatch) -> Any:
        sides = [left(batch), right(batch)]
        for one, other in ((0, 1), (1, 0)):
            if isinstance(sides[one], pa.Scalar) and pa.types.is_float32(sides[other].type):
                sides[one] = sides[one].cast(pa.float32(), safe=False)  # 0.3 must meet the float32 nearest to 0.3
        return pc.call_function(name, sides)

    return evaluate
