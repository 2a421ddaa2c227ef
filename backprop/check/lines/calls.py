"""Alternatives to a call: another function, other arguments, another axis."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Sequence

from backprop.check.lines.context import MODULES, Context

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


def calls(node: ast.Call, context: Context) -> Iterator[ast.expr]:
    """Other functions and arguments of a call, its arguments the other way round, and one without the call."""
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
    is_method = value is not None and not (isinstance(value, ast.Name) and value.id in MODULES)
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
