"""Oracles: the user's function and gradient as callables, with their calls counted and their behaviour observed.

In the order of this file: the budget of calls; copies of what is handed over; how a callable behaves; the gradient
oracle; the function oracle.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backprop.arrays import Array, DType
from backprop.check.answers import Answer, read_answer, value_and_gradient
from backprop.check.bounds import Bounds, is_within
from backprop.check.kinds import Finding, found
from backprop.check.leaves import float64_in_jax, format_of, read, round_to, to_numpy
from backprop.check.points import Structure, describe
from backprop.check.trees import copied, ends_of
from backprop.errors import CheckError, OptionError

# Budget: what a check is asked for: at most how many calls, and how exact a gradient.


@dataclass
class Budget:
    """The number of calls of the function and the gradient together that are allowed, and that were made."""

    limit: int
    used: int = 0

    @property
    def left(self) -> int:
        """The number of calls that are left."""
        return self.limit - self.used

    def room(self, calls: int) -> bool:
        """Whether so many calls more are allowed."""
        return calls <= self.left


def check_rtol(rtol: float | None) -> None:
    """Raise `OptionError` for an accuracy that is no number between 0 and 1."""
    if rtol is not None and not 0 < rtol < 1:
        raise OptionError(f"rtol is {rtol}; expected a number between 0 and 1.")


# Copies: arguments and answers in memory of their own, and whether two of them are equal to rounding.

_ROUNDING = 1e-6
"""Of the largest entry: answers that are so close are equal.

