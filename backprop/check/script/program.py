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
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from backprop.arrays import Array, DType
from backprop.check.lines.events import Event, array_of, probes
from backprop.check.lines.exchange import Instrument
from backprop.check.lines.probes import instrument
from backprop.check.lines.sites import Site
from backprop.check.script.code import APART, ENOUGH, HOOKS, SHIFT, Code, Place, place_of, shifts

_DEEPEST, _MOST_PARTS = 3, 50
"""Levels of objects, dicts and lists whose parts are variables, and parts of each."""


def flat(names: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of a namespace, and the parts of them: `grads['W1']`, `net.W1`, `weights[0]`, `layers[0].W`."""
    found = dict(names)
    own = [(name, value) for name, value in names.items() if not name.startswith("__")]
    for _ in range(_DEEPEST):
        own = [each for name, value in own for each in _parts(name, value)]
        found |= own
    return found


def _parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The parts of a dict, a list, or an object of a class of the user's."""
    parts: list[tuple[str, Any]] = []
    if type(value) is dict:
        parts = [(f"{name}[{key!r}]", each) for key, each in value.items() if type(key) is str]
    elif type(value) is list:
        parts = [
            (f"{name}[{k}]", each)
            for k, each in enumerate(value)
            if isinstance(each, np.ndarray) or vars_of(each)
        ]
    else:
        parts = [(f"{name}.{key}", each) for key, each in vars_of(value).items()]
    yield from parts[:_MOST_PARTS]


def vars_of(value: Any) -> dict[str, Any]:
    """The attributes of an object of a class of the user's; none of anything else."""
    known = type(value).__module__.partition(".")[0]
    is_other = isinstance(value, type | ModuleType) or callable(value) or known in sys.stdlib_module_names
    return {} if is_other or known in ("numpy", "torch", "jax") else dict(getattr(value, "__dict__", {}))


@dataclass(frozen=True)
class _Running:
    """What runs again and again: its code, and the variables before it.

    copied: the variables that it reads; shared: those of their arrays that it does not change. random: the state of
    the global random numbers, where it draws some.
    """

    code: Any
    start: dict[str, Any]
    copied: list[str]
    shared: list[Any]
    random: tuple[Any, ...]


@dataclass
class Script:
    """Statements of a script as a function of a point, {variable: array}, to (loss, {variable: gradient}).

    names: the namespace, emptied first. gradients: what the gradient by each variable is called. limits: the most
    turns of loops of the top level, by their place. events, base: which value of a variable is the one that is moved,
    and what it is; to be set before the function is called.
    """

    code: Code
    kept: list[ast.stmt]
    names: dict[str, Any]
    loss: str
    gradients: dict[str, str]
    limits: dict[Place, int] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)
    base: dict[str, Array] = field(default_factory=dict)
    runs: int = 0
    _reads: dict[str, Any] = field(default_factory=dict)
    _moves: Mapping[Event, Array] = field(default_factory=dict)
    _wide: DType | None = None
    _moved: set[int] = field(default_factory=set)
    _counts: Counter[Any] = field(default_factory=Counter)

    def start(self, names: Mapping[str, Any]) -> None:
        """Run what comes before the first statement that assigns a variable that has a gradient, once and for all."""
        self._blank, places = names, {place_of(each) for each in self.kept}
        sites = {number for number, name in self.code.variables.items() if name in self.gradients}
        own = (each for each in self.code.probed if place_of(each) in places and sites & shifts(each))
        self._first = min(map(place_of, own), default=None)
        self._running = self._started(self.code.probed)

    def _started(self, statements: list[ast.stmt]) -> _Running:
        """The statements that are kept, ready to run; those before the first one that runs again have run.

        Of these only functions and classes are those that are given.
        """
        places, first = {place_of(each) for each in self.kept}, self._first
        before = {each for each in places if first is None or each < first}
        begin = [s for s in self.code.statements if place_of(s) in before and not isinstance(s, APART)]
        begin += [s for s in statements if place_of(s) in before and isinstance(s, APART)]
        again = [each for each in statements if place_of(each) in places - before]
        code = compile(ast.Module(again, []), "", "exec")
        read = {each.id for one in again for each in ast.walk(one) if isinstance(each, ast.Name)}
        self._replace(self._blank)
        seed_random()
        with probes(None), _by_hand():
            exec(compile(ast.Module(sorted(begin, key=place_of), []), "", "exec"), self.names)
        start, state = dict(self.names), _random_state()
        copied = [name for name in start if name in read and name not in HOOKS]
        own = [(start[name], _bytes(start[name])) for name in copied]
        self._running = _Running(code, start, copied, [each for each, old in own if old is not None], state)
        with probes(None):
            self.run({})
        shared = [each for each, old in own if old is not None and _bytes(each) == old]
        return _Running(code, start, copied, shared, state if _random_state() != state else ())

    @contextlib.contextmanager
    def exchanged(self, new: Instrument) -> Iterator[Mapping[int, Site]]:
        """While it lasts, what runs is the code as an instrument changes it; gives the sites of the probes."""
        before = self._running
        try:
            if new is not instrument:
                shifted = {site for site, _ in self.events.values()}
                self._running = self._started(self.code.changed(new, shifted))
            with probes(None):
                yield self.code.sites
        finally:
            self._running = before

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
        running = self._running
        memo = {id(each): each for each in running.shared}
        self._replace(running.start)
        for name in running.copied:
            with contextlib.suppress(Exception):  # of what cannot be copied, such as a module
                self.names[name] = _widened(deepcopy(running.start[name], memo), wide)
        if running.random:
            _set_random_state(running.random)
        with _by_hand():
            exec(running.code, self.names)
        gradients = {name: _plain(self._read(each)) for name, each in self.gradients.items()}
        return _plain(self.names.get(self.loss)), gradients

    def _read(self, name: str) -> Any:
        """A variable, or a part of one; None where there is none."""
        if name not in self._reads:
            self._reads[name] = compile(name, "", "eval")
        try:
            return eval(self._reads[name], self.names)
        except (NameError, LookupError, AttributeError, TypeError):
            return None

    def _replace(self, names: Mapping[str, Any]) -> None:
        """Functions of the script keep their namespace: it is filled anew."""
        self.names.clear()
        self.names.update(names)
        self.names.update({SHIFT: self._shift, ENOUGH: self._enough})

    def _enough(self, line: int, column: int) -> bool:
        """Whether a loop of the top level has had all the turns that it is to have."""
        place = line, column
        self._counts[place] += 1
        return self._counts[place] > self.limits.get(place, np.inf)

    def _shift(self, number: int, value: Any) -> Any:
        """A value as it is, or moved: a new one where it is made, the array itself where that was changed."""
        is_new = self.code.sites[number].role == "value"
        value = _widened(value, self._wide) if is_new else value
        array = array_of(value) if number in self._moved else None
        if array is None:
            return value
        event = number, self._counts[number]
        self._counts[number] += 1
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


def _widened(value: Any, wide: DType | None) -> Any:
    """An array or tensor in a wider dtype; anything else as it is."""
    array = None if wide is None else array_of(value)
    if array is None or not array.ndim or array.dtype.itemsize >= np.dtype(wide).itemsize:
        return value
    return value.double() if hasattr(value, "double") else value.astype(wide)


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
