"""The sheet Jacobians: every local derivative as the full matrix that it is, sample by sample."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from backprop.explain.workbook.cells import formula
from backprop.explain.workbook.forward import Forward, Inputs
from backprop.explain.workbook.sheet import Block, Sheet
from backprop.explain.workbook.sources import Sources, heads
from backprop.layers import Elementwise, Linear


@dataclass(frozen=True)
class Jacobians:
    """For every sample and layer: ∂y/∂x (o, i), and ∂y/∂θ (o, size of θ) by θ's name."""

    inputs: list[list[Block | None]]
    parameters: list[dict[str, Block]]


def write_jacobians(sheet: Sheet, sources: Sources, inputs: Inputs, forward: Forward) -> Jacobians:
    """From the last layer to the first, as the chain rule reads them; ∂z₁/∂x is not needed."""
    by_input: list[list[Block | None]] = []
    by_parameter: list[dict[str, Block]] = []
    for n in range(sources.n):
        sheet.say(f"Sample n={n}", "part")
        own: dict[str, Block] = {}
        factors: list[Block | None] = []
        for k in reversed(range(len(sources.network.layers))):
            for local, name in sources.names.parameters[k].items():
                own[name] = _by_parameter(sheet, sources, forward, n, k, local)
            factors.insert(0, _by_input(sheet, sources, inputs, forward, n, k) if k > 0 else None)
        by_input.append(factors)
        by_parameter.append(own)
    return Jacobians(by_input, by_parameter)


def _by_input(sheet: Sheet, sources: Sources, inputs: Inputs, forward: Forward, n: int, k: int) -> Block:
    layer, names = sources.network.layers[k], sources.names
    x, y = forward.values[k], forward.values[k + 1]
    step = sources.full.find(f"∂{names.values[k + 1]}/∂{names.values[k]}")

    def cell(o: int, i: int) -> str | float:
        if isinstance(layer, Linear):
            return "=" + inputs.parameters[names.parameters[k]["W"]].at(i, o)
        places = {"x": x.at(n, o), "y": y.at(n, o)}
        if isinstance(layer, Elementwise):
            return formula("derivative", layer, **places) if o == i else 0.0
        return formula("input_jacobian", layer, **places, yi=y.at(n, i), same=int(o == i))

    rows, columns = step.array.shape[1:]
    return sheet.place(
        f"{step.name} (o, i) = {step.formula}",
        step.array[n],
        "jacobian",
        cell,
        (heads("o", rows), heads("i", columns)),
    )


def _by_parameter(sheet: Sheet, sources: Sources, forward: Forward, n: int, k: int, local: str) -> Block:
    name, x = sources.names.parameters[k][local], forward.values[k]
    step = sources.full.find(f"∂{sources.names.values[k + 1]}/∂{name}")
    matrix = step.array[n].reshape(step.array.shape[1], -1)
    outputs = len(matrix)

    def cell(o: int, column: int) -> str | float:
        i, other = divmod(column, outputs)
        if o != other:
            return 0.0
        return "=" + x.at(n, i) if local == "W" else 1.0

    columns = [",".join(map(str, index)) for index in itertools.product(*map(range, step.array.shape[2:]))]
    letters = "i,o′" if local == "W" else "o′"
    return sheet.place(
        f"{step.name} (o, {letters}) = {step.formula}",
        matrix,
        "jacobian",
        cell,
        (heads("o", outputs), columns),
    )
