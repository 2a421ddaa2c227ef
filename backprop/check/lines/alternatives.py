"""Alternatives: what may have been meant where an expression has a slip, from the expression and its scope.

    a + b      a - b, a, b                     x.T     x
    x @ w      w @ x, x, w                     h       another variable of its kind and shape; h.T in a product
    sum(axis=0)  mean(axis=0), sum(axis=1)     0.5     -0.5, 1, 0.25, …
    h[t]       h[t - 1], h[t + 1]              z > 0   z < 0, z >= 0

The nodes that are given are shared between alternatives, and never changed.
"""

from __future__ import annotations

import ast
import copy
import difflib
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from backprop.check.lines.calls import calls
from backprop.check.lines.context import Context
from backprop.check.lines.scopes import NUMBER, Likeness, is_array

_MOST_NAMES = 10
"""Of variables that are alike, those whose names resemble the one that is read most."""


def alternatives(node: ast.expr, context: Context) -> Iterator[ast.expr]:
    """What may have been meant by a node, without what may have been meant by its parts."""
    find = _BY_TYPE.get(type(node))
    if find is not None:
        yield from find(node, context)


# Names and places --------------------------------------------------------------------------------------------


def _alike(name: Any, held: Iterable[tuple[Any, Likeness]]) -> list[Any]:
    """The names of what is like the value of a name, the most similar names first."""
    found = dict(held)
    own = found.get(name)
    same = [each for each, seen in found.items() if own is not None and seen == own and each != name]
    key = str(name)
    return sorted(same, key=lambda each: -difflib.SequenceMatcher(None, key, str(each)).ratio())[:_MOST_NAMES]


def names(node: ast.Name, context: Context) -> Iterator[ast.expr]:
    """Other variables of the same kind and shape."""
    if node.id not in context.hidden:
        for each in _alike(node.id, context.scope.names.items()):
            if each not in context.hidden:
                yield ast.Name(each, ast.Load())


def _name(node: ast.Name, context: Context) -> Iterator[ast.expr]:
    own = context.likeness(node.id)
    yield from names(node, context)
    yield from _transposed(node, own, context)
    if context.is_index:
        yield from _beside(node) if own == NUMBER else ()
    elif own == NUMBER or is_array(own):
        yield ast.BinOp(node, ast.Pow(), ast.Constant(2))
    if is_array(own) and not context.is_index:
        for function in context.functions:
            yield ast.Call(ast.parse(function, mode="eval").body, [node], [])


def _beside(node: ast.expr) -> Iterator[ast.expr]:
    yield ast.BinOp(node, ast.Sub(), ast.Constant(1))
    yield ast.BinOp(node, ast.Add(), ast.Constant(1))


def _transposed(node: ast.expr, seen: Likeness, context: Context) -> Iterator[ast.expr]:
    if context.is_factor and (seen is None or len(seen[1]) == 2):
        yield ast.Attribute(node, "T", ast.Load())
    elif context.is_factor and seen is not None and len(seen[1]) > 2 and seen[1][-1] == seen[1][-2]:
        swapped = ast.Attribute(node, "swapaxes", ast.Load())
        yield ast.Call(swapped, [ast.Constant(-1), ast.Constant(-2)], [])


def _attribute(node: ast.Attribute, context: Context) -> Iterator[ast.expr]:
    if node.attr == "T":
        yield node.value
    elif isinstance(node.value, ast.Name):
        held = context.scope.members.get(node.value.id, {})
        for each in _alike(node.attr, held.items()):
            yield ast.Attribute(node.value, each, ast.Load())
        if node.attr in held:
            yield from _transposed(node, held[node.attr], context)
            if is_array(held[node.attr]):
                yield ast.BinOp(node, ast.Pow(), ast.Constant(2))


def _subscript(node: ast.Subscript, context: Context) -> Iterator[ast.expr]:
    held: Any = context.scope.members.get(node.value.id, {}) if isinstance(node.value, ast.Name) else {}
    if isinstance(node.slice, ast.Slice | ast.Tuple):
        return
    if isinstance(node.slice, ast.Constant) and node.slice.value in held:
        for each in _alike(node.slice.value, held.items()):
            yield ast.Subscript(node.value, ast.Constant(each), ast.Load())
        yield from _transposed(node, held[node.slice.value], context)
    else:
        yield from _transposed(node, None, context)
    if not context.is_index:
        yield ast.BinOp(node, ast.Pow(), ast.Constant(2))


