"""Expressions with edits: each part is itself, or an alternative where that is switched on."""

from __future__ import annotations

import ast
import copy
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from backprop.check.lines.alternatives import alternatives, names
from backprop.check.lines.calls import PRODUCTS
from backprop.check.lines.context import Context
from backprop.check.lines.insertions import insertions
from backprop.check.lines.scopes import Place

ON = "__backprop_on__"
_NUMBERS = itertools.count()
Node = TypeVar("Node", bound=ast.AST)
_NO_VALUES = {"shape", "ndim", "size", "dtype"}


@dataclass(frozen=True)
class Edit:
    """A change of a statement.

    place: of the statement; lines: all of its lines. line, column: where the change is; old, new: its code before and
    after. is_added: whether something is put in, where other edits replace a part by another. is_scale: whether only
    a constant factor changes: a sign, a number, a sum for a mean; or, known after a trial, that of the wrong tensors.
    """

    number: int
    place: Place
    lines: tuple[int, ...]
    line: int
    column: int
    old: str
    new: str
    is_added: bool = False
    is_scale: bool = False

    @property
    def rank(self) -> int:
        """How little it says that the edit makes a gradient right: many lines may lack a constant factor."""
        return 2 * self.is_added + self.is_scale


class Expressions:
    """Puts edits into the expressions of one statement after another.

    place, lines: of the statement. context: of its expressions. edits: all that were put in.
    """

    def __init__(self, path: str, context: Context) -> None:
        self.path = path
        self.place: Place = (path, 0, 0)
        self.lines: tuple[int, ...] = ()
        self.edits: list[Edit] = []
        self.context = context

    def edited(self, node: ast.expr, **changes: Any) -> ast.expr:
        """An expression with its edits and those of its parts; changes: of the context."""
        if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load) or isinstance(node, ast.JoinedStr):
            return node
        if isinstance(node, ast.Constant) and (isinstance(node.value, str | bytes) or node.value is Ellipsis):
            return node
        before, self.context = self.context, self.context.within(**changes)
        old = copy.deepcopy(node)
        others, added = list(alternatives(old, self.context)), list(insertions(old, self.context))
        if not isinstance(old, ast.Call):  # a function of it is put in
            added += [each for each in others if isinstance(each, ast.Call)]
            others = [each for each in others if not isinstance(each, ast.Call)]
        node = self._parts(node)
        scales = [each for each in others if _is_scale(old, each, self.context)]
        now = self.switch(old, node, [each for each in others if each not in scales])
        now = self.switch(old, now, scales, is_scale=True)
        found = self.switch(old, now, added, is_added=True)
        self.context = before
        return found

    def _parts(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Attribute):
            if node.attr not in _NO_VALUES:
                node.value = self._owner(node.value)
        elif isinstance(node, ast.Subscript):
            is_key = isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
            node.value = self._owner(node.value)
            node.slice = node.slice if is_key else self.edited(node.slice, is_index=True, is_factor=False)
        elif isinstance(node, ast.Call):
            self._call(node)
        elif isinstance(node, ast.Lambda | ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp):
            self._own_names(node)
        elif not isinstance(node, ast.Slice):
            op = getattr(node, "op", None)
            within = {
                "is_factor": isinstance(op, ast.MatMult),
                "is_term": self.context.is_term or isinstance(op, ast.Add | ast.Sub),
            }
            for name, value in ast.iter_fields(node):
                if isinstance(value, ast.expr):
                    setattr(node, name, self.edited(value, **within))
                elif isinstance(value, list) and all(isinstance(each, ast.expr) for each in value):
                    setattr(node, name, [self.edited(each, is_factor=False) for each in value])
        return node

    def _owner(self, node: ast.expr) -> ast.expr:
        """What an attribute or an entry is read of: another variable, and no calculation."""
        if not isinstance(node, ast.Name):
            return self.edited(node)
        return self.switch(node, node, names(node, self.context))

    def _call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if isinstance(node.func, ast.Attribute):
            node.func.value = self._owner(node.func.value)
        counts = isinstance(node.func, ast.Name) and node.func.id == "range"
        node.args = [self.edited(each, is_factor=name in PRODUCTS, is_index=counts) for each in node.args]
        for each in node.keywords:
            each.value = (
                each.value if each.arg == "out" else self.edited(each.value, is_factor=False, is_index=True)
            )

    def _own_names(self, node: Any) -> None:
        """A comprehension or lambda: its variables are not those of the scope."""
        own = [node.args] if isinstance(node, ast.Lambda) else [each.target for each in node.generators]
        inner = [each for one in own for each in ast.walk(one)]
        hidden = {getattr(each, "id", getattr(each, "arg", "")) for each in inner}
        for name in ("body", "elt", "key", "value"):
            part = getattr(node, name, None)
            if isinstance(part, ast.expr):
                setattr(node, name, self.edited(part, hidden=self.context.hidden | hidden))
        for each in getattr(node, "generators", ()):
            each.iter = self.edited(each.iter)

    def switch(self, old: ast.expr, now: ast.expr, others: Iterable[ast.expr], **kind: bool) -> ast.expr:
        """`now`, or one of the others where that is on."""
        found, numbers, text_of_old = now, list[int](), written(old)
        seen = {text_of_old}
        for each in others:
            text = written(each)
            if text not in seen:
                seen.add(text)
                numbers.append(self.edit(old, text_of_old, text, **kind))
                found = ast.IfExp(is_on(numbers[-1]), each, found)
        if len(numbers) > 1:  # one question where none of them is on
            first, *_, last = map(ast.Constant, numbers)
            some = ast.Compare(first, [ast.LtE(), ast.LtE()], [ast.Name(ON, ast.Load()), last])
            found = ast.IfExp(some, found, now)
        return located(found, old) if numbers else now

    def edit(self, node: ast.expr | ast.stmt, old: str, new: str, **kind: bool) -> int:
        """The number of a new edit of a node; old, new: its code; kind: the last fields of `Edit`."""
        number = next(_NUMBERS)
        line, column = getattr(node, "lineno", self.place[1]), getattr(node, "col_offset", self.place[2])
        self.edits.append(Edit(number, self.place, self.lines, line, column, old, new, **kind))
        return number


