"""Accuracy: the measured error of every strategy beside its model, against size, step and logit scale.

    grid           dtype x batch x width x depth: every strategy, within its tolerance?
    step           the difference methods against their step: the V of truncation and rounding
    logit-scale    the softmax and the loss as two factors of the chain against p - t, as logits grow

Errors are ‖g - g*‖ / ‖g*‖ with g* in longdouble at the same parameters.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from backprop import Batch, Network, Parameters, Strategy, find_strategy
from backprop.peers.base import Peer
from backprop.strategies.complex_step import ComplexStep
from backprop.strategies.finite_differences import FiniteDifferences
from backprop.verify import gradient_error, reference_gradient

DTYPES = ("float32", "float64")
_MOST_FLOPS = 2e9
"""A cell of the grid with more operations is left to larger machines."""

_SMOOTH = Network.mlp(49, 16, 10, activation="tanh")
_KINDS: tuple[Literal["forward", "central", "richardson"], ...] = ("forward", "central", "richardson")
_STEPS = np.logspace(-15, 0, 31)
_SCALES = np.logspace(0, 4, 17)
_CHAINED = ("full-jacobian", "batched-jacobian", "layerwise-vjp")
_FUSED = ("short-form",)


@dataclass(frozen=True)
class ErrorRow:
    """One measured error. `tolerance` is what the strategy's model allows at its own step. All are pure numbers."""

    experiment: str
    strategy: str
    network: str
    parameters: int
    batch_size: int
    dtype: str
    step: float | None
    logit_scale: float | None
    error: float
    tolerance: float

    @property
    def within(self) -> bool:
        """Whether the error is within the model."""
        return self.error <= self.tolerance


FIELDS = tuple(f.name for f in dataclasses.fields(ErrorRow))


def experiments(strategies: Sequence[Strategy[Any]], memory_bytes: float = math.inf) -> Iterator[Experiment]:
    """The errors to be measured; a cell of the grid that needs more than `memory_bytes` is left out."""
    yield from _grid(strategies, memory_bytes)
    yield from curves()


def curves() -> Iterator[Experiment]:
    """The errors of the two curves alone: some ten seconds."""
    yield from _steps()
    yield from _scales()


def predicted_bottoms() -> dict[tuple[str, str], tuple[float, float]]:
    """By quotient and dtype, where theory puts the bottom of its V: the best step, and the error there.

    Truncation and rounding are equal at the step h ~ eps^a. The error there is eps^b p^c, the model without its
    factor.
    """
    bottoms = {}
    for kind, dtype in itertools.product(_KINDS, DTYPES):
        quotients, eps = FiniteDifferences(kind), float(np.finfo(dtype).eps)
        model = quotients.accuracy
        error = eps**model.exponent * _SMOOTH.parameter_count**model.parameter_exponent
        step = quotients.prepare(_SMOOTH, 1, np.dtype(dtype)).relative_step
        bottoms[quotients.name, dtype] = step, float(error)
    return bottoms


def _grid(strategies: Sequence[Strategy[Any]], memory_bytes: float) -> Iterator[Experiment]:
    hidden = ((8,), (32,), (128,), (16, 16), (16, 16, 16, 16))
    for layers, n, dtype, strategy in itertools.product(hidden, (1, 8, 64), DTYPES, strategies):
        network = Network.mlp(49, *layers, 10, activation="tanh")
        if isinstance(strategy, Peer) and strategy.unavailable() is not None:
            continue
        if strategy.unsupported(network, np.dtype(dtype)) is not None:
            continue
        cost = strategy.predicted(network, n, np.dtype(dtype))
        if cost is None or (cost.flops <= _MOST_FLOPS and cost.peak_bytes <= memory_bytes):
            yield Experiment("grid", strategy, network, n, dtype)


def _steps() -> Iterator[Experiment]:
    for dtype in DTYPES:
        eps = float(np.finfo(dtype).eps)
        methods: list[tuple[Strategy[Any], float]] = [
            (FiniteDifferences(kind, step), step)
            for kind, step in itertools.product(_KINDS, _STEPS.tolist())
            if step > 4 * eps
        ]
        # Others the complex step refuses.
        methods += [(ComplexStep(step), step) for step in _STEPS[eps > _STEPS**2].tolist()]
        for method, step in methods:
            yield Experiment("step", method, _SMOOTH, 16, dtype, step=step)


def _scales() -> Iterator[Experiment]:
    network = Network.mlp(49, 16, 10)
    for name, dtype, scale in itertools.product((*_FUSED, *_CHAINED), DTYPES, _SCALES):
        yield Experiment("logit-scale", find_strategy(name), network, 16, dtype, scale=float(scale))


@dataclass(frozen=True)
class Experiment:
    """One error to be measured, of `n` samples; on a curve, that of one step or of one scale of the logits."""

    kind: str
    strategy: Strategy[Any]
    network: Network
    n: int
    dtype: str
    step: float | None = None
    scale: float | None = None

    def __str__(self) -> str:
        if self.step is not None:
            return f"{self.strategy.name} with a step of {self.step:.1g}"
        if self.scale is not None:
            return f"{self.strategy.name} with logits times {self.scale:.3g}"
        return f"{self.strategy.name} on {self.network.sizes}"

    def measure(self) -> ErrorRow:
        """The error; infinite where the gradient is not finite, as a division by p = 0 makes it."""
        params, batch = _sample(self.network, self.n, self.dtype, self.scale)
        plan = self.strategy.prepare(self.network, self.n, params.dtype)
        with np.errstate(all="ignore"):
            _, gradient = self.strategy.value_and_gradient(plan, params, batch)
        error = math.inf
        if np.isfinite(gradient.vector).all():
            truth = _reference(self.network, self.n, self.dtype, self.scale)
            error = float(gradient_error(gradient, truth).relative)
        return ErrorRow(
            experiment=self.kind,
            strategy=self.strategy.name,
            network=str(self.network),
            parameters=self.network.parameter_count,
            batch_size=self.n,
            dtype=self.dtype,
            step=self.step,
            logit_scale=self.scale,
            error=error,
            tolerance=float(self.strategy.accuracy.tolerance(self.network, params.dtype)),
        )


def _sample(network: Network, n: int, dtype: str, scale: float | None) -> tuple[Parameters, Batch]:
    """Parameters and samples, the same at every call; `scale` multiplies the weights of the last layer."""
    rng = np.random.default_rng(0)
    params = network.init(rng, dtype)
    if scale is not None:
        params[network.layout.names[-2]][...] *= params.dtype.type(scale)
    inputs = rng.standard_normal((n, network.inputs)).astype(dtype)
    return params, Batch(inputs, rng.integers(0, network.classes, n))


@functools.lru_cache(maxsize=64)
def _reference(network: Network, n: int, dtype: str, scale: float | None) -> Parameters:
    """The gradient that is taken as true for `_sample`: it takes longer than most of what is held against it."""
    return reference_gradient(network, *_sample(network, n, dtype, scale))
