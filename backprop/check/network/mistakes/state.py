"""State: a backward pass part of the way down, right or with mistakes in it, and the forward pass behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from backprop.arrays import Array
from backprop.layers import Elementwise, Layer, Linear
from backprop.network import Network
from backprop.verify.agreement import norm

# Run: a forward pass through a multi-layer perceptron in float64, kept for ways back through it, right and wrong.
#
#     z_k = x_k W_k + b_k        x_{k+1} = f_k(z_k)        x_0 the inputs, y the network's output
#
# Layers are counted from 0 in code and from 1 in words, as the parameters are: W1 belongs to layer 0 here.


@dataclass(frozen=True)
class Run:
    """The values of one forward pass. `activations` are what follows each linear layer, None for nothing.

    slopes: by layer, what f' is taken for (n, o), NaN where it is f' itself. decay: the λ of λ/2 Σ W² in the loss.
    """

    network: Network
    inputs: Array
    labels: Array
    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    activations: tuple[Layer | None, ...]
    x: tuple[Array, ...] = ()
    z: tuple[Array, ...] = ()
    y: Array = field(default_factory=lambda: np.empty(0))
    slopes: Mapping[int, Array] = field(default_factory=dict)
    decay: float = 0.0

    @classmethod
    def of(
        cls,
        network: Network,
        params: Mapping[str, Array],
        inputs: Array,
        labels: Array,
        slopes: Mapping[int, Array] | None = None,
        decay: float = 0.0,
    ) -> Run | None:
        """The run of a network; None where it is no multi-layer perceptron.

        slopes: those at kinks, by the number of the activation among the network's layers.
        """
        activations = _between(network)
        if activations is None:
            return None
        wide = {name: np.asarray(tensor, np.float64) for name, tensor in params.items()}
        own = [tensors for tensors in network.local(wide) if tensors]
        blank = cls(
            network,
            np.asarray(inputs, np.float64),
            labels,
            tuple(tensors["W"] for tensors in own),
            tuple(tensors.get("b", np.zeros(tensors["W"].shape[1])) for tensors in own),
            activations,
            slopes={sum(map(bool, network.names[:k])) - 1: slope for k, slope in (slopes or {}).items()},
            decay=decay,
        )
        return blank.rerun()

    def rerun(
        self,
        activations: Sequence[Layer | None] | None = None,
        biases: Sequence[Array] | None = None,
        labels: Array | None = None,
    ) -> Run:
        """A run with something else in it."""
        chosen = tuple(self.activations if activations is None else activations)
        b = tuple(self.biases if biases is None else biases)
        x, z = [self.inputs], []
        for weight, bias, activation in zip(self.weights, b, chosen, strict=True):
            z.append(x[-1] @ weight + bias)
            x.append(z[-1] if activation is None else activation.forward({}, z[-1]))
        return replace(
            self,
            labels=self.labels if labels is None else labels,
            biases=b,
            activations=chosen,
            slopes=self.slopes if activations is None and biases is None else {},
            x=tuple(x[:-1]),
            z=tuple(z),
            y=x[-1],
        )

    @property
    def fused(self) -> bool:
        """Whether the short form leaves out the last layer, softmax or sigmoid, so that the last δ is (y - t)/n."""
        return self.network.short is not self.network

    @property
    def depth(self) -> int:
        """The number of linear layers."""
        return len(self.weights)

    @property
    def n(self) -> int:
        """Samples."""
        return len(self.labels)

    @property
    def targets(self) -> Array:
        """The labels as targets t (n, c): one-hot."""
        return self.network.loss_function.targets(self.labels, self.y)

    def names(self, k: int) -> tuple[str, str]:
        """The names of the weights and the bias of layer k; that of a bias is empty where there is none."""
        own = [names for names in self.network.names if names][k]
        return own["W"], own.get("b", "")

    def slope(self, k: int) -> Array:
        """f'(z) of layer k, (n, o), where nothing or a function of one element follows it."""
        activation = self.activations[k]
        slope = np.ones_like(self.z[k])
        if isinstance(activation, Elementwise):
            slope = derivative_of(activation, self.z[k])
        return np.where(np.isnan(self.slopes[k]), slope, self.slopes[k]) if k in self.slopes else slope

    def through(self, k: int, dy: Array) -> Array:
        """∂L/∂z of layer k from ∂L/∂f(z)."""
        activation = self.activations[k]
        if activation is None or isinstance(activation, Elementwise):
            return np.asarray(dy * self.slope(k))
        dz, _ = activation.vjp({}, self.z[k], activation.forward({}, self.z[k]), dy)
        assert dz is not None
        return dz

    def output_delta(self) -> Array:
        """∂L/∂z of the last layer, (n, c)."""
        loss = self.network.short.loss_function
        if self.fused:
            return loss.gradient(self.z[-1], self.labels)
        return self.through(self.depth - 1, loss.gradient(self.y, self.labels))

    def deltas(self, change: Callable[[int, Array], Array] | None = None) -> Iterator[tuple[int, Array]]:
        """δ of every layer, from the last one back, each as `change` makes it."""
        delta = self.output_delta()
        for k in range(self.depth - 1, -1, -1):
            delta = delta if change is None else change(k, delta)
            yield k, delta
            if k:
                delta = self.through(k - 1, delta @ self.weights[k].T)


