"""A residual connection: y = x + f(x), where f is a chain of layers (He et al. 2016, arXiv:1512.03385).

    ∂y/∂x = I + ∂f/∂x        ∂y/∂θ = ∂f/∂θ

    VJP: dx = dy + (∂f/∂x)ᵀ dy        JVP: ẏ = ẋ + ∂f/∂x ẋ + ∂f/∂θ θ̇

Written residual(layer-norm 128 gelu 128). Every form is composed of the same form of the layers inside.
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np

from backprop.arrays import Array, DType, aligned_empty
from backprop.errors import NetworkError
from backprop.layers.base import EinsumFactor, Layer, Planned, Shape, Tensors
from backprop.layers.composed import Composed
from backprop.layers.reading import misread


@final
@dataclass(frozen=True, repr=False)
class Residual(Composed):
    """x + f(x), with f the chain of `layers`, whose outputs have the shape of its inputs."""

    shape: Shape
    layers: tuple[Layer, ...]

    name: ClassVar[str] = "residual"
    reads_input: ClassVar[bool] = True
    reads_output: ClassVar[bool] = False
    examples: ClassVar[tuple[str, ...]] = (
        "2 residual(2 tanh 2)",
        "3 residual(layer-norm 4 tanh 3)",
        "2x3 residual(rms-norm)",
        "3 residual(4 batch-norm gelu 3)",
    )

    @classmethod
    def of(cls, shape: Shape, *numbers: float, **options: Any) -> Self:
        """The layer around the layers in brackets; raises `NetworkError` without any, or with anything else."""
        inner = options.pop("inner", ())
        if numbers or options or not inner:
            raise misread(
                cls.name, numbers, options, "its layers in brackets alone, such as residual(layer-norm 128)"
            )
        return cls(tuple(shape), inner)

    def __post_init__(self) -> None:
        lettered = sum(bool(layer.parameter_shapes()) for layer in self.layers)
        if lettered > len(string.ascii_lowercase):
            raise NetworkError(f"A residual has {lettered} layers with parameters; expected at most 26.")
        if self.widths[-1][1] != math.prod(self.shape):
            raise NetworkError(
                f"The layers of a residual make {self.widths[-1][1]} outputs of {math.prod(self.shape)} inputs; "
                "expected as many."
            )

    @property
    def text(self) -> str:
        """The layers inside as they are read."""
        return f"{self.name}({' '.join(layer.text for layer in self.layers)})"

    @property
    def input_shape(self) -> Shape:
        """The shape of a sample."""
        return self.shape

    # For readers, libraries and tests

    @property
    def formulas(self) -> Mapping[str, str]:  # type: ignore[override]  # by the layers
        """With f for the chain, which the forward pass names."""
        inside = ", ".join(layer.text for layer in self.layers)
        own = {}
        for name in self.parameter_shapes():
            own[f"parameter_jacobians {name}"] = own[f"parameter_factors {name}"] = f"∂f/∂{{{name}}}"
            own[f"vjp {name}"] = f"Σn ∂{{k}}/∂{{y}} ∂f/∂{{{name}}}"
        return {
            "forward": f"{{x}}[n,o] + f[n,o], where f is made of {{x}} by {inside}",
            "input_jacobian": "δ[o,i] + ∂f/∂{x}[n,o,i]",
            "vjp": "∂{k}/∂{y}[n,i] + Σo ∂{k}/∂{y}[n,o] ∂f/∂{x}[n,o,i]",
            **own,
        }

    @property
    def peers(self) -> Mapping[str, Callable[..., Any]]:  # type: ignore[override]
        """x plus the chain of the forms inside, for every library that all of them know."""

        def outputs(module: Any, own: Any, x: Any) -> Any:
            return x + self.by_library(module, own, x)

        known = set.intersection(*(set(layer.peers) for layer in self.layers))
        return dict.fromkeys(sorted(known), outputs)

    @property
    def oracle(self) -> Callable[..., Any] | None:  # type: ignore[override]
        """x plus the chain of the oracles inside."""
        if any(layer.oracle is None for layer in self.layers):
            return None

        def outputs(params: Tensors, x: Array) -> Array:
            y = x
            for layer, own in zip(self.layers, self.local(params), strict=True):
                assert layer.oracle is not None
                y = layer.oracle(own, y)
            total: Array = x + y
            return total

        return outputs

    # Parameters and evaluation

    def output_width(self, input_width: int) -> int:
        """As many as inputs; raises `NetworkError` for another number than the shape has."""
        self.check_inputs(input_width)
        return input_width

    def evaluated(self, params: Tensors, x: Array, running: Tensors) -> Array:
        """x plus the chain as it is after training."""
        total: Array = x + self.trained(params, x, running)
        return total

    # What it takes

    def forward_flops(self, n: int, i: int, o: int) -> int:
        """Those inside, and the sum."""
        return self.layers_flops(n) + n * o

    def vjp_flops(self, n: int, i: int, o: int, *, input_needed: bool) -> int:
        """Those inside, and the sum; without the forward pass inside, whose values `planned` keeps."""
        return n * o * input_needed + self.backward_flops(n, first_input_needed=input_needed)

    def parts_flops(self, n: int, i: int, o: int) -> int:
        """The forward pass inside once more, the parts of every layer, and the sum."""
        return self.forward_flops(n, i, o) + self.layers_parts_flops(n)

    def forward_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """A layer inside with its input; at the end f(x) and y."""
        return max(self.layers_bytes(n, itemsize), n * o * itemsize * (1 if out else 2))

    def vjp_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """An output and a dx of every layer inside, what one of them allocates, and dx."""
        own = max(layer.vjp_bytes(n, a, b, itemsize, out=True) for layer, a, b in self.sized)
        return self._buffer_bytes(n, itemsize) + own + (0 if out else n * i * itemsize)

    def parts_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """What the layers inside make, and the parts of one of them with its dy; at the end dx."""
        last = len(self.layers) - 1
        alive = (
            layer.parts_bytes(n, a, b, itemsize) + n * b * itemsize * (k < last)
            for k, (layer, a, b) in enumerate(self.sized)
        )
        return n * self.units * itemsize + max(*alive, 2 * n * i * itemsize)

    def jvp_bytes(self, n: int, i: int, o: int, itemsize: int, *, directions: int | None = None) -> int:
        """What the layers inside make, and a JVP of one of them with its tangent."""
        rows = n * (directions or 1)
        alive = [
            rows * a * itemsize + layer.jvp_bytes(n, a, b, itemsize, directions=directions)
            for layer, a, b in self.sized
        ]
        return n * self.units * itemsize + max(*alive, 2 * rows * o * itemsize)

    # Forward and back

    def planned(self, n: int, dtype: DType) -> Planned:
        """With buffers for what the layers inside make, kept from `forward` to `vjp`."""
        layers = [layer.planned(n, dtype) for layer in self.layers]
        return _Call(self, layers, lambda width: aligned_empty((n, width), dtype))

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """x + f(x)."""
        total: Array = np.add(x, self.chained(self.local(params), x), out=out)
        return total

    def vjp(
        self,
        params: Tensors,
        x: Array,
        y: Array,
        dy: Array,
        *,
        input_needed: bool = True,
        out: Array | None = None,
        dparams: Tensors | None = None,
    ) -> tuple[Array | None, Tensors]:
        """dy + (∂f/∂x)ᵀ dy, after the forward pass inside once more."""
        call = _Call(self, self.layers, lambda width: np.empty_like(x, shape=(len(x), width)))
        call.run(params, x)
        dparams = self._gradients(x, dparams)
        return call.vjp(params, x, y, dy, input_needed=input_needed, out=out, dparams=dparams)

    def vjp_by_parts(
        self, params: Tensors, x: Array, y: Array, dy: Array, *, dparams: Tensors | None = None
    ) -> tuple[Array, Tensors]:
        """The same by the parts of every layer."""
        d, dparams = dy, self._gradients(x, dparams)
        steps = zip(self._steps(params, x), self.local(dparams), strict=True)
        for step, own in reversed(list(steps)):
            d, _ = step.layer.vjp_by_parts(step.own, step.x, step.y, d, dparams=own)
        return dy + d, dparams

    def jvp(self, params: Tensors, x: Array, y: Array, dx: Array, dparams: Tensors) -> Array:
        """ẋ + ∂f/∂x ẋ + ∂f/∂θ θ̇."""
        pushed = dx
        moved = self.local(dparams) if dparams else [{}] * len(self.layers)
        for step, own in zip(self._steps(params, x), moved, strict=True):
            pushed = step.layer.jvp(step.own, step.x, step.y, pushed, own)
        total: Array = dx + pushed
        return total

    # Jacobians

    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """I + the product of those inside, (n, o, i)."""
        if out is None:
            out = np.empty_like(x, shape=(*y.shape, x.shape[1]))
        out[...] = self._tails(params, x)[0][2]
        diagonal = np.einsum("noo->no", out)  # a writeable view
        diagonal += 1
        return out

    def input_factor(self, params: Tensors, x: Array, y: Array) -> EinsumFactor:
        """The Jacobian: every output depends on every input."""
        return EinsumFactor("noi", self.input_jacobian(params, x, y))


class _Call:
    """The residual for batches of one size, with an output and a dx of every layer inside, made by `empty`."""

    def __init__(self, residual: Residual, layers: Sequence[Planned], empty: Callable[[int], Array]) -> None:
        self._residual, self._layers = residual, layers
        self._outputs = [empty(o) for _, o in residual.widths]
        self._deltas = [empty(i) for i, _ in residual.widths]

    def run(self, params: Tensors, x: Array) -> Array:
        """f(x), kept for `vjp` with what every layer makes."""
        y = x
        for layer, own, buffer in zip(self._layers, self._residual.local(params), self._outputs, strict=True):
            y = layer.forward(own, y, out=buffer)
        return y

    def forward(self, params: Tensors, x: Array, *, out: Array) -> Array:
        """x + f(x)."""
        total: Array = np.add(x, self.run(params, x), out=out)
        return total

    def vjp(
        self,
        params: Tensors,
        x: Array,
        y: Array,
        dy: Array,
        *,
        input_needed: bool,
        out: Array | None,
        dparams: Tensors,
    ) -> tuple[Array | None, Tensors]:
        """dy + (∂f/∂x)ᵀ dy, of the batch of the last `run`."""
        local, values, d = self._residual.local(params), [x, *self._outputs], dy
        for k, own in reversed(list(enumerate(self._residual.local(dparams)))):
            dx, _ = self._layers[k].vjp(
                local[k],
                values[k],
                values[k + 1],
                d,
                input_needed=input_needed or k > 0,
                out=self._deltas[k],
                dparams=own,
            )
            if dx is None:
                return None, dparams
            d = dx
        return np.add(dy, d, out=out), dparams
