"""The workbook as a whole: its sheets, in the order in which a derivation goes."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from xlsxwriter import Workbook

from backprop.arrays import Array
from backprop.explain import words
from backprop.explain.explanation import Explanation
from backprop.explain.names import LOSS, SAMPLE_LOSS
from backprop.explain.workbook.network import NetworkInCells
from backprop.explain.workbook.sheet import (
    COLOURS,
    Block,
    Cell,
    Sheet,
    as_rows,
    formats_of,
    loss_cell,
    products,
)
from backprop.layers.cells import total

TOLERANCE = "1E-12"
AGREE, DIFFER = "both ways agree", "THE TWO WAYS DIFFER"


def write(explanation: Explanation) -> bytes:
    """All sheets, as the bytes of a file."""
    memory = io.BytesIO()
    with Workbook(memory, {"in_memory": True}) as file:
        formats = formats_of(file)
        names = ("Start", "Inputs", "Forward", "Jacobians", "Chain", "ShortForm", "Agreement")
        start, inputs, forward, jacobians, chain, short, agreement = (
            Sheet(file, name, formats) for name in names
        )
        book = Book(explanation)
        book.write_inputs(inputs)
        book.write_forward(forward)
        book.write_jacobians(jacobians)
        ways = {"Chain": book.write_chain(chain), "ShortForm": book.write_short_form(short)}
        verdict = book.write_agreement(agreement, *ways.values())
        book.write_start(start, f"Every matrix of {explanation.title}", ways, verdict)
    return memory.getvalue()


@dataclass(frozen=True)
class Gradient:
    """Where the loss and its gradient by every parameter stand; a bias is one row."""

    loss: Block
    parameters: dict[str, Block]


class Book(NetworkInCells):
    """The whole workbook: both ways to the gradient, whether they agree, and the first sheet."""

    # Chain: for every sample a row vector, multiplied with one Jacobian after the other; then the mean

    def write_chain(self, sheet: Sheet) -> Gradient:
        """∂ℓ/∂θ of every sample, and ∂L/∂θ."""
        samples: list[dict[str, Block]] = []
        for n in range(self.n):
            sheet.say(f"Sample n={n}", "part")
            samples.append(self._chain_of_sample(sheet, n))
        sheet.say("Mean over n", "part")
        parameters = {}
        for name in self.names.letters:
            blocks = [sample[name] for sample in samples]
            step = self.full.find(f"∂L/∂{name}")

            def cell(row: int, column: int, blocks: list[Block] = blocks) -> str:
                return f"=({'+'.join(block.at(row, column) for block in blocks)})/{self.n}"

            title = f"∂L/∂{name} = 1/n Σn ∂ℓ/∂{name}"
            parameters[name] = self._array(sheet, title, name, step.array, "gradient", cell)
        return Gradient(self.loss, parameters)

    def _chain_of_sample(self, sheet: Sheet, n: int) -> dict[str, Block]:
        network, names, loss = self.network, self.names, self.network.loss_function
        y, found = self.values[-1], {}

        def of_loss(_: int, c: int) -> str:
            lines = {"ys": y.line(n), "ts": self.t.line(n)}
            return loss_cell("gradient", loss, t=self.t.at(n, c), y=y.at(n, c), c=network.classes, **lines)

        def place(by: str, title: str, cell: Cell) -> Block:
            return self._array(sheet, title, by, self._of_samples(by)[n], "intermediate", cell, axes="o")

        row = place(names.outputs, f"∂ℓ/∂{names.outputs}", of_loss)
        for k in reversed(range(len(network.layers))):
            before, after = names.values[k], names.values[k + 1]
            for name in names.parameters[k].values():
                title = f"∂ℓ/∂{name} = ∂ℓ/∂{after} · ∂{after}/∂{name}"
                cell = _times(row, self.by_parameter[n][name], self.parameters[name].columns)
                found[name] = place(name, title, cell)
            factor = self.by_input[n][k]
            if factor is not None:
                title = f"∂ℓ/∂{before} = ∂ℓ/∂{after} · ∂{after}/∂{before}"
                row = place(before, title, _times(row, factor, factor.columns))
        return found

    def _of_samples(self, by: str) -> Array:
        """∂ℓ/∂by (n, …) of full-jacobian; of a single sample, ℓ is L."""
        of = LOSS if self.n == 1 else SAMPLE_LOSS
        return self.full.find(f"∂{of}/∂{by}").array.reshape(self.n, *self.names.shapes[by])

    # Short form: closed forms all the way, no Jacobian

    def write_short_form(self, sheet: Sheet) -> Gradient:
        """δ from the last layer to the first; dL/dW = xᵀ δ, dL/db = Σ δ."""
        network, names = self.network, self.names
        last = len(network.short.layers)  # the position of the value by which the loss is derived
        loss, y = network.short.loss_function, self.values[last]
        mean = self._loss(sheet, self.short, loss, y) if network.short is not network else self.loss

        def first(row: int, column: int) -> str:
            here = {
                "y": y.at(row, column),
                "ys": y.line(row),
                "t": self.t.at(row, column),
                "ts": self.t.line(row),
                "c": network.classes,
            }
            return f"{loss_cell('gradient', loss, **here)}/{self.n}"

        delta, parameters = self._by_sample(sheet, self.short.find(f"∂L/∂{names.values[last]}"), first), {}
        for k in reversed(range(last)):
            for local, name in names.parameters[k].items():
                parameters[name] = self._parameter(sheet, name, k, delta, local)
            if k > 0:
                step = self.short.find(f"∂L/∂{names.values[k]}")
                delta = self._by_sample(sheet, step, self._vjp(delta, k))
        return Gradient(mean, parameters)

    def _vjp(self, d: Block, k: int) -> Cell:
        """∂L/∂x of layer k, given where ∂L/∂y stands."""
        layer = self.network.layers[k]

        def cell(row: int, i: int) -> str:
            at = self._places(row, k, d)
            closed = layer.cell("vjp", at, i)
            return products([at], layer, "input_jacobian", i) if closed is None else f"={closed}"

        return cell

    def _parameter(self, sheet: Sheet, name: str, k: int, delta: Block, local: str) -> Block:
        """∂L/∂θ: the sum over the samples and what θ enters."""
        step, layer = self.short.find(f"∂L/∂{name}"), self.network.layers[k]
        places = [self._places(n, k, delta) for n in range(self.n)]
        width = as_rows(step.array).shape[1]

        def cell(row: int, column: int) -> str:
            return products(places, layer, f"parameter_jacobians {local}", row * width + column)

        return self._array(sheet, f"{step.name} = {step.formula}", name, step.array, "gradient", cell)

    # Agreement and Start

    def write_agreement(self, sheet: Sheet, chain: Gradient, short: Gradient) -> Block:
        """The largest difference of every gradient, and the verdict; relative to 1 or the largest gradient."""
        sheet.say(
            "The largest difference between the sheets Chain and ShortForm, by parameter and of the loss"
        )
        pairs = {f"∂L/∂{name}": (block, short.parameters[name]) for name, block in chain.parameters.items()}
        pairs[LOSS] = (chain.loss, short.loss)
        blocks = list(pairs.values())
        differences = [
            np.max(np.abs(self.full.find(name).array - self.short.find(name).array)) for name in pairs
        ]
        block = sheet.place(
            "max |Chain - ShortForm|",
            np.array(differences)[:, None],
            "small",
            lambda row, _: "=SUMPRODUCT(MAX(ABS({}-{})))".format(*(block.all for block in blocks[row])),
            (list(pairs), [""]),
        )
        largest = ",".join(f"SUMPRODUCT(MAX(ABS({first.all})))" for first, _ in blocks)
        cell = f'=IF(MAX({block.all})<={TOLERANCE}*MAX(1,{largest}),"{AGREE}","{DIFFER}")'
        return sheet.place_one(f"Agreement to {TOLERANCE} of 1 or the largest number", AGREE, "verdict", cell)

    def write_start(self, sheet: Sheet, title: str, ways: dict[str, Gradient], verdict: Block) -> None:
        """What the workbook is, the colours, L both ways, and the verdict."""
        sheet.say(title, "name")
        sheet.say(f"{self.answer}.")
        sheet.say(
            "Change a number on the sheet Inputs: every other cell is a formula, and all of them follow."
        )
        sheet.say(self.origin)
        sheet.say("")
        sheet.place_one("Chain rule and short form", AGREE, "verdict", f"={verdict.at(0, 0)}")
        for (way, gradient), trace in zip(ways.items(), (self.full, self.short), strict=True):
            value = float(trace.find(LOSS).array)
            sheet.place_one(f"L on the way of {way}", value, "intermediate", f"={gradient.loss.at(0, 0)}")
        sheet.say("Colours", "part")
        for name in COLOURS:
            sheet.say(name, name)
        sheet.say("")
        sheet.say("Letters", "part")
        for sentence in words.letters().replace(". ", ".\n").replace("; ", "\n").splitlines():
            sheet.say(sentence)


def _times(row: Block, matrix: Block, width: int) -> Cell:
    """The product of a row vector and a matrix, whose columns are folded into rows of `width`."""

    def cell(folded: int, column: int) -> str:
        return "=" + total((row.at(0, o), matrix.at(o, folded * width + column)) for o in range(matrix.rows))

    return cell
