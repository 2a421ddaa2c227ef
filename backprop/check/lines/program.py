"""Programs: the user's function with probes in it, run at any point with any of its events moved or replaced.

The functions of the user's files keep their identity: for the time of the search each one's code is exchanged for the
same code with probes. So methods, closures and functions that lie in containers have probes too, and no statement
outside a function is run again.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import gc
import inspect
import io
import linecache
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.answers import read_answer
from backprop.check.failures import one_line
from backprop.check.lines.events import Change, Event, Recorder, array_of, probes, put
from backprop.check.lines.sites import Site, instrument
from backprop.check.oracle import Budget, OutOfCalls
from backprop.check.points import Structure
from backprop.check.trees import copied
from backprop.check.words import describe
from backprop.errors import CheckError


class NoSourceError(CheckError):
    """A function into which no probes can be put."""


Instrument = Callable[[str, str], tuple[ast.Module, dict[int, Site]]]
"""From a source and its path to its syntax tree with probes put in, and the sites of these."""


# Probes: the code of the user's functions, exchanged for the time of the search.


@contextlib.contextmanager
def instrumented(
    functions: Sequence[Callable[..., Any]],
    also: Sequence[Callable[..., Any]] = (),
    instrument: Instrument = instrument,
) -> Iterator[dict[int, Site]]:
    """While it lasts, functions have probes, and so have all functions of their files that Python can parse.

    Gives the sites of the probes. also: further functions, which are left as they are where no probe can be put in.
    instrument: puts the probes into a source.
    Raises `NoSourceError` where one is not written in Python, or its source is not what runs.
    """
    plain = [_plain(function) for function in functions]
    wanted = list(plain)
    for function in also:
        with contextlib.suppress(NoSourceError):
            wanted.append(_plain(function))
    sites, old, new = dict[int, Site](), dict[Key, set[bytes]](), dict[Key, CodeType]()
    own = [each for one in wanted for each in _own_functions(one)]
    # A cell of a notebook counts as a file of its own.
    for path in dict.fromkeys(each.__code__.co_filename for each in own):
        with contextlib.suppress(SyntaxError):  # such as a notebook's cell with a magic command
            found = _with_probes("".join(linecache.getlines(path)), path, instrument)
            old, new, sites = old | found[0], new | found[1], sites | found[2]
    for one in plain:
        if _key(one.__code__) not in new:
            raise NoSourceError(
                f"The source of {one.__qualname__} was not found; expected a function in a file or in a "
                "notebook's cell, to look for the wrong line."
            )
        if not _is_what_runs(one, old):
            raise NoSourceError(
                f"The source of {one.__qualname__} is not what runs; expected a file that has not been changed "
                "since it was loaded."
            )
    exchanged: list[tuple[FunctionType, CodeType]] = []
    try:
        # Closures and functions in containers are found as well; those that are frozen are not among the objects.
        for each in [*own, *gc.get_objects()]:
            if type(each) is FunctionType and _key(each.__code__) in new:
                code = new[_key(each.__code__)]
                if each.__code__ is not code and _is_what_runs(each, old):
                    exchanged.append((each, each.__code__))
                    each.__code__ = code
        with probes(None):  # of functions that something else calls meanwhile
            yield sites
    finally:
        for each, code in exchanged:
            each.__code__ = code


def _is_what_runs(function: FunctionType, codes: Mapping[Key, set[bytes]]) -> bool:
    """Whether the source of a function is that of its code; pytest writes the assertions of test files anew."""
    is_same = function.__code__.co_code in codes[_key(function.__code__)]
    loader = type(function.__globals__.get("__loader__")).__name__
    return is_same or (loader == "AssertionRewritingHook" and function.__name__ != "<lambda>")


Key = tuple[str, str, int]
"""A function's code: its file, its name and its first line."""


