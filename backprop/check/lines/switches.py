"""Switches: small constants, updates and products in a source, each of which can be turned off for a trial.

np.sqrt(var + eps)    becomes    np.sqrt(__sum__(7, 1, var, eps))       var where 7 is off
W -= rate * dW                   W -= __change__(8, W, rate * dW)       W where 8 is off
"""

from __future__ import annotations

import ast
import contextlib
import itertools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.events import array_of, hooks
from backprop.check.lines.exchange import instrumented
from backprop.check.lines.sites import Role, Site

SUM, CHANGE, PRODUCT = "__backprop_sum__", "__backprop_change__", "__backprop_product__"
_LARGEST = 0.011
"""A constant that is larger is no ε."""
Node = TypeVar("Node", ast.expr, ast.stmt)
_NUMBERS = itertools.count()


@dataclass
class Switches:
    """The switches of a source, by number, and what they have seen.

    tensors: the tensors of the point, by name. off: the switches that are off. small: the small constants. updates:
    the tensor of the point that a sum updates, and the change that it adds. others: sums that have also changed
    arrays that are no tensor of the point. square: the side, left or right, of a product's factor that is a square
    tensor of the point.
    """

    tensors: Mapping[str, Array]
    off: frozenset[int] = frozenset()
    small: dict[int, float] = field(default_factory=dict)
    updates: dict[int, tuple[str, Array]] = field(default_factory=dict)
    others: set[int] = field(default_factory=set)
    square: dict[int, str] = field(default_factory=dict)

    def on_sum(self, number: int, sign: int, left: Any, right: Any, *named: bool) -> Any:
        """left + right, or left - right; an off switch leaves out the small constant, or else `right`.

        named: of left and of right, whether it is a constant or a name in the source, and not computed there.
        """
        if named[0] and sign > 0 and self._is_small(number, left):
            return (0 * left if number in self.off else left) + right
        by = self.on_change(number, left, right, named[1])
        return left + by if sign > 0 else left - by

    def on_change(self, number: int, old: Any, change: Any, named: bool) -> Any:
        """The change by which a statement updates an array; zero if the switch is off."""
        if not (named and self._is_small(number, change)):
            self._compare(number, old, change)
        return 0 * change if number in self.off else change

    def on_product(self, number: int, left: Any, right: Any, by: Any = operator.matmul) -> Any:
        """by(left, right); if the switch is off, the factor that is a square tensor of the point is transposed."""
        if number in self.off:
            return by(left, right.T) if self.square[number] == "right" else by(left.T, right)
        for side, value in (("right", right), ("left", left)):
            array = array_of(value)
            if array is not None and array.ndim == 2 and array.shape == array.shape[::-1]:
                both = (one for each in self.tensors.values() for one in (each, each.T))
                if any(np.array_equal(array, one) for one in both):
                    self.square.setdefault(number, side)
        return by(left, right)

    def _is_small(self, number: int, value: Any) -> bool:
        constant = float(value) if isinstance(value, float | np.floating) else 0.0
        if not 0 < abs(constant) < _LARGEST:
            return False
        self.small.setdefault(number, constant)
        return True

    def _compare(self, number: int, old: Any, change: Any) -> None:
        """Note whether `old`, the array that is updated, equals a tensor of the point."""
        array, by = array_of(old), array_of(change)
        if array is None or by is None or number in self.off:
            return
        names = (name for name, each in self.tensors.items() if np.array_equal(each, array))
        name = next(names, None) if by.shape == array.shape else None
        if name is None:
            self.others.add(number)
        else:
            self.updates.setdefault(number, (name, np.array(by)))


@contextlib.contextmanager
def switched(sources: Sequence[Callable[..., Any]], switches: Switches) -> Iterator[dict[int, Site]]:
    """While it lasts, the code of functions has switches, where it can be changed; gives their sites by number."""
    found = {SUM: switches.on_sum, CHANGE: switches.on_change, PRODUCT: switches.on_product}
    with instrumented((), sources, _with_switches) as sites, hooks(found):
        yield sites


