"""Code: the statements of a script or of a notebook's cells, as they are, with probes, or changed otherwise."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from backprop.check.lines.exchange import Instrument
from backprop.check.lines.probes import instrument
from backprop.check.lines.sites import AFTER, AT, INSIDE, Site
from backprop.check.script.source import Cell

SHIFT, ENOUGH = "__backprop_shift__", "__backprop_enough__"
_VARIABLE = re.compile(r"([^\W\d]\w*)(\['[^']*'\])?(\[.*)?", re.DOTALL)


Place = tuple[int, int]
"""The line and the column of a statement, in all cells together."""
LOOPS = (ast.For, ast.AsyncFor, ast.While)
APART = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def place_of(statement: ast.stmt) -> Place:
    """The place of a statement."""
    return statement.lineno, statement.col_offset


def joined(cells: Sequence[Cell], instrument: Instrument) -> tuple[list[ast.stmt], dict[int, Site]]:
    """The statements of all cells as an instrument changes each, with the lines of all together; and the sites."""
    sources = [cell.source if cell.source.endswith("\n") else f"{cell.source}\n" for cell in cells]
    whole, lines = "".join(sources), 0
    statements, sites = list[ast.stmt](), dict[int, Site]()
    for cell, source in zip(cells, sources, strict=True):
        tree, own = instrument(ast.parse(source), cell.name, whole)
        for node in {id(node): node for node in ast.walk(tree) if hasattr(node, "lineno")}.values():
            node.end_lineno = (node.end_lineno or node.lineno) + lines  # type: ignore[attr-defined]
            node.lineno += lines
        statements, sites, lines = statements + tree.body, sites | own, lines + source.count("\n")
    return statements, sites


def top_level(statements: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements that run by themselves, outer ones before those in them: without those of functions."""
    for each in statements:
        yield each
        if not isinstance(each, APART):
            inner = (node for node in ast.iter_child_nodes(each) if not isinstance(node, ast.expr))
            for node in inner:
                yield from top_level([node] if isinstance(node, ast.stmt) else getattr(node, "body", ()))


@dataclass(frozen=True)
class Code:
    """The code of all cells. statements: as they are; probed: with probes and shifts.

    Statements have the lines of all cells together; sites have their cell, and its lines. variables: by the number
    of a site of the top level.
    """

    cells: Sequence[Cell]
    statements: list[ast.stmt]
    probed: list[ast.stmt]
    sites: dict[int, Site]
    variables: dict[int, str]

    @staticmethod
    def of(cells: Sequence[Cell]) -> Code:
        """The code of cells."""
        statements, _ = joined(cells, lambda tree, *_: (tree, {}))
        probed, sites = joined(cells, instrument)
        inner = {
            (cell.name, line)
            for cell in cells
            for node in ast.walk(ast.parse(cell.source))
            if isinstance(node, APART)
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        }
        outer = [site for site in sites.values() if (site.path, site.line) not in inner]
        variables = {site.number: name for site in outer if (name := _variable(site))}
        probed = [_with_shifts(each, variables) for each in probed]
        return Code(cells, statements, _counted(probed), sites, variables)

    def with_parts(self, names: Collection[str], loss: str) -> Code:
        """The code with a shift of each part of a variable, such as `net.W1`, once it is there.

        It is there after the last statement that assigns the variable before the loss is computed.
        """
        probed, sites, variables = list(self.probed), dict(self.sites), dict(self.variables)
        places = list(itertools.takewhile(lambda each: loss not in changed(each), self.statements))
        for name in names:
            after = [each for each in places if root_of(name) in changed(each)]
            if not after:
                continue
            cell, line = self.cell_of(place_of(after[-1]))
            tree, own = instrument(ast.parse(f"{name} = {name}"), cell, "")
            text = ast.unparse(after[-1])
            sites |= {
                n: replace(site, line=line, text=text if site.name else site.text) for n, site in own.items()
            }
            variables |= {number: name for number, site in own.items() if site.name}
            missing = ast.parse(
                "try: pass\nexcept (AttributeError, LookupError, NameError, TypeError): pass"
            ).body[0]
            missing.body = tree.body  # type: ignore[attr-defined]
            for node in ast.walk(missing):
                ast.copy_location(node, after[-1])
            last = max(k for k, each in enumerate(probed) if place_of(each) == place_of(after[-1]))
            probed.insert(last + 1, _with_shifts(missing, variables))
        return replace(self, probed=probed, sites=sites, variables=variables)

    def loops(self, assigning: Set[str]) -> list[Place]:
        """The loops of the top level that assign some variables, outer ones before those in them."""
        loops = [each for each in top_level(self.statements) if isinstance(each, LOOPS)]
        return [place_of(each) for each in loops if changed(each, with_calls=True) & assigning]

    def cell_of(self, place: Place) -> tuple[str, int]:
        """The cell of a place, and its line there."""
        before = 0
        for cell in self.cells:
            count = len(cell.source.removesuffix("\n").split("\n"))
            if place[0] <= before + count:
                break
            before += count
        return cell.name, place[0] - before

    def changed(self, instrument: Instrument, shifted: set[int]) -> list[ast.stmt]:
        """The statements as an instrument changes them; those that shift at some sites are as in `probed`."""
        kept: dict[Place, list[ast.stmt]] = {}
        for node in (node for each in self.probed for node in ast.walk(each)):
            if isinstance(node, _ASSIGNING):
                kept.setdefault(place_of(node), []).append(node)
        kept = {place: each for place, each in kept.items() if any(shifted & shifts(one) for one in each)}
        tree = _Kept(kept).visit(ast.Module(joined(self.cells, instrument)[0], []))
        return _counted(tree.body)


