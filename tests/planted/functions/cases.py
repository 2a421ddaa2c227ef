"""Cases: functions with right gradients, and the mistakes that are planted in them, for every checker alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop.arrays import Array

Function = Callable[[Array], Any]
Gradient = Callable[[Array], Array]


@dataclass(frozen=True)
class Case:
    """A function of one array, its right gradient, and a point.

    kind: what makes it hard, in a word. at_kink: the point is one where the function has no derivative.
    """

    name: str
    kind: str
    function: Function
    gradient: Gradient
    point: Array
    at_kink: bool = False


@dataclass(frozen=True)
class Mistake:
    """A change that makes a right gradient wrong. `apply` gives None where it would make no difference."""

    name: str
    apply: Callable[[Array], Array | None]


def _cases() -> tuple[Case, ...]:
    draw = np.random.default_rng(0)
    matrix, target = draw.standard_normal((8, 5)), draw.standard_normal(8)
    bottom = np.linalg.lstsq(matrix, target, rcond=None)[0]
    square = draw.standard_normal((4, 4))
    spread = np.array([1e8, 1e-8, 1.0, 1e3, 1e-3])
    x4, x5, x6 = (draw.standard_normal(size) for size in (4, 5, 6))
    samples, signs = draw.standard_normal((50, 6)), draw.choice((-1.0, 1.0), 50)
    kinked, one_to_four = np.array([1.0, 0.0, -1.0, 2.0]), np.arange(1.0, 5.0)
    many = np.random.default_rng(1).standard_normal(400_000)

    def summed(
        name: str, kind: str, each: Function, slope: Gradient, point: Array, *, at_kink: bool = False
    ) -> Case:
        """The sum over entries of a function of each."""
        return Case(name, kind, lambda x: np.sum(each(x)), slope, point, at_kink)

    def residual(x: Array) -> Any:
        return 0.5 * np.sum((matrix @ x - target) ** 2)

    def residual_gradient(x: Array) -> Array:
        return np.asarray(matrix.T @ (matrix @ x - target))

    def logistic(w: Array) -> Any:
        return np.mean(np.log1p(np.exp(-signs * (samples @ w))))

    def logistic_gradient(w: Array) -> Array:
        weights = signs / (1 + np.exp(signs * (samples @ w)))
        return np.asarray(-samples.T @ weights / len(signs))

    def log_determinant(x: Array) -> Any:
        return np.linalg.slogdet(x)[1]

    def inverse(x: Array) -> Array:
        return np.asarray(np.linalg.inv(x).T)

    def tanh_slope(x: Array) -> Array:
        return np.asarray(2 * np.tanh(x) * (1 - np.tanh(x) ** 2))

    def in_float32(x: Array) -> Any:
        return np.tanh(x.astype(np.float32)) ** 2

    def huber(x: Array) -> Any:
        return np.where(np.abs(x) < 1, 0.5 * x * x, np.abs(x) - 0.5)

    def relu(x: Array) -> Any:
        return np.maximum(x, 0)

    return (
        Case("least squares", "smooth", residual, residual_gradient, x5),
        Case("logistic loss", "smooth", logistic, logistic_gradient, 0.3 * x6),
        Case("logistic loss at zero", "smooth", logistic, logistic_gradient, np.zeros(6)),
        Case("determinant", "smooth", np.linalg.det, lambda x: np.linalg.det(x) * inverse(x), square),
        Case("log of the determinant", "smooth", log_determinant, inverse, square),
        Case("product", "smooth", np.prod, lambda x: np.prod(x) / x, x4),
        Case("norm", "smooth", np.linalg.norm, lambda x: x / np.linalg.norm(x), x6),
        Case("at the minimum", "zero", residual, residual_gradient, bottom),
        summed("flat", "zero", relu, lambda x: 1.0 * (x > 0), -np.abs(x4) - 0.1),
        summed("fast", "scale", lambda x: np.sin(1e4 * x), lambda x: 1e4 * np.cos(1e4 * x), x6),
        Case("small values", "scale", lambda x: 1e-8 * np.sum(np.exp(x)), lambda x: 1e-8 * np.exp(x), x4),
        Case("large values", "scale", lambda x: 1e8 * np.sum(np.exp(x)), lambda x: 1e8 * np.exp(x), x4),
        summed(
            "small inputs", "scale", lambda x: np.sin(1e8 * x), lambda x: 1e8 * np.cos(1e8 * x), 1e-8 * x4
        ),
        summed(
            "large inputs", "scale", lambda x: np.sin(1e-8 * x), lambda x: 1e-8 * np.cos(1e-8 * x), 1e8 * x4
        ),
        summed(
            "inputs of many scales",
            "scale",
            lambda x: np.sin(x / spread),
            lambda x: np.cos(x / spread) / spread,
            spread * x5,
        ),
        Case("large offset", "noise", lambda x: 1e6 + np.sum(np.sin(x)), np.cos, x4),
        summed("float32 inside", "noise", in_float32, tanh_slope, x6),
        Case("rounded to 9 digits", "noise", lambda x: np.round(np.sum(np.sin(x)), 9), np.cos, x4),
        summed("absolute value", "kinks", np.abs, np.sign, x6),
        summed("beside a kink", "kinks", relu, lambda x: 1.0 * (x > 0), np.array([1.0, 1e-7, -1e-7, 2.0])),
        summed("Huber loss", "kinks", huber, lambda x: np.clip(x, -1, 1), np.array([0.3, 0.9, -2.0, 5.0])),
        summed(
            "on a ReLU edge",
            "kinks",
            lambda x: relu(x) * one_to_four,
            lambda x: (x > 0) * one_to_four,
            kinked,
            at_kink=True,
        ),
        summed(
            "absolute value at zero",
            "kinks",
            lambda x: np.abs(x) * one_to_four,
            lambda x: np.sign(x) * one_to_four,
            kinked,
            at_kink=True,
        ),
        summed(
            "edge of the domain",
            "kinks",
            lambda x: x**1.5,
            lambda x: 1.5 * np.sqrt(x),
            np.array([0.0, 1.0, 2.0]),
            at_kink=True,
        ),
        Case(
            "400,000 parameters",
            "size",
            lambda x: np.mean(np.tanh(x) ** 2),
            lambda x: tanh_slope(x) / len(x),
            many,
        ),
    )


def _one_entry(gradient: Array) -> Array:
    wrong = gradient.copy()
    wrong.flat[int(np.argmax(np.abs(wrong)))] *= 1.1
    return wrong


def _smallest_entry(gradient: Array) -> Array:
    wrong = gradient.copy()
    wrong.flat[int(np.argmin(np.where(wrong == 0, np.inf, np.abs(wrong))))] *= 2
    return wrong


def _transposed(gradient: Array) -> Array | None:
    return gradient.T if gradient.ndim == 2 else None


CASES = _cases()
"""Every case; the gradients are right at their points, at a kink in the sense of a slope between both sides."""

MISTAKES = (
    Mistake("sign", lambda g: -g),
    Mistake("factor of two", lambda g: 2 * g),
    Mistake("off by a hundredth", lambda g: 1.01 * g),
    Mistake("largest entry off by a tenth", _one_entry),
    Mistake("smallest entry doubled", _smallest_entry),
    Mistake("zero", np.zeros_like),
    Mistake("transposed", _transposed),
)
"""What can be done to a gradient that is not zero."""


def planted(case: Case, mistake: Mistake) -> Gradient | None:
    """The gradient of `case` with the mistake; None where it makes no difference there."""
    right = case.gradient(case.point)
    if not np.any(np.abs(right) > 1e-12):  # at a minimum, or flat: nothing to get wrong
        return None
    wrong = mistake.apply(right)
    if wrong is None or np.array_equal(wrong, right):
        return None

    def gradient(x: Array) -> Array:
        changed = mistake.apply(np.asarray(case.gradient(x)))
        assert changed is not None
        return changed

    return gradient
