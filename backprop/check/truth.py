"""Truth: the slope along any direction, by complex step where that can be trusted, else by difference quotients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from backprop.arrays import Array
from backprop.check.complex_step import agrees, complex_slope
from backprop.check.directions import Direction, Scales
from backprop.check.evaluation import OutOfCalls, Probe
from backprop.check.path import path
from backprop.check.slope import Ladder, Slope, measure

_ROUNDINGS = 32.0
_FINEST = 1e-9
_IN_VAIN = 3


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


@dataclass
class Truth:
    """How slopes near the point are found, and what a gradient (m, p) may be off from them.

    rounding (m, p): how far rounding moves its entries. relative (p,): what they may be off, relative to themselves.
    noise (m,): of the function. refine: a closer look at the rounding, for
    when something seems wrong. complex: whether complex steps are trusted; disproved:
    whether they were, until quotients contradicted them. confirmed: how many slopes were found by both. rows_at: the
    claim at other points, for `paths` paths at most; in_vain: how many of them cleared nothing.
    """

    probe: Probe
    claimed: Array
    rounding: Array
    relative: Array
    scales: Scales
    noise: Array
    refine: Callable[[], Array] | None = None
    complex: bool = False
    disproved: bool = False
    confirmed: int = 0
    rows_at: Callable[[Array], Array | None] | None = None
    paths: int = 48
    in_vain: int = 0
    largest: Array = field(init=False)

    def __post_init__(self) -> None:
        self.largest = np.max(np.abs(np.nan_to_num(self.claimed)) * self.scales.own, axis=1, initial=0)

    def read(self, direction: Direction, *, thorough: bool = False, confirm: bool = True) -> Reading:
        """Compare the claim along a direction; what seems wrong is looked at again before it is called so.

        Raises `OutOfCalls` where none are left.
        """
        if not self.probe.room(1 if self.complex else 4):
            raise OutOfCalls
        if self.complex:
            value = complex_slope(self.probe, direction)
            if value is not None:
                return self._by_complex_step(direction, value, confirm)
            self._disprove()
        return self._by_quotients(direction, thorough)

    def quotients(self, direction: Direction, *, thorough: bool) -> Slope:
        """The slope from real difference quotients alone."""
        return self._measured(direction, thorough)[0]

    def _measured(self, direction: Direction, thorough: bool) -> tuple[Slope, Ladder]:
        claimed, goal = direction.along(self.claimed), self.goal(direction.size(self.claimed))
        ladder = self.ladder(direction)
        return measure(ladder, claimed, goal, thorough=thorough), ladder

    def ladder(self, direction: Direction) -> Ladder:
        """Steps along a direction, none taken yet."""
        noise = self.noise
        if len(direction.where) > 1:  # every entry that moves is rounded, and moves the value with it
            noise = noise + self.probe.eps * self._point_rounding(direction)
        return Ladder(self.probe, direction, noise)

    def goal(self, size: Array) -> Array:
        """How well (m,) a slope need be known along a direction of which the parts amount to `size`."""
        return max(_FINEST, 8 * self.probe.eps) * np.maximum(size, 1e-3 * self.largest)

    def allowed(self, direction: Direction) -> Array:
        """How far (m,) a right gradient may be off along a direction, by its own rounding."""
        own = direction.size(self.relative * self.claimed)
        return own + _ROUNDINGS * direction.size(self.rounding)

    def _tolerance(
        self, direction: Direction, value: Array, claimed: Array, error: Array | float = 0.0
    ) -> Array:
        """How far (m,) a right claim may be off; before any is called wrong, its rounding is looked at closely."""
        relative = float(np.max(self.relative[direction.where])) * np.abs(value) + error
        tolerance = self.allowed(direction) + relative
        if self.refine is not None and not np.all(np.abs(value - claimed) <= tolerance):
            self.rounding = np.maximum(self.rounding, self.refine())
            self.refine = None
            tolerance = self.allowed(direction) + relative
        return tolerance

    def _by_complex_step(self, direction: Direction, value: Array, confirm: bool) -> Reading:
        claimed = direction.along(self.claimed)
        tolerance = self._tolerance(direction, value, claimed)
        wrong = ~(np.abs(value - claimed) <= tolerance)
        error = np.abs(value) * 64 * np.finfo(value.dtype).eps
        none = np.zeros(wrong.shape, bool)
        if confirm and np.any(wrong) and self.probe.room(8):
            real = self.quotients(direction, thorough=True)
            self.confirmed += 1
            if not agrees(value, real, direction.size(self.claimed)):
                self._disprove()
                return self._judged(direction, real)
            # Where quotients cannot tell both apart, only a difference far beyond rounding counts.
            blurred = np.abs(real.value - claimed) <= 3 * real.error + tolerance
            strong = np.abs(value - claimed) > 10 * tolerance
            wrong &= ~blurred | strong
        return Reading(direction, value, claimed, tolerance, error, wrong, none, none)

    def _by_quotients(self, direction: Direction, thorough: bool) -> Reading:
        slope, ladder = self._measured(direction, thorough)
        reading = self._judged(direction, slope)
        if not thorough and np.any(reading.wrong | reading.open | reading.kink) and self.probe.room(6):
            slope, ladder = self._measured(direction, True)
            reading = self._judged(direction, slope)
        size = direction.size(self.claimed)
        vague = (reading.tolerance > 0.1 * size) & (reading.tolerance < 100 * size)
        if np.any(reading.wrong | reading.open | reading.kink | vague):
            return self._along_path(reading, slope, ladder, vague)
        return reading

    def _along_path(self, reading: Reading, slope: Slope, ladder: Ladder, vague: Array) -> Reading:
        """The reading with what the claim elsewhere on the step says of kinks that quotients cannot see through."""
        may_help = self.in_vain < _IN_VAIN or np.any(slope.kink)
        if self.rows_at is None or self.paths < 1 or not may_help:
            return reading
        self.paths -= 1
        found = path(ladder, reading.claimed, self.rows_at)
        if found is None:
            return reading
        error = found.error + self._tolerance(reading.direction, found.quotient, found.mean)
        telling = (error <= 0.3 * np.abs(found.quotient - reading.claimed)) | slope.kink | ~slope.settled
        cleared = (found.off <= error) & telling
        convicted = (slope.kink | vague) & (found.off > 10 * error)
        sharper = vague & (found.off <= error) & (error < reading.tolerance)
        self.in_vain += not np.any(cleared | sharper)
        blind = cleared & ~slope.settled & ~slope.kink & ~slope.edge
        use = (reading.wrong & cleared) | convicted | sharper | blind
        with np.errstate(
            all="ignore"
        ):  # what the claim would be at the point if it were right along the step
            scaled = reading.claimed * found.quotient / found.mean
        value = np.where(np.abs(found.mean) > error, scaled, reading.claimed + found.quotient - found.mean)
        return replace(
            reading,
            value=np.where(use, value, reading.value),
            error=np.where(use, error, reading.error),
            tolerance=np.where(use, error, reading.tolerance),
            wrong=(reading.wrong & ~cleared) | convicted,
            open=reading.open & ~cleared & ~convicted,
            kink=reading.kink & ~blind,
            reason="" if np.all(blind | ~reading.kink) else reading.reason,
        )

    def _judged(self, direction: Direction, slope: Slope) -> Reading:
        claimed = direction.along(self.claimed)
        tolerance = self._tolerance(direction, slope.value, claimed, 3 * slope.error)
        off = ~(np.abs(slope.value - claimed) <= tolerance)
        side = tolerance + 3 * slope.side_error
        low, high = np.minimum(slope.left, slope.right) - side, np.maximum(slope.left, slope.right) + side
        between = (low <= claimed) & (claimed <= high)
        kink = slope.kink | ~slope.settled | slope.edge
        open_ = (slope.kink & ~between) | (~slope.settled & ~slope.kink)
        wrong = off & ~slope.kink & slope.settled
        return Reading(
            direction,
            slope.value,
            claimed,
            tolerance,
            slope.error,
            wrong,
            open_,
            kink,
            _reason(slope, direction),
        )

    def _point_rounding(self, direction: Direction) -> Array:
        moving = Direction(direction.where, self.probe.point[direction.where])
        return moving.size(np.nan_to_num(self.claimed))

    def _disprove(self) -> None:
        self.complex = False
        self.disproved = True


def _reason(slope: Slope, direction: Direction) -> str:
    """Why there is no derivative, in words; empty where there is one."""
    if np.any(slope.edge):
        return "the function has values on one side only"
    if np.any(slope.kink):
        k = int(np.argmax(slope.kink))
        unit = float(direction.by[0]) if len(direction.by) == 1 else 1.0
        left, right = float(slope.left[k]) / unit, float(slope.right[k]) / unit
        return f"the slopes on both sides differ: {left:.6g} and {right:.6g}"
    if not np.all(slope.settled):
        return "its difference quotients come to no limit"
    return ""
