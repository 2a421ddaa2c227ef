"""Programs: the user's function with probes in it, run at any point with any of its events moved or replaced."""

from __future__ import annotations

import contextlib
import io
import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.answers import read_answer
from backprop.check.failures import one_line
from backprop.check.lines.events import Change, Event, Recorder, array_of, probes, put
from backprop.check.lines.sites import Site
from backprop.check.oracle import Budget, OutOfCalls
from backprop.check.points import Structure
from backprop.check.trees import copied
from backprop.check.words import describe
from backprop.errors import CheckError

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
    run puts in the place of values that are known to be wrong. added: sites that are known to overwrite a sum, with
    the code of what they assign: every run adds their values to it. output, loss_of: where the loss is another one
    than the function returns, an event, and the loss as a function of that event's value and of the point (p,).
    prepare: sets these two once the probes are in.
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
    added: dict[int, str] = field(default_factory=dict)
    output: Event | None = None
    loss_of: Callable[[Array, Array], Any] | None = None
    believed: dict[Event, tuple[Array, Array]] = field(default_factory=dict)
    refused: str = ""

    def run(
        self,
        point: Array | None = None,
        changes: Mapping[Event, Change] | None = None,
        wanted: frozenset[Event] | None = frozenset(),
        targets: Mapping[int, str] | None = None,
        *,
        adding: Set[int] = frozenset(),
    ) -> Outcome | None:
        """One run; None where the code raises, or gives no loss. Raises `OutOfCalls` where none is left.

        The arguments after `point` are those of the recorder.
        """
        if not self.budget.room(1):
            raise OutOfCalls
        self.budget.used += 1
        moved, held = dict(changes or {}), {event: put(k) for event, (k, _) in self.believed.items()}
        wanted = wanted if wanted is None else wanted | held.keys()
        changes = self.repaired | moved | held
        targets = self.added | dict(targets or {})
        recorder = Recorder(changes, wanted, self.output, targets, self.added.keys() | adding)
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
            seen = loss.item() if loss is not None and loss.size == 1 else describe(returned)
            self.refused = f"The loss is {seen}"
            return None
        try:
            with np.errstate(all="ignore"):  # what a change makes of a gradient may be as large as it likes
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

    def as_written(self) -> Program:
        """The program without any value that was put right, or taken for right; with the same budget."""
        return replace(self, repaired={}, added={}, believed={})

    def replaced(self, events: Sequence[Event], new: Sequence[Array]) -> Outcome | None:
        """The run with new values in the place of some events."""
        return self.run(changes={event: put(array) for event, array in zip(events, new, strict=True)})

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
    with (
        random_numbers_kept(),
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002  # it is what the user's code may use
        yield


_is_kept = False


@contextlib.contextmanager
def random_numbers_kept() -> Iterator[None]:
    """At its end the global generators go on as if nobody had drawn from them meanwhile.

    To keep their states takes longer than many a run: around a whole search, they are kept once.
    """
    global _is_kept
    if _is_kept:
        yield
        return
    _is_kept, state, legacy = True, random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        _is_kept = False
        random.setstate(state)
        np.random.set_state(legacy)  # noqa: NPY002
