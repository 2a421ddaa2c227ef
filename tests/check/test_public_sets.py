"""Public sets of functions by which others test their checkers.

The fourteen systems of equations are those of MINPACK's test of CHKDER (Moré, Garbow, Hillstrom: Testing
unconstrained optimization software, ACM TOMS 7, 1981; Argonne report 80-74). The functions and their Jacobians follow
the formulas of the paper. The slips are those of the test: eleven Jacobians are wrong; those of Wood, Brown and
Broyden's tridiagonal system are right. The points are the starting points with 0.123 added and subtracted by turns.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from over import part

import backprop

pytestmark = pytest.mark.usefixtures("without_lines")


@dataclass(frozen=True)
class System:
    """Equations f(x) = 0, their Jacobian (m, n), and a slip: from (Jacobian, x) to the wrong one, or None."""

    function: Any
    jacobian: Any
    start: Any
    slip: Any = None

    @property
    def point(self):
        return np.asarray(self.start, float) + 0.123 * (-1.0) ** np.arange(len(self.start))

    def claimed(self, x):
        right = self.jacobian(x)
        return right if self.slip is None else self.slip(right, x)


def rosenbrock(x):
    return np.array([1 - x[0], 10 * (x[1] - x[0] ** 2)])


def rosenbrock_jacobian(x):
    return np.array([[-1, 0], [-20 * x[0], 10]])


def sign_of(*index):
    """The slip that turns the sign of one entry."""

    def slip(jacobian, x):
        jacobian[index] *= -1
        return jacobian

    return slip


def powell_singular(x):
    return np.array(
        [
            x[0] + 10 * x[1],
            np.sqrt(5) * (x[2] - x[3]),
            (x[1] - 2 * x[2]) ** 2,
            np.sqrt(10) * (x[0] - x[3]) ** 2,
        ]
    )


def powell_singular_jacobian(x):
    near, far = 2 * (x[1] - 2 * x[2]), 2 * np.sqrt(10) * (x[0] - x[3])
    return np.array(
        [[1, 10, 0, 0], [0, 0, np.sqrt(5), -np.sqrt(5)], [0, near, -2 * near, 0], [far, 0, 0, -far]]
    )


def powell_badly_scaled(x):
    return np.array([1e4 * x[0] * x[1] - 1, np.exp(-x[0]) + np.exp(-x[1]) - 1.0001])


def powell_badly_scaled_jacobian(x):
    return np.array([[1e4 * x[1], 1e4 * x[0]], [-np.exp(-x[0]), -np.exp(-x[1])]])


def wood(x):
    first, second = x[1] - x[0] ** 2, x[3] - x[2] ** 2
    return np.array(
        [
            -200 * x[0] * first - (1 - x[0]),
            200 * first + 20.2 * (x[1] - 1) + 19.8 * (x[3] - 1),
            -180 * x[2] * second - (1 - x[2]),
            180 * second + 20.2 * (x[3] - 1) + 19.8 * (x[1] - 1),
        ]
    )


def wood_jacobian(x):
    return np.array(
        [
            [-200 * (x[1] - 3 * x[0] ** 2) + 1, -200 * x[0], 0, 0],
            [-400 * x[0], 220.2, 0, 19.8],
            [0, 0, -180 * (x[3] - 3 * x[2] ** 2) + 1, -180 * x[2]],
            [0, 19.8, -360 * x[2], 200.2],
        ]
    )


def helical_valley(x):
    turn = np.arctan(x[1] / x[0]) / (2 * np.pi) + (0.5 if x[0] < 0 else 0)
    return np.array([10 * (x[2] - 10 * turn), 10 * (np.hypot(x[0], x[1]) - 1), x[2]])


def helical_valley_jacobian(x):
    square = x[0] ** 2 + x[1] ** 2
    first = np.array([100 * x[1], -100 * x[0]]) / (2 * np.pi * square)
    return np.array([[*first, 10], [*(10 * x[:2] / np.sqrt(square)), 0], [0, 0, 1]])


def helical_valley_slip(jacobian, x):
    jacobian[1, :2] /= 2
    return jacobian


def watson_parts(x):
    """t^j and its derivative to t (29, n), Σ x_j t^j, its derivative, both (29,)."""
    t, j = np.arange(1, 30)[:, None] / 29, np.arange(len(x))
    powers = t**j
    slopes = j * powers / t
    return powers, slopes, powers @ x, slopes @ x


def watson(x):
    powers, slopes, value, slope = watson_parts(x)
    result = (slopes - 2 * value[:, None] * powers).T @ (slope - value**2 - 1)
    last = x[1] - x[0] ** 2 - 1
    result[:2] += x[0] * (1 - 2 * last), last
    return result


def watson_jacobian(x, residual=lambda value, slope: slope - value**2 - 1):
    powers, slopes, value, slope = watson_parts(x)
    outer = slopes - 2 * value[:, None] * powers
    result = outer.T @ outer - 2 * powers.T @ (residual(value, slope)[:, None] * powers)
    result[:2, :2] += [[6 * x[0] ** 2 - 2 * x[1] + 3, -2 * x[0]], [-2 * x[0], 1]]
    return result


def chebyquad(x):
    k = np.arange(1, len(x) + 1)
    means = np.polynomial.chebyshev.chebvander(2 * x - 1, len(x))[:, 1:].mean(axis=0)
    return means + np.where(k % 2 == 0, 1 / np.maximum(k**2 - 1.0, 1), 0)


def chebyquad_jacobian(x):
    """T_k' = k U_(k-1), by the recurrence of T_k differentiated."""
    y = 2 * x - 1
    values, slopes = [np.ones_like(y), y], [0 * y, 2 + 0 * y]
    for _ in range(len(x) - 1):
        slopes.append(4 * values[-1] + 2 * y * slopes[-1] - slopes[-2])
        values.append(2 * y * values[-1] - values[-2])
    return np.stack(slopes[1:]) / len(x)


