"""Tensors: whether the gradient of each is the slope of the loss along random directions.

slope of a tensor    (L(θ + hv) - L(θ - hv)) / 2h, for random directions v of one tensor
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.program import Outcome, Program

Names = tuple[str, ...]
"""Tensors whose directions are taken together."""
DIRECTIONS = 2
"""Random directions of each tensor: one for a factor that is not known, one for the test."""
_STEP, _FINER = 1 / 6, 1 / 8
"""Of the cube root of eps, the step at which truncation and rounding are equal; and of that, a second step."""
_ROUGHEST, _LOSES = 1e-5, 300.0
"""What a slope may be off, relative to its size: 1e-5 in float64, 300 eps^(2/3) in float32."""
_ROUNDS = 30.0
"""Roundings of the loss, or of an intermediate, that a quotient may show."""


def rms(value: Array) -> float:
    """The size of an array's entries; 1 where they are all zero."""
    with np.errstate(all="ignore"):
        size = float(np.sqrt(np.mean(np.square(value, dtype=np.float64))))
    return size if np.isfinite(size) and size > 0 else 1.0


@dataclass
class Tensors:
    """The tensors of a program at its point. base: the run without any change. scale: of a tensor's entries."""

    program: Program
    base: Outcome
    rng: np.random.Generator
    directions: dict[str, list[Array]] = field(default_factory=dict)
    scale: dict[str, float] = field(default_factory=dict)
    slopes: dict[tuple[str, int], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.step = _STEP * float(np.cbrt(self.base.eps))
        self.rtol = max(_ROUGHEST, _LOSES * float(np.cbrt(self.base.eps)) ** 2)
        self.noise = _ROUNDS * self.base.eps * (abs(self.base.loss) + 1e-3) / self.step
        for name, places in self.program.structure.places.items():
            self.scale[name] = rms(self.program.point[places])
            normal = self.rng.standard_normal((DIRECTIONS, len(places)))
            self.directions[name] = [self.scale[name] * each for each in normal]

    def direction(self, names: Names, j: int) -> Array:
        """The j-th direction of several tensors together, (p,)."""
        v = np.zeros(self.program.structure.size)
        for name in names:
            v[self.program.structure.places[name]] = self.directions[name][j]
        return v

    def slope(self, names: Names, j: int) -> float:
        """The slope of the loss along the j-th direction of tensors; NaN where there is none."""
        for name in names:
            if (name, j) not in self.slopes:
                self.slopes[name, j] = self._tensor_slope(name, j, self.step)
        return float(sum(self.slopes[name, j] for name in names))

    def _tensor_slope(self, name: str, j: int, step: float) -> float:
        moved = step * self.direction((name,), j)
        up, down = (self.program.run(self.program.point + sign * moved) for sign in (1, -1))
        return (up.loss - down.loss) / (2 * step) if up and down else np.nan

    def along(self, gradient: Mapping[str, Array], names: Names, j: int) -> float:
        """The slope that a gradient promises along the j-th direction of tensors."""
        return sum(float(np.dot(gradient[name].reshape(-1), self.directions[name][j])) for name in names)

    def size(self, gradient: Mapping[str, Array], names: Names) -> float:
        """The size that a slope along a random direction has by chance."""
        with np.errstate(all="ignore"):  # a wrong gradient may be as large as it likes
            return float(
                np.linalg.norm([np.linalg.norm(gradient[name]) * self.scale[name] for name in names])
            )

    def slack(self, size: float, *values: float) -> float:
        """What a slope may be off that is put together from these values."""
        return self.rtol * (size + sum(map(abs, values))) + self.noise

    def error(self, name: str) -> float:
        """How far a gradient is off along random directions, relative to its size; infinite for a wrong shape."""
        got = self.base.gradient
        if name not in got:
            return np.inf
        pairs = [(self.slope((name,), j), self.along(got, (name,), j)) for j in range(DIRECTIONS)]
        size = self.size(got, (name,)) + self.noise / self.rtol
        return max(abs(true - promised) / (size + abs(true)) for true, promised in pairs)

    def is_wrong(self, name: str) -> bool:
        """Whether the gradient of a tensor differs from the loss's slope, along any direction, for two steps."""
        if name not in self.base.gradient or not np.isfinite(self.size(self.base.gradient, (name,))):
            return True
        for j in range(DIRECTIONS):
            promised, true = self.along(self.base.gradient, (name,), j), self.slope((name,), j)
            slack = self.slack(self.size(self.base.gradient, (name,)), promised, true)
            if not abs(promised - true) > slack:
                continue
            # With a finer step a kink or noise gives another slope.
            finer = self._tensor_slope(name, j, self.step * _FINER)
            if abs(finer - true) <= slack + 2 * self.noise / _FINER < abs(promised - true):
                return True
        return False

    def is_right(self, name: str, value: Array) -> bool:
        """Whether a value is the gradient of a tensor, along every direction."""
        gradient, names = {name: value.astype(np.float64)}, (name,)
        size = self.size(gradient, names)
        sides = [(self.along(gradient, names, j), self.slope(names, j)) for j in range(DIRECTIONS)]
        is_close = all(abs(got - true) <= self.slack(size, got, true) for got, true in sides)
        return is_close and bool(np.isfinite(size))  # the size of what overflows allows for anything

    def is_flat(self, name: str) -> bool:
        """Whether the loss does not depend on a tensor, as far as can be seen."""
        return all(abs(self.slope((name,), j)) <= 10 * self.noise for j in range(DIRECTIONS))

    def off(self, name: str) -> Array:
        """How far the slopes of a tensor are off along each direction; NaN where its values cannot be compared."""
        gradient = self.base.gradient
        if name not in gradient:
            return np.full(DIRECTIONS, np.nan)
        return np.array(
            [self.slope((name,), j) - self.along(gradient, (name,), j) for j in range(DIRECTIONS)]
        )

    def tolerance(self, names: Names) -> Array:
        """What may be left of that of some tensors."""
        size = self.size(self.base.gradient, tuple(name for name in names if name in self.base.gradient))
        size = size if np.isfinite(size) else 0.0
        return np.array([3 * self.slack(size, self.slope(names, j)) for j in range(DIRECTIONS)])

    def differs(self, outcome: Outcome, name: str) -> bool:
        """Whether a run gave another gradient of a tensor."""
        old, new = self.base.gradient.get(name), outcome.gradient.get(name)
        return new is not None and (old is None or not np.array_equal(old, new))

    def makes_right(self, outcome: Outcome | None, names: Iterable[str]) -> bool:
        """Whether the gradients of tensors are right in a run."""
        gradient = {} if outcome is None else outcome.gradient
        return all(name in gradient and self.is_right(name, gradient[name]) for name in names)
