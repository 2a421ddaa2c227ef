"""Comparison: the claim along a direction against the slope that was found, at the point and over a whole step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.directions import Direction
from backprop.check.numeric.quotients import ALLOWED, SEEN, Slope
from backprop.check.numeric.slopes import Ladder, Rung

_HIDDEN = "noise hides its slope from all but steps that are too long"
_AMONG = "kinks lie closer than the noise lets quotients see"


@dataclass(frozen=True)
class Comparison:
    """The truth (m,) along a direction beside what is claimed, in the units of the direction.

    tolerance: how far a right gradient may be off. wrong: where the claim is farther. open: where nothing can be
    said. kink: the one-sided slopes differ; `open` marks those whose interval excludes the claim. moves, steep:
    whether any step nearby moves the function, and how fast, as in `Slope`. left, right: the one-sided slopes at
    a corner, else NaN.
    """

    direction: Direction
    value: Array
    claimed: Array
    tolerance: Array
    error: Array
    wrong: Array
    open: Array
    kink: Array
    moves: Array
    steep: Array
    left: Array
    right: Array
    reason: str = ""

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong, open or at a kink."""
        return not np.any(self.wrong | self.open | self.kink)

    def left_open(self, where: Array, reason: str) -> Comparison:
        """This comparison, in which nothing can be said at `where` (m,)."""
        if not np.any(where):
            return self
        return replace(self, wrong=self.wrong & ~where, open=self.open | where, reason=reason)


def compare_with_quotients(
    direction: Direction, claimed: Array, slope: Slope, tolerance: Array, stairs: Array, negligible: Array
) -> Comparison:
    """Compare the claim with the slope from difference quotients. At a kink every slope between both sides is right.

    Where the claim is off, and no step nearby shows it, nothing can be said. stairs (m,): the part of the tolerance
    that is due to a function on stairs; a claim at a kink may not use it. negligible (m,): an error of the slope that
    is too small beside the rest of its tensor to matter, even where the quotients come to no limit.
    """
    off = ~(np.abs(slope.value - claimed) <= tolerance)
    seen = ~(np.abs(slope.nearby - claimed) <= 2 * slope.nearby_error)
    settled = slope.settled | (~off & (slope.error <= negligible))
    side = tolerance - stairs + ALLOWED * slope.side_error
    low, high = np.minimum(slope.left, slope.right) - side, np.maximum(slope.left, slope.right) + side
    among = (low <= claimed) & (claimed <= high)
    between = among & slope.corner
    hidden_corner = off & among & (np.abs(slope.right - slope.left) > SEEN * slope.side_error)
    return Comparison(
        direction,
        slope.value,
        claimed,
        tolerance,
        slope.error,
        wrong=off & seen & ~slope.kink & settled & ~hidden_corner,
        open=(slope.kink & ~between) | ((~(settled & (seen | ~off)) | hidden_corner) & ~slope.kink),
        kink=slope.kink | ~settled | slope.edge,
        moves=slope.moves,
        steep=slope.steep,
        left=np.where(slope.corner, slope.left, np.nan),
        right=np.where(slope.corner, slope.right, np.nan),
        reason=_reason(slope, settled, direction) or ("" if np.all(seen | ~off) else _HIDDEN),
    )


def _reason(slope: Slope, settled: Array, direction: Direction) -> str:
    """Why there is no derivative, in words; empty where there is one."""
    if np.any(slope.edge):
        return "the function has values on one side only"
    if np.any(slope.kink):
        k = int(np.argmax(slope.kink))
        unit = float(direction.by[0]) if len(direction.by) == 1 else 1.0
        left, right = float(slope.left[k]) / unit, float(slope.right[k]) / unit
        return f"the slopes on both sides differ: {left:.6g} and {right:.6g}"
    return "" if np.all(settled) else "its difference quotients come to no limit"


