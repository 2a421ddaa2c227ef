"""Programs: the user's function with probes in it, run at any point with any of its events moved or replaced.

The functions of the user's files keep their identity: for the time of the search each one's code is exchanged for the
same code with probes. So methods, closures and functions that lie in containers have probes too, and no statement
outside a function is run again.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import inspect
import io
import linecache
import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.answers import read_answer
from backprop.check.lines.events import Change, Event, Recorder, array_of, call, like, probes
from backprop.check.lines.sites import Site, instrument
from backprop.check.oracle import Budget, OutOfCalls
from backprop.check.points import Structure
from backprop.check.trees import copied
from backprop.errors import CheckError


class NoSourceError(CheckError):
    """A function into which no probes can be put."""


# Probes: the code of the user's functions, exchanged for the time of the search.


@contextlib.contextmanager
def instrumented(*functions: Callable[..., Any]) -> Iterator[list[Site]]:
    """Put probes into functions and into all functions of their modules that Python can read; the sites of these.

    Raises `NoSourceError` where one is not written in Python, or its source is not what runs.
    """
    plain = [_plain(function) for function in functions]
    sites: list[Site] = []
    new: dict[tuple[str, str, int], CodeType] = {}
    old: dict[tuple[str, str, int], CodeType] = {}
    own = [each for one in plain for each in _own_functions(one)]
    for path in dict.fromkeys(
        each.__code__.co_filename for each in own
    ):  # a notebook's cell is a file of its own
        source = "".join(linecache.getlines(path))
        with contextlib.suppress(SyntaxError):  # such as a notebook's cell with a magic command
            old |= _codes(compile(source, path, "exec"))
            new |= _codes(compile(instrument(source, path, sites), path, "exec"))
    for one in plain:
        if _key(one.__code__) not in new:
            raise NoSourceError(
                f"The source of {one.__qualname__} was not found; expected a function in a file or in a "
                "notebook's cell, to look for the wrong line."
            )
        if old[_key(one.__code__)].co_code != one.__code__.co_code:
            raise NoSourceError(
                f"The source of {one.__qualname__} is not what runs; expected a file that has not been changed "
                "since it was loaded."
            )
    exchanged: list[tuple[FunctionType, CodeType]] = []
    try:
        # Closures and functions in containers are found as well; those that are frozen are not among the objects.
        for each in [*own, *gc.get_objects()]:
            if type(each) is FunctionType and _key(each.__code__) in new:
                key = _key(each.__code__)
                if old[key].co_code == each.__code__.co_code:
                    exchanged.append((each, each.__code__))
                    each.__code__ = new[key]
        with probes(None):  # of functions that something else calls meanwhile
            yield sites
    finally:
        for each, code in exchanged:
            each.__code__ = code


def _plain(function: Callable[..., Any]) -> FunctionType:
    """The function of Python that is called."""
    found: Any = inspect.unwrap(function)
    while isinstance(found, functools.partial):
        found = inspect.unwrap(found.func)
    if isinstance(found, MethodType):
        found = found.__func__
    if not isinstance(found, FunctionType):  # an object that can be called
        found = inspect.getattr_static(type(found), "__call__", None)
    if not isinstance(found, FunctionType):
        name = getattr(function, "__name__", type(function).__name__)
        raise NoSourceError(
            f"{name} is compiled; expected a function of Python, to look for the wrong line inside it."
        )
    return found


def _own_functions(plain: FunctionType) -> list[FunctionType]:
    """A function, and all others of its module: also those of its classes."""
    found = [plain]
    for value in list(plain.__globals__.values()):
        for each in list(vars(value).values()) if isinstance(value, type) else [value]:
            own = inspect.unwrap(getattr(each, "__func__", each)) if callable(each) else each
            if isinstance(own, FunctionType) and own.__module__ == plain.__module__:
                found.append(own)
    return found


def _key(code: CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> dict[tuple[str, str, int], CodeType]:
    """The code of every function in compiled code."""
    found = {}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found[_key(constant)] = constant
            found |= _codes(constant)
    return found


# Runs of the program: the loss, and the gradient by tensor.

_AGREE = 1e-3
"""Of the loss: what wider arguments may change it by."""


@dataclass
class Outcome:
    """What one run gave. gradient: by tensor, where its values can be compared; `raw`: with those that cannot."""

    loss: float
    gradient: dict[str, Array]
    values: dict[Event, Array]
    eps: float
    recorder: Recorder


@dataclass
class Program:
    """A function `(point, *arguments) -> (loss, gradient)` with probes in it, and the budget of its runs.

    repaired: what is put in the place of values that are known to be wrong, in every run.
    """

    function: Callable[..., Any]
    structure: Structure
    point: Array
    arguments: tuple[Any, ...]
    budget: Budget
    form: Any = None
    wide: bool = False
    repaired: dict[Event, Change] = field(default_factory=dict)

    def run(
        self,
        point: Array | None = None,
        changes: Mapping[Event, Change] | None = None,
        wanted: frozenset[Event] | None = frozenset(),
    ) -> Outcome | None:
        """One run; None where the code raises, or gives no loss. Raises `OutOfCalls` where none is left."""
        if not self.budget.room(1):
            raise OutOfCalls
        self.budget.used += 1
        recorder = Recorder({**self.repaired, **(changes or {})}, wanted)
        dtype = self.structure.dtype if self.wide else None
        built = self.structure.build(self.point if point is None else point, dtype)
        with _alone():
            try:
                point = _as_given(self.form, built)
                answer = call(self.function, (point, *map(copied, self.arguments)), recorder)
                return self._read(answer, recorder)
            except Exception:  # of whatever kind: it is the user's
                return None

    def _read(self, answer: Any, recorder: Recorder) -> Outcome | None:
        if not isinstance(answer, tuple) or len(answer) != 2:
            return None
        loss, gradient = array_of(answer[0]), answer[1]
        if loss is None or loss.size != 1 or not np.all(np.isfinite(loss)):
            return None
        found = read_answer(_arrays(gradient), self.structure)
        tensors = {name: np.asarray(each, np.float64) for name, each in found.comparable.items()}
        for name in found.transposed:  # its shape is wrong: a line is to be found for that as well
            del tensors[name]
        eps = float(np.finfo(loss.dtype).eps)
        return Outcome(float(loss.reshape(())), tensors, recorder.values, eps, recorder)

    def widen(self) -> None:
        """Let the code compute in float64 where it does so for wider arguments, and gives the same loss."""
        narrow, arguments = self.run(), self.arguments
        self.wide, self.arguments = True, tuple(map(_widened, arguments))
        wider = self.run()
        close = narrow and wider and abs(wider.loss - narrow.loss) <= _AGREE * (abs(narrow.loss) + _AGREE)
        if not close:
            self.wide, self.arguments = False, arguments


def _widened(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return value.astype(np.result_type(value, np.float64))
    if isinstance(value, dict):
        return {key: _widened(each) for key, each in value.items()}
    return type(value)(map(_widened, value)) if type(value) in (list, tuple) else value


def _as_given(form: Any, built: Any) -> Any:
    """The point with tensors of PyTorch and JAX where it was given with them."""
    if isinstance(form, Mapping):
        return type(built)((key, _as_given(form[key], each)) for key, each in built.items())
    if type(form) in (list, tuple):
        return type(form)(map(_as_given, form, built))
    return like(form, built) if hasattr(form, "__array__") and not isinstance(form, np.ndarray) else built


def _arrays(gradient: Any) -> Any:
    """The gradient with the tensors of other libraries as arrays."""
    if isinstance(gradient, Mapping):
        return {key: _arrays(each) for key, each in gradient.items()}
    if type(gradient) in (list, tuple):
        return type(gradient)(map(_arrays, gradient))
    array = array_of(gradient)
    return gradient if array is None else array


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Run the user's code without its output and warnings, and with the same global random numbers each time."""
    state, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002  # it is what the user's code may use
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    try:
        with (
            warnings.catch_warnings(),
            np.errstate(all="ignore"),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(state)
        np.random.set_state(legacy)  # noqa: NPY002
