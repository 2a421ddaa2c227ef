"""What can be derived, by name: every layer, the losses, softmax and cross-entropy together, a whole network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import sympy

from backprop.errors import UnknownNameError
from backprop.explain.names import LOSS
from backprop.explain.step import Derivative
from backprop.explain.symbolic.arrays import symbols
from backprop.explain.symbolic.derivation import Derivation, Line, matrix
from backprop.explain.symbolic.layers import SymbolicLayer, derivatives, prove_layer, tidy
from backprop.explain.symbolic.losses import prove_loss
from backprop.explain.symbolic.network import SymbolicNetwork
from backprop.explain.symbolic.strategies import prove_strategy
from backprop.explain.symbolic.zero import simplified
from backprop.layers import HIDDEN, Layer, Linear, Softmax, find_activation
from backprop.losses import LOSSES, CrossEntropy, Loss, SoftmaxCrossEntropy
from backprop.network import Network
from backprop.options import check_count
from backprop.registry import find_strategy

FUSED = "softmax-cross-entropy"
STRATEGIES = ("full-jacobian", "batched-jacobian", "layerwise-vjp", "short-form")
SUBJECTS = ("linear", *HIDDEN, FUSED, *(name for name in LOSSES if name != CrossEntropy.name))
"""By name; `network` comes beside them."""


def derive(subject: str, size: int) -> Derivation:
    """The derivation of a layer or loss for `size` inputs or classes.

    Raises `UnknownNameError` for another subject and `OptionError` for a size below one.
    """
    if subject not in SUBJECTS:
        raise UnknownNameError("layer", subject, [*SUBJECTS, "network"])
    check_count("inputs", size)
    if subject == FUSED:
        return _of_fused(size)
    if subject in LOSSES:
        return _of_loss(LOSSES[subject](), size)
    return _of_layer(
        Linear(size, 2) if subject == "linear" else find_activation("layer", subject)(size), size
    )


def _of_layer(layer: Layer, size: int) -> Derivation:
    case = SymbolicLayer.of(layer, 1, size)
    y, dy = symbols("y", *case.y.shape), symbols("dy", *case.y.shape)
    closed = layer.input_jacobian(case.params, case.x, y)
    lines = [
        Line("The layer, as its code computes it, for one sample", "y", (matrix(case.y[0]),)),
        Line(
            "Every element of y differentiated by every element of x",
            Derivative("y", "x"),
            (matrix(case.by_input[0]),),
        ),
        Line("The library's closed form of it", Derivative("y", "x"), (matrix(closed[0]),)),
    ]
    for name, jacobian in layer.parameter_jacobians(case.params, case.x, y).items():
        words = f"The same by {name}, its elements side by side: zero wherever an output has another weight"
        lines.append(Line(words, Derivative("y", name), (matrix(jacobian[0].reshape(y.shape[1], -1)),)))
    dx, own = layer.vjp(case.params, case.x, y, dy.copy())
    lines.append(Line("The row vector dy times ∂y/∂x, without the matrix", "dx", (matrix(dx),)))
    for name, tensor in own.items():
        lines.append(Line(f"The row vector dy times ∂y/∂{name}, likewise", f"d{name}", (matrix(tensor),)))
    claims = [claim for n in (1, 2) for claim in prove_layer(layer, n, size)]  # one sample may go another way
    return Derivation(f"The layer {layer.name}, {size} input{'s' * (size > 1)}", tuple(lines), tuple(claims))


def _of_loss(loss: Loss, c: int) -> Derivation:
    y, labels = symbols("y", 1, c), np.zeros(1, int)
    value = np.asarray(loss.value(y, labels), object)[()]
    by_outputs = derivatives(np.asarray(value, object), y[0])
    lines = (
        Line("The loss of one sample, whose label is 0", LOSS, (value,)),
        Line("Differentiated by every output", Derivative(LOSS, "y"), (matrix(by_outputs),)),
        Line("The library's closed form of it", Derivative(LOSS, "y"), (matrix(loss.gradient(y, labels)),)),
    )
    return Derivation(f"The loss {loss.name}, {c} class{'es' * (c > 1)}", lines, tuple(prove_loss(loss, c)))


def _of_fused(c: int) -> Derivation:
    softmax, loss = Softmax(), CrossEntropy()
    case, p, labels = SymbolicLayer.of(softmax, 1, c), symbols("p", 1, c), np.zeros(1, int)
    value = np.asarray(loss.value(p, labels), object)[()]
    row = derivatives(np.asarray(value, object), p[0])[None, :]
    closed = np.asarray(softmax.input_jacobian({}, case.x, p))[0]
    factors = sympy.MatMul(matrix(row), matrix(closed), evaluate=False)
    product = np.frompyfunc(simplified, 1, 1)(row @ closed)
    t = np.eye(c, dtype=object)[labels]
    logits = tidy(SoftmaxCrossEntropy().gradient(case.x, labels))
    lines = (
        Line("Probabilities of the logits x", "p", (matrix(case.y[0]),)),
        Line("The loss of one sample, whose label is 0", LOSS, (value,)),
        Line("The loss by the probabilities", Derivative(LOSS, "p"), (matrix(row),)),
        Line("The probabilities by the logits", Derivative("p", "x"), (matrix(case.by_input[0]),)),
        Line("The same, written with p: p[o] (δ[o,i] - p[i])", Derivative("p", "x"), (matrix(closed),)),
        Line("The chain rule: the 1/p cancels", Derivative(LOSS, "x"), (factors, matrix(product))),
        Line("That is p - t, with t the label one-hot", Derivative(LOSS, "x"), (matrix(np.asarray(p) - t),)),
        Line("What the library computes from the logits at once", Derivative(LOSS, "x"), (matrix(logits),)),
    )
    claims = (*prove_layer(softmax, 2, c), *prove_loss(loss, c))
    return Derivation(f"Softmax and cross-entropy, {c} class{'es' * (c > 1)}", lines, claims)


def derive_network(network: Network, n: int) -> Derivation:
    """The chain rule of a whole network for n samples; four strategies of the library are held against it."""
    check_count("samples", n)
    case = SymbolicNetwork.of(network, n)
    claims = [claim for sample in range(n) for claim in case.prove_factors(sample)]
    for name in STRATEGIES:
        claims += prove_strategy(find_strategy(name), case)
    return Derivation(f"The network {network}, {n} sample{'s' * (n > 1)}", tuple(_chain(case)), tuple(claims))


def _chain(case: SymbolicNetwork) -> Iterator[Line]:
    """Forward, every factor, and every product, of the first sample."""
    names = case.names
    for name, output in zip(names.values[1:], case.outputs, strict=True):
        yield Line("Forward", name, (matrix(output[0]),))
    for factor, row in zip(case.factors(0), case.rows(0), strict=True):
        is_loss = factor.of == LOSS
        rights = (
            (factor.derived,)
            if is_loss or np.array_equal(factor.derived, factor.closed)
            else (
                factor.derived,
                factor.closed,
            )
        )
        words = (
            "The loss by the outputs"
            if is_loss
            else "A factor, by SymPy" + (" and written with the output" * (len(rights) > 1))
        )
        yield Line(words, Derivative(factor.of, factor.by), tuple(matrix(right) for right in rights))
        if not is_loss:
            left = f"∂{LOSS}/∂{factor.of} · ∂{factor.of}/∂{factor.by}"
            shape = names.shapes[factor.by]
            yield Line(
                f"The chain rule, {left}", Derivative(LOSS, factor.by), (matrix(row.closed.reshape(shape)),)
            )
