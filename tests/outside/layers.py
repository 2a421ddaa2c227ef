"""Layers as a user of the library writes them, in a file of her own: nothing in the package knows their names."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from backprop.errors import NetworkError, UnsupportedError
from backprop.layers import EinsumFactor, Elementwise, Layer

LEAK = 0.1


@final
@dataclass(frozen=True, repr=False)
class LeakyReLU(Elementwise):
    """y = x where x > 0, and LEAK x elsewhere."""

    name: ClassVar[str] = "outside-leaky-relu"
    reads_input: ClassVar[bool] = True
    kinks: ClassVar[tuple[float, ...]] = (0.0,)
    forward_flops_per_element: ClassVar[int] = 2
    derivative_flops_per_element: ClassVar[int] = 1
    forward_temporaries: ClassVar[int] = 2
    derivative_temporaries: ClassVar[int] = 2
    derivative_is_mask: ClassVar[bool] = False

    formulas = {"forward": "max({x}[n,o], 1/10 {x}[n,o])", "derivative": "(1/10 + 9/10 [{x}[n,o] > 0])"}  # noqa: RUF012
    cells = {"forward": "MAX({x},0.1*{x})", "derivative": "IF({x}>0,1,0.1)"}  # noqa: RUF012
    peers = {  # noqa: RUF012
        "autograd": lambda autograd, own, x: autograd.numpy.where(x > 0, x, LEAK * x),
        "jax": lambda jax, own, x: jax.nn.leaky_relu(x, LEAK),
        "torch": lambda torch, own, x: torch.nn.functional.leaky_relu(x, LEAK),
    }

    def oracle(self, params, x):
        return np.where(x.real > 0, x, LEAK * x)

    def forward(self, params, x, *, out=None):
        y = np.where(x > 0, x, LEAK * x).astype(x.dtype)
        if out is None:
            return y
        out[...] = y
        return out

    def derivative(self, x, y):
        return np.where(x > 0, 1.0, LEAK).astype(x.dtype)


class UnawareLeakyReLU(LeakyReLU):
    """The same layer, whose author did not state that it has a kink."""

    name: ClassVar[str] = "unaware-outside-leaky-relu"
    kinks: ClassVar[tuple[float, ...]] = ()


@final
class Swish(Elementwise):
    """y = x / (1 + exp(-x))."""

    name = "swish"
    reads_input = True
    forward_flops_per_element = 13
    derivative_flops_per_element = 15
    forward_temporaries = 2
    derivative_temporaries = 3
    derivative_is_mask = False

    def forward(self, params, x, *, out=None):
        return np.divide(x, 1 + np.exp(-x), out=out)

    def derivative(self, x, y):
        s = 1 / (1 + np.exp(-x))
        return s * (1 + x * (1 - s))


class _Normalisation(Layer):
    """What the layers below share: their sizes, and costs that are rough."""

    reads_input = True
    scale = "g"
    shift = "b"

    def __init__(self, width):
        self.width = width

    def output_width(self, input_width):
        if input_width != self.width:
            raise NetworkError(f"The layer {self.name} got {input_width} inputs; expected {self.width}.")
        return self.width

    def initial(self, rng):
        shapes = self.parameter_shapes().items()
        return {name: np.zeros(shape) if name == self.shift else np.ones(shape) for name, shape in shapes}

    def forward_flops(self, n, i, o):
        return 8 * n * o

    def vjp_flops(self, n, i, o, *, input_needed):
        return (16 if input_needed else 8) * n * o

    def forward_bytes(self, n, i, o, itemsize, *, out):
        return 4 * n * o * itemsize

    def vjp_bytes(self, n, i, o, itemsize, *, out):
        return 6 * n * o * itemsize

    def written(self, dx, own, out, dparams):
        """Put the results of `vjp` where they were asked for."""
        if dparams is not None:
            for name, array in own.items():
                dparams[name][...] = array
            own = dparams
        if out is not None and dx is not None:
            out[...] = dx
            dx = out
        return dx, own


def _normal(library, x):
    """(x - mean) / sqrt(var + 1e-5) in the functions of NumPy or a library like it."""
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / library.sqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-5)


@final
class LayerNorm(_Normalisation):
    """Layer normalisation, y = g (x - mean) / sqrt(var + 1e-5) + b, with mean and var over the features."""

    name = "outside-layer-norm"
    peers = {  # noqa: RUF012
        "autograd": lambda autograd, own, x: own["g"] * _normal(autograd.numpy, x) + own["b"],
        "jax": lambda jax, own, x: own["g"] * _normal(jax.numpy, x) + own["b"],
        "torch": lambda torch, own, x: torch.nn.functional.layer_norm(x, x.shape[-1:], own["g"], own["b"]),
    }

    def oracle(self, params, x):
        return params["g"] * _normal(np, x) + params["b"]

    def parameter_shapes(self):
        return {self.scale: (self.width,), self.shift: (self.width,)}

    def _normal(self, x):
        mean, var = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
        sigma = np.sqrt(var + 1e-5)
        return (x - mean) / sigma, sigma

    def forward(self, params, x, *, out=None):
        y = params[self.scale] * self._normal(x)[0] + params[self.shift]
        if out is None:
            return y
        out[...] = y
        return out

    def input_jacobian(self, params, x, y, *, out=None):
        h, sigma = self._normal(x)
        o = self.width
        jacobian = (np.eye(o, dtype=x.dtype) - 1 / o - h[:, :, None] * h[:, None, :] / o) / sigma[:, :, None]
        jacobian = params[self.scale][:, None] * jacobian
        if out is None:
            return jacobian
        out[...] = jacobian
        return out

    def parameter_jacobians(self, params, x, y, *, out=None):
        n, o = y.shape
        if out is None:
            out = {name: np.zeros((n, o, o), x.dtype) for name in (self.scale, self.shift)}
        diagonal = np.arange(o)
        out[self.scale][:, diagonal, diagonal] = self._normal(x)[0]
        out[self.shift][:, diagonal, diagonal] = 1
        return dict(out)

    def input_factor(self, params, x, y):
        return EinsumFactor("noi", self.input_jacobian(params, x, y))

    def parameter_factors(self, params, x, y):
        ones = np.ones((), x.dtype)
        return {self.scale: EinsumFactor("no", self._normal(x)[0]), self.shift: EinsumFactor("", ones)}

    def vjp(self, params, x, y, dy, *, input_needed=True, out=None, dparams=None):
        h, sigma = self._normal(x)
        own = {self.scale: (dy * h).sum(axis=0), self.shift: dy.sum(axis=0)}
        dh = dy * params[self.scale]
        dx = (dh - dh.mean(axis=1, keepdims=True) - h * (dh * h).mean(axis=1, keepdims=True)) / sigma
        return self.written(dx if input_needed else None, own, out, dparams)

    def jvp(self, params, x, y, dx, dparams):
        h, sigma = self._normal(x)
        dh = dx - dx.mean(axis=-1, keepdims=True) - h * (dx * h).mean(axis=-1, keepdims=True)
        dy = params[self.scale] * dh / sigma
        return dy + dparams[self.scale] * h + dparams[self.shift] if dparams else dy


@final
class NamedLayerNorm(_Normalisation):
    """The same as `LayerNorm`, with gamma and beta."""

    name = "named-layer-norm"
    scale, shift = "gamma", "beta"

    parameter_shapes, forward, vjp, jvp = (
        LayerNorm.parameter_shapes,
        LayerNorm.forward,
        LayerNorm.vjp,
        LayerNorm.jvp,
    )
    _normal, input_jacobian, input_factor = (
        LayerNorm._normal,
        LayerNorm.input_jacobian,
        LayerNorm.input_factor,
    )
    parameter_jacobians, parameter_factors = LayerNorm.parameter_jacobians, LayerNorm.parameter_factors


@final
class PReLU(_Normalisation):
    """y = x where x > 0, and a x elsewhere, with one number a: no rule of einsum has such a parameter."""

    name = "prelu"
    kinks = (0.0,)

    def parameter_shapes(self):
        return {"a": (1,)}

    def forward(self, params, x, *, out=None):
        y = np.where(x > 0, x, params["a"] * x)
        if out is None:
            return y
        out[...] = y
        return out

    def _slope(self, params, x):
        return np.where(x > 0, 1, params["a"]).astype(x.dtype)

    def input_jacobian(self, params, x, y, *, out=None):
        jacobian = self._slope(params, x)[:, :, None] * np.eye(self.width, dtype=x.dtype)
        if out is None:
            return jacobian
        out[...] = jacobian
        return out

    def parameter_jacobians(self, params, x, y, *, out=None):
        jacobian = np.minimum(x, 0)[:, :, None]
        if out is None:
            return {"a": jacobian}
        out["a"][...] = jacobian
        return dict(out)

    def input_factor(self, params, x, y):
        return EinsumFactor("no", self._slope(params, x))

    def parameter_factors(self, params, x, y):
        return {"a": EinsumFactor("no", np.minimum(x, 0))}

    def vjp(self, params, x, y, dy, *, input_needed=True, out=None, dparams=None):
        own = {"a": np.sum(dy * np.minimum(x, 0)).reshape(1)}
        return self.written(dy * self._slope(params, x) if input_needed else None, own, out, dparams)

    def jvp(self, params, x, y, dx, dparams):
        dy = self._slope(params, x) * dx
        return dy + dparams["a"] * np.minimum(x, 0) if dparams else dy


class VJPOnly(_Normalisation):
    """y = s x with a scale for every feature; its author has written reverse mode and nothing else."""

    name = "vjp-only"

    def parameter_shapes(self):
        return {"s": (self.width,)}

    def forward(self, params, x, *, out=None):
        return np.multiply(params["s"], x, out=out)

    def vjp(self, params, x, y, dy, *, input_needed=True, out=None, dparams=None):
        own = {"s": (dy * x).sum(axis=0)}
        return self.written(dy * params["s"] if input_needed else None, own, out, dparams)

    def input_jacobian(self, params, x, y, *, out=None):
        raise UnsupportedError("The layer vjp-only has no Jacobian.")

    def parameter_jacobians(self, params, x, y, *, out=None):
        raise UnsupportedError("The layer vjp-only has no Jacobian.")

    def input_factor(self, params, x, y):
        raise UnsupportedError("The layer vjp-only has no factor.")

    def parameter_factors(self, params, x, y):
        raise UnsupportedError("The layer vjp-only has no factor.")

    def jvp(self, params, x, y, dx, dparams):
        raise UnsupportedError("The layer vjp-only has no JVP.")
