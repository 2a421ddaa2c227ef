"""What can be derived, by name: every layer, every loss, a loss with the layer that it follows, a whole network."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import sympy

from backprop.arrays import Array
from backprop.errors import UnknownNameError, UnsupportedError
from backprop.explain.names import LOSS, formula
from backprop.explain.step import Derivative
from backprop.explain.symbolic.arrays import of_samples
from backprop.explain.symbolic.claim import Derivation, Line, matrix
from backprop.explain.symbolic.forms import SymbolicLayer, derivatives, prove_layer, prove_loss, tidy
from backprop.explain.symbolic.network import SymbolicNetwork, prove_strategy
from backprop.explain.symbolic.zero import simplified
from backprop.layers import ACTIVATIONS, HIDDEN, LAYERS, Layer, Linear, find_activation
from backprop.losses import LOSSES, Loss
from backprop.network import Network
from backprop.notation import read_network
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

_OF_A_SHAPE = {name: kind for name, kind in LAYERS.items() if kind.examples}
"""The layers that are made for a shape: the first example of their file is derived."""

SUBJECTS = tuple(dict.fromkeys([Linear.name, *HIDDEN, *_OF_A_SHAPE, *_SHORT, *_LONG]))
"""By name; `network` comes beside them."""


def derive(subject: str, size: int) -> Derivation:
    """The derivation of a layer or loss for `size` inputs or classes; of a layer for a shape, that of its example.

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
    subject = next((name for name, kind in _OF_A_SHAPE.items() if subject in kind.aliases), subject)
    if subject in _OF_A_SHAPE:
        kind = _OF_A_SHAPE[subject]
        text = kind.derived or kind.examples[0]
        layer = read_network(text)[-1]
        return replace(
            _of_layer(layer, math.prod(layer.input_shape or (size,))), title=f"The layer {subject} in {text}"
        )
    try:
        make = find_activation("layer", subject)
    except UnknownNameError:
        if ":" in subject:
            raise
        raise UnknownNameError("layer", subject, [*SUBJECTS, "network"]) from None
    return _of_layer(make(size), size)


_MARK = "✓: equal to what SymPy derives. The names are those of the methods:"
_LAYER_FORMS = (
    "input_jacobian is ∂y/∂x; parameter_jacobians are ∂y/∂W and ∂y/∂b; input_factor and parameter_factors are the "
    "same as operands of einsum, without the axes along which they only repeat or are zero; derivative is the slope "
    "of every element; vjp is dy · ∂y/∂x; jvp is ∂y/∂x · dx"
)
_LOSS_FORMS = "value is L; sample_values are ℓ of every sample; gradient is ∂L by the outputs"


def _of_layer(layer: Layer, size: int) -> Derivation:
    if layer.underivable:
        raise UnsupportedError(
            f"The layer {layer.name} cannot be derived: {layer.underivable}; expected a layer whose outputs are "
            "formulas of its inputs."
        )
    coupled = layer.lacks.get("input_jacobian")
    case = SymbolicLayer.of(layer, 2 if coupled else 1, size)
    y, dy = of_samples("y", *case.y.shape), of_samples("dy", *case.y.shape)
    names = {"x": "x", "y": "y", "k": LOSS} | {name: name for name in case.params}
    if coupled:
        said = f"The layer {layer.name}, of two samples: {coupled}."
        lines = [Line(said, "y", (matrix(case.y),))]
    else:
        derived, closed = case.by_input[0], np.asarray(layer.input_jacobian(case.params, case.x, y))[0]
        lines = [
            Line(_forward(f"The layer {layer.name}", layer, names), "y", (matrix(case.y[0]),)),
            *_jacobian(layer, names, derived, closed),
            *_of_parameters(layer, case, y),
        ]
    dx, own = layer.vjp(case.params, case.x, y, dy.copy())
    words = "With dy = ∂L/∂y, the library computes the vector-Jacobian product dx = dy · ∂y/∂x without the Jacobian."
    lines.append(Line(words, "dx", (matrix(dx),)))
    for name, tensor in own.items():
        words = f"In the same way it computes d{name} = dy · ∂y/∂{name}, in the shape of {name}."
        lines.append(Line(words, f"d{name}", (matrix(tensor),)))
    # One sample may take another way through the code than several.
    claims = [claim for n in (1, 2) for claim in prove_layer(layer, n, size)]
    title = f"The layer {layer.name}, {size} input{'s' * (size > 1)}"
    return Derivation(title, tuple(lines), tuple(claims), forms=f"{_MARK} {_LAYER_FORMS}.")


