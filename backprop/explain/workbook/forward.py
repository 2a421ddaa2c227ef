"""The sheets Inputs and Forward: the numbers to change, and every layer's output."""

from __future__ import annotations

from dataclasses import dataclass

from backprop.explain.names import LOSS
from backprop.explain.workbook.cells import formula, total
from backprop.explain.workbook.sheet import Block, Sheet
from backprop.explain.workbook.sources import Sources, heads
from backprop.layers import Linear


@dataclass(frozen=True)
class Inputs:
    """Where x, the one-hot labels and the parameters stand; a bias is one row."""

    x: Block
    t: Block
    parameters: dict[str, Block]


@dataclass(frozen=True)
class Forward:
    """Where x and every layer's output stand, by position, and L."""

    values: list[Block]
    loss: Block


def write_inputs(sheet: Sheet, sources: Sources) -> Inputs:
    """Numbers, not formulas: what a reader may change."""
    network = sources.network
    sheet.say("Change any of the coloured numbers.")
    sheet.space()
    x = _numbers(sheet, sources, "x", "input", "x (n, i): the inputs", "n", "i")
    labels = sources.labels.reshape(-1, 1).astype(float)
    column = sheet.place(
        f"labels (n,): classes, 0 to {network.classes - 1}",
        labels,
        "input whole",
        lambda row, _: float(labels[row, 0]),
        (sources.sample_heads, ["label"]),
    )
    sheet.only_classes(column, network.classes)
    t = sheet.place(
        "t (n, c): the labels, one-hot",
        sources.given("t"),
        "intermediate whole",
        lambda row, c: f"=IF({column.at(row, 0)}={c},1,0)",
        (sources.sample_heads, heads("c", network.classes)),
    )
    parameters = {}
    for own in sources.names.parameters:
        for local, name in own.items():
            shape = "(i, o)" if local == "W" else "(o,)"
            parameters[name] = _numbers(sheet, sources, name, "parameter", f"{name} {shape}", "i", "o")
    return Inputs(x, t, parameters)


def _numbers(
    sheet: Sheet, sources: Sources, name: str, colour: str, title: str, row: str, column: str
) -> Block:
    array = sources.given(name)
    rows = (
        heads(row, len(array))
        if len(array) > 1 or name == "x" or len(sources.names.shapes[name]) > 1
        else [""]
    )
    return sheet.place(
        title, array, colour, lambda k, j: float(array[k, j]), (rows, heads(column, array.shape[1]))
    )


def write_forward(sheet: Sheet, sources: Sources, inputs: Inputs) -> Forward:
    """z, a, p, ℓ and L."""
    values = [inputs.x]
    for k in range(len(sources.network.layers)):
        values.append(_layer(sheet, sources, inputs, values[k], k))
    network = sources.network
    y, loss = values[-1], network.loss_function
    losses = sheet.place(
        f"ℓ (n,): {loss.name} of every sample",
        sources.sample_losses,
        "intermediate",
        lambda row, _: formula("value", loss, ys=y.line(row), ts=inputs.t.line(row), c=network.classes),
        (sources.sample_heads, ["ℓ"]),
    )
    mean = sources.full.find(LOSS).array.reshape(1, 1)
    title = "L: the mean over n"
    average = sheet.place(title, mean, "gradient", lambda *_: f"=AVERAGE({losses.all})", ([""], ["L"]))
    return Forward(values, average)


def _layer(sheet: Sheet, sources: Sources, inputs: Inputs, x: Block, k: int) -> Block:
    """The output of layer k, whose input stands at `x`."""
    layer, own = sources.network.layers[k], sources.names.parameters[k]
    step = sources.full.find(sources.names.values[k + 1])

    def cell(row: int, column: int) -> str:
        if isinstance(layer, Linear):
            weight, bias = inputs.parameters[own["W"]], inputs.parameters[own["b"]]
            terms = [(x.at(row, i), weight.at(i, column)) for i in range(layer.inputs)]
            return f"{total(terms)}+{bias.at(0, column)}"
        return formula("forward", layer, x=x.at(row, column), xs=x.line(row))

    title = f"{step.name} {step.shape_letters} = {step.formula}"
    columns = heads(step.letters[1], step.array.shape[1])
    return sheet.place(title, step.array, "intermediate", cell, (sources.sample_heads, columns))
