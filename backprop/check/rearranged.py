"""Rearranged: a gradient whose entries are those of the truth, summed, moved, cut off or left out.

sums          got = Σ expected over axes that should stay, or not summed over axes that should not
b from dW     got = Σ of another tensor's gradient over an axis
moved         got = expected with an axis reversed, axes exchanged, moved by one, or entries in another order
left out      every entry is right or 0
diagonal      of a square Jacobian, only the diagonal is wrong
mask          every entry is right, but for those that should be 0
clipped       got = max(-c, min(c, expected)), or c · expected / ‖expected‖
cut           got = max(0, expected): a relu of the gradient
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from backprop.arrays import Array
from backprop.check.factors import NEAR_ONE, multiple, number
from backprop.check.kinds import Finding
from backprop.check.numeric.quotients import TINY
from backprop.check.patterns import CLEAR, ENOUGH, EXCHANGED, Suspect, difference, is_diagonal, where
from backprop.check.words import listed
from backprop.verify.agreement import norm

_MOST_AXES = 4
"""Orders of more axes are not tried."""
_DISTINCT = 4
"""So many different values are no chance, where they are found in other places."""
_REST = 3
"""So many entries beside the diagonal that are not zero, and right, are no chance."""
_ROUND = (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 8)
"""First digits of a bound that people choose."""


def summed(suspect: Suspect) -> list[Finding]:
    """Axes that were not summed over, or summed over too many."""
    if suspect.summed:
        words, k = listed(suspect.summed), multiple(suspect.known, suspect.known.of(suspect.got))
        said = "" if k is None else f"summed over axis {words} it is {number(k)} · expected"
        if suspect.known.fits(suspect.known.of(suspect.got), 2):
            said = f"its sum over axis {words} is the right gradient, to rounding"
        seen = f"Its shape is {suspect.raw_shape}; {said}."
        return suspect.finding("axes-not-summed", seen) if said else []
    if not suspect.is_whole or suspect.got.size < 2:
        return []
    expected, got = suspect.expected, suspect.got
    for axes in subsets(expected.ndim):
        total = np.sum(expected, axes, keepdims=True)
        slack = 2 * np.sum(suspect.tolerance, axes, keepdims=True)
        count = int(np.prod([expected.shape[axis] for axis in axes]))
        is_nothing = np.max(np.abs(total)) <= CLEAR * np.max(slack)
        is_even = np.all(np.ptp(expected, axes, keepdims=True) <= slack)  # its sum is a factor as well
        if count < 2 or ((is_nothing or is_even) and suspect.raw_shape is None):
            continue
        for factor, words in ((1, "sum"), (count, "mean")):
            if np.all(np.abs(got - total / factor) <= slack / factor):
                every = len(axes) == expected.ndim
                over = "all of it" if every else f"axis {listed(axes)}"
                shape = suspect.raw_shape
                form = f"Its shape is {shape}: it" if shape is not None else "It is the same along that: it"
                seen = f"{form} is the {words} of the right gradient over {over}, to rounding."
                return suspect.finding("summed-over-too-many-axes", seen, "certain" if shape else "likely")
    return []


def sum_of_another(suspect: Suspect) -> list[Finding]:
    """The gradient of another tensor, summed over one of its axes, as a bias gradient from dW."""
    if not suspect.is_whole or suspect.known.informative() < 2:
        return []
    for name, known in suspect.truths.items():
        shape = np.shape(suspect.point.get(name, 0.0))
        if known.directions is not None or known.values.size != np.prod(shape) or not np.all(known.usable):
            continue
        tensor, slack = known.values.reshape(shape), known.tolerance.reshape(shape)
        for axis in range(len(shape)):
            for words, total in (("sum", tensor.sum(axis)), ("mean", tensor.mean(axis))):
                if np.shape(total) != suspect.got.shape:
                    continue
                if np.all(np.abs(suspect.got - total) <= 2 * slack.sum(axis) + suspect.tolerance):
                    seen = f"It is the {words} of the right gradient of {name} over its axis {axis}, to rounding."
                    return suspect.finding("bias-from-weights", seen)
    return []


def moved(suspect: Suspect) -> list[Finding]:
    """The right values in another order."""
    if not suspect.is_whole or suspect.got.ndim == 0 or suspect.known.informative() < ENOUGH:
        return []
    got, expected, slack = suspect.got, suspect.expected, 2 * float(np.max(suspect.tolerance))
    if np.max(np.abs(got - expected)) < EXCHANGED * slack:
        return []
    shift = _shift(got, expected, slack)
    if shift is not None:
        seen = f"The values are the right ones, moved by {shift} along the axes; those at an edge are lost."
        return suspect.finding("reordered", seen)
    if np.any(np.abs(np.sort(got, None) - np.sort(expected, None)) > slack):
        return []
    for words, order in orders(expected):
        if order.shape == got.shape and np.all(np.abs(order - got) <= slack):
            return suspect.finding("reordered", f"The values are the right ones, {words}.")
    if len(np.unique(np.round(expected / max(slack, TINY)))) < min(_DISTINCT, expected.size):
        return []
    return suspect.finding("reordered", "The values are the right ones, in another order.")


def _shift(got: Array, expected: Array, slack: float) -> tuple[int, ...] | None:
    """The shift, 1, 0 or -1 along each axis, by which the truth becomes what was got, except at its edges."""
    for by in itertools.product((0, 1, -1), repeat=got.ndim) if got.ndim <= _MOST_AXES else ():
        to, of = ([slice(max(sign * k, 0), min(sign * k, 0) or None) for k in by] for sign in (1, -1))
        here, there = got[tuple(to)], expected[tuple(of)]
        values = np.unique(np.round(there / max(slack, TINY)))
        is_most = any(by) and 2 * here.size >= got.size and len(values) >= _DISTINCT
        if is_most and np.all(np.abs(here - there) <= slack):
            return by
    return None


def orders(values: Array) -> Iterator[tuple[str, Array]]:
    """Ways to put the entries of an array in another order, in words; not each of them has its shape."""
    for order in itertools.permutations(range(values.ndim)) if values.ndim <= _MOST_AXES else ():
        if order != tuple(range(values.ndim)):
            words = "transposed" if values.ndim == 2 else f"with the axes in the order {listed(order)}"
            yield words, values.transpose(order)
    for axes in subsets(values.ndim):
        yield f"reversed along axis {listed(axes)}", np.flip(values, axes)
    if values.ndim > 1:
        columns = values.reshape(-1, order="F").reshape(values.shape)
        yield "read in column order instead of row order", columns
    for axis, step in itertools.product(range(values.ndim), (1, -1)):
        yield f"moved by {step} along axis {axis}", np.roll(values, step, axis)


def left_out(suspect: Suspect) -> list[Finding]:
    """Every entry is right, or 0 where it should not be."""
    if not (suspect.is_whole or suspect.is_jacobian) or suspect.got.size < ENOUGH:
        return []
    expected, wrong = suspect.expected, suspect.wrong
    clear = np.abs(expected) > 2 * CLEAR * suspect.tolerance
    kept = ~wrong & clear
    if not np.any(wrong) or np.any(suspect.got[wrong]) or np.sum(kept) < 2 or np.any(wrong & ~clear):
        return []
    signs = set(np.sign(expected[wrong])), set(np.sign(expected[kept]))
    is_cut = suspect.is_whole and signs in (({-1.0}, {1.0}), ({1.0}, {-1.0}))
    if is_cut and min(np.sum(wrong), np.sum(kept)) >= ENOUGH:
        side = "negative" if signs[0] == {-1.0} else "positive"
        seen = f"Every {side} entry is 0, and every other one is right, to rounding."
        return suspect.finding("relu-of-delta", seen)
    they_are = "It is" if np.sum(wrong) == 1 else "They are"
    seen = f"{where(wrong)} {they_are} 0; every other one is right, to rounding."
    return suspect.finding("entries-left-out", seen)


def diagonal(suspect: Suspect) -> list[Finding]:
    """Of a square Jacobian, such as a Hessian, the diagonal is wrong and the rest is right."""
    rows = int(np.prod(suspect.outputs))
    if not suspect.is_jacobian or suspect.got.size != rows**2:
        return []
    wrong, clear = (mask.reshape(rows, rows) for mask in (suspect.wrong, suspect.clear))
    rest = clear & ~np.eye(rows, dtype=bool)
    if np.sum(wrong) < 2 or not is_diagonal(wrong) or np.sum(rest) < _REST:
        return []
    how = difference(suspect.got[suspect.wrong], suspect.expected[suspect.wrong])
    seen = f"{where(wrong)} {how} Every other entry is right, to rounding."
    return suspect.finding("direct-term", seen, "likely")


def mask_left_out(suspect: Suspect) -> list[Finding]:
    """Every entry is right, but for some that should be 0 and are not."""
    if not suspect.is_whole or suspect.got.size < ENOUGH:
        return []
    clear, off = suspect.clear, np.abs(suspect.got - suspect.expected)
    if np.any(suspect.wrong & clear) or np.sum(clear) < 2 or np.sum(off > CLEAR * suspect.tolerance) < 2:
        return []
    seen = f"{where(suspect.wrong)} They should be 0; every other one is right, to rounding."
    return suspect.finding("mask-left-out", seen, "likely")


def invariance(suspect: Suspect) -> list[Finding]:
    """The right gradient sums to zero over some axes, and the one that was got does not."""
    if not suspect.is_whole:
        return []
    seen = sum_not_zero(suspect.name, suspect.expected, suspect.got, 2 * suspect.tolerance)
    return suspect.finding("sum-not-zero", seen, "likely") if seen else []


def clipped(suspect: Suspect) -> list[Finding]:
    """Entries cut off at ±c, or the gradient scaled to a norm that people choose."""
    if not suspect.is_whole or suspect.got.size < 2:
        return []
    got, expected, slack, wrong = suspect.got, suspect.expected, 2 * suspect.tolerance, suspect.wrong
    bound = float(np.max(np.abs(got)))
    cut = np.where(wrong, np.sign(expected) * bound, expected)
    if (
        bound > 0
        and np.sum(wrong) >= 2
        and np.all(np.abs(expected[wrong]) > bound)
        and np.ptp(np.abs(expected[wrong])) > np.max(slack)  # of one size, it may be a factor
        and np.all(np.abs(got - cut) <= slack)
    ):
        count = int(np.sum(wrong))
        seen = f"{count} of {got.size} entries are ±{bound:.6g} where the truth is larger; the rest is right."
        return suspect.finding("clipped", seen)
    k = multiple(suspect.known, suspect.known.of(got))
    # A factor of a half is no clipping, whatever the norm is.
    if k is None or not 0 < k < 1 - NEAR_ONE or "/" in number(k):
        return []
    for size, what in ((norm(got), "its norm"), (suspect.total, "the norm of the whole gradient")):
        if size is not None and _is_round(size):
            seen = f"got = {k:.6g} · expected, and {what} is {size:.6g}: it was scaled to that norm."
            return suspect.finding("clipped", seen, "likely")
    return []


def _is_round(size: float) -> bool:
    """Whether a norm is a number that a person chooses: one or two digits."""
    if not np.isfinite(size) or size <= 0:
        return False
    digits, _, _ = f"{size:.7e}".partition("e")
    return float(digits) in _ROUND


def subsets(ndim: int) -> Iterator[tuple[int, ...]]:
    """Every choice of axes that is not empty."""
    for count in range(1, ndim + 1):
        yield from itertools.combinations(range(ndim), count)


def sum_not_zero(name: str, true: Array, claimed: Array, slack: Array, first: int = 0) -> str:
    """A sentence if the truth sums to zero over some axes, in every slice, and what was got does not; else empty.

    first: the first axis of the tensor; earlier ones belong to the outputs.
    """
    for axes in subsets(true.ndim - first):
        over = tuple(first + axis for axis in axes)
        sums, got, room, size = (each.sum(over) for each in (true, claimed, slack, np.abs(true)))
        if (
            true.size < ENOUGH * max(1, np.size(sums))
            or np.sum(size > CLEAR * room) < 2
            or np.any(np.abs(sums) > room)
        ):
            continue
        if np.any(np.abs(got) > CLEAR * room):
            return (
                f"The right gradient sums to 0 over axis {listed(axes)}: the function does not change when the same "
                f"number is added to {name} there. What was got sums to up to {float(np.max(np.abs(got))):.3g}."
            )
    return ""