def _of_parameters(layer: Layer, case: SymbolicLayer, y: Array) -> Iterator[Line]:
    """The library's Jacobians by the parameters, of one sample."""
    for name, jacobian in layer.parameter_jacobians(case.params, case.x, y).items():
        words = (
            f"The library's Jacobian ∂y/∂{name} has a column for every element of {name}. It is zero wherever an "
            "output does not depend on that element."
        )
        yield Line(words, Derivative("y", name), (matrix(jacobian[0].reshape(y.shape[1], -1)),))


def _forward(who: str, layer: Layer, names: dict[str, str], *, several: bool = False) -> str:
    """What a layer computes, in a sentence, with the formula of its file."""
    text = _stated("forward", layer, names, several)
    return f"{who} computes {names['y']}{text and ' = '}{text}."


def _jacobian(
    layer: Layer,
    names: dict[str, str],
    derived: Array,
    closed: Array,
    by: str = "x",
    *,
    several: bool = False,
) -> Iterator[Line]:
    """The Jacobian by SymPy and, where the library writes it in another way, that of the library.

    The library's has the formula of the layer's file with it, where the output is in it.
    """
    of, output = names["y"], f"{names['y']}["
    left = Derivative(of, by)
    words = f"SymPy differentiates every element of {of} by every element of {by}: the Jacobian {left}."
    yield Line(words, left, (matrix(derived),))
    if np.array_equal(derived, closed):
        return
    words = "The library writes the same Jacobian in another way."
    symbols = {symbol.name for element in closed.flat for symbol in sympy.sympify(element).free_symbols}
    if any(name.startswith(output) for name in symbols):
        text = _stated("input_jacobian", layer, names, several)
        stated = f": {text}" if output in text else ""
        words = f"The library writes the same Jacobian with the output {of}{stated}."
    yield Line(words, left, (matrix(closed),))


def _stated(form: str, layer: Layer, names: dict[str, str], several: bool) -> str:
    """The formula in the layer's file, in the notation of symbols: [z > 0] is θ(z), and one sample has no index n."""
    text = re.sub(r"\[(\S+) > 0\]", r"θ(\1)", formula(form, layer, names))
    return text if several else text.replace("[n,", "[")


def _classes(c: int) -> str:
    return f"{c} class{'es' * (c > 1)}"


def _label(c: int) -> str:
    """What is said of the label, which is class 0 in every derivation of one sample."""
    return f"The label of the sample is class 0; one-hot it is t = [{', '.join(['1'] + ['0'] * (c - 1))}]."


def _of_sample(loss: Loss, y: Array) -> tuple[Line, Array]:
    """The line that states the loss of one sample, whose label is 0, and ∂L/∂y (1, c) by SymPy."""
    value = np.asarray(loss.value(y, np.zeros(1, int)), object)
    line = Line(f"The loss is {loss.name}, of one sample whose label is class 0.", LOSS, (value[()],))
    return line, derivatives(value, np.asarray(y)[0])[None, :]


_BY_OUTPUT = "SymPy differentiates the loss by every output."


def _of_loss(loss: Loss, c: int) -> Derivation:
    y = of_samples("y", 1, c)
    stated, row = _of_sample(loss, y)
    closed = matrix(loss.gradient(y, np.zeros(1, int)))
    lines = (
        stated,
        Line(_BY_OUTPUT, Derivative(LOSS, "y"), (matrix(row),)),
        Line("The library computes the same.", Derivative(LOSS, "y"), (closed,)),
    )
    title, forms = f"The loss {loss.name}, {_classes(c)}", f"{_MARK} {_LOSS_FORMS}."
    return Derivation(title, lines, tuple(prove_loss(loss, c)), given=_label(c), forms=forms)


