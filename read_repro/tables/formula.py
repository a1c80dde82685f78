"""Arithmetic over named cells of tables, as the claims file writes it: nothing but what is listed here is run."""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from itertools import pairwise
from statistics import fmean
from typing import Any

WITHIN = 0.01  # a claim printed in whole percent is met when it is met to within one point

OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq,
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": min, "max": max, "abs": abs, "round": round, "len": len, "log": math.log, "mean": lambda *x: fmean(x),
    "reaches": lambda value, claimed: value >= claimed - WITHIN,
    "decreasing": lambda values: all(left > right for left, right in pairwise(values)),
}  # fmt: skip


def evaluate(formula: str, functions: Mapping[str, Callable[..., Any]], names: Mapping[str, Any]) -> Any:
    """The value of a formula.

    Args:
        formula: constants, lists, `+ - * /`, comparisons, `and`/`or`/`not`, and calls by name with plain arguments.
        functions: callables beside `FUNCTIONS`, such as `cell`.
        names: what bare names stand for.

    Raises:
        ValueError: for anything else.
    """
    return _value(ast.parse(formula.strip(), mode="eval").body, FUNCTIONS | dict(functions), names)


def _value(node: ast.expr, functions: Mapping[str, Callable[..., Any]], names: Mapping[str, Any]) -> Any:
    def inner(child: ast.expr) -> Any:
        return _value(child, functions, names)

    match node:
        case ast.Constant(value=int() | float() | str() as value):
            return value
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.List(elts=items):
            return [inner(item) for item in items]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -inner(operand)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not inner(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return OPERATORS[type(op)](inner(left), inner(right))
        case ast.BoolOp(op=op, values=values):
            parts = [inner(value) for value in values]
            return all(parts) if isinstance(op, ast.And) else any(parts)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in OPERATORS:
            return OPERATORS[type(op)](inner(left), inner(right))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in functions:
            return functions[name](*(inner(arg) for arg in args))
    raise ValueError(f"not allowed in a formula: {ast.unparse(node)}")
