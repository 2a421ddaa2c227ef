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
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from backprop.check.lines.scopes import NUMBER, Likeness, Scope

_MOST_NAMES = 10
"""Of variables that are alike, those whose names resemble the one that is read most."""


@dataclass(frozen=True)
class Context:
    """What is known of the place of an expression.

    is_factor: whether it is an operand of a matrix product. is_index: whether it is an index or a part of one.
    hidden: names that mean something else here than in the scope, such as those of a comprehension.
    functions: the functions of one argument that the source calls; own: those of them that it defines.
    factors: what the source multiplies or divides by, and has no name.
    """

    scope: Scope
    is_factor: bool = False
    is_index: bool = False
    hidden: frozenset[str] = frozenset()
    functions: Sequence[str] = ()
    own: Sequence[str] = ()
    factors: Sequence[tuple[ast.operator, ast.expr]] = ()

    def within(self, **changes: Any) -> Context:
        """The context of a part of the expression."""
        return replace(self, **changes)

    def likeness(self, name: str) -> Likeness:
        """The likeness of a variable; None where it is hidden."""
        return None if name in self.hidden else self.scope.names.get(name)

    def holds(self, node: ast.expr) -> bool:
        """Whether all variables of an expression have a value here."""
        names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        return all(name in self.scope.names and name not in self.hidden for name in names - _MODULES)


_MODULES = {"np", "numpy", "math", "torch", "jnp", "len", "float", "int"}


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
    elif own == NUMBER or _is_array(own):
        yield ast.BinOp(node, ast.Pow(), ast.Constant(2))
    if _is_array(own) and not context.is_index:
        for function in context.functions:
            yield ast.Call(ast.parse(function, mode="eval").body, [node], [])


def _beside(node: ast.expr) -> Iterator[ast.expr]:
    yield ast.BinOp(node, ast.Sub(), ast.Constant(1))
    yield ast.BinOp(node, ast.Add(), ast.Constant(1))


def _is_array(seen: Likeness) -> bool:
    return seen is not None and "float" in seen[0]


def _transposed(node: ast.expr, seen: Likeness, context: Context) -> Iterator[ast.expr]:
    if context.is_factor and (seen is None or len(seen[1]) == 2):
        yield ast.Attribute(node, "T", ast.Load())


def _attribute(node: ast.Attribute, context: Context) -> Iterator[ast.expr]:
    if node.attr == "T":
        yield node.value
    elif isinstance(node.value, ast.Name):
        held = context.scope.members.get(node.value.id, {})
        for each in _alike(node.attr, held.items()):
            yield ast.Attribute(node.value, each, ast.Load())
        if node.attr in held:
            yield from _transposed(node, held[node.attr], context)
            if _is_array(held[node.attr]):
                yield ast.BinOp(node, ast.Pow(), ast.Constant(2))


def _subscript(node: ast.Subscript, context: Context) -> Iterator[ast.expr]:
    held: Any = context.scope.members.get(node.value.id, {}) if isinstance(node.value, ast.Name) else {}
    if isinstance(node.slice, ast.Constant) and node.slice.value in held:
        for each in _alike(node.slice.value, held.items()):
            yield ast.Subscript(node.value, ast.Constant(each), ast.Load())
        yield from _transposed(node, held[node.slice.value], context)
    elif not isinstance(node.slice, ast.Slice | ast.Tuple):
        yield from _transposed(node, None, context)


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


# Operations --------------------------------------------------------------------------------------------------

_OTHER: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add, ast.MatMult),
    ast.Div: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
}
_MULTIPLES = (2, 3, 0.5)
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
    if isinstance(op, ast.Add | ast.Sub):
        for by in _MULTIPLES:
            yield ast.BinOp(left, op, ast.BinOp(right, ast.Mult(), ast.Constant(by)))
            yield ast.BinOp(ast.BinOp(left, ast.Mult(), ast.Constant(by)), op, right)
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
        new = [-value, 2 * value, value / 2, value**2, value + 1, value - 1, 1.0, 0.0]
        new += [1 / value, value**0.5] if value > 0 else []
    yield from (ast.Constant(each) for each in new)


def _row(node: ast.Tuple | ast.List, _: Context) -> Iterator[ast.expr]:
    """Two elements the other way round."""
    for i, j in itertools.combinations(range(min(len(node.elts), 4)), 2):
        elements = list(node.elts)
        elements[i], elements[j] = elements[j], elements[i]
        yield type(node)(elements, ast.Load())


# Calls -------------------------------------------------------------------------------------------------------

_FUNCTIONS = {
    "sum": "mean",
    "max": "min",
    "maximum": "minimum",
    "sin": "cos",
    "zeros_like": "ones_like",
    "triu": "tril",
    "argmax": "argmin",
    "exp": "log",
    "sqrt": "square",
}
_FUNCTIONS |= {other: one for one, other in _FUNCTIONS.items()}
_REDUCTIONS = {"sum", "mean", "max", "min", "prod", "std", "var"}
PRODUCTS = {"dot", "matmul", "inner", "outer", "solve"}


