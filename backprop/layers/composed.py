"""Layers made of others: what holds of the whole chain f = f_K ∘ … ∘ f_1 inside, and the Jacobians of f.

    ∂f/∂θ of a layer k = ∂f/∂y_k ∂y_k/∂θ        ∂f/∂y_k = ∂f/∂y_{k+1} ∂y_{k+1}/∂y_k

The parameters inside are numbered by letters, Wa, ba, Wb, …, so that the second layer of a network has Wa2, ba2, …
"""

from __future__ import annotations

import math
import string
from collections.abc import Iterator, Mapping

import numpy as np

from backprop.arrays import Array
from backprop.layers.base import EinsumFactor, Layer, Tensors
from backprop.layers.chain import Chain, Evaluated, collected


class Composed(Chain, Layer):
    """A layer made of a chain f of `layers`; a subclass says what it makes of f."""

    def mark(self, number: int) -> str:
        """The letter: Wa, Wb, …"""
        return string.ascii_lowercase[number - 1]

    @property
    def smooth(self) -> bool:
        """Whether every layer inside is."""
        return all(layer.smooth for layer in self.layers)

    def distances(self, params: Tensors, x: Array) -> Iterator[Array]:
        """Those inside."""
        for step in self._steps(params, x):
            yield from step.layer.distances(step.own, step.x)

    @property
    def complex_safe(self) -> bool:  # type: ignore[override]  # by the layers
        """Whether every layer inside is."""
        return all(layer.complex_safe for layer in self.layers)

    @property
    def draws(self) -> bool:  # type: ignore[override]
        """Whether a layer inside does."""
        return any(layer.draws for layer in self.layers)

    @property
    def couples_samples(self) -> str:  # type: ignore[override]
        """Why the first layer inside that does so couples them."""
        return next((layer.couples_samples for layer in self.layers if layer.couples_samples), "")

    @property
    def lacks(self) -> Mapping[str, str]:  # type: ignore[override]
        """Every Jacobian, where a layer inside has none."""
        forms = ("input_jacobian", "parameter_jacobians", "input_factor", "parameter_factors")
        reasons = [reason for layer in self.layers for reason in layer.lacks.values()]
        return dict.fromkeys(forms, reasons[0]) if reasons else {}

    @property
    def letters(self) -> Mapping[str, str]:  # type: ignore[override]
        """The axes of the parameters inside."""
        return collected(self.names, [layer.letters for layer in self.layers])

    def initial(self, rng: np.random.Generator) -> dict[str, Array]:
        """Those of the layers inside."""
        return collected(self.names, [layer.initial(rng) for layer in self.layers])

    def redraw(self, rng: np.random.Generator) -> None:
        """Let every layer inside draw."""
        for layer in self.layers:
            layer.redraw(rng)

    def follow(self, params: Tensors, x: Array, running: Tensors) -> None:
        """Let every layer inside follow what reaches it."""
        steps = self._steps(params, x)
        for step, statistics in zip(steps, self.local_statistics(running), strict=True):
            step.layer.follow(step.own, step.x, statistics)

    def _steps(self, params: Tensors, x: Array) -> list[Evaluated]:
        """The forward pass inside, with what every layer reads and makes."""
        return self.evaluate(self.local(params), x)

    # Jacobians

    def _tails(self, params: Tensors, x: Array) -> list[tuple[Evaluated, Array, Array]]:
        """Every layer inside, with ∂f/∂y (n, o, its o) and ∂f/∂x (n, o, its i) of it."""
        n, o = x.shape
        tail = np.zeros_like(x, shape=(n, o, o))
        tail[:, range(o), range(o)] = 1
        tails = []
        for step in reversed(self._steps(params, x)):
            before = np.matmul(tail, step.layer.input_jacobian(step.own, step.x, step.y))
            tails.append((step, tail, before))
            tail = before
        return tails[::-1]

    def parameter_jacobians(
        self, params: Tensors, x: Array, y: Array, *, out: Tensors | None = None
    ) -> dict[str, Array]:
        """∂f/∂θ: those of a layer inside, multiplied by those of the layers after it, (n, o, *shape of θ)."""
        found: dict[str, Array] = {}
        for (step, tail, _), names in zip(self._tails(params, x), self.names, strict=True):
            for local, inner in step.layer.parameter_jacobians(step.own, step.x, step.y).items():
                name, (n, o, _) = names[local], tail.shape
                rows = inner.reshape(n, inner.shape[1], math.prod(inner.shape[2:]))
                into = None if out is None else out[name].reshape(n, o, rows.shape[2])
                found[name] = np.matmul(tail, rows, out=into).reshape(n, o, *inner.shape[2:])
        return found if out is None else dict(out)

    def parameter_factors(self, params: Tensors, x: Array, y: Array) -> dict[str, EinsumFactor]:
        """The Jacobians with all their axes."""
        return {
            name: EinsumFactor("no" + (axes := "abde"[: jacobian.ndim - 2]), jacobian, result=axes)
            for name, jacobian in self.parameter_jacobians(params, x, y).items()
        }

    # What it takes

    @property
    def steps(self) -> int:
        """Those inside."""
        return sum(layer.steps for layer in self.layers)

    def covector_traffic(self, n: int, i: int, o: int) -> int:
        """Those inside."""
        return sum(layer.covector_traffic(n, a, b) for layer, a, b in self.sized)

    def parameter_nonzeros(self, i: int, o: int) -> dict[str, int]:
        """Every output depends on every parameter."""
        return {name: o * math.prod(shape) for name, shape in self.parameter_shapes().items()}

    def parameter_factors_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """Those of the outputs by what every layer inside makes; the Jacobians up to one, and its own inside."""
        done, most = 0, 0
        for layer, _, b in self.sized:
            done += o * layer.parameter_count
            most = max(most, done + b * layer.parameter_count)
        return self._tails_bytes(n, o, itemsize) + max(n * most * itemsize, self._inner_bytes(n, itemsize))

    def input_factor_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """The Jacobian, those of the outputs by what every layer inside makes, and of one layer its own."""
        return n * o * i * itemsize + self._tails_bytes(n, o, itemsize) + self._inner_bytes(n, itemsize)

    def _tails_bytes(self, n: int, o: int, itemsize: int) -> int:
        """The Jacobians of the outputs by themselves and by what every layer inside reads, and what it makes."""
        return n * (o * o + sum(o * a + b for _, a, b in self.sized)) * itemsize

    def _inner_bytes(self, n: int, itemsize: int) -> int:
        """The most of the Jacobian by the input of a layer inside."""
        return max(
            n * a * b * itemsize + layer.jacobian_bytes(n, a, b, itemsize) for layer, a, b in self.sized
        )

    def jacobian_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """Those of the outputs by what every layer inside makes, and of one layer its own."""
        own = (
            n * b * max(a, layer.parameter_count) * itemsize + layer.jacobian_bytes(n, a, b, itemsize)
            for layer, a, b in self.sized
        )
        return self._tails_bytes(n, o, itemsize) + max(own)

    def planned_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """An output and a dx of every layer inside, and what those plan themselves."""
        own = sum(layer.planned_bytes(n, a, b, itemsize) for layer, a, b in self.sized)
        return self._buffer_bytes(n, itemsize) + own

    def planned_call_bytes(self, n: int, i: int, o: int, itemsize: int) -> tuple[int, int]:
        """The most of a layer inside."""
        calls = [layer.planned_call_bytes(n, a, b, itemsize) for layer, a, b in self.sized]
        return max(forward for forward, _ in calls), max(vjp for _, vjp in calls)

    def _buffer_bytes(self, n: int, itemsize: int) -> int:
        return sum(n * (a + b) * itemsize for a, b in self.widths)
