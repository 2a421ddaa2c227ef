"""Behaviour: whether a function leaves its arguments alone and gives the same answer to the same call.

It is called with copies: at the arguments twice, then elsewhere, then at the arguments again.

    a = f(x), b = f(x), f(y), c = f(x)        a = b = c: repeatable; a = b where there is no other point y

Where they differ, f(y), f(x), f(x), f(x) are called in two rounds more. Answers that grow by the same amount at
each call, or that are the same in both rounds, depend on the call before: `state-from-last-call`. Any others
are random: `not-repeatable`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.kinds import Finding, found
from backprop.check.leaves import to_numpy
from backprop.check.trees import copied, ends_of


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
        after_others = None if elsewhere is None else first_difference(first, second) is None
        kind, evidence = _why_they_differ(rounds, after_others, called)
        findings.append(found(kind, None, f"{evidence}: {seen}."))
    return Behaviour(first, tuple(findings), calls)


def _why_they_differ(rounds: list[list[Any]], only_after_others: bool | None, called: str) -> tuple[str, str]:
    """The kind of mistake, and what was seen, where equal calls gave different answers.

    rounds: two rounds of three more answers. only_after_others: whether two calls in a row gave the same answer, so
    that a call at another point made the difference; None where there is no other point.
    """
    if all(is_sum(*each) for each in rounds):
        return "state-from-last-call", "The answers to equal calls grow by the same amount each time"
    alike = all(first_difference(*pair) is None for pair in zip(*rounds, strict=True))
    if not alike or only_after_others is None:
        return "not-repeatable", f"Equal calls of the {called} gave different answers"
    if only_after_others:
        return "state-from-last-call", "A call at another point in between changed the answer"
    first = "The first of several equal calls gives another answer than those after it"
    return "state-from-last-call", first


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


# Whether two answers are equal, to the last bit or to rounding.

_ROUNDING = 1e-6
"""Of the largest entry: answers that are so close are equal.

Where a copy happens to lie in memory changes the order of a sum, and an intermediate may be float32.
"""
_NARROW = 16
"""Roundings of float16 and the like, where these are more."""
_EVENLY, _GROWS = 10, 1e3
"""Times that rounding: how much the steps of an answer that grows may differ, and how large they are at least."""


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
            if not np.all(np.abs(next_step - step) <= _EVENLY * rounding):
                return False
            grows |= bool(np.any(np.abs(step) > _GROWS * rounding))
    return grows


def _tolerance(array: Array) -> float:
    return max(_ROUNDING, _NARROW * float(np.finfo(array.dtype).eps)) if array.dtype.kind in "fc" else 0.0


def _same(one: Array | None, other: Array | None) -> bool:
    if one is None or other is None or one.shape != other.shape or one.dtype != other.dtype:
        return False
    return np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")
