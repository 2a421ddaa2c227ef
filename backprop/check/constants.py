"""Constants: a factor or a rate that is another number at another point is none.

got = k · expected          k is computed: a norm, a determinant, a sum or a slope is left out, or is one too many
got - expected = λ · θ      λ is computed: what comes through a norm of θ is left out, such as -x̂ (x̂·g) of x / ‖x‖
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from backprop.arrays import Array
from backprop.check.around import aside
from backprop.check.evidence import Evidence
from backprop.check.factors import multiple, number
from backprop.check.kinds import Finding, found
from backprop.check.numeric.directions import Direction, random_weights
from backprop.check.patterns import Known
from backprop.check.result import GradientCheck

_ASIDE = 1 / 8
"""How far the other point lies from the point, as a share of each entry's scale."""
_MOVED = "where every entry is moved by an eighth"
_STEPS = (2.0**-14, 2.0**-16)
"""Two steps, whose quotients tell how well the slope is known."""
_OTHER, _KNOWN = 1e-3, 1e-4
"""Relative: a number that differs by more is another one, if it is known so well."""
_SAME, _LARGEST = 1e-6, 1000
"""A factor so near to a whole number up to this one, or to its inverse, is a constant."""


def with_constants(check: GradientCheck, seen: Evidence) -> GradientCheck:
    """The check, in which a factor or a rate of decay that depends on the point is no constant."""
    known = {each.tensor.name: each.known for each in seen.verdicts if each.known is not None}
    findings = tuple(
        _looked_at(each, seen, each.tensor, known[each.tensor]) if each.tensor in known else each
        for each in check.findings
    )
    return replace(check, findings=findings)


def _looked_at(finding: Finding, seen: Evidence, name: str, known: Known) -> Finding:
    places = seen.function.structure.places[name]
    got, theta = known.of(seen.rows[:, places]), seen.function.point[places]
    if finding.kind.startswith("weight-decay"):
        difference = replace(known, values=got - known.values)
        (rate,) = difference.fitted([known.of(theta)])
        return _of_rate(finding, _elsewhere(seen, places, radial=True), name, float(rate))
    k = multiple(known, got) if finding.kind in ("constant-factor", "log-parameter") else None
    if k is None:
        return finding
    power = next((p for p in (1, -1) if len(theta) == 1 and theta[0] and _is_near(k, theta[0] ** p)), 0)
    if not power and any(_is_near(each, round(each)) for each in (k, 1 / k) if 1 <= abs(each) < _LARGEST):
        return finding
    return _of_factor(finding, _elsewhere(seen, places), name, k, power)


def _is_near(value: float, other: float) -> bool:
    return abs(value - other) <= _SAME * abs(other)


class _Slopes(NamedTuple):
    """At another point, along one direction of a tensor and one across it: the claimed slope, the true one, its blur.

    theta (k,): the tensor there.
    """

    theta: Array
    along: tuple[float, float, float]
    across: tuple[float, float, float]


def _elsewhere(seen: Evidence, places: Array, *, radial: bool = False) -> _Slopes | None:
    """The slopes at another point; radial: along the tensor itself, and not at random. None where there are none."""
    function, gradient = seen.function, seen.gradient
    if gradient is None or not function.room(4 * len(_STEPS) + 1):
        return None
    point = aside(seen, _ASIDE, 5)
    rows, theta = gradient.rows(point), point[places]
    if rows is None:
        return None
    weights = np.abs(theta) * random_weights(len(places), np.random.default_rng(6))
    across = weights - theta * float(weights @ theta) / max(float(theta @ theta), np.finfo(np.float64).tiny)

    def slopes(by: Array) -> tuple[float, float, float]:
        way = Direction(places, by)
        coarse, fine = (
            float((function.at(way.moved(point, step)) - function.at(way.moved(point, -step)))[0])
            / (2 * step)
            for step in _STEPS
        )
        return float(way.along(rows)[0]), fine, abs(fine - coarse)

    return _Slopes(theta, slopes(theta if radial else weights), slopes(across))


def _of_factor(finding: Finding, other: _Slopes | None, name: str, k: float, power: int) -> Finding:
    """The finding of the factor k; power: 1 or -1 where k is that power of the parameter, a single number."""
    if other is None or not other.along[1] or not other.along[2] <= _KNOWN * abs(other.along[1]):
        return finding  # nothing is known there
    there = other.along[0] / other.along[1]
    if abs(there - k) <= _OTHER * abs(k):
        seen = f"got = {number(k)} · expected, here and {_MOVED}."
        return found("constant-factor", name, seen, "likely") if power else finding
    if power and abs(there - other.theta[0] ** power) <= _OTHER * abs(there):
        seen = f"got = expected {'·' if power > 0 else '/'} θ, here and {_MOVED}, with θ = {name}."
        return found("log-parameter", name, seen, "certain")
    seen = f"got = k · expected, with k = {k:.6g} here, and {there:.6g} {_MOVED}."
    return finding if finding.kind == "log-parameter" else found("factor-of-the-point", name, seen, "likely")


def _of_rate(finding: Finding, other: _Slopes | None, name: str, rate: float) -> Finding:
    """The finding of the rate of decay λ."""
    if other is None:
        return finding
    off, blur = other.along[0] - other.along[1], other.along[2]
    if not blur <= _KNOWN * abs(off) or not np.isfinite(off):
        return finding
    there = off / float(other.theta @ other.theta)
    if abs(there - rate) <= _OTHER * abs(rate):
        return finding
    here = f"got - expected = λ · {name} with λ = {rate:.4g} here"
    if not abs(other.across[0] - other.across[1]) <= _OTHER * abs(off) + other.across[2]:
        return found("unknown", name, f"No kind of mistake was recognised. {here} alone.", "possible")
    seen = f"{here}, and {there:.4g} {_MOVED}: what comes through a norm of {name} is wrong or left out."
    return found("shared-term", name, seen, "likely")