@functools.lru_cache(maxsize=16)
def _with_probes(
    source: str, path: str, instrument: Instrument
) -> tuple[dict[Key, set[bytes]], dict[Key, CodeType], dict[int, Site]]:
    """The code of a file's functions, the same with probes, and the sites of these.

    A notebook compiles each statement of a cell by itself, which gives other code to what its imports name.
    """
    tree, sites = instrument(source, path)
    units: list[str | ast.Module] = [source]
    units += [ast.Module([each], []) for each in ast.parse(source, path).body]
    old: dict[Key, set[bytes]] = {}
    for code in units:
        for key, own in _codes(compile(code, path, "exec")).items():
            old.setdefault(key, set()).add(own.co_code)
    return old, _codes(compile(tree, path, "exec")), sites


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
    """A function, and all others of its module, of its classes, and of the modules beside it that it imports."""
    folder = Path(plain.__code__.co_filename).parent
    found, modules, names = [plain], {str(plain.__module__)}, [plain.__globals__]
    for known in names:  # it grows
        for value in list(known.values()):
            module = str(getattr(value, "__module__" if callable(value) else "__name__", ""))
            if module not in modules and _lies_in(folder, sys.modules.get(module)):
                modules.add(module)
                names.append(vars(sys.modules[module]))
            for each in list(vars(value).values()) if isinstance(value, type) else [value]:
                own = inspect.unwrap(getattr(each, "__func__", each)) if callable(each) else each
                if isinstance(own, FunctionType) and own.__module__ in modules:
                    found.append(own)
    return found


def _lies_in(folder: Path, module: ModuleType | None) -> bool:
    """Whether the file of a module lies in a folder, and is no installed package."""
    path = Path(getattr(module, "__file__", None) or "")
    return folder.is_absolute() and path.parent == folder and "site-packages" not in path.parts


def _key(code: CodeType) -> Key:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> dict[Key, CodeType]:
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

    wide: whether it computes in float64 although the point has a narrower format. repaired: the truth, which every
    run puts in the place of values that are known to be wrong. output, loss_of: where the loss is another one than
    the function returns, an event, and the loss as a function of that event's value and of the point (p,). prepare:
    sets these two once the probes are in.
    believed: by an event k its value, and a value b that is taken for dL/dk although it is wrong. The loss is then

        L' = L(k held) + <b, k>                    dL'/dk = b, and what follows b is to be the derivative of L'

    refused: what the last run that gave no outcome did instead, as the beginning of a sentence.
    """

    function: Callable[..., Any]
    structure: Structure
    point: Array
    arguments: tuple[Any, ...]
    budget: Budget
    prepare: Callable[[Program, Mapping[int, Site]], None] | None = None
    wide: bool = False
    repaired: dict[Event, Change] = field(default_factory=dict)
    output: Event | None = None
    loss_of: Callable[[Array, Array], Any] | None = None
    believed: dict[Event, tuple[Array, Array]] = field(default_factory=dict)
    refused: str = ""

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
        moved, held = dict(changes or {}), {event: put(k) for event, (k, _) in self.believed.items()}
        wanted = wanted if wanted is None else wanted | held.keys()
        recorder = Recorder(self.repaired | moved | held, wanted, self.output)
        point = self.point if point is None else point
        answer = self.answer(recorder, point)
        if not isinstance(answer, tuple) or len(answer) != 2:
            if answer is not None:
                self.refused = f"The function gave {describe(answer)}"
            return None
        returned, gradient = answer
        if self.loss_of is not None:
            with _alone():
                returned = None if recorder.out is None else self.loss_of(recorder.out, point)
        loss = array_of(returned)
        if loss is None or loss.size != 1 or not np.all(np.isfinite(loss)):
            seen = describe(returned) if loss is None or loss.size != 1 else float(loss.reshape(()))
            self.refused = f"The loss is {seen}"
            return None
        try:
            found = read_answer(gradient, self.structure)
        except CheckError as error:
            self.refused = str(error).split("; expected")[0]
            return None
        tensors = {name: np.asarray(each, np.float64) for name, each in found.comparable.items()}
        spread = {name for name, axes in found.summed.items() if not axes}
        for name in found.transposed | spread:  # its shape is wrong: a line is to be found for that as well
            tensors.pop(name, None)
        believed = 0.0
        for event, (k, b) in self.believed.items():
            if event not in recorder.values:
                return None
            value = recorder.values[event]
            believed += float(np.vdot(b, (moved[event](value) if event in moved else value) - k))
        eps = float(np.finfo(loss.dtype).eps)
        return Outcome(float(loss.reshape(())) + believed, tensors, recorder.values, eps, recorder)

    def answer(self, recorder: Recorder, point: Array | None = None) -> Any:
        """What the function returns with the probes of a recorder; None where it raises."""
        built = self.structure.build(
            self.point if point is None else point, self.structure.dtype if self.wide else None
        )
        with _alone(), probes(recorder):
            try:
                return self.function(built, *map(copied, self.arguments))
            except CheckError as error:
                self.refused = str(error).split("; expected")[0]
                return None
            except (Exception, SystemExit) as error:  # of whatever kind: it is the user's
                self.refused = f"The function raised {one_line(error)}"
                return None

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
