"""Trials: one thing is changed and the check is made again. If it says right now, that thing is the mistake.

    another point        no two values are equal           a mask gives equal values no share, or several
    without an update    W -= …  is not carried out        δ goes back through weights that were updated before
    without an ε         a + ε   becomes a                 an ε is in the function or in the gradient, and not in both
    transposed           δ @ W   becomes δ @ W.T           the shapes of a square W do not show the mistake

A trial proves as much as any check that says right: every entry, or random directions, agree to rounding.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.around import OTHER, as_means, aside, is_near, kinks_of_a_mean
from backprop.check.constants import with_constants
from backprop.check.evidence import Evidence, gather
from backprop.check.factors import NEAR_ONE
from backprop.check.kinds import found
from backprop.check.lines.sites import Site
from backprop.check.lines.switches import Switches, switched
from backprop.check.oracle import Budget, FunctionOracle
from backprop.check.result import GradientCheck
from backprop.check.words import listed
from backprop.errors import CheckError

_MOST, _TRIED = 300, 6
"""The most calls of one trial, and the most ε that are tried."""
_BESIDE = 1 / 50
"""How far the other point lies from the point, as a share of each entry's scale."""
_CLEARLY = 3
"""A trial counts only if the tensor's error before it was more than this multiple of its tolerance."""

_Proof = tuple[str, str, frozenset[str]]
"""A kind of mistake, what was seen, and the tensors that are right without it."""


def with_trials(check: GradientCheck, seen: Evidence, sources: Sequence[Callable[..., Any]]) -> GradientCheck:
    """The check; if it says wrong, with the mistakes that trials prove instead of the tensors' other findings.

    sources: the functions whose code is changed in the trials.
    """
    wrong = frozenset(each.tensor.name for each in seen.verdicts if each.wrong)
    if not wrong or seen.gradient is None or seen.function.outputs:
        return check
    check = with_constants(check, seen)
    fixed = _fixed(seen, aside(seen, _BESIDE, 3), wrong)
    means = kinks_of_a_mean(seen, frozenset(fixed), wrong)
    if means:
        check, wrong = as_means(check, seen, means), wrong - means.keys()
        if not wrong:
            return check
    named: dict[str, tuple[str, str]] = {}
    with contextlib.closing(_proofs(seen, wrong, sources, fixed - means.keys())) as proofs:
        for kind, evidence, fixed in proofs:
            named |= dict.fromkeys(fixed, (kind, evidence))
            if named.keys() >= wrong:
                break
    for finding in check.findings:
        if finding.kind == "other-input":  # it is as well proven
            named.pop(finding.tensor or "", None)
    rest = [each for each in check.findings if each.tensor not in named or each.kind in _STAY]
    new = [
        found(named[name][0], name, named[name][1]) for name in seen.function.structure.names if name in named
    ]
    return replace(check, findings=(*rest, *new))


_COMPILED = ("_torchdynamo_orig_callable", "eval_shape")
"""Attributes of functions that torch.compile or jax.jit has made."""
_STAY = ("modifies-arguments", "wrong-dtype", "wrong-name", "wrong-shape")
"""Kinds that stay beside a proven mistake: a tensor may have both."""


def _proofs(
    seen: Evidence,
    wrong: frozenset[str],
    sources: Sequence[Callable[..., Any]],
    right_beside: frozenset[str],
) -> Generator[_Proof, None, None]:
    yield from _beside(seen, right_beside)
    structure, point = seen.function.structure, seen.function.point
    tensors = {name: value for name, value in structure.views(point).items() if np.any(value)}
    switches = Switches(tensors)
    if any(hasattr(each, name) for each in sources for name in _COMPILED):
        return  # a compiled function would be compiled once more, and keep the changes of a trial
    try:
        with switched(sources, switches) as sites:
            before = _answers(seen, point)
            if before is not None:
                code = _Code(seen, wrong, switches, sites, *before)
                yield from _without_updates(code)
                yield from _without_epsilon(code)
                yield from _transposed(code)
    except CheckError:  # code that cannot be changed
        return


def _beside(seen: Evidence, right_beside: frozenset[str]) -> Iterator[_Proof]:
    """The tensors that are right at another point close by, where no two values are equal."""
    structure, x, beside = seen.function.structure, seen.function.point, aside(seen, _BESIDE, 3)
    fixed = frozenset(name for name in right_beside if not _adds_up(seen, beside, name))
    if fixed:
        ties = [
            name for name in fixed if len(np.unique(structure.views(x)[name])) < structure.leaf(name).size
        ]
        why = f", where entries of {listed(sorted(ties))} are equal to one another" if ties else ""
        moved = f"The gradient is right, to rounding, once every entry is moved by {_BESIDE:.0%}"
        yield "mask-of-ties", f"{moved}; it is wrong at this point{why}.", fixed


def _adds_up(seen: Evidence, beside: Array, name: str) -> bool:
    """Whether the entries that change most beside the point keep their sum: then the tie was shared out rightly."""
    places = seen.function.structure.places
    rows = None if seen.gradient is None else seen.gradient.rows(beside)
    if rows is None:
        return False
    there, here = rows[0, places[name]], seen.rows[0, places[name]]
    other = np.abs(there - here) > OTHER * np.max(np.abs(there))
    size = np.sum(np.abs(there[other]))
    return bool(np.any(other) and abs(np.sum(there[other]) - np.sum(here[other])) <= OTHER * size)


