"""Layers of `planted.layers`, forward and backward by hand, as outside layers in every form.

Their VJP is the backward pass as it is written there. A Jacobian is made of its rows, one a sample and output, and
the JVP of the Jacobians: no form is one of the package's.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from planted.layers import gelu, group_norm, gru, swiglu
from planted.layers.layer import like

from backprop.errors import NetworkError
from backprop.layers import EinsumFactor, Layer


@dataclass(frozen=True, repr=False)
class Planted(Layer):
    """A layer for samples of `shape`; a subclass has the planted one, the shape that it makes and its parameters."""

    shape: tuple

    reads_input: ClassVar[bool] = True
    complex_safe: ClassVar[bool] = True
    planted: ClassVar

    @classmethod
    def of(cls, shape):
        return cls(tuple(shape))

    @property
    def text(self):
        return f"{__file__}:{type(self).__name__}"

    @property
    def input_shape(self):
        return self.shape

    @property
    def made(self):
        return self.shape

    def output_shape(self, shape):
        self.output_width(int(np.prod(shape)))
        return self.made

    def output_width(self, input_width):
        if input_width != np.prod(self.shape):
            raise NetworkError(
                f"The layer {self.name} got {input_width} inputs; expected {np.prod(self.shape)}."
            )
        return int(np.prod(self.made))

    def parameter_shapes(self):
        return {}

    def initial(self, rng):
        return {name: rng.standard_normal(shape) / 2 for name, shape in self.parameter_shapes().items()}

    @property
    def peers(self):
        def outputs(_, own, x):
            x = x + 0 * sum(
                tensor.sum() for tensor in own.values()
            )  # traced by autograd as the parameters are
            return self.outputs(self.planted.forward(*self.arguments(own, x)))

        return dict.fromkeys(("autograd", "jax", "torch"), outputs)

    def oracle(self, params, x):
        """In complex numbers, too: the backward pass is what this judges."""
        return self.outputs(self.planted.forward(*self.arguments(params, x)))

    # What the planted layer takes and gives, by any library

    def arguments(self, params, x):
        """Of samples (n, i): the arrays that the planted layer takes."""
        return x.reshape(-1, *self.shape), *(params[name] for name in self.parameter_shapes())

    def outputs(self, y):
        """(n, o)."""
        return y.reshape(len(y), -1)

    def upstream(self, dy):
        """dy (n, o) as the planted layer's."""
        return dy.reshape(-1, *self.made)

    def back(self, params, x, dy):
        """∂L/∂x (n, i), and ∂L/∂θ by name."""
        if len(x) == 0:
            return np.zeros_like(x), {name: np.zeros_like(tensor) for name, tensor in params.items()}
        found = self.planted.backward(self.upstream(dy), *self.arguments(params, x))
        dx, *own = found if isinstance(found, tuple) else (found,)
        return dx.reshape(len(x), -1), dict(zip(self.parameter_shapes(), own, strict=True))

    # Forms

    def forward(self, params, x, *, out=None):
        y = self.oracle(params, x) if len(x) else np.zeros((0, self.output_width(x.shape[1])), x.dtype)
        if out is None:
            return y
        out[...] = y
        return out

    def vjp(self, params, x, y, dy, *, input_needed=True, out=None, dparams=None):
        dx, own = self.back(params, x, dy)
        if dparams is not None:
            for name, array in own.items():
                dparams[name][...] = array
            own = dparams
        if out is not None and input_needed:
            out[...] = dx
            dx = out
        return (dx if input_needed else None), own

    def rows(self, params, x, y):
        """The Jacobians by x (n, o, i) and by every parameter (n, o, *shape), row by row."""
        by_input = np.zeros((*y.shape, x.shape[1]), x.dtype)
        own = {name: np.zeros((*y.shape, *tensor.shape), x.dtype) for name, tensor in params.items()}
        for n, o in np.ndindex(*y.shape):
            one = np.zeros((1, y.shape[1]), x.dtype)
            one[0, o] = 1
            dx, found = self.back(params, x[n : n + 1], one)
            by_input[n, o] = dx[0]
            for name, array in found.items():
                own[name][n, o] = array
        return by_input, own

    def input_jacobian(self, params, x, y, *, out=None):
        jacobian = self.rows(params, x, y)[0]
        if out is None:
            return jacobian
        out[...] = jacobian
        return out

    def parameter_jacobians(self, params, x, y, *, out=None):
        own = self.rows(params, x, y)[1]
        for name, array in own.items() if out is not None else ():
            out[name][...] = array
        return own if out is None else dict(out)

    def input_factor(self, params, x, y):
        return EinsumFactor("noi", self.input_jacobian(params, x, y))

    def parameter_factors(self, params, x, y):
        axes = {name: "abde"[: tensor.ndim] for name, tensor in params.items()}
        own = self.rows(params, x, y)[1]
        return {name: EinsumFactor(f"no{axes[name]}", own[name], result=axes[name]) for name in own}

    def jvp(self, params, x, y, dx, dparams):
        by_input, own = self.rows(params, x, y)
        pushed = np.einsum("noi,...ni->...no", by_input, np.broadcast_to(dx, (*dx.shape[:-2], *x.shape)))
        for name, tensor in dparams.items():
            pushed = pushed + own[name].reshape(*y.shape, -1) @ tensor.reshape(-1)
        return pushed

    # Costs, which are rough

    def forward_flops(self, n, i, o):
        return 20 * n * (i + o)

    def vjp_flops(self, n, i, o, *, input_needed):
        return (60 if input_needed else 40) * n * (i + o)

    def forward_bytes(self, n, i, o, itemsize, *, out):
        return 8 * n * (i + o) * itemsize

    def vjp_bytes(self, n, i, o, itemsize, *, out):
        return 16 * n * (i + o) * itemsize