def _with_switches(tree: ast.Module, path: str, _: str) -> tuple[ast.Module, dict[int, Site]]:
    """The tree of a source with its switches, and their sites."""
    sites: dict[int, Site] = {}
    changed: ast.Module = _Switches(path, sites).visit(tree)
    return ast.fix_missing_locations(changed), sites


class _Switches(ast.NodeTransformer):
    """Puts a switch at every sum, difference, update and matrix product."""

    def __init__(self, path: str, sites: dict[int, Site]) -> None:
        self.path, self.sites = path, sites

    def _call(self, hook: str, place: ast.expr | ast.stmt, role: Role, *values: ast.expr) -> ast.expr:
        number = next(_NUMBERS)
        text = ast.unparse(place)
        self.sites[number] = Site(number, self.path, place.lineno, place.col_offset, role, "", text)
        call = ast.Call(ast.Name(hook, ast.Load()), [ast.Constant(number), *values], [])
        return ast.copy_location(call, place)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        return self._sum(node, "value")

    def _sum(self, node: ast.BinOp, role: Role) -> ast.expr:
        """The call in the place of a sum, difference or product; role: `change` in a statement a = a + …."""
        text = _again(node)
        named: list[ast.expr] = [ast.Constant(_is_named(each)) for each in (node.left, node.right)]
        self.generic_visit(node)
        if isinstance(node.op, ast.MatMult):
            return self._call(PRODUCT, text, role, node.left, node.right)
        if not isinstance(node.op, ast.Add | ast.Sub):
            return node
        sign = ast.Constant(1 if isinstance(node.op, ast.Add) else -1)
        return self._call(SUM, text, role, sign, node.left, node.right, *named)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """np.dot(a, b) and a.dot(b) are products as well."""
        text, func = _again(node), node.func
        self.generic_visit(node)
        is_product = isinstance(func, ast.Attribute) and func.attr in ("dot", "matmul") and not node.keywords
        if not is_product or any(isinstance(each, ast.Starred) for each in node.args):
            return node
        if len(node.args) == 2:
            return self._call(PRODUCT, text, "value", *node.args, func)
        if len(node.args) == 1:
            by = ast.parse(f"lambda a, b: a.{func.attr}(b)", mode="eval").body  # type: ignore[attr-defined]
            return self._call(PRODUCT, text, "value", func.value, node.args[0], by)  # type: ignore[attr-defined]
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        value, target = node.value, ast.unparse(node.targets[0])
        if isinstance(value, ast.BinOp) and ast.unparse(value.left) == target:
            node.value = self._sum(value, "change")
        else:
            node.value = self.visit(value)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        text, named = _again(node), ast.Constant(_is_named(node.value))
        node.value = self.visit(node.value)
        is_call = any(isinstance(each, ast.Call) for each in ast.walk(node.target))  # it is not repeated
        if isinstance(node.op, ast.Add | ast.Sub) and not is_call:
            target = ast.parse(ast.unparse(node.target), mode="eval").body
            node.value = self._call(CHANGE, text, "change", target, node.value, named)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        """Only the body: decorators, defaults and annotations ran when the function was defined."""
        node.body = [self.visit(each) for each in node.body]
        return node


def _is_named(node: ast.expr) -> bool:
    """Whether a node is a constant or a name, as an ε is: 1e-5, eps, self.eps, settings["eps"]."""
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
    return isinstance(node, ast.Constant | ast.Name | ast.Attribute)


def _again(node: Node) -> Node:
    """A copy of a node, which keeps its text when the node is changed."""
    same: Any = ast.parse(ast.unparse(node)).body[0]
    same = same.value if isinstance(same, ast.Expr) else same
    return cast("Node", ast.copy_location(same, node))
