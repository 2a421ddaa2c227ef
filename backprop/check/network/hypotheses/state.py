"""State: a backward pass that has come down to some layer, with the mistakes that it has made on its way.

    δ_k = ∂L/∂z_k        dL/dW_k = x_kᵀ δ_k        dL/db_k = Σₙ δ_k        δ_{k-1} = (δ_k W_kᵀ) ∘ f'(z_{k-1})

A hypothesis is a state whose δ is not the right one; the tensors that follow from it are compared with those got.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from backprop.arrays import Array
from backprop.check.network.hypotheses.run import Run


@dataclass(frozen=True)
class Mistake:
    """One mistake in a backward pass.

    text: what the tensors equal, so that "W1, b1 equal …" is a sentence. layer: of the δ that is wrong, which spoils
    all tensors below; None where one tensor alone is wrong, `tensors`.
    fitted: whether a number was fitted, which weighs against it. also: kinds that cannot be told from it by its size.
    expected: what an unknown mistake has spoilt.
    """

    kind: str
    text: str
    layer: int | None = None
    tensors: tuple[str, ...] = ()
    fitted: bool = False
    also: tuple[str, ...] = ()
    fix: str | None = None
    expected: Array | None = field(default=None, compare=False, repr=False)

    @property
    def cost(self) -> float:
        """What it weighs against: fewer mistakes, and those without a fitted number, explain better."""
        return 4.0 if self.kind == "unknown" else 1.2 if self.fitted else 1.0


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
    def handed(self) -> Array:
        """The δ that the layer below starts from."""
        return self.delta if self.passed_on is None else self.passed_on

    def step(self) -> State:
        """One layer down, rightly."""
        return self.down(self.run.through(self.k - 1, self.handed @ self.run.weights[self.k].T))

    def down(self, delta: Array, *mistakes: Mistake) -> State:
        """One layer down, with this δ."""
        return State(self.run, self.k - 1, delta, self.mistakes + mistakes, (self.handed, *self.above))

    def but(self, *mistakes: Mistake, delta: Array | None = None) -> State:
        """The same layer, with mistakes and perhaps another δ."""
        return replace(self, mistakes=self.mistakes + mistakes, delta=self.delta if delta is None else delta)

    def here_only(self, wrong: State) -> State:
        """`wrong`, a state of the same layer with one more δ, which is not handed down."""
        names = self.run.names(self.k)
        own = [replace(m, layer=None, tensors=names) for m in wrong.mistakes[len(self.mistakes) :]]
        return replace(self, mistakes=self.mistakes + tuple(own), delta=wrong.delta, passed_on=self.handed)


@dataclass(frozen=True)
class Got:
    """What is to be explained: the tensors got, by name, in float64; those that are right need no explanation.

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
        return self.residual(name, hypothesis) <= self.allowed(name, norm(hypothesis))

    def residual(self, name: str, hypothesis: Array) -> float:
        """‖got - hypothesis‖."""
        return norm(self.tensors[name] - hypothesis)

    def allowed(self, name: str, size: float) -> float:
        """The largest residual that counts as equal, for a hypothesis of norm `size`."""
        rounding = self.tolerance[name] * max(size, 1e-300)
        return min(rounding, 0.1 * self.error[name]) if name in self.wrong else rounding


def norm(array: Array) -> float:
    """The Euclidean norm of all entries."""
    return float(np.linalg.norm(array.ravel()))


Hypotheses = Callable[[State, Got], Iterator[State]]
"""What a family offers: states that are wrong in its way, one layer down or at the same layer."""
