"""The functions of the campaign: families of smooth and kinked functions, each with its gradient derived by hand.

A family is a formula `value(x, *constants)`, its gradient `slope(x, *constants)`, both from a flat array x (p,), and
`draw`, which makes a random point, the constants and the lengths. Every formula is written for any dtype of NumPy, so
that one line is evaluated in float16, in longdouble (for the truth) and in complex numbers (for the self-check).

The length of an entry is how far the function looks like its Taylor series: the width of a bump, the distance to a
pole or to the edge of the domain. A difference quotient with a longer step measures something else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Axes:
    """The draws that every family shares: p, |x|, the width of structures, and the dtype of the point.

    place / width is 0.1 to 1e5, and the width 1e-5 to 1e5; for float16 up to 300 of either.
    """

    size: int
    place: float
    width: float
    dtype: type


@dataclass(frozen=True)
class Drawn:
    """A point (p,), the constants of the formula, and the lengths (p,).

    smooth: where the function has a derivative; None for everywhere. at_kink: what `slope` is to say at a kink,
    handed to it behind the constants: first one that is right (a value of the subdifferential), then wrong ones.
    """

    point: Any
    constants: tuple[Any, ...]
    lengths: Any
    smooth: Any = None
    at_kink: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Family:
    """A formula, its gradient, and how its cases are drawn. analytic: whether the formula takes complex numbers."""

    name: str
    value: Callable[..., Any]
    slope: Callable[..., Any]
    draw: Callable[[np.random.Generator, Axes], Drawn]
    analytic: bool = True
    largest: int = 400


# How points and constants are drawn. All are numbers of the point's dtype: rounded to it, the function is the same.


def as_numbers(values, axes):
    """The numbers as the point's dtype holds them, in float64."""
    with np.errstate(over="ignore"):
        return np.asarray(values, float).astype(axes.dtype).astype(float)


def places(rng, axes, positive=False):
    """Coordinates of about the place, in a quarter of the draws whole numbers."""
    x = axes.place * rng.uniform(0.5, 2, axes.size) * (1 if positive else rng.choice([-1.0, 1.0]))
    if axes.place > 3 and rng.random() < 0.25:
        x = np.rint(x)
    return as_numbers(x, axes)


def amounts(rng, axes, spread=0.5):
    """Factors of the terms: of either sign, in a sixth of the draws from 1e-4 to 1e4 in one tensor."""
    powers = (
        rng.uniform(-4, 4, axes.size) if rng.random() < 1 / 6 else rng.uniform(-spread, spread, axes.size)
    )
    overall = 10.0 ** rng.integers(-3, 4) if axes.dtype is np.float64 else 1.0
    return as_numbers(overall * 10.0**powers * rng.choice([-1.0, 1.0], axes.size), axes)


def structure(rng, axes, low=0.1, high=2.5, positive=False, either=True):
    """Point, centres and widths of structures that the point lies `low` to `high` widths beside.

    A width is at least sixteen times the distance of two numbers at the point: rounding hides narrower ones.
    """
    x = places(rng, axes, positive)
    width = np.maximum(
        axes.width * rng.uniform(0.5, 2, axes.size), 16 * np.spacing(np.abs(x).astype(axes.dtype))
    )
    width = as_numbers(width, axes)
    beside = rng.uniform(low, high, axes.size) * (rng.choice([-1.0, 1.0], axes.size) if either else 1)
    centre = as_numbers(x - beside * width, axes)
    return x, centre, width


# Profiles φ of u = (x - c) / w, entry by entry: f = Σ a φ(u), ∂f/∂x = a φ'(u) / w.


def huber(u):
    return np.where(np.abs(u) <= 1, u**2 / 2, np.abs(u) - 0.5)


def root(u):
    """√(1 - u²), without cancellation."""
    return np.sqrt((1 - u) * (1 + u))


