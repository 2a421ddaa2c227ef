"""What can be derived, by name: every layer, every loss, a loss with the layer that it follows, a whole network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import sympy

from backprop.arrays import Array
from backprop.errors import UnknownNameError
from backprop.explain.formulas import formula
from backprop.explain.names import LOSS
from backprop.explain.step import Derivative
from backprop.explain.symbolic.arrays import symbols
from backprop.explain.symbolic.claim import Derivation, Line, matrix
from backprop.explain.symbolic.forms import SymbolicLayer, derivatives, prove_layer, prove_loss, tidy
from backprop.explain.symbolic.network import SymbolicNetwork, prove_strategy
from backprop.explain.symbolic.zero import simplified
from backprop.layers import ACTIVATIONS, HIDDEN, Layer, Linear, find_activation
from backprop.losses import LOSSES, Loss
from backprop.network import Network
from backprop.options import check_count
from backprop.registry import ladder

_SHORT = {
    short.name: (layer(), loss())
    for loss in LOSSES.values()
    for layer in ACTIVATIONS.values()
    if (short := loss().after(layer())) is not None
}
"""By the name of a short form, the layer and the loss that it stands for."""

_LONG = {
    name: loss() for name, loss in LOSSES.items() if name not in {loss.name for _, loss in _SHORT.values()}
}
"""The losses that have no short form."""

SUBJECTS = (Linear.name, *HIDDEN, *_SHORT, *_LONG)
"""By name; `network` comes beside them."""


def derive(subject: str, size: int) -> Derivation:
    """The derivation of a layer or loss for `size` inputs or classes.

    A layer may also be one of another package's entry point, or a class in a file, `path/to/file.py:Class`. Raises
    `UnknownNameError` for another subject, `LoadError` for a class that cannot be loaded, and `OptionError` for a
    size below one.
    """
    check_count("inputs", size)
    if subject in _SHORT:
        return _of_short(*_SHORT[subject], size)
    if subject in _LONG:
        return _of_loss(_LONG[subject], size)
    if subject == Linear.name:
        return _of_layer(Linear(size, 2), size)
    try:
        make = find_activation("layer", subject)
    except UnknownNameError:
        if ":" in subject:
            raise
        raise UnknownNameError("layer", subject, [*SUBJECTS, "network"]) from None
    return _of_layer(make(size), size)


def _of_layer(layer: Layer, size: int) -> Derivation:
    case = SymbolicLayer.of(layer, 1, size)
    y, dy = symbols("y", *case.y.shape), symbols("dy", *case.y.shape)
    by_input, closed = case.by_input[0], layer.input_jacobian(case.params, case.x, y)[0]
    lines = [
        Line("The layer, as its code computes it, for one sample", "y", (matrix(case.y[0]),)),
        Line(
            "Every element of y differentiated by every element of x",
            Derivative("y", "x"),
            (matrix(by_input),),
        ),
        Line("The library's closed form of it", Derivative("y", "x"), (matrix(closed),)),
    ]
    for name, jacobian in layer.parameter_jacobians(case.params, case.x, y).items():
        words = f"The same by {name}, its elements side by side: zero wherever an output has another weight"
        lines.append(Line(words, Derivative("y", name), (matrix(jacobian[0].reshape(y.shape[1], -1)),)))
    dx, own = layer.vjp(case.params, case.x, y, dy.copy())
    lines.append(Line("The row vector dy times ∂y/∂x, without the matrix", "dx", (matrix(dx),)))
    for name, tensor in own.items():
        lines.append(Line(f"The row vector dy times ∂y/∂{name}, likewise", f"d{name}", (matrix(tensor),)))
    # One sample may take another way through the code than several.
    claims = [claim for n in (1, 2) for claim in prove_layer(layer, n, size)]
    return Derivation(f"The layer {layer.name}, {size} input{'s' * (size > 1)}", tuple(lines), tuple(claims))


def _classes(c: int) -> str:
    return f"{c} class{'es' * (c > 1)}"


def _of_sample(loss: Loss, y: Array) -> tuple[Line, Array]:
    """The line that states the loss of one sample, whose label is 0, and ∂L/∂y (1, c) by SymPy."""
    value = np.asarray(loss.value(y, np.zeros(1, int)), object)
    line = Line("The loss of one sample, whose label is 0", LOSS, (value[()],))
    return line, derivatives(value, np.asarray(y)[0])[None, :]


def _of_loss(loss: Loss, c: int) -> Derivation:
    y = symbols("y", 1, c)
    stated, row = _of_sample(loss, y)
    closed = matrix(loss.gradient(y, np.zeros(1, int)))
    lines = (
        stated,
        Line("Differentiated by every output", Derivative(LOSS, "y"), (matrix(row),)),
        Line("The library's closed form of it", Derivative(LOSS, "y"), (closed,)),
    )
    return Derivation(f"The loss {loss.name}, {_classes(c)}", lines, tuple(prove_loss(loss, c)))


def _of_short(layer: Layer, loss: Loss, c: int) -> Derivation:
    """A loss after a layer, by the chain rule and by the loss that stands for both."""
    case, p, labels = SymbolicLayer.of(layer, 1, c), symbols("p", 1, c), np.zeros(1, int)
    stated, row = _of_sample(loss, p)
    closed = np.asarray(layer.input_jacobian({}, case.x, p))[0]
    factors = sympy.MatMul(matrix(row), matrix(closed), evaluate=False)
    product = np.frompyfunc(simplified, 1, 1)(row @ closed)
    short = loss.after(layer)
    assert short is not None  # it is in _SHORT
    logits = tidy(short.gradient(case.x, labels))
    lines = [
        Line("The outputs p of the last layer, from its inputs x", "p", (matrix(case.y[0]),)),
        stated,
        Line("The loss by the outputs", Derivative(LOSS, "p"), (matrix(row),)),
        Line("The outputs by the inputs", Derivative("p", "x"), (matrix(case.by_input[0]),)),
        Line(f"The same, written with p: {_closed_form(layer)}", Derivative("p", "x"), (matrix(closed),)),
        Line("The chain rule: the 1/p cancels", Derivative(LOSS, "x"), (factors, matrix(product))),
    ]
    difference = np.asarray(p) - np.eye(c, dtype=object)[labels]
    if not np.frompyfunc(simplified, 1, 1)(product - difference).any():
        lines.append(
            Line("That is p - t, with t the label one-hot", Derivative(LOSS, "x"), (matrix(difference),))
        )
    lines.append(Line("What the library computes from x at once", Derivative(LOSS, "x"), (matrix(logits),)))
    claims = (*prove_layer(layer, 2, c), *prove_loss(loss, c))
    title = f"{layer.name.capitalize()} and {loss.name}, {_classes(c)}"
    return Derivation(title, tuple(lines), claims)


def _closed_form(layer: Layer) -> str:
    """The layer's ∂p/∂x for one sample, as its file states it: p[o] (δ[o,i] - p[i])."""
    return formula("input_jacobian", layer, {"x": "x", "y": "p"}).replace("n,", "")


