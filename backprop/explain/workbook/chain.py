"""The sheet Chain: for every sample a row vector, multiplied with one Jacobian after the other; then the mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array
from backprop.explain.workbook.cells import formula, total
from backprop.explain.workbook.forward import Forward, Inputs
from backprop.explain.workbook.jacobians import Jacobians
from backprop.explain.workbook.sheet import Block, Cell, Sheet
from backprop.explain.workbook.sources import Sources, heads


@dataclass(frozen=True)
class Gradient:
    """Where the loss and its gradient by every parameter stand; a bias is one row."""

    loss: Block
    parameters: dict[str, Block]


def write_chain(
    sheet: Sheet, sources: Sources, inputs: Inputs, forward: Forward, jacobians: Jacobians
) -> Gradient:
    """∂ℓ/∂θ of every sample, and ∂L/∂θ."""
    samples: list[dict[str, Block]] = []
    for n in range(sources.n):
        sheet.say(f"Sample n={n}", "part")
        samples.append(_sample(sheet, sources, inputs, forward, jacobians, n))
    sheet.say("Mean over n", "part")
    parameters = {}
    for own in sources.names.parameters:
        for name in own.values():
            blocks = [sample[name] for sample in samples]
            values = np.atleast_2d(sources.full.find(f"∂L/∂{name}").array)

            def cell(row: int, column: int, blocks: list[Block] = blocks) -> str:
                return f"=({'+'.join(block.at(row, column) for block in blocks)})/{sources.n}"

            title = f"∂L/∂{name} = 1/n Σn ∂ℓ/∂{name}"
            parameters[name] = sheet.place(title, values, "gradient", cell, parameter_heads(values))
    return Gradient(forward.loss, parameters)


def _sample(
    sheet: Sheet, sources: Sources, inputs: Inputs, forward: Forward, jacobians: Jacobians, n: int
) -> dict[str, Block]:
    network, names, loss = sources.network, sources.names, sources.network.loss_function
    y, found = forward.values[-1], {}

    def of_loss(_: int, c: int) -> str:
        return formula("gradient", loss, t=inputs.t.at(n, c), y=y.at(n, c), c=network.classes)

    row = _row(sheet, sources, n, names.outputs, f"∂ℓ/∂{names.outputs}", of_loss)
    for k in reversed(range(len(network.layers))):
        before, after = names.values[k], names.values[k + 1]
        for name in names.parameters[k].values():
            matrix = jacobians.parameters[n][name]
            values = np.atleast_2d(sources.of_samples(name)[n])
            title = f"∂ℓ/∂{name} = ∂ℓ/∂{after} · ∂{after}/∂{name}"
            cell = _times(row, matrix, values.shape[1])
            found[name] = sheet.place(title, values, "intermediate", cell, parameter_heads(values))
        factor = jacobians.inputs[n][k]
        if factor is not None:
            title = f"∂ℓ/∂{before} = ∂ℓ/∂{after} · ∂{after}/∂{before}"
            row = _row(sheet, sources, n, before, title, _times(row, factor, factor.columns))
    return found


def _row(sheet: Sheet, sources: Sources, n: int, by: str, title: str, cell: Cell) -> Block:
    values = sources.of_samples(by)[n][None, :]
    return sheet.place(title, values, "intermediate", cell, ([""], heads("o", values.shape[1])))


def _times(row: Block, matrix: Block, width: int) -> Cell:
    """The product of a row vector and a matrix, whose columns are folded into rows of `width`."""

    def cell(folded: int, column: int) -> str:
        return total([(row.at(0, o), matrix.at(o, folded * width + column)) for o in range(matrix.rows)])

    return cell


def parameter_heads(values: Array) -> tuple[list[str], list[str]]:
    """Of a weight's or bias's array (i, o)."""
    return heads("i", len(values)) if len(values) > 1 else [""], heads("o", values.shape[1])