def _with_shifts(statement: ast.stmt, variables: Mapping[int, str]) -> ast.stmt:
    """A statement with probes, and with a shift in those of variables."""
    for node in ast.walk(statement):
        number = _number_of(node, _PROBES)
        if isinstance(node, ast.Call) and number in variables:
            k = 2 if _called(node) == INSIDE and "[" in variables[number] else 1  # of an entry of a dict
            node.args[k] = ast.Call(ast.Name(SHIFT, ast.Load()), [node.args[0], node.args[k]], [])
    return ast.fix_missing_locations(statement)


def root_of(name: str) -> str:
    """The variable of which a name is a part: `net` of `net.layers[0].W`."""
    return re.split(r"[.\[]", name)[0]


_ASSIGNING = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr)


class _Kept(ast.NodeTransformer):
    """Puts other statements in the place of some."""

    def __init__(self, kept: Mapping[Place, list[ast.stmt]]) -> None:
        self.kept = kept

    def visit(self, node: ast.AST) -> Any:
        """Visit a node; one that only shows variables stays."""
        is_call = isinstance(node, ast.Expr) and _called(node.value).startswith("__backprop")
        if isinstance(node, _ASSIGNING) and not is_call and place_of(node) in self.kept:
            return deepcopy(self.kept[place_of(node)])
        return self.generic_visit(node)


def _counted(statements: list[ast.stmt]) -> list[ast.stmt]:
    """The statements with a question in each turn of a loop of the top level, whether it had enough turns."""
    for node in top_level(statements):
        if isinstance(node, LOOPS):
            line, column = place_of(node)
            enough = ast.parse(f"if {ENOUGH}({line}, {column}): pass").body[0]
            enough.body = [ast.Break()]  # type: ignore[attr-defined]
            node.body.insert(0, ast.copy_location(enough, node))
    return [ast.fix_missing_locations(each) for each in statements]


def _called(node: ast.AST) -> str:
    """The name of the function that a call calls; else nothing."""
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def _number_of(node: ast.AST, functions: Sequence[str]) -> int:
    """The number of the site that one of some functions is called with; -1 of any other node."""
    is_one = isinstance(node, ast.Call) and _called(node) in functions
    return ast.literal_eval(node.args[0]) if is_one else -1  # type: ignore[attr-defined]


def shifts(statement: ast.stmt) -> set[int]:
    """The numbers of the sites at which a statement has a shift."""
    return {_number_of(each, (SHIFT,)) for each in ast.walk(statement)} - {-1}


_PROBES = (AT, AFTER, INSIDE)
HOOKS = {SHIFT, ENOUGH}


def _variable(site: Site) -> str:
    """The variable that a site assigns, or changes entries of, maybe an entry of a dict; else nothing."""
    match = _VARIABLE.fullmatch(site.name)
    if not match or site.role not in ("value", "change") or (match[3] and site.role == "value"):
        return ""
    return match[1] + (match[2] or "")


# The statements that some names need.


def slices(statements: Sequence[ast.stmt], wanted: set[str]) -> Iterator[list[ast.stmt]]:
    """The statements from which `wanted` follow: by assignments; by calls that may change arrays, too; and all.

    What only prints, draws or compares need not run again. Whether a slice gives the same is for the caller to see.
    """
    for with_calls in (False, True):
        needed, kept = set(wanted), list[ast.stmt]()
        for statement in reversed(statements):
            if changed(statement, with_calls) & needed:
                kept.insert(0, statement)
                needed |= {each.id for each in ast.walk(statement) if isinstance(each, ast.Name)}
        yield kept
    yield list(statements)


def changed(statement: ast.stmt, with_calls: bool = False) -> set[str]:
    """The names that a statement assigns, or whose entries it does; `with_calls`: also what a call may change."""
    found = set()
    for node in ast.walk(statement):
        if isinstance(node, APART):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            found.add(_root(node))
        elif with_calls and isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = node.value
            places = [call.func, *call.args[:1], *(each.value for each in call.keywords if each.arg == "out")]
            found |= {_root(each) for each in places}
    return found - {""}


def _root(node: ast.expr) -> str:
    """The variable of which an expression reads or changes a part: `x` of `x.grad[0]` and of `x.sort()`."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
