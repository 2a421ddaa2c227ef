"""Scripts as functions: the top level runs again and again, with any of its variables moved.

    W1 = rng.standard_normal((3, 4))     becomes     W1 = __at__(7, __shift__(7, rng.standard_normal((3, 4))))

The probes are those of backprop.check.lines; a shift adds to the value before the probe sees it. So each variable X
is a parameter, X + δ, and the script is a function from all δ to its loss, whatever X is made of.
"""

from __future__ import annotations

import ast
import contextlib
import io
import random
import re
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backprop.arrays import Array, DType
from backprop.check.lines.events import Event, array_of, probes
from backprop.check.lines.probes import instrument
from backprop.check.lines.sites import AFTER, AT, INSIDE, Site
from backprop.check.script.source import Cell

_SHIFT = "__backprop_shift__"
_VARIABLE = re.compile(r"([^\W\d]\w*)(\['[^']*'\])?(\[.*)?", re.DOTALL)


@dataclass(frozen=True)
class Code:
    """The statements of all cells, as they are and with probes. variables: by the number of a top-level site."""

    statements: list[ast.stmt]
    instrumented: list[ast.stmt]
    sites: dict[int, Site]
    variables: dict[int, str]

    @staticmethod
    def of(cells: Sequence[Cell]) -> Code:
        """The code of cells, as one tree; each site has the name of its cell, and its line there."""
        sources = [cell.source if cell.source.endswith("\n") else f"{cell.source}\n" for cell in cells]
        starts = [1 + sum(each.count("\n") for each in sources[:k]) for k in range(len(sources))]
        whole = "".join(sources)
        tree, (instrumented, sites) = ast.parse(whole), instrument(whole, "")
        kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        inner = {
            line
            for node in ast.walk(tree)
            if isinstance(node, kinds)
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        }
        variables = {number: _variable(site) for number, site in sites.items() if site.line not in inner}
        variables = {number: name for number, name in variables.items() if name}
        for node in ast.walk(instrumented):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            number = ast.literal_eval(node.args[0]) if node.func.id in _PROBES else None
            if number in variables:
                k = 2 if node.func.id == INSIDE and "[" in variables[number] else 1  # of an entry of a dict
                node.args[k] = ast.Call(ast.Name(_SHIFT, ast.Load()), [node.args[0], node.args[k]], [])
        for number, site in sites.items():
            k = bisect_right(starts, site.line) - 1
            sites[number] = replace(site, path=cells[k].name, line=site.line - starts[k] + 1)
        return Code(tree.body, ast.fix_missing_locations(instrumented).body, sites, variables)


_PROBES = (AT, AFTER, INSIDE)


def _variable(site: Site) -> str:
    """The variable that a site assigns, or changes entries of, maybe an entry of a dict; else nothing."""
    match = _VARIABLE.fullmatch(site.name)
    if not match or site.role not in ("value", "change") or (match[3] and site.role == "value"):
        return ""
    return match[1] + (match[2] or "")