def _is_scale(old: ast.expr, new: ast.expr, context: Context) -> bool:
    """Whether an alternative differs in a number or a constant factor, or takes the mean for the sum; as a whole."""
    if context.is_term:
        return False
    if isinstance(old, ast.Constant):
        return not context.is_index and isinstance(old.value, int | float) and not isinstance(old.value, bool)
    if isinstance(old, ast.BinOp) and isinstance(old.op, ast.Mult | ast.Div):
        return isinstance(old.left, ast.Constant) or isinstance(old.right, ast.Constant)
    calls = [each for each in (old, new) if isinstance(each, ast.Call)]
    return sorted(each.func.attr for each in calls if isinstance(each.func, ast.Attribute)) == ["mean", "sum"]


def is_on(number: int) -> ast.expr:
    """The code that asks whether an edit is on."""
    return ast.Compare(ast.Name(ON, ast.Load()), [ast.Eq()], [ast.Constant(number)])


def located(node: Node, old: ast.AST) -> Node:
    """A new node, which is given the place of an old one, with its new parts; those with a place keep theirs.

    `ast.fix_missing_locations` would go through all the old parts as well, as often as edits share them.
    """
    ast.copy_location(node, old)
    parts = list(ast.iter_child_nodes(node))
    for each in parts:  # it grows
        if "lineno" in each._attributes and "lineno" not in vars(each):
            ast.copy_location(each, old)
            parts.extend(ast.iter_child_nodes(each))
    return node


def written(node: ast.AST) -> str:
    """A node as code: a slice in its brackets, and so the call of `slice` that stands for one."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "slice":
        is_given = [not (isinstance(each, ast.Constant) and each.value is None) for each in node.args]
        node = ast.Slice(*(each if given else None for each, given in zip(node.args, is_given, strict=True)))
    return f"[{ast.unparse(node)}]" if isinstance(node, ast.Slice) else ast.unparse(node)
