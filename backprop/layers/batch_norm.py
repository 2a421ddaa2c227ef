"""Batch normalisation: every feature, or every channel of (c, h, w), has mean 0 and variance 1 over the batch.

    h[n,o] = (x[n,o] - mean x[:,o]) r[o]        r[o] = 1/√(variance x[:,o] + ε)        y = γ h + β

    VJP: dx = γ r (dy - mean dy - h mean(dy h)) = γ r (dy - dβ/m - h dγ/m)        m numbers of a feature in the batch

The means couple the samples: ∂y/∂x of one sample does not exist, and a batch cannot be split. In training the
statistics are those of the batch. For evaluation a running mean of them is followed (Ioffe and Szegedy 2015,
arXiv:1502.03167, algorithms 1 and 2):

    running ← (1 - momentum) running + momentum · mean, or variance · m/(m - 1), of the batch
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np

from backprop.arrays import Array
from backprop.errors import NetworkError, UnsupportedError
from backprop.layers.base import EinsumFactor, Shape, Tensors
from backprop.layers.normalisation import EPSILON, Memory, Normalisation, inverse_root
from backprop.layers.reading import misread
from backprop.layers.remembering import buffer

_ONE = "∂y/∂x of one sample does not exist, for its mean and variance are those of the batch"


@final
@dataclass(frozen=True, repr=False)
class BatchNorm(Normalisation):
    """γ (x - mean) / √(variance + ε) + β over the samples of a batch, and the places of a channel.

    momentum: the share of the latest batch in the statistics for evaluation, above 0 and at most 1.
    """

    shape: Shape
    momentum: float = 0.1

    name: ClassVar[str] = "batch-norm"
    forward_flops_per_number: ClassVar[int] = 6
    dx_flops_per_number: ClassVar[int] = 4
    examples: ClassVar[tuple[str, ...]] = ("2 batch-norm", "2x2x2 batch-norm")
    feature: ClassVar[int] = 0
    couples_samples: ClassVar[str] = "a mean and a variance are those of all of them"
    lacks: ClassVar[Mapping[str, str]] = {"input_jacobian": _ONE, "input_factor": _ONE}

    @classmethod
    def of(cls, shape: Shape, *numbers: float, **options: Any) -> Self:
        """The layer for inputs of that shape, with a momentum; raises `NetworkError` for anything else."""
        expected = "nothing more, or a number as in batch-norm,momentum=0.1"
        if numbers or options.keys() - {"momentum"}:
            raise misread(cls.name, numbers, options, expected)
        try:
            momentum = float(options.get("momentum", cls.momentum))
        except ValueError:
            raise misread(cls.name, (), map("=".join, options.items()), expected) from None
        return cls(tuple(shape), momentum)

    def __post_init__(self) -> None:
        if not 0 < self.momentum <= 1:
            raise NetworkError(
                f"The momentum of batch-norm is {self.momentum:g}; expected above 0, at most 1."
            )

    @property
    def text(self) -> str:
        """The momentum is written where it is another one than usual."""
        return self.name if self.momentum == 0.1 else f"{self.name},momentum={self.momentum!r}"

    @property
    def formulas(self) -> Mapping[str, str]:  # type: ignore[override]  # by the shape
        """With h, which the forward pass names; the means are over the samples, and over the places of a channel."""
        o, i, q = ("n,o", "n,i", "o") if len(self.split) == 1 else ("n,q,s", "n,q,s", "q")
        sums = "Σn" if q == "o" else "Σn Σs"
        root = f"√(var {{x}}[{q}] + 1/{round(1 / EPSILON)})"
        d = "∂{k}/∂{y}"
        return {
            "forward": f"{{gamma}}[{q}] h[{o}] + {{beta}}[{q}], where h = ({{x}} - mean {{x}}[{q}]) / {root}",
            "vjp": f"{{gamma}} ({d}[{i}] - mean {d} - h[{i}] mean({d} h)) / {root}",
            "vjp gamma": f"{sums} {d}[{o}] h[{o}]",
            "vjp beta": f"{sums} {d}[{o}]",
        }

    @property
    def code(self) -> str:  # type: ignore[override]  # by the sizes
        """Feature by feature over the samples, or channel by channel over its places, too."""
        axes, along = ("0", "") if len(self.split) == 1 else ("(0, 2)", "[:, None]")
        return (
            f"split = x.reshape({', '.join(map(str, (-1, *self.split)))})\n"
            f"centre = split - split.mean(axis={axes}, keepdims=True)\n"
            f"h = centre / np.sqrt((centre**2).mean(axis={axes}, keepdims=True) + {EPSILON})\n"
            f"return (gamma{along} * h + beta{along}).reshape(x.shape)"
        )

    @property
    def split(self) -> Shape:
        """(c, places) of channels (c, h, w), else all features."""
        c, *places = self.shape if len(self.shape) == 3 else (math.prod(self.shape),)
        return (c, math.prod(places)) if math.prod(places) > 1 else (c,)

    @property
    def axes(self) -> tuple[int, ...]:
        """The samples, and the places of a channel."""
        return (-2,) if len(self.split) == 1 else (-3, -1)

    def _torch(self, torch: Any, own: Any, rows: Any) -> Any:
        """PyTorch's function, without its check that a batch has more than one sample."""
        return torch.batch_norm(rows, own["gamma"], own["beta"], None, None, True, 0.0, EPSILON, False)

    def oracle(self, params: Tensors, x: Array) -> Array:
        """Feature by feature, from its mean and the distances to it."""
        samples, places = x.reshape(len(x), self.features, -1), []
        for o in range(self.features):
            own = samples[:, o]
            mean = sum(own.reshape(-1)) / own.size
            variance = sum((value - mean) ** 2 for value in own.reshape(-1)) / own.size
            places.append(
                params["gamma"][o] * (own - mean) * (variance + EPSILON) ** -0.5 + params["beta"][o]
            )
        return np.stack(places, axis=1).reshape(x.shape)

    # Evaluation

    def statistics(self) -> dict[str, Array]:
        """The mean and the variance of every feature, 0 and 1 before any batch."""
        return {"mean": np.zeros(self.features), "variance": np.ones(self.features)}

    def follow(self, params: Tensors, x: Array, running: Tensors) -> None:
        """A step of both towards those of the batch, of the variance towards its unbiased estimate."""
        samples, m = self._view(x), self._count(len(x))
        mean = self._mean(samples)
        variance = self._mean(np.square(samples - mean)) * (m / max(1, m - 1))
        for name, value in (("mean", mean), ("variance", variance)):
            running[name][...] += self.momentum * (value.reshape(-1) - running[name])

    def evaluated(self, params: Tensors, x: Array, running: Tensors) -> Array:
        """γ (x - running mean) / √(running variance + ε) + β: a sample's output is its own."""
        scale = params["gamma"] / np.sqrt(running["variance"] + x.dtype.type(EPSILON))
        centre = self._view(x) - self._along(running["mean"])
        y: Array = centre * self._along(scale) + self._along(params["beta"])
        return y.reshape(x.shape)

    # Forward and back

    def memory(self, n: int, like: Array) -> Memory:
        """x - mean (n, *split) in place of h: y = (x - mean) (γ r) + β, and dγ = r Σ dy (x - mean)."""
        shape = (n, *self.split)
        centre, product = buffer(like, *shape), buffer(like, *shape)
        inverse = buffer(like, self.features, *[1] * (len(shape) - 2))
        ones = (np.ones(size, centre.dtype) for size in (n, shape[-1]))
        return Memory(centre, product, inverse, self._count(n), *ones)

    def run(self, params: Tensors, x: Array, memory: Memory, out: Array) -> Array:
        """(x - mean) (γ r) + β."""
        centre, inverse, m = memory.h, memory.inverse, memory.count
        x, along = x.reshape(centre.shape), inverse.shape
        np.subtract(x, (_total(x, memory) / m).reshape(along), out=centre)
        squares = "no,no->o" if centre.ndim == 2 else "nqs,nqs->q"
        inverse_root(np.einsum(squares, centre, centre).reshape(along), m, out=inverse)
        y = np.multiply(centre, params["gamma"].reshape(along) * inverse, out=out.reshape(centre.shape))
        y += params["beta"].reshape(along)
        return out

    def back(self, params: Tensors, memory: Memory, dy: Array, dx: Array | None, dparams: Tensors) -> None:
        """γ r (dy - dβ/m - h dγ/m)."""
        centre, inverse, m = memory.h, memory.inverse, memory.count
        split = dy.reshape(centre.shape)
        product = np.multiply(split, centre, out=memory.product)
        np.multiply(_total(product, memory), inverse.reshape(-1), out=dparams["gamma"])
        dparams["beta"][...] = _total(split, memory)
        if dx is None:
            return
        mean, along = ((dparams[name] / m).reshape(inverse.shape) for name in ("beta", "gamma"))
        d = np.subtract(split, mean, out=dx.reshape(centre.shape))
        d -= np.multiply(centre, along * inverse, out=product)
        d *= params["gamma"].reshape(inverse.shape) * inverse

    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """Does not exist; raises `UnsupportedError`."""
        raise UnsupportedError(f"The layer batch-norm has no input_jacobian: {_ONE}.")

    def input_factor(self, params: Tensors, x: Array, y: Array) -> EinsumFactor:
        """Does not exist; raises `UnsupportedError`."""
        raise UnsupportedError(f"The layer batch-norm has no input_factor: {_ONE}.")


def _total(array: Array, memory: Memory) -> Array:
    """The sum over samples and places (features,)."""
    if array.ndim == 3:
        array = (array.reshape(-1, array.shape[2]) @ memory.last).reshape(array.shape[:2])
    total: Array = memory.first @ array
    return total
