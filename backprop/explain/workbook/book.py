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
from backprop.explain.workbook.sheet import (
    COLOURS,
    Block,
    Cell,
    Places,
    Sheet,
    as_rows,
    formats_of,
    formula,
    heads,
    parameter_heads,
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


class Book:
    """A network in cells.

    Before anything is changed, the cells show the arrays of the two traces, full-jacobian and short-form. A sheet
    refers to the blocks of the sheets before it: x, t, the parameters by name, every layer's output by position, the
    loss, and for every sample and layer ∂y/∂x (o, i) and ∂y/∂θ (o, size of θ).
    """

    def __init__(self, explanation: Explanation) -> None:
        self.full, self.short = explanation.traces
        self.network, self.names = explanation.network, self.full.names
        self.answer, self.origin = words.answer(explanation), explanation.origin
        self.labels, self.n = explanation.batch.labels, len(explanation.batch.labels)
        self.samples = heads("n", self.n)
        self.parameters: dict[str, Block] = {}
        self.values: list[Block] = []
        self.by_input: list[list[Block | None]] = []
        self.by_parameter: list[dict[str, Block]] = []

    # Inputs

    def write_inputs(self, sheet: Sheet) -> None:
        """Numbers, not formulas: what a reader may change."""
        classes = self.network.classes
        sheet.say("Change any of the coloured numbers.")
        sheet.say("")
        self.values = [self._numbers(sheet, "x", "x (n, i): the inputs", "input")]
        labels = self.labels.reshape(-1, 1).astype(float)
        column = sheet.place(
            f"labels (n,): classes, 0 to {classes - 1}",
            labels,
            "input whole",
            lambda row, _: float(labels[row, 0]),
            (self.samples, ["label"]),
        )
        sheet.only_classes(column, classes)
        self.t = sheet.place(
            "t (n, c): the labels, one-hot",
            self._given("t"),
            "intermediate whole",
            lambda row, c: f"=IF({column.at(row, 0)}={c},1,0)",
            (self.samples, heads("c", classes)),
        )
        for name, letters in self.names.letters.items():
            title = f"{name} ({', '.join(letters)}{',' * (len(letters) == 1)})"
            self.parameters[name] = self._numbers(sheet, name, title, "parameter")

    def _given(self, name: str) -> Array:
        """x, t or a parameter."""
        return next(step.array for step in self.full.given if step.name == name)

    def _numbers(self, sheet: Sheet, name: str, title: str, colour: str) -> Block:
        array = self._given(name)
        rows = as_rows(array)
        of = parameter_heads(self.names.letters.get(name, "ni"), array.shape)
        return sheet.place(title, rows, colour, lambda k, j: float(rows[k, j]), of)

    # Forward

    def write_forward(self, sheet: Sheet) -> None:
        """z, a, p, ℓ and L."""
        for k in range(len(self.network.layers)):
            self.values.append(self._layer(sheet, k))
        y, loss, classes = self.values[-1], self.network.loss_function, self.network.classes
        losses = sheet.place(
            f"ℓ (n,): {loss.name} of every sample",
            self._sample_losses,
            "intermediate",
            lambda row, _: formula("value", loss, ys=y.line(row), ts=self.t.line(row), c=classes),
            (self.samples, ["ℓ"]),
        )
        self.loss = self._mean(sheet, losses, self.full.find(LOSS).array)

    def _layer(self, sheet: Sheet, k: int) -> Block:
        """The output of layer k."""
        layer, step = self.network.layers[k], self.full.find(self.names.values[k + 1])

        def cell(row: int, column: int) -> str:
            return f"={layer.cell('forward', self._places(row, k), column)}"

        title = f"{step.name} {step.shape_letters} = {step.formula}"
        columns = heads(step.letters[1], step.array.shape[1])
        return sheet.place(title, step.array, "intermediate", cell, (self.samples, columns))

    def _places(self, n: int, k: int, delta: Block | None = None) -> Places:
        """The cells of sample n at layer k, with ∂L/∂y where that is there."""
        own = {local: self.parameters[name] for local, name in self.names.parameters[k].items()}
        return Places(n, self.values[k : k + 2], own, delta)

    def _mean(self, sheet: Sheet, losses: Block, value: Array) -> Block:
        return sheet.place_one(
            "L: the mean over n", float(value), "intermediate", f"=AVERAGE({losses.all})", "L"
        )

    @property
    def _sample_losses(self) -> Array:
        """ℓ as a column (n, 1); of a single sample, ℓ is L."""
        return self.full.find(LOSS if self.n == 1 else SAMPLE_LOSS).array.reshape(self.n, 1)

    # Jacobians

    def write_jacobians(self, sheet: Sheet) -> None:
        """From the last layer to the first, as the chain rule reads them; ∂z₁/∂x is not needed."""
        for n in range(self.n):
            sheet.say(f"Sample n={n}", "part")
            own: dict[str, Block] = {}
            factors: list[Block | None] = []
            for k in reversed(range(len(self.network.layers))):
                for local, name in self.names.parameters[k].items():
                    own[name] = self._by_parameter(sheet, n, k, local)
                factors.insert(0, self._by_input(sheet, n, k) if k > 0 else None)
            self.by_input.append(factors)
            self.by_parameter.append(own)

    def _by_input(self, sheet: Sheet, n: int, k: int) -> Block:
        step = self.full.find(f"∂{self.names.values[k + 1]}/∂{self.names.values[k]}")
        cell = self._local(n, k, "input_jacobian")
        rows, columns = step.array.shape[1:]
        title = f"{step.name} (o, i) = {step.formula}"
        return sheet.place(title, step.array[n], "jacobian", cell, (heads("o", rows), heads("i", columns)))

    def _by_parameter(self, sheet: Sheet, n: int, k: int, local: str) -> Block:
        """∂y/∂θ, the axes of θ in one."""
        name = self.names.parameters[k][local]
        step = self.full.find(f"∂{self.names.values[k + 1]}/∂{name}")
        matrix = step.array[n].reshape(step.array.shape[1], -1)
        columns = [",".join(map(str, index)) for index in np.ndindex(*step.array.shape[2:])]
        letters = self.names.letters[name].replace("o", "o′")
        title = f"{step.name} (o, {','.join(letters).replace(',′', '′')}) = {step.formula}"
        cell = self._local(n, k, f"parameter_jacobians {local}")
        return sheet.place(title, matrix, "jacobian", cell, (heads("o", len(matrix)), columns))

    def _local(self, n: int, k: int, form: str) -> Cell:
        """A Jacobian of layer k; a number that never changes is no formula."""
        layer, places = self.network.layers[k], self._places(n, k)

        def cell(o: int, column: int) -> str | float:
            written = layer.cell(form, places, o, column)
            return f"={written}" if isinstance(written, str) else float(written or 0)

        return cell

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
            of = parameter_heads(self.names.letters[name], step.array.shape)
            parameters[name] = sheet.place(title, as_rows(step.array), "gradient", cell, of)
        return Gradient(self.loss, parameters)

    def _chain_of_sample(self, sheet: Sheet, n: int) -> dict[str, Block]:
        network, names, loss = self.network, self.names, self.network.loss_function
        y, found = self.values[-1], {}

        def of_loss(_: int, c: int) -> str:
            lines = {"ys": y.line(n), "ts": self.t.line(n)}
            return formula("gradient", loss, t=self.t.at(n, c), y=y.at(n, c), c=network.classes, **lines)

        def place(by: str, title: str, cell: Cell) -> Block:
            values = self._of_samples(by)[n]
            of = parameter_heads(names.letters.get(by, "o"), values.shape)
            return sheet.place(title, as_rows(values), "intermediate", cell, of)

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
        mean = self._loss_of_logits(sheet) if network.short is not network else self.loss

        def first(row: int, column: int) -> str:
            here = {
                "y": y.at(row, column),
                "ys": y.line(row),
                "t": self.t.at(row, column),
                "ts": self.t.line(row),
                "c": network.classes,
            }
            return f"{formula('gradient', loss, **here)}/{self.n}"

        delta, parameters = self._delta(sheet, names.values[last], first), {}
        for k in reversed(range(last)):
            for local, name in names.parameters[k].items():
                parameters[name] = self._parameter(sheet, name, k, delta, local)
            if k > 0:
                delta = self._delta(sheet, names.values[k], self._vjp(delta, k))
        return Gradient(mean, parameters)

    def _loss_of_logits(self, sheet: Sheet) -> Block:
        loss, z = self.network.short.loss_function, self.values[-2]
        losses = sheet.place(
            "ℓ (n,) = log Σi exp z[n,i] - z[n,label]",
            self._sample_losses,
            "intermediate",
            lambda row, _: formula("value", loss, ys=z.line(row), ts=self.t.line(row)),
            (self.samples, ["ℓ"]),
        )
        return self._mean(sheet, losses, self.short.find(LOSS).array)

    def _vjp(self, d: Block, k: int) -> Cell:
        """∂L/∂x of layer k, given where ∂L/∂y stands."""
        layer = self.network.layers[k]

        def cell(row: int, i: int) -> str:
            at = self._places(row, k, d)
            closed = layer.cell("vjp", at, i)
            return products([at], layer, "input_jacobian", i) if closed is None else f"={closed}"

        return cell

    def _delta(self, sheet: Sheet, by: str, cell: Cell) -> Block:
        step = self.short.find(f"∂L/∂{by}")
        columns = heads(step.letters[1], step.array.shape[1])
        title = f"{step.name} {step.shape_letters} = {step.formula}"
        return sheet.place(title, step.array, "intermediate", cell, (self.samples, columns))

    def _parameter(self, sheet: Sheet, name: str, k: int, delta: Block, local: str) -> Block:
        """∂L/∂θ: the sum over the samples and what θ enters."""
        step, layer = self.short.find(f"∂L/∂{name}"), self.network.layers[k]
        rows = as_rows(step.array)
        places = [self._places(n, k, delta) for n in range(self.n)]

        def cell(row: int, column: int) -> str:
            number = row * rows.shape[1] + column
            return products(places, layer, f"parameter_jacobians {local}", number)

        of = parameter_heads(self.names.letters[name], step.array.shape)
        return sheet.place(f"{step.name} = {step.formula}", rows, "gradient", cell, of)

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
