"""Another network: the gradient is that of a network with another activation, another sum, or no activation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backprop.arrays import Array
from backprop.check.network.mistakes.forward_linear import ForwardLinear
from backprop.check.network.mistakes.gelu_tanh import GeluTanh
from backprop.check.network.mistakes.state import Got, Mistake, Run, State
from backprop.layers import ACTIVATIONS, Elementwise, Layer

# Another forward pass: the right gradient of a network with other activations, or without its biases.

_ACTIVATION, _BIAS = "other-activation", "bias-left-out"


def other_networks(right: State, got: Got) -> Iterator[State]:
    """δ of the last layer in other networks of the same sizes."""
    run = right.run
    for kind, other, text in _networks(run):
        mistake = Mistake(kind, f"the gradient of a network with {text}", layer=right.k)
        yield State(other, right.k, other.output_delta(), (mistake,))


def _networks(run: Run) -> Iterator[tuple[str, Run, str]]:
    hidden, output = run.activations[:-1], run.activations[-1]
    known = {name: layer() for name, layer in ACTIVATIONS.items() if name != "softmax"}
    others: dict[str, Layer | None] = {**known, "gelu by its tanh approximation": GeluTanh()}
    if hidden:
        own = {layer.name for layer in hidden if layer is not None}
        for name, layer in {**others, "no activation": None}.items():
            if name not in own:
                yield (
                    _ACTIVATION,
                    run.rerun(activations=(*(layer for _ in hidden), output)),
                    f"{name} throughout",
                )
        for k in range(len(hidden) if len(hidden) > 1 else 0):
            without = (*hidden[:k], None, *hidden[k + 1 :], output)
            yield _ACTIVATION, run.rerun(activations=without), f"no activation after layer {k + 1}"
        for k, layer in enumerate(hidden):
            if isinstance(layer, Elementwise):
                half = run.rerun(activations=(*hidden[:k], ForwardLinear(layer), *hidden[k + 1 :], output))
                text = (
                    f"no activation after layer {k + 1} on the way forward, while f' is taken on the way back"
                )
                yield _ACTIVATION, half, text
    if output is not None and run.fused:
        for name, layer in known.items():
            if isinstance(layer, Elementwise) and (not hidden or layer == hidden[-1]):
                yield _ACTIVATION, _through_output(run, layer), f"{name} on the logits, before the softmax"
    for k in range(run.depth):
        yield _BIAS, run.rerun(biases=_without(run.biases, [k])), f"b{k + 1} left out of the forward pass"
    if run.depth > 1:
        yield _BIAS, run.rerun(biases=_without(run.biases, range(run.depth))), "no biases in the forward pass"


def _without(biases: Sequence[Array], left_out: Sequence[int]) -> list[Array]:
    return [np.zeros_like(b) if k in left_out else b for k, b in enumerate(biases)]


def _through_output(run: Run, layer: Elementwise) -> Run:
    """The run in which an activation stands between the logits and the softmax."""
    z = run.z[-1]
    y = layer.forward({}, z)
    e = np.exp(y - y.max(axis=1, keepdims=True))
    return _Squashed(**{**vars(replace(run, y=e / e.sum(axis=1, keepdims=True))), "between": layer})


@dataclass(frozen=True)
class _Squashed(Run):
    """A run whose logits go through one more activation."""

    between: Elementwise | None = None

    def output_delta(self) -> Array:
        """(p - t) / n through that activation."""
        assert self.between is not None
        z = self.z[-1]
        slope = np.asarray(self.between.derivative(z, self.between.forward({}, z)), np.float64)
        return np.asarray((self.y - self.targets) / self.n * slope)