@dataclass(frozen=True)
class _Code:
    """The user's code with its switches and their places, and its answers at the point with all of them on."""

    seen: Evidence
    wrong: frozenset[str]
    switches: Switches
    sites: dict[int, Site]
    value: Array
    gradient: Array

    def without(self, *off: int, keeps_value: bool = True) -> tuple[frozenset[str], bool]:
        """The wrong tensors that are right with some switches off, and whether the value of the function changes.

        keeps_value: whether no tensor counts as right where that value changes. None does where the code gives no
        gradient, or no calls are left.
        """
        self.switches.off = frozenset(off)
        try:
            after = _answers(self.seen, self.seen.function.point)
            if after is None:
                return frozenset(), False
            moves_value = not np.array_equal(self.value, after[0])
            moves = not keeps_value if moves_value else not np.array_equal(self.gradient, after[1])
            fixed = _fixed(self.seen, self.seen.function.point, self.wrong) if moves else frozenset[str]()
            return fixed, moves_value
        finally:
            self.switches.off = frozenset()


def _without_updates(code: _Code) -> Iterator[_Proof]:
    """The tensors that are right without updates of the parameters."""
    places, switches, rates = code.seen.function.structure.places, code.switches, dict[int, float | None]()
    for number, (name, by) in switches.updates.items():
        rate = _multiple(by, code.gradient[places[name]])
        if number not in switches.others and (code.sites[number].role == "change" or rate is not None):
            rates[number] = rate
    fixed = code.without(*rates)[0] if rates else None
    if fixed:
        said = [_updated(code.sites[k], switches.updates[k][0], rate) for k, rate in rates.items()]
        yield "updated-too-early", f"Without {listed(said)} the gradient is right, to rounding.", fixed


def _updated(site: Site, name: str, rate: float | None) -> str:
    by = "" if rate is None else f", which changes {name} by {abs(rate):.4g} times its gradient,"
    return f"`{site.text}` in line {site.line}{by}"


def _without_epsilon(code: _Code) -> Iterator[_Proof]:
    """The tensors that are right without one ε, or without all of them."""
    found_ones, sites = list(code.switches.small.items())[:_TRIED], code.sites
    every = [tuple(found_ones)] * (len(found_ones) > 1)
    for tried in (*((each,) for each in found_ones), *every):
        fixed, moves_value = code.without(*(number for number, _ in tried), keeps_value=False)
        if not fixed:
            continue
        said = [f"{value:.4g} in line {sites[k].line} (`{sites[k].text}`)" for k, value in tried]
        side = "the function has it, and the gradient has not" if moves_value else "the gradient has it alone"
        if len(tried) > 1:
            is_one = len({value for _, value in tried}) == 1
            side = "it is missing in another place" if is_one else "they are not the same in all places"
        evidence = f"Without ε = {listed(said)} the gradient is right, to rounding: {side}."
        yield "epsilon", evidence, fixed
        return


def _transposed(code: _Code) -> Iterator[_Proof]:
    """The tensors that are right with one square factor of the backward pass transposed."""
    for number, side in list(code.switches.square.items()):
        fixed, _ = code.without(number)
        if fixed:
            site = code.sites[number]
            said = f"With the {side} factor of `{site.text}` in line {site.line} transposed"
            yield "wrong-layer-weights", f"{said}, the gradient is right, to rounding.", fixed


def _answers(seen: Evidence, point: Array) -> tuple[Array, Array] | None:
    """The value of the function and the gradient (p,) at a point; None without a gradient or without calls left."""
    assert seen.gradient is not None
    if not seen.function.room(_MOST // 2):
        return None
    value, rows = seen.function.at(point), seen.gradient.rows(point)
    return None if rows is None else (value, rows[0])


def _multiple(values: Array, of: Array) -> float | None:
    """The number k ≠ 0 with values = k · of, to rounding; None where there is none."""
    flat, of = values.reshape(-1).astype(np.float64), of.astype(np.float64)
    size = float(of @ of)
    k = float(flat @ of) / size if size > 0 else 0.0
    return k if k and np.max(np.abs(flat - k * of)) <= NEAR_ONE * np.max(np.abs(flat)) else None


def _fixed(seen: Evidence, point: Array, wrong: frozenset[str]) -> frozenset[str]:
    """The wrong tensors that are right at a point, with the code as it is now; none if a right one becomes wrong."""
    function, gradient = seen.function, seen.gradient
    near = frozenset(name for name in wrong if is_near(seen, point, name))
    if not near or gradient is None:
        return frozenset()
    budget = Budget(min(_MOST, function.budget.left))
    oracle = FunctionOracle(function.code, function.structure, point, budget, bounds=function.bounds)
    try:
        new = gather(oracle, gradient.gradient, np.random.default_rng(0), batch_size=seen.batch_size)
    except Exception:  # the user's code may raise anything
        return frozenset()
    finally:
        function.count(budget.used)
    tensors = {each.tensor.name: each.tensor for each in new.verdicts}
    old = {each.tensor.name: each.tensor for each in seen.verdicts}
    if any(tensor.verdict == "wrong" and name not in wrong for name, tensor in tensors.items()):
        return frozenset()
    right = (name for name in near if name in tensors and tensors[name].verdict == "right")
    at_kinks = [name for name in near if old[name].error == 0]  # wrong only at kinks
    return frozenset(
        name
        for name in right
        if name in at_kinks or not old[name].error <= _CLEARLY * tensors[name].tolerance
    )
