"""Behaviour: whether a function leaves its arguments alone and gives the same answer to the same call.

It is called with copies: at the arguments twice, then elsewhere, then at the arguments again.

    a = f(x), b = f(x)                a ≠ b   not-repeatable, or state where the answers grow or settle
    f(y), c = f(x)                    a = b ≠ c   state-from-last-call
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


def observe(
    function: Callable[..., Any],
    arguments: Sequence[Any],
    elsewhere: Sequence[Any] | None = None,
    *,
    names: Sequence[str] = (),
    called: str = "gradient",
) -> Behaviour:
    """Call `function(*arguments)` with copies, three times or, where it is odd, five, and once elsewhere.

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

    first, second = call(arguments), call(arguments)
    if elsewhere is not None:
        with contextlib.suppress(
            Exception
        ):  # the other point may be outside of what the function is made for
            call(elsewhere)
    third = call(arguments)
    seen = first_difference(first, second)
    if seen is None:
        seen = first_difference(first, third)
        if seen is not None:
            evidence = f"A call at another point in between changed the answer: {seen}."
            findings.append(found("state-from-last-call", None, evidence))
    else:
        fourth, fifth = call(arguments), call(arguments)
        if is_sum(third, fourth, fifth):
            evidence = f"The answers to equal calls grow by the same amount each time: {seen}."
            findings.append(found("state-from-last-call", None, evidence))
        elif first_difference(fourth, fifth) is None and elsewhere is not None:
            evidence = f"The first of several equal calls gives another answer than those after it: {seen}."
            findings.append(found("state-from-last-call", None, evidence))
        else:
            evidence = f"Two equal calls of the {called} gave different answers: {seen}."
            findings.append(found("not-repeatable", None, evidence))
    repeatable = not any(each.kind in ("not-repeatable", "state-from-last-call") for each in findings)
    return Behaviour(first, tuple(findings), calls, repeatable)


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
