"""A network in cells: what may be changed, the forward pass, and every Jacobian of every sample."""

from __future__ import annotations

from backprop.arrays import Array
from backprop.explain import words
from backprop.explain.explanation import Explanation
from backprop.explain.names import LOSS, SAMPLE_LOSS
from backprop.explain.numbers import heads, primed
from backprop.explain.step import Step, Trace
from backprop.explain.workbook.sheet import Block, Cell, Places, Sheet, array_heads, as_rows, loss_cell
from backprop.losses import Loss


class NetworkInCells:
    """Sheets of a network.

    Before anything is changed, the cells show the arrays of the two traces, full-jacobian and short-form. A sheet
    refers to the blocks of the sheets before it: x, t, the parameters by name, every layer's output by position, the
    loss, and for every sample and layer ∂y/∂x (o, i) and ∂y/∂θ (o, size of θ).
    """

    def __init__(self, explanation: Explanation) -> None:
        self.full, self.short = explanation.traces
        self.network, self.names = explanation.network, self.full.names
        self.answer, self.origin = words.answer(explanation), explanation.origin
        self.labels, self.n = explanation.batch.labels, len(explanation.batch.labels)
        self.samples = heads("n", (self.n,))
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
            (self.samples, heads("c", (classes,))),
        )
        for name, letters in self.names.letters.items():
            title = f"{name} ({', '.join(letters)}{',' * (len(letters) == 1)})"
            self.parameters[name] = self._numbers(sheet, name, title, "parameter")

    def _given(self, name: str) -> Array:
        """x, t or a parameter."""
        return next(step.array for step in self.full.given if step.name == name)

    def _numbers(self, sheet: Sheet, name: str, title: str, colour: str) -> Block:
        rows = as_rows(self._given(name))
        return self._array(
            sheet, title, name, self._given(name), colour, lambda k, j: float(rows[k, j]), axes="ni"
        )

    def _array(
        self, sheet: Sheet, title: str, name: str, array: Array, colour: str, cell: Cell, axes: str = ""
    ) -> Block:
        """A parameter or a derivative by one, or another array of these axes."""
        return sheet.place(
            title, as_rows(array), colour, cell, array_heads(self.names.letters.get(name, axes), array.shape)
        )

    # Forward

    def write_forward(self, sheet: Sheet) -> None:
        """z, a, p, ℓ and L."""
        for k in range(len(self.network.layers)):
            self.values.append(self._layer(sheet, k))
        self.loss = self._loss(sheet, self.full, self.network.loss_function, self.values[-1])

    def _loss(self, sheet: Sheet, trace: Trace, loss: Loss, y: Block) -> Block:
        """ℓ of every sample, and their mean L."""
        classes = self.network.classes
        losses = sheet.place(
            f"ℓ (n,): {loss.name} of every sample",
            self.full.find(LOSS if self.n == 1 else SAMPLE_LOSS).array.reshape(self.n, 1),
            "intermediate",
            lambda row, _: loss_cell("value", loss, ys=y.line(row), ts=self.t.line(row), c=classes),
            (self.samples, ["ℓ"]),
        )
        value = float(trace.find(LOSS).array)
        return sheet.place_one("L: the mean over n", value, "intermediate", f"=AVERAGE({losses.all})", "L")

    def _layer(self, sheet: Sheet, k: int) -> Block:
        """The output of layer k."""
        layer, step = self.network.layers[k], self.full.find(self.names.values[k + 1])

        def cell(row: int, column: int) -> str:
            return f"={layer.cell('forward', self._places(row, k), column)}"

        return self._by_sample(sheet, step, cell)

    def _by_sample(self, sheet: Sheet, step: Step, cell: Cell) -> Block:
        """An array with a row for every sample, and its formula in words."""
        title = f"{step.name} {step.shape_letters} = {step.formula}"
        columns = heads(step.letters[1], step.array.shape[1:])
        return sheet.place(title, step.array, "intermediate", cell, (self.samples, columns))

    def _places(self, n: int, k: int, delta: Block | None = None) -> Places:
        """The cells of sample n at layer k, with ∂L/∂y where that is there."""
        own = {local: self.parameters[name] for local, name in self.names.parameters[k].items()}
        return Places(n, self.values[k : k + 2], own, delta)

    # Jacobians

    def write_jacobians(self, sheet: Sheet) -> None:
        """From the last layer to the first, as the chain rule reads them; ∂z₁/∂x is not needed."""
        for n in range(self.n):
            sheet.say(f"Sample n={n}", "part")
            own: dict[str, Block] = {}
            factors: list[Block | None] = []
            for k in reversed(range(len(self.network.layers))):
                for local, name in self.names.parameters[k].items():
                    form = f"parameter_jacobians {local}"
                    own[name] = self._jacobian(sheet, n, k, name, form, self.names.letters[name])
                by_input = (sheet, n, k, self.names.values[k], "input_jacobian", "i")
                factors.insert(0, self._jacobian(*by_input) if k > 0 else None)
            self.by_input.append(factors)
            self.by_parameter.append(own)

    def _jacobian(self, sheet: Sheet, n: int, k: int, by: str, form: str, axes: str) -> Block:
        """∂y/∂by of a sample at layer k, the axes of `by` in one; a number that never changes is no formula."""
        layer, places = self.network.layers[k], self._places(n, k)
        step = self.full.find(f"∂{self.names.values[k + 1]}/∂{by}")
        _, o, *shape = step.array.shape

        def cell(row: int, column: int) -> str | float:
            written = layer.cell(form, places, row, column)
            return f"={written}" if isinstance(written, str) else float(written or 0)

        letters = primed(f"o{axes}")
        title = f"{step.name} (o, {','.join(letters[1:])}) = {step.formula}"
        columns = array_heads(letters, (o, *shape))[1] if shape else ("",)
        return sheet.place(title, step.array[n].reshape(o, -1), "jacobian", cell, (heads("o", (o,)), columns))
