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
    """What is done to a right gradient; None where it would change nothing, or nothing that matters."""

    name: str
    apply: Callable[[Array], Array | None]


def _rng(number: int) -> np.random.Generator:
    return np.random.default_rng(number)


def _cases() -> tuple[Case, ...]:
    draw = _rng(0)
    matrix, target = draw.standard_normal((8, 5)), draw.standard_normal(8)
    bottom = np.linalg.lstsq(matrix, target, rcond=None)[0]
    square = draw.standard_normal((4, 4))
    spread = np.array([1e8, 1e-8, 1.0, 1e3, 1e-3])
    x4, x5, x6 = (draw.standard_normal(size) for size in (4, 5, 6))
    samples, signs = draw.standard_normal((50, 6)), draw.choice((-1.0, 1.0), 50)

    def residual(x: Array) -> Any:
        return 0.5 * np.sum((matrix @ x - target) ** 2)

    def logistic(w: Array) -> Any:
        return np.mean(np.log1p(np.exp(-signs * (samples @ w))))

    def logistic_gradient(w: Array) -> Array:
        weights = signs / (1 + np.exp(signs * (samples @ w)))
        return np.asarray(-samples.T @ weights / len(signs))

    def determinant(x: Array) -> Array:
        return np.asarray(np.linalg.det(x) * np.linalg.inv(x).T)

    def in_float32(x: Array) -> Any:
        return np.sum(np.tanh(x.astype(np.float32)) ** 2)

    def huber(x: Array) -> Any:
        return np.sum(np.where(np.abs(x) < 1, 0.5 * x * x, np.abs(x) - 0.5))

    cases = [
        Case("least squares", "smooth", residual, lambda x: matrix.T @ (matrix @ x - target), x5),
        Case("logistic loss", "smooth", logistic, logistic_gradient, 0.3 * x6),
        Case("logistic loss at zero", "smooth", logistic, logistic_gradient, np.zeros(6)),
        Case("determinant", "smooth", lambda x: np.linalg.det(x), determinant, square),
        Case(
            "log of the determinant",
            "smooth",
            lambda x: np.linalg.slogdet(x)[1],
            lambda x: np.linalg.inv(x).T,
            square,
        ),
        Case("product", "smooth", np.prod, lambda x: np.prod(x) / x, x4),
        Case("norm", "smooth", np.linalg.norm, lambda x: x / np.linalg.norm(x), x6),
        Case(
            "at the minimum",
            "zero",
            residual,
            lambda x: matrix.T @ (matrix @ x - target),
            bottom,
        ),
        Case("flat", "zero", lambda x: np.sum(np.maximum(x, 0)), lambda x: 1.0 * (x > 0), -np.abs(x4) - 0.1),
        Case("fast", "scale", lambda x: np.sum(np.sin(1e4 * x)), lambda x: 1e4 * np.cos(1e4 * x), x6),
        Case(
            "small values",
            "scale",
            lambda x: 1e-8 * np.sum(np.exp(x)),
            lambda x: 1e-8 * np.exp(x),
            x4,
        ),
        Case("large values", "scale", lambda x: 1e8 * np.sum(np.exp(x)), lambda x: 1e8 * np.exp(x), x4),
        Case(
            "small inputs",
            "scale",
            lambda x: np.sum(np.sin(1e8 * x)),
            lambda x: 1e8 * np.cos(1e8 * x),
            1e-8 * x4,
        ),
        Case(
            "large inputs",
            "scale",
            lambda x: np.sum(np.sin(1e-8 * x)),
            lambda x: 1e-8 * np.cos(1e-8 * x),
            1e8 * x4,
        ),
        Case(
            "inputs of many scales",
            "scale",
            lambda x: np.sum(np.sin(x / spread)),
            lambda x: np.cos(x / spread) / spread,
            spread * x5,
        ),
        Case("large offset", "noise", lambda x: 1e6 + np.sum(np.sin(x)), np.cos, x4),
        Case(
            "float32 inside",
            "noise",
            in_float32,
            lambda x: 2 * np.tanh(x) * (1 - np.tanh(x) ** 2),
            x6,
        ),
        Case("rounded to 9 digits", "noise", lambda x: np.round(np.sum(np.sin(x)), 9), np.cos, x4),
        Case("absolute value", "kinks", lambda x: np.sum(np.abs(x)), np.sign, x6),
        Case(
            "beside a kink",
            "kinks",
            lambda x: np.sum(np.maximum(x, 0)),
            lambda x: 1.0 * (x > 0),
            np.array([1.0, 1e-7, -1e-7, 2.0]),
        ),
        Case("Huber loss", "kinks", huber, lambda x: np.clip(x, -1, 1), np.array([0.3, 0.9, -2.0, 5.0])),
        Case(
            "on a ReLU edge",
            "kinks",
            lambda x: np.sum(np.maximum(x, 0) * np.arange(1, 5)),
            lambda x: (x > 0) * np.arange(1.0, 5.0),
            np.array([1.0, 0.0, -1.0, 2.0]),
            at_kink=True,
        ),
        Case(
            "absolute value at zero",
            "kinks",
            lambda x: np.sum(np.abs(x) * np.arange(1, 5)),
            lambda x: np.sign(x) * np.arange(1.0, 5.0),
            np.array([1.0, 0.0, -1.0, 2.0]),
            at_kink=True,
        ),
        Case(
            "edge of the domain",
            "kinks",
            lambda x: np.sum(x**1.5),
            lambda x: 1.5 * np.sqrt(x),
            np.array([0.0, 1.0, 2.0]),
            at_kink=True,
        ),
        Case(
            "400,000 parameters",
            "size",
            lambda x: np.mean(np.tanh(x) ** 2),
            _large,
            _rng(1).standard_normal(400_000),
        ),
    ]
    return tuple(cases)


def _large(x: Array) -> Array:
    y = np.tanh(x)
    return np.asarray(2 * y * (1 - y * y) / len(x))


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
