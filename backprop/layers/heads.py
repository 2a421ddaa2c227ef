"""The arithmetic of attention: what forward finds and back needs, and the Jacobians, for all heads of all samples.

    q = (x Wq + bq)/√e   k = x Wk + bk   v = x Wv + bv      of H heads, e numbers of a token for each
    s = q kᵀ (t, t)      p = softmax of every row of s      a = p v      y = a Wo + bo

The softmax of the whole block in closed form, and the row sums Σ p dp without dp, since they are Σ_e da a:

    da = dy Woᵀ    dv = pᵀ da    ds = p ∘ (da vᵀ - Σ_e da a)    dq = ds k    dk = dsᵀ q

    dx = dq Wqᵀ + dk Wkᵀ + dv Wvᵀ

Wq, Wk, Wv, Wo are used by every token and have one gradient, a product over the tokens of all samples: dWq = Xᵀ dQ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array, ufunc_buffer_bytes
from backprop.layers.base import EinsumFactor, Shape, Tensors
from backprop.layers.over_tokens import OverTokens
from backprop.layers.remembering import Remembering, buffer


@dataclass(frozen=True)
class Found:
    """x (n t, d); q, k, v and their gradients (3, n t, κ); p and its gradient (n, H, t, t); a and da (n t, κ)."""

    x: Array
    qkv: Array
    dqkv: Array
    p: Array
    ds: Array
    a: Array
    da: Array


@dataclass(frozen=True, repr=False)
class Heads(Remembering[Found], OverTokens):
    """`heads` = H heads of `key`/H numbers; `causal` hides later tokens."""

    key: int
    heads: int = 1
    causal: bool = False

    @property
    def made(self) -> Shape:
        """(t, d), as the inputs."""
        return (self.tokens, self.features)

    @property
    def scale(self) -> float:
        """1/√e."""
        return 1 / math.sqrt(self.key // self.heads)

    @property
    def hidden(self) -> Array:
        """Where token t does not see token u (t, u)."""
        return np.triu(np.ones((self.tokens, self.tokens), np.bool_), 1)

    def by_head(self, rows: Array) -> Array:
        """A view (n, H, t, e) of (n t, κ)."""
        return rows.reshape(-1, self.tokens, self.heads, self.key // self.heads).swapaxes(1, 2)

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Wq, Wk, Wv (d, κ), Wo (κ, d), and a bias for each."""
        d, key = self.features, self.key
        weights: dict[str, tuple[int, ...]] = {**{f"W{part}": (d, key) for part in "qkv"}, "Wo": (key, d)}
        return {**weights, **{f"b{part}": (key,) for part in "qkv"}, "bo": (d,)}

    # Forward and back

    def memory(self, n: int, like: Array) -> Found:
        """What forward finds, and room for its gradients."""
        rows, t, d, key = n * self.tokens, self.tokens, self.features, self.key
        return Found(
            buffer(like, rows, d),
            *(buffer(like, 3, rows, key) for _ in range(2)),
            *(buffer(like, n, self.heads, t, t) for _ in range(2)),
            *(buffer(like, rows, key) for _ in range(2)),
        )

    def memory_numbers(self, n: int) -> int:
        """x, q, k, v, a with their gradients, and two blocks for every head."""
        return n * self.tokens * (self.features + 8 * self.key + 2 * self.heads * self.tokens)

    def run(self, params: Tensors, x: Array, memory: Found, out: Array) -> Array:
        """q, k, v; p; a; y."""
        memory.x[...] = x.reshape(memory.x.shape)
        for part, rows in zip("qkv", memory.qkv, strict=True):
            np.matmul(memory.x, params[f"W{part}"], out=rows)
            rows += params[f"b{part}"]
        memory.qkv[0] *= self.scale
        q, k, v = map(self.by_head, memory.qkv)
        p = np.matmul(q, k.swapaxes(-1, -2), out=memory.p)
        if self.causal:
            np.copyto(p, -np.inf, where=self.hidden)
        p -= p.max(axis=3, keepdims=True)
        np.exp(p, out=p)
        p /= p.sum(axis=3, keepdims=True)
        np.matmul(p, v, out=self.by_head(memory.a))
        y = np.matmul(memory.a, params["Wo"], out=out.reshape(-1, self.features))
        y += params["bo"]
        return out

    def back(self, params: Tensors, memory: Found, dy: Array, dx: Array | None, dparams: Tensors) -> None:
        """Through Wo, the means, the softmax and the products, all heads of all samples at once."""
        rows = dy.reshape(-1, self.features)
        weight_gradients(memory.a, rows, dparams, "o")
        np.matmul(rows, params["Wo"].T, out=memory.da)
        a, da, (q, k, v) = self.by_head(memory.a), self.by_head(memory.da), map(self.by_head, memory.qkv)
        dq, dk, dv = map(self.by_head, memory.dqkv)
        np.matmul(memory.p.swapaxes(-1, -2), da, out=dv)
        ds = np.matmul(da, v.swapaxes(-1, -2), out=memory.ds)
        ds -= np.einsum("nhte,nhte->nht", da, a)[..., None]
        ds *= memory.p
        np.matmul(ds, k, out=dq)
        np.matmul(ds.swapaxes(-1, -2), q, out=dk)
        memory.dqkv[0] *= self.scale
        for part, grad in zip("qkv", memory.dqkv, strict=True):
            weight_gradients(memory.x, grad, dparams, part)
        if dx is not None:
            flat = dx.reshape(-1, self.features)
            np.matmul(memory.dqkv[0], params["Wq"].T, out=flat)
            for part, grad in zip("kv", memory.dqkv[1:], strict=True):
                flat += grad @ params[f"W{part}"].T

    # Jacobians

    def _by_parts_of_tokens(self, params: Tensors, x: Array, y: Array) -> tuple[Found, Array, Array, Array]:
        """∂y/∂q (n, t, o, κ) of the token itself, ∂y/∂k and ∂y/∂v (n, t, o, u, κ) of every token u.

        ∂a[t]/∂s[t,u] = p[t,u] (v[u] - a[t]), and s[t,u] = q[t] k[u].
        """
        memory, n = self.memory(len(x), x), len(x)
        self.run(params, x, memory, np.empty_like(y))
        q, k, v = map(self.by_head, memory.qkv)
        weights = params["Wo"].reshape(self.heads, -1, self.features)  # (h, e, o)
        apart = v @ weights  # v Wo (n, h, u, o), of which the mean a Wo is taken
        mean = self.by_head(memory.a) @ weights
        slopes = (apart[:, :, None] - mean[:, :, :, None]) * memory.p[..., None]  # ∂y/∂s (n, h, t, u, o)
        by_q = np.einsum("nhtuo,nhue->ntohe", slopes, k * self.scale, order="C")
        by_k = np.einsum("nhtuo,nhte->ntouhe", slopes, q, order="C")
        by_v = np.einsum("nhtu,heo->ntouhe", memory.p, weights, order="C")
        shape = (n, *self.made)
        return (
            memory,
            by_q.reshape(*shape, self.key),
            *(part.reshape(*shape, self.tokens, self.key) for part in (by_k, by_v)),
        )

    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """By q of the token itself, by k and v of every token it looks at."""
        if out is None:
            out = np.empty_like(x, shape=(*y.shape, x.shape[1]))
        _, by_q, by_k, by_v = self._by_parts_of_tokens(params, x, y)
        blocks = out.reshape(len(x), *self.made, *self.input_shape)
        np.matmul(by_k, params["Wk"].T, out=blocks)
        blocks += by_v @ params["Wv"].T
        np.einsum("ntoti->ntoi", blocks)[...] += by_q @ params["Wq"].T
        return out

    def parameter_jacobians(
        self, params: Tensors, x: Array, y: Array, *, out: Tensors | None = None
    ) -> dict[str, Array]:
        """∂y/∂q times x of the token itself for Wq; ∂y/∂k and ∂y/∂v times x of all for Wk and Wv; a for Wo."""
        jacobians = self._jacobians(x, y, out)
        memory, by_q, by_k, by_v = self._by_parts_of_tokens(params, x, y)
        blocks = {
            name: array.reshape(len(x), *self.made, *array.shape[2:]) for name, array in jacobians.items()
        }
        tokens = self.split(x)
        np.multiply(tokens[:, :, None, :, None], by_q[..., None, :], out=blocks["Wq"])
        blocks["bq"][...] = by_q
        for part, by in (("k", by_k), ("v", by_v)):
            np.matmul(tokens.swapaxes(1, 2)[:, None, None], by, out=blocks[f"W{part}"])
            np.sum(by, axis=3, out=blocks[f"b{part}"])
        np.einsum("ntoko->ntok", blocks["Wo"])[...] = memory.a.reshape(len(x), self.tokens, 1, self.key)
        np.einsum("ntoo->nto", blocks["bo"])[...] = 1
        return jacobians

    def input_factor(self, params: Tensors, x: Array, y: Array) -> EinsumFactor:
        """∂y/∂x as it is: every token depends on every token, or on every earlier one."""
        return EinsumFactor("noi", self.input_jacobian(params, x, y))

    def parameter_factors(self, params: Tensors, x: Array, y: Array) -> dict[str, EinsumFactor]:
        """∂y/∂q, ∂y/∂k and ∂y/∂v, and x; a for Wo."""
        memory, by_q, by_k, by_v = self._by_parts_of_tokens(params, x, y)
        tokens, one, factors = self.split(x), np.ones_like(x, shape=()), {}
        through = {
            "q": EinsumFactor("ntok", by_q, "to", self.made, "tk"),
            **{
                part: EinsumFactor("noi", by.reshape(*y.shape, self.tokens * self.key))
                for part, by in (("k", by_k), ("v", by_v))
            },
        }
        for part, first in through.items():
            entered = (self.tokens, self.key)
            factors[f"W{part}"] = EinsumFactor("nti", tokens, "tk", entered, "ik", through=first)
            factors[f"b{part}"] = EinsumFactor("", one, "tk", entered, "k", through=first)
        kept = memory.a.reshape(len(x), self.tokens, self.key)
        factors["Wo"] = EinsumFactor("ntk", kept, "to", self.made, "ko")
        factors["bo"] = EinsumFactor("", one, "to", self.made, "o")
        return {name: factors[name] for name in self.parameter_shapes()}

    # Costs

    def call_numbers(self, n: int, *, forward: bool) -> int:
        """Of `run` the largest of every row, or a bias; of `back` Σ_e da a, or a part of dx."""
        rows = n * self.tokens
        if forward:
            return rows * self.heads + ufunc_buffer_bytes(rows * max(self.key, self.heads * self.tokens), 1)
        sums = rows * self.heads
        return max(sums + ufunc_buffer_bytes(sums * self.tokens, 1), rows * self.features)

    def _token_numbers(self, n: int, besides: int) -> int:
        """∂y/∂k and ∂y/∂v with `besides` more numbers for two tokens and an output; ∂y/∂q, the memory, v Wo, a Wo."""
        t, by_token = self.tokens, n * self.tokens * self.features * self.tokens
        others = self.memory_numbers(n) + n * t * self.features * (self.key + 2 * self.heads)
        return by_token * (2 * self.key + besides) + others

    def jacobian_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """What the Jacobians are made of, with ∂y/∂s or a product with Wv."""
        return itemsize * self._token_numbers(n, max(self.heads, self.features))

    def jvp_bytes(self, n: int, i: int, o: int, itemsize: int, *, directions: int | None = None) -> int:
        """The memory; q̇, k̇ and v̇; and either ṗ with a product of its size, or ȧ with ẏ, in two parts where θ moves.

        Of several heads ȧ is there twice: it is copied to have them side by side.
        """
        rows, block = n * (directions or 1) * self.tokens, self.heads * self.tokens
        heads, parts = 1 + (self.heads > 1), 2 - (directions is not None)
        most = max(4 * self.key + 2 * block, (3 + heads) * self.key + block + parts * self.features)
        return itemsize * (self.memory_numbers(n) + rows * most)

    def entered_numbers(self, *, by_input: bool = False) -> tuple[int, ...]:
        """Those of q, k and v; of ∂y/∂x the factor is the Jacobian itself."""
        return () if by_input else (self.tokens * self.key,) * 3

    def parameter_nonzeros(self, i: int, o: int) -> dict[str, int]:
        """Of ∂q/∂Wq, ∂k/∂Wk, ∂v/∂Wv and ∂y/∂Wo: the weights of every token; and ones."""
        return {name: self.tokens * math.prod(shape) for name, shape in self.parameter_shapes().items()}

    def input_factor_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """The Jacobian, and what it is made of."""
        return itemsize * n * o * i + self.jacobian_bytes(n, i, o, itemsize)

    def parameter_factors_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """∂y/∂q, ∂y/∂k and ∂y/∂v, and what they are made of."""
        return itemsize * self._token_numbers(n, self.heads)


def weight_gradients(rows: Array, gradient: Array, dparams: Tensors, part: str) -> None:
    """The gradients of W and b of a product `rows` W + b."""
    np.matmul(rows.T, gradient, out=dparams[f"W{part}"])
    np.sum(gradient, axis=0, out=dparams[f"b{part}"])
