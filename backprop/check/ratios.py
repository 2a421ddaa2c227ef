"""Ratios: a gradient that is the true one times something that is not the same number everywhere.

    along an axis    got = expected · k_j           in every slice j of one axis: a factor of the product is off there
    log parameter    got = expected · θ             or / θ, · exp θ, / exp θ: the gradient by log θ, or by exp θ
    ε                got = expected · (1 + ε/θ)^q   q = ±1, ±1/2, with one ε for all entries
    by case          got = expected · k             with one of two or three numbers k: a branch or a class is off
    data and penalty got = k (expected - λθ) + λθ   the data term is k times too large, the penalty is right

Of the factors k_j it is said what they are where they are known numbers of the point.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from backprop.arrays import Array
from backprop.check.factors import NEAR_ONE, number
from backprop.check.kinds import Confidence, Finding
from backprop.check.numeric.quotients import TINY
from backprop.check.patterns import CLEAR, ENOUGH, KNOWN_TO, Suspect, entries
from backprop.check.words import some

_SURPLUS = 2
"""A pattern has so many more values to explain than numbers that were chosen to explain them, at least."""
_EPSILON_CLEAR = 5
"""Times its uncertainty in two entries: an ε that is found alike in three or more is there."""
_LARGEST_EPSILON = 0.1
"""An ε that is larger is none."""
_SAME, _ALIKE = 1e-9, 1e-8
"""Relative: what rounding in float64 leaves between two ways to compute a number, and between it and a fitted one."""
_CASES, _BLURRED, _NOTABLE = 3, 1e-4, 1e-3
"""Numbers that are told from one another, how well each is known then, and how far from 1 one is."""
_SHOWN = 4
"""Factors that are listed."""


def log_parameter(suspect: Suspect) -> list[Finding]:
    """got = expected · θ, / θ, · exp θ or / exp θ, entry by entry."""
    if suspect.parameter is None or not suspect.is_whole or suspect.got.size == 0:
        return []
    theta = suspect.parameter.reshape(suspect.got.shape).astype(np.float64)
    sizes = np.unique(np.abs(theta))
    # If θ is one number such as 2 or 1/2, the factor may have another cause.
    usual = [abs(size * k - round(size * k)) < _SAME for size in sizes for k in (1, 2, 3)]
    if len(sizes) < min(2, theta.size) or (theta.size == 1 and any(usual)):
        return []
    with np.errstate(all="ignore"):
        ways = {"· θ": theta, "/ θ": 1 / theta, "· exp θ": np.exp(theta), "/ exp θ": np.exp(-theta)}
    for words, factor in ways.items():
        if _explains(suspect, factor):
            count = suspect.known.informative()
            sure: Confidence = "certain" if count >= ENOUGH else "likely"
            counted = f"{count} {'entry' if count == 1 else 'entries'}"
            seen = f"got = expected {words}, to rounding, with θ = {suspect.name}, in {counted}."
            return suspect.finding("log-parameter", seen, sure)
    return []


def epsilon(suspect: Suspect) -> list[Finding]:
    """got / expected = ((v + ε) / v)^q with one ε, where v is the parameter, or its square."""
    if suspect.parameter is None or not suspect.is_whole or suspect.known.informative() < ENOUGH:
        return []
    theta = suspect.parameter.reshape(suspect.got.shape).astype(np.float64)
    ways = {suspect.name: theta, f"{suspect.name}²": theta * theta}
    seen = next(filter(None, (_epsilon_in(suspect, v, words) for words, v in ways.items())), "")
    return suspect.finding("epsilon", seen) if seen else []


def _epsilon_in(suspect: Suspect, v: Array, words: str) -> str:
    """The sentence about an ε beside v, or nothing."""
    clear = suspect.clear
    for q, power in ((1, ""), (-1, ""), (0.5, "^(1/2)"), (-0.5, "^(1/2)")):
        with np.errstate(all="ignore"):
            ratio = (suspect.got / suspect.expected)[clear].astype(np.float64)
            found = v[clear] * (ratio ** (1 / q) - 1)
            blur = np.abs(v * suspect.tolerance / suspect.expected)[clear].astype(np.float64) * 2 / abs(q)
        value = _one_value(found, blur)
        if value is None or not 0 < abs(value) < _LARGEST_EPSILON:
            continue
        side = "expected has it, got has not" if (value > 0) == (q > 0) else "got has it, expected has not"
        if _explains(suspect, (1 + value / v) ** q):
            return (
                f"got / expected = (1 + ε / {words}){power if q > 0 else power + ', inverted,'} with "
                f"ε = {abs(value):.4g}: {side}."
            )
    return ""


def _one_value(values: Array, blur: Array) -> float | None:
    """The number that all values are, each to its blur; None where they differ, or are about zero."""
    usable = np.isfinite(values) & np.isfinite(blur) & (blur > 0)
    if usable.sum() < ENOUGH or not np.all(np.isfinite(values)):
        return None
    weight = 1 / blur[usable] ** 2
    value = float(np.sum(values[usable] * weight) / np.sum(weight))
    fits = np.all(np.abs(values - value) <= KNOWN_TO * np.maximum(blur, 0))
    shown = np.sum(abs(value) > _EPSILON_CLEAR * blur[usable])
    return value if fits and shown >= 2 else None


def penalty(suspect: Suspect) -> list[Finding]:
    """got = k · (expected - λθ) + λθ: a data term that is k times too large beside a right penalty."""
    if suspect.parameter is None or min(suspect.got.size, suspect.known.informative()) < 2 + _SURPLUS:
        return []
    known = suspect.known
    got, theta = known.of(suspect.got), known.of(suspect.parameter)
    if not np.any(theta[known.usable]):
        return []
    difference = entries(got, known.tolerance)
    k, rest = (float(each) for each in difference.fitted([known.values, theta]))
    fits = difference.fits(k * known.values + rest * theta, 2 * max(1.0, abs(k)))
    if not fits or abs(k - 1) < NEAR_ONE or abs(k) < _SAME:
        return []
    rate = rest / (1 - k)
    if np.all(np.abs(rest * theta)[known.usable] <= CLEAR * known.tolerance[known.usable]):
        return []
    seen = (
        f"got = k · (expected - λ · {suspect.name}) + λ · {suspect.name} with k = {number(k)} and "
        f"λ = {rate:.4g}, to rounding: the data term is k times too large and the penalty is right; or all is k "
        f"times too large and {rest:.4g} · {suspect.name} is added."
    )
    return suspect.finding("data-term-factor", seen, "likely")


def along_an_axis(suspect: Suspect) -> list[Finding]:
    """got = expected · k_j in every slice j of one axis."""
    if not suspect.is_whole or suspect.got.ndim < 2:
        return []
    for axis in range(suspect.got.ndim):
        k = slice_factors(suspect.got, suspect.expected, suspect.tolerance, axis)
        if k is None:
            continue
        word = ("row", "column")[axis] if suspect.got.ndim == 2 else f"slice of axis {axis}"
        off = np.flatnonzero(np.abs(k - 1) > _SAME)
        over_rest: dict[str, Array] = {}
        if suspect.parameter is not None:
            values = np.moveaxis(suspect.parameter.reshape(suspect.got.shape), axis, 0)
            over_rest = statistics(values.reshape(len(k), -1), suspect.name)
        what = known_as(k, suspect.point, over_rest)
        shown = some((f"{j}: {k[j]:.6g}" for j in off), _SHOWN)
        are = f" They are {what}." if what else ""
        seen = (
            f"got / expected is one number in each {word} ({shown}), to rounding.{are} In a product such as xᵀδ "
            f"the factor that has an entry for each {word} is off by these numbers."
        )
        return suspect.finding("factor-along-axis", seen)
    return []


def slice_factors(got: Array, expected: Array, tolerance: Array, axis: int) -> Array | None:
    """The k_j (m,) with got = k_j expected in slice j of an axis; None where there are none, or nothing proves them.

    A slice in which nothing is clear has the factor 1.
    """
    first = (np.moveaxis(array, axis, 0) for array in (got, expected, tolerance))
    each, true, slack = (array.reshape(len(array), -1) for array in first)
    clear = np.abs(true) > CLEAR * slack
    with np.errstate(all="ignore"):
        weight = np.where(clear, (1 / np.maximum(slack, TINY)) ** 2, 0)
        weight = weight / np.max(weight, initial=TINY)
        k = np.sum(weight * true * each, 1) / np.sum(weight * true * true, 1)
    k = np.where(np.any(clear, 1), k, 1.0).astype(np.float64)
    if not np.all(np.isfinite(k)):
        return None
    fits = np.abs(each - k[:, None] * true) <= 2 * np.where(k == 0, 1, np.abs(k))[:, None] * slack
    off = np.abs(each - true) > 2 * slack
    moved = np.any(off, 1)
    proven = np.all(clear.sum(1)[moved] >= 2) and np.sum(clear[moved]) - np.sum(moved) >= _SURPLUS
    return k if np.all(fits) and proven and np.any(moved) and np.any(k[moved] != 0) else None


def by_case(suspect: Suspect) -> list[Finding]:
    """got = expected · k with one of two or three numbers k, such as 1 in the branch that is right."""
    if not suspect.is_whole or suspect.got.size < 2 + 2 * _SURPLUS:
        return []
    clear, expected = suspect.clear, suspect.expected
    if np.any(suspect.wrong & ~clear):
        return []
    ratio = np.sort((suspect.got[clear] / expected[clear]).astype(np.float64))
    blur = KNOWN_TO * float(np.max(suspect.tolerance[clear] / np.abs(expected[clear]), initial=0.0))
    if not len(ratio) or blur > _BLURRED:
        return []
    groups = np.split(ratio, np.flatnonzero(np.diff(ratio) > blur * np.maximum(1, np.abs(ratio[1:]))) + 1)
    numbers = [float(np.median(group)) for group in groups]
    counts = [len(group) for k, group in zip(numbers, groups, strict=True) if abs(k - 1) > _NOTABLE]
    is_one = [abs(k - 1) <= blur or abs(k - 1) > _NOTABLE for k in numbers]
    if not 2 <= len(groups) <= _CASES or not counts or not all(is_one) or 0 in numbers:
        return []
    if min(counts) < 2 or len(ratio) - len(groups) < 2 * _SURPLUS:
        return []
    listed = ", ".join(f"{number(k)} in {len(group)}" for k, group in zip(numbers, groups, strict=True))
    seen = f"got / expected is one of {len(groups)} numbers: {listed} entries, to rounding."
    return suspect.finding("factor-by-case", seen)


def statistics(values: Array, name: str) -> dict[str, Array]:
    """Statistics of each row of values (m, k), by their names."""
    return {
        f"the standard deviation of {name}": np.std(values, 1),
        f"the variance of {name}": np.var(values, 1),
        f"the root mean square of {name}": np.sqrt(np.mean(values * values, 1)),
        f"the mean square of {name}": np.mean(values * values, 1),
        f"the norm of {name}": np.sqrt(np.sum(values * values, 1)),
        f"the sum of {name}": np.sum(values, 1),
    }


def known_as(k: Array, point: Mapping[str, Array], more: Mapping[str, Array] | None = None) -> str:
    """What the factors k (m,) are, in words: a tensor of the point, its square, its inverse; or nothing.

    An ε beside a statistic is allowed for, and said.
    """
    for words, values in _candidates(k, point):
        if np.all(np.abs(values - k) <= _ALIKE * np.abs(k)):
            return words
    for name, values in (more or {}).items():
        for sign, how in ((1, name), (-1, f"1 / {name}")):
            with np.errstate(all="ignore"):
                beside = (k**sign) ** 2 - values**2
            room = _SAME * np.max(values**2, initial=0)
            if (
                np.all(np.isfinite(beside))
                and np.ptp(beside) <= room
                and abs(beside[0]) < _LARGEST_EPSILON**2
            ):
                value = float(np.mean(beside))
                return how if abs(value) <= room else f"{how}, with ε = {value:.3g} in its square"
    return ""


def _candidates(k: Array, point: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    for name, tensor in point.items():
        values = np.asarray(tensor, np.float64).reshape(-1)
        if values.shape != k.shape or len(np.unique(values)) < 2:
            continue
        with np.errstate(all="ignore"):
            yield name, values
            yield f"1 / {name}", 1 / values
            yield f"{name}²", values**2
            yield f"1 / {name}²", values**-2.0


def _explains(suspect: Suspect, factor: Array) -> bool:
    """Whether got = expected · factor, to rounding, where the factor is not 1."""
    with np.errstate(all="ignore"):
        fits = bool(np.all(np.isfinite(factor))) and suspect.is_product(factor)
    return fits and suspect.known.informative() > 0
