"""Edits: small changes of a source, each of which can be switched on for a trial.

    dh = dy @ W.T        becomes   dh = (dz if __on__ == 7 else dy) @ (W if __on__ == 8 else W.T)

They undo the slips that people make: another sign, operation, variable, index, axis or power, a transpose too many or
too few, a factor that is left out, = for +=.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backprop.check.lines.alternatives import alternatives, names
from backprop.check.lines.calls import PRODUCTS
from backprop.check.lines.context import Context, ingredients
from backprop.check.lines.events import hooks
from backprop.check.lines.exchange import instrumented
from backprop.check.lines.insertions import additions, insertions
from backprop.check.lines.scopes import Place, Scope
from backprop.check.lines.sites import Site

ON, TURN = "__backprop_on__", "__backprop_turn__"
_MOST_TURNS = 10_000
"""Turns of all while loops in a run with an edit, some of which never end."""
_NUMBERS = itertools.count()
_NO_VALUES = {"shape", "ndim", "size", "dtype"}


@dataclass(frozen=True)
class Edit:
    """A change of a statement.

    place: of the statement; lines: all of its lines. line, column: where the change is; old, new: its code before and
    after. is_added: whether something is put in, where other edits replace a part by another. is_scale: whether only
    a constant factor changes: a number, a sum for a mean; or, known after a trial, that of the wrong tensors.
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


Shapes = Mapping[tuple[str, int, str], tuple[int, ...]]
"""The shapes of variables by file, line of their assignment, and name."""


@contextlib.contextmanager
def edited(
    sources: Sequence[Callable[..., Any]],
    scopes: Mapping[Place, Scope],
    wanted: Callable[[Place, tuple[int, ...]], bool],
    shapes: Shapes,
) -> Iterator[list[Edit]]:
    """While it lasts, the code of functions has edits, which `switched_on` switches on; gives these.

    wanted: whether a statement is edited, by its place and its lines.
    """
    edits: list[Edit] = []

    def with_edits(source: str, path: str) -> tuple[ast.Module, dict[int, Site]]:
        editor = _Editor(path, scopes, wanted, shapes)
        tree = editor.of(ast.parse(source))
        edits.extend(editor.edits)
        return ast.fix_missing_locations(tree), {}

    with instrumented((), sources, with_edits), hooks({ON: -1, TURN: lambda: None}):
        yield edits


def switched_on(edit: Edit) -> contextlib.AbstractContextManager[None]:
    """Switch an edit on, and no other; the code raises `StopIteration` where its loops do not end."""
    turns = iter(range(_MOST_TURNS))
    return hooks({ON: edit.number, TURN: lambda: next(turns)})


