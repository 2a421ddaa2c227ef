"""Agreement: how far a gradient is from the reference, and how far any two are from each other.

    error = ‖g - g*‖ / ‖g*‖        distance of a pair = ‖g - g'‖ / max(‖g‖, ‖g'‖)

A pair agrees where its distance is within the sum of both error models.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array
from backprop.parameters import Parameters

_SQUARES_FIT = (1e-140, 1e150)
"""Between these the squares of entries that matter are numbers of float64."""


@dataclass(frozen=True)
class GradientError:
    """The error of one gradient against the reference.

    relative: ‖g - g*‖ / ‖g*‖ over all parameters. per_tensor: the same for each tensor.
    largest: the largest error of an element, absolute. worst: that element, such as `W1[3, 7]`.
    cosine: of the angle between both.
    """

    relative: float
    per_tensor: dict[str, float]
    largest: float
    worst: str
    cosine: float


@dataclass(frozen=True)
class Pair:
    """Two strategies' gradients: their relative distance and the sum of what their error models allow."""

    first: str
    second: str
    distance: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether the distance is within the tolerance; never where it is not a number."""
        return self.distance <= self.tolerance


def gradient_error(gradient: Parameters, reference: Parameters) -> GradientError:
    """Compare a gradient with the reference; NaN in it gives NaN errors, which agree with nothing."""
    difference = np.abs(gradient.vector - reference.vector)
    worst = int(np.argmax(np.where(np.isnan(difference), np.inf, difference)))
    name, index = reference.layout.locate(worst)
    return GradientError(
        relative=ratio(norm(difference), norm(reference.vector)),
        per_tensor={
            tensor: ratio(norm(gradient[tensor] - reference[tensor]), norm(reference[tensor]))
            for tensor in reference
        },
        largest=float(difference[worst]),
        worst=f"{name}{list(index)}",
        cosine=ratio(
            float(np.dot(gradient.vector.astype(reference.dtype), reference.vector)),
            norm(gradient.vector) * norm(reference.vector),
        ),
    )


def pairs(gradients: Mapping[str, Parameters], tolerances: Mapping[str, float]) -> list[Pair]:
    """Every pair of strategies, in the order of `gradients`."""
    return [
        Pair(
            first,
            second,
            distance(gradients[first], gradients[second]),
            tolerances[first] + tolerances[second],
        )
        for first, second in itertools.combinations(gradients, 2)
    ]


def distance(first: Parameters, second: Parameters) -> float:
    """‖g - g'‖ / max(‖g‖, ‖g'‖): symmetric, and 0 for two gradients of zero."""
    scale = max(norm(first.vector), norm(second.vector))
    return ratio(norm(first.vector - second.vector), scale)


def norm(array: Array) -> float:
    """The Euclidean norm of all entries in float64 or wider, without overflow or underflow of the squares."""
    wide = np.ravel(array).astype(np.result_type(array, np.float64), copy=False)
    with np.errstate(over="ignore", under="ignore"):
        size = float(
            np.sqrt(np.vdot(wide, wide).real)
        )  # np.linalg.norm takes twice the time for small arrays
    if _SQUARES_FIT[0] < size < _SQUARES_FIT[1]:
        return size
    largest = np.max(np.abs(wide), initial=0)
    return float(largest * np.linalg.norm(wide / largest)) if 0 < largest < np.inf else float(largest)


def ratio(numerator: float, denominator: float) -> float:
    """numerator / denominator, with 0/0 = 0: two zeros do not differ."""
    if denominator == 0:
        return 0.0 if numerator == 0 else float("inf")
    return numerator / denominator
