"""The recorder: turns the calls of a watched network, and the products of what they return, into steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.explain.names import LOSS, SAMPLE_LOSS, Names, formula, of_one_sample, plain_name
from backprop.explain.observed import Observer, address, plain
from backprop.explain.step import Derivative, Kind, Quantity, Step, StepBuilder
from backprop.explain.watched import Call, on_arrays
from backprop.layers import EinsumFactor, Layer
from backprop.losses import Loss
from backprop.network import Batch, Network
from backprop.parameters import Parameters


class Samples:
    """The samples that a call is about: a strategy may take all at once or one by one, and again on its way back.

    What a call is handed, a layer's input or output, is compared with the values of every sample in a forward pass.

    now: the samples of the latest call, in its order; none where it was about other numbers.
    strange: the value that a call computed of other numbers than the batch's, by its name; None where none did.
    parts: how many samples a call took at once, where these are neither one nor all; None where no call did.
    """

    def __init__(self, network: Network, params: Parameters, batch: Batch) -> None:
        self._values = network.activations(params, batch.inputs)
        self._names = Names.of(network).values
        self._inputs = batch.inputs
        self._seen: set[int] = set()
        self.now = list(range(len(batch.inputs)))
        self.strange: str | None = None
        self.parts: int | None = None

    def look(self, call: Call) -> None:
        """Find the samples of a call that is about to be made."""
        of_loss = isinstance(call.subject, Loss)
        places = {"y": call.position} if of_loss else {"x": call.position, "y": call.position + 1}
        given = [
            (self._values[k], call.arguments[name]) for name, k in places.items() if name in call.arguments
        ]
        # Either of both will do: a layer's output may have been written over its input, and then over that output.
        found = [samples for samples in (self._found(*pair) for pair in given) if samples is not None]
        # A derivative that reads neither is right whatever has been written over both.
        layer = call.subject
        reads = isinstance(layer, Loss) or call.form == "forward" or layer.reads_input or layer.reads_output
        if not given or not (found or reads):
            return
        self.now = found[0] if found else []
        self._seen |= set(self.now)
        if not found:
            self.strange = self.strange or self._names[places["y"]]
        elif len(self.now) not in (1, len(self._inputs)):
            self.parts, self.now = len(self.now), []

    def _found(self, values: Array, rows: Array) -> list[int] | None:
        """The sample of every row; of several that are alike the one at hand, else one that was not seen yet."""
        if np.ndim(rows) != 2 or rows.shape[1] != values.shape[1]:
            return None
        if rows.base is self._inputs and len(rows) == 1 and rows.strides[1] == self._inputs.strides[1]:
            first = (address(rows) - address(self._inputs)) // self._inputs.strides[0]
            return [first]
        room = 1e3 * float(np.finfo(values.dtype).eps) * (1 + float(np.max(np.abs(values), initial=0)))
        near = np.max(np.abs(values[:, None] - rows[None]), axis=2, initial=0) <= room
        if len(self.now) == len(rows) and all(near[sample, k] for k, sample in enumerate(self.now)):
            return self.now
        found: list[int] = []
        for k in range(len(rows)):
            free = [int(sample) for sample in np.flatnonzero(near[:, k]) if int(sample) not in found]
            if not free:
                return None
            found.append(min(free, key=lambda sample: sample in self._seen))
        return found


class Recorder:
    """What a strategy forms for a batch, as steps."""

    def __init__(self, network: Network, params: Parameters, batch: Batch) -> None:
        self._n = len(batch.inputs)
        self.names = Names.of(network)
        self._observer = Observer(self.names.outputs, network.classes, self._product)
        self._builders: list[StepBuilder] = []
        self.samples = Samples(network, params, batch)

    def steps(self) -> tuple[Step, ...]:
        """All steps so far, in the order in which each was first taken."""
        return tuple(builder.build(self._n) for builder in self._builders)

    def __call__(self, call: Call) -> Any:
        """Make the call on plain arrays, record what it returns, and hand that on under its name."""
        call.arguments.update(on_arrays(plain, call.arguments))
        if len(call.arguments.get("x", "x")) == 0:  # a question about the form, of no samples
            return call.make()
        self.samples.look(call)  # before the call, which may write over its arguments
        record = getattr(self, f"_{call.form}", None)
        result = call.make()
        return result if record is None or not self.samples.now else record(call, result)

    def add_gradient(self, loss: float, gradient: Parameters) -> None:
        """Add what the strategy returned, where no step has formed it already."""
        made = {builder.quantity for builder in self._builders}
        if LOSS not in made:
            self._add(LOSS, "loss", "", f"1/n Σn {SAMPLE_LOSS}[n]", "", np.asarray(loss, gradient.dtype))
        for name, letters in self.names.letters.items():
            quantity = Derivative(LOSS, name)
            if quantity not in made:
                mean = f"1/n Σn ∂{SAMPLE_LOSS}/∂{name}[n,{','.join(letters)}]"
                self._add(quantity, "gradient", "", mean, letters, gradient[plain_name(name)])

    def missing(self) -> str | None:
        """The name of a parameter gradient that no recorded step produced; None if all were seen."""
        made = {builder.quantity for builder in self._builders}
        for name in self.names.letters:
            if not {Derivative(LOSS, name), Derivative(SAMPLE_LOSS, name)} & made:
                return str(Derivative(LOSS, name))
        return None

    def _add(
        self, quantity: Quantity, kind: Kind, layer: str, formula: str, letters: str, array: Array
    ) -> None:
        known = [
            builder for builder in self._builders if (builder.quantity, builder.kind) == (quantity, kind)
        ]
        if not any(builder.add(array, self.samples.now) for builder in known):
            self._builders.append(StepBuilder(quantity, kind, layer, formula, letters))
            self._builders[-1].add(array, self.samples.now)

    def _words(self, call: Call, samples: int) -> dict[str, str]:
        """What the formulas' braces stand for; the loss is ℓ where it is that of one sample among several."""
        names, k = self.names, call.position
        loss = LOSS if samples == self._n else SAMPLE_LOSS
        if isinstance(call.subject, Loss):
            return {"y": names.values[k], "k": loss}
        return names.parameters[k] | {"x": names.values[k], "y": names.values[k + 1], "k": loss}

    # Forward

    def _forward(self, call: Call, y: Array) -> Array:
        words = self._words(call, len(y))
        text, letters = formula("forward", call.subject, words), "no"
        if words["y"] == self.names.outputs:  # the outputs have an axis c
            text, letters = text.replace("o]", "c]"), "nc"
        self._add(words["y"], "value", call.subject.name, text, letters, y)
        return y

    def _value(self, call: Call, value: Any) -> Any:
        self._add_loss(call, value, len(call.arguments["y"]))
        return value

    def _add_loss(self, call: Call, value: Any, samples: int) -> None:
        words = self._words(call, samples)
        text = formula("value", call.subject, words)
        text = text if samples == self._n else of_one_sample(text)
        self._add(words["k"], "loss", call.subject.name, text, "", np.asarray(value))

    # Local derivatives

    def _input_jacobian(self, call: Call, jacobian: Array) -> Array:
        return self._local(
            call, "input_jacobian", "jacobian", self.names.values[call.position], "noi", jacobian
        )

    def _input_factor(self, call: Call, factor: EinsumFactor) -> EinsumFactor:
        by = self.names.values[call.position]
        through, u = self._through(call, "x", factor)
        shown = self._local(call, "input_factor", "factor", by, factor.subscripts, factor.operand, of=u)
        if factor.inputs is None:
            return factor._replace(operand=shown, through=through)
        named = GatheredFactor(*factor)
        named.observer, named.shown = self._observer, shown
        return named

    def _parameter_jacobians(self, call: Call, jacobians: dict[str, Array]) -> dict[str, Array]:
        return {
            local: self._local(
                call, f"parameter_jacobians {local}", "jacobian", name, f"no{self.names.letters[name]}", array
            )
            for local, name, array in self._own(call, jacobians)
        }

    def _parameter_factors(self, call: Call, factors: dict[str, EinsumFactor]) -> dict[str, EinsumFactor]:
        known: dict[int, EinsumFactor | None] = {}  # by the factor ∂y/∂u that several parameters share
        shown = {}
        for local, name, factor in self._own(call, factors):
            through, u = self._through(call, local, factor)
            operand = self._local(
                call, f"parameter_factors {local}", "factor", name, factor.subscripts, factor.operand, of=u
            )
            through = known.setdefault(id(factor.through), through)
            shown[local] = factor._replace(operand=operand, through=through)
        return shown

    def _through(
        self, call: Call, entering: str, factor: EinsumFactor
    ) -> tuple[EinsumFactor | None, str | None]:
        """∂y/∂u with its name, and the name of u: the value inside the layer at which `entering` enters."""
        first, u = factor.through, self.names.inner[call.position].get(entering)
        if first is None or u is None:
            return first, None
        assert isinstance(call.subject, Layer)  # a loss has no factors
        (letter,) = (one for one, all_of in call.subject.inner.items() if entering in all_of)
        operand = self._local(call, f"through {letter}", "factor", u, first.subscripts, first.operand)
        return first._replace(operand=operand), u

    def _own(self, call: Call, arrays: dict[str, Any]) -> list[tuple[str, str, Any]]:
        """Of each of the called layer's parameters: its local name, its name in the network, and its array."""
        names = self.names.parameters[call.position]
        return [(local, names[local], array) for local, array in arrays.items()]

    def _local(
        self, call: Call, form: str, kind: Kind, by: str, letters: str, array: Array, of: str | None = None
    ) -> Array:
        """A derivative of the layer's output, or `of` a value inside it."""
        words = self._words(call, self._n)
        derivative = Derivative(of or words["y"], by)
        self._add(derivative, kind, call.subject.name, formula(form, call.subject, words), letters, array)
        return self._observer.named(array, derivative)

    # Backward

    def _gradient(self, call: Call, gradient: Array) -> Array:
        words = self._words(call, len(gradient))
        text = formula("gradient", call.subject, words)
        text = of_one_sample(text) if words["k"] == SAMPLE_LOSS else text
        letters = "nc" if words["y"] == self.names.outputs else "ni"
        return self._closed(call, words["k"], words["y"], text, letters, gradient)

    def _value_and_gradient(self, call: Call, result: tuple[Any, Array]) -> tuple[Any, Array]:
        value, gradient = result
        self._add_loss(call, value, len(gradient))
        return value, self._gradient(call, gradient)

    def _vjp(self, call: Call, result: tuple[Array | None, dict[str, Array]]) -> Any:
        dx, own = result
        words = self._words(call, len(call.arguments["dy"]))
        for local, name, array in self._own(call, own):
            text = formula(f"vjp {local}", call.subject, words)
            self._closed(call, words["k"], name, text, self.names.letters[name], array)
        if dx is None:
            return None, own
        return self._closed(call, words["k"], words["x"], formula("vjp", call.subject, words), "ni", dx), own

    _vjp_by_parts = _vjp  # the parts are not seen one by one

    def _closed(self, call: Call, of: str, by: str, text: str, letters: str, array: Array) -> Array:
        """A derivative of the loss in closed form."""
        self._add(Derivative(of, by), "vjp", call.subject.name, text, letters, array)
        return self._observer.named(array, Derivative(of, by))

    def _product(self, left: Derivative, right: Derivative, result: Array) -> None:
        """A product of the chain, which the strategy has made by itself."""
        (of, by), names = (left.of, right.by), self.names
        of_loss = of in (LOSS, SAMPLE_LOSS)
        letters = ("" if of_loss else "c" if of == names.outputs else "o") + names.letters.get(by, "i")
        shape = (() if of_loss else names.shapes[of]) + names.shapes[by]
        if not (of_loss and names.is_parameter(by)):  # a sum over n
            letters, shape = f"n{letters}", (-1, *shape)
        text = f"{left} · {right}" + (f", where {left} is the identity" if left.of == left.by else "")
        self._add(Derivative(of, by), "product", "", text, letters, result.reshape(shape))


class GatheredFactor(EinsumFactor):
    """A factor whose products are gathered by their inputs: only then they are a product of the chain.

    shown: the operand with its name.
    """

    observer: Observer
    shown: Array
    jacobian: Array

    def split(self, jacobian: Array) -> Array:
        """Remember the first factor of the product."""
        self.jacobian = jacobian
        return super().split(plain(jacobian))

    def gathered(self, made: Array, i: int) -> Array:
        """The product, by its name in the chain rule."""
        product: Array = self.observer.after((self.jacobian, self.shown), super().gathered(made, i), None)
        return product
