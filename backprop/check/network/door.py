"""`backprop.check_network`: the check of a network's gradient in one call, of functions and methods of any form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from backprop.arrays import DType, check_dtype
from backprop.check.network.callables import Adapted, adapted
from backprop.check.network.check import check_network_gradient
from backprop.check.network.reading import GradientFunction
from backprop.check.oracle import MAX_CALLS
from backprop.check.result import GradientCheck
from backprop.check.settings import generator_of
from backprop.check.words import describe
from backprop.errors import CheckError
from backprop.network import Batch, Network
from backprop.parameters import Parameters

_SAMPLES = 16
"""Samples of a batch that is drawn."""
_BIAS = 0.1
"""The standard deviation of biases that are drawn: smaller than pre-activations, which are about 1, and not 0."""


def drawn_parameters(network: Network, rng: np.random.Generator, dtype: DType) -> Parameters:
    """Initial parameters with random biases: with biases of zero what happens to them would go unseen."""
    params = network.init(rng, dtype)
    for names in network.names:
        if "b" in names:
            params[names["b"]][...] = _BIAS * rng.standard_normal(params[names["b"]].shape)
    return params


def check_network(
    function: GradientFunction | Any,
    network: Network,
    params: Parameters | Mapping[str, ArrayLike] | None = None,
    inputs: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    *,
    seed: int = 0,
    weight_decay: float = 0.0,
    rtol: float | None = None,
    layout: str | None = None,
    max_calls: int = MAX_CALLS,
) -> GradientCheck:
    """Check the gradient of a network's loss that was derived by hand: right, wrong or undecided, where, and what.

        network = backprop.Network.mlp(784, 64, 10, output="sigmoid", loss="half-squared-error")
        check = backprop.check_network(my_gradient, network)       # check.ok, check.findings, print(check)

    function: called with (params, inputs, labels), with the parameters one by one under their names, or a method of
    an object that holds them. It returns gradients by name or in order, alone or beside the loss. The layout that it
    wants is found by trying, and told in `check.notes`: weights (i, o) or (o, i), samples in rows or columns, class
    numbers or one-hot labels. Or what it returned, such as the pair of `backprop.gradient`, with params and a batch.
    params: `Parameters`, or arrays by name; by default random, biases among them, drawn with `seed`.
    inputs (n, i) and labels (n,), class numbers: by default sixteen random samples; both are given or none.
    weight_decay: the λ of λ/2 Σ W² in the loss.
    rtol: how exact the gradient need be; by default as exact as the rounding of its dtype allows.
    layout: how weights and samples lie, where two ways fit: io-rows, oi-columns, oi-rows or io-columns.
    max_calls: how often a wrong function may be called to find its wrong lines, told in `lines`, by default 2,000
    times; 0 for not at all.

    The truth is the closed form in extended precision (`backprop check` is the same for the command line, where the
    function runs in a process of its own).

    Raises `CheckError` where the function returns no gradients, or where two layouts fit and none is given,
    `UnknownNameError` for another layout, `OptionError` for an `rtol`
    that is no number between 0 and 1, the errors of `Network.batch` and `Network.check_parameters` for arguments that
    do not fit, and whatever the function raises.
    """
    if not isinstance(network, Network):
        raise CheckError(
            f"The network is {describe(network)}; expected a Network, as of Network.mlp(784, 64, 10)."
        )
    if (inputs is None) != (labels is None):
        missing = "labels" if labels is None else "inputs"
        raise CheckError(f"There are no {missing}; expected inputs and labels, or neither.")
    if not callable(function) and (params is None or inputs is None):
        missing = "params" if params is None else "inputs and labels"
        raise CheckError(f"There are gradients without {missing}; expected those at which they were taken.")
    rng = generator_of(seed, "seed")
    if params is None:
        dtype = np.asarray(inputs).dtype if inputs is not None else np.dtype(np.float64)
        params = drawn_parameters(network, rng, check_dtype(dtype))
    own: Parameters = Parameters.of(network.layout, params)
    network.check_parameters(own)
    if inputs is None or labels is None:
        inputs = rng.standard_normal((_SAMPLES, network.inputs)).astype(own.dtype)
        labels = rng.integers(0, network.label_classes, _SAMPLES)
    batch: Batch = network.batch(inputs, labels, own.dtype)
    found = adapted(function, list(network.layout.names)) if callable(function) else Adapted(function)
    check = check_network_gradient(
        network,
        found.function,
        own,
        batch,
        rng,
        weight_decay=weight_decay,
        rtol=rtol,
        layout=layout,
        max_calls=max_calls,
        source=function if callable(function) else None,
    )
    return replace(check, notes=(found.note, *check.notes)) if found.note else check
