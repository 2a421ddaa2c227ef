"""The cause of a wrong value: the first kind of mistake that is proven, of those below.

In the order of this file: a sum that is overwritten; a wrong shape; a surplus term; the derivative by another
variable; a mask; an early update; ties; a factor, a sign or a transpose; the slope of another function; a value of
the forward pass as a surplus or missing factor; a pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from backprop.check.kinds import Finding, found
from backprop.check.lines.repair import Repair
from backprop.check.lines.search import Search
from backprop.check.lines.wrong import FEWEST, MOST_ENTRIES, Wrong, executions, in_shape, place_of
from backprop.check.patterns import Suspect, where
from backprop.check.ratios import along_an_axis, by_case
from backprop.check.rearranged import left_out, moved
from backprop.check.signatures import signatures, unknown
from backprop.check.slope_names import is_same_slope, named_slope

_LETTER = re.compile(r"(?<![a-zA-Z])[xy](?![a-zA-Z])")
"""The letters x and y in the formula of a slope: the argument of the function, and its value."""
_SLOPES = {
    "tanh": "1 - {y}² of the tanh",
    "sigmoid": "{y}(1 - {y}) of the sigmoid",
    "expit": "{y}(1 - {y}) of the sigmoid",
    "maximum": "of the maximum, 1 or 0,",
    "relu": "of the relu, 1 or 0,",
    "exp": "{y} of the exponential",
    "log": "of the logarithm",
    "sqrt": "1 / 2{y} of the square root",
}
"""What the derivative of a function is called, where `y` is its value."""


def causes(repair: Repair, seen: Wrong, search: Search) -> Iterator[Finding]:
    """The kinds of mistakes that explain a wrong value, the most specific one first and `unknown` last."""
    yield from _overwriting(repair)
    yield from _shape(seen)
    seen = in_shape(seen)
    yield from _zero(seen, search)
    yield from _other(repair, search)
    yield from _mask(seen)
    yield from _early(seen, search)
    yield from _ties(repair, seen, search)
    yield from _signature(repair, seen, search)
    yield from _slope(repair, seen, search)
    yield from _factor(seen, search)
    yield from pattern(seen)


def _overwriting(repair: Repair) -> Iterator[Finding]:
    """The value is right, but should be added to what the variable holds."""
    if repair.is_overwriting:
        kind = "steps-not-summed" if len(repair.group.events) > 1 else "path-missing"
        yield found(kind, None, f"What {repair.group.site.name} held is lost: = stands where += should.")


def _shape(seen: Wrong) -> Iterator[Finding]:
    """The value has the wrong shape; the truth may be its sum over some axes, or its transpose."""
    if in_shape(seen).got.shape == seen.shape:
        return
    text = f"Its shape is {seen.got.shape}; expected {seen.shape}."
    axes = [(k,) for k in range(seen.got.ndim)] + [(0, 1)] * (seen.got.ndim > 1)
    for axis in axes:
        for keep in (False, True):
            summed = seen.got.sum(axis=axis, keepdims=keep)
            if summed.shape == seen.shape and seen.known.fits(seen.known.of(summed), 2):
                said = axis[0] if len(axis) == 1 else axis
                yield found(
                    "wrong-shape", None, f"{text} Its sum over axis {said} is right: the sum is missing."
                )
                return
    if seen.got.shape == seen.shape[::-1] and seen.known.fits(seen.known.of(seen.got.T), 2):
        yield found("transposed", None, f"{text} Its transpose is right.")
        return
    yield found("wrong-shape", None, text)


def _zero(seen: Wrong, search: Search) -> Iterator[Finding]:
    """The truth is zero: the value is a term that the loss does not have, such as a multiple of a parameter."""
    if not seen.is_zero:
        return
    structure, point = search.truth.program.structure, search.truth.program.point
    for name, places in structure.places.items():
        parameter, got = point[places], seen.got.reshape(-1)
        size = float(parameter @ parameter)
        if len(parameter) == len(got) > 1 and size:
            factor = float(parameter @ got) / size
            if np.allclose(got, factor * parameter, atol=0):
                text = f"It equals {factor:.4g} · {name}; the loss has no such term."
                yield found("weight-decay-extra", name, text)
    yield found("unknown", None, "The loss has no such term.")


def _other(repair: Repair, search: Search) -> Iterator[Finding]:
    """The value is the derivative by a later variable: the derivative of the lines in between is missing."""
    if repair.target.group is None or repair.values:
        return
    others = search.recognised(repair.event, search.sides.whole, repair.ahead)
    order = search.order
    own = repair.pairs[repair.first][1]
    later = [(g, e) for g, e, factor in others if factor == 1 and order[e] > order.get(own, -1)]
    if not later or any(event == own for _, event in later):
        return
    site = min(later, key=lambda each: order[each[1]])[0].site
    name = site.stem or site.text
    function = re.match(r"(?:\w+\.)*(\w+)\(", site.text)
    slope = _SLOPES.get(function[1] if function else "")
    said = (
        f"the slope {slope.format(y=site.stem or 'y')}"
        if slope
        else f"the derivative of `{f'{site.name} = ' if site.name else ''}{site.text}`"
    )
    kind = "activation-derivative-missing" if slope else "layer-term-missing"
    of = f"{f', {name}' if site.stem else ''} of {place_of(site, repair.site)}"
    yield found(kind, None, f"It equals dL/d({name}){of}: {said} is missing.")


def _mask(seen: Wrong) -> Iterator[Finding]:
    """The value lacks a mask, or its mask is reversed: only entries whose truth is zero are wrong, or not zero."""
    known = seen.known
    if known.directions is not None:
        return
    zero = np.abs(known.values) <= known.tolerance
    off = np.abs(seen.got.reshape(-1) - known.values) > known.tolerance
    if np.any(off) and np.any(~zero) and not np.any(off & ~zero):
        count = f"{int(off.sum())} of {off.size} entries"
        text = f"{count} are to be 0 and are not; all others are right: a mask is missing."
        yield found("activation-derivative-missing", None, text)
    elif np.any(seen.got) and np.any(~zero) and not np.any(seen.got.reshape(-1)[~zero]):
        text = "It is 0 wherever it is not to be 0: the mask is reversed."
        yield found("activation-boundary", None, text)


def _early(seen: Wrong, search: Search) -> Iterator[Finding]:
    """The value should be a tensor of the point: the code changes that tensor before the backward pass uses it."""
    structure, point = search.truth.program.structure, search.truth.program.point
    for name, value in structure.views(point).items() if not seen.name else ():
        if seen.shape == value.shape and np.any(value) and seen.known.fits(value.reshape(-1)):
            text = f"That is {name} as it was handed in: {name} is changed too early."
            yield found("updated-too-early", None, text)


def _ties(repair: Repair, seen: Wrong, search: Search) -> Iterator[Finding]:
    """Equal values, each of which gets the whole slope: twice the middle between the two one-sided slopes."""
    program, known = search.truth.program, seen.known
    value = search.truth.base.values.get(repair.ahead)
    if repair.target.group is None:
        value = program.structure.views(program.point).get(seen.name)
    if (
        value is None
        or known.directions is not None
        or seen.got.shape != seen.shape
        or value.shape != seen.shape
    ):
        return
    got, expected = seen.got.reshape(-1), known.values
    off = np.abs(got - expected) > known.tolerance
    _, counts = np.unique(value.reshape(-1)[off], return_counts=True)
    is_twice = np.all(np.abs(got - 2 * expected)[off] <= 2 * known.tolerance[off])
    of = seen.name if repair.target.group is None else repair.ahead
    if np.any(off) and np.all(counts > 1) and is_twice and search.truth.is_kink(of, int(np.argmax(off))):
        text = (
            f"{off.sum()} of {off.size} entries belong to equal values, and each gets the whole share of one."
        )
        yield found("mask-of-ties", None, text)


def _signature(repair: Repair, seen: Wrong, search: Search) -> Iterator[Finding]:
    """A factor, a sign, a transpose or zeros; for the gradient of a tensor also what follows from its values.

    What all executions have in common comes first where each gives too few values to tell.
    """
    aheads, known, got = executions(repair, seen, search)
    if len(aheads) > 1:
        yield from signatures(Suspect(seen.name, got, known))
    structure, point = search.truth.program.structure, search.truth.program.point
    parameter = structure.views(point).get(seen.name) if repair.target.group is None else None
    yield from signatures(Suspect(seen.name, seen.got, seen.known, parameter))


def _slope(repair: Repair, seen: Wrong, search: Search) -> Iterator[Finding]:
    """The value is the derivative by the next line's variable, multiplied by the slope of another function."""
    if seen.got.shape != seen.shape:
        return
    values, order, rtol = search.truth.base.values, search.order, 10 * search.truth.rtol
    aheads, known, wrong = executions(repair, seen, search)
    x = np.concatenate([values[each].reshape(-1) for each in aheads] or [np.zeros(0)])
    for group in search.sides.whole if aheads else ():
        events = [next((e for e in group.events if order[e] > order[each]), None) for each in aheads]
        is_next = re.search(rf"(?<!\w){re.escape(seen.name)}(?!\w)", group.site.text)
        pairs = zip(events, aheads, strict=True)
        after = [one for one, of in pairs if one is not None and values[one].shape == values[of].shape]
        if not is_next or len(after) < len(aheads):
            continue
        slopes = [dy for each in after if (dy := search.truth.entries(each, MOST_ENTRIES)) is not None]
        if len(slopes) < len(aheads):
            continue
        dy, y = np.concatenate(slopes), np.concatenate([values[each].reshape(-1) for each in after])
        clear = np.abs(dy) > 1e-2 * np.max(np.abs(dy))
        if clear.sum() < FEWEST:
            continue
        got, true = (each[clear] * repair.factor / dy[clear] for each in (wrong, known.values))
        words, right = (named_slope(each, x[clear], y[clear], {}, rtol) for each in (got, true))
        if words and not is_same_slope(got, true, rtol):
            name = group.site.stem or group.site.text
            x_name, y_name = (
                each if each.isidentifier() else letter for each, letter in ((seen.name, "x"), (name, "y"))
            )
            words, right = (_in_words_of(each, x_name, y_name) for each in (words, right))
            text = f"It is dL/d({name}) times {words}"
            text += f", where the slope is {right}." if right else ", which is not the slope."
            yield found("activation-derivative-formula", None, text)


