"""A residual connection: y = x + f(x), where f is a chain of layers (He et al. 2016, arXiv:1512.03385).

    ∂y/∂x = I + ∂f/∂x        ∂y/∂θ = ∂f/∂θ

    VJP: dx = dy + (∂f/∂x)ᵀ dy        JVP: ẏ = ẋ + ∂f/∂x ẋ + ∂f/∂θ θ̇

Written residual(layer-norm 128 gelu 128). Every form is composed of the same form of the layers inside. Their
parameters are numbered by letters, Wa, ba, Wb, …, so that the second layer of a network has Wa2, ba2, …
"""

from __future__ import annotations

import functools
import math
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self, cast, final

import numpy as np

from backprop.arrays import Array, DType
from backprop.errors import NetworkError
from backprop.layers.base import EinsumFactor, Layer, Shape, Tensors
from backprop.layers.planned_residual import PlannedResidual


@final
@dataclass(frozen=True, repr=False)
class Residual(Layer):
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
        if len(self.lettered) > len(string.ascii_lowercase):
            raise NetworkError(
                f"A residual has {len(self.lettered)} layers with parameters; expected at most 26."
            )
        shape = self.shape
        for layer in self.layers:
            shape = layer.output_shape(shape)
        if math.prod(shape) != math.prod(self.shape):
            raise NetworkError(
                f"The layers of a residual make {math.prod(shape)} outputs of {math.prod(self.shape)} inputs; "
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

    @functools.cached_property
    def lettered(self) -> list[int]:
        """The positions of the layers with parameters, in the order of their letters."""
        return [k for k, layer in enumerate(self.layers) if layer.parameter_shapes()]

    @functools.cached_property
    def names(self) -> list[dict[str, str]]:
        """For every layer inside, its names of parameters and statistics to those of the residual: {"W": "Wa"}."""
        letters = dict(zip(self.lettered, string.ascii_lowercase, strict=False))
        return [
            {name: f"{name}{letters[k]}" for name in (*layer.parameter_shapes(), *layer.statistics())}
            for k, layer in enumerate(self.layers)
        ]

    @functools.cached_property
    def sized(self) -> list[tuple[Layer, int, int]]:
        """Every layer inside with its i and o."""
        sized, shape = [], self.shape
        for layer in self.layers:
            after = layer.output_shape(shape)
            sized.append((layer, math.prod(shape), math.prod(after)))
            shape = after
        return sized

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
        pairs = zip(self.layers, self.names, strict=True)
        return {
            names[local]: axes
            for layer, names in pairs
            for local, axes in layer.letters.items()
            if local in names
        }

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

        def chain(library: str, module: Any, own: Any, x: Any) -> Any:
            y = x
            for layer, tensors in zip(self.layers, self.local(own), strict=True):
                y = layer.peers[library](module, tensors, y)
            return x + y

        known = set.intersection(*(set(layer.peers) for layer in self.layers))
        return {library: functools.partial(chain, library) for library in sorted(known)}

    @property
    def oracle(self) -> Callable[..., Any] | None:  # type: ignore[override]
        """x plus the chain of the oracles inside."""
        if any(layer.oracle is None for layer in self.layers):
            return None

        def chain(params: Tensors, x: Array) -> Array:
            y = x
            for layer, own in zip(self.layers, self.local(params), strict=True):
                assert layer.oracle is not None
                y = layer.oracle(own, y)
            total: Array = x + y
            return total

        return chain

    # Parameters and evaluation

    def output_width(self, input_width: int) -> int:
        """As many as inputs; raises `NetworkError` for another number than the shape has."""
        if input_width != math.prod(self.shape):
            raise NetworkError(f"A residual got {input_width} inputs; expected {math.prod(self.shape)}.")
        return input_width

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Those of the layers inside: Wa, ba, Wb, …"""
        return self._collected([layer.parameter_shapes() for layer in self.layers])

    def initial(self, rng: np.random.Generator) -> dict[str, Array]:
        """Those of the layers inside."""
        return self._collected([layer.initial(rng) for layer in self.layers])

    def redraw(self, rng: np.random.Generator) -> None:
        """Let every layer inside draw."""
        for layer in self.layers:
            layer.redraw(rng)

    def statistics(self) -> dict[str, Array]:
        """Those of the layers inside."""
        return self._collected([layer.statistics() for layer in self.layers])

    def follow(self, params: Tensors, x: Array, running: Tensors) -> None:
        """Let every layer inside follow what reaches it."""
        for step, statistics in zip(self._steps(params, x), self.local(running), strict=True):
            step.layer.follow(step.own, step.x, statistics)

    def evaluated(self, params: Tensors, x: Array, running: Tensors) -> Array:
        """x plus the chain as it is after training."""
        y = x
        for layer, own, statistics in zip(self.layers, self.local(params), self.local(running), strict=True):
            y = layer.evaluated(own, y, statistics)
        total: Array = x + y
        return total

    def local(self, tensors: Tensors) -> list[dict[str, Array]]:
        """For every layer inside its own of these tensors, by its own names."""
        return [
            {local: tensors[name] for local, name in names.items() if name in tensors} for names in self.names
        ]

    def _collected(self, own: list[Any]) -> dict[str, Any]:
        """What every layer inside has by its own names, by the names of the residual."""
        return {
            names[local]: value
            for names, values in zip(self.names, own, strict=True)
            for local, value in values.items()
        }

    # What it takes

    def forward_flops(self, n: int, i: int, o: int) -> int:
        """Those inside, and the sum."""
        return sum(layer.forward_flops(n, a, b) for layer, a, b in self.sized) + n * o

    def vjp_flops(self, n: int, i: int, o: int, *, input_needed: bool) -> int:
        """Those inside, and the sum; without the forward pass inside, whose values `planned` keeps."""
        return n * o * input_needed + sum(
            layer.vjp_flops(n, a, b, input_needed=input_needed or k > 0)
            for k, (layer, a, b) in enumerate(self.sized)
        )

    def parts_flops(self, n: int, i: int, o: int) -> int:
        """The forward pass inside once more, the parts of every layer, and the sum."""
        return self.forward_flops(n, i, o) + sum(layer.parts_flops(n, a, b) for layer, a, b in self.sized)

    def forward_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """A layer inside with its input; at the end f(x) and y."""
        inside = (
            n * a * itemsize * (k > 0) + layer.forward_bytes(n, a, b, itemsize, out=False)
            for k, (layer, a, b) in enumerate(self.sized)
        )
        return max(*inside, n * o * itemsize * (1 if out else 2))

    def vjp_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """What the layers inside make, and a VJP of one of them with its dy; at the end dx."""
        return self._back_bytes(
            [layer.vjp_bytes(n, a, b, itemsize, out=False) for layer, a, b in self.sized], n * itemsize, out
        )

    def parts_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """The same by the parts of every layer."""
        return self._back_bytes(
            [layer.parts_bytes(n, a, b, itemsize) for layer, a, b in self.sized], n * itemsize, False
        )

    def _back_bytes(self, inside: list[int], one: int, out: bool) -> int:
        last = len(inside) - 1
        alive = (
            own + one * b * (k < last)
            for k, (own, (_, _, b)) in enumerate(zip(inside, self.sized, strict=True))
        )
        end = one * math.prod(self.shape) * (1 if out else 2)
        return sum(one * b for _, _, b in self.sized) + max(*alive, end)

    def parameter_nonzeros(self, i: int, o: int) -> dict[str, int]:
        """Every output depends on every parameter."""
        return {name: o * math.prod(shape) for name, shape in self.parameter_shapes().items()}

    def parameter_factors_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """Those of the outputs by what every layer inside makes; the Jacobians up to one, and its own inside."""
        done, most = 0, 0
        for layer, _, b in self.sized:
            weights = sum(math.prod(shape) for shape in layer.parameter_shapes().values())
            done += o * weights
            most = max(most, done + b * weights)
        return n * most * itemsize + self.input_factor_bytes(n, i, o, itemsize)

    def input_factor_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """The Jacobian, and those of the outputs by what every layer inside makes."""
        return n * (o * i + sum(o * a + b for _, a, b in self.sized)) * itemsize

    def jacobian_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """As the factors."""
        return self.parameter_factors_bytes(n, i, o, itemsize)

    def jvp_bytes(self, n: int, i: int, o: int, itemsize: int, *, directions: int | None = None) -> int:
        """What the layers inside make, and a JVP of one of them with its tangent."""
        rows = n * (directions or 1)
        alive = [
            rows * a * itemsize + layer.jvp_bytes(n, a, b, itemsize, directions=directions)
            for layer, a, b in self.sized
        ]
        return sum(n * b * itemsize for _, _, b in self.sized) + max(*alive, 2 * rows * o * itemsize)

    def planned_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """An output and a dx of every layer inside, and what those plan themselves."""
        return sum(
            n * (a + b) * itemsize + layer.planned_bytes(n, a, b, itemsize) for layer, a, b in self.sized
        )

    def planned_call_bytes(self, n: int, i: int, o: int, itemsize: int) -> tuple[int, int]:
        """The most of a layer inside."""
        calls = [layer.planned_call_bytes(n, a, b, itemsize) for layer, a, b in self.sized]
        return max(forward for forward, _ in calls), max(vjp for _, vjp in calls)

    def planned(self, n: int, dtype: DType) -> Layer:
        """With buffers for what the layers inside make, kept from `forward` to `vjp`."""
        return cast(Layer, PlannedResidual(self, n, dtype))

    # Forward and back

    def _steps(self, params: Tensors, x: Array) -> list[_Step]:
        """The forward pass inside, with what every layer reads and makes."""
        steps = []
        for layer, own in zip(self.layers, self.local(params), strict=True):
            steps.append(_Step(layer, own, x, layer.forward(own, x)))
            x = steps[-1].y
        return steps

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """x + f(x)."""
        y = x
        for layer, own in zip(self.layers, self.local(params), strict=True):
            y = layer.forward(own, y)
        total: Array = np.add(x, y, out=out)
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
        """dy + (∂f/∂x)ᵀ dy."""

        def one(k: int, step: _Step, d: Array, own: Tensors | None) -> tuple[Array | None, Tensors]:
            needed = input_needed or k > 0
            return step.layer.vjp(step.own, step.x, step.y, d, input_needed=needed, dparams=own)

        dx, own = self._back(params, x, dy, dparams, one)
        return (None if dx is None else np.add(dy, dx, out=out)), own

    def vjp_by_parts(
        self, params: Tensors, x: Array, y: Array, dy: Array, *, dparams: Tensors | None = None
    ) -> tuple[Array, Tensors]:
        """The same by the parts of every layer."""

        def one(k: int, step: _Step, d: Array, own: Tensors | None) -> tuple[Array | None, Tensors]:
            return step.layer.vjp_by_parts(step.own, step.x, step.y, d, dparams=own)

        dx, own = self._back(params, x, dy, dparams, one)
        assert dx is not None  # it was asked for
        return dy + dx, own

    def _back(
        self, params: Tensors, x: Array, dy: Array, dparams: Tensors | None, one: Callable[..., Any]
    ) -> tuple[Array | None, Tensors]:
        """From the last layer inside to the first, each by `one`."""
        steps, d = self._steps(params, x), dy
        buffers = [None] * len(steps) if dparams is None else self.local(dparams)
        own: list[Tensors] = [{}] * len(steps)
        for k, step in reversed(list(enumerate(steps))):
            d, own[k] = one(k, step, d, buffers[k])
        return d, self._collected(own)

    def jvp(self, params: Tensors, x: Array, y: Array, dx: Array, dparams: Tensors) -> Array:
        """ẋ + ∂f/∂x ẋ + ∂f/∂θ θ̇."""
        pushed = dx
        for step, own in zip(self._steps(params, x), self.local(dparams), strict=True):
            pushed = step.layer.jvp(step.own, step.x, step.y, pushed, own)
        total: Array = dx + pushed
        return total

    # Jacobians

    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """I + the product of those inside, (n, o, i)."""
        jacobian = self._tails(params, x)[0][1]
        if out is None:
            out = np.empty_like(jacobian)
        out[...] = jacobian
        diagonal = np.einsum("noo->no", out)  # a writeable view
        diagonal += 1
        return out

    def parameter_jacobians(
        self, params: Tensors, x: Array, y: Array, *, out: Tensors | None = None
    ) -> dict[str, Array]:
        """∂f/∂θ: those of a layer inside, multiplied by those of the layers after it, (n, o, *shape of θ)."""
        n, o = y.shape
        own = []
        for step, (tail, _) in zip(self._steps(params, x), self._tails(params, x), strict=True):
            local = step.layer.parameter_jacobians(step.own, step.x, step.y)
            own.append(
                {
                    name: np.matmul(
                        tail, jacobian.reshape(n, jacobian.shape[1], math.prod(jacobian.shape[2:]))
                    ).reshape(n, o, *jacobian.shape[2:])
                    for name, jacobian in local.items()
                }
            )
        found: dict[str, Array] = self._collected(own)
        if out is None:
            return found
        for name, jacobian in found.items():
            out[name][...] = jacobian
        return dict(out)

    def _tails(self, params: Tensors, x: Array) -> list[tuple[Array, Array]]:
        """Of every layer inside, ∂f/∂y (n, o, its o) and ∂f/∂x (n, o, its i)."""
        n, o = x.shape
        tail = np.zeros_like(x, shape=(n, o, o))
        tail[:, range(o), range(o)] = 1
        tails = []
        for step in reversed(self._steps(params, x)):
            before = np.matmul(tail, step.layer.input_jacobian(step.own, step.x, step.y))
            tails.append((tail, before))
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


class _Step(NamedTuple):
    """A layer inside with its own parameters, its input and its output."""

    layer: Layer
    own: Mapping[str, Array]
    x: Array
    y: Array
