"""Self-attention with several heads (Vaswani et al. 2017): every token is a mean of all, weighed by likeness.

    q = (x Wq + bq)/√e   k = x Wk + bk   v = x Wv + bv      of H heads, e numbers of a token for each
    s = q kᵀ (t, t)      p = softmax of every row of s      a = p v      y = a Wo + bo

With `causal`, token t looks at no later one: s[t,u] = -∞ for u > t. `key` is the width of q, k and v over all heads.

How it is computed, and its Jacobians, stand in `backprop.layers.heads`; here the way through the parts of its graph.

bk moves every s of a row alike, which a softmax does not see: its gradient is zero, to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np

from backprop.arrays import Array, ufunc_buffer_bytes
from backprop.errors import NetworkError
from backprop.layers.base import Shape, Tensors
from backprop.layers.heads import Heads, weight_gradients
from backprop.layers.over_tokens import tokens_of
from backprop.layers.reading import misread, whole


@final
@dataclass(frozen=True, repr=False)
class Attention(Heads):
    """softmax(q kᵀ) v Wo + bo, with `heads`, `key` = the width of q, k and v, and `causal`."""

    name: ClassVar[str] = "attention"
    symbol: ClassVar[str] = "y"
    letters: ClassVar[Mapping[str, str]] = {
        **{f"W{part}": "dk" for part in "qkv"},
        **{f"b{part}": "k" for part in "qkv"},
        "Wo": "ko",
        "bo": "o",
    }
    inner: ClassVar[Mapping[str, tuple[str, ...]]] = {part: (f"W{part}", f"b{part}") for part in "qkv"}
    examples: ClassVar[tuple[str, ...]] = ("3x4 attention,heads=2,causal", "2x3 attention,key=2")
    derived: ClassVar[str | None] = "2x1 attention"
    formulas: ClassVar[Mapping[str, str]] = {
        "forward": "p v {Wo} + {bo}, where p = softmax(q kᵀ/√e), q k v = {x} {Wq} + {bq}, {x} {Wk} + {bk}, "
        "{x} {Wv} + {bv}",
        "vjp": "dq {Wq}ᵀ + dk {Wk}ᵀ + dv {Wv}ᵀ, where ds = p (dp - Σ p dp), dq = ds k, dk = dsᵀ q, dv = pᵀ da",
        "input_jacobian": "∂{y}/∂q {Wq}ᵀ + ∂{y}/∂k {Wk}ᵀ + ∂{y}/∂v {Wv}ᵀ",
        "through q": "Σu ∂{y}/∂s[t,u] k[u] / √e, where ∂{y}/∂s[t,u] = p[t,u] (v[u] - a[t]) {Wo}",
        "through k": "Σt ∂{y}/∂s[t,u] q[t] / √e",
        "through v": "Σt p[t,u] {Wo}",
        **{f"parameter_jacobians W{part}": f"Σt {{x}}[n,t,d] ∂{{y}}/∂{part}[n,t,k]" for part in "qkv"},
        **{f"parameter_jacobians b{part}": f"Σt ∂{{y}}/∂{part}[n,t,k]" for part in "qkv"},
        "parameter_jacobians Wo": "a[n,t,k] δ[o,o′]",
        "parameter_jacobians bo": "δ[o,o′]",
        **{f"parameter_factors W{part}": "{x}[n,t,d]" for part in "qkv"},
        **{f"parameter_factors b{part}": "1" for part in "qkvo"},
        "parameter_factors Wo": "a[n,t,k]",
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
    def code(self) -> str:  # type: ignore[override]  # by the sizes
        """Head by head, of all tokens."""
        t, d, h, e = self.tokens, self.features, self.heads, self.key // self.heads
        hidden = [f"s = np.where(np.triu(np.ones(({t}, {t}), bool), 1), -np.inf, s)"] * self.causal
        lines = [
            f"tokens = x.reshape(-1, {t}, {d})",
            *(
                f"{part} = (tokens @ W{part} + b{part}).reshape(-1, {t}, {h}, {e}).swapaxes(1, 2)"
                for part in "qkv"
            ),
            f"s = q @ k.swapaxes(2, 3) / np.sqrt({e})",
            *hidden,
            "p = np.exp(s - s.max(axis=3, keepdims=True))",
            "p = p / p.sum(axis=3, keepdims=True)",
            f"a = (p @ v).swapaxes(1, 2).reshape(-1, {t}, {self.key})",
            "return (a @ Wo + bo).reshape(len(x), -1)",
        ]
        return "\n".join(lines)

    @property
    def peers(self) -> Mapping[str, Callable[..., Any]]:  # type: ignore[override]  # they know the sizes
        """PyTorch by its own scaled_dot_product_attention, JAX and autograd by the formulas."""
        return {"autograd": self._autograd, "jax": self._jax, "torch": self._torch}

    @classmethod
    def of(cls, shape: Shape, *numbers: float, **options: Any) -> Self:
        """The layer for tokens of that shape; raises `NetworkError` for what it does not take."""
        if numbers or options.keys() - {"heads", "causal", "key"} or options.get("causal", True) is not True:
            raise misread(
                cls.name, numbers, options, "nothing more, or options as in attention,heads=4,causal,key=32"
            )
        tokens, features = tokens_of(shape, cls.name)
        heads = whole(cls.name, "heads", options.get("heads", 1))
        key = whole(cls.name, "key", options.get("key", features))
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

    def _autograd(self, autograd: Any, own: Any, x: Any) -> Any:
        np = autograd.numpy

        def softmax(s: Any) -> Any:
            e = np.exp(s - np.max(s, axis=-1, keepdims=True))
            return e / np.sum(e, axis=-1, keepdims=True)

        return self._outputs(own, x, self._weighed(np, softmax))

    def _jax(self, jax: Any, own: Any, x: Any) -> Any:
        return self._outputs(own, x, self._weighed(jax.numpy, jax.nn.softmax))

    def _torch(self, torch: Any, own: Any, x: Any) -> Any:
        attention = torch.nn.functional.scaled_dot_product_attention
        return self._outputs(own, x, lambda q, k, v: attention(q, k, v, is_causal=self.causal))

    def _weighed(self, np: Any, softmax: Callable[[Any], Any]) -> Callable[[Any, Any, Any], Any]:
        """The weighted values p v, from q, k and v."""

        def attention(q: Any, k: Any, v: Any) -> Any:
            s = q @ np.swapaxes(k, -1, -2) * self.scale
            return softmax(np.where(self.hidden, -np.inf, s) if self.causal else s) @ v

        return attention

    def _outputs(self, own: Any, x: Any, attention: Callable[[Any, Any, Any], Any]) -> Any:
        """y by any library, from its attention function of q, k and v (n, H, t, e)."""
        tokens = self.split(x)
        a = attention(*(self.by_head(tokens @ own[f"W{part}"] + own[f"b{part}"]) for part in "qkv"))
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

    def initial(self, rng: np.random.Generator) -> dict[str, Array]:
        """Weights uniform with the variance 2/(inputs + outputs) (Glorot and Bengio 2010), biases zero."""
        return {
            name: rng.uniform(-1, 1, shape) * math.sqrt(6 / sum(shape))
            if len(shape) == 2
            else np.zeros(shape)
            for name, shape in self.parameter_shapes().items()
        }

    def vjp_by_parts(
        self, params: Tensors, x: Array, y: Array, dy: Array, *, dparams: Tensors | None = None
    ) -> tuple[Array, Tensors]:
        """Head by head, and through exponential, sum and quotient of the softmax, as the graph has them."""
        n, t, e = len(x), self.tokens, self.key // self.heads
        dparams = self._gradients(x, dparams)
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
        weight_gradients(a, rows, dparams, "o")
        dx = np.zeros_like(tokens)
        for part, gradient in zip("qkv", gradients, strict=True):
            weight_gradients(tokens, gradient, dparams, part)
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
                pushed, rows = rows, self.split(x) @ dparams[f"W{part}"]
                rows += dparams[f"b{part}"]
                rows += pushed
            moved.append(rows.reshape(*rows.shape[:-1], self.heads, -1).swapaxes(-2, -3))
        dq, dk, dv = moved
        dp = dq * self.scale @ k.swapaxes(-1, -2)
        dp += q @ dk.swapaxes(-1, -2)
        dp -= np.einsum("...tu,...tu->...t", memory.p, dp)[..., None]
        dp *= memory.p
        heads = dp @ v
        heads += memory.p @ dv
        heads = heads.swapaxes(-2, -3)
        dy = heads.reshape(*heads.shape[:-2], self.key) @ params["Wo"]
        if dparams:
            dy += memory.a.reshape(len(x), self.tokens, -1) @ dparams["Wo"]
            dy += dparams["bo"]
        made: Array = dy.reshape(*dy.shape[:-2], -1)
        return made

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

    def parts_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """q, k, v, a and their gradients; the blocks of one head, and those of another head that they replace."""
        rows, e = n * self.tokens, self.key // self.heads
        head = (9 if self.heads > 1 else 8) * self.tokens + 3 * e
        numbers = rows * (8 * self.key + max(head, 2 * self.features))
        return itemsize * numbers + ufunc_buffer_bytes(rows * self.tokens, itemsize)
