"""Which forms the layers of a network have, so that a strategy can say beforehand what it cannot do.

A layer that lacks a form raises `UnsupportedError` when it is asked for it (`backprop.layers.base`). It is asked here
with a batch of no samples: every array of such a batch is empty, whatever the sizes of the network.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from backprop.arrays import Array, DType
from backprop.layers import EinsumFactor, Layer
from backprop.network import Network

_BY_INPUT = ("io", "no", "noi")
_BY_PARAMETER = ("ni", "no", "")
"""The axes of an einsum factor by the layer's input and by its own parameters, where it does not name its result."""


def lacking(network: Network, dtype: DType, *forms: str) -> str | None:
    """The first layer without one of the forms (`vjp`, `jvp`, …), in words; None where all have all of them."""
    reason = _without(network, *forms)
    if reason is not None:
        return reason
    for layer, i, o in _outside(network):
        for form in forms:
            _, reason = _asked(layer, form, i, o, dtype)
            if reason is not None:
                return reason
    return None


def strange_factors(network: Network, dtype: DType) -> str | None:
    """The first layer whose einsum factors are missing or have axes that are not known; None for no such layer.

    A parameter's factor also has to give the parameter's shape: (i, o) where it has an axis i, else (o,). A factor
    that names the axes of its result says how it is multiplied.
    """
    reason = _without(network, "input_factor", "parameter_factors")
    if reason is not None:
        return reason
    for layer, i, o in _outside(network):
        factor, reason = _asked(layer, "input_factor", i, o, dtype)
        if (
            reason is None
            and factor is not None
            and factor.result is None
            and factor.subscripts not in _BY_INPUT
        ):
            reason = _axes(f"∂y/∂x of the layer {layer.name}", factor, _BY_INPUT)
        if reason is not None:
            return reason
        factors, reason = _asked(layer, "parameter_factors", i, o, dtype)
        if reason is not None:
            return reason
        for name, shape in layer.parameter_shapes().items():
            own = (factors or {}).get(name)
            if own is None or own.result is not None:
                continue
            what = f"∂y/∂{name} of the layer {layer.name}"
            if own.subscripts not in _BY_PARAMETER:
                return _axes(what, own, _BY_PARAMETER)
            made = (i, o) if "i" in own.subscripts else (o,)
            if made != shape:
                return f"{what} makes a gradient of the shape {made}, and {name} has the shape {shape}"
    return None


def couples_samples(network: Network) -> str | None:
    """The first layer by which a batch cannot be split, in words; None for no such layer."""
    for layer in network.layers:
        if layer.couples_samples:
            return f"the layer {layer.name} couples the samples of a batch: {layer.couples_samples}"
    return None


def _without(network: Network, *forms: str) -> str | None:
    """The first layer that says itself that it lacks one of the forms, and why."""
    for layer in network.layers:
        for form in forms:
            if form in layer.lacks:
                return f"the layer {layer.name} has no {form}: {layer.lacks[form]}"
    return None


def _axes(what: str, factor: EinsumFactor, known: tuple[str, ...]) -> str:
    return f"{what} has the axes {factor.subscripts!r}, and only {', '.join(map(repr, known))} are known"


def _outside(network: Network) -> Iterator[tuple[Layer, int, int]]:
    """Every layer from outside this package, with its i and o; the package's own layers have every form."""
    for layer, i, o in network.sized:
        if not layer.__class__.__module__.startswith("backprop.layers."):
            yield layer, i, o


def _asked(layer: Layer, form: str, i: int, o: int, dtype: DType) -> tuple[Any, str | None]:
    """What the layer returns for a batch of no samples, and the reason where it has no such form."""
    x, y = np.zeros((0, i), dtype), np.zeros((0, o), dtype)
    own = {name: np.zeros(shape, dtype) for name, shape in layer.parameter_shapes().items()}
    more: dict[str, tuple[Array | dict[str, Array], ...]] = {
        "forward": (),
        "vjp": (y.copy(),),
        "jvp": (x, own),
    }
    given = (own, x) if form == "forward" else (own, x, y, *more.get(form, ()))
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # such as that the mean of nothing is NaN
            return getattr(layer, form)(*given), None
    except NotImplementedError:  # of which UnsupportedError is one
        return None, f"the layer {layer.name} has no {form}"
    except Exception:  # the layer takes no empty batch, which says nothing about others
        return None, None
