"""Code with edits made in it, in which further mistakes are looked for."""

from __future__ import annotations

import ast
import functools
from collections.abc import Sequence
from typing import Any

from backprop.check.lines.exchange import Exchange, Instrument
from backprop.check.lines.expressions import Edit, written
from backprop.check.lines.sites import Site


def rewritten(exchange: Exchange, edits: Sequence[Edit]) -> Exchange:
    """The exchange of the code in which edits are made; its lines keep their numbers."""

    @functools.cache  # what is instrumented twice by the same function has the same sites
    def after_edits(instrument: Instrument) -> Instrument:
        def with_edits(tree: ast.Module, path: str, whole: str) -> tuple[ast.Module, dict[int, Site]]:
            for edit in edits:
                if edit.place[0] == path:
                    tree = _Edited(edit).visit(tree)
            return instrument(ast.fix_missing_locations(tree), path, whole)

        return with_edits

    return (lambda instrument: exchange(after_edits(instrument))) if edits else exchange


class _Edited(ast.NodeTransformer):
    """Puts the new code of an edit in the place of the old one."""

    def __init__(self, edit: Edit) -> None:
        self.edit = edit

    def generic_visit(self, node: ast.AST) -> Any:
        """Visit a node, and its parts where it is not the old code itself."""
        place = getattr(node, "lineno", 0), getattr(node, "col_offset", -1)
        is_there = place == (self.edit.line, self.edit.column) and not isinstance(node, ast.Expr)
        if not (is_there and written(node) == self.edit.old):
            return super().generic_visit(node)
        text = f"_{self.edit.new}" if isinstance(node, ast.Slice) else self.edit.new
        new: Any = ast.parse(text).body[0]
        new = new if isinstance(node, ast.stmt) else new.value
        new = new.slice if isinstance(node, ast.Slice) else new
        for each in ast.walk(new):
            ast.copy_location(each, node)
        return new
