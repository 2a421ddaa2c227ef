"""Self-attention with several heads (Vaswani et al. 2017): every token is a mean of all, weighed by likeness.

    q = (x Wq + bq)/√e   k = x Wk + bk   v = x Wv + bv      of H heads, e numbers of a token for each
    s = q kᵀ (t, t)      p = softmax of every row of s      a = p v      y = a Wo + bo

With `causal`, token t looks at no later one: s[t,u] = -∞ for u > t. `key` is the width of q, k, v and a over all heads.

The softmax of the whole block in closed form, and the row sums Σ p dp without dp, as they are Σ_e da a:

    da = dy Woᵀ    dv = pᵀ da    ds = p ∘ (da vᵀ - Σ_e da a)    dq = ds k    dk = dsᵀ q    dx = dq Wqᵀ + dk Wkᵀ + dv Wvᵀ

bk moves every s of a row alike, which a softmax does not see: its gradient is zero, to rounding.

Wq, Wk, Wv, Wo are used by every token and have one gradient, a product over the tokens of all samples: dWq = Xᵀ dQ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np

from backprop.arrays import Array, ufunc_buffer_bytes
from backprop.errors import NetworkError
from backprop.layers.base import EinsumFactor, Shape, Tensors
from backprop.layers.over_tokens import Remembering, buffer, tokens_of, whole


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


@final
@dataclass(frozen=True, repr=False)
class Attention(Remembering[Found]):
    """`heads` = H heads of `key`/H numbers; `causal` hides later tokens."""

    key: int
    heads: int = 1
    causal: bool = False

    name: ClassVar[str] = "attention"
    symbol: ClassVar[str] = "y"
    letters: ClassVar[Mapping[str, str]] = {
        **{f"W{part}": "dk" for part in "qkv"},
        **{f"b{part}": "k" for part in "qkv"},
        "Wo": "ko",
        "bo": "o",
    }
    examples: ClassVar[tuple[str, ...]] = ("3x4 attention,heads=2,causal", "2x3 attention,key=2")
    formulas: ClassVar[Mapping[str, str]] = {
        "forward": "p v {Wo} + {bo}, where p = softmax(q kᵀ/√e), q k v = {x} {Wq} + {bq}, {x} {Wk} + {bk}, "
        "{x} {Wv} + {bv}",
        "vjp": "dq {Wq}ᵀ + dk {Wk}ᵀ + dv {Wv}ᵀ, where ds = p (dp - Σ p dp), dq = ds k, dk = dsᵀ q, dv = pᵀ da",
        "vjp Wq": "Σn Σt {x}ᵀ dq",
        "vjp Wk": "Σn Σt {x}ᵀ dk",
        "vjp Wv": "Σn Σt {x}ᵀ dv",
        "vjp Wo": "Σn Σt aᵀ ∂{k}/∂{y}",
        "vjp bq": "Σn Σt dq",
        "vjp bk": "Σn Σt dk",
        "vjp bv": "Σn Σt dv",
        "vjp bo": "Σn Σt ∂{k}/∂{y}",
    }

    @property
    def peers(self) -> Mapping[str, Callable[..., Any]]:  # type: ignore[override]  # they know the sizes
        """PyTorch by its own scaled_dot_product_attention, JAX and autograd by the formulas."""
        return {"autograd": self._autograd, "jax": self._jax, "torch": self._torch}

    @classmethod
    def of(cls, shape: Shape, *numbers: float, **options: Any) -> Self:
        """The layer for tokens of that shape; raises `NetworkError` for what it does not take."""
        if numbers or options.keys() - {"heads", "causal", "key"} or options.get("causal", True) is not True:
            raise NetworkError(
                "A layer attention is written as attention, or attention,heads=4,causal,key=32."
            )
        tokens, features = tokens_of(shape, cls.name)
        heads = whole(cls.name, "heads", options.get("heads", 1.0))
        key = whole(cls.name, "a key of", options.get("key", float(features)))
        if key % heads:
            raise NetworkError(
                f"The layer attention got {heads} heads for a key of {key}; expected heads that divide it."
            )
        return cls(tokens, features, key, heads, "causal" in options)

    @property
    def text(self) -> str:
        """attention,heads=4,causal,key=32; what is as by default is left out."""
        parts = [self.name] + [f"heads={self.heads}"] * (self.heads > 1) + ["causal"] * self.causal
        return ",".join(parts + [f"key={self.key}"] * (self.key != self.features))

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

    def _autograd(self, autograd: Any, own: Any, x: Any) -> Any:
        np = autograd.numpy
        return self._outputs(np, own, x, lambda s: np.exp(s - np.max(s, axis=-1, keepdims=True)))

    def _jax(self, jax: Any, own: Any, x: Any) -> Any:
        return self._outputs(jax.numpy, own, x, lambda s: jax.nn.softmax(s, axis=-1))

    def _outputs(self, np: Any, own: Any, x: Any, weights: Callable[[Any], Any]) -> Any:
        tokens = self.split(x)
        q, k, v = (self._heads_of(tokens @ own[f"W{part}"] + own[f"b{part}"]) for part in "qkv")
        s = np.matmul(q, np.swapaxes(k, -1, -2)) * self.scale
        e = weights(np.where(self.hidden, -np.inf, s) if self.causal else s)
        a = np.matmul(e / np.sum(e, axis=-1, keepdims=True), v)
        joined = np.reshape(np.swapaxes(a, 1, 2), (len(x), self.tokens, self.key))
        return np.reshape(np.matmul(joined, own["Wo"]) + own["bo"], (len(x), -1))

    def _heads_of(self, array: Any) -> Any:
        return array.reshape(-1, self.tokens, self.heads, self.key // self.heads).swapaxes(1, 2)

    def _torch(self, torch: Any, own: Any, x: Any) -> Any:
        tokens = self.split(x)
        q, k, v = (self._heads_of(tokens @ own[f"W{part}"] + own[f"b{part}"]) for part in "qkv")
        a = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        joined = a.swapaxes(1, 2).reshape(len(x), self.tokens, self.key)
        return (joined @ own["Wo"] + own["bo"]).reshape(len(x), -1)

    def oracle(self, params: Tensors, x: Array) -> Array:
        """One sample, one head and one token at a time."""
        e, rows = self.key // self.heads, []
        for sample in self.split(x):
            q, k, v = (sample @ params[f"W{part}"] + params[f"b{part}"] for part in "qkv")
            joined = np.zeros(q.shape, np.result_type(q, k, v))
            for head in range(self.heads):
                own = slice(head * e, (head + 1) * e)
                for t in range(self.tokens):
                    seen = slice(t + 1 if self.causal else None)
                    likeness = k[seen, own] @ q[t, own] / math.sqrt(e)
                    weights = np.exp(likeness - likeness.real.max())
                    joined[t, own] = (weights / weights.sum()) @ v[seen, own]
            rows.append((joined @ params["Wo"] + params["bo"]).reshape(-1))
        return np.stack(rows)

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Wq, Wk, Wv (d, κ), Wo (κ, d), and a bias for each."""
        d, key = self.features, self.key
        weights: dict[str, tuple[int, ...]] = {**{f"W{part}": (d, key) for part in "qkv"}, "Wo": (key, d)}
        return {**weights, **{f"b{part}": (key,) for part in "qkv"}, "bo": (d,)}

    def initial(self, rng: np.random.Generator) -> dict[str, Array]:
        """Weights uniform with the variance 2/(inputs + outputs) (Glorot and Bengio 2010), biases zero."""
        return {
            name: rng.uniform(-1, 1, shape) * math.sqrt(6 / sum(shape))
            if len(shape) == 2
            else np.zeros(shape)
            for name, shape in self.parameter_shapes().items()
        }

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
        _weights(memory.a, rows, dparams, "o")
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
            _weights(memory.x, grad, dparams, part)
        if dx is not None:
            flat = dx.reshape(-1, self.features)
            np.matmul(memory.dqkv[0], params["Wq"].T, out=flat)
            for part, grad in zip("kv", memory.dqkv[1:], strict=True):
                flat += grad @ params[f"W{part}"].T

    def vjp_by_parts(
        self, params: Tensors, x: Array, y: Array, dy: Array, *, dparams: Tensors | None = None
    ) -> tuple[Array, Tensors]:
        """Head by head, and through exponential, sum and quotient of the softmax, as the graph has them."""
        n, t, e = len(x), self.tokens, self.key // self.heads
        if dparams is None:
            dparams = {name: np.empty_like(tensor) for name, tensor in params.items()}
        tokens, rows = x.reshape(n * t, -1), dy.reshape(n * t, -1)
        q, k, v = (tokens @ params[f"W{part}"] + params[f"b{part}"] for part in "qkv")
        gradients = [np.empty_like(q) for _ in range(3)]
        a, da = np.empty_like(q), rows @ params["Wo"].T
        for head in range(self.heads):
            own = slice(head * e, (head + 1) * e)
            qh, kh, vh, dah = (part[:, own].reshape(n, t, e) for part in (q, k, v, da))
            s = qh @ kh.swapaxes(1, 2) * self.scale
            if self.causal:
                s = np.where(self.hidden, -np.inf, s)
            exponentials = np.exp(s - s.max(axis=2, keepdims=True))
            total = exponentials.sum(axis=2, keepdims=True)
            p = exponentials / total
            a[:, own] = (p @ vh).reshape(n * t, e)
            dp = dah @ vh.swapaxes(1, 2)
            dtotal = -(dp * exponentials / total**2).sum(axis=2, keepdims=True)
            ds = (dp / total + dtotal) * exponentials
            dscaled = ds * self.scale
            heads = (dscaled @ kh, dscaled.swapaxes(1, 2) @ qh, p.swapaxes(1, 2) @ dah)
            for gradient, of_head in zip(gradients, heads, strict=True):
                gradient[:, own] = of_head.reshape(n * t, e)
        _weights(a, rows, dparams, "o")
        dx = np.zeros_like(tokens)
        for part, gradient in zip("qkv", gradients, strict=True):
            _weights(tokens, gradient, dparams, part)
            dx += gradient @ params[f"W{part}"].T
        return dx.reshape(x.shape), dparams

    def jvp(self, params: Tensors, x: Array, y: Array, dx: Array, dparams: Tensors) -> Array:
        """ṗ = p ∘ (ṡ - Σ p ṡ) between the products of q, k, v, a and the weights."""
        memory = self.memory(len(x), x)
        self.run(params, x, memory, np.empty_like(y))
        q, k, v = map(self.by_head, memory.qkv)
        moved = []
        for part in "qkv":
            rows = self.split(dx) @ params[f"W{part}"]
            if dparams:
                rows = rows + self.split(x) @ dparams[f"W{part}"] + dparams[f"b{part}"]
            moved.append(rows.reshape(*rows.shape[:-1], self.heads, -1).swapaxes(-2, -3))
        dq, dk, dv = moved
        ds = dq * self.scale @ k.swapaxes(-1, -2) + q @ dk.swapaxes(-1, -2)
        dp = memory.p * (ds - np.sum(memory.p * ds, axis=-1, keepdims=True))
        heads = (dp @ v + memory.p @ dv).swapaxes(-2, -3)
        dy = heads.reshape(*heads.shape[:-2], self.key) @ params["Wo"]
        if dparams:
            dy = dy + memory.a.reshape(len(x), self.tokens, -1) @ dparams["Wo"] + dparams["bo"]
        made: Array = dy.reshape(*dy.shape[:-2], -1)
        return made

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
        if out is None:
            shapes = self.parameter_shapes().items()
            out = {name: np.zeros_like(x, shape=(*y.shape, *shape)) for name, shape in shapes}
        memory, by_q, by_k, by_v = self._by_parts_of_tokens(params, x, y)
        blocks = {name: array.reshape(len(x), *self.made, *array.shape[2:]) for name, array in out.items()}
        tokens = self.split(x)
        np.multiply(tokens[:, :, None, :, None], by_q[..., None, :], out=blocks["Wq"])
        blocks["bq"][...] = by_q
        for part, by in (("k", by_k), ("v", by_v)):
            np.matmul(tokens.swapaxes(1, 2)[:, None, None], by, out=blocks[f"W{part}"])
            np.sum(by, axis=3, out=blocks[f"b{part}"])
        np.einsum("ntoko->ntok", blocks["Wo"])[...] = memory.a.reshape(len(x), self.tokens, 1, self.key)
        np.einsum("ntoo->nto", blocks["bo"])[...] = 1
        return dict(out)

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

    def forward_flops(self, n: int, i: int, o: int) -> int:
        """Four products with weights, two for every head, and a softmax of 14 operations a number."""
        rows, t, d, key, heads = n * self.tokens, self.tokens, self.features, self.key, self.heads
        return 8 * rows * d * key + rows * (5 * key + d) + rows * t * (4 * key + 14 * heads)

    def vjp_flops(self, n: int, i: int, o: int, *, input_needed: bool) -> int:
        """Two products for each one of forward, of which that for dx may be left out, and the softmax."""
        rows, t, d, key = n * self.tokens, self.tokens, self.features, self.key
        products = 10 + 6 * input_needed
        return products * rows * d * key + rows * (7 * key + d) + rows * t * (8 * key + 2 * self.heads)

    def parts_flops(self, n: int, i: int, o: int) -> int:
        """The same, with forward once more, and the steps of the softmax one by one."""
        again = self.forward_flops(n, i, o) + 10 * n * self.heads * self.tokens**2
        return self.vjp_flops(n, i, o, input_needed=True) + again

    def call_numbers(self, n: int, *, forward: bool) -> int:
        """Of `run` the largest of every row, or a bias; of `back` Σ_e da a, or a part of dx."""
        rows = n * self.tokens
        if forward:
            return rows * self.heads + ufunc_buffer_bytes(rows * max(self.key, self.heads * self.tokens), 1)
        sums = rows * self.heads
        return max(sums + ufunc_buffer_bytes(sums * self.tokens, 1), rows * self.features)

    def parts_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """q, k, v, a and their gradients, and of one head up to eight blocks with what they are made of."""
        rows, e = n * self.tokens, self.key // self.heads
        head = 8 * self.tokens + (11 if self.heads > 1 else 3) * e
        return itemsize * rows * (8 * self.key + max(head, 2 * self.features))

    def _token_numbers(self, n: int, besides: int) -> int:
        """∂y/∂k and ∂y/∂v with so many more numbers for two tokens and an output; ∂y/∂q, the memory, v Wo and a Wo."""
        t, by_token = self.tokens, n * self.tokens * self.features * self.tokens
        others = self.memory_numbers(n) + n * t * self.features * (self.key + 2 * self.heads)
        return by_token * (2 * self.key + besides) + others

    def jacobian_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """What the Jacobians are made of, with ∂y/∂s or a product with Wv."""
        return itemsize * self._token_numbers(n, max(self.heads, self.features))

    def entered_numbers(self) -> tuple[int, ...]:
        """Those of q, k and v."""
        return (self.tokens * self.key,) * 3

    def parameter_nonzeros(self, i: int, o: int) -> dict[str, int]:
        """Of ∂q/∂Wq, ∂k/∂Wk, ∂v/∂Wv and ∂y/∂Wo: the weights of every token; and ones."""
        return {name: self.tokens * math.prod(shape) for name, shape in self.parameter_shapes().items()}

    def input_factor_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """The Jacobian, and what it is made of."""
        return itemsize * n * o * i + self.jacobian_bytes(n, i, o, itemsize)

    def parameter_factors_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """∂y/∂q, ∂y/∂k and ∂y/∂v, and what they are made of."""
        return itemsize * self._token_numbers(n, self.heads)


def _weights(rows: Array, gradient: Array, dparams: Tensors, part: str) -> None:
    """The gradients of W and b of a product `rows` W + b."""
    np.matmul(rows.T, gradient, out=dparams[f"W{part}"])
    np.sum(gradient, axis=0, out=dparams[f"b{part}"])