class _Editor(ast.NodeTransformer):
    """Puts the edits into the statements of functions."""

    def __init__(
        self,
        path: str,
        scopes: Mapping[Place, Scope],
        wanted: Callable[[Place, tuple[int, ...]], bool],
        shapes: Shapes,
    ) -> None:
        self.path, self.scopes, self.wanted, self.shapes = path, scopes, wanted, shapes
        self.edits: list[Edit] = []
        self.context = Context(Scope())

    def of(self, tree: ast.Module) -> ast.Module:
        """The tree with edits."""
        found = ingredients(tree)
        self.context = self.context.within(**vars(found))
        changed: ast.Module = self.visit(tree)
        return changed

    # Statements ------------------------------------------------------------------------------------------

    def visit(self, node: ast.AST) -> Any:
        """Visit a statement; only one that ran, and is wanted, is changed itself."""
        if not isinstance(node, ast.stmt):
            return self.generic_visit(node) if not isinstance(node, ast.expr) else node
        place = self.path, node.lineno, node.col_offset
        body = getattr(node, "body", None)
        end = node.lineno if body else node.end_lineno or node.lineno
        self.place, self.lines = place, tuple(range(node.lineno, end + 1))
        method = getattr(self, f"visit_{type(node).__name__}", None)
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if isinstance(node, ast.While):
            node = self.visit_While(node)
        elif method and place in self.scopes and self.wanted(place, self.lines) and not is_function:
            self.context = self.context.within(scope=self.scopes[place])
            node = method(node)
        return self.generic_visit(node) if body else node

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        """What is assigned; and = for +=."""
        old, target = copy.deepcopy(node), node.targets[0]
        self._indexed(target)
        node.value = self._value(node.value, target)
        is_place = isinstance(target, ast.Subscript | ast.Attribute)
        is_known = isinstance(target, ast.Name) and target.id in self.context.scope.names
        if len(node.targets) > 1 or not (is_place or is_known):
            return node
        held = ast.parse(ast.unparse(old.targets[0]), mode="eval").body
        # Not in place: what it held may be an array of the user's.
        added = ast.Assign(old.targets, ast.BinOp(held, ast.Add(), old.value))
        return self._either(old, node, added, f"{ast.unparse(held)} += {ast.unparse(old.value)}")

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        """What is assigned."""
        if node.value is not None:
            node.value = self._value(node.value, node.target)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        """What is added, another sign, = for +=, and nothing."""
        old = copy.deepcopy(node)
        self._indexed(node.target)
        node.value = self._value(node.value, node.target)
        found: ast.stmt = node
        pairs = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
        if type(old.op) in pairs:
            found = self._either(old, found, ast.AugAssign(old.target, pairs[type(old.op)](), old.value))
        found = self._either(old, found, ast.Assign([old.target], old.value))
        return self._either(old, found, ast.Pass())

    def visit_Return(self, node: ast.Return) -> ast.stmt:
        """What is handed back."""
        if node.value is not None:
            node.value = self._value(node.value)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        """The arguments of a call for its own sake, but not what it changes."""
        call = node.value
        if isinstance(call, ast.Call):
            old = copy.deepcopy(call)
            call.args[1:] = [self._edited(each) for each in call.args[1:]]
            is_plain = not any(isinstance(each, ast.Starred) for each in call.args)
            if len(call.args) > 2 and is_plain:
                swapped = ast.Call(
                    old.func, [old.args[0], *reversed(old.args[1:3]), *old.args[3:]], old.keywords
                )
                node.value = self._switch(old, call, [swapped])
        return node

    def visit_For(self, node: ast.For) -> ast.stmt:
        """The order of a loop, and its range."""
        back = ast.Call(ast.Name("reversed", ast.Load()), [copy.deepcopy(node.iter)], [])
        node.iter = self._switch(copy.deepcopy(node.iter), self._edited(node.iter), [back])
        return node

    def visit_While(self, node: ast.While) -> ast.stmt:
        """A loop that may not end is counted."""
        node.body.insert(0, ast.copy_location(ast.Expr(ast.Call(ast.Name(TURN, ast.Load()), [], [])), node))
        return node

    def visit_If(self, node: ast.If) -> ast.stmt:
        """The condition, its contrary, and none."""
        old = copy.deepcopy(node.test)
        others = [ast.UnaryOp(ast.Not(), old), ast.Constant(True), ast.Constant(False)]
        node.test = self._switch(old, self._edited(node.test), others)
        return node

    def _either(self, old: ast.stmt, now: ast.stmt, new: ast.stmt, text: str = "") -> ast.stmt:
        new = ast.fix_missing_locations(ast.copy_location(new, old))
        number = self._edit(old, text or ast.unparse(new))
        return ast.copy_location(ast.If(_is_on(number), [new], [now]), old)

    def _indexed(self, target: ast.expr) -> None:
        if isinstance(target, ast.Subscript):
            target.slice = self._edited(target.slice, is_index=True)

    def _value(self, value: ast.expr, target: ast.expr | None = None) -> ast.expr:
        """A value as a whole, with its parts."""
        if isinstance(value, ast.Tuple):
            value.elts = [self._value(each) for each in value.elts]
            return value
        old = copy.deepcopy(value)
        name = "" if target is None else ast.unparse(target)
        shape = next(
            (self.shapes[key] for n in self.lines if (key := (self.path, n, name)) in self.shapes), None
        )
        now = self._switch(old, self._edited(value), [ast.UnaryOp(ast.USub(), old)])
        return self._switch(old, now, additions(old, shape, self.context), is_added=True)

    # Expressions -----------------------------------------------------------------------------------------

    def _edited(self, node: ast.expr, **changes: Any) -> ast.expr:
        """An expression with its edits and those of its parts; changes: of the context."""
        if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load) or isinstance(node, ast.JoinedStr):
            return node
        if isinstance(node, ast.Constant) and (isinstance(node.value, str | bytes) or node.value is Ellipsis):
            return node
        before, self.context = self.context, self.context.within(**changes)
        old = copy.deepcopy(node)
        others, added = list(alternatives(old, self.context)), list(insertions(old, self.context))
        node = self._parts(node)
        scales = [each for each in others if _is_scale(old, each, self.context)]
        now = self._switch(old, node, [each for each in others if each not in scales])
        now = self._switch(old, now, scales, is_scale=True)
        found = self._switch(old, now, added, is_added=True)
        self.context = before
        return found

    def _parts(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Attribute):
            if node.attr not in _NO_VALUES:
                node.value = self._owner(node.value)
        elif isinstance(node, ast.Subscript):
            is_key = isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
            node.value = self._owner(node.value)
            node.slice = node.slice if is_key else self._edited(node.slice, is_index=True, is_factor=False)
        elif isinstance(node, ast.Call):
            self._call(node)
        elif isinstance(node, ast.Lambda | ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp):
            self._own_names(node)
        elif not isinstance(node, ast.Slice):
            is_product = isinstance(getattr(node, "op", None), ast.MatMult)
            for name, value in ast.iter_fields(node):
                if isinstance(value, ast.expr):
                    setattr(node, name, self._edited(value, is_factor=is_product))
                elif isinstance(value, list) and all(isinstance(each, ast.expr) for each in value):
                    setattr(node, name, [self._edited(each, is_factor=False) for each in value])
        return node

    def _owner(self, node: ast.expr) -> ast.expr:
        """What an attribute or an entry is read of: another variable, and no calculation."""
        if not isinstance(node, ast.Name):
            return self._edited(node)
        return self._switch(node, node, names(node, self.context))

    def _call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if isinstance(node.func, ast.Attribute):
            node.func.value = self._owner(node.func.value)
        node.args = [self._edited(each, is_factor=name in PRODUCTS, is_index=False) for each in node.args]
        for each in node.keywords:
            each.value = (
                each.value if each.arg == "out" else self._edited(each.value, is_factor=False, is_index=True)
            )

    def _own_names(self, node: Any) -> None:
        """A comprehension or lambda: its variables are not those of the scope."""
        own = [node.args] if isinstance(node, ast.Lambda) else [each.target for each in node.generators]
        inner = [each for one in own for each in ast.walk(one)]
        hidden = {getattr(each, "id", getattr(each, "arg", "")) for each in inner}
        for name in ("body", "elt", "key", "value"):
            part = getattr(node, name, None)
            if isinstance(part, ast.expr):
                setattr(node, name, self._edited(part, hidden=self.context.hidden | hidden))
        for each in getattr(node, "generators", ()):
            each.iter = self._edited(each.iter)

    def _switch(self, old: ast.expr, now: ast.expr, others: Iterable[ast.expr], **kind: bool) -> ast.expr:
        """`now`, or one of the others where that is on."""
        found, numbers, seen = now, list[int](), {ast.unparse(_readable(old))}
        for each in others:
            text = ast.unparse(_readable(each))
            if text not in seen:
                seen.add(text)
                numbers.append(self._edit(old, text, **kind))
                found = ast.IfExp(_is_on(numbers[-1]), each, found)
        if len(numbers) > 1:  # one question where none of them is on
            some = ast.parse(f"{numbers[0]} <= {ON} <= {numbers[-1]}", mode="eval").body
            found = ast.IfExp(some, found, now)
        return ast.copy_location(found, old) if numbers else now

    def _edit(self, old: ast.expr | ast.stmt, new: str, **kind: bool) -> int:
        number = next(_NUMBERS)
        line, column = getattr(old, "lineno", self.place[1]), getattr(old, "col_offset", self.place[2])
        text = ast.unparse(_readable(old))
        self.edits.append(Edit(number, self.place, self.lines, line, column, text, new, **kind))
        return number


def _is_scale(old: ast.expr, new: ast.expr, context: Context) -> bool:
    """Whether an alternative differs in a number or a constant factor, or takes the mean for the sum."""
    if isinstance(old, ast.Constant):
        return not context.is_index and isinstance(old.value, int | float) and not isinstance(old.value, bool)
    if isinstance(old, ast.BinOp) and isinstance(old.op, ast.Mult | ast.Div):
        return isinstance(old.left, ast.Constant) or isinstance(old.right, ast.Constant)
    calls = [each for each in (old, new) if isinstance(each, ast.Call)]
    return sorted(each.func.attr for each in calls if isinstance(each.func, ast.Attribute)) == ["mean", "sum"]


def _is_on(number: int) -> ast.expr:
    return ast.Compare(ast.Name(ON, ast.Load()), [ast.Eq()], [ast.Constant(number)])


def _readable(node: ast.AST) -> ast.AST:
    """A node that can be written as code: a slice only inside of brackets."""
    return ast.Tuple([node], ast.Load()) if isinstance(node, ast.Slice) else node
