"""State: a backward pass that has come down to some layer, with the mistakes that it has made on its way.

    δ_k = ∂L/∂z_k        dL/dW_k = x_kᵀ δ_k        dL/db_k = Σₙ δ_k        δ_{k-1} = (δ_k W_kᵀ) ∘ f'(z_{k-1})

A hypothesis is a state whose δ is not the right one; the tensors that follow from it are compared with those got.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from backprop.arrays import Array
from backprop.check.network.mistakes.run import Run
from backprop.check.numeric.quotients import TINY
from backprop.verify.agreement import norm

UNKNOWN, FITTED = 4.0, 1.2
"""The costs of an unknown mistake and of one with a fitted number; that of any other is 1.

Three known mistakes explain better than an unknown one; one more mistake explains worse than a fitted number.
"""
_BETTER = 0.1
"""Of its error: a wrong tensor must be so much nearer to a hypothesis than it is to the truth."""


@dataclass(frozen=True)
class Mistake:
    """One mistake in a backward pass.

    text: what the tensors equal, so that "W1, b1 equal …" is a sentence. layer: the layer whose δ is wrong, which
    spoils all tensors below; None where δ is right and only `tensors` are wrong.
    fitted: whether a number was fitted, which counts against the mistake. also: other kinds that would give the same
    tensors here. expected: for an unknown mistake the right tensor.
    """

    kind: str
    text: str
    layer: int | None = None
    tensors: tuple[str, ...] = ()
    fitted: bool = False
    also: tuple[str, ...] = ()
    expected: Array | None = field(default=None, compare=False, repr=False)

    @property
    def cost(self) -> float:
        """The weight of the mistake: fewer mistakes, and mistakes without a fitted number, explain better."""
        return UNKNOWN if self.kind == "unknown" else FITTED if self.fitted else 1.0


class Wrong(NamedTuple):
    """A wrong δ and its mistake, in the fields of `Mistake`. run: the forward pass, if that is another one."""

    kind: str
    text: str
    delta: Array
    fitted: bool = False
    run: Run | None = None
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """δ of layer k, in a run. above: δ of the layers above, the nearest first.

    passed_on: the δ that is handed to the layer below, where the layer's own tensors are formed with another one.
    """

    run: Run
    k: int
    delta: Array
    mistakes: tuple[Mistake, ...] = ()
    above: tuple[Array, ...] = field(default=(), repr=False)
    passed_on: Array | None = None

    @property
    def merged(self) -> list[Mistake]:
        """The mistakes, the same one in several tensors once, but for unknown ones."""
        seen = {(m.kind, m.text, m.layer, m.tensors if m.kind == "unknown" else ()): m for m in self.mistakes}
        return list(seen.values())

    @property
    def cost(self) -> float:
        """The weight of the mistakes: the explanation is where it is least."""
        return sum(mistake.cost for mistake in self.merged)

    @property
    def weight_gradient(self) -> Array:
        """xᵀ δ, and the weight decay of the loss."""
        product: Array = self.run.x[self.k].T @ self.delta
        return product + self.run.decay * self.run.weights[self.k] if self.run.decay else product

    @property
    def bias_gradient(self) -> Array:
        """Σₙ δ."""
        total: Array = self.delta.sum(axis=0)
        return total

    @property
    def tensors(self) -> dict[str, Array]:
        """The layer's own gradients that follow from δ, by name."""
        weights, bias = self.run.names(self.k)
        return {weights: self.weight_gradient} | ({bias: self.bias_gradient} if bias else {})

    @property
    def handed(self) -> Array:
        """The δ that the layer below starts from."""
        return self.delta if self.passed_on is None else self.passed_on

    @property
    def handed_down(self) -> Array:
        """∂L/∂x of the layer, δ Wᵀ."""
        product: Array = self.handed @ self.run.weights[self.k].T
        return product

    def step(self) -> State:
        """One layer down, rightly."""
        return self.down(self.run.through(self.k - 1, self.handed_down))

    def down(self, delta: Array) -> State:
        """One layer down, with this δ."""
        return State(self.run, self.k - 1, delta, self.mistakes, (self.handed, *self.above))

    def with_mistake(self, *mistakes: Mistake, delta: Array | None = None) -> State:
        """This state with mistakes added, and perhaps another δ."""
        return replace(self, mistakes=self.mistakes + mistakes, delta=self.delta if delta is None else delta)

    def wrong(self, wrong: Wrong) -> State:
        """This state with a wrong δ."""
        mistake = Mistake(wrong.kind, wrong.text, self.k, fitted=wrong.fitted, also=wrong.also)
        return replace(self.with_mistake(mistake, delta=wrong.delta), run=wrong.run or self.run)

    def here_only(self, wrong: State) -> State:
        """`wrong`, a state of the same layer with one more δ, which is not handed down."""
        names = tuple(filter(None, self.run.names(self.k)))
        own = [replace(m, layer=None, tensors=names) for m in wrong.mistakes[len(self.mistakes) :]]
        return replace(self, mistakes=self.mistakes + tuple(own), delta=wrong.delta, passed_on=self.handed)


@dataclass(frozen=True)
class Got:
    """The tensors that the user's gradient returned, by name, in float64; those in `wrong` need an explanation.

    tolerance: the relative distance that is rounding, by name. error: ‖got - expected‖, by name.
    """

    tensors: Mapping[str, Array]
    tolerance: Mapping[str, float]
    error: Mapping[str, float]
    wrong: frozenset[str]

    def fits(self, name: str, hypothesis: Array) -> bool:
        """Whether a tensor got equals that of a hypothesis to rounding; and clearly better than it does the truth.

        A tensor that cannot be compared, such as one of a wrong shape, contradicts nothing.
        """
        if name not in self.tensors:
            return True
        rounding = self.tolerance[name] * max(norm(hypothesis), TINY)
        allowed = min(rounding, _BETTER * self.error[name]) if name in self.wrong else rounding
        return norm(self.tensors[name] - hypothesis) <= allowed

    def number(self, run: Run, k: int, fixed: Array, moving: Array) -> float | None:
        """The α for which δ = fixed + α · moving explains the bias of layer k best, or else its weights.

        None where nothing moves, or where neither can be compared.
        """
        weights, bias = run.names(k)
        if bias in self.tensors:
            return fit_line(fixed.sum(axis=0), moving.sum(axis=0), self.tensors[bias])
        if weights not in self.tensors:
            return None
        decay, x = run.decay * run.weights[k], run.x[k].T
        return fit_line(decay + x @ fixed, x @ moving, self.tensors[weights])


def fit_line(fixed: Array, moving: Array, got: Array) -> float | None:
    """The α for which fixed + α · moving is nearest to `got`; None where nothing moves."""
    square = float(np.vdot(moving, moving))
    return float(np.vdot(moving, got - fixed)) / square if square > 0 else None


Hypotheses = Callable[[State, Got], Iterator[Wrong]]
"""A family of mistakes: gives wrong δ of the last layer, or of the layer below a state."""