def flat(names: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of a namespace, and the entries of its dicts as `grads['W1']`."""
    dicts = {name: each for name, each in names.items() if type(each) is dict and not name.startswith("__")}
    entries = {
        (name, key): one for name, each in dicts.items() for key, one in each.items() if type(key) is str
    }
    return {**names, **{f"{name}[{key!r}]": one for (name, key), one in entries.items()}}


@dataclass
class Script:
    """Statements of a script as a function of a point, {variable: array}, to (loss, {variable: gradient}).

    names: the namespace, emptied first. gradients: what the gradient by each variable is called. events, base: which
    value of a variable is the one that is moved, and what it is; to be set before the function is called.
    """

    code: Code
    kept: list[ast.stmt]
    names: dict[str, Any]
    loss: str
    gradients: dict[str, str]
    events: dict[str, Event] = field(default_factory=dict)
    base: dict[str, Array] = field(default_factory=dict)
    runs: int = 0
    _moves: Mapping[Event, Array] = field(default_factory=dict)
    _wide: DType | None = None
    _moved: set[int] = field(default_factory=set)
    _counts: Counter[int] = field(default_factory=Counter)
    _shared: list[Any] = field(default_factory=list)
    _random: tuple[Any, ...] = ()

    def start(self, names: Mapping[str, Any]) -> None:
        """Run what comes before the first statement that assigns a variable that has a gradient, once and for all."""
        sites = {number for number, name in self.code.variables.items() if name in self.gradients}
        places = {(each.lineno, each.col_offset) for each in self.kept}
        body = [each for each in self.code.instrumented if (each.lineno, each.col_offset) in places]
        k = next((k for k, each in enumerate(body) if sites & _shifted(each)), len(body))
        self._again = compile(ast.Module(body[k:], []), "", "exec")
        read = {each.id for one in body[k:] for each in ast.walk(one) if isinstance(each, ast.Name)}
        self._replace(names)
        seed_random()
        with probes(None), _by_hand():
            exec(compile(ast.Module(body[:k], []), "", "exec"), self.names)
        self._start, self._random = dict(self.names), _random_state()
        self._copied = [name for name in self._start if name in read and name != _SHIFT]
        own = [(self._start[name], _bytes(self._start[name])) for name in self._copied]
        self._shared = [each for each, old in own if old is not None]
        with probes(None):
            self.run({})
        self._shared = [each for each, old in own if old is not None and _bytes(each) == old]
        self._random = self._random if _random_state() != self._random else ()

    def __call__(self, point: Mapping[str, Array]) -> tuple[Any, dict[str, Any]]:
        """The loss and the gradients where the variables are those of the point."""
        wide, own = np.result_type(*point.values()), np.result_type(*self.base.values())
        is_wide = wide.kind == "f" and wide.itemsize > own.itemsize
        moves = {self.events[name]: each - self.base[name] for name, each in point.items()}
        moves = {event: move for event, move in moves.items() if is_wide or np.any(move)}
        return self.run(moves, wide if is_wide else None)

    def run(self, moves: Mapping[Event, Array], wide: DType | None = None) -> tuple[Any, dict[str, Any]]:
        """The loss and the gradients where values of events are moved; `wide`: with all variables in that dtype."""
        self._moves, self._wide, self._counts = moves, wide, Counter()
        self.runs += 1
        self._moved = {number for number, _ in moves}
        memo = {id(each): each for each in self._shared}
        self._replace(self._start)
        for name in self._copied:
            with contextlib.suppress(Exception):  # of what cannot be copied, such as a module
                self.names[name] = deepcopy(self._start[name], memo)
        if self._random:
            _set_random_state(self._random)
        with _by_hand():
            exec(self._again, self.names)
        names = flat(self.names)
        gradients = {name: _plain(names.get(each)) for name, each in self.gradients.items()}
        return _plain(names.get(self.loss)), gradients

    def _replace(self, names: Mapping[str, Any]) -> None:
        """Functions of the script keep their namespace: it is filled anew."""
        self.names.clear()
        self.names.update(names)
        self.names[_SHIFT] = self._shift

    def _shift(self, number: int, value: Any) -> Any:
        """A value as it is, or moved: a new one where it is made, the array itself where that was changed."""
        array = array_of(value) if number in self._moved else None
        if array is None:
            return value
        event = number, self._counts[number]
        self._counts[number] += 1
        is_new = self.code.sites[number].role == "value"
        if self._wide is not None and is_new and array.ndim and event in self._moves:
            value = value.double() if hasattr(value, "double") else value.astype(self._wide)
        move = self._moves.get(event, 0)
        if not np.any(move):
            return value
        if hasattr(value, "new_tensor"):
            if np.iscomplexobj(move):
                raise TypeError("A tensor is moved by real numbers.")
            move = value.new_tensor(np.asarray(move))
        if is_new or not array.ndim:
            return value + move
        place = value.detach() if hasattr(value, "detach") else value
        place += move
        return value


def _shifted(statement: ast.stmt) -> set[Any]:
    """The numbers of the sites at which a statement of the instrumented code has a shift."""
    calls = [each for each in ast.walk(statement) if isinstance(each, ast.Call)]
    return {
        ast.literal_eval(each.args[0])
        for each in calls
        if isinstance(each.func, ast.Name) and each.func.id == _SHIFT
    }


def _bytes(value: Any) -> bytes | None:
    """The entries of an array; None where it is something else."""
    with contextlib.suppress(Exception):
        array = value.detach().numpy() if hasattr(value, "detach") else value
        return array.tobytes() if isinstance(array, np.ndarray) and array.dtype != object else None
    return None


def _plain(value: Any) -> Any:
    """An array of NumPy, where the value is one of floats in another library."""
    array = array_of(value)
    return value if array is None else array[()]


@contextlib.contextmanager
def _by_hand() -> Iterator[None]:
    """Run the script without its output, and without autograd: what compares with it has run before."""
    torch = sys.modules.get("torch")
    with contextlib.redirect_stdout(io.StringIO()):
        if torch is None:
            yield
            return
        kept = torch.Tensor.backward, torch.Tensor.retain_grad
        torch.Tensor.backward = torch.Tensor.retain_grad = lambda *_, **__: None
        try:
            with torch.no_grad():
                yield
        finally:
            torch.Tensor.backward, torch.Tensor.retain_grad = kept


# Global random numbers: those of Python, NumPy and PyTorch, as the user's code may use them.


def seed_random() -> None:
    """Let the script draw the same numbers each time it starts, whether it gives them a seed or not."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def _random_state() -> tuple[Any, ...]:
    torch = sys.modules.get("torch")
    kind, key, *rest = np.random.get_state()  # noqa: NPY002
    own = None if torch is None else torch.get_rng_state().numpy().tobytes()
    return random.getstate(), (kind, tuple(key), *rest), own


def _set_random_state(state: tuple[Any, ...]) -> None:
    random.setstate(state[0])
    np.random.set_state(state[1])  # noqa: NPY002
    if state[2] is not None:
        torch = sys.modules["torch"]
        torch.set_rng_state(torch.frombuffer(bytearray(state[2]), dtype=torch.uint8))