def brown(x):
    return np.append(x[:-1] + np.sum(x) - (len(x) + 1), np.prod(x) - 1)


def brown_jacobian(x):
    result = np.ones((len(x), len(x))) + np.eye(len(x))
    result[-1] = np.prod(x) / x
    return result


def grid(x):
    """The step h and the points t (n,) in between 0 and 1."""
    h = 1 / (len(x) + 1)
    return h, h * np.arange(1, len(x) + 1)


def boundary_value(x):
    h, t = grid(x)
    inner = np.concatenate([[0], x, [0]])
    return 2 * x - inner[:-2] - inner[2:] + h**2 * (x + t + 1) ** 3 / 2


def boundary_value_jacobian(x, diagonal=2.0, factor=0.5):
    h, t = grid(x)
    beside = np.eye(len(x), k=1) + np.eye(len(x), k=-1)
    return np.diag(diagonal + factor * 3 * h**2 * (x + t + 1) ** 2) - beside


def integral_equation(x):
    h, t = grid(x)
    kernel = np.minimum(t * (1 - t[:, None]), t[:, None] * (1 - t))
    return x + h * kernel @ (x + t + 1) ** 3 / 2


def integral_equation_jacobian(x):
    h, t = grid(x)
    kernel = np.minimum(t * (1 - t[:, None]), t[:, None] * (1 - t))
    return np.eye(len(x)) + h * kernel * 3 * (x + t + 1) ** 2 / 2


def trigonometric(x):
    k = np.arange(1, len(x) + 1)
    return len(x) - np.sum(np.cos(x)) + k * (1 - np.cos(x)) - np.sin(x)


def trigonometric_jacobian(x):
    k = np.arange(1, len(x) + 1)
    return np.diag(k * np.sin(x) - np.cos(x)) + np.sin(x) * np.ones((len(x), 1))


def trigonometric_slip(jacobian, x):
    return np.where(np.eye(len(x)) > 0, jacobian, -jacobian)


def variably_dimensioned(x):
    k = np.arange(1, len(x) + 1)
    total = k @ (x - 1)
    return x - 1 + k * total * (1 + 2 * total**2)


def variably_dimensioned_jacobian(x):
    k = np.arange(1, len(x) + 1)
    return np.eye(len(x)) + (1 + 6 * (k @ (x - 1)) ** 2) * np.outer(k, k)


def variably_dimensioned_slip(jacobian, x):
    """The factor divides where it should multiply."""
    k = np.arange(1, len(x) + 1)
    return np.eye(len(x)) + np.outer(k, k) / (1 + 6 * (k @ (x - 1)) ** 2)


def broyden_tridiagonal(x):
    inner = np.concatenate([[0], x, [0]])
    return (3 - 2 * x) * x - inner[:-2] - 2 * inner[2:] + 1


def broyden_tridiagonal_jacobian(x):
    return np.diag(3 - 4 * x) - np.eye(len(x), k=-1) - 2 * np.eye(len(x), k=1)


def band(x):
    """The unknowns that enter an equation beside its own: five before it and one after."""
    return np.tri(len(x), k=1) - np.tri(len(x), k=-6) - np.eye(len(x))


def broyden_banded(x):
    return x * (2 + 5 * x**2) + 1 - band(x) @ (x * (1 + x))


def broyden_banded_jacobian(x, sign=1):
    return np.diag(2 + sign * 15 * x**2) - band(x) * (1 + 2 * x)


