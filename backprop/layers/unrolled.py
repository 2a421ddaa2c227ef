"""The arithmetic of the recurrent layers: one step after another, their gradients, their Jacobians, and the costs.

    z_t = x_t W + h_{t-1} U + b        h_t = what the layer's gates make of z_t (n, g) and what is kept of step t - 1

    δ_t = ∂L/∂z_t from the last step to the first; then, the products of all steps put together into one,

    dW = Σ_t x_tᵀ δ_t = Xᵀ Δ        dU = Σ_t h_{t-1}ᵀ δ_t = Hᵀ Δ        db = Σ_t Σₙ δ_t        dX = Δ Wᵀ

X (t n, d), H (t n, h) and Δ (t n, g) hold all steps, one after another (Werbos 1990, "Backpropagation through time").
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np

from backprop.arrays import Array, ufunc_buffer_bytes
from backprop.layers.base import EinsumFactor, Shape, Tensors
from backprop.layers.over_tokens import OverTokens
from backprop.layers.remembering import Remembering

_BLOCK = 2**15
"""Numbers of δ of the steps whose slopes are found at once: few calls for a small batch, and all in the cache."""

_MOVES = 16
"""How often a number of ∂y/∂z is read or written: by the operations of its gate, by a copy for the product with U,
and by the products that follow."""


@dataclass(frozen=True)
class States:
    """What the steps have found: x (t, n, d), h (t + 1, n, h) with h[0] = 0, and room for δ (t, n, g)."""

    x: Array
    h: Array
    deltas: Array


StatesT = TypeVar("StatesT", bound=States)


@dataclass(frozen=True, repr=False)
class Unrolled(Remembering[StatesT], OverTokens):
    """`units` = h; the outputs are the last state (h,), or with `sequence` every state (t, h)."""

    units: int
    sequence: bool = False

    gates: ClassVar[int]
    """g / h: how many numbers of z a unit of the state has."""

    @property
    def made(self) -> Shape:
        """(h,), or (t, h)."""
        return (self.tokens, self.units) if self.sequence else (self.units,)

    @property
    def width(self) -> int:
        """g, the numbers of z at a step."""
        return self.gates * self.units

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """W (d, g), U (h, g) and b (g,)."""
        return {"W": (self.features, self.width), "U": (self.units, self.width), "b": (self.width,)}

    # What a layer states of one step

    @abstractmethod
    def entering(self, states: StatesT) -> Array:
        """The array (t, n, g) in which z is to be written."""

    @abstractmethod
    def step(self, states: StatesT, t: int) -> None:
        """h[t + 1] from z_t."""

    @abstractmethod
    def slopes(self, states: StatesT, steps: slice, out: Array | None = None) -> tuple[Array, ...]:
        """The derivatives of these steps, of which the first is as large as z and is written into `out`."""

    @abstractmethod
    def pull(self, slopes: tuple[Array, ...], dh: Array, dc: Array, dz: Array) -> None:
        """δ_t (…, g) into `dz` from ∂L/∂h_t (…, h); `dc`, of what is kept beside h, is taken a step back."""

    @abstractmethod
    def push(self, slopes: tuple[Array, ...], dz: Array, dc: Array) -> Array:
        """ḣ_t (…, h) from ż_t (…, g); `dc` is taken a step on."""

    # Forward and back

    def run(self, params: Tensors, x: Array, memory: StatesT, out: Array) -> Array:
        """z of all tokens in one product, then one step after another."""
        memory.x[...] = self.split(x).swapaxes(0, 1)
        z = self.entering(memory)
        np.matmul(memory.x.reshape(-1, self.features), params["W"], out=z.reshape(-1, self.width))
        z += params["b"]
        memory.h[0] = 0
        carried = np.empty_like(z[0])
        for t, entered in enumerate(z):
            if t > 0:
                np.add(entered, np.matmul(memory.h[t], params["U"], out=carried), out=entered)
            self.step(memory, t)
        if self.sequence:
            out.reshape(len(x), *self.made)[...] = memory.h[1:].swapaxes(0, 1)
        else:
            out[...] = memory.h[-1]
        return out

    def back(self, params: Tensors, memory: StatesT, dy: Array, dx: Array | None, dparams: Tensors) -> None:
        """δ of every step, and one product for each of dW, dU and dx."""
        deltas = self._deltas(params["U"], memory, self._by_step(dy), memory.deltas)
        flat = deltas.reshape(-1, self.width)
        before = memory.h[1:-1].reshape(-1, self.units)
        np.matmul(memory.x.reshape(-1, self.features).T, flat, out=dparams["W"])
        np.matmul(before.T, flat[len(deltas[0]) :], out=dparams["U"])
        np.sum(flat, axis=0, out=dparams["b"])
        if dx is not None:
            np.matmul(deltas.swapaxes(0, 1), params["W"].T, out=self.split(dx))

    def _by_step(self, dy: Array) -> Array:
        """∂L/∂h of every step that is an output: (t, n, h), or (1, n, h)."""
        return dy.reshape(len(dy), *self.made).swapaxes(0, 1) if self.sequence else dy[None]

    def _deltas(self, weights: Array, states: StatesT, dy: Array, out: Array) -> Array:
        """δ (t, n, …, g) into `out`, from ∂/∂h of the steps dy (t or 1, n, …, h) that are outputs."""
        dh = dy[-1].copy()
        dc, many = np.zeros_like(dh), dh.ndim > 2
        at_once = self._steps_at_once(len(states.x[0]))
        for last in range(self.tokens, 0, -at_once):
            steps = slice(max(0, last - at_once), last)
            slopes = self.slopes(states, steps, None if many else out[steps])
            if many:  # covectors, (n, c, h), share the slopes (n, h) of their sample
                slopes = tuple(slope[:, :, None] for slope in slopes)
            for t in reversed(range(steps.start, steps.stop)):
                self.pull(tuple(slope[t - steps.start] for slope in slopes), dh, dc, out[t])
                if t > 0:
                    before = out[t].reshape(-1, self.width)
                    np.matmul(before, weights.T, out=dh.reshape(-1, self.units))
                    if self.sequence:
                        dh += dy[t - 1]
        return out

    def _steps_at_once(self, n: int) -> int:
        return max(1, _BLOCK // max(1, n * self.width))

    def jvp(self, params: Tensors, x: Array, y: Array, dx: Array, dparams: Tensors) -> Array:
        """ḣ_t one step after another, from ż_t = ẋ_t W + ḣ_{t-1} U + x_t Ẇ + h_{t-1} U̇ + ḃ."""
        states, tokens = self.memory(len(x), x), self.split(dx)
        self.run(params, x, states, np.empty_like(y))
        rows = np.broadcast_shapes(dx.shape[:-1], (len(x),))
        dc = np.zeros_like(x, shape=(*rows, self.units))
        pushed: list[Array] = []
        for t in range(self.tokens):
            dz = tokens[..., t, :] @ params["W"]
            if pushed:
                dz = dz + pushed[-1] @ params["U"]
            if dparams:
                dz = dz + (states.x[t] @ dparams["W"] + states.h[t] @ dparams["U"] + dparams["b"])
            slopes = self.slopes(states, slice(t, t + 1))
            pushed.append(self.push(tuple(slope[0] for slope in slopes), dz, dc))
        if not self.sequence:
            return np.broadcast_to(pushed[-1], (*rows, self.units))
        made: Array = np.stack(pushed, axis=-2)
        return np.broadcast_to(made.reshape(*made.shape[:-2], y.shape[1]), (*rows, y.shape[1]))

    # Jacobians

    def _covectors(self, params: Tensors, x: Array, y: Array) -> tuple[StatesT, Array]:
        """The states, and ∂y/∂z as (n, o, t, g): δ of every output, of which each begins with a one."""
        (n, o), t, h = y.shape, self.tokens, self.units
        states = self.memory(n, x)
        self.run(params, x, states, np.empty_like(y))
        steps = t if self.sequence else 1
        identity = np.zeros_like(x, shape=(steps, o, h))
        identity.reshape(steps, steps, h, h)[np.arange(steps), np.arange(steps)] = np.eye(h, dtype=int)
        dy = np.broadcast_to(identity[:, None], (steps, n, o, h))
        deltas = np.empty_like(x, shape=(n, o, t, self.width))
        self._deltas(params["U"], states, dy, np.moveaxis(deltas, 2, 0))
        return states, deltas

    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """∂y/∂z Wᵀ, a block of d columns for every step; zero for a step after that of the output."""
        if out is None:
            out = np.empty_like(x, shape=(*y.shape, x.shape[1]))
        _, deltas = self._covectors(params, x, y)
        np.matmul(deltas, params["W"].T, out=self.split(out))
        return out

    def parameter_jacobians(
        self, params: Tensors, x: Array, y: Array, *, out: Tensors | None = None
    ) -> dict[str, Array]:
        """Σ_t of what enters at step t, x_t or h_{t-1} or one, times ∂y/∂z_t: every number is other than zero."""
        jacobians = self._jacobians(x, y, out)
        states, deltas = self._covectors(params, x, y)
        for name, entered in (("W", states.x), ("U", states.h[:-1])):
            np.matmul(entered.transpose(1, 2, 0)[:, None], deltas, out=jacobians[name])
        np.sum(deltas, axis=2, out=jacobians["b"])
        return jacobians

    def _through(self, params: Tensors, x: Array, y: Array) -> tuple[StatesT, EinsumFactor]:
        states, deltas = self._covectors(params, x, y)
        return states, EinsumFactor("noi", deltas.reshape(*y.shape, self.tokens * self.width))

    def input_factor(self, params: Tensors, x: Array, y: Array) -> EinsumFactor:
        """∂y/∂z, and W for every step."""
        _, through = self._through(params, x, y)
        return self._after("ag", params["W"], "ta", through)

    def parameter_factors(self, params: Tensors, x: Array, y: Array) -> dict[str, EinsumFactor]:
        """∂y/∂z, and what enters with each parameter at every step."""
        states, through = self._through(params, x, y)
        one = np.ones_like(x, shape=())
        return {
            "W": self._after("nta", states.x.swapaxes(0, 1), "ag", through),
            "U": self._after("nta", states.h[:-1].swapaxes(0, 1), "ag", through),
            "b": self._after("", one, "g", through),
        }

    def _after(self, subscripts: str, operand: Array, result: str, through: EinsumFactor) -> EinsumFactor:
        return EinsumFactor(subscripts, operand, "tg", (self.tokens, self.width), result, through=through)

    # Costs

    step_flops: ClassVar[int]
    """Operations of a unit at a step, without products of matrices."""

    back_flops: ClassVar[int]
    """The same on the way back."""

    def forward_flops(self, n: int, i: int, o: int) -> int:
        """The products with W and, but for the first step, U; the bias, and what the gates do."""
        t, d, h, g = self.tokens, self.features, self.units, self.width
        return 2 * n * g * (t * d + (t - 1) * h) + n * t * (g + self.step_flops * h)

    def vjp_flops(self, n: int, i: int, o: int, *, input_needed: bool) -> int:
        """Two products with U and one or two with W at every step."""
        t, d, h, g = self.tokens, self.features, self.units, self.width
        products = 2 * (t - 1) * h + t * d * (2 if input_needed else 1)
        return 2 * n * g * products + n * t * (g + self.back_flops * h)

    def parts_flops(self, n: int, i: int, o: int) -> int:
        """The same, with forward once more."""
        return self.forward_flops(n, i, o) + self.vjp_flops(n, i, o, input_needed=True)

    def states_numbers(self, n: int) -> int:
        """The numbers of `States`."""
        return n * (self.tokens * (self.features + self.units + self.width) + self.units)

    def call_numbers(self, n: int, *, forward: bool) -> int:
        """Of `run` what comes from the last state, or the bias; of `back` the slopes, dh and dc."""
        if forward:
            step = n * self.width
            return max(ufunc_buffer_bytes(self.tokens * step, 1), step + ufunc_buffer_bytes(step, 1))
        besides = self.width + self.units if self.gates > 1 else 0
        slopes = min(self.tokens, self._steps_at_once(n)) * n * besides
        return slopes + 3 * n * self.units

    @property
    def steps(self) -> int:
        """One for every token."""
        return self.tokens

    def covector_traffic(self, n: int, i: int, o: int) -> int:
        """∂y/∂z (n, o, t, g), of which each number is read or written so often."""
        return _MOVES * n * o * self.tokens * self.width

    def jacobian_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """∂y/∂z with what a step takes of it, the memory, and ∂y/∂h where h is an output."""
        return self.input_factor_bytes(n, i, o, itemsize) + itemsize * (self.memory_numbers(n) + o * o)

    def entered_numbers(self, *, by_input: bool = False) -> tuple[int, ...]:
        """Those of z."""
        return (self.tokens * self.width,)

    def input_nonzeros(self, i: int, o: int) -> int:
        """The numbers of ∂z/∂x: W for every step."""
        return self.tokens * self.width * self.features

    def parameter_nonzeros(self, i: int, o: int) -> dict[str, int]:
        """Of ∂z/∂θ: what enters at every step, and ones."""
        g, entered = self.tokens * self.width, {"W": self.features, "U": self.units, "b": 1}
        return {name: g * numbers for name, numbers in entered.items()}

    def jvp_bytes(self, n: int, i: int, o: int, itemsize: int, *, directions: int | None = None) -> int:
        """The memory, every ḣ, and what a step takes."""
        rows, states = n * (directions or 1), self.tokens * self.units
        numbers = max(states + 5 * self.width + self.units, states * (1 + self.sequence))
        return itemsize * (self.memory_numbers(n) + rows * numbers)

    def input_factor_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """∂y/∂z, and what a step takes of it."""
        step = self.width + min(self.gates + 1, 3) * self.units
        return itemsize * n * o * (self.tokens * self.width + step)

    def parameter_factors_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """The same."""
        return self.input_factor_bytes(n, i, o, itemsize)
