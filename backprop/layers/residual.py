"""A residual connection: y = x + f(x), where f is a chain of layers (He et al. 2016, arXiv:1512.03385).

    ∂y/∂x = I + ∂f/∂x        ∂y/∂θ = ∂f/∂θ

    VJP: dx = dy + (∂f/∂x)ᵀ dy        JVP: ẏ = ẋ + ∂f/∂x ẋ + ∂f/∂θ θ̇

Written residual(layer-norm 128 gelu 128). Every form is composed of the same form of the layers inside. Their
parameters are numbered by letters, Wa, ba, Wb, …, so that the second layer of a network has Wa2, ba2, …
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np

from backprop.arrays import Array, DType, aligned_empty
from backprop.errors import NetworkError
from backprop.layers.base import EinsumFactor, Layer, Planned, Shape, Tensors
from backprop.layers.chain import Chain, Evaluated, collected


@final
@dataclass(frozen=True, repr=False)
class Residual(Chain, Layer):
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
            raise NetworkError(
                "A residual has its layers in brackets alone, such as residual(layer-norm 128)."
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

    def mark(self, number: int) -> str:
        """The letter: Wa, Wb, …"""
        return string.ascii_lowercase[number - 1]

    # What holds of all layers inside, or of none

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

    def evaluated(self, params: Tensors, x: Array, running: Tensors) -> Array:
        """x plus the chain as it is after training."""
        y = x
        for layer, own, statistics in zip(
            self.layers, self.local(params), self.local_statistics(running), strict=True
        ):
            y = layer.evaluated(own, y, statistics)
        total: Array = x + y
        return total

    # What it takes

    @property
    def steps(self) -> int:
        """Those inside."""
        return sum(layer.steps for layer in self.layers)

    def covector_traffic(self, n: int, i: int, o: int) -> int:
        """Those inside."""
        return sum(layer.covector_traffic(n, a, b) for layer, a, b in self.sized)

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

    def parameter_nonzeros(self, i: int, o: int) -> dict[str, int]:
        """Every output depends on every parameter."""
        return {name: o * math.prod(shape) for name, shape in self.parameter_shapes().items()}

    def parameter_factors_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """Those of the outputs by what every layer inside makes; the Jacobians up to one, and its own inside."""
        done, most = 0, 0
        for layer, _, b in self.sized:
            done += o * _weights(layer)
            most = max(most, done + b * _weights(layer))
        return n * most * itemsize + self.input_factor_bytes(n, i, o, itemsize)

    def input_factor_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """The Jacobian, and those of the outputs by what every layer inside makes."""
        return n * (o * i + sum(o * a + b for _, a, b in self.sized)) * itemsize

    def jacobian_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """Those of the outputs by what every layer inside makes, and of one layer its own."""
        own = (
            n * b * max(a, _weights(layer)) * itemsize + layer.jacobian_bytes(n, a, b, itemsize)
            for layer, a, b in self.sized
        )
        return self.input_factor_bytes(n, i, o, itemsize) + max(own)

    def jvp_bytes(self, n: int, i: int, o: int, itemsize: int, *, directions: int | None = None) -> int:
        """What the layers inside make, and a JVP of one of them with its tangent."""
        rows = n * (directions or 1)
        alive = [
            rows * a * itemsize + layer.jvp_bytes(n, a, b, itemsize, directions=directions)
            for layer, a, b in self.sized
        ]
        return n * self.units * itemsize + max(*alive, 2 * rows * o * itemsize)

    def planned_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """An output and a dx of every layer inside, and what those plan themselves."""
        own = sum(layer.planned_bytes(n, a, b, itemsize) for layer, a, b in self.sized)
        return self._buffer_bytes(n, itemsize) + own

    def _buffer_bytes(self, n: int, itemsize: int) -> int:
        return sum(n * (a + b) * itemsize for a, b in self.widths)

    def planned_call_bytes(self, n: int, i: int, o: int, itemsize: int) -> tuple[int, int]:
        """The most of a layer inside."""
        calls = [layer.planned_call_bytes(n, a, b, itemsize) for layer, a, b in self.sized]
        return max(forward for forward, _ in calls), max(vjp for _, vjp in calls)

    # Forward and back

    def _steps(self, params: Tensors, x: Array) -> list[Evaluated]:
        """The forward pass inside, with what every layer reads and makes."""
        return self.evaluate(self.local(params), x)

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

    def input_factor(self, params: Tensors, x: Array, y: Array) -> EinsumFactor:
        """The Jacobian: every output depends on every input."""
        return EinsumFactor("noi", self.input_jacobian(params, x, y))

    def parameter_factors(self, params: Tensors, x: Array, y: Array) -> dict[str, EinsumFactor]:
        """The Jacobians with all their axes."""
        return {
            name: EinsumFactor("no" + (axes := "abde"[: jacobian.ndim - 2]), jacobian, result=axes)
            for name, jacobian in self.parameter_jacobians(params, x, y).items()
        }


def _weights(layer: Layer) -> int:
    return sum(map(math.prod, layer.parameter_shapes().values()))


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