NINTHS = np.arange(1, 11) / 11
SYSTEMS = {
    "Rosenbrock": System(rosenbrock, rosenbrock_jacobian, [-1.2, 1], sign_of(0, 0)),
    "Powell, singular": System(powell_singular, powell_singular_jacobian, [3, -1, 0, 1], sign_of(2, 2)),
    "Powell, badly scaled": System(
        powell_badly_scaled, powell_badly_scaled_jacobian, [0, 1], lambda jacobian, x: jacobian * [[-1], [-1]]
    ),
    "Wood": System(wood, wood_jacobian, [-3, -1, -3, -1]),
    "helical valley": System(helical_valley, helical_valley_jacobian, [-1, 0, 0], helical_valley_slip),
    "Watson": System(
        watson,
        watson_jacobian,
        np.zeros(9),
        lambda jacobian, x: watson_jacobian(x, lambda value, slope: slope + value**2 + 1),
    ),
    "Chebyquad": System(chebyquad, chebyquad_jacobian, np.arange(1, 8) / 8, lambda jacobian, x: 2 * jacobian),
    "Brown": System(brown, brown_jacobian, np.full(10, 0.5)),
    "boundary value": System(
        boundary_value,
        boundary_value_jacobian,
        NINTHS * (NINTHS - 1),
        lambda jacobian, x: boundary_value_jacobian(x, 4.0, 1.0),
    ),
    "integral equation": System(
        integral_equation,
        integral_equation_jacobian,
        NINTHS * (NINTHS - 1),
        lambda jacobian, x: jacobian - 2 * np.eye(len(x)),
    ),
    "trigonometric": System(trigonometric, trigonometric_jacobian, np.full(10, 0.1), trigonometric_slip),
    "variably dimensioned": System(
        variably_dimensioned,
        variably_dimensioned_jacobian,
        1 - np.arange(1, 11) / 10,
        variably_dimensioned_slip,
    ),
    "Broyden, tridiagonal": System(broyden_tridiagonal, broyden_tridiagonal_jacobian, np.full(10, -1.0)),
    "Broyden, banded": System(
        broyden_banded,
        broyden_banded_jacobian,
        np.full(10, -1.0),
        lambda jacobian, x: broyden_banded_jacobian(x, -1),
    ),
}

every_system = pytest.mark.parametrize("name", SYSTEMS)


def test_there_are_eleven_slips_in_fourteen_systems():
    assert len(SYSTEMS) == 14
    assert sum(system.slip is not None for system in SYSTEMS.values()) == 11


@every_system
def test_a_jacobian_of_a_published_system_is_right(name):
    system = SYSTEMS[name]
    check = backprop.check_gradient(system.function, jacobian=system.jacobian, point=system.point)
    assert check.verdict == "right", check


@every_system
def test_the_jacobians_of_the_chkder_test_are_judged_as_that_test_says(name):
    system = SYSTEMS[name]
    check = backprop.check_gradient(system.function, jacobian=system.claimed, point=system.point)
    assert check.verdict == ("right" if system.slip is None else "wrong"), check


@pytest.mark.parametrize("name", part(SYSTEMS, 3))
def test_the_jacobians_of_the_chkder_test_are_judged_alike_as_arrays(name):
    system = SYSTEMS[name]
    claimed = system.claimed(system.point)
    check = backprop.check_gradient(system.function, jacobian=claimed, point=system.point)
    assert check.verdict == ("right" if system.slip is None else "wrong"), check


def valley(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def valley_gradient(x):
    return np.array([-400 * x[0] * (x[1] - x[0] ** 2) - 2 * (1 - x[0]), 200 * (x[1] - x[0] ** 2)])


@pytest.mark.parametrize(
    ("gradient", "verdict"),
    [
        (valley_gradient, "right"),
        (np.array([-2.0, 0.0]), "right"),
        (np.array([-2.0, -2.0]), "wrong"),
        (np.array([0.0, 0.0]), "wrong"),
        (np.array([-2.0, 1e-3]), "wrong"),
        (np.array([-2.02, 0.0]), "wrong"),
    ],
)
def test_rosenbrock_at_the_origin_where_one_entry_is_zero(gradient, verdict):
    check = backprop.check_gradient(valley, gradient, np.zeros(2))
    assert check.verdict == verdict, check


def quadratic(size=1000):
    """½ xᵀ A x - bᵀ x and its gradient, a point, and A dense and symmetric."""
    rng = np.random.default_rng(0)
    root = rng.standard_normal((size, size)) / np.sqrt(size)
    matrix, b = root @ root.T + np.eye(size), rng.standard_normal(size)
    return (lambda x: x @ matrix @ x / 2 - b @ x), (lambda x: matrix @ x - b), rng.standard_normal(size)


def test_the_gradient_of_a_quadratic_of_a_thousand_dimensions_is_right():
    function, gradient, point = quadratic()
    for claim in (gradient, gradient(point)):
        check = backprop.check_gradient(function, claim, point)
        assert check.verdict == "right", check
        assert check.findings == ()


@pytest.mark.parametrize("entry", [0, 517, 999])
def test_one_wrong_entry_of_a_thousand_is_found(entry):
    function, gradient, point = quadratic()
    wrong = gradient(point)
    wrong[entry] *= 1.5
    check = backprop.check_gradient(function, wrong, point)
    assert check.verdict == "wrong", check
    assert [each.index for each in check.tensors[0].worst] == [(entry,)]
