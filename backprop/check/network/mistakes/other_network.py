"""Another network: the right gradient of one with another activation, without an activation, or without biases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from backprop.arrays import Array
from backprop.check.network.mistakes.state import Got, Mistake, Run, State, derivative_of
from backprop.check.slope_names import gelu_tanh, gelu_tanh_slope
from backprop.layers import ACTIVATIONS, Elementwise, Layer, Softmax, Tensors

_ACTIVATION, _BIAS = "other-activation", "bias-left-out"


@final
@dataclass(frozen=True, repr=False)
class GeluTanh(Elementwise):
    """The approximation of gelu that most frameworks offer beside the exact one; it has no cost model here."""

    name = "gelu by its tanh approximation"
    reads_input = True
    forward_flops_per_element, derivative_flops_per_element = 0, 0
    forward_temporaries, derivative_temporaries, derivative_is_mask = 0, 0, False

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))."""
        return gelu_tanh(x)

    def derivative(self, x: Array, y: Array) -> Array:
        """The derivative of the approximation."""
        return gelu_tanh_slope(x)


def other_networks(right: State, got: Got) -> Iterator[State]:
    """δ of the last layer in other networks of the same sizes."""
    run = right.run
    for kind, other, text in _networks(run):
        mistake = Mistake(kind, f"the gradient of a network with {text}", layer=right.k)
        yield State(other, right.k, other.output_delta(), (mistake,))
    hidden = run.activations[:-1]
    if not (run.fused and isinstance(run.activations[-1], Softmax)):
        return
    for name, layer in _known().items():
        if isinstance(layer, Elementwise) and (not hidden or layer == hidden[-1]):
            z, text = run.z[-1], f"the gradient of a network with {name} on the logits, before the softmax"
            e = layer.forward({}, z)
            e = np.exp(e - e.max(axis=1, keepdims=True))
            p = e / e.sum(axis=1, keepdims=True)
            delta = (p - run.targets) / run.n * derivative_of(layer, z)
            yield State(replace(run, y=p), right.k, delta, (Mistake(_ACTIVATION, text, layer=right.k),))


def _known() -> dict[str, Layer]:
    return {name: layer() for name, layer in ACTIVATIONS.items() if name != "softmax"}


def _networks(run: Run) -> Iterator[tuple[str, Run, str]]:
    hidden, output = run.activations[:-1], run.activations[-1]
    others: dict[str, Layer | None] = {**_known(), GeluTanh.name: GeluTanh(), "no activation": None}
    own = {layer.name for layer in hidden if layer is not None}
    for name, layer in others.items() if hidden else ():
        if name not in own:
            yield _ACTIVATION, run.rerun((*(layer for _ in hidden), output)), f"{name} throughout"
    without = [run.rerun((*hidden[:k], None, *hidden[k + 1 :], output)) for k in range(len(hidden))]
    for k, other in enumerate(without if len(hidden) > 1 else ()):
        yield _ACTIVATION, other, f"no activation after layer {k + 1}"
    for k, (layer, other) in enumerate(zip(hidden, without, strict=True)):
        if isinstance(layer, Elementwise):
            half = replace(other, slopes={k: derivative_of(layer, other.z[k])})
            text = f"no activation after layer {k + 1} on the way forward, while f' is taken on the way back"
            yield _ACTIVATION, half, text
    for k in range(run.depth):
        yield _BIAS, run.rerun(biases=_without(run.biases, [k])), f"b{k + 1} left out of the forward pass"
    if run.depth > 1:
        yield _BIAS, run.rerun(biases=_without(run.biases, range(run.depth))), "no biases in the forward pass"


def _without(biases: Sequence[Array], left_out: Sequence[int]) -> list[Array]:
    return [np.zeros_like(b) if k in left_out else b for k, b in enumerate(biases)]