PROFILES = {
    # name: φ(u), φ'(u), |u| drawn from and to, the length over the width
    "gaussian": (lambda u: np.exp(-(u**2) / 2), lambda u: -u * np.exp(-(u**2) / 2), (0.1, 2.5), None),
    "lorentz": (lambda u: 1 / (1 + u**2), lambda u: -2 * u / (1 + u**2) ** 2, (0.1, 2.5), None),
    "tanh": (np.tanh, lambda u: 1 / np.cosh(u) ** 2, (0.1, 2.5), None),
    "logistic": (
        lambda u: 1 / (1 + np.exp(-u)),
        lambda u: np.exp(-u) / (1 + np.exp(-u)) ** 2,
        (0.1, 3),
        None,
    ),
    "root of 1 + u²": (lambda u: np.sqrt(1 + u**2), lambda u: u / np.sqrt(1 + u**2), (0.1, 2.5), None),
    "exponential": (np.exp, np.exp, (0.1, 5), lambda u: np.ones_like(u)),
    "huber": (huber, lambda u: np.clip(u, -1, 1), (0.1, 2.5), lambda u: np.clip(np.abs(u - 1), 0.01, 1)),
    "pole": (lambda u: 1 / u, lambda u: -1 / u**2, (0.2, 1), lambda u: u),
    "edge of a logarithm": (np.log, lambda u: 1 / u, (0.2, 1), lambda u: u),
    "arc": (root, lambda u: -u / root(u), (0.1, 0.95), lambda u: np.maximum(1 - u, 1e-3)),
    "arccos": (np.arccos, lambda u: -1 / root(u), (0.1, 0.95), lambda u: np.maximum(1 - u, 1e-3)),
    "underflow": (lambda u: np.exp(-(u**2) / 2), lambda u: -u * np.exp(-(u**2) / 2), (40, 60), None),
    "stationary": (lambda u: u**2 + u**4, lambda u: 2 * u + 4 * u**3, (0.1, 2.5), lambda u: 0.5 + 0 * u),
}


def of_profile(name):
    """The family of a profile."""
    profile, derivative, reach, length = PROFILES[name]

    def value(x, c, w, a):
        return np.sum(a * profile((x - c) / w))

    def slope(x, c, w, a):
        return a * derivative((x - c) / w) / w

    def draw(rng, axes):
        x, centre, width = structure(rng, axes, *reach, either=name != "edge of a logarithm")
        a = amounts(rng, axes)
        if (
            name == "stationary"
        ):  # a minimum, or with factors of both signs a saddle, in all entries or in half of them
            centre = np.where(rng.random(axes.size) < rng.choice([0.5, 1.0]), x, centre)
            a = np.abs(a) if rng.random() < 0.5 else a
        u = np.abs(x - centre) / width
        return Drawn(x, (centre, width, a), width * (1 / np.maximum(1, u) if length is None else length(u)))

    return Family(name, value, slope, draw, analytic=name != "huber")


# Functions without structure of their own, on which every checker should do well.


def wave(x, k, a):
    return np.sum(a * np.sin(k * x))


def wave_slope(x, k, a):
    return a * k * np.cos(k * x)


def draw_wave(rng, axes):
    """From one period over the whole coordinate to 1e6 radians: beyond, k x itself is rounded too much."""
    x = places(rng, axes)
    k = as_numbers(
        10.0 ** rng.uniform(-1, 6 if axes.dtype is np.float64 else 2)
        / axes.place
        * rng.uniform(1, 2, axes.size),
        axes,
    )
    return Drawn(x, (k, amounts(rng, axes)), 1 / k)


def cubic(x, p, a):
    return np.sum(a * ((x / p) ** 3 - 2 * (x / p)))


def cubic_slope(x, p, a):
    return a * (3 * (x / p) ** 2 - 2) / p


def draw_cubic(rng, axes):
    x = places(rng, axes)
    p = as_numbers(np.full(axes.size, axes.place), axes)
    return Drawn(x, (p, amounts(rng, axes)), np.abs(x))


def quadratic_form(x, matrix, b):
    return x @ (matrix @ x) / 2 - b @ x


def quadratic_form_slope(x, matrix, b):
    return matrix @ x - b


