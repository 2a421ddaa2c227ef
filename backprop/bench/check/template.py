"""The file of `backprop check --template`: the gradient of a network in NumPy, without the layers' derivatives.

Forward pass, loss and backward pass stand there line by line. The derivative of every activation, and the backward
pass of every other layer but the linear ones, is left to the reader: until then the check says "wrong", and names
what is missing.
"""

from __future__ import annotations

import shlex
import string
from collections.abc import Container
from pathlib import Path

from backprop import Network
from backprop.bench.files import check_file, write_file
from backprop.errors import CheckError
from backprop.layers import Elementwise, Layer, Linear

_FUNCTION = "gradient"
_INPUTS = "inputs"

_FILE = '''"""The gradient of {network}, by hand.

Check it:  {command}
{gap}"""

import numpy as np


def {function}(params, inputs, labels):
    """The mean loss over the n samples, and its gradient: an array for every array of params.

{shapes}
    """
    n = len(inputs)
    {targets}

    # Forward pass, layer by layer.
{forward}

    # The loss, and its derivative.
{loss}

    # Backward pass: dz1 is ∂L/∂z1, dW1 is ∂L/∂W1, and so on.
{backward}

    return loss, {{{answer}}}
'''

_ACTIVATION = '''

def {name}(z):
    """The activation, entry by entry."""
{code}


def {name}_derivative(z):
    """The derivative of {name} at every entry of z, an array of the shape of z."""
    return np.ones_like(z)  # TODO: this is the derivative of f(z) = z; write that of {name}
'''

_LAYER = '''

def {name}({given}):
    """The layer {text}: of x (n, {i}) its outputs (n, {o})."""
{code}


def {name}_backward(dy, {given}):
    """∂L/∂{said}, where dy (n, {o}) is that by the outputs."""
    return {zeros}  # TODO: write the backward pass
'''


def write_template(network: Network, target: str | None, options: str, fresh: bool) -> None:
    """Write the starting file for the network, or print it where no target names a file.

    target: mine.py, or mine.py:function. options: those of the `backprop check` that fits the file. Raises
    `OutputError` where the file is there or cannot be written, and `CheckError` for a network that has no such file.
    """
    path, function = target or "", _FUNCTION
    if ":" in path and not path.endswith(".py"):
        path, _, function = path.rpartition(":")
    if not function.isidentifier():
        raise CheckError(f"The function is {function!r}; expected a name such as {_FUNCTION}.")
    command = " ".join(
        filter(None, ["backprop check", shlex.quote(f"{path or 'mine.py'}:{function}"), options])
    )
    text = template(network, function, command)
    if not path:
        print(text, end="")
        return
    check_file(Path(path), (".py",), fresh)
    print(write_file("The file", Path(path), text))
    print(f"Check it: {command}")


def template(network: Network, function: str, command: str) -> str:
    """The text of the file, whose `function` is checked by `command`; raises `CheckError` for layers without code."""
    short = network.short
    functions: dict[str, str] = {}
    forward: list[str] = []
    backward: list[str] = []
    value, number, values = _INPUTS, 0, set[str]()
    for (layer, i, o), names in zip(short.sized, short.names, strict=True):
        number += bool(names)
        result = _unused(f"{'z' if names else 'a'}{number}", values)
        if isinstance(layer, Linear):
            formula, derivatives = _linear(names, value, f"d{result}")
        elif isinstance(layer, Elementwise):
            name = layer.name.replace("-", "_")
            functions[name] = _ACTIVATION.format(name=name, code=_indented(_code(layer)))
            formula, derivatives = f"{name}({value})", [f"d{value} = d{result} * {name}_derivative({value})"]
        else:
            name = _unused(f"{layer.name.replace('-', '_')}{number}", functions)
            functions[name] = _function(name, layer, names, i, o)
            formula, derivatives = _called(name, names, value, result)
        values.add(result)
        forward.append(f"{result} = {formula}")
        backward = derivatives + backward
        value = result
    loss = short.loss_function.code
    if loss is None:
        raise CheckError(
            f"The loss {short.loss_function.name} states no NumPy code; expected a loss that does."
        )
    left = [name for name, text in functions.items() if "_derivative" not in text]
    what = f"The backward pass of {', '.join(left)}" if left else "The derivative of the activation"
    gap = f"\n{what} is left for you, at TODO. Without it the check calls {network.layout.shapes[0][0]} wrong.\n"
    text = _FILE.format(
        network=network,
        command=command,
        function=function,
        gap=gap if functions else "",
        shapes=_shapes(network),
        targets=_targets(network),
        forward=_indented("\n".join(forward)),
        loss=_indented(loss.format(y=value, d=f"d{value}").rstrip("\n")),
        backward=_indented("\n".join(backward)),
        answer=", ".join(f'"{name}": d{name}' for name, _ in network.layout.shapes),
    )
    return text + "".join(functions.values())


def _unused(name: str, used: Container[str]) -> str:
    """The name, or with the first letter after it that makes one that is not used: a1, a1b, a1c."""
    names = (f"{name}{end}" for end in ("", *string.ascii_lowercase[1:]))
    return next(one for one in names if one not in used)


def _function(name: str, layer: Layer, names: dict[str, str], i: int, o: int) -> str:
    """The layer's forward pass, and a backward pass to be written."""
    given = ["x", *names]
    zeros = ", ".join(f"np.zeros_like({one})" for one in given)
    return _LAYER.format(
        name=name,
        given=", ".join(given),
        text=layer.text,
        i=i,
        o=o,
        code=_indented(_code(layer)),
        said=", ∂L/∂".join(given),
        zeros=zeros,
    )


def _called(name: str, names: dict[str, str], x: str, y: str) -> tuple[str, list[str]]:
    """The call of a layer's function, and that of its backward pass."""
    given = ", ".join([x, *(f'params["{one}"]' for one in names.values())])
    made = ", ".join([f"d{x}", *(f"d{one}" for one in names.values())])
    return f"{name}({given})", [f"{made} = {name}_backward(d{y}, {given})"]


def _linear(names: dict[str, str], x: str, dz: str) -> tuple[str, list[str]]:
    """x W + b, and the lines of its backward pass; of the inputs no derivative is needed."""
    weights, bias = names["W"], names.get("b")
    formula, lines = f'{x} @ params["{weights}"]', [f"d{weights} = {x}.T @ {dz}"]
    if bias:
        formula += f' + params["{bias}"]'
        lines.append(f"d{bias} = {dz}.sum(axis=0)")
    if x != _INPUTS:
        lines.append(f'd{x} = {dz} @ params["{weights}"].T')
    return formula, lines


def _targets(network: Network) -> str:
    """The line that makes targets (n, c) of the labels; of one output the label itself is the target."""
    if network.classes == 1:
        return "t = labels[:, None].astype(inputs.dtype)  # (n, 1)"
    classes = network.classes
    return f"t = np.eye({classes}, dtype=inputs.dtype)[labels]  # the labels one-hot, (n, {classes})"


def _code(layer: Layer) -> str:
    if layer.code is None:
        raise CheckError(
            f"The layer {layer.name} states no NumPy code; expected one that does, such as relu."
        )
    return layer.code


def _shapes(network: Network) -> str:
    shapes = [f"{name} {shape}" for name, shape in network.layout.shapes]
    return "\n".join(
        [
            f"    params: a dict of {', '.join(shapes)}.",
            f"    inputs: (n, {network.inputs}). labels: (n,), the class numbers 0 to {network.label_classes - 1}.",
        ]
    )


def _indented(lines: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in lines.split("\n"))