def compare_at_kink(comparison: Comparison, slope: Slope, beside: Array | None) -> Comparison:
    """Compare again at a corner, where the claim is not between the slopes on both sides.

    beside (k, m): the claims at points next to this one, along the same direction; None where the claim is no
    function. Where several kinks meet, a right claim is made of slopes beside the point, which need not lie between
    the slopes of this one line. A claim of 0 is left open: relu'(0) = 0 leaves a unit out, and no slope beside the
    point need be 0. A direction in which many entries move is left open, too: it crosses many kinks.
    """
    claimed, side = comparison.claimed, comparison.tolerance + ALLOWED * slope.side_error
    outside = comparison.open & slope.corner
    low, high = np.minimum(slope.left, slope.right), np.maximum(slope.left, slope.right)
    far = (claimed < low - side) | (claimed > high + side)
    among = np.zeros_like(outside)
    if beside is not None:
        low, high = np.fmin(low, np.min(beside, axis=0)), np.fmax(high, np.max(beside, axis=0))
        among = outside & (low - side <= claimed) & (claimed <= high + side)
    wrong = outside & far & ~among & (claimed != 0) & (len(comparison.direction.where) == 1)
    return replace(comparison, wrong=comparison.wrong | wrong, open=comparison.open & ~wrong & ~among)


# The mean of the claim along a step, against the difference quotient of the same step.
#
#     (f(x + hv) - f(x - hv)) / 2h = 1/2h ∫ g(x + tv)·v dt,  t from -h to h
#
# for the gradient g of f, whatever kinks of f lie between (the fundamental theorem of calculus). So a gradient
# can be told right where kinks lie closer than the noise lets quotients see, and at a kink itself. The mean is
# that of the midpoints of equal pieces, taken in pairs ±t. Its error is what every other piece differs by, and as
# much as the jumps between pieces may be out of place.
#
# The numbers are not derived: the campaign of tests/planted/functions holds with them.

_PIECES = 16
"""Pieces of each half of a step; their claims are half of what the look costs."""
_ROUNDED = 3e-3
"""Of the slope: the step is the smallest one whose quotient is rounded to no more than this."""
_MEAN = 1e-6
"""Of the quotient: how well the mean is known at best."""
_TELLING = 0.3
"""Of what a wrong claim would make of the quotient: an error larger than this tells nothing."""
_OUT_OF_PLACE = 1.5
"""Times the mean that jumps may be out of place, by half a piece each: they need not average out."""
_CLOSE = 0.02
"""Of the same: a quotient and a mean that are so near to each other are the same."""


@dataclass(frozen=True)
class LineIntegral:
    """quotient (m,): of one step. mean (m,): of the claim along it. error (m,): how far these may be apart.

    near: whether the step is short. jumps (m,): whether the claim jumps along it by more than the noise.
    """

    quotient: Array
    mean: Array
    error: Array
    near: bool
    jumps: Array

    @property
    def off(self) -> Array:
        """The distance (m,) between the quotient and the mean."""
        return np.asarray(np.abs(self.quotient - self.mean))


def line_integral(
    ladder: Ladder,
    claimed: Array,
    size: Array,
    rows_at: Callable[[Array], Array | None],
    *,
    least: float = 0.0,
    far: bool = False,
) -> LineIntegral | None:
    """Along the smallest step that the noise leaves; on one side where there are values on one side only.

    least: the smallest step in whose pieces the claim sees other points: it may round what it is given.
    far: along the longest step nearby instead. claimed (m,): the slope at the point. size (m,): of the slope, true or
    claimed. rows_at: the claim (m, p) at a point (p,), None where there is none. Without a usable step, or without a
    claim along it, the answer is None.
    """
    rung = _usable_step(ladder, size, least, far)
    if rung is None:
        return None
    h, ends, quotient, direction = rung.wide, rung.ends, rung.quotient, ladder.direction
    if len(ends) == 1:
        ((side, end),) = ends.items()
        quotient = side * (end - ladder.function.value) / h
    pieces = []
    for middle in (np.arange(_PIECES) + 0.5) * h / _PIECES:
        points = [direction.moved(ladder.function.point, side * middle) for side in ends]
        claims = [None if rows is None else direction.along(rows) for rows in map(rows_at, points)]
        if any(claim is None or not np.all(np.isfinite(claim)) for claim in claims):
            return None
        pieces.append(np.mean(np.array(claims), axis=0))
    values = np.array(pieces)
    uneven = np.abs(values[::2].mean(axis=0) - values[1::2].mean(axis=0))
    steps = np.diff(values, axis=0, prepend=claimed[None])
    # Of a smooth claim bends are small beside steps, of one that jumps they are not.
    bends = np.abs(np.diff(steps, axis=0)).sum(axis=0)
    jumps = np.minimum(np.abs(steps).sum(axis=0), bends) / (2 * _PIECES)  # each lies anywhere in its piece
    noise = np.asarray(ladder.noise) * (1 if len(ends) == 2 else 2) / h  # of (f⁺ - f⁻)/2h, and of (f⁺ - f)/h
    error = np.maximum(uneven, _OUT_OF_PLACE * jumps) + noise
    return LineIntegral(quotient, values.mean(axis=0), error, rung.step <= ladder.near, jumps > noise)