def _of_short(layer: Layer, loss: Loss, c: int) -> Derivation:
    """A loss after a layer, by the chain rule and by the loss that stands for both."""
    case, p, labels = SymbolicLayer.of(layer, 1, c), of_samples("p", 1, c), np.zeros(1, int)
    stated, row = _of_sample(loss, p)
    derived, closed = case.by_input[0], np.asarray(layer.input_jacobian({}, case.x, p))[0]
    factors = sympy.MatMul(matrix(row), matrix(closed), evaluate=False)
    product = np.frompyfunc(simplified, 1, 1)(row @ closed)
    short = loss.after(layer)
    assert short is not None  # it is in _SHORT
    logits = tidy(short.gradient(case.x, labels))
    names = {"x": "x", "y": "p", "k": LOSS}
    of_loss = Derivative(LOSS, "x")
    forward = [Line(_forward(f"The layer {layer.name}", layer, names), "p", (matrix(case.y[0]),)), stated]
    backward = [
        Line(_BY_OUTPUT, Derivative(LOSS, "p"), (matrix(row),)),
        *_jacobian(layer, names, derived, closed),
        Line(
            "The chain rule multiplies ∂L/∂p · ∂p/∂x, and 1/p cancels.", of_loss, (factors, matrix(product))
        ),
        Line("The library's short form computes the same from x at once.", of_loss, (matrix(logits),)),
    ]
    result, difference = "", np.asarray(p) - np.eye(c, dtype=object)[labels]
    if not np.frompyfunc(simplified, 1, 1)(product - difference).any():
        result = f"{of_loss} = p - t"
        both = (sympy.Symbol("p") - sympy.Symbol("t"), matrix(difference))
        backward.append(Line("So the gradient is the outputs minus the one-hot label.", of_loss, both))
    lines = [replace(line, part="Forward") for line in forward]
    lines += [replace(line, part="Backward") for line in backward]
    claims = (*prove_layer(layer, 2, c), *prove_loss(loss, c))
    title = f"{layer.name.capitalize()} and {loss.name}, {_classes(c)}"
    forms = f"{_MARK} {_LAYER_FORMS}; {_LOSS_FORMS}."
    return Derivation(title, tuple(lines), claims, _label(c), result, forms)


def derive_network(network: Network, n: int) -> Derivation:
    """The chain rule of a whole network for n samples; the strategies of the ladder are compared with it."""
    check_count("samples", n)
    case = SymbolicNetwork.of(network, n)
    claims = [claim for sample in range(n) for claim in case.prove_factors(sample)]
    for strategy in ladder().values():
        claims += prove_strategy(strategy, case)
    labels = [f"{k} is class {label}" for k, label in enumerate(case.batch.labels)]
    given = f"The label of sample {', of sample '.join(labels)}."
    if n > 1:
        given += f" The lines show sample 0; the gradient is the sum over the {n} samples."
    forms = (
        "✓: equal to what SymPy derives. First come the Jacobians, as the layers' own code writes them; then the "
        "gradients, as every strategy's own code computes them."
    )
    title = f"The network {network}, {n} sample{'s' * (n > 1)}"
    return Derivation(title, tuple(_chain(case)), tuple(claims), given, forms=forms)


def _chain(case: SymbolicNetwork) -> Iterator[Line]:
    """Forward, every factor, and every product, of the first sample."""
    names, network, several = case.names, case.network, len(case.batch.inputs) > 1
    called = [
        names.parameters[k] | {"x": names.values[k], "y": names.values[k + 1], "k": LOSS}
        for k in range(len(network.layers))
    ]
    for k, (layer, output) in enumerate(zip(network.layers, case.outputs, strict=True)):
        words = _forward(f"Layer {k + 1}, {layer.name},", layer, called[k], several=several)
        yield Line(words, called[k]["y"], (matrix(output[0]),), "Forward")
    loss = network.loss_function
    value = np.asarray(loss.value(case.values[-1], case.batch.labels), object)
    yield Line(f"The loss is {loss.name}.", LOSS, (value[()],), "Forward")
    for factor, row in zip(case.factors(0), case.rows(0), strict=True):
        left = Derivative(factor.of, factor.by)
        if factor.of == LOSS:
            yield Line(_BY_OUTPUT, left, (matrix(factor.derived),), f"Backward: the loss, {loss.name}")
            continue
        k = names.layer_of(factor.by)
        layer, part = network.layers[k], f"Backward: layer {k + 1}, {network.layers[k].name}"
        lines = _jacobian(layer, called[k], factor.derived, factor.closed, factor.by, several=several)
        yield from (replace(line, part=part) for line in lines)
        product = matrix(row.closed.reshape(names.shapes[factor.by]))
        words = f"The chain rule multiplies {Derivative(LOSS, factor.of)} · {left}."
        yield Line(words, Derivative(LOSS, factor.by), (product,), part)
