"""Explaining a line that was found: what its value is to be, what it is instead, and which kind of mistake it is."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from backprop.arrays import Array
from backprop.check.kinds import Finding, found
from backprop.check.lines.repair import Repair
from backprop.check.lines.result import Line
from backprop.check.lines.search import Recognised, Search
from backprop.check.lines.sites import Site, stem
from backprop.check.lines.truth import rms
from backprop.check.patterns import Known, Suspect, where
from backprop.check.ratios import along_an_axis, by_case
from backprop.check.rearranged import left_out, moved
from backprop.check.result import Entry, worst_entries
from backprop.check.signatures import signatures, unknown
from backprop.check.slope_names import is_same_slope, named_slope

_ENTRIES, _ALONG = 150, 6
"""Entries up to which each is asked for, where there are calls; of a larger value, as many random directions."""
_LETTER = re.compile(r"(?<![a-zA-Z])[xy](?![a-zA-Z])")
"""What a function is taken of, and its value, in the formula of a slope."""
_FEWEST = 3
"""Slopes that are equal to those of a formula by no chance."""
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


@dataclass(frozen=True)
class _Wrong:
    """The first wrong value of a repair: got, and what is known of the truth. of: the forward line, or 0."""

    name: str
    got: Array
    shape: tuple[int, ...]
    known: Known
    of: int

    @property
    def is_zero(self) -> bool:
        """Whether the truth is zero."""
        return bool(np.all(np.abs(self.known.values) <= self.known.tolerance))


def explain(repair: Repair, search: Search) -> Line:
    """The line of a repair."""
    site, target = repair.site, repair.target
    seen = _wrong(repair, search)
    others = (
        []
        if target.group is None or repair.values
        else search.recognised(repair.event, search.whole, repair.ahead)
    )
    causes = (
        _shape(seen),
        _zero(seen, search),
        _other(repair, search, others),
        _mask(seen),
        _early(seen, search),
        _signature(repair, seen, search),
        _slope(repair, seen, search),
        _pattern(seen),
    )
    finding = next(chain(*causes))
    is_to_be = "0" if seen.is_zero else _should_be(repair, seen)
    in_dict = site.name.startswith("_[")  # one that has no name
    variable = site.stem if in_dict else site.name or site.text
    return Line(
        file=site.path,
        line=site.line,
        column=site.column,
        source=linecache.getline(site.path, site.line).strip(),
        variable=variable,
        text=site.text,
        call=repair.group.events.index(repair.event) + 1,
        calls=len(repair.group.events),
        tensors=tuple(name for name in search.truth.program.structure.names if name in repair.tensors),
        should_be="0" if seen.is_zero else f"dL/d({seen.name})" if seen.name else is_to_be,
        of=seen.of,
        message=f"{variable} is to be {is_to_be}. {finding.evidence}",
        kind=finding.kind,
        evidence=finding.evidence,
        worst=_worst(seen),
    )


def _should_be(repair: Repair, seen: _Wrong) -> str:
    group = repair.target.group
    if repair.values:
        return repair.said
    if group is None:
        return f"dL/d({seen.name})"
    times = "" if repair.factor == 1 else f"{1 / repair.factor:.4g} · "
    place = _place(group.site, repair.site)
    if group.site.is_use:
        return f"the part of {times}dL/d({seen.name}) that comes from {place}"
    variable = f", {seen.name}" if group.site.name else ""
    return f"{times}dL/d({seen.name}){variable} of {place}"


def _place(site: Site, own: Site) -> str:
    """The line of a site, as seen from another one; in a notebook it may be in another cell."""
    return f"line {site.line}" + (f" of {site.path.rpartition(', ')[2]}" if site.path != own.path else "")


def _wrong(repair: Repair, search: Search) -> _Wrong:
    """What is known of the first wrong value: every entry where there are few, else slopes along directions."""
    truth, target = search.truth, repair.target
    back, ahead = repair.pairs[repair.first]
    got = np.asarray(truth.base.values[back], np.float64)
    if target.group is None:
        structure = truth.program.structure
        shape, size = structure.leaf(target.name).shape, structure.leaf(target.name).size
    else:
        shape, size = truth.base.values[ahead].shape, truth.base.values[ahead].size
    if repair.values:
        expected = repair.values[repair.first]
        tolerance = np.full(expected.size, 100 * truth.rtol * rms(expected))
        of = repair.of.line if repair.of else 0
        return _Wrong("", got, expected.shape, Known(expected.reshape(-1), tolerance), of)
    is_tensor = target.group is None
    entries, directions = truth.entries(target.name if is_tensor else ahead, _ENTRIES), None
    if entries is None:
        directions = truth.rng.standard_normal((_ALONG, size))
        entries = np.array([truth.slope_of(target.name, ahead, v, is_tensor=is_tensor) for v in directions])
    values = entries / repair.factor
    tolerance = np.full(len(values), truth.rtol * max(float(np.max(np.abs(values))), 1e-300) + truth.noise)
    name = target.name if target.group is None else (stem(target.group.site.name) or target.name)
    of = 0 if target.group is None else target.group.site.line
    return _Wrong(name, got, shape, Known(values, tolerance, directions), of)


def _shape(seen: _Wrong) -> Iterator[Finding]:
    """A value of another shape; a sum over some of its axes may be the truth."""
    if seen.got.shape == seen.shape:
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


def _zero(seen: _Wrong, search: Search) -> Iterator[Finding]:
    """A term that the loss does not have, such as a multiple of a parameter."""
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


def _other(repair: Repair, search: Search, others: list[Recognised]) -> Iterator[Finding]:
    """A value that is the derivative by another variable: the derivative of the lines between is missing."""
    order = search.order
    own = repair.pairs[repair.first][1]
    later = [
        (g, e) for g, e, factor in others if factor == 1 and g.site.name and order[e] > order.get(own, -1)
    ]
    if not later or any(event == own for _, event in later):
        return
    site = min(later, key=lambda each: order[each[1]])[0].site
    function = re.match(r"(?:\w+\.)*(\w+)\(", site.text)
    slope = _SLOPES.get(function[1] if function else "")
    said = (
        f"the slope {slope.format(y=site.stem)}"
        if slope
        else f"the derivative of `{site.name} = {site.text}`"
    )
    kind = "activation-derivative-missing" if slope else "layer-term-missing"
    yield found(
        kind,
        None,
        f"It equals dL/d({site.stem}), {site.stem} of {_place(site, repair.site)}: {said} is missing.",
    )


def _mask(seen: _Wrong) -> Iterator[Finding]:
    """A value that is right where the truth is not zero, or is zero there."""
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


def _early(seen: _Wrong, search: Search) -> Iterator[Finding]:
    """A value that is to be a tensor of the point, which is changed before the backward pass has used it."""
    structure, point = search.truth.program.structure, search.truth.program.point
    for name, value in structure.views(point).items() if not seen.name else ():
        if seen.shape == value.shape and np.any(value) and seen.known.fits(value.reshape(-1)):
            text = f"That is {name} as it was handed in: {name} is changed too early."
            yield found("updated-too-early", None, text)


def _signature(repair: Repair, seen: _Wrong, search: Search) -> Iterator[Finding]:
    """A factor, a sign, a transpose, zeros; of the gradient by a tensor what its values tell, too."""
    structure, point = search.truth.program.structure, search.truth.program.point
    parameter = structure.views(point).get(seen.name) if repair.target.group is None else None
    yield from signatures(Suspect(seen.name, seen.got, seen.known, parameter))


def _slope(repair: Repair, seen: _Wrong, search: Search) -> Iterator[Finding]:
    """The derivative by the value of the next line, times another slope than that of this line."""
    values, order, (_, ahead) = search.truth.base.values, search.order, repair.pairs[repair.first]
    if (
        seen.known.directions is not None
        or not seen.name
        or seen.got.shape != seen.shape
        or ahead not in order
    ):
        return
    x = values[ahead].reshape(-1)
    for group in search.whole:
        after = next((event for event in group.events if order[event] > order[ahead]), None)
        is_next = re.search(rf"\b{re.escape(seen.name)}\b", group.site.text) and group.site.name
        if after is None or not is_next or values[after].shape != seen.shape:
            continue
        dy, y = search.truth.entries(after, _ENTRIES), values[after].reshape(-1)
        clear = np.zeros(x.shape, bool) if dy is None else np.abs(dy) > 1e-2 * np.max(np.abs(dy))
        if dy is None or clear.sum() < _FEWEST:
            continue
        got, true = (
            each.reshape(-1)[clear] * repair.factor / dy[clear] for each in (seen.got, seen.known.values)
        )
        rtol = 10 * search.truth.rtol
        words, right = (named_slope(each, x[clear], y[clear], {}, rtol) for each in (got, true))
        if words and not is_same_slope(got, true, rtol):
            words, right = (_in_words_of(each, seen.name, group.site.stem) for each in (words, right))
            text = f"It is dL/d({group.site.stem}) times {words}"
            text += f", where the slope is {right}." if right else ", which is not the slope."
            yield found("activation-derivative-formula", None, text)


def _in_words_of(formula: str, x: str, y: str) -> str:
    """The formula of a slope with the names of what the function is taken of, and of its value."""
    return _LETTER.sub(lambda one: x if one[0] == "x" else y, formula)


def _pattern(seen: _Wrong) -> Iterator[Finding]:
    """Entries left out, moved, or off by one of a few factors; else where the entries are wrong."""
    suspect = Suspect(seen.name, seen.got, seen.known)
    if seen.known.directions is None and seen.got.shape == seen.shape:
        whole = replace(suspect, parameter=seen.known.values)
        for pattern in (left_out, along_an_axis, moved, by_case):
            yield from (replace(each, tensor=None) for each in pattern(whole))
    if seen.known.directions is None:
        wrong = np.abs(seen.got.reshape(-1) - seen.known.values) > seen.known.tolerance
        yield found("unknown", None, where(wrong.reshape(seen.got.shape)), "possible")
    yield unknown(suspect)


def _worst(seen: _Wrong) -> tuple[Entry, ...]:
    if seen.known.directions is not None or seen.got.shape != seen.shape:
        return ()
    expected, slack = seen.known.values.reshape(seen.shape), seen.known.tolerance.reshape(seen.shape)
    wrong = np.abs(seen.got - expected) > slack
    return worst_entries(seen.got, expected, slack, wrong, seen.shape)[:2]