def _factor(seen: Wrong, search: Search) -> Iterator[Finding]:
    """A value of the forward pass is missing as a factor, entry by entry, or is a surplus factor."""
    known, got, values = seen.known, seen.got.reshape(-1), search.truth.base.values
    if known.directions is not None or seen.got.shape != seen.shape or known.informative() < FEWEST:
        return
    for group in (*search.sides.whole, *search.sides.forward):
        factor = values[group.events[-1]]
        if factor.shape != seen.shape or np.ptp(factor) == 0:
            continue
        name, place = group.site.stem or group.site.text, f"line {group.site.line}"
        factor = factor.reshape(-1).astype(np.float64)
        if known.fits(got * factor, 2):
            yield found(
                "factor-along-axis", None, f"The factor {name} of {place} is left out, entry by entry."
            )
        if replace(known, values=known.values * factor).fits(got, 2):
            text = f"It is multiplied by {name} of {place}, entry by entry, and should not be."
            yield found("factor-along-axis", None, text)


def _in_words_of(formula: str, x: str, y: str) -> str:
    """The formula of a slope, with the names of the function's argument and value for x and y."""
    return _LETTER.sub(lambda one: x if one[0] == "x" else y, formula)


def pattern(seen: Wrong) -> Iterator[Finding]:
    """Entries are missing, moved, or off by one of a few factors; else the places of the wrong entries."""
    suspect = Suspect(seen.name, seen.got, seen.known)
    if seen.known.directions is None and seen.got.shape == seen.shape:
        whole = replace(suspect, parameter=seen.known.values)
        for each_pattern in (left_out, along_an_axis, moved, by_case):
            yield from (replace(each, tensor=None) for each in each_pattern(whole))
    if seen.known.directions is None:
        wrong = np.abs(seen.got.reshape(-1) - seen.known.values) > seen.known.tolerance
        yield found("unknown", None, where(wrong.reshape(seen.got.shape)), "possible")
    yield unknown(suspect)
