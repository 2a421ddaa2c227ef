"""Reads: the variables that statements read, and which of these hold what an earlier turn of a loop assigned."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence


def carried(body: Sequence[ast.stmt]) -> list[str]:
    """The variables that the statements of a loop read before they assign them."""
    read, assigned = dict[str, int](), dict[str, int]()
    nodes: list[tuple[ast.AST, ast.AST | None]] = [(each, each) for each in body]
    for node, owner in nodes:  # it grows; owner: the statement, None in what has variables of its own
        if isinstance(node, ast.Global | ast.Nonlocal):  # they stand before the first use
            return []
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            read[node.id] = min(node.lineno, read.get(node.id, node.lineno))
        elif isinstance(node, ast.Name) and owner is not None:
            # An assignment assigns at its end.
            end = owner.end_lineno if isinstance(owner, ast.Assign | ast.AnnAssign) else None
            line = end or node.lineno
            assigned[node.id] = min(line, assigned.get(node.id, line))
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            read.setdefault(node.target.id, node.lineno)
        is_apart = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda)
        if owner is None or is_apart or hasattr(node, "generators"):
            owner = None
        elif isinstance(node, ast.stmt):
            owner = node
        nodes += [(each, owner) for each in ast.iter_child_nodes(node)]
    return [name for name, line in assigned.items() if name in read and read[name] <= line]


def several(statement: ast.stmt) -> dict[str, int]:
    """The places that an assignment, a call or a return reads several times, each with 0."""
    if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr | ast.Return):
        return {}
    places = (ast.Name, ast.Attribute, ast.Subscript)
    nodes = [each for each in ast.walk(statement) if isinstance(each, places)]
    counts = Counter(ast.unparse(each) for each in nodes if isinstance(each.ctx, ast.Load))
    return {text: 0 for text, count in counts.items() if count > 1}