Where a copy happens to lie in memory changes the order of a sum, and an intermediate may be float32.
"""
_GROWS = 1e3
"""Times that rounding: an answer that grows by less may have been rounded differently."""


def _arrays(value: Any) -> dict[str, Array]:
    """Every array or number in containers, by name; "" for a lone array."""
    return {name: to_numpy(end) for name, end in ends_of(value) if end is not None}


def differing(one: Any, other: Any) -> list[str]:
    """The names of the arrays that differ in any bit, or in NaN."""
    first, second = _arrays(one), _arrays(other)
    both = dict.fromkeys([*first, *second])
    return [name for name in both if not _same(first.get(name), second.get(name))]


def first_difference(one: Any, other: Any) -> str | None:
    """Where and how much two answers differ, in words; None where they are equal to rounding."""
    first, second = _arrays(one), _arrays(other)
    if set(first) != set(second):
        return "it has other tensors"
    for name, a in first.items():
        b, where = second[name], f"{name} " if name else ""
        if a.shape != b.shape:
            return f"{where}of shape {a.shape}, then {b.shape}"
        if a.dtype.kind not in "iufcb" or _same(a, b) or a.size == 0:
            continue
        with np.errstate(all="ignore"):
            gap = np.abs(np.subtract(a, b, dtype=np.result_type(a, b, np.float64)))
            different = ~(gap <= _tolerance(a) * np.max(np.maximum(np.abs(a), np.abs(b))))
        if np.any(different & ~(np.isnan(a) & np.isnan(b))):
            worst = np.unravel_index(int(np.argmax(np.where(np.isnan(gap), -1, gap))), a.shape)
            return f"{where}{[int(k) for k in worst]} was {a[worst]:.6g}, then {b[worst]:.6g}"
    return None


def is_sum(one: Any, two: Any, three: Any) -> bool:
    """Whether three answers are equally spaced and not equal: each call adds the same to the one before."""
    answers = [_arrays(each) for each in (one, two, three)]
    shapes = [{name: array.shape for name, array in each.items()} for each in answers]
    if not shapes[0] == shapes[1] == shapes[2]:
        return False
    grows = False
    for a, b, c in ([each[name] for each in answers] for name in answers[0]):
        if a.dtype.kind in "iuf":
            step, next_step, rounding = b - a, c - b, _tolerance(a) * np.max(np.abs(c), initial=0)
            if not np.all(np.abs(next_step - step) <= 10 * rounding):
                return False
            grows |= bool(np.any(np.abs(step) > _GROWS * rounding))
    return grows


def _tolerance(array: Array) -> float:
    return max(_ROUNDING, 16 * float(np.finfo(array.dtype).eps)) if array.dtype.kind in "fc" else 0.0


def _same(one: Array | None, other: Array | None) -> bool:
    if one is None or other is None or one.shape != other.shape or one.dtype != other.dtype:
        return False
    return np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")


# Behaviour: whether a function leaves its arguments alone and gives the same answer to the same call.
#
# It is called with copies: at the arguments twice, then elsewhere, then at the arguments again.
#
#     a = f(x), b = f(x), f(y), c = f(x)        a = b = c: repeatable; a = b where there is no other point y
#
# Where they differ, f(y), f(x), f(x), f(x) are called in two rounds more. Answers that grow by the same amount at
# each call, or that are the same in both rounds, depend on the call before: `state-from-last-call`. Any others
# are random: `not-repeatable`.


@dataclass(frozen=True)
class Behaviour:
    """The first answer, in memory of its own, and what is amiss with the way in which it was given."""

    answer: Any
    findings: tuple[Finding, ...]
    calls: int

    @property
    def has_state(self) -> bool:
        """Whether an answer depends on the call before."""
        return any(finding.kind == "state-from-last-call" for finding in self.findings)

    @property
    def repeatable(self) -> bool:
        """Whether equal calls gave equal answers, to rounding."""
        return not self.has_state and all(finding.kind != "not-repeatable" for finding in self.findings)


def observe(
    function: Callable[..., Any],
    arguments: Sequence[Any],
    elsewhere: Sequence[Any] | None = None,
    *,
    names: Sequence[str] = (),
    called: str = "gradient",
) -> Behaviour:
    """Call `function(*arguments)` with copies, three times and once elsewhere, and more often where answers differ.

    Where there is no other point, two calls are made.

    arguments, elsewhere: arrays, or containers of them, one per parameter of the function; `elsewhere` should differ
    from `arguments` in every number. names: what the arguments are called in the findings ("params", "inputs"); a
    name that is empty or missing leaves the tensors' own names. called: what the function is called.

    What the function raises at `arguments` is not caught.
    """
    findings: list[Finding] = []
    calls = 0

    def call(at: Sequence[Any]) -> Any:
        nonlocal calls
        calls += 1
        given = [copied(each) for each in at]
        answer = copied(function(*given))  # a buffer that the next call fills again is not ours
        if not any(finding.kind == "modifies-arguments" for finding in findings):
            findings.extend(_modified(at, given, names, called))
        return answer

    def call_elsewhere() -> None:
        if elsewhere is not None:
            with contextlib.suppress(Exception):  # the function may not be made for the other point
                call(elsewhere)

    first, second = call(arguments), call(arguments)
    seen = first_difference(first, second)
    if elsewhere is not None:
        call_elsewhere()
        seen = seen or first_difference(first, call(arguments))
    if seen is not None:
        rounds = []
        for _ in range(2):
            call_elsewhere()
            rounds.append([call(arguments) for _ in range(3)])
        alike = all(first_difference(*pair) is None for pair in zip(*rounds, strict=True))
        kind = "state-from-last-call"
        if all(is_sum(*each) for each in rounds):
            evidence = "The answers to equal calls grow by the same amount each time"
        elif not alike or elsewhere is None:
            kind, evidence = "not-repeatable", f"Equal calls of the {called} gave different answers"
        elif first_difference(first, second) is None:
            evidence = "A call at another point in between changed the answer"
        else:
            evidence = "The first of several equal calls gives another answer than those after it"
        findings.append(found(kind, None, f"{evidence}: {seen}."))
    return Behaviour(first, tuple(findings), calls)


def _modified(
    before: Sequence[Any], after: Sequence[Any], names: Sequence[str], called: str
) -> list[Finding]:
    """The arguments that a call changed, each as one finding."""
    findings = []
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        name = names[number] if number < len(names) else ""
        changed = differing(old, new)
        if changed:
            inner = ", ".join(each for each in changed if each)
            what = " ".join(part for part in (name, inner) if part) or "its argument"
            only = changed[0] if len(changed) == 1 and changed[0] and not name else None
            findings.append(found("modifies-arguments", only, f"The {called} changed {what} in place."))
    return findings


# Claims: what the gradient says, here and elsewhere, as rows (m, p).


@dataclass(frozen=True)
class Claims:
    """rows (m, p): the gradient or Jacobian, NaN where a tensor cannot be compared. names: of those that can be."""

    rows: Array
    names: tuple[str, ...]


def claims_of(answer: Answer, structure: Structure, outputs: tuple[int, ...]) -> Claims:
    """The tensors that can be compared, side by side."""
    m = int(np.prod(outputs, dtype=int))
    rows = np.full((m, structure.size), np.nan, structure.dtype)
    for name, tensor in answer.comparable.items():
        rows[:, structure.places[name]] = tensor.reshape(m, -1)
    return Claims(rows, tuple(name for name in structure.names if name in answer.comparable))


@dataclass
class GradientOracle:
    """A gradient that can be asked at other points, or in a wider dtype (`wide`), where it need not work."""

    gradient: Callable[[Any], Any]
    structure: Structure
    outputs: tuple[int, ...]
    budget: Budget
    wide: bool = False
    calls: int = 0
    bounds: Bounds | None = None

    def at(self, point: Array) -> Answer | None:
        """Ask the gradient at a point (p,); None where it raises, gives no gradient, or may not be asked."""
        if not self.budget.room(1) or not is_within(point, self.bounds):
            return None
        self.calls += 1
        self.budget.used += 1
        try:
            with _quiet(wide=self.wide):
                raw = self.gradient(self.structure.build(point, self.structure.dtype if self.wide else None))
            answer = value_and_gradient(copied(raw), self.structure)[1]
            return read_answer(answer, self.structure, outputs=self.outputs)
        except Exception:  # of whatever kind: it is the user's
            return None

    def rows(self, point: Array) -> Array | None:
        """The rows (m, p) that it gives at a point (p,); None where it gives none."""
        answer = self.at(point)
        return None if answer is None else claims_of(answer, self.structure, self.outputs).rows


@contextlib.contextmanager
def _quiet(*, wide: bool) -> Iterator[None]:
    """Call the user's code without warnings, and in float64 where its arguments are `wide`."""
    with warnings.catch_warnings(), np.errstate(all="ignore"), float64_in_jax(wide):
        warnings.simplefilter("ignore")
        yield


