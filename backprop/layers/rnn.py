"""The recurrent layer with tanh: h_t = tanh(x_t W + h_{t-1} U + b), from h_0 = 0 (Elman 1990).

    δ_t = ∂L/∂h_t ∘ (1 - h_t²)        ∂L/∂h_{t-1} = δ_t Uᵀ, and dy_{t-1} where every state is an output

`rnn64` gives the last state (h,), `rnn64,sequence` all of them (t, h).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array
from backprop.layers.base import Tensors
from backprop.layers.recurrent import Function, Recurrent
from backprop.layers.remembering import buffer
from backprop.layers.unrolled import States


@final
@dataclass(frozen=True, repr=False)
class RNN(Recurrent[States]):
    """hₜ = tanh(xₜ W + hₜ₋₁ U + b) over the steps; `sequence` gives every h."""

    name: ClassVar[str] = "rnn"
    gates: ClassVar[int] = 1
    first_bias: ClassVar[tuple[float, ...]] = (0.0,)
    step_flops: ClassVar[int] = 11
    back_flops: ClassVar[int] = 4
    examples: ClassVar[tuple[str, ...]] = ("3x2 rnn2", "1x3x2 rnn3,sequence")
    formulas: ClassVar[Mapping[str, str]] = {
        **Recurrent.shared_formulas,
        "forward": "hₜ, where hₜ = tanh({x}ₜ {W} + hₜ₋₁ {U} + {b})",
        "vjp": "δₜ {W}ᵀ, where δₜ = (∂{k}/∂hₜ + δₜ₊₁ {U}ᵀ) (1 - hₜ²)",
        "through z": "∂{y}/∂hₜ (1 - hₜ²), where ∂{y}/∂hₜ₋₁ = ∂{y}/∂zₜ {U}ᵀ",
    }

    @property
    def code(self) -> str:  # type: ignore[override]  # by the sizes
        """Step by step."""
        return self.code_of("", "h = np.tanh(z)")

    def _torch(self, torch: Any, x: Any, zero: Any, weights: list[Any]) -> Any:
        return torch.rnn_tanh(x, zero, weights, True, 1, 0.0, True, False, True)

    def step_of(self, tanh: Function, sigmoid: Function, z: Any, c: Any) -> tuple[Any, Any]:
        """tanh z."""
        return tanh(z), c

    def memory(self, n: int, like: Array) -> States:
        """The states, and room for δ."""
        t, d, h = self.tokens, self.features, self.units
        return States(buffer(like, t, n, d), buffer(like, t + 1, n, h), buffer(like, t, n, h))

    def memory_numbers(self, n: int) -> int:
        """Those of the states."""
        return self.states_numbers(n)

    def entering(self, states: States) -> Array:
        """z is written where h will be."""
        return states.h[1:]

    def step(self, states: States, t: int) -> None:
        """tanh z."""
        np.tanh(states.h[t + 1], out=states.h[t + 1])

    def slopes(self, states: States, steps: slice, out: Array | None = None) -> tuple[Array, ...]:
        """1 - h²."""
        slope = np.square(states.h[1:][steps], out=out)
        return (np.subtract(1, slope, out=slope),)

    def pull(self, slopes: tuple[Array, ...], dh: Array, dc: Array, dz: Array) -> None:
        """(1 - h²) ∘ dh."""
        np.multiply(slopes[0], dh, out=dz)

    def push(self, slopes: tuple[Array, ...], dz: Array, dc: Array) -> Array:
        """(1 - h²) ∘ ż."""
        pushed: Array = slopes[0] * dz
        return pushed

    def vjp_by_parts(
        self, params: Tensors, x: Array, y: Array, dy: Array, *, dparams: Tensors | None = None
    ) -> tuple[Array, Tensors]:
        """Step by step, as the graph has it: each step adds its own products to dW, dU and db."""
        tokens, states = self.split(x), [np.zeros_like(x, shape=(len(x), self.units))]
        for t in range(self.tokens):
            states.append(np.tanh(tokens[:, t] @ params["W"] + states[-1] @ params["U"] + params["b"]))
        dparams = self._gradients(x, dparams)
        for tensor in dparams.values():
            tensor[...] = 0
        dx, by_step, dh = np.empty_like(tokens), self._by_step(dy), dy
        for t in reversed(range(self.tokens)):
            if self.sequence:
                dh = by_step[t] if t == self.tokens - 1 else by_step[t] + dh
            dz = dh * (1 - states[t + 1] ** 2)
            dparams["W"][...] += tokens[:, t].T @ dz
            dparams["U"][...] += states[t].T @ dz
            dparams["b"][...] += dz.sum(axis=0)
            dx[:, t] = dz @ params["W"].T
            dh = dz @ params["U"].T
        return dx.reshape(x.shape), dparams

    def parts_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """Every state, dx, and the arrays of a step."""
        weights = max(self.units, self.features) * self.units
        return itemsize * (n * ((self.tokens + 1) * self.units + i + 4 * self.units) + weights)
