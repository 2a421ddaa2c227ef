"""Truth: the slope along any direction, by complex step where that can be trusted, else by difference quotients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.complex_step import agrees, complex_slope
from backprop.check.numeric.directions import Direction, Scales
from backprop.check.numeric.evaluation import OutOfCalls, Probe
from backprop.check.numeric.measuring import measure
from backprop.check.numeric.path import path
from backprop.check.numeric.reading import Reading, reading_of, seen_along_path
from backprop.check.numeric.slope import Ladder, Slope

_ROUNDINGS = 32.0
_FINEST = 1e-9
_IN_VAIN, _IN_VAIN_IF_NOISY = 3, 12
_NEGLIGIBLE = 0.02
_QUIET = 1000.0
_ROOM, _ROOM_IF_NOISY = 3.0, 8.0  # times the estimated error: noise is not always as even as it was measured


@dataclass
class Truth:
    """How slopes near the point are found, and what a gradient (m, p) may be off from them.

    rounding (m, p): how far rounding moves its entries. relative (p,): what they may be off, relative to themselves.
    noise (m,): of the function. refine: a closer look at the rounding, for when something seems wrong. complex:
    whether complex steps are trusted; disproved: whether they were, until quotients contradicted them. confirmed: how
    many slopes were found by both. rows_at: the claim at other points, for `paths` paths at most; in_vain: how many
    of the last ones cleared nothing that had seemed wrong. natural (m,): the size of the function's values elsewhere,
    once it was asked for.
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
    paths: int = 64
    in_vain: int = 0
    natural: Array | None = None
    largest: Array = field(init=False)

    def __post_init__(self) -> None:
        self.largest = np.abs(np.nan_to_num(self.claimed)) * self.scales.own
        for places in self.probe.form.views(np.arange(len(self.scales.own))).values():
            where = places.reshape(-1)
            self.largest[:, where] = np.max(self.largest[:, where], axis=1, initial=0, keepdims=True)

    @property
    def noisy(self) -> bool:
        """Whether the values are noisier than float64's rounding makes them."""
        eps = np.finfo(self.probe.form.dtype).eps
        return bool(np.any(self.noise > _QUIET * eps * np.abs(self.probe.value)))

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
        return self._measured(self.ladder(direction), thorough)

    def _measured(self, ladder: Ladder, thorough: bool) -> Slope:
        direction = ladder.direction
        return measure(ladder, direction.along(self.claimed), self.goal(direction), thorough=thorough)

    def ladder(self, direction: Direction) -> Ladder:
        """Steps along a direction, none taken yet."""
        noise = self.noise
        if len(direction.where) > 1:  # every entry that moves is rounded, and moves the value with it
            noise = noise + self.probe.eps * self._point_rounding(direction)
        return Ladder(self.probe, direction, noise)

    def goal(self, direction: Direction) -> Array:
        """How well (m,) a slope need be known: beside ‖g∘v‖, and beside the largest entry of what moves."""
        size = np.maximum(
            direction.size(self.claimed), 1e-3 * np.max(self.largest[:, direction.where], axis=1)
        )
        return np.asarray(max(_FINEST, 8 * self.probe.eps) * size)

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
        ladder = self.ladder(direction)
        slope = self._measured(ladder, thorough)
        reading = self._judged(direction, slope)
        if not thorough and not reading.clean and self.probe.room(6):
            slope = self._measured(ladder, True)
            reading = self._judged(direction, slope)
        size = direction.size(self.claimed)
        vague = (reading.tolerance > 0.1 * size) & (reading.tolerance < 100 * size)
        if reading.clean and not np.any(vague):
            return reading
        return self._along_path(reading, slope, ladder, vague)

    def _along_path(self, reading: Reading, slope: Slope, ladder: Ladder, vague: Array) -> Reading:
        """The reading with what the claim elsewhere on the step says of kinks that quotients cannot see through."""
        in_vain = np.all(reading.wrong) and self.in_vain >= (_IN_VAIN_IF_NOISY if self.noisy else _IN_VAIN)
        if self.rows_at is None or self.paths < 1 or in_vain:
            return reading
        seen = self._seen(reading, slope, ladder, vague, far=False)
        if np.any(seen.wrong):  # a long step sees past noise that was taken for less than it is
            farther = self._seen(reading, slope, ladder, vague, far=True)
            seen = seen if np.any(farther.wrong | farther.open) else farther
        if np.any(reading.wrong):
            self.in_vain = self.in_vain + 1 if np.array_equal(seen.wrong, reading.wrong) else 0
        return seen

    def _seen(self, reading: Reading, slope: Slope, ladder: Ladder, vague: Array, *, far: bool) -> Reading:
        """The reading as one path shows it, along the smallest step that can be used, or the longest."""
        if self.rows_at is None:
            return reading
        self.paths -= 1
        size = np.maximum(np.abs(reading.claimed), np.abs(slope.value))
        found = path(ladder, reading.claimed, size, self.rows_at, far=far)
        if found is None:
            return reading
        tolerance = self._tolerance(reading.direction, found.quotient, found.mean)
        tolerance = tolerance + np.where(found.quotient == 0, self._unseen(), 0)
        return seen_along_path(reading, slope, found, tolerance, vague, self.noisy)

    def _judged(self, direction: Direction, slope: Slope) -> Reading:
        claimed = direction.along(self.claimed)
        room = _ROOM_IF_NOISY if self.noisy else _ROOM
        tolerance = self._tolerance(direction, slope.value, claimed, room * slope.error)
        flat = (slope.value == 0) & (claimed != 0)
        if np.any(flat):  # a function that does not move at all may have lost the claim to rounding
            tolerance = np.where(flat, tolerance + self._unseen(), tolerance)
        largest = np.max(self.largest[:, direction.where], axis=1)
        return reading_of(direction, claimed, slope, tolerance, _NEGLIGIBLE * largest)

    def _unseen(self) -> Array:
        """What rounding (m,) may hide where a function does not move: eps of its values on the way to zero."""
        if self.natural is None:
            values = [self.probe.at(factor * self.probe.point) for factor in (0.5, 0.25)]
            sizes = np.nan_to_num(np.abs(values), nan=0, posinf=0)
            self.natural = np.maximum(np.max(sizes, axis=0), np.abs(self.probe.value))
        return np.asarray(self.probe.eps * self.natural)

    def _point_rounding(self, direction: Direction) -> Array:
        moving = Direction(direction.where, self.probe.point[direction.where])
        return moving.size(np.nan_to_num(self.claimed))

    def _disprove(self) -> None:
        self.complex = False
        self.disproved = True
