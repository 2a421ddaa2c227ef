"""Reading: the claim along a direction beside the slope that was found, and what that leaves open."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.directions import Direction
from backprop.check.numeric.path import Path
from backprop.check.numeric.slope import Slope

_PATH = 1e-6
_CLOSE = 0.02  # a quotient and a mean so near to each other beside the difference in question are the same
_HIDDEN = "noise hides its slope from all but steps that are too long"
_AMONG = "kinks lie closer than the noise lets quotients see"


@dataclass(frozen=True)
class Reading:
    """The truth (m,) along a direction beside what is claimed, in the units of the direction.

    tolerance: how far a right gradient may be off. wrong: where the claim is farther. open: where nothing can be
    said. kink: where both sides differ, of which `open` are those that the claim is not between.
    """

    direction: Direction
    value: Array
    claimed: Array
    tolerance: Array
    error: Array
    wrong: Array
    open: Array
    kink: Array
    reason: str = ""

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong, open or at a kink."""
        return not np.any(self.wrong | self.open | self.kink)


def reading_of(
    direction: Direction, claimed: Array, slope: Slope, tolerance: Array, negligible: Array
) -> Reading:
    """The reading that difference quotients give. At a kink every slope between both sides is as good.

    Where the claim is off, and no step nearby shows it, nothing can be said. negligible (m,): an error of the slope
    so small beside the rest of its tensor that no limit need be seen.
    """
    off = ~(np.abs(slope.value - claimed) <= tolerance)
    seen = ~(np.abs(slope.nearby.value - claimed) <= 2 * slope.nearby.error)
    settled = slope.settled | (~off & (slope.error <= negligible))
    side = tolerance + 3 * slope.side_error
    low, high = np.minimum(slope.left, slope.right) - side, np.maximum(slope.left, slope.right) + side
    between = (low <= claimed) & (claimed <= high) & _is_corner(slope)
    return Reading(
        direction,
        slope.value,
        claimed,
        tolerance,
        slope.error,
        wrong=off & seen & ~slope.kink & settled,
        open=(slope.kink & ~between) | (~(settled & (seen | ~off)) & ~slope.kink),
        kink=slope.kink | ~settled | slope.edge,
        reason=_reason(slope, settled, direction) or ("" if np.all(seen | ~off) else _HIDDEN),
    )


def seen_along_path(
    reading: Reading, slope: Slope, found: Path, tolerance: Array, vague: Array, noisy: bool
) -> Reading:
    """The reading, with what the mean of the claim along a step says.

    A claim that is the quotient's mean is cleared, where that could have come out otherwise: of what seemed wrong, of
    a kink, of quotients without a limit. One that is far from it at a kink, or where the slope is `vague`, is wrong.
    Among kinks of a `noisy` function a claim that seemed wrong is left open where the step cannot tell.
    """
    error = found.error + tolerance + _PATH * np.abs(found.quotient)
    largest = np.maximum(np.abs(found.quotient), np.abs(found.mean))
    close = (found.off <= _CLOSE * np.abs(reading.value - reading.claimed)) & (found.off <= _CLOSE * largest)
    apart = np.minimum(np.abs(found.quotient - reading.claimed), np.abs(reading.value - reading.claimed))
    telling = (error <= 0.3 * apart) | slope.kink | ~slope.settled
    same = found.off <= error
    cleared = (same & telling & found.near) | close
    convicted = ((slope.kink & _is_corner(slope)) | vague) & (found.off > 3 * error) & found.near
    sharper = vague & same & (error < reading.tolerance)
    blind = cleared & ~slope.settled & ~slope.kink & ~slope.edge
    hidden = reading.wrong & same & ~cleared & found.jumps & noisy
    use = (reading.wrong & cleared) | convicted | sharper | blind
    # What would be right at the point, were the claim off there as it is on the step:
    with np.errstate(all="ignore"):
        scaled = reading.claimed * found.quotient / found.mean
    shifted = reading.claimed + found.quotient - found.mean
    value = np.where((np.abs(found.mean) > error) & (reading.claimed != 0), scaled, shifted)
    return replace(
        reading,
        value=np.where(use, value, reading.value),
        error=np.where(use, np.maximum(error, found.off), reading.error),
        tolerance=np.where(use, np.maximum(error, found.off), reading.tolerance),
        wrong=(reading.wrong & ~cleared & ~hidden) | convicted,
        open=(reading.open & ~cleared & ~convicted) | hidden,
        kink=reading.kink & ~blind,
        reason=_AMONG if np.any(hidden) else "" if np.all(blind | ~reading.kink) else reading.reason,
    )


def _is_corner(slope: Slope) -> Array:
    """Where both one-sided slopes have a limit, as they have not where the function itself jumps."""
    return np.asarray(slope.side_error <= 0.1 * np.abs(slope.right - slope.left))


def _reason(slope: Slope, settled: Array, direction: Direction) -> str:
    """Why there is no derivative, in words; empty where there is one."""
    if np.any(slope.edge):
        return "the function has values on one side only"
    if np.any(slope.kink):
        k = int(np.argmax(slope.kink))
        unit = float(direction.by[0]) if len(direction.by) == 1 else 1.0
        left, right = float(slope.left[k]) / unit, float(slope.right[k]) / unit
        return f"the slopes on both sides differ: {left:.6g} and {right:.6g}"
    if not np.all(settled):
        return "its difference quotients come to no limit"
    return ""
