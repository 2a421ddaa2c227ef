"""Insertions: what a value may lack, a factor or a term, found among the variables and in the rest of the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from backprop.check.lines.context import Context
from backprop.check.lines.scopes import NUMBER, is_array

_MOST_FACTORS = 8
"""Of the factors of a source, those that are tried for a term of a sum."""
_MULTIPLES = [(ast.Mult(), ast.Constant(number)) for number in (2, 3, 0.5)]


def additions(node: ast.expr, shape: tuple[int, ...] | None, context: Context) -> Iterator[ast.expr]:
    """What a value may lack as a whole: a factor, a term, a transpose. shape: its own, where it is known."""
    if shape is not None and len(shape) == 2 and shape[0] == shape[1]:
        yield ast.Attribute(node, "T", ast.Load())
    for name, seen in context.scope.names.items():
        operators: list[ast.operator] = []
        if seen is not None and shape is not None and is_array(seen) and 0 < len(seen[1]) <= len(shape):
            if seen[1] == shape:
                operators = [ast.Add(), ast.Mult()]
            elif all(a in (1, b) for a, b in zip(seen[1][::-1], shape[::-1], strict=False)):  # it spreads
                operators = [ast.Mult(), ast.Div()]
        for each in operators:
            yield ast.BinOp(node, each, ast.Name(name, ast.Load()))
    numbers = [ast.Name(name, ast.Load()) for name, seen in context.scope.names.items() if seen == NUMBER]
    factors: list[tuple[ast.operator, ast.expr]] = [
        (op, number) for number in (ast.Constant(2), *numbers) for op in (ast.Mult(), ast.Div())
    ]
    factors += [each for each in context.factors if context.holds(each[1])]
    yield from (ast.BinOp(node, op, factor) for op, factor in factors)


def insertions(node: ast.expr, context: Context) -> Iterator[ast.expr]:
    """A sum of which one term gets a factor: a number, or one that stands elsewhere in the source."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        for op, factor in (*_MULTIPLES, *context.factors[:_MOST_FACTORS]):
            if context.holds(factor):
                yield ast.BinOp(node.left, node.op, ast.BinOp(node.right, op, factor))
                yield ast.BinOp(ast.BinOp(node.left, op, factor), node.op, node.right)