def _slice(node: ast.Slice, _: Context) -> Iterator[ast.expr]:
    """a[:n] for a[n:], a[-n:] for a[:n], and none of its bounds."""
    none = ast.Constant(None)
    lower, upper, step = (each or none for each in (node.lower, node.upper, node.step))
    if node.lower is None or node.upper is None:
        yield _slice_of(upper, lower, step)
    if node.lower is None and node.upper is not None:
        yield _slice_of(ast.UnaryOp(ast.USub(), upper), none, step)
    if isinstance(node.lower, ast.UnaryOp):
        yield _slice_of(none, node.lower.operand, step)
    for k, bound in enumerate((node.lower, node.upper, node.step)):
        if bound is not None:
            bounds = [lower, upper, step]
            bounds[k] = none
            yield _slice_of(*bounds)
        if bound is not None and k < 2:
            for each in _beside(bound):
                bounds = [lower, upper, step]
                bounds[k] = each
                yield _slice_of(*bounds)


def _slice_of(*bounds: ast.expr) -> ast.expr:
    return ast.Call(ast.Name("slice", ast.Load()), list(bounds), [])


def swaps(node: ast.expr, context: Context) -> Iterator[ast.expr]:
    """Two variables of an expression in the place of each other."""
    own = sorted({each.id for each in ast.walk(node) if isinstance(each, ast.Name)})
    for one, other in itertools.combinations(own, 2):
        if context.likeness(one) == context.likeness(other) is not None:
            swapped = copy.deepcopy(node)
            for each in ast.walk(swapped):
                if isinstance(each, ast.Name):
                    each.id = {one: other, other: one}.get(each.id, each.id)
            yield swapped


# Operations --------------------------------------------------------------------------------------------------

_OTHER: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add, ast.MatMult),
    ast.Div: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
}
_COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Gt: (ast.Lt, ast.GtE),
    ast.Lt: (ast.Gt, ast.LtE),
    ast.GtE: (ast.LtE, ast.Gt),
    ast.LtE: (ast.GtE, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
}


def _operation(node: ast.BinOp, _: Context) -> Iterator[ast.expr]:
    left, op, right = node.left, node.op, node.right
    for other in _OTHER.get(type(op), ()):
        yield ast.BinOp(left, other(), right)
    yield left
    if isinstance(op, ast.Add | ast.Sub | ast.Mult | ast.MatMult):
        yield right
    if isinstance(op, ast.Sub | ast.Div | ast.MatMult):
        yield ast.BinOp(right, op, left)
    if isinstance(op, ast.Sub):
        yield ast.UnaryOp(ast.USub(), right)
    if isinstance(op, ast.Div):
        yield ast.BinOp(left, op, ast.BinOp(right, ast.Pow(), ast.Constant(2)))
    if isinstance(op, ast.MatMult):
        yield ast.Attribute(node, "T", ast.Load())


def _sign(node: ast.UnaryOp, _: Context) -> Iterator[ast.expr]:
    yield node.operand


def _comparison(node: ast.Compare, _: Context) -> Iterator[ast.expr]:
    for op in _COMPARED.get(type(node.ops[0]), ()) if len(node.ops) == 1 else ():
        yield ast.Compare(node.left, [op()], node.comparators)


def _constant(node: ast.Constant, context: Context) -> Iterator[ast.expr]:
    value, new = node.value, list[Any]()
    if value is None:
        new = [0, 1, -1]
    elif isinstance(value, bool):
        new = [not value]
    elif isinstance(value, int):
        new = [value + 1, value - 1, -value, 2 * value, value + 2, value - 2]
        if context.is_index:
            for name, seen in context.scope.names.items():
                if seen == NUMBER and name not in context.hidden:
                    yield ast.Name(name, ast.Load())
    elif isinstance(value, float):
        new = [-value, 2 * value, value / 2, value * value, value + 1, value - 1, 1.0, 0.0]
        new += [1 / value, value**0.5] if value > 0 else []
    yield from (ast.Constant(each) for each in new)


def _row(node: ast.Tuple | ast.List, _: Context) -> Iterator[ast.expr]:
    """Two elements the other way round."""
    for i, j in itertools.combinations(range(min(len(node.elts), 4)), 2):
        elements = list(node.elts)
        elements[i], elements[j] = elements[j], elements[i]
        yield type(node)(elements, ast.Load())


_BY_TYPE: dict[type[ast.expr], Callable[[Any, Context], Iterator[ast.expr]]] = {
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Slice: _slice,
    ast.BinOp: _operation,
    ast.UnaryOp: _sign,
    ast.Compare: _comparison,
    ast.Constant: _constant,
    ast.Tuple: _row,
    ast.List: _row,
    ast.Call: calls,
}
