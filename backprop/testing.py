"""For your own tests: each function here fails with what is wrong with a derivative, and where.

from backprop.testing import assert_gradient, assert_vjp

def test_my_gradient():
    assert_gradient(loss, gradient, {"W": W, "b": b})

def test_my_layer():
    assert_vjp(forward, backward, (x, W))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backprop.check.gradient import check_gradient, check_step
from backprop.check.jvp import check_jvp
from backprop.check.result import GradientCheck
from backprop.check.vjp import check_vjp


def assert_gradient(
    function: Callable[[Any], Any],
    gradient: Any = None,
    point: Any = None,
    *,
    allow_undecided: bool = False,
    **options: Any,
) -> GradientCheck:
    """Raise `AssertionError`, with the printed check as its message, unless the gradient is right.

    The arguments are those of `backprop.check_gradient`, and so are the errors for what cannot be checked at all.
    allow_undecided: let a gradient pass in which nothing wrong was found, but which could not be compared wholly.
    Returns the check.
    """
    __tracebackhide__ = True
    return _passed(check_gradient(function, gradient, point, **options), allow_undecided)


def assert_vjp(
    forward: Callable[..., Any],
    backward: Callable[..., Any] | None = None,
    inputs: Any = None,
    *,
    allow_undecided: bool = False,
    **options: Any,
) -> GradientCheck:
    """Raise `AssertionError` unless the backward pass is right: `assert_gradient` for `backprop.check_vjp`."""
    __tracebackhide__ = True
    return _passed(check_vjp(forward, backward, inputs, **options), allow_undecided)


def assert_jvp(
    forward: Callable[..., Any],
    pushforward: Callable[..., Any] | None = None,
    inputs: Any = None,
    *,
    allow_undecided: bool = False,
    **options: Any,
) -> GradientCheck:
    """Raise `AssertionError` unless the pushforward is right: `assert_gradient` for `backprop.check_jvp`."""
    __tracebackhide__ = True
    return _passed(check_jvp(forward, pushforward, inputs, **options), allow_undecided)


def assert_step(
    step: Callable[..., Any], point: Any, *, allow_undecided: bool = False, **options: Any
) -> GradientCheck:
    """Raise `AssertionError` unless the gradients are right: `assert_gradient` for `backprop.check_step`."""
    __tracebackhide__ = True
    return _passed(check_step(step, point, **options), allow_undecided)


def _passed(check: GradientCheck, allow_undecided: bool) -> GradientCheck:
    __tracebackhide__ = True
    if check.ok or (allow_undecided and check.verdict == "undecided"):
        return check
    raise AssertionError(str(check))
