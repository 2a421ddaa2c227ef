"""Scopes: the variables of the user's code, at the first run of each of its statements."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from backprop.check.lines.events import hooks
from backprop.check.lines.exchange import Exchange
from backprop.check.lines.sites import Site

SCOPE = "__backprop_scope__"
_MOST_MEMBERS = 8

Place = tuple[str, int, int]
"""A statement: its file, line and column."""
Likeness = tuple[str, tuple[int, ...]] | None
"""The kind of a value and its shape or length: what two values share that may be taken for one another."""


@dataclass(frozen=True)
class Scope:
    """Variables by name, and by name what they hold: the attributes of objects, the entries of dicts and lists."""

    names: Mapping[str, Likeness] = field(default_factory=dict)
    members: Mapping[str, Mapping[Any, Likeness]] = field(default_factory=dict)


def scopes_of(exchange: Exchange, run: Callable[[], Any]) -> dict[Place, Scope]:
    """The scopes of the statements that run."""
    found: dict[Place, Scope] = {}

    def seen(path: str, line: int, column: int, variables: Mapping[str, Any]) -> None:
        if (path, line, column) not in found:
            own = {
                name: value
                for name, value in variables.items()
                if not (name.startswith("__") or isinstance(value, ModuleType))
            }
            alike = {name: likeness(value) for name, value in own.items()}
            found[path, line, column] = Scope(alike, {name: _members(value) for name, value in own.items()})

    with hooks({SCOPE: seen}), exchange(_with_scopes):
        run()
    return found


NUMBER = "number", ()


def likeness(value: Any) -> Likeness:
    """The likeness of a value; None for what is not to be taken for anything else, such as a text."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if isinstance(value, bool | str) or value is None or callable(value):
        return None
    if isinstance(value, int | float) or (dtype is not None and shape is not None and not tuple(shape)):
        return NUMBER
    if dtype is not None and shape is not None:
        return str(dtype), tuple(shape)
    return type(value).__name__, (len(value),) if isinstance(value, dict | list | tuple) else ()


def is_array(seen: Likeness) -> bool:
    """Whether a likeness is that of an array of floats."""
    return seen is not None and "float" in seen[0]


def _members(value: Any) -> dict[Any, Likeness]:
    if isinstance(value, dict):
        return {key: likeness(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return {k: likeness(each) for k, each in enumerate(value[:_MOST_MEMBERS])}
    with contextlib.suppress(TypeError):  # an object without attributes of its own
        return {key: likeness(each) for key, each in vars(value).items()} if not callable(value) else {}
    return {}


def _with_scopes(tree: ast.Module, path: str, _: str) -> tuple[ast.Module, dict[int, Site]]:
    """The tree of a source that shows the variables before each of its statements."""
    return ast.fix_missing_locations(_Scopes(path).visit(tree)), {}


class _Scopes(ast.NodeTransformer):
    def __init__(self, path: str) -> None:
        self.path = path

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if isinstance(body, list) and not isinstance(node, ast.ClassDef):
                setattr(node, name, [new for each in body for new in self._shown(each)])
        return node

    def _shown(self, node: ast.stmt) -> list[ast.stmt]:
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        # Nothing may stand before an import of the future.
        is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if (
            not isinstance(node, ast.stmt)
            or isinstance(node, ast.Global | ast.Nonlocal)
            or is_text
            or is_future
        ):
            return [node]
        call = f"{SCOPE}({self.path!r}, {node.lineno}, {node.col_offset}, locals())"
        return [ast.copy_location(ast.parse(call).body[0], node), node]
