"""Networks: the right gradient of another network, with another activation or none, or without biases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

from backprop.arrays import Array
from backprop.check.network.mistakes.run import Run, derivative_of
from backprop.check.network.mistakes.state import Got, State, Wrong
from backprop.check.slope_names import gelu_tanh, gelu_tanh_slope
from backprop.layers import ACTIVATIONS, Elementwise, Layer, Softmax, Tensors

_ACTIVATION, _BIAS = "other-activation", "bias-left-out"


@final
@dataclass(frozen=True, repr=False)
class GeluTanh(Elementwise):
    """The approximation of gelu that most frameworks offer beside the exact one; it has no cost model here."""

    name = "gelu by its tanh approximation"
    reads_input = True

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))."""
        return gelu_tanh(x)

    def derivative(self, x: Array, y: Array) -> Array:
        """The derivative of the approximation."""
        return gelu_tanh_slope(x)


def other_networks(right: State, got: Got) -> Iterator[Wrong]:
    """δ of the last layer in other networks with the same parameters."""
    run = right.run
    for kind, other, text in _networks(run):
        yield Wrong(kind, f"the gradient of a network with {text}", other.output_delta(), run=other)
    hidden, output = run.activations[:-1], run.activations[-1]
    if not run.fused or not isinstance(output, Softmax):
        return
    for name, layer in _known().items():
        if isinstance(layer, Elementwise) and (not hidden or layer == hidden[-1]):
            z, text = run.z[-1], f"the gradient of a network with {name} on the logits, before the softmax"
            p = output.forward({}, layer.forward({}, z))
            delta = (p - run.targets) / run.n * derivative_of(layer, z)
            yield Wrong(_ACTIVATION, text, delta, run=replace(run, y=p))


def _known() -> dict[str, Layer]:
    return {name: layer() for name, layer in ACTIVATIONS.items() if name != "softmax"}


def _networks(run: Run) -> Iterator[tuple[str, Run, str]]:
    hidden, output = run.activations[:-1], run.activations[-1]

    def activated_by(*layers: Layer | None) -> Run:
        return replace(run, slopes={}, activations=(*layers, output)).rerun()

    def biased_by(*biases: Array) -> Run:
        return replace(run, slopes={}, biases=biases).rerun()

    others: dict[str, Layer | None] = {**_known(), GeluTanh.name: GeluTanh(), "no activation": None}
    own = {layer.name for layer in hidden if layer is not None}
    for name, layer in others.items() if hidden else ():
        if name not in own:
            yield _ACTIVATION, activated_by(*(layer for _ in hidden)), f"{name} throughout"
    for k, layer in enumerate(hidden):
        text, without = (
            f"no activation after layer {k + 1}",
            activated_by(*hidden[:k], None, *hidden[k + 1 :]),
        )
        if len(hidden) > 1:
            yield _ACTIVATION, without, text
        if isinstance(layer, Elementwise):
            half = replace(without, slopes={k: derivative_of(layer, without.z[k])})
            yield _ACTIVATION, half, f"{text} on the way forward, while f' is taken on the way back"
    for k in range(run.depth):
        biases = (0 * bias if j == k else bias for j, bias in enumerate(run.biases))
        yield _BIAS, biased_by(*biases), f"b{k + 1} left out of the forward pass"
    if run.depth > 1:
        yield _BIAS, biased_by(*(0 * bias for bias in run.biases)), "no biases in the forward pass"
