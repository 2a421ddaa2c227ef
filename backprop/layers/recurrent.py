"""What the recurrent layers share: a state h (n, h) that every step makes of the token x_t and of the state before.

    z_t = x_t W + h_{t-1} U + b        h_t = what the layer's gates make of z_t (n, g) and what is kept of step t - 1

How the steps are taken, and their Jacobians, stand in `backprop.layers.unrolled`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from backprop.arrays import Array
from backprop.layers.base import Shape, Tensors
from backprop.layers.over_tokens import tokens_of
from backprop.layers.reading import misread, whole
from backprop.layers.unrolled import StatesT, Unrolled

Function = Callable[[Any], Any]


@dataclass(frozen=True, repr=False)
class Recurrent(Unrolled[StatesT]):
    """A recurrent layer, of which a subclass says what its gates do."""

    first_bias: ClassVar[tuple[float, ...]]
    """With which b begins, for every gate."""
    letters: ClassVar[Mapping[str, str]] = {"W": "dg", "U": "hg", "b": "g"}
    inner: ClassVar[Mapping[str, tuple[str, ...]]] = {"z": ("W", "U", "b", "x")}
    shared_formulas: ClassVar[Mapping[str, str]] = {
        "input_jacobian": "∂{y}/∂zₜ {W}ᵀ",
        "input_factor": "{W}[d,g]",
        "parameter_jacobians W": "Σt {x}[n,t,d] ∂{y}/∂z[n,t,g]",
        "parameter_jacobians U": "Σt hₜ₋₁[n,h] ∂{y}/∂z[n,t,g]",
        "parameter_jacobians b": "Σt ∂{y}/∂z[n,t,g]",
        "parameter_factors W": "{x}[n,t,d]",
        "parameter_factors U": "hₜ₋₁[n,h]",
        "parameter_factors b": "1",
        "vjp W": "Σt {x}ₜᵀ δₜ",
        "vjp U": "Σt hₜ₋₁ᵀ δₜ",
        "vjp b": "Σt Σn δₜ",
    }
    """The formulas that follow from ∂y/∂z alone."""
    symbol: ClassVar[str] = "h"

    @classmethod
    def of(cls, shape: Shape, *numbers: float, **options: Any) -> Self:
        """The layer with the given units; raises `NetworkError` for anything but these and the option sequence."""
        if len(numbers) != 1 or options.keys() - {"sequence"} or options.get("sequence", True) is not True:
            raise misread(cls.name, numbers, options, f"its units, as {cls.name}64 or {cls.name}64,sequence")
        return cls(*tokens_of(shape, cls.name), whole(cls.name, "units", numbers[0]), "sequence" in options)

    @property
    def text(self) -> str:
        """lstm64, or lstm64,sequence."""
        return f"{self.name}{self.units}" + ",sequence" * self.sequence

    def code_of(self, first: str, step: str) -> str:
        """`Layer.code` with the lines before the steps, and those of a step from z to h."""
        last = "np.concatenate(states, axis=1)" if self.sequence else "h"
        lines = [
            f"steps = x.reshape(-1, {self.tokens}, {self.features}).swapaxes(0, 1)",
            f"h = np.zeros((len(x), {self.units}), x.dtype)",
            *first.splitlines(),
            *["states = []"] * self.sequence,
            "for token in steps:",
            "    z = token @ W + h @ U + b",
            *(f"    {line}" for line in step.splitlines()),
            *["    states.append(h)"] * self.sequence,
            f"return {last}",
        ]
        return "\n".join(lines)

    # For other libraries

    @abstractmethod
    def step_of(self, tanh: Function, sigmoid: Function, z: Any, c: Any) -> tuple[Any, Any]:
        """h_t and other states from z_t (…, g) and the states of the step before, by a library's functions."""

    @abstractmethod
    def _torch(self, torch: Any, x: Any, zero: Any, weights: list[Any]) -> Any:
        """The states (n, t, h), the last one (1, n, h), and what else PyTorch's own function returns."""

    @property
    def peers(self) -> Mapping[str, Callable[..., Any]]:  # type: ignore[override]  # they know the sizes
        """PyTorch by its own function, JAX by lax.scan, autograd by a loop."""

        def by_loop(autograd: Any, own: Any, x: Any) -> Any:
            np, c = autograd.numpy, 0.0
            functions = (np.tanh, lambda z: 0.5 * (1 + np.tanh(z / 2)))
            z = self.split(x) @ own["W"] + own["b"]
            states: list[Any] = []
            for t in range(self.tokens):
                entered = z[:, t] + states[-1] @ own["U"] if states else z[:, t]
                h, c = self.step_of(*functions, entered, c)
                states.append(h)
            return np.concatenate(states, axis=1) if self.sequence else states[-1]

        def by_scan(jax: Any, own: Any, x: Any) -> Any:
            np = jax.numpy
            z = np.swapaxes(self.split(x) @ own["W"] + own["b"], 0, 1)

            def step(kept: Any, entered: Any) -> tuple[Any, Any]:
                h, c = self.step_of(np.tanh, jax.nn.sigmoid, entered + kept[0] @ own["U"], kept[1])
                return (h, c), h if self.sequence else None

            zero = np.zeros((len(x), self.units), x.dtype)
            (last, _), states = jax.lax.scan(step, (zero, zero), z)
            return np.swapaxes(states, 0, 1).reshape(len(x), -1) if self.sequence else last

        def by_torch(torch: Any, own: Any, x: Any) -> Any:
            weights = [own["W"].T, own["U"].T, own["b"], torch.zeros_like(own["b"])]
            zero = x.new_zeros((1, len(x), self.units))
            states, last, *_ = self._torch(torch, self.split(x), zero, weights)
            return states.reshape(len(x), -1) if self.sequence else last[0]

        return {"autograd": by_loop, "jax": by_scan, "torch": by_torch}

    def oracle(self, params: Tensors, x: Array) -> Array:
        """One sample and one step at a time, with tanh and the sigmoid written as exponentials."""

        def sigmoid(z: Array) -> Array:
            return 1 / (1 + np.exp(-z))

        rows = []
        for sample in self.split(x):
            h, c, states = np.zeros(self.units), np.zeros(self.units), []
            for token in sample:
                z = params["W"].T @ token + params["U"].T @ h + params["b"]
                h, c = self.step_of(lambda z: 2 * sigmoid(2 * z) - 1, sigmoid, z, c)
                states.append(h)
            rows.append(np.concatenate(states) if self.sequence else h)
        return np.stack(rows)

    def initial(self, rng: np.random.Generator) -> dict[str, Array]:
        """W and U uniform within ±1/√h, as in PyTorch; b as `first_bias` says for every gate."""
        bound, shapes = 1 / math.sqrt(self.units), self.parameter_shapes()
        values = {name: rng.uniform(-bound, bound, shapes[name]) for name in ("W", "U")}
        return {**values, "b": np.repeat(self.first_bias, self.units)}