def _call(node: ast.Call, context: Context) -> Iterator[ast.expr]:
    function, arguments, keywords = node.func, node.args, node.keywords
    name = function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)
    is_plain = not any(isinstance(each, ast.Starred) for each in arguments)

    def called(
        function: ast.expr = function,
        arguments: Sequence[ast.expr] = arguments,
        keywords: Sequence[ast.keyword] = keywords,
    ) -> ast.Call:
        return ast.Call(function, list(arguments), list(keywords))

    if name in context.own and len(arguments) + len(keywords) == 1:
        for each in context.own:
            yield called(ast.Name(each, ast.Load()))
    if isinstance(function, ast.Attribute) and name in _FUNCTIONS:
        yield called(ast.Attribute(function.value, _FUNCTIONS[name], ast.Load()))
    if is_plain and len(arguments) > 1 and not isinstance(arguments[0], ast.Constant):
        first, second, *others = arguments
        yield called(arguments=[second, first, *others])
        if others:
            yield called(arguments=[first, others[0], second, *others[1:]])
    if isinstance(function, ast.Attribute) and name in ("dot", "matmul") and len(arguments) == 1:
        yield called(ast.Attribute(arguments[0], name, ast.Load()), [function.value])
    if name == "einsum" and arguments and isinstance(arguments[0], ast.Constant):
        for text in _einsums(str(arguments[0].value)):
            yield called(arguments=[ast.Constant(text), *arguments[1:]])
    if is_plain and len(arguments) == 1:
        yield arguments[0]
    if name in _REDUCTIONS:
        yield from _reduction(node, context)
    for k, keyword in enumerate(keywords):
        if keyword.arg not in (None, "out", "dtype"):
            yield called(keywords=[*keywords[:k], *keywords[k + 1 :]])


def _reduction(node: ast.Call, context: Context) -> Iterator[ast.expr]:
    """A sum with an axis, and with its axis kept; and what it sums."""
    given = {each.arg for each in node.keywords}
    value = node.func.value if isinstance(node.func, ast.Attribute) else None
    is_method = value is not None and not (isinstance(value, ast.Name) and value.id in _MODULES)
    kept = ast.keyword("keepdims", ast.Constant(True))
    if "axis" not in given and len(node.args) == (not is_method):
        for axis in (0, 1, -1):
            along = ast.keyword("axis", ast.Constant(axis))
            yield ast.Call(node.func, node.args, [*node.keywords, along])
            yield ast.Call(node.func, node.args, [*node.keywords, along, kept])
    if "keepdims" not in given:
        yield ast.Call(node.func, node.args, [*node.keywords, kept])
    if is_method and value is not None:
        yield value


def _einsums(text: str) -> Iterator[str]:
    """The subscripts with two letters of a term exchanged."""
    left, arrow, right = text.replace(" ", "").partition("->")
    terms = [*left.split(","), *([right] if arrow else [])]
    for k, term in enumerate(terms):
        for i, j in itertools.combinations(range(len(term)), 2):
            letters = list(term)
            letters[i], letters[j] = letters[j], letters[i]
            new = [*terms[:k], "".join(letters), *terms[k + 1 :]]
            yield ",".join(new[:-1]) + f"->{new[-1]}" if arrow else ",".join(new)


# What is left out --------------------------------------------------------------------------------------------


def additions(node: ast.expr, shape: tuple[int, ...] | None, context: Context) -> Iterator[ast.expr]:
    """What a value may lack as a whole: a factor, a term, a transpose. shape: its own, where it is known."""
    for op in (ast.Mult(), ast.Div()):
        yield ast.BinOp(node, op, ast.Constant(2))
    if shape is not None and len(shape) == 2 and shape[0] == shape[1]:
        yield ast.Attribute(node, "T", ast.Load())
    for name, seen in context.scope.names.items():
        operators: list[ast.operator] = []
        if seen == NUMBER:
            operators = [ast.Div(), ast.Mult()]
        elif seen is not None and shape is not None and _is_array(seen) and len(seen[1]) == len(shape):
            if seen[1] == shape:
                operators = [ast.Add(), ast.Mult()]
            elif all(a in (1, b) for a, b in zip(seen[1], shape, strict=True)):
                operators = [ast.Mult(), ast.Div()]
        for each in operators:
            yield ast.BinOp(node, each, ast.Name(name, ast.Load()))
    for op, factor in context.factors:
        if context.holds(factor):
            yield ast.BinOp(node, op, factor)


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
    ast.Call: _call,
}


# The source --------------------------------------------------------------------------------------------------

_MATH = {"tanh", "exp", "log", "sqrt", "sin", "cos", "abs", "sign", "square", "log1p", "expm1"}
_MOST_FUNCTIONS = 6


@dataclass(frozen=True)
class Ingredients:
    """What a source is made of; a slip often lacks what stands elsewhere in it. The fields are those of `Context`."""

    functions: Sequence[str] = field(default_factory=list)
    own: Sequence[str] = field(default_factory=list)
    factors: Sequence[tuple[ast.operator, ast.expr]] = field(default_factory=list)


def ingredients(tree: ast.Module) -> Ingredients:
    """The functions of one argument and the factors of a source."""
    defined = {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}
    functions, own = dict[str, None](), dict[str, None]()
    factors: dict[str, tuple[ast.operator, ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
            text = ast.unparse(node.func)
            module, _, name = text.rpartition(".")
            if text in defined:
                own[text] = functions[text] = None
            elif module in _MODULES and name in _MATH:
                functions[text] = None
        by = node.right if isinstance(node, ast.BinOp) else getattr(node, "value", None)
        op = getattr(node, "op", None)
        if isinstance(op, ast.Mult | ast.Div) and isinstance(by, ast.expr):
            if not isinstance(by, ast.Name | ast.Constant):
                factors[f"{type(op).__name__} {ast.unparse(by)}"] = op, copy.deepcopy(by)
    return Ingredients(list(functions)[:_MOST_FUNCTIONS], list(own), list(factors.values()))