def derivative_of(activation: Elementwise, at: Array) -> Array:
    """f' of any array."""
    return np.asarray(activation.derivative(at, activation.forward({}, at)), np.float64)


def _between(network: Network) -> tuple[Layer | None, ...] | None:
    """The activation after each linear layer; None where there are two, or one has parameters of its own."""
    activations: list[Layer | None] = []
    for layer in network.layers:
        if isinstance(layer, Linear):
            activations.append(None)
        elif not activations or activations[-1] is not None or layer.parameter_shapes():
            return None
        else:
            activations[-1] = layer
    return tuple(activations)


# State: a backward pass that has come down to some layer, with the mistakes that it has made on its way.
#
#     δ_k = ∂L/∂z_k        dL/dW_k = x_kᵀ δ_k        dL/db_k = Σₙ δ_k        δ_{k-1} = (δ_k W_kᵀ) ∘ f'(z_{k-1})
#
# A hypothesis is a state whose δ is not the right one; the tensors that follow from it are compared with those
# got.


UNKNOWN, FITTED = 4.0, 1.2
"""What a mistake weighs, where one that is known and has no fitted number weighs 1.

Three known mistakes explain better than an unknown one; one more mistake explains worse than a fitted number.
"""
_BETTER = 0.1
"""Of its error: a wrong tensor must be so much nearer to a hypothesis than it is to the truth."""
_TINY = 1e-300
"""Instead of a norm of zero."""


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
    expected: Array | None = field(default=None, compare=False, repr=False)

    @property
    def cost(self) -> float:
        """The weight of the mistake: fewer mistakes, and mistakes without a fitted number, explain better."""
        return UNKNOWN if self.kind == "unknown" else FITTED if self.fitted else 1.0


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

    def with_mistake(self, *mistakes: Mistake, delta: Array | None = None) -> State:
        """This state with mistakes added, and perhaps another δ."""
        return replace(self, mistakes=self.mistakes + mistakes, delta=self.delta if delta is None else delta)

    def wrong(self, kind: str, text: str, delta: Array, *, fitted: bool = False) -> State:
        """This state with a wrong δ."""
        return self.with_mistake(Mistake(kind, text, layer=self.k, fitted=fitted), delta=delta)

    def wrong_below(self, kind: str, text: str, delta: Array, *, fitted: bool = False) -> State:
        """One layer down, with a wrong δ; `text` says what is wrong with the backward pass."""
        return self.down(delta, Mistake(kind, f"a backward pass {text}", layer=self.k - 1, fitted=fitted))

    def here_only(self, wrong: State) -> State:
        """`wrong`, a state of the same layer with one more δ, which is not handed down."""
        names = self.run.names(self.k)
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
        return self.residual(name, hypothesis) <= self.allowed(name, norm(hypothesis))

    def residual(self, name: str, hypothesis: Array) -> float:
        """‖got - hypothesis‖."""
        return norm(self.tensors[name] - hypothesis)

    def allowed(self, name: str, size: float) -> float:
        """The largest residual that counts as equal, for a hypothesis of norm `size`."""
        rounding = self.tolerance[name] * max(size, _TINY)
        return min(rounding, _BETTER * self.error[name]) if name in self.wrong else rounding


Hypotheses = Callable[[State, Got], Iterator[State]]
"""What a family offers: states that are wrong in its way, one layer down or at the same layer."""
