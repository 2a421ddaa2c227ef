"""The recorder: turns the calls of a watched network, and the products of what they return, into steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.explain.draft import Draft
from backprop.explain.formulas import formula, of_one_sample
from backprop.explain.names import LOSS, SAMPLE_LOSS, Names, plain_name
from backprop.explain.observed import Observer, plain
from backprop.explain.samples import Samples
from backprop.explain.step import Derivative, Kind, Quantity, Step
from backprop.explain.watched import Call
from backprop.layers import EinsumFactor
from backprop.losses import Loss
from backprop.network import Batch, Network
from backprop.parameters import Parameters


class Recorder:
    """What a strategy forms for a batch, as steps."""

    def __init__(self, network: Network, params: Parameters, batch: Batch) -> None:
        self._network, self._n = network, len(batch.inputs)
        self.names = Names.of(network)
        self._observer = Observer(self.names.outputs, network.classes, self._product)
        self._drafts: list[Draft] = []
        self.samples = Samples(network, params, batch)

    def steps(self) -> tuple[Step, ...]:
        """All steps so far, in the order in which each was first taken."""
        return tuple(draft.finish(k + 1, self._n) for k, draft in enumerate(self._drafts))

    def __call__(self, call: Call) -> Any:
        """Make the call on plain arrays, record what it returns, and hand that on under its name."""
        call.arguments.update({name: _plain(value) for name, value in call.arguments.items()})
        self.samples.look(call)  # before the call, which may write over its arguments
        record = getattr(self, f"_{call.form}", None)
        result = call.make()
        return result if record is None or not self.samples.now else record(call, result)

    def add_gradient(self, loss: float, gradient: Parameters) -> None:
        """What the strategy returned, where no step has formed it already."""
        dtype = gradient.dtype
        if not any(draft.quantity == LOSS for draft in self._drafts):
            self._add(LOSS, "gradient", "", f"1/n Σn {SAMPLE_LOSS}[n]", "", dtype.type(loss))
        for parameters in self.names.parameters:
            for name in parameters.values():
                quantity = Derivative(LOSS, name)
                if not any(draft.quantity == quantity for draft in self._drafts):
                    letters = self.names.letters[name]
                    array = gradient[plain_name(name)]
                    mean = f"1/n Σn ∂{SAMPLE_LOSS}/∂{name}[n,{','.join(letters)}]"
                    self._add(quantity, "gradient", "", mean, letters, array)

    def missing(self) -> str | None:
        """The name of a parameter's gradient that no recorded step produced; None if all were seen."""
        made = {draft.quantity for draft in self._drafts}
        for parameters in self.names.parameters:
            for name in parameters.values():
                if not {Derivative(LOSS, name), Derivative(SAMPLE_LOSS, name)} & made:
                    return str(Derivative(LOSS, name))
        return None

    def _add(
        self, quantity: Quantity, kind: Kind, layer: str, formula: str, letters: str, array: Array
    ) -> None:
        known = [draft for draft in self._drafts if (draft.quantity, draft.kind) == (quantity, kind)]
        if not any(draft.add(array, self.samples.now) for draft in known):
            self._drafts.append(Draft(quantity, kind, layer, formula, letters))
            self._drafts[-1].add(array, self.samples.now)

    def _named(self, array: Array, derivative: Derivative) -> Array:
        return self._observer.named(array, derivative)

    def _loss_name(self, samples: int) -> str:
        """ℓ where the loss is that of one sample among several."""
        return LOSS if samples == self._n else SAMPLE_LOSS

    def _words(self, call: Call, samples: int) -> dict[str, str]:
        """What the formulas' braces stand for."""
        names, k, loss = self.names, call.position, self._loss_name(samples)
        if isinstance(call.subject, Loss):
            return {"y": names.values[k], "k": loss}
        return names.parameters[k] | {"x": names.values[k], "y": names.values[k + 1], "k": loss}

    # Forward

    def _forward(self, call: Call, y: Array) -> Array:
        words, layer = self._words(call, len(y)), call.subject.name
        letters = "nc" if words["y"] == self.names.outputs else "no"
        text = formula("forward", call.subject, words)
        text = text.replace("o]", "c]") if letters == "nc" else text  # the outputs have an axis c
        self._add(words["y"], "value", layer, text, letters, y)
        return y

    def _value(self, call: Call, value: Any) -> Any:
        self._add_loss(call, value, len(call.arguments["y"]))
        return value

    def _add_loss(self, call: Call, value: Any, samples: int) -> None:
        words, loss = self._words(call, samples), call.subject.name
        text = formula("value", call.subject, words)
        if samples != self._n:
            text = of_one_sample(text)
        self._add(words["k"], "loss", loss, text, "", np.asarray(value))

    # Local derivatives

    def _input_jacobian(self, call: Call, jacobian: Array) -> Array:
        return self._local(call, "input_jacobian", "jacobian", "noi", jacobian)

    def _input_factor(self, call: Call, factor: EinsumFactor) -> EinsumFactor:
        operand = self._local(call, "input_factor", "factor", factor.subscripts, factor.operand)
        return EinsumFactor(factor.subscripts, operand)

    def _local(self, call: Call, form: str, kind: Kind, letters: str, array: Array) -> Array:
        words, layer = self._words(call, self._n), call.subject.name
        derivative = Derivative(words["y"], words["x"])
        self._add(derivative, kind, layer, formula(form, call.subject, words), letters, array)
        return self._named(array, derivative)

    def _parameter_jacobians(self, call: Call, jacobians: dict[str, Array]) -> dict[str, Array]:
        return {
            local: self._own(
                call, "parameter_jacobians", "jacobian", local, f"no{self._letters(call, local)}", array
            )
            for local, array in jacobians.items()
        }

    def _parameter_factors(self, call: Call, factors: dict[str, EinsumFactor]) -> dict[str, EinsumFactor]:
        return {
            local: EinsumFactor(
                letters, self._own(call, "parameter_factors", "factor", local, letters, operand)
            )
            for local, (letters, operand) in factors.items()
        }

    def _own(self, call: Call, form: str, kind: Kind, local: str, letters: str, array: Array) -> Array:
        words, layer = self._words(call, self._n), call.subject.name
        derivative = Derivative(words["y"], self._parameter(call, local))
        self._add(derivative, kind, layer, formula(f"{form} {local}", call.subject, words), letters, array)
        return self._named(array, derivative)

    def _parameter(self, call: Call, local: str) -> str:
        """The name of one of the called layer's own parameters."""
        return self.names.parameters[call.position][local]

    def _letters(self, call: Call, local: str) -> str:
        """The axes of one of the called layer's own parameters."""
        return self.names.letters[self._parameter(call, local)]

    # Backward

    def _gradient(self, call: Call, gradient: Array) -> Array:
        words, loss = self._words(call, len(gradient)), call.subject.name
        derivative = Derivative(words["k"], words["y"])
        text = formula("gradient", call.subject, words)
        if words["k"] == SAMPLE_LOSS:
            text = of_one_sample(text)
        letters = "nc" if words["y"] == self.names.outputs else "ni"
        self._add(derivative, "vjp", loss, text, letters, gradient)
        return self._named(gradient, derivative)

    def _value_and_gradient(self, call: Call, result: tuple[Any, Array]) -> tuple[Any, Array]:
        value, gradient = result
        self._add_loss(call, value, len(gradient))
        return value, self._gradient(call, gradient)

    def _vjp(self, call: Call, result: tuple[Array | None, dict[str, Array]]) -> Any:
        dx, own = result
        words, layer = self._words(call, len(call.arguments["dy"])), call.subject.name
        for local, array in own.items():
            text = formula(f"vjp {local}", call.subject, words)
            derivative = Derivative(words["k"], self._parameter(call, local))
            self._add(derivative, "vjp", layer, text, self._letters(call, local), array)
        if dx is None:
            return None, own
        derivative = Derivative(words["k"], words["x"])
        self._add(derivative, "vjp", layer, formula("vjp", call.subject, words), "ni", dx)
        return self._named(dx, derivative), own

    def _product(self, left: Derivative, right: Derivative, result: Array) -> None:
        """A product of the chain, which the strategy has made by itself."""
        product, names = Derivative(left.of, right.by), self.names
        of_loss = product.of in (LOSS, SAMPLE_LOSS)
        by_parameter = names.is_parameter(product.by)
        letters = "n" + ("" if of_loss else "c" if product.of == names.outputs else "o")
        letters += "i"
        if by_parameter:
            letters = (letters[1:-1] if of_loss else letters[:-1]) + names.letters[product.by]
        shape = () if of_loss else names.shapes[product.of]
        shape += names.shapes[product.by]
        array = result.reshape(-1, *shape) if letters.startswith("n") else result.reshape(shape)
        self._add(product, "product", "", f"{left} · {right}", letters, array)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: plain(array) for name, array in value.items()}
    return plain(value)