def derive_network(network: Network, n: int) -> Derivation:
    """The chain rule of a whole network for n samples; the strategies of the ladder are compared with it."""
    check_count("samples", n)
    case = SymbolicNetwork.of(network, n)
    claims = [claim for sample in range(n) for claim in case.prove_factors(sample)]
    for strategy in ladder().values():
        claims += prove_strategy(strategy, case)
    return Derivation(f"The network {network}, {n} sample{'s' * (n > 1)}", tuple(_chain(case)), tuple(claims))


def _chain(case: SymbolicNetwork) -> Iterator[Line]:
    """Forward, every factor, and every product, of the first sample."""
    names = case.names
    for name, output in zip(names.values[1:], case.outputs, strict=True):
        yield Line("Forward", name, (matrix(output[0]),))
    for factor, row in zip(case.factors(0), case.rows(0), strict=True):
        left = Derivative(factor.of, factor.by)
        if factor.of == LOSS:
            yield Line("The loss by the outputs", left, (matrix(factor.derived),))
            continue
        same = np.array_equal(factor.derived, factor.closed)
        rights = (factor.derived,) if same else (factor.derived, factor.closed)
        words = f"Jacobian {left}, by SymPy" + ("" if same else ", and written with the output")
        yield Line(words, left, tuple(map(matrix, rights)))
        product = matrix(row.closed.reshape(names.shapes[factor.by]))
        words = f"The chain rule, {Derivative(LOSS, factor.of)} · {left}"
        yield Line(words, Derivative(LOSS, factor.by), (product,))
