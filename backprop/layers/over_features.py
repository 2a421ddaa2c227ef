"""What layer and RMS normalisation share: the mean is over the features of a sample, or of each token (t, d) of one.

∂y[n,o]/∂x[n,i] = γ[o] r[n] (δ[o,i] - 1/d - h[n,o] h[n,i] / d)        d features; without 1/d where no mean is taken

VJP: dx = r (γ dy - mean(γ dy) - h mean(γ dy h)), and dγ = Σ dy h of the same product dy h
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from backprop.arrays import Array
from backprop.layers.base import EinsumFactor, Shape, Tensors
from backprop.layers.cells import Cells
from backprop.layers.normalisation import EPSILON, Memory, Normalisation, inverse_root
from backprop.layers.remembering import buffer


class OverFeatures(Normalisation):
    """A normalisation of every sample by itself; of every token by itself where the shape is (t, d)."""

    axes: ClassVar[tuple[int, ...]] = (-1,)

    @property
    def split(self) -> Shape:
        """(t, d) of tokens, else all features."""
        return self.shape if len(self.shape) == 2 else (math.prod(self.shape),)

    @property
    def feature(self) -> int:
        """The last axis."""
        return len(self.split) - 1

    @property
    def formulas(self) -> Mapping[str, str]:  # type: ignore[override]  # by the number of features
        """Of the features of a sample, or of those of token t."""
        d, tokens = self.features, len(self.split) > 1
        n, sums, same = ("n,t", "Σn Σt", " δ[t,t′]") if tokens else ("n", "Σn", "")

        def centre(o: str, i: str) -> str:
            mean = f"1/{d} Σ{i} {{x}}[{n},{i}]"
            return f"({{x}}[{n},{o}] - {mean})" if self.centred else f"{{x}}[{n},{o}]"

        def root(i: str, j: str) -> str:
            return f"√(1/{d} Σ{i} {centre(i, j)}² + 1/{round(1 / EPSILON)})"

        def h(o: str) -> str:
            return f"{centre(o, 'k')} / {root('k', 'j')}"

        def scaled(o: str) -> str:
            return f"{{gamma}}[{o}] ∂{{k}}/∂{{y}}[{n},{o}]"

        one, mean = (f" - 1/{d}", f" - 1/{d} Σo {scaled('o')}") if self.centred else ("", "")
        slope = f"{{gamma}}[o] (δ[o,i]{one} - {h('o')} {h('i')} / {d}) / {root('k', 'j')}"
        return {
            "forward": f"{{gamma}}[o] {h('o')}" + " + {beta}[o]" * self.centred,
            "input_jacobian": slope + same,
            "input_factor": slope,
            "vjp": f"({scaled('i')}{mean} - {h('i')} / {d} Σo {scaled('o')} {h('o')}) / {root('k', 'j')}",
            "parameter_jacobians gamma": f"{h('o')} δ[o,o′]",
            "parameter_jacobians beta": "δ[o,o′]",
            "parameter_factors gamma": h("o"),
            "parameter_factors beta": "1",
            "vjp gamma": f"{sums} ∂{{k}}/∂{{y}}[{n},o] {h('o')}",
            "vjp beta": f"{sums} ∂{{k}}/∂{{y}}[{n},o]",
        }

    @property
    def code(self) -> str:  # type: ignore[override]  # by the sizes
        """Row by row, a row for every token."""
        centre, shift = (
            ("rows - rows.mean(axis=1, keepdims=True)", " + beta") if self.centred else ("rows", "")
        )
        return (
            f"rows = x.reshape(-1, {self.features})\n"
            f"centre = {centre}\n"
            f"h = centre / np.sqrt((centre**2).mean(axis=1, keepdims=True) + {EPSILON})\n"
            f"return (gamma * h{shift}).reshape(x.shape)"
        )

    def cell(self, form: str, at: Cells, *index: int) -> str | float | None:
        """The same of the token of an output, with the mean and the variance as a spreadsheet has them."""
        d, centred = self.features, self.centred
        token, o = divmod(index[0], d)
        xs, gammas = at.span("x", token * d, d), at.whole("gamma")
        squares = f"VARP({xs})" if centred else f"SUMSQ({xs})/{d}"
        mean, root = f"-AVERAGE({xs})" * centred, f"SQRT({squares}+1/{round(1 / EPSILON)})"

        def h(k: int) -> str:
            return f"({at.x(token * d + k)}{mean})/{root}"

        match form:
            case "forward":
                return f"{at.own('gamma', o)}*{h(o)}" + (f"+{at.own('beta', o)}" if centred else "")
            case "input_jacobian":
                other, i = divmod(index[1], d)
                one = f"-1/{d}" * centred
                slope = f"{at.own('gamma', o)}*({int(o == i)}{one}-{h(o)}*{h(i)}/{d})/{root}"
                return slope if token == other else 0
            case "parameter_jacobians gamma":
                return h(o) if index[1] == o else 0
            case "parameter_jacobians beta":
                return int(index[1] == o)
        ds = at.span("d", token * d, d)
        means = f"-SUMPRODUCT({gammas},{ds})/{d}" * centred
        along = f"SUMPRODUCT({gammas},{ds},{xs}{mean})/{root}/{d}"
        return f"({at.own('gamma', o)}*{at.d(index[0])}{means}-{h(o)}*{along})/{root}"

    def memory(self, n: int, like: Array) -> Memory:
        """h (rows, d), a row for every sample or token."""
        d = self.features
        rows = n * math.prod(self.split) // d
        h, product, inverse = (buffer(like, rows, columns) for columns in (d, d, 1))
        return Memory(h, product, inverse, d, np.ones(rows, h.dtype), np.ones(d, h.dtype))

    def run(self, params: Tensors, x: Array, memory: Memory, out: Array) -> Array:
        """γ h + β."""
        h, d = memory.h, memory.count
        x, y = x.reshape(h.shape), out.reshape(h.shape)
        if self.centred:
            x = np.subtract(x, (x @ memory.last / d)[:, None], out=h)
        inverse_root(np.einsum("no,no->n", x, x)[:, None], d, out=memory.inverse)
        np.multiply(x, memory.inverse, out=h)
        np.multiply(h, params["gamma"], out=y)
        if self.centred:
            y += params["beta"]
        return out

    def back(self, params: Tensors, memory: Memory, dy: Array, dx: Array | None, dparams: Tensors) -> None:
        """r (γ dy - mean(γ dy) - h mean(γ dy h))."""
        h, centred = memory.h, self.centred
        rows = dy.reshape(h.shape)
        product = np.multiply(rows, h, out=memory.product)
        np.matmul(memory.first, product, out=dparams["gamma"])
        if centred:
            np.matmul(memory.first, rows, out=dparams["beta"])
        if dx is None:
            return
        share = params["gamma"] / memory.count
        along, mean = (product @ share)[:, None], (rows @ share)[:, None] if centred else 0
        d = np.multiply(rows, params["gamma"], out=dx.reshape(h.shape))
        d -= np.multiply(h, along, out=product)
        if centred:
            d -= mean
        d *= memory.inverse

    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """γ r (δ - 1/d - h h / d) within a token, (n, o, i)."""
        (n, o), d = y.shape, self.features
        out = self._jacobian(x, y, out)
        diagonal = np.einsum("nsosi->nsoi", out.reshape(n, o // d, d, o // d, d))  # a writeable view
        diagonal[...] = self._blocks(params, x).reshape(diagonal.shape)
        return out

    def input_factor(self, params: Tensors, x: Array, y: Array) -> EinsumFactor:
        """The same; of tokens the blocks alone."""
        blocks = self._blocks(params, x)
        if len(self.split) == 1:
            return EinsumFactor("noi", blocks)
        places = np.arange(math.prod(self.split)).reshape(self.split)
        return EinsumFactor("nsti", blocks, "st", self.split, "si", places)

    def input_nonzeros(self, i: int, o: int) -> int:
        """A block for every token."""
        return o * self.features

    def input_factor_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """The blocks, h, and γ r."""
        return (n * (self.input_nonzeros(i, o) + 2 * o) + self.features**2) * itemsize

    def jacobian_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """The blocks, from which the matrix is filled."""
        return self.input_factor_bytes(n, i, o, itemsize)

    def _blocks(self, params: Tensors, x: Array) -> Array:
        """γ[o] r (δ[o,i] - 1/d - h[o] h[i] / d), (n, o, i) or (n, t, o, i)."""
        h, inverse = self._normalised(x)
        blocks: Array = h[..., :, None] * h[..., None, :]
        if self.centred:
            blocks += 1
        blocks /= -self.features
        blocks += np.eye(self.features, dtype=x.dtype)
        blocks *= (params["gamma"] * inverse)[..., None]
        return blocks
