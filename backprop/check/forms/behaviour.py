"""Behaviour: whether a function leaves its arguments alone and gives the same answer to the same call.

It is called with copies: at the arguments twice, then elsewhere, then at the arguments again.

    a = f(x), b = f(x), f(y), c = f(x)        a = b = c: repeatable; a = b where there is no other point y

Where they differ, f(y), f(x), f(x), f(x) are called in two rounds more. Answers that grow by the same amount at each
call, or that are the same in both rounds, depend on the call before: `state-from-last-call`. Any others are random:
`not-repeatable`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from backprop.check.findings import Finding
from backprop.check.forms.copies import copied, differing, first_difference, is_sum
from backprop.check.kinds import found


@dataclass(frozen=True)
class Behaviour:
    """The first answer, in memory of its own, and what is amiss with the way in which it was given.

    repeatable: whether equal calls gave equal answers, to rounding.
    """

    answer: Any
    findings: tuple[Finding, ...]
    calls: int
    repeatable: bool = True

    @property
    def has_state(self) -> bool:
        """Whether an answer depends on the call before."""
        return any(finding.kind == "state-from-last-call" for finding in self.findings)


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
        findings.append(_changing(first, second, rounds, seen, called, elsewhere is not None))
    repeatable = not any(each.kind in ("not-repeatable", "state-from-last-call") for each in findings)
    return Behaviour(first, tuple(findings), calls, repeatable)


def _changing(
    first: Any, second: Any, rounds: list[list[Any]], seen: str, called: str, has_elsewhere: bool
) -> Finding:
    """What answers to equal calls, which differ, depend on."""
    if all(is_sum(*each) for each in rounds):
        evidence = f"The answers to equal calls grow by the same amount each time: {seen}."
        return found("state-from-last-call", None, evidence)
    alike = all(first_difference(one, two) is None for one, two in zip(*rounds, strict=True))
    if not (alike and has_elsewhere):
        evidence = f"Equal calls of the {called} gave different answers: {seen}."
        return found("not-repeatable", None, evidence)
    if first_difference(first, second) is None:
        evidence = f"A call at another point in between changed the answer: {seen}."
    else:
        evidence = f"The first of several equal calls gives another answer than those after it: {seen}."
    return found("state-from-last-call", None, evidence)


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