# Evaluation: the user's function as a black box from a vector (p,) to its values (m,), counted and kept quiet.
#
# m is 1 for a function to a number, the size of its value for a function to an array.

_SEEN, _DISTINCT = 40, 4
"""Values that are kept to see their format, and how many different ones it takes to tell a format."""


class OutOfCalls(Exception):
    """The function may not be called as often as a slope needs. A check never lets this exception out."""


@dataclass
class FunctionOracle:
    """The function at any point near the one that is checked.

    code: as the user wrote it. budget: shared with the gradient. outputs: the shape of its value. dtype: of every
    tensor that the function is called with; None for each one's own. given: the eps of its last value, 0 where that
    is not floating. coarse: the eps of the narrower format to which the function was seen to round its arguments;
    0 where it was not. bounds: beyond which it is not called. seen: its first different values beside the point.
    """

    code: Callable[[Any], Any]
    structure: Structure
    point: Array
    budget: Budget
    outputs: tuple[int, ...] = ()
    dtype: DType | None = None
    calls: int = 0
    coarse: float = 0.0
    given: float = 0.0
    seen: dict[bytes, Array] = field(default_factory=dict)
    value: Array = field(default_factory=lambda: np.zeros(0))
    bounds: Bounds | None = None

    def room(self, calls: int) -> bool:
        """Whether so many calls more are allowed."""
        return self.budget.room(calls)

    def count(self, calls: int) -> None:
        """Note calls of the function that were made elsewhere."""
        self.calls += calls
        self.budget.used += calls

    def start(self, raw: Any, *, jacobian: bool) -> None:
        """Take the value at the point itself, as the function gave it.

        Raises `CheckError` where it is no real number (for a Jacobian, no array of them), or not finite.
        """
        value = array_of(raw)
        if value is None or value.dtype.kind not in "iufb":
            wanted = "an array of real numbers" if jacobian else "a real number"
            is_complex = value is not None and value.dtype.kind == "c"
            raise CheckError(
                f"The function gave {'complex numbers' if is_complex else describe(raw)}; expected {wanted}."
            )
        if not jacobian and value.size != 1:
            raise CheckError(
                f"The function gave an array of shape {value.shape}; expected a number, or jacobian= in place of "
                f"the gradient."
            )
        if value.size == 0:
            raise CheckError("The function gave an array without entries; expected at least one number.")
        if not np.all(np.isfinite(value)):
            raise CheckError(f"The function is {_first_bad(value)} at the point; expected a finite value.")
        self.outputs = value.shape if jacobian else ()
        self.value = value.astype(self._wide).reshape(-1)

    def at_format(self, point: Array) -> Array:
        """The point in numbers of the format to which the function rounds what it is given."""
        return round_to(point, 1 - round(math.log2(self.coarse))) if self.coarse else point

    def as_given(self, point: Array) -> Array:
        """The point in numbers that the function is given: rounded to its dtype, or to its own coarse format."""
        if self.dtype is not None and self.dtype.itemsize >= point.dtype.itemsize:
            return self.at_format(point)
        views = self.structure.views(point)
        rounded = {
            one.name: one.rounded(views[one.name])
            if self.dtype is None
            else views[one.name].astype(self.dtype)
            for one in self.structure.leaves
        }
        return self.structure.vector(rounded)

    def at(self, point: Array) -> Array:
        """The values (m,) at a point (p,); NaN where it raises, gives another shape, or may not be called."""
        if not is_within(point, self.bounds):
            return np.full(self.value.shape, np.nan, self._wide)
        self.count(1)
        raw = self._quietly(point, self.dtype)
        value = array_of(raw)
        if value is None or value.dtype.kind not in "iufb" or value.size != self.value.size:
            return np.full(self.value.shape, np.nan, self._wide)
        form = read(raw)[1]
        self.given = 0.0 if form is None else form.eps
        found = value.astype(self._wide).reshape(-1)
        if len(self.seen) < _SEEN:
            self.seen.setdefault(found.tobytes(), found)
        return found

    def at_complex(self, point: Array) -> Array | None:
        """The complex values (m,) at a complex point (p,); None where the function does not take complex numbers."""
        if not self.structure.takes_complex:
            return None
        self.count(1)
        wide = np.result_type(self._wide, np.complex64)
        value = array_of(self._quietly(point, wide, refuse_casts=True))
        if value is None or value.dtype.kind != "c" or value.size != self.value.size:
            return None
        return value.astype(wide).reshape(-1)

    def grid(self) -> Array:
        """The eps (m,) of the narrowest format of which all values so far are numbers; of float64 where of none."""
        values = np.array(list(self.seen.values())).reshape(-1, self.value.size)
        found = np.full(self.value.shape, self.eps)
        for bits in (24, 11, 8):
            with np.errstate(all="ignore"):
                fits = np.all((round_to(values, bits) == values) | ~np.isfinite(values), axis=0)
            for k in np.flatnonzero(fits):  # a few values, or small whole numbers, are numbers of any format
                column = values[np.isfinite(values[:, k]), k]
                if len(np.unique(column)) >= _DISTINCT and np.any(round_to(column, bits - 2) != column):
                    found[k] = max(found[k], 2.0 ** (1 - bits))
        return found

    @property
    def eps(self) -> float:
        """The rounding of the dtype in which the function is called."""
        return (self.structure.format if self.dtype is None else format_of(self.dtype)).eps

    @property
    def _wide(self) -> DType:
        return self.structure.dtype

    def _quietly(self, point: Array, dtype: DType | None, refuse_casts: bool = False) -> Any:
        """Call the function near the point; an exception or a warning there counts as "no value"."""
        wide = dtype is not None and dtype.kind == "f"
        with _quiet(wide=wide):
            if refuse_casts:  # complex numbers that silently lose their imaginary part
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
            try:
                return self.code(self.structure.build(point, dtype))
            except Exception:  # of whatever kind: it is the user's
                return None


def array_of(raw: Any) -> Array | None:
    """A value as an array; None where it is none."""
    try:
        array = to_numpy(raw)
        return array.astype(np.float64) if array.dtype.kind == "O" and raw is not None else array
    except (TypeError, ValueError, RuntimeError):
        return None


def _first_bad(value: Array) -> str:
    bad = value[~np.isfinite(value)].reshape(-1)[0]
    return "NaN" if math.isnan(bad) else "infinite"
