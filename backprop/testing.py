"""For your own tests: `assert_gradient(function, gradient, point)` fails with what is wrong, and where.

from backprop.testing import assert_gradient

def test_my_gradient():
    assert_gradient(loss, gradient, {"W": W, "b": b})
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backprop.check.gradient import check_gradient
from backprop.check.result import GradientCheck


def assert_gradient(
    function: Callable[[Any], Any],
    gradient: Any = None,
    point: Any = None,
    *,
    jacobian: Any = None,
    rng: np.random.Generator | None = None,
    max_calls: int = 2000,
    batch_size: int | None = None,
    rtol: float | None = None,
    allow_undecided: bool = False,
) -> GradientCheck:
    """Raise `AssertionError`, with the printed check as its message, unless the gradient is right.

    The arguments are those of `backprop.check_gradient`, and so are the errors for what cannot be checked at all.
    allow_undecided: let a gradient pass in which nothing wrong was found, but which could not be compared wholly.
    Returns the check.
    """
    __tracebackhide__ = True
    check = check_gradient(
        function,
        gradient,
        point,
        jacobian=jacobian,
        rng=rng,
        max_calls=max_calls,
        batch_size=batch_size,
        rtol=rtol,
    )
    if check.ok or (allow_undecided and check.verdict == "undecided"):
        return check
    raise AssertionError(str(check))
