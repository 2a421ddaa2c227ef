"""Tools: gradient checkers of other libraries, each as its documentation uses it, behind one question: is it right?

    check_gradient     backprop.check_gradient(f, g, x).verdict
    scipy              scipy.optimize.check_grad(f, g, x) <= 1e-5 · max(1, ‖g(x)‖)
    torch              torch.autograd.gradcheck of a Function whose forward is f and whose backward is g
    numdifftools       numpy.allclose(g(x), numdifftools.Gradient(f)(x)), with the defaults of both

scipy's returns a distance and leaves the threshold to its user; its own tests and examples take about 1e-6 to 1e-4
where gradients are of size one. torch's wants float64 and gets it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from backprop.arrays import Array
from backprop.bench.check.cases import Function, Gradient

Verdict = Literal["right", "wrong", "undecided", "failed", "gave up"]


class GaveUp(Exception):
    """A tool that takes more calls or seconds than it is given."""


_ALLOWED = 1e-5
"""Between the thresholds of 1e-6 to 1e-4 that scipy's own tests and examples take."""


@dataclass
class Counted:
    """A function whose calls are counted, and that stops a tool which takes too many or too long."""

    function: Function
    most_calls: int
    seconds: float
    calls: int = 0

    def __post_init__(self) -> None:
        self._end = time.perf_counter() + self.seconds

    def __call__(self, x: Array) -> Any:
        """The function's value; raises `GaveUp` beyond what the tool is given."""
        self.calls += 1
        if self.calls > self.most_calls or time.perf_counter() > self._end:
            raise GaveUp
        return self.function(x)


@dataclass(frozen=True)
class Tool:
    """A checker: its name, the package it needs, and how it is asked."""

    name: str
    package: str
    ask: Callable[[Counted, Gradient, Array], Verdict]


def _check_gradient(function: Counted, gradient: Gradient, point: Array) -> Verdict:
    from backprop.check.gradient import check_gradient

    verdict: Verdict = check_gradient(function, gradient, point).verdict
    return verdict


def _scipy(function: Counted, gradient: Gradient, point: Array) -> Verdict:
    from scipy.optimize import check_grad

    shape = point.shape  # it works on vectors

    def of_vector(x: Array) -> Any:
        return function(x.reshape(shape))

    def gradient_of_vector(x: Array) -> Array:
        return gradient(x.reshape(shape)).reshape(-1)

    distance = check_grad(of_vector, gradient_of_vector, point.reshape(-1))
    allowed = _ALLOWED * max(1.0, float(np.linalg.norm(gradient(point))))
    return "right" if distance <= allowed else "wrong"


def _torch(function: Counted, gradient: Gradient, point: Array) -> Verdict:
    import torch

    class ByHand(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            context.save_for_backward(x)
            return torch.tensor(float(function(x.detach().numpy())), dtype=torch.float64)

        @staticmethod
        def backward(context: Any, upstream: Any) -> Any:
            (x,) = context.saved_tensors
            return upstream * torch.from_numpy(np.array(gradient(x.detach().numpy()), np.float64))

    x = torch.tensor(point, dtype=torch.float64, requires_grad=True)
    return "right" if torch.autograd.gradcheck(ByHand.apply, (x,), raise_exception=False) else "wrong"


def _numdifftools(function: Counted, gradient: Gradient, point: Array) -> Verdict:
    import numdifftools

    shape = point.shape
    truth = numdifftools.Gradient(lambda x: function(x.reshape(shape)))(point.reshape(-1))
    return "right" if np.allclose(np.reshape(gradient(point), -1), truth) else "wrong"


TOOLS = (
    Tool("check_gradient", "backprop", _check_gradient),
    Tool("scipy check_grad", "scipy", _scipy),
    Tool("torch gradcheck", "torch", _torch),
    Tool("numdifftools", "numdifftools", _numdifftools),
)
"""This package's checker first."""
