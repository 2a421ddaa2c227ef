"""The sheet ShortForm: closed forms all the way, no Jacobian."""

from __future__ import annotations

import numpy as np

from backprop.explain.names import LOSS
from backprop.explain.workbook.cells import formula, total
from backprop.explain.workbook.chain import Gradient, parameter_heads
from backprop.explain.workbook.forward import Forward, Inputs
from backprop.explain.workbook.sheet import Block, Cell, Sheet
from backprop.explain.workbook.sources import Sources, heads
from backprop.layers import Linear


def write_short_form(sheet: Sheet, sources: Sources, inputs: Inputs, forward: Forward) -> Gradient:
    """δ from the last layer to the first; dL/dW = xᵀ δ, dL/db = Σ δ."""
    network, names = sources.network, sources.names
    last = len(network.short.layers)  # the value that the loss is derived by
    loss = _loss(sheet, sources, inputs, forward)
    delta, parameters = _first_delta(sheet, sources, inputs, forward, last), {}
    for k in reversed(range(last)):
        for local, name in names.parameters[k].items():
            parameters[name] = _parameter(sheet, sources, name, forward.values[k], delta, local)
        if k > 0:
            delta = _delta(sheet, sources, names.values[k], _vjp(sources, inputs, forward, delta, k))
    return Gradient(loss, parameters)


def _loss(sheet: Sheet, sources: Sources, inputs: Inputs, forward: Forward) -> Block:
    """From the logits where the short form has a loss of logits; otherwise that of the sheet Forward."""
    network, loss = sources.network, sources.network.short.loss_function
    if network.short is network:
        return forward.loss
    z = forward.values[-2]
    losses = sheet.place(
        "ℓ (n,) = log Σi exp z[n,i] - z[n,label]",
        sources.sample_losses,
        "intermediate",
        lambda row, _: formula("value", loss, ys=z.line(row), ts=inputs.t.line(row)),
        (sources.sample_heads, ["ℓ"]),
    )
    mean = sources.short.find(LOSS).array.reshape(1, 1)
    return sheet.place(
        "L: the mean over n", mean, "gradient", lambda *_: f"=AVERAGE({losses.all})", ([""], ["L"])
    )


def _first_delta(sheet: Sheet, sources: Sources, inputs: Inputs, forward: Forward, last: int) -> Block:
    network, t = sources.network, inputs.t
    loss, y, c = network.short.loss_function, forward.values[last], network.classes

    def cell(row: int, column: int) -> str:
        here = {"y": y.at(row, column), "ys": y.line(row), "t": t.at(row, column), "c": c}
        return f"{formula('gradient', loss, **here)}/{sources.n}"

    return _delta(sheet, sources, sources.names.values[last], cell)


def _vjp(sources: Sources, inputs: Inputs, forward: Forward, d: Block, k: int) -> Cell:
    """∂L/∂x of layer k, given where ∂L/∂y stands."""
    layer, x, y = sources.network.layers[k], forward.values[k], forward.values[k + 1]

    def cell(row: int, i: int) -> str:
        if isinstance(layer, Linear):
            weight = inputs.parameters[sources.names.parameters[k]["W"]]
            return total([(d.at(row, o), weight.at(i, o)) for o in range(layer.outputs)])
        places = {"x": x.at(row, i), "y": y.at(row, i), "d": d.at(row, i)}
        return formula("vjp", layer, **places, ys=y.line(row), ds=d.line(row))

    return cell


def _delta(sheet: Sheet, sources: Sources, by: str, cell: Cell) -> Block:
    step = sources.short.find(f"∂L/∂{by}")
    columns = heads(step.letters[1], step.array.shape[1])
    title = f"{step.name} {step.shape_letters} = {step.formula}"
    return sheet.place(title, step.array, "intermediate", cell, (sources.sample_heads, columns))


def _parameter(sheet: Sheet, sources: Sources, name: str, x: Block, delta: Block, local: str) -> Block:
    step = sources.short.find(f"∂L/∂{name}")
    values = np.atleast_2d(step.array)

    def cell(i: int, o: int) -> str:
        if local == "b":
            return "=" + "+".join(delta.at(n, o) for n in range(sources.n))
        return total([(x.at(n, i), delta.at(n, o)) for n in range(sources.n)])

    return sheet.place(f"{step.name} = {step.formula}", values, "gradient", cell, parameter_heads(values))
