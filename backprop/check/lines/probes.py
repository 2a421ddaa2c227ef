"""Probes: the user's source with a probe at each site, the place at which a value comes into being, or is read.

    dh = dlogits @ W2.T        becomes   dh = __at__(7, __at__(5, dlogits) @ __at__(6, W2.T))
    dW += x.T @ dz                       dW += __at__(8, …); dW = __after__(9, dW)
    dz[z <= 0] = 0                       dz[z <= 0] = 0; __inside__(10, dz, …)
    y = x * x                            y = __at__(12, __at__(11, x)) * __at__(13, __again__(11, x))

The probes are functions of backprop.check.lines.events. They hand on what they are given.
"""

from __future__ import annotations

import ast
import builtins
import itertools
from collections.abc import Sequence
from typing import Any

from backprop.check.lines.reads import carried, several
from backprop.check.lines.sites import AFTER, AGAIN, AT, INSIDE, Role, Site

_NO_VALUES = {"shape", "ndim", "size", "dtype"}
"""Attributes of an array that are no derivative, and whose probes would only cost time."""
_NUMBERS = itertools.count()


def instrument(tree: ast.Module, path: str, whole: str) -> tuple[ast.Module, dict[int, Site]]:
    """The tree of a source with its probes, and their sites by number; no two sites have the same number.

    whole: the code that the source is a part of.
    """
    sites: dict[int, Site] = {}
    modules = {
        (alias.asname or alias.name).split(".")[0]
        for node in ast.walk(ast.parse(whole))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    module: ast.Module = _Probes(path, sites, modules).visit(tree)
    return ast.fix_missing_locations(module), sites


def _copy(statement: ast.stmt) -> ast.stmt:
    """The statement as it is before probes are put into it."""
    return ast.copy_location(ast.parse(ast.unparse(statement)).body[0], statement)


class _Probes(ast.NodeTransformer):
    """Puts a probe around every operation, call, reading and assignment."""

    def __init__(self, path: str, sites: dict[int, Site], modules: set[str]) -> None:
        self.path, self.sites, self.modules, self.parameters = path, sites, modules, set[str]()
        self.reads = dict[str, int]()

    # Expressions -----------------------------------------------------------------------------------------

    def _probe(self, node: ast.expr, role: Role, name: str = "", text: str = "") -> ast.expr:
        return self._call(AT, node, role, name, text or ast.unparse(node), node)

    def _call(
        self, probe: str, place: ast.expr | ast.stmt, role: Role, name: str, text: str, *values: ast.expr
    ) -> ast.expr:
        site = Site(next(_NUMBERS), self.path, place.lineno, place.col_offset, role, name, text)
        self.sites[site.number] = site
        call = ast.Call(ast.Name(probe, ast.Load()), [ast.Constant(site.number), *values], [])
        return ast.copy_location(call, place)

    def _operation(self, node: ast.expr) -> ast.expr:
        text = ast.unparse(node)
        return self._probe(self._inner(node), "value", text=text)

    visit_BinOp = visit_UnaryOp = visit_IfExp = _operation

    def visit_Call(self, node: ast.Call) -> ast.expr:
        return self._operation(node)

    def _inner(self, node: ast.expr, name: str = "_") -> ast.expr:
        """The node with probes inside it, and none of its own; the entries of a dict are named after it."""
        if isinstance(node, ast.Dict):
            for k, (key, value) in enumerate(zip(node.keys, node.values, strict=True)):
                is_named = isinstance(key, ast.Constant) and isinstance(key.value, str)
                entry = f"{name}[{key.value!r}]" if is_named else ""  # type: ignore[union-attr]
                node.values[k] = self._assigned(value, entry) if entry else self.visit(value)
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                node.func.value = self.visit(node.func.value)
            is_known = isinstance(node.func, ast.Name) and hasattr(builtins, node.func.id)
            visit = self.visit if is_known or self._is_plain(node.func) else self._passed
            node.args = [visit(each) for each in node.args]
            is_dict = isinstance(node.func, ast.Name) and node.func.id == "dict"
            for each in node.keywords:
                is_entry = is_dict and each.arg is not None
                each.value = (
                    self._assigned(each.value, f"{name}[{each.arg!r}]") if is_entry else visit(each.value)
                )
        elif isinstance(node, ast.Attribute | ast.Subscript):  # an index holds no derivative
            node.value = self.visit(node.value)
        elif not isinstance(node, ast.Name):
            self.generic_visit(node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if not isinstance(node.ctx, ast.Load) or node.id in self.modules:
            return node
        is_returned = hasattr(node, "_role") and node.id in self.parameters
        return self._use(node, "returned" if is_returned else "use", node.id)

    def _use(self, node: ast.expr, role: Role, text: str) -> ast.expr:
        """A variable that is read; one that its statement reads several times is also a place for all these."""
        inner = node
        if self.reads.get(text) == 0:
            inner = self._probe(node, role, text=text)
            self.reads[text] = inner.args[0].value  # type: ignore[attr-defined]
        elif text in self.reads:
            inner = ast.copy_location(
                ast.Call(ast.Name(AGAIN, ast.Load()), [ast.Constant(self.reads[text]), node], []), node
            )
        return self._probe(inner, role, text=text)

    def _read(self, node: ast.Attribute | ast.Subscript) -> ast.expr:
        if not isinstance(node.ctx, ast.Load) or self._is_plain(node):
            return node
        text, is_part = ast.unparse(node), isinstance(node, ast.Subscript) and hasattr(node, "_role")
        return self._use(self._inner(node), "value" if is_part else "use", text)

    visit_Attribute = visit_Subscript = _read

    def _passed(self, node: ast.expr) -> ast.expr:
        """A value that is handed on: where it is that of a variable, it may be the wrong one of several."""
        if not self._is_place(node) or getattr(node, "_is_changed", False):
            changed: ast.expr = self.visit(node)
            return changed
        text = ast.unparse(node)
        return self._use(self._inner(node), "passed", text)

    def visit_Return(self, node: ast.Return) -> ast.stmt:
        """What a function hands back as it was handed it is a place of its own, and so is a part of an array.

        Other variables have been seen.
        """
        values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        for each in filter(None, values):  # a bare return hands nothing back
            each._role = "returned"  # type: ignore[attr-defined]
        self.generic_visit(node)
        return node

    def _is_plain(self, node: ast.expr) -> bool:
        """Whether it reads a module, such as `np.linalg`, or a shape."""
        while isinstance(node, ast.Attribute | ast.Subscript):
            if isinstance(node, ast.Attribute) and node.attr in _NO_VALUES:
                return True
            node = node.value
        return isinstance(node, ast.Name) and node.id in self.modules

    def visit_Dict(self, node: ast.Dict) -> ast.expr:
        return self._inner(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        return node

    # Statements ------------------------------------------------------------------------------------------

    def _assigned(self, value: ast.expr, name: str) -> ast.expr:
        text = ast.unparse(value)
        return self._probe(self._inner(value, name), "value", name, text)

    def visit_Assign(self, node: ast.Assign) -> list[ast.stmt]:
        first = node.targets[0]
        if isinstance(first, ast.Tuple | ast.List):
            return self._unpacked(node, first)
        changed = [each for each in node.targets if isinstance(each, ast.Subscript)]
        text = _copy(node)
        node.value = self._assigned(node.value, ast.unparse(first))
        return [node, *(self._changed(text, each) for each in changed)]

    def _unpacked(self, node: ast.Assign, targets: ast.Tuple | ast.List) -> list[ast.stmt]:
        """`a, b = …`: each name has its value probed."""
        values, text = node.value, ast.unparse(node)
        both = [*values.elts, *targets.elts] if isinstance(values, ast.Tuple) else []
        is_paired = len(both) == 2 * len(targets.elts) and not any(isinstance(e, ast.Starred) for e in both)
        if isinstance(values, ast.Tuple) and is_paired:
            pairs = zip(values.elts, targets.elts, strict=True)
            values.elts = [self._assigned(value, ast.unparse(target)) for value, target in pairs]
            return [node]
        node.value = self.visit(values)
        names = [each for each in targets.elts if isinstance(each, ast.Name)]
        return [node, *(self._again(node, each, AT, "value", text) for each in names)]

    def _again(
        self, node: ast.stmt, target: ast.Name | ast.Attribute, probe: str, role: Role, text: str
    ) -> ast.stmt:
        """`target = probe(target)`."""
        name = ast.unparse(target)
        value = self._call(probe, node, role, name, text, ast.parse(name, mode="eval").body)
        return ast.copy_location(ast.Assign([target], value), node)

    def _changed(self, node: ast.stmt, target: ast.expr) -> ast.stmt:
        """`__inside__(root, root[i], …)`: the first of them that is an array has been changed in place."""
        levels = [target]
        while isinstance(levels[0], ast.Subscript):
            levels.insert(0, levels[0].value)
        calls = [any(isinstance(each, ast.Call) for each in ast.walk(level)) for level in levels]
        read = levels[: calls.index(True)] if any(calls) else levels  # a call is not repeated
        values = [ast.parse(ast.unparse(each), mode="eval").body for each in read]
        name = ast.unparse(target)
        return ast.copy_location(
            ast.Expr(self._call(INSIDE, node, "change", name, ast.unparse(node), *values)), node
        )

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        if node.value is not None:
            node.value = self._assigned(node.value, ast.unparse(node.target))
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> list[ast.stmt]:
        text = _copy(node)
        node.value = self.visit(node.value)
        if isinstance(node.target, ast.Subscript):
            after = self._changed(text, node.target)
        else:
            after = self._again(text, node.target, AFTER, "change", ast.unparse(text))
        return [node, after]

    def visit_Expr(self, node: ast.Expr) -> ast.stmt | list[ast.stmt]:
        """A call for its own sake, such as `np.add.at(dE, i, d)` or `np.exp(a, out=b)`, may change an array."""
        call = node.value
        if not isinstance(call, ast.Call):
            return node if isinstance(call, ast.Constant) else self.generic_visit(node)  # type: ignore[return-value]
        changed = [*call.args[:1], *(each.value for each in call.keywords if each.arg == "out")]
        if isinstance(call.func, ast.Attribute):
            changed.append(call.func.value)
        text = _copy(node)
        changed = [each for each in changed if self._is_place(each)]
        after = [self._changed(text, each) for each in changed]
        for each in changed:  # the call is to be given the very array
            each._is_changed = True  # type: ignore[attr-defined]
        node.value = self._inner(call)
        return [node, *after]

    def _is_place(self, node: ast.expr) -> bool:
        is_place = isinstance(node, ast.Name | ast.Attribute | ast.Subscript)
        return is_place and not self._is_plain(node)

    def visit(self, node: ast.AST) -> Any:
        """Visit a node, unless it is an array that a call changes."""
        if isinstance(node, ast.stmt):
            self.reads = several(node)
        return node if getattr(node, "_is_changed", False) else super().visit(node)

    # What is left as it is -------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.stmt:
        own = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        before, self.parameters = self.parameters, set(own)
        self._body(node)
        self.parameters = before
        names = [ast.copy_location(ast.Name(each, ast.Store()), node) for each in own]
        node.body[:0] = [self._again(node, each, AT, "parameter", each.id) for each in names]
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        return self._body(node)

    def visit_For(self, node: ast.For | ast.AsyncFor | ast.While) -> ast.stmt:
        """Its statements, and before them a probe of each variable that a turn hands to the next one."""
        names = carried(node.body)
        self.generic_visit(node)
        first = [ast.copy_location(ast.Name(each, ast.Store()), node) for each in names]
        body: list[ast.stmt] = [self._again(node, each, AT, "turn", each.id) for each in first]
        # A variable may have no value yet in the first turn.
        unknown = ast.ExceptHandler(ast.Name("NameError", ast.Load()), None, [ast.Pass()])
        node.body[:0] = [ast.copy_location(ast.Try([each], [unknown], [], []), node) for each in body]
        return node

    visit_AsyncFor = visit_While = visit_For

    def _body(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.stmt:
        """Its statements; decorators, defaults and annotations were run when it was defined."""
        node.body = self._statements(node.body)
        return node

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.expr:
        node.value = self._assigned(node.value, node.target.id)
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        node.body = self.visit(node.body)
        return node

    def visit_match_case(self, node: ast.match_case) -> ast.match_case:
        node.body = self._statements(node.body)
        return node

    def _statements(self, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for each in statements:
            new = self.visit(each)
            found += new if isinstance(new, list) else [new]
        return found
