"""Derivations with the mistakes that people make, and the same derivation without one.

Each is a class that a user could have written: `--strategy wrong.py:MissingMean`.
"""

import numpy as np

from backprop import Accuracy, Cost, Parameters, Strategy, ValueAndGradient
from backprop.layers import Linear, Softmax


class ByHand(Strategy):
    """Layer by layer, as one would write it on paper. Right."""

    name = "by-hand"
    summary = "layer by layer, as on paper"
    accuracy = Accuracy(factor=64, exponent=1, reason="an exact formula")

    def unsupported(self, network, dtype):
        return None

    def cost(self, network, batch_size, dtype):
        numbers = network.parameter_count + batch_size * sum(o for _, o in network.widths)
        return Cost(
            flops=3 * network.forward_flops(batch_size),
            bytes_moved=6 * dtype.itemsize * numbers,
            peak_bytes=2 * dtype.itemsize * numbers,
            forward_calls=1,
        )

    def prepare(self, network, batch_size, dtype):
        return network

    def value_and_gradient(self, plan, params, batch):
        values = plan.activations(params, batch.inputs)
        loss = plan.loss_function.value(values[-1], batch.labels)
        delta = self.of_loss(plan, values[-1], batch.labels)
        gradient = Parameters.zeros(plan.layout, params.dtype)
        steps = zip(plan.layers, plan.local(params), plan.local(gradient), values, values[1:], strict=False)
        for layer, own, out, x, y in reversed(list(steps)):
            if isinstance(layer, Linear):
                out["W"][...] = x.T @ delta
                out["b"][...] = delta.sum(axis=0)
                delta = self.through_weight(delta, own["W"])
            elif isinstance(layer, Softmax):
                delta = np.einsum("noi,no->ni", self.softmax_jacobian(y), delta)
            else:
                delta, _ = layer.vjp(own, x, y, delta)
        return ValueAndGradient(float(loss), gradient)

    def of_loss(self, network, y, labels):
        return network.loss_function.gradient(y, labels)

    def through_weight(self, delta, weight):
        return delta @ weight.T

    def softmax_jacobian(self, p):
        return np.eye(p.shape[1], dtype=p.dtype) * p[:, :, None] - p[:, :, None] * p[:, None, :]


class MissingMean(ByHand):
    """The factor 1/n is forgotten."""

    name = "missing-mean"

    def of_loss(self, network, y, labels):
        return super().of_loss(network, y, labels) * y.dtype.type(len(y))


class TransposedWeight(ByHand):
    """W where it should be its transpose: by a shape that fits, it goes unnoticed."""

    name = "transposed-weight"

    def through_weight(self, delta, weight):
        return delta @ weight.reshape(weight.shape[::-1])


class WrongOffDiagonal(ByHand):
    """p (1 - p) on the diagonal and nothing beside it, as if softmax were a sigmoid."""

    name = "wrong-off-diagonal"

    def softmax_jacobian(self, p):
        return np.eye(p.shape[1], dtype=p.dtype) * super().softmax_jacobian(p)


class OneWrongElement(ByHand):
    """Right but for W2[1, 0]."""

    name = "one-wrong-element"

    def value_and_gradient(self, plan, params, batch):
        loss, gradient = super().value_and_gradient(plan, params, batch)
        gradient["W2"][1, 0] += 0.25
        return ValueAndGradient(loss, gradient)
