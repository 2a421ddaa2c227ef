"""Layers from outside the package: whether their VJP is the derivative of their forward, since truth comes from it.

    v · vjp(dy) = dy · (f(x + hv, θ + hu) - f(x - hv, θ - hu)) / 2h        along random v, u, with dy random

In longdouble, beside the batch's own values: there a kink is met only by chance, and several places are tried.
"""

from __future__ import annotations

import numpy as np

from backprop.errors import CheckError
from backprop.layers import Layer
from backprop.network import Batch, Network
from backprop.parameters import Parameters

_PLACES, _BESIDE = 3, 1e-3
"""Places beside the batch that are tried, and how far away they are, of the scale: not all are at kinks by chance."""
_AGREE = 1e-5
"""Of their terms: central quotients in longdouble agree to eps^(2/3), 1e-12, where derivatives are of size one."""


def check_layers(network: Network, params: Parameters, batch: Batch) -> None:
    """Raise `CheckError` for a layer whose VJP is not the derivative of its forward."""
    own_layers = [layer.__class__.__module__.startswith("backprop.layers.") for layer in network.layers]
    if all(own_layers):
        return  # their forms are proven by the tests
    wide = params.astype(np.longdouble)
    values = network.activations(wide, batch.inputs.astype(np.longdouble))
    for layer, is_own, own, x in zip(network.layers, own_layers, network.local(wide), values, strict=False):
        if is_own:
            continue
        try:
            sides = [_sides(layer, own, x, np.random.default_rng(seed)) for seed in range(_PLACES)]
        # The layer fails beside its input, so that its rounding cannot be measured.
        except Exception:
            continue
        if all(abs(vjp - quotient) > _AGREE * size for vjp, quotient, size in sides):
            vjp, quotient, _ = sides[0]
            raise CheckError(
                f"The VJP of the layer {layer.name} gives a slope of {vjp:.6g} along a random direction, and its "
                f"forward one of {quotient:.6g}; expected the same, for the check takes the truth from the layer."
            )


def _sides(
    layer: Layer, own: dict[str, np.ndarray], x: np.ndarray, rng: np.random.Generator
) -> tuple[float, float, float]:
    """The slope by the VJP, the slope by a difference quotient, and the size of their terms."""
    h = np.finfo(np.longdouble).eps ** (np.longdouble(1) / 3)
    x = x + _BESIDE * (np.abs(x) + np.sqrt(np.mean(np.square(x)))) * rng.standard_normal(x.shape)
    v = rng.standard_normal(x.shape)
    u = {name: rng.standard_normal(tensor.shape) for name, tensor in own.items()}

    def moved(t: np.longdouble) -> np.ndarray:
        return layer.forward({name: tensor + t * u[name] for name, tensor in own.items()}, x + t * v)

    y = layer.forward(own, x)
    dy = rng.standard_normal(y.shape).astype(np.longdouble)
    quotient = dy * (moved(h) - moved(-h)) / (2 * h)
    dx, dparams = layer.vjp(own, x, y, dy.copy())
    assert dx is not None  # it was asked for
    terms = [np.sum(dx * v), *(np.sum(dparams[name] * u[name]) for name in own)]
    return float(sum(terms)), float(np.sum(quotient)), float(np.linalg.norm(quotient.astype(float)))
