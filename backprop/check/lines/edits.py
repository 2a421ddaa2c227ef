"""Edits: small changes of a source, each of which can be switched on for a trial.

    dh = dy @ W.T        becomes   dh = (dz if __on__ == 7 else dy) @ (W if __on__ == 8 else W.T)

They undo the slips that people make: another sign, operation, variable, index, axis or power, a transpose too many or
too few, a factor that is left out, = for +=.
"""

from __future__ import annotations

import ast
import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from backprop.check.lines.alternatives import swaps
from backprop.check.lines.context import Context, context_of
from backprop.check.lines.events import hooks
from backprop.check.lines.exchange import Exchange
from backprop.check.lines.expressions import ON, Edit, Expressions, is_on, located, written
from backprop.check.lines.insertions import additions
from backprop.check.lines.scopes import Place, Scope
from backprop.check.lines.sites import Site

TURN = "__backprop_turn__"
_MOST_TURNS = 10_000
"""Turns of all while loops in a run with an edit, some of which never end."""


Shapes = Mapping[tuple[str, int, str], tuple[int, ...]]
"""The shapes of variables by file, line of their assignment, and name."""


@contextlib.contextmanager
def edited(
    exchange: Exchange,
    scopes: Mapping[Place, Scope],
    wanted: Callable[[Place, tuple[int, ...]], bool],
    shapes: Shapes,
) -> Iterator[list[Edit]]:
    """While it lasts, the code of a program has edits, which `switched_on` switches on; gives these.

    wanted: whether a statement is edited, by its place and its lines.
    """
    edits: list[Edit] = []

    def with_edits(tree: ast.Module, path: str, whole: str) -> tuple[ast.Module, dict[int, Site]]:
        editor = _Editor(path, context_of(ast.parse(whole)), scopes, wanted, shapes)
        changed = editor.visit(tree)
        edits.extend(editor.edits)
        return changed, {}

    with hooks({ON: -1, TURN: lambda: None}), exchange(with_edits):
        yield edits


def switched_on(edit: Edit) -> contextlib.AbstractContextManager[None]:
    """Switch an edit on, and no other; the code raises `StopIteration` where its loops do not end."""
    turns = iter(range(_MOST_TURNS))
    return hooks({ON: edit.number, TURN: lambda: next(turns)})


class _Editor(Expressions, ast.NodeTransformer):
    """Puts the edits into statements."""

    def __init__(
        self,
        path: str,
        context: Context,
        scopes: Mapping[Place, Scope],
        wanted: Callable[[Place, tuple[int, ...]], bool],
        shapes: Shapes,
    ) -> None:
        super().__init__(path, context)
        self.scopes, self.wanted, self.shapes = scopes, wanted, shapes

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
            call.args[1:] = [self.edited(each) for each in call.args[1:]]
            is_plain = not any(isinstance(each, ast.Starred) for each in call.args)
            if len(call.args) > 2 and is_plain:
                swapped = ast.Call(
                    old.func, [old.args[0], *reversed(old.args[1:3]), *old.args[3:]], old.keywords
                )
                node.value = self.switch(old, call, [swapped])
        return node

    def visit_For(self, node: ast.For) -> ast.stmt:
        """The order of a loop, and its range."""
        back = ast.Call(ast.Name("reversed", ast.Load()), [copy.deepcopy(node.iter)], [])
        node.iter = self.switch(copy.deepcopy(node.iter), self.edited(node.iter), [back])
        return node

    def visit_While(self, node: ast.While) -> ast.stmt:
        """A loop that may not end is counted."""
        node.body.insert(0, located(ast.Expr(ast.Call(ast.Name(TURN, ast.Load()), [], [])), node))
        return node

    def visit_If(self, node: ast.If) -> ast.stmt:
        """The condition, its contrary, and none."""
        old = copy.deepcopy(node.test)
        others = [ast.UnaryOp(ast.Not(), old), ast.Constant(True), ast.Constant(False)]
        node.test = self.switch(old, self.edited(node.test), others)
        return node

    def _either(self, old: ast.stmt, now: ast.stmt, new: ast.stmt, text: str = "") -> ast.stmt:
        new = located(new, old)
        number = self.edit(old, written(old), text or ast.unparse(new))
        return located(ast.If(is_on(number), [new], [now]), old)

    def _indexed(self, target: ast.expr) -> None:
        if isinstance(target, ast.Subscript):
            target.slice = self.edited(target.slice, is_index=True)

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
        now = self.switch(old, self.edited(value), [ast.UnaryOp(ast.USub(), old)], is_scale=True)
        now = self.switch(old, now, swaps(old, self.context))
        return self.switch(old, now, additions(old, shape, self.context), is_added=True)
