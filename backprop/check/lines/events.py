"""Events: each execution of a site in a run of the user's code, with its value read, moved or replaced.

An event is (site, k): the k-th time that the site was executed with a number or an array of floats. The k-th
execution is the same one in every run, as long as the code takes the same way.
"""

from __future__ import annotations

import builtins
import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.sites import AFTER, AGAIN, AT, INSIDE

Event = tuple[int, int]
Change = Callable[[Array], Array]


def add(moved: Array) -> Change:
    """The change that adds `moved` to a value."""
    return lambda value: value + moved


def put(new: Array) -> Change:
    """The change that puts `new` in the place of a value."""
    return lambda _: new


def array_of(value: Any) -> Array | None:
    """The value as an array of floats; None where it is something else. PyTorch's and JAX's arrays count too."""
    if isinstance(value, np.ndarray):
        return value if value.dtype.kind == "f" and value.size else None
    if isinstance(value, float | np.floating):
        return np.asarray(value)
    if type(value).__module__.partition(".")[0] in ("torch", "jax", "jaxlib"):
        with contextlib.suppress(Exception):  # one that has no values, such as a shape
            if "float" in str(value.dtype):
                detached = value.detach().cpu() if hasattr(value, "detach") else value
                return array_of(np.asarray(detached))
    return None


def like(value: Any, new: Array) -> Any:
    """`new` as what `value` is: an array, a number, a tensor."""
    if isinstance(value, np.ndarray):
        return np.array(new, value.dtype)
    if isinstance(value, float | np.floating):
        return type(value)(new) if np.ndim(new) == 0 else np.array(new)
    if hasattr(value, "detach"):
        return value.new_tensor(np.array(new))
    import jax.numpy

    return jax.numpy.asarray(new, value.dtype)


def _put(value: Any, new: Array) -> Any:
    """`new` in the place of an array that the code has changed: into the array itself, where that can be."""
    if isinstance(value, np.ndarray) and value.flags.writeable and value.shape == np.shape(new):
        value[...] = new
        return value
    if hasattr(value, "copy_") and tuple(value.shape) == np.shape(new):
        value.copy_(like(value, new))
        return value
    return like(value, new)


