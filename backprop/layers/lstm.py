"""The long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    z_t = x_t W + h_{t-1} U + b, in four parts        i = σ(z_i)   f = σ(z_f)   g = tanh(z_g)   o = σ(z_o)
    c_t = f ∘ c_{t-1} + i ∘ g                         h_t = o ∘ tanh c_t

All four gates are one matrix a (n, 4h), one hyperbolic tangent and one slope, since σ(z) = ½ + ½ tanh(z/2):

    a = s ∘ tanh(s ∘ z) + r    ∂a/∂z = (a + q) ∘ (1 - a)    s = (½, ½, 1, ½)    r = (½, ½, 0, ½)    q = (0, 0, 1, 0)

    dc = dc + dh ∘ o ∘ (1 - tanh² c)    δ = ∂a/∂z ∘ (g, c_{t-1}, i, tanh c) ∘ (dc, dc, dc, dh)    dc = dc ∘ f

The parts stand in the order of PyTorch, i f g o. `lstm64` gives the last state (h,), `lstm64,sequence` all (t, h).
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

_CONSTANTS = ((0.5, 0.5, 1, 0.5), (0.5, 0.5, 0, 0.5), (0, 0, 1, 0))
"""s, r and q of the formulas above, by gate."""


@dataclass(frozen=True)
class Gates(States):
    """Beside the states: a (t, n, 4, h), c (t + 1, n, h) with c[0] = 0, tanh c (t, n, h); s, r and q (4, h)."""

    a: Array
    c: Array
    tanh_c: Array
    constants: tuple[Array, ...]


@final
@dataclass(frozen=True, repr=False)
class LSTM(Recurrent[Gates]):
    """h = o tanh c, with c = f c + i g, over the steps; `sequence` gives every h."""

    name: ClassVar[str] = "lstm"
    gates: ClassVar[int] = 4
    # The bias of the forget gate is 1, so that the cell state is kept at first (Gers et al.).
    first_bias: ClassVar[tuple[float, ...]] = (0.0, 1.0, 0.0, 0.0)
    step_flops: ClassVar[int] = 66
    back_flops: ClassVar[int] = 26
    examples: ClassVar[tuple[str, ...]] = ("3x2 lstm2", "1x2x3 lstm2,sequence")
    derived: ClassVar[str | None] = "1x1 lstm1"
    formulas: ClassVar[Mapping[str, str]] = {
        **Recurrent.shared_formulas,
        "forward": "hₜ = o tanh cₜ, where cₜ = f cₜ₋₁ + i g, i f o = σ and g = tanh of {x}ₜ {W} + hₜ₋₁ {U} + {b}",
        "vjp": "δₜ {W}ᵀ, where δₜ = ∂a/∂z (g, cₜ₋₁, i, tanh cₜ) (dc, dc, dc, dh)",
        "through z": "∂a/∂z (g, cₜ₋₁, i, tanh cₜ) (∂{y}/∂c, ∂{y}/∂c, ∂{y}/∂c, ∂{y}/∂h)",
    }

    @property
    def code(self) -> str:  # type: ignore[override]  # by the sizes
        """Step by step, with the gates i f g o."""
        return self.code_of(
            f"c = np.zeros((len(x), {self.units}), x.dtype)",
            "i, f, g, o = np.split(z, 4, axis=1)\n"
            "i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))\n"
            "c = f * c + i * np.tanh(g)\n"
            "h = o * np.tanh(c)",
        )

    def _torch(self, torch: Any, x: Any, zero: Any, weights: list[Any]) -> Any:
        return torch.lstm(x, (zero, zero), weights, True, 1, 0.0, True, False, True)

    def step_of(self, tanh: Function, sigmoid: Function, z: Any, c: Any) -> tuple[Any, Any]:
        """h_t and c_t from z_t and the step before, gate by gate."""
        i, f, g, o = (z[..., k * self.units : (k + 1) * self.units] for k in range(4))
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(c), c

    def memory(self, n: int, like: Array) -> Gates:
        """The states, gates and cells, and room for δ."""
        t, d, h = self.tokens, self.features, self.units
        return Gates(
            buffer(like, t, n, d),
            buffer(like, t + 1, n, h),
            buffer(like, t, n, 4 * h),
            buffer(like, t, n, 4, h),
            buffer(like, t + 1, n, h),
            buffer(like, t, n, h),
            tuple(np.array(row).repeat(h).reshape(4, h).astype(like.real.dtype) for row in _CONSTANTS),
        )

    def memory_numbers(self, n: int) -> int:
        """Those of the states, the gates, the cells and their tanh."""
        return self.states_numbers(n) + n * self.units * (6 * self.tokens + 1)

    def entering(self, states: Gates) -> Array:
        """z is written where the gates will be."""
        states.c[0] = 0
        return states.a.reshape(states.deltas.shape)

    def step(self, states: Gates, t: int) -> None:
        """All gates at once; then c and h."""
        a, c, h = states.a[t], states.c[t + 1], states.h[t + 1]
        half, shift, _ = states.constants
        np.multiply(a, half, out=a)
        np.tanh(a, out=a)
        np.multiply(a, half, out=a)
        np.add(a, shift, out=a)
        i, f, g, o = a.swapaxes(0, 1)
        np.multiply(f, states.c[t], out=c)
        c += np.multiply(i, g, out=h)
        np.multiply(o, np.tanh(c, out=states.tanh_c[t]), out=h)

    def slopes(self, states: Gates, steps: slice, out: Array | None = None) -> tuple[Array, ...]:
        """∂a/∂z ∘ (g, c, i, tanh c) (n, 4, h), ∂h/∂c = o (1 - tanh² c), and ∂c/∂c of the step before, f."""
        a, tanh_c = states.a[steps], states.tanh_c[steps]
        i, f, g, o = np.moveaxis(a, 2, 0)
        own = np.empty_like(a) if out is None else out.reshape(a.shape)
        np.add(a, states.constants[2], out=own)
        own *= 1 - a
        for part, other in zip(np.moveaxis(own, 2, 0), (g, states.c[steps], i, tanh_c), strict=True):
            part *= other
        of_cell = np.square(tanh_c)
        np.subtract(1, of_cell, out=of_cell)
        of_cell *= o
        return own, of_cell, f

    def pull(self, slopes: tuple[Array, ...], dh: Array, dc: Array, dz: Array) -> None:
        """δ of the four gates from dc and dh."""
        own, of_cell, f = slopes
        dc += of_cell * dh
        gates = dz.reshape(*dz.shape[:-1], 4, self.units)
        np.multiply(own[..., :3, :], dc[..., None, :], out=gates[..., :3, :])
        np.multiply(own[..., 3, :], dh, out=gates[..., 3, :])
        dc *= f

    def push(self, slopes: tuple[Array, ...], dz: Array, dc: Array) -> Array:
        """ċ = f ċ + Σ over the gates of c, and ḣ = ∂h/∂c ċ + ∂h/∂o ȯ."""
        own, of_cell, f = slopes
        moved = own * dz.reshape(*dz.shape[:-1], 4, self.units)
        dc *= f
        dc += moved[..., 0, :] + moved[..., 1, :] + moved[..., 2, :]
        pushed: Array = of_cell * dc + moved[..., 3, :]
        return pushed

    def vjp_by_parts(
        self, params: Tensors, x: Array, y: Array, dy: Array, *, dparams: Tensors | None = None
    ) -> tuple[Array, Tensors]:
        """Step by step and gate by gate, as the graph has it: each adds its own products to dW, dU and db."""
        tokens, h = self.split(x), self.units
        dparams = self._gradients(x, dparams)
        for tensor in dparams.values():
            tensor[...] = 0
        gates = [{name: t[..., k * h : (k + 1) * h] for name, t in params.items()} for k in range(4)]
        own = [{name: t[..., k * h : (k + 1) * h] for name, t in dparams.items()} for k in range(4)]
        states, cells = ([np.zeros_like(x, shape=(len(x), h))] for _ in range(2))
        found = []
        for t in range(self.tokens):
            z = [tokens[:, t] @ gate["W"] + states[-1] @ gate["U"] + gate["b"] for gate in gates]
            i, f, o = (1 / (1 + np.exp(-z[k])) for k in (0, 1, 3))
            g = np.tanh(z[2])
            cells.append(f * cells[-1] + i * g)
            tanh_c = np.tanh(cells[-1])
            states.append(o * tanh_c)
            found.append((i, f, g, o, tanh_c))
        dx, by_step, dh, dc = np.empty_like(tokens), self._by_step(dy), dy, 0.0
        for t in reversed(range(self.tokens)):
            if self.sequence:
                dh = by_step[t] if t == self.tokens - 1 else by_step[t] + dh
            i, f, g, o, tanh_c = found[t]
            do = dh * tanh_c
            dc = dc + dh * o * (1 - tanh_c**2)
            di, df, dg = dc * g, dc * cells[t], dc * i
            dc = dc * f
            deltas = (di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o))
            dx[:, t], dh = 0, np.zeros_like(states[t])
            for gate, gradient, dz in zip(gates, own, deltas, strict=True):
                gradient["W"][...] += tokens[:, t].T @ dz
                gradient["U"][...] += states[t].T @ dz
                gradient["b"][...] += dz.sum(axis=0)
                dx[:, t] += dz @ gate["W"].T
                dh += dz @ gate["U"].T
        return dx.reshape(x.shape), dparams

    def parts_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """Every state, cell, gate and tanh c; dx, and the arrays of a step."""
        kept = (7 * self.tokens + 2) * self.units
        weights = max(self.units, self.features) * self.units
        return itemsize * (n * (kept + i + 11 * self.units) + weights)
