"""The context of an expression: the variables that it could read, and what else its source is made of."""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from backprop.check.lines.scopes import Likeness, Scope

MODULES = {"np", "numpy", "math", "torch", "jnp", "len", "float", "int"}


@dataclass(frozen=True)
class Context:
    """What is known of the place of an expression.

    is_factor: whether it is an operand of a matrix product. is_term: whether it is a part of a sum.
    is_index: whether it is an index or a part of one.
    hidden: names that mean something else here than in the scope, such as those of a comprehension.
    functions: the functions of one argument that the source calls; own: those of them that it defines.
    factors: what the source multiplies or divides by, and has no name.
    """

    scope: Scope
    is_factor: bool = False
    is_term: bool = False
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
        return all(name in self.scope.names and name not in self.hidden for name in names - MODULES)


_MATH = {"tanh", "exp", "log", "sqrt", "sin", "cos", "abs", "sign", "square", "log1p", "expm1"}
_MOST_FUNCTIONS = 6


def context_of(tree: ast.Module) -> Context:
    """The context that all expressions of a source share; a slip often lacks what stands elsewhere in the source."""
    defined = {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
    for one in tree.body:  # a name that a function gives to something else does not mean the function there
        defined -= {
            getattr(each, "name", getattr(each, "id", ""))
            for each in ast.walk(one)
            if each is not one and _gives(each)
        }
    functions, own = dict[str, None](), dict[str, None]()
    factors: dict[str, tuple[ast.operator, ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
            text = ast.unparse(node.func)
            module, _, name = text.rpartition(".")
            if text in defined:
                own[text] = functions[text] = None
            elif module in MODULES and name in _MATH:
                functions[text] = None
        by = node.right if isinstance(node, ast.BinOp) else getattr(node, "value", None)
        op = getattr(node, "op", None)
        is_named = isinstance(by, ast.Name | ast.Constant)
        if isinstance(op, ast.Mult | ast.Div) and isinstance(by, ast.expr) and not is_named:
            factors[f"{type(op).__name__} {ast.unparse(by)}"] = op, copy.deepcopy(by)
    return Context(
        Scope(),
        functions=list(functions)[:_MOST_FUNCTIONS],
        own=list(own),
        factors=list(factors.values()),
    )


def _gives(node: ast.AST) -> bool:
    """Whether a node gives a name to something."""
    is_stored = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    return is_stored or isinstance(node, ast.FunctionDef)