class GELU(Planted):
    """x Φ(x)."""

    name = "planted-gelu"
    planted = gelu.LAYERS[0]


class GroupNorm(Planted):
    """Of (c, l), with c even."""

    name = "planted-group-norm"
    planted = group_norm.LAYER
    letters: ClassVar = {"gamma": "q", "beta": "q"}

    def parameter_shapes(self):
        return dict.fromkeys(("gamma", "beta"), self.shape[:1])


class SwiGLU(Planted):
    """(silu(x W) · (x V)) O with four numbers inside and three outputs."""

    name = "planted-swiglu"
    planted = swiglu.LAYER
    letters: ClassVar = {"W": "id", "V": "id", "O": "do"}

    @property
    def made(self):
        return (3,)

    def parameter_shapes(self):
        i = int(np.prod(self.shape))
        return {"W": (i, 4), "V": (i, 4), "O": (4, 3)}

    def arguments(self, params, x):
        return x, *(params[name] for name in "WVO")


class GRU(Planted):
    """Every state (t, 2) over the tokens (t, d), from a state of zero."""

    name = "planted-gru"
    planted = gru.LAYER
    letters: ClassVar = {"U": "dg", "V": "hg", "b": "g"}

    @property
    def made(self):
        return (self.shape[0], 2)

    def parameter_shapes(self):
        return {"U": (self.shape[1], 6), "V": (2, 6), "b": (6,)}

    def arguments(self, params, x):
        steps = x.reshape(-1, *self.shape).swapaxes(0, 1)
        return steps, like(np.zeros((len(x), 2)), x), *(params[name] for name in "UVb")

    def outputs(self, y):
        return y.swapaxes(0, 1).reshape(y.shape[1], -1)

    def upstream(self, dy):
        return dy.reshape(-1, *self.made).swapaxes(0, 1)

    def back(self, params, x, dy):
        if len(x) == 0:
            return super().back(params, x, dy)
        steps, _, *own = self.planted.backward(self.upstream(dy), *self.arguments(params, x))
        return steps.swapaxes(0, 1).reshape(len(x), -1), dict(zip("UVb", own, strict=True))


EXAMPLES = {layer.name: layer for layer in (GELU((4,)), GroupNorm((4, 2)), SwiGLU((3,)), GRU((3, 2)))}
"""A small one of each, by name."""
