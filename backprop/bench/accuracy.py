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
from collections.abc import Callable, Iterator, Sequence
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


def experiments(
    strategies: Sequence[Strategy[Any]], memory_bytes: float = math.inf
) -> Iterator[tuple[str, Callable[[], ErrorRow]]]:
    """All rows to be measured: each a description in words and the call that measures it.

    A cell of the grid that is predicted to need more than `memory_bytes` is left out.
    """
    yield from _grid(strategies, memory_bytes)
    yield from curves()


def curves() -> Iterator[tuple[str, Callable[[], ErrorRow]]]:
    """The rows of the two curves alone: some ten seconds."""
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


def _grid(
    strategies: Sequence[Strategy[Any]], memory_bytes: float
) -> Iterator[tuple[str, Callable[[], ErrorRow]]]:
    hidden = ((8,), (32,), (128,), (16, 16), (16, 16, 16, 16))
    for layers, n, dtype, strategy in itertools.product(hidden, (1, 8, 64), DTYPES, strategies):
        network = Network.mlp(49, *layers, 10, activation="tanh")
        if isinstance(strategy, Peer) and strategy.unavailable() is not None:
            continue
        if strategy.unsupported(network, np.dtype(dtype)) is not None:
            continue
        cost = strategy.predicted(network, n, np.dtype(dtype))
        if cost is not None and (cost.flops > _MOST_FLOPS or cost.peak_bytes > memory_bytes):
            continue
        yield f"{strategy.name} on {network.sizes}", _measuring("grid", strategy, network, n, dtype)


def _steps() -> Iterator[tuple[str, Callable[[], ErrorRow]]]:
    for dtype in DTYPES:
        eps = float(np.finfo(dtype).eps)
        for kind, step in itertools.product(_KINDS, _STEPS):
            if step > 4 * eps:
                quotients = FiniteDifferences(kind, float(step))
                name = f"{quotients.name} with a step of {step:.1g}"
                yield name, _measuring("step", quotients, _SMOOTH, 16, dtype, step=float(step))
        for step in _STEPS[eps > _STEPS**2]:  # others the complex step refuses
            complex_step = ComplexStep(float(step))
            name = f"{complex_step.name} with a step of {step:.1g}"
            yield name, _measuring("step", complex_step, _SMOOTH, 16, dtype, step=float(step))


def _scales() -> Iterator[tuple[str, Callable[[], ErrorRow]]]:
    network = Network.mlp(49, 16, 10)
    for name, dtype, scale in itertools.product((*_FUSED, *_CHAINED), DTYPES, _SCALES):
        yield (
            f"{name} with logits times {scale:.3g}",
            _measuring("logit-scale", find_strategy(name), network, 16, dtype, scale=float(scale)),
        )


def _measuring(
    experiment: str,
    strategy: Strategy[Any],
    network: Network,
    n: int,
    dtype: str,
    step: float | None = None,
    scale: float | None = None,
) -> Callable[[], ErrorRow]:
    def measure() -> ErrorRow:
        params, batch = _sample(network, n, dtype, scale)
        return ErrorRow(
            experiment=experiment,
            strategy=strategy.name,
            network=str(network),
            parameters=network.parameter_count,
            batch_size=n,
            dtype=dtype,
            step=step,
            logit_scale=scale,
            error=_error(strategy, network, params, batch, lambda: _reference(network, n, dtype, scale)),
            tolerance=float(strategy.accuracy.tolerance(network, np.dtype(dtype))),
        )

    return measure


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


def _error(
    strategy: Strategy[Any],
    network: Network,
    params: Parameters,
    batch: Batch,
    reference: Callable[[], Parameters],
) -> float:
    """The relative error; infinite where the gradient is not finite, as a division by p = 0 makes it."""
    plan = strategy.prepare(network, len(batch.labels), params.dtype)
    with np.errstate(all="ignore"):
        _, gradient = strategy.value_and_gradient(plan, params, batch)
    if not np.isfinite(gradient.vector).all():
        return float("inf")
    return float(gradient_error(gradient, reference()).relative)