@dataclass
class Recorder:
    """What the probes do in one run.

    changes: what becomes of the value of an event. wanted: the events whose values, as the code gave them, are kept;
    None for all, in their order, with the lines from which the code was called and whether a change was one.
    output: an event whose value is kept as it is after its change, in `out`. masks: arrays of truth values.
    targets: of sites that assign, the code of what is assigned. Each value is added to what that held before, in
    `sums`; of the sites `adding`, the sum takes the place of the value.
    """

    changes: Mapping[Event, Change] = field(default_factory=dict)
    wanted: frozenset[Event] | None = frozenset()
    output: Event | None = None
    targets: Mapping[int, str] = field(default_factory=dict)
    adding: Set[int] = frozenset()
    out: Array | None = None
    values: dict[Event, Array] = field(default_factory=dict)
    callers: dict[Event, tuple[int, ...]] = field(default_factory=dict)
    unchanged: set[Event] = field(default_factory=set)
    masks: dict[Event, Array] = field(default_factory=dict)
    sums: dict[Event, Array] = field(default_factory=dict)
    _counts: dict[int, int] = field(default_factory=dict)
    _last: dict[int, Array] = field(default_factory=dict)
    _sites: frozenset[int] | None = None
    """Sites with an event that is changed or kept, in most runs a few of many: at the others nothing is counted."""

    def __post_init__(self) -> None:
        if self.wanted is not None:
            events = (*self.changes, *self.wanted, *([] if self.output is None else [self.output]))
            self._sites = frozenset([*(site for site, _ in events), *self.targets])

    def at(self, site: int, value: Any) -> Any:
        """A value that comes into being, or is read."""
        if self._sites is not None and site not in self._sites:
            return value
        if isinstance(value, np.ndarray) and value.dtype == bool:
            return self._mask(site, value)
        array = array_of(value)
        if array is None:
            return value
        change = self._seen(site, value, array)
        if site in self.targets:
            before = _held(self.targets[site], value)
            if before is not None and before.shape == array.shape:
                self.sums[site, self._counts[site] - 1] = before + array
                if change is None and site in self.adding:
                    change = put(before + array)
        return value if change is None else like(value, change(array))

    def again(self, site: int, value: Any) -> Any:
        """A variable that the same statement has read before."""
        change = self.changes.get((site, self._counts.get(site, 0) - 1))
        array = None if change is None else array_of(value)
        return value if change is None or array is None else like(value, change(array))

    def _mask(self, site: int, value: Array) -> Array:
        """An array of truth values, which has no derivative."""
        event = site, self._counts.get(site, 0)
        self._counts[site] = event[1] + 1
        if self.wanted is None:
            self.masks[event] = np.array(value)
        return self.changes[event](value) if event in self.changes else value

    def after(self, site: int, value: Any) -> Any:
        """A variable after it was changed, maybe in place."""
        if self._sites is not None and site not in self._sites:
            return value
        array = array_of(value)
        if array is None:
            return value
        change = self._seen(site, value, array)
        return value if change is None else _put(value, change(array))

    def inside(self, site: int, *levels: Any) -> None:
        """The first array on the way to an entry that was changed."""
        if self._sites is not None and site not in self._sites:
            return
        for value in levels:
            array = array_of(value)
            if array is not None and not isinstance(value, float | np.floating):
                change = self._seen(site, value, array, is_change=True)
                if change is not None:
                    _put(value, change(array))
                return

    def _seen(self, site: int, value: Any, array: Array, is_change: bool = False) -> Change | None:
        k = self._counts.get(site, 0)
        self._counts[site] = k + 1
        event = site, k
        if self.wanted is None:
            copy = np.array(array)
            last = self._last.get(id(value))
            if is_change and last is not None and np.array_equal(last, copy, equal_nan=True):
                self.unchanged.add(event)
            self.values[event] = self._last[id(value)] = copy
            self.callers[event] = _callers()
        elif event in self.wanted:
            self.values[event] = np.array(array)
        change = self.changes.get(event)
        if event == self.output:
            self.out = np.array(array if change is None else change(array))
        return change


def _held(target: str, value: Any) -> Array | None:
    """The array that a target of an assignment of the user's code holds; None where that is none, or is the value."""
    frame = sys._getframe(2)
    with contextlib.suppress(Exception):  # it has not been assigned yet
        held = eval(target, frame.f_globals, frame.f_locals)
        return None if held is value else array_of(held)
    return None


def _callers() -> tuple[int, ...]:
    """The lines from which the function that runs now was called."""
    frame = sys._getframe(3).f_back
    lines = []
    while frame is not None and frame.f_code.co_filename != _HERE:
        lines.append(frame.f_lineno)
        frame = frame.f_back
    return tuple(lines)


_HERE = __file__


@contextlib.contextmanager
def probes(recorder: Recorder | None) -> Iterator[None]:
    """Let the probes of instrumented code be those of `recorder`; None: let them hand on what they are given."""
    if recorder is None:
        found: dict[str, Any] = dict.fromkeys((AT, AGAIN, AFTER, INSIDE), _hand_on)
    else:
        found = {AT: recorder.at, AGAIN: recorder.again, AFTER: recorder.after, INSIDE: recorder.inside}
    with hooks(found):
        yield


@contextlib.contextmanager
def hooks(functions: Mapping[str, Any]) -> Iterator[None]:
    """Let code that was changed find these by name, wherever it is: among the built-in functions."""
    before = {name: getattr(builtins, name, None) for name in functions}
    for name, each in functions.items():
        setattr(builtins, name, each)
    try:
        yield
    finally:
        for name, each in before.items():
            if each is None:
                delattr(builtins, name)
            else:
                setattr(builtins, name, each)


def _hand_on(_: int, value: Any = None, *__: Any) -> Any:
    return value