def _usable_step(ladder: Ladder, size: Array, least: float, far: bool) -> Rung | None:
    """The smallest step whose quotient is known to a few thousandths; where none is, the largest one nearby."""
    usable = [one for one in ladder.rungs if one.ends and one.step >= least]
    noise, largest = np.max(ladder.noise), np.max(size)
    known = [one for one in usable if noise / one.wide <= _ROUNDED * largest]
    near = [one for one in usable if one.step <= ladder.near]
    return known[-1] if known and not far else next(iter(near), None)


def compare_with_integral(
    comparison: Comparison, slope: Slope, found: LineIntegral, tolerance: Array, vague: Array, noisy: bool
) -> Comparison:
    """Compare again, with the mean of the claim along a step.

    A claim whose mean is the quotient is cleared: where it seemed wrong, and where quotients come to no limit. It is
    cleared only where the mean could have come out otherwise. It could not where a claim that is wrong everywhere, by
    the same factor or the same difference as at the point, would have the same mean to within the error: beyond a
    narrow structure both are 0. A claim that is far from the mean at a kink, or where the slope is `vague`, is wrong.
    Among kinks of a `noisy` function a claim that seemed wrong is left open where the step cannot tell.
    """
    claimed, mean, quotient, off = comparison.claimed, found.mean, found.quotient, found.off
    error = found.error + tolerance + _MEAN * np.abs(quotient)
    with np.errstate(all="ignore"):
        factor = np.where(claimed != 0, comparison.value / claimed, np.inf)
        scaled = claimed * quotient / mean
        change = np.where(mean != 0, np.abs(mean * (factor - 1)), 0)  # by a claim that is right
    shift = np.abs(comparison.value - claimed)
    wrong_by = np.where(claimed != 0, np.minimum(change, shift), shift)
    apart = np.minimum(np.abs(quotient - claimed), wrong_by)
    largest = np.maximum(np.abs(quotient), np.abs(mean))
    same = off <= error
    unsure = (slope.kink | ~slope.settled) & (error <= _TELLING * largest)
    telling = (error <= _TELLING * apart) | unsure
    close = (off <= _CLOSE * np.minimum(wrong_by, largest)) & (wrong_by > 0)
    cleared = ((same & telling & found.near) | close) & ~slope.edge  # the step does not see the point itself
    convicted = (slope.corner | vague) & (off > ALLOWED * error) & found.near
    here = np.abs(mean - claimed) <= 0.5 * np.maximum(np.abs(mean), np.abs(claimed))
    sharper = vague & same & (error < comparison.tolerance) & here
    blind = cleared & ~slope.settled & ~slope.kink
    hidden = comparison.wrong & same & ~cleared & found.jumps & noisy
    use = (comparison.wrong & cleared) | convicted | sharper | blind
    # What would be right at the point, were the claim off there as it is on the step:
    value = np.where((np.abs(mean) > error) & (claimed != 0), scaled, claimed + quotient - mean)
    allowed = np.maximum(error, off)
    return replace(
        comparison,
        value=np.where(use, value, comparison.value),
        error=np.where(use, allowed, comparison.error),
        tolerance=np.where(use, allowed, comparison.tolerance),
        wrong=(comparison.wrong & ~cleared & ~hidden) | convicted,
        open=(comparison.open & ~(cleared & ~slope.kink) & ~convicted) | hidden,
        kink=comparison.kink & ~blind,
        reason=_AMONG if np.any(hidden) else "" if np.all(blind | ~comparison.kink) else comparison.reason,
    )