def draw_quadratic_form(rng, axes):
    x = places(rng, axes)
    root = rng.standard_normal((axes.size, max(1, axes.size // 2))) / axes.size
    matrix = as_numbers(root @ root.T + np.diag(rng.uniform(0.5, 2, axes.size)), axes)
    matrix = as_numbers((matrix + matrix.T) / 2, axes)
    return Drawn(
        x, ((matrix + matrix.T) / 2, as_numbers(axes.place * rng.standard_normal(axes.size), axes)), np.abs(x)
    )


def logarithm(x, a):
    return np.sum(a * np.log(x))


def logarithm_slope(x, a):
    return a / x


def draw_logarithm(rng, axes):
    x = places(rng, axes, positive=True)
    return Drawn(x, (amounts(rng, axes),), x)


def power(x, k, a):
    return np.sum(a * x**k)


def power_slope(x, k, a):
    return a * k * x ** (k - 1)


def draw_power(rng, axes):
    """Coordinates from 1e-20 to 1e20 in float64."""
    reach = {np.float64: 20, np.float32: 6, np.float16: 1}[axes.dtype]
    axes = Axes(axes.size, 10.0 ** rng.uniform(-reach, reach), axes.width, axes.dtype)
    x = places(rng, axes, positive=True)
    k = as_numbers(rng.choice([-2, -1, -0.5, 0.5, 1.5, 2, 3], axes.size), axes)
    return Drawn(x, (k, amounts(rng, axes)), x / 3)


def log_sum_exp(x):
    top = np.max(x.real)
    return top + np.log(np.sum(np.exp(x - top)))


def log_sum_exp_slope(x):
    e = np.exp(x - np.max(x.real))
    return e / np.sum(e)


def draw_log_sum_exp(rng, axes):
    """Logits around the place: the differences are small, the coordinates may be large."""
    x = as_numbers(rng.choice([0, min(axes.place, 1000.0)]) + 2 * rng.standard_normal(axes.size), axes)
    return Drawn(x, (), np.ones(axes.size))


def cross_entropy(x, target):
    logits = x.reshape(target.shape)
    shifted = logits - np.max(logits.real, axis=1, keepdims=True)
    return -np.sum(target * (shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True)))) / len(target)


def cross_entropy_slope(x, target):
    logits = x.reshape(target.shape)
    e = np.exp(logits - np.max(logits.real, axis=1, keepdims=True))
    return ((e / np.sum(e, axis=1, keepdims=True) - target) / len(target)).reshape(-1)


def draw_cross_entropy(rng, axes):
    classes = int(rng.integers(2, 11))
    samples = max(1, axes.size // classes)
    target = np.eye(classes)[rng.integers(0, classes, samples)]
    x = as_numbers(10.0 ** rng.uniform(-1, 0.5) * rng.standard_normal(samples * classes), axes)
    return Drawn(x, (target,), np.ones(len(x)))


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrock_slope(x):
    g = np.zeros_like(x)
    g[:-1] = -400 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (1 - x[:-1])
    g[1:] += 200 * (x[1:] - x[:-1] ** 2)
    return g


def draw_rosenbrock(rng, axes):
    """In a quarter of the draws at the origin, in a quarter at whole numbers, else about (1, …, 1)."""
    size = max(2, axes.size)
    kind = rng.integers(4)
    x = np.zeros(size) if kind == 0 else rng.uniform(-1.5, 1.5, size)
    return Drawn(as_numbers(np.rint(x) if kind == 1 else x, axes), (), np.ones(size))


def log_parameters(x, y, a):
    return np.sum(a * (np.exp(x) - y) ** 2)


def log_parameters_slope(x, y, a):
    return 2 * a * (np.exp(x) - y) * np.exp(x)


def draw_log_parameters(rng, axes):
    x = as_numbers(rng.uniform(-4, 2, axes.size), axes)
    return Drawn(
        x,
        (as_numbers(np.exp(x) * rng.uniform(0.3, 3, axes.size), axes), amounts(rng, axes)),
        np.ones(axes.size),
    )


def perceptron(x, inputs, targets):
    weights, bias, last = unpacked(x, inputs)
    return np.sum((np.tanh(inputs @ weights + bias) @ last - targets) ** 2) / len(inputs)


def perceptron_slope(x, inputs, targets):
    weights, bias, last = unpacked(x, inputs)
    hidden = np.tanh(inputs @ weights + bias)
    error = 2 * (hidden @ last - targets) / len(inputs)
    back = error[:, None] * last * (1 - hidden**2)
    return np.concatenate([(inputs.T @ back).reshape(-1), back.sum(axis=0), hidden.T @ error])


def unpacked(x, inputs):
    features = inputs.shape[1]
    units = len(x) // (features + 2)
    return x[: features * units].reshape(features, units), x[features * units : -units], x[-units:]


def draw_perceptron(rng, axes):
    features = int(rng.integers(1, 6))
    units = max(1, axes.size // (features + 2))
    inputs = as_numbers(rng.standard_normal((8, features)), axes)
    x = as_numbers(0.7 * rng.standard_normal(units * (features + 2)), axes)
    return Drawn(x, (inputs, as_numbers(rng.standard_normal(8), axes)), np.ones(len(x)))


# Very different scales in one function.


def product(x, a):
    return a[0] * np.prod(x)


def product_slope(x, a):
    others = [np.prod(np.delete(x, j)) for j in range(len(x))]
    return a[0] * np.stack(others)


def draw_product(rng, axes):
    reach = {np.float64: 8, np.float32: 4, np.float16: 1}[axes.dtype]
    x = as_numbers(10.0 ** rng.uniform(-reach, reach, axes.size), axes)
    return Drawn(x, (amounts(rng, axes),), np.abs(x))


def mixed_scales(x, p, b, a):
    return np.sum(a * np.sin(x / p + b))


def mixed_scales_slope(x, p, b, a):
    return a * np.cos(x / p + b) / p


def draw_mixed_scales(rng, axes):
    """Coordinates from 1e-5 to 1e5 in one tensor, some of them exactly 0 or 1."""
    reach = {np.float64: 5, np.float32: 4, np.float16: 1}[axes.dtype]
    p = as_numbers(10.0 ** rng.uniform(-reach, reach, axes.size), axes)
    x = as_numbers(p * rng.uniform(-2, 2, axes.size), axes)
    x[rng.random(axes.size) < 0.2] = 0
    ones = rng.random(axes.size) < 0.1
    x[ones], p[ones] = 1, 1
    return Drawn(x, (p, as_numbers(rng.uniform(-1, 1, axes.size), axes), amounts(rng, axes)), p)


def background(x, p, c, w, a):
    return np.sum((x / p) ** 2 + a * np.exp(-(((x - c) / w) ** 2) / 2))


def background_slope(x, p, c, w, a):
    u = (x - c) / w
    return 2 * x / p**2 - a * u * np.exp(-(u**2) / 2) / w


def draw_background(rng, axes):
    """A small, narrow bump on a parabola as wide as the coordinate."""
    x, centre, width = structure(rng, axes)
    p = as_numbers(np.full(axes.size, axes.place), axes)
    return Drawn(
        x,
        (p, centre, width, as_numbers(0.1 * amounts(rng, axes, 0.2), axes)),
        np.minimum(width, np.abs(x)) / 2,
    )


def cancelling(x, big, a):
    return np.sum(a * ((x + big) ** 2 - big**2))


def cancelling_slope(x, big, a):
    return 2 * a * (x + big)


def draw_cancelling(rng, axes):
    x = places(rng, axes)
    big = as_numbers(
        np.full(axes.size, axes.place * 10.0 ** rng.uniform(0, 6 if axes.dtype is np.float64 else 2)), axes
    )
    return Drawn(x, (big, amounts(rng, axes)), np.abs(x))


# Matrices.


def eliminated(x, right):
    """The pivots (k,) of a matrix, and the solution of X Y = right, by Gauss-Jordan elimination without pivoting."""
    k = len(right)
    work = np.concatenate([x.reshape(k, k), right.astype(x.dtype)], axis=1)
    pivots = []
    for j in range(k):
        pivots.append(work[j, j])
        work[j] = work[j] / work[j, j]
        for i in range(k):
            if i != j:
                work[i] = work[i] - work[i, j] * work[j]
    return np.stack(pivots), work[:, k:]


def log_determinant(x, one):
    return np.sum(np.log(eliminated(x, one)[0]))


def log_determinant_slope(x, one):
    return eliminated(x, one)[1].T.reshape(-1)


def trace_of_inverse(x, one):
    return np.trace(eliminated(x, one)[1])


def trace_of_inverse_slope(x, one):
    inverse = eliminated(x, one)[1]
    return -(inverse @ inverse).T.reshape(-1)


def fourth_schatten(x, one):
    m = x.reshape(one.shape)
    return np.sum((m.T @ m) ** 2)


def fourth_schatten_slope(x, one):
    m = x.reshape(one.shape)
    return (4 * m @ m.T @ m).reshape(-1)


def largest_singular_value(x, one):
    return np.linalg.svd(x.reshape(one.shape).real.astype(wide(x)), compute_uv=False)[0].astype(x.real.dtype)


def largest_singular_value_slope(x, one):
    u, _, v = np.linalg.svd(x.reshape(one.shape).real.astype(wide(x)))
    return np.outer(u[:, 0], v[0]).reshape(-1).astype(x.real.dtype)


def wide(x):
    """The dtype in which LAPACK computes: it has two real ones."""
    return np.float32 if x.real.dtype in (np.float16, np.float32) else np.float64


def draw_matrix(rng, axes):
    """The place times a matrix close to the unit matrix."""
    k = max(2, min(6, int(np.sqrt(axes.size))))
    place = min(axes.place, 1e3)
    x = as_numbers(
        place * (np.diag(rng.uniform(0.5, 2, k)) + 0.3 * rng.standard_normal((k, k)) / k).reshape(-1), axes
    )
    return Drawn(x, (np.eye(k),), np.full(k * k, place / 4))


# Loops.


def logistic_steps(x, h):
    """Euler steps of y' = r y (1 - y / K), from x = (r, K, y0); the value is Σ y²."""
    r, capacity, y = x[0], x[1], x[2]
    total = y * y
    for _ in range(40):
        y = y + h[0] * r * y * (1 - y / capacity)
        total = total + y * y
    return total


def logistic_steps_slope(x, h):
    """The gradient of `logistic_steps`, backwards through the steps."""
    r, capacity, y = x[0], x[1], x[2]
    path = [y]
    for _ in range(40):
        path.append(path[-1] + h[0] * r * path[-1] * (1 - path[-1] / capacity))
    dr = dc = 0 * r
    dy = 2 * path[-1]
    for y in reversed(path[:-1]):
        dr = dr + dy * h[0] * y * (1 - y / capacity)
        dc = dc + dy * h[0] * r * y * y / capacity**2
        dy = dy * (1 + h[0] * r * (1 - 2 * y / capacity)) + 2 * y
    return np.stack([dr, dc, dy])


def draw_logistic_steps(rng, axes):
    capacity = 10.0 ** rng.uniform(-1, 2)
    x = as_numbers([rng.uniform(0.3, 2), capacity, capacity * rng.uniform(0.05, 1.5)], axes)
    return Drawn(x, (as_numbers([0.05], axes),), x / 2)


# No function of the point.


def constant(x, value):
    return value[0] + 0 * np.sum(x)


def constant_slope(x, value):
    return 0 * x


def draw_constant(rng, axes):
    sizes = [3.0, -1e-3, 0.0, 2.0**10] if axes.dtype is np.float16 else [3.0, -1e-3, 0.0, 1e5, 2.0**70]
    return Drawn(places(rng, axes), (as_numbers([rng.choice(sizes)], axes),), np.full(axes.size, axes.place))


# Kinks. The last constant of a slope is what it says where there is no derivative.


def absolute(x, c, a):
    return np.sum(a * np.abs(x - c))


def absolute_slope(x, c, a, at_kink):
    return a * np.where(x == c, at_kink, np.sign(x - c))


def ramp(x, c, a):
    return np.sum(a * np.maximum(x - c, 0))


def ramp_slope(x, c, a, at_kink):
    return a * np.where(x == c, at_kink, (x > c).astype(x.dtype))


def draw_kinks(low, high):
    """Some entries at a kink, the others a width beside it; slopes between `low` and `high` are right there."""

    def draw(rng, axes):
        x, centre, width = structure(rng, axes, 0.5, 2)
        at = rng.random(axes.size) < 0.4
        at[rng.integers(axes.size)] = True
        right = rng.choice([low, high, (low + high) / 2, rng.uniform(low, high)])
        outside = [high + 0.1, high + 1, 2 * high + 3, low - 0.1, low - 1, 100.0]
        wrong = rng.permutation(outside)[:2]
        smooth = np.where(at, False, True)
        constants = (np.where(at, x, centre), amounts(rng, axes))
        every = [as_numbers(np.full(axes.size, t), axes) for t in (right, *wrong)]
        return Drawn(x, constants, np.where(at, width, np.abs(x - centre)), smooth, tuple(every))

    return draw


def draw_beside_kink(rng, axes):
    """All entries 1e-6 to 0.1 of the coordinate beside a kink: there is a derivative, for small steps."""
    axes = Axes(axes.size, axes.place, axes.place * 10.0 ** rng.uniform(-6, -1), axes.dtype)
    x, centre, _ = structure(rng, axes, 0.5, 2)
    return Drawn(x, (centre, amounts(rng, axes)), np.abs(x - centre), None, (np.zeros(axes.size),))


def largest(x, a):
    return np.sum(a[:, 0] * np.max(x.real.reshape(a.shape), axis=1))


def largest_slope(x, a, at_kink):
    """The slope of a row's maximum; tied entries share it by the weights `at_kink`, scaled to their sum."""
    rows = x.reshape(a.shape)
    tied = rows == np.max(rows.real, axis=1, keepdims=True)
    several = np.sum(tied, axis=1, keepdims=True) > 1
    whole, here = (np.sum(weights, axis=1, keepdims=True) for weights in (at_kink, at_kink * tied))
    even = whole / np.sum(tied, axis=1, keepdims=True)
    weights = np.where(
        here == whole, at_kink, np.where(here == 0, even, at_kink * whole / np.where(here == 0, 1, here))
    )
    return (a * tied * np.where(several, weights, 1)).reshape(-1)


def draw_largest(rng, axes):
    """Rows of whole multiples of the place; in the first rows two or more entries share the maximum.

    Right at a tie: weights ≥ 0 with the sum 1. Wrong: the whole upstream gradient to every tied entry, nothing to
    any, weights with another sum, and weights with the sum 1 of which one is negative.
    """
    columns = int(rng.integers(2, 6))
    rows = max(1, axes.size // columns)
    x = np.stack([rng.permutation(columns) for _ in range(rows)]).astype(float)
    tied = np.zeros((rows, columns), bool)
    for row in range(max(1, rows // 2)):
        ties = rng.choice(columns, int(rng.integers(2, columns + 1)), replace=False)
        x[row, ties] = columns
        tied[row, ties] = True
    share = np.where(tied, rng.uniform(0.1, 1, tied.shape), 0)
    share = share / np.maximum(share.sum(axis=1, keepdims=True), 1e-300)
    first = tied & (np.cumsum(tied, axis=1) == 1)
    even = tied / np.maximum(tied.sum(axis=1, keepdims=True), 1)
    second = tied & (np.cumsum(tied, axis=1) == 2)
    right = [share, first.astype(float), even][rng.integers(3)]
    wrongs = [tied.astype(float), 0 * share, 1.3 * share, 1.5 * first - 0.5 * second]
    wrong = [wrongs[k] for k in rng.permutation(len(wrongs))[:2]]
    place = as_numbers([2.0 ** np.rint(np.log2(min(axes.place, 1e3)))], axes)[0]
    a = as_numbers(
        np.repeat(rng.uniform(0.5, 2, (rows, 1)) * rng.choice([-1, 1], (rows, 1)), columns, axis=1), axes
    )
    smooth = ~np.any(tied, axis=1, keepdims=True) & np.ones_like(tied)
    right = np.rint(512 * right) / 512  # in numbers of every dtype, with the sum 1 to the last digit
    right = right + first * (np.any(tied, axis=1, keepdims=True) - right.sum(axis=1, keepdims=True))
    kinds = tuple(as_numbers(t, axes) for t in (right, *wrong))
    return Drawn(place * x.reshape(-1), (a,), np.full(x.size, place / 2), smooth.reshape(-1), kinds)


def distance(x, c, a):
    return a[0] * np.sqrt(np.sum(np.abs(x - c) ** 2))


def distance_slope(x, c, a, at_kink):
    r = np.sqrt(np.sum((x - c) ** 2))
    return a[0] * (at_kink if r == 0 else (x - c) / r)


def draw_distance(rng, axes):
    """A point at the centre of a norm, where every vector of length up to 1 is right."""
    x = places(rng, axes)
    v = rng.standard_normal(axes.size)
    v = v / np.linalg.norm(v)
    ones = np.full(axes.size, 5.0)
    kinds = tuple(
        as_numbers(t, axes) for t in (v * rng.choice([0, 0.5, 0.9]), ones, v * rng.choice([1.1, 1.5, 10]))
    )
    smooth = np.zeros(axes.size, bool)
    return Drawn(
        x, (x, as_numbers(rng.uniform(0.5, 2, 1), axes)), np.full(axes.size, axes.place), smooth, kinds
    )


def ridge(x, w, c):
    return np.maximum((w @ (x - c)).real, 0)


def ridge_slope(x, w, c, at_kink):
    z = w @ (x - c)
    return at_kink if z == 0 else w * (z > 0)


def draw_ridge(rng, axes):
    """A point on the edge of relu(w·(x - c)), where t·w is right for every t from 0 to 1.

    Wrong, though every entry lies between its one-sided slopes: t of another size for every entry.
    """
    x = places(rng, axes)
    w = as_numbers(rng.uniform(0.5, 2, axes.size) * rng.choice([-1, 1], axes.size), axes)
    uneven = np.where(np.arange(axes.size) % 2 == 0, 1.0, 0.0)
    kinds = tuple(
        as_numbers(t * w, axes) for t in (rng.choice([0, 0.5, 1]), 1.5 if axes.size < 2 else uneven, -0.5)
    )
    return Drawn(x, (w, x), np.full(axes.size, axes.place), np.zeros(axes.size, bool), kinds)


FAMILIES = (
    *map(of_profile, PROFILES),
    Family("sine", wave, wave_slope, draw_wave),
    Family("cubic", cubic, cubic_slope, draw_cubic),
    Family("quadratic form", quadratic_form, quadratic_form_slope, draw_quadratic_form),
    Family("logarithm", logarithm, logarithm_slope, draw_logarithm),
    Family("power", power, power_slope, draw_power),
    Family("log-sum-exp", log_sum_exp, log_sum_exp_slope, draw_log_sum_exp),
    Family("cross-entropy", cross_entropy, cross_entropy_slope, draw_cross_entropy),
    Family("rosenbrock", rosenbrock, rosenbrock_slope, draw_rosenbrock),
    Family("log parameters", log_parameters, log_parameters_slope, draw_log_parameters),
    Family("perceptron", perceptron, perceptron_slope, draw_perceptron),
    Family("product", product, product_slope, draw_product, largest=6),
    Family("mixed scales", mixed_scales, mixed_scales_slope, draw_mixed_scales),
    Family("bump on a background", background, background_slope, draw_background),
    Family("cancelling", cancelling, cancelling_slope, draw_cancelling),
    Family("log determinant", log_determinant, log_determinant_slope, draw_matrix),
    Family("trace of inverse", trace_of_inverse, trace_of_inverse_slope, draw_matrix),
    Family("schatten norm", fourth_schatten, fourth_schatten_slope, draw_matrix),
    Family(
        "singular value", largest_singular_value, largest_singular_value_slope, draw_matrix, analytic=False
    ),
    Family("loop", logistic_steps, logistic_steps_slope, draw_logistic_steps),
    Family("constant", constant, constant_slope, draw_constant),
    Family("absolute value", absolute, absolute_slope, draw_kinks(-1, 1), analytic=False),
    Family("ramp", ramp, ramp_slope, draw_kinks(0, 1), analytic=False),
    Family("beside |x|", absolute, absolute_slope, draw_beside_kink, analytic=False),
    Family("beside a ramp", ramp, ramp_slope, draw_beside_kink, analytic=False),
    Family("maximum", largest, largest_slope, draw_largest, analytic=False),
    Family("norm", distance, distance_slope, draw_distance, analytic=False),
    Family("ridge", ridge, ridge_slope, draw_ridge, analytic=False),
)
