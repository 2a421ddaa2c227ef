"""Kinks: parameters whose difference step takes a pre-activation through a point without a derivative.

There a difference quotient is no derivative, and no tolerance has a say. A kinked layer states its margins m
(`Layer.margins`): of a unit z, m = z - kink; of two inputs of which the larger is taken, their difference. So does a
kinked loss of the outputs (`Loss.margins`), such as the hinge. A step of an earlier pre-activation u moves m by about
|∂m/∂u| · step, so u may move by

    δ[n,u] = min over m of |m[n]| / |∂m/∂u|[n]        before some unit of the layer changes its side,

and a weight W[i,u] moves u by |x[n,i]| times its own step, a bias by its step. This is first order, with a
factor of two to spare; nothing is re-evaluated. Of a network with other parameters, or with a layer of which a sample
has no Jacobian, every step is tried instead, which takes as many forward passes as the quotients themselves.
"""

from __future__ import annotations

import numpy as np

from backprop.arrays import Array
from backprop.layers import Linear
from backprop.network import Batch, Network
from backprop.parameters import Parameters

_TO_SPARE = 2.0


def kinked_parameters(network: Network, params: Parameters, batch: Batch, relative_step: float) -> Array:
    """Whether each parameter (p,) crosses a kink within a step of `relative_step` · max(1, |θ|)."""
    crossing = Parameters.zeros(network.layout, np.bool_)
    is_smooth = [*(layer.smooth for layer in network.layers), network.loss_function.smooth]
    kinked = [k for k, smooth in enumerate(is_smooth) if not smooth]
    if not kinked:
        return crossing.vector
    if any(
        not isinstance(layer, Linear) and (layer.parameter_shapes() or layer.lacks)
        for layer in network.layers
    ):
        return _by_trial(network, params, batch, relative_step)
    values = network.activations(params, batch.inputs)
    tensors = network.local(params)
    for j, layer in enumerate(network.layers):
        if not isinstance(layer, Linear) or j > kinked[-1]:
            continue
        room = _room(network, tensors, values, batch.labels, j, [k for k in kinked if k > j])
        own = {name: crossing[full] for name, full in network.names[j].items()}
        steps = {name: _TO_SPARE * relative_step * np.maximum(1, np.abs(tensors[j][name])) for name in own}
        for x, free in zip(np.abs(values[j]), room, strict=True):
            own["W"][x > 0] |= x[x > 0, None] * steps["W"][x > 0] >= free  # the rest of W moves nothing
            if "b" in own:
                own["b"][...] |= steps["b"] >= free
    return crossing.vector


def _by_trial(network: Network, params: Parameters, batch: Batch, relative_step: float) -> Array:
    """The same of any network, by going a step of twice the size up and down with one parameter after another."""
    moved, crossing = params.copy(), np.zeros(network.parameter_count, np.bool_)

    def sides() -> list[Array]:
        steps = network.evaluate(network.local(moved), batch.inputs)
        of_layers = (distance for step in steps for distance in step.layer.distances(step.own, step.x))
        of_loss = (margin.distance for margin in network.loss_function.margins(steps[-1].y, batch.labels))
        return [distance > 0 for distance in (*of_layers, *of_loss)]

    here = sides()
    for k, value in enumerate(params.vector):
        step = _TO_SPARE * relative_step * max(1, abs(value))
        for way in (step, -step):
            moved.vector[k] = value + way
            crossing[k] |= any(not np.array_equal(a, b) for a, b in zip(here, sides(), strict=True))
        moved.vector[k] = value
    return crossing


def _room(
    network: Network,
    tensors: list[dict[str, Array]],
    values: list[Array],
    labels: Array,
    j: int,
    kinked: list[int],
) -> Array:
    """δ (n, o): how far each output of layer j may move before a unit of a later kinked layer crosses.

    kinked: the numbers of those layers; the loss has the number after the last one.
    """
    n, o = values[j + 1].shape
    room = np.full((n, o), np.inf)
    jacobian = np.broadcast_to(np.eye(o), (n, o, o))  # ∂(input of layer k)/∂(output of layer j)
    for k in range(j + 1, kinked[-1] + 1):
        if k in kinked:
            is_loss = k == len(network.layers)
            margins = (
                network.loss_function.margins(values[k], labels)
                if is_loss
                else network.layers[k].margins(values[k])
            )
            for margin in margins:
                moved = _rows(jacobian, margin.above)
                if margin.below is not None:
                    moved = moved - _rows(jacobian, margin.below)
                with np.errstate(divide="ignore", invalid="ignore"):
                    needed = np.abs(margin.distance)[:, :, None] / np.abs(moved)
                room = np.minimum(
                    room, np.nan_to_num(needed, nan=np.inf, posinf=np.inf).min(axis=1, initial=np.inf)
                )
        if k < kinked[-1]:
            local = network.layers[k].input_jacobian(tensors[k], values[k], values[k + 1])
            jacobian = np.matmul(local, jacobian)
    return room


def _rows(jacobian: Array, inputs: Array) -> Array:
    """∂(inputs)/∂u (n, m, u) of the inputs with these numbers, (m,) or (n, m)."""
    if inputs.ndim == 1:
        return jacobian[:, inputs]
    return np.take_along_axis(jacobian, inputs[:, :, None], axis=1)
