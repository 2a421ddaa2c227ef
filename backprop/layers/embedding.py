"""The embedding of whole numbers: token t of a sample is row x[n,t] of a table E (v, d).

    y[n,t,:] = E[x[n,t],:]        ∂y[n,t,d]/∂E[v,d′] = [x[n,t] = v] δ[d,d′]

A row that is used several times has one gradient, the sum of all uses: dE[v,:] = Σ over x[n,t] = v of dy[n,t,:]. With
X (n t, v) one-hot this is Xᵀ dY, and the closed form adds the rows without the zeros of X.

The inputs are whole numbers from 0 to v - 1 in an array of floats; any other number is refused. There is nothing
between two whole numbers, so ∂y/∂x is zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np

from backprop.arrays import Array
from backprop.errors import UnsupportedError, WholeNumberError
from backprop.layers.base import EinsumFactor, Shape, Tensors
from backprop.layers.over_tokens import OverTokens
from backprop.layers.reading import misread, whole


@final
@dataclass(frozen=True, repr=False)
class Embedding(OverTokens):
    """Row x of a table E, for every whole number x.

    The table has `words` = v rows of `outputs` = d numbers; `features` is 1.
    """

    words: int
    outputs: int

    name: ClassVar[str] = "embedding"
    complex_safe: ClassVar[bool] = True
    symbol: ClassVar[str] = "e"
    underivable: ClassVar[str] = "it takes whole numbers, between which there is nothing to differentiate"
    letters: ClassVar[Mapping[str, str]] = {"E": "vd"}
    examples: ClassVar[tuple[str, ...]] = ("3 embedding4x2", "2 embedding3x1")
    formulas: ClassVar[Mapping[str, str]] = {
        "forward": "{E}[{x}[n,t],d]",
        "input_jacobian": "0",
        "vjp": "0",
        "parameter_jacobians E": "[{x}[n,t] = v] δ[d,d′]",
        "parameter_factors E": "[{x}[n,t] = v]",
        "vjp E": "Σn Σt [{x}[n,t] = v] ∂{k}/∂{y}[n,t,d]",
    }

    code: ClassVar[str | None] = "return E[x.astype(int)].reshape(len(x), -1)"

    @property
    def peers(self) -> Mapping[str, Callable[..., Any]]:  # type: ignore[override]  # they know the sizes
        """PyTorch by its own functional.embedding; a look-up elsewhere."""

        def torch(library: Any, own: Any, x: Any) -> Any:
            return library.nn.functional.embedding(x.long(), own["E"]).reshape(len(x), -1)

        def look_up(_: Any, own: Any, x: Any) -> Any:
            return own["E"][x.astype("int32")].reshape(len(x), -1)

        return {"autograd": look_up, "jax": look_up, "torch": torch}

    @classmethod
    def of(cls, shape: Shape, *numbers: float, **options: Any) -> Self:
        """The layer with v and d, for t whole numbers; raises `NetworkError` for anything else."""
        if len(numbers) != 2 or options or shape[1:] not in ((), (1,)):
            raise misread(
                cls.name,
                numbers,
                options,
                "rows and columns of its table, for t whole numbers, as 20 embedding1000x16",
            )
        words, outputs = (
            whole(cls.name, key, number) for key, number in zip(("words", "outputs"), numbers, strict=True)
        )
        return cls(shape[0], 1, words, outputs)

    @property
    def text(self) -> str:
        """embedding1000x16."""
        return f"{self.name}{self.words}x{self.outputs}"

    @property
    def made(self) -> Shape:
        """(t, d)."""
        return (self.tokens, self.outputs)

    def indices(self, x: Array) -> Array:
        """The inputs as rows of E; raises `WholeNumberError` unless they are whole and from 0 to v - 1."""
        if x.dtype == object:
            raise UnsupportedError("The layer embedding got symbols; expected whole numbers.")
        real = x.real
        with np.errstate(invalid="ignore"):
            wrong = ~((real == np.floor(real)) & (real >= 0) & (real < self.words))
        if wrong.any():
            n, t = (int(k) for k in np.argwhere(wrong)[0])
            raise WholeNumberError(
                f"The layer embedding got {real[n, t]} as token {t} of sample {n}; expected a whole number from 0 to "
                f"{self.words - 1}."
            )
        return real.astype(np.intp)

    def fitting(self, x: Array) -> Array:
        """Whole numbers: [0, 1) in v equal parts, and v - 1 from there on."""
        words: Array = np.minimum(np.floor(np.abs(x) * self.words), self.words - 1)
        return words

    def _one_hot(self, x: Array) -> Array:
        """X (n, t, v)."""
        hot = np.zeros((x.size, self.words), x.dtype)
        hot[np.arange(x.size), self.indices(x).reshape(-1)] = 1
        return hot.reshape(*x.shape, self.words)

    def oracle(self, params: Tensors, x: Array) -> Array:
        """One row of E after another."""
        rows = [np.concatenate([params["E"][int(word)] for word in sample.real]) for sample in x]
        return np.stack(rows)

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """E (v, d)."""
        return {"E": (self.words, self.outputs)}

    def initial(self, rng: np.random.Generator) -> dict[str, Array]:
        """Normal with variance 1, as in PyTorch."""
        return {"E": rng.standard_normal((self.words, self.outputs))}

    def forward_flops(self, n: int, i: int, o: int) -> int:
        """A move for each number is counted as one."""
        return n * o

    def vjp_flops(self, n: int, i: int, o: int, *, input_needed: bool) -> int:
        """Each number of dy is added once; the zeros of dx are written."""
        return n * (o + i * input_needed)

    def parts_flops(self, n: int, i: int, o: int) -> int:
        """The product with X."""
        return 2 * n * o * self.words + n * i

    def forward_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """y, the rows of E before they are put there, and their numbers as whole ones."""
        return (1 if out else 2) * n * o * itemsize + 8 * n * i

    def vjp_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """The sparse X with its starts and indices, its product, and dx."""
        return (
            n * i * (itemsize + 8 + 8)
            + self.words * self.outputs * itemsize
            + (0 if out else n * i * itemsize)
        )

    def parts_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """X, and where its ones stand."""
        return self.parameter_factors_bytes(n, i, o, itemsize)

    def input_nonzeros(self, i: int, o: int) -> int:
        """Zeros that are stored, one for each output."""
        return o

    def parameter_nonzeros(self, i: int, o: int) -> dict[str, int]:
        """X for every number of a token."""
        return {"E": o * self.words}

    def parameter_factors_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """X, and where its ones stand."""
        return n * i * (self.words * itemsize + 16)

    def jacobian_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """X, as for the factor."""
        return self.parameter_factors_bytes(n, i, o, itemsize)

    def jvp_bytes(self, n: int, i: int, o: int, itemsize: int, *, directions: int | None = None) -> int:
        """Rows of Ė, and their indices as integers; or zeros for every direction."""
        return n * o * itemsize * directions if directions else n * (o * itemsize + 8 * i)

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """Rows of E."""
        if out is None:
            out = np.empty((len(x), self.tokens * self.outputs), np.result_type(x, params["E"]))
        out.reshape(len(x), *self.made)[...] = params["E"][self.indices(x)]
        return out

    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """Zero."""
        return self._jacobian(x, y, out)

    def parameter_jacobians(
        self, params: Tensors, x: Array, y: Array, *, out: Tensors | None = None
    ) -> dict[str, Array]:
        """Row (t, d) of ∂y/∂E holds a one in row x[n,t], column d."""
        jacobians = self._jacobians(y, y, out)
        blocks = jacobians["E"].reshape(len(x), *self.made, self.words, self.outputs)
        np.einsum("ntdvd->ntdv", blocks)[...] = self._one_hot(x)[:, :, None]
        return jacobians

    def input_factor(self, params: Tensors, x: Array, y: Array) -> EinsumFactor:
        """Zero for every token."""
        return EinsumFactor("", np.zeros((), y.dtype), "td", self.made, "t")

    def parameter_factors(self, params: Tensors, x: Array, y: Array) -> dict[str, EinsumFactor]:
        """X, one-hot."""
        return {"E": EinsumFactor("ntv", self._one_hot(x), "td", self.made, "vd")}

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
        """Each dy_t is added to the row of dE that it is of; dx is zero."""
        from scipy.sparse import csr_array

        rows = self.indices(x).reshape(-1)
        starts = np.arange(len(rows) + 1)
        shape = (len(rows), self.words)
        one_hot = csr_array((np.ones(len(rows), dy.dtype), rows, starts), shape=shape)
        summed = one_hot.T @ dy.reshape(len(rows), self.outputs)
        if dparams is None:
            dparams = {"E": summed}
        else:
            dparams["E"][...] = summed
        if not input_needed:
            return None, dparams
        if out is None:
            out = np.empty_like(x)
        out[...] = 0
        return out, dparams

    def vjp_by_parts(
        self, params: Tensors, x: Array, y: Array, dy: Array, *, dparams: Tensors | None = None
    ) -> tuple[Array, Tensors]:
        """By the product Xᵀ dY, as of a linear layer whose inputs are one-hot."""
        dparams = self._gradients(dy, dparams)
        one_hot = self._one_hot(x).reshape(-1, self.words)
        np.matmul(one_hot.T, dy.reshape(-1, self.outputs), out=dparams["E"])
        return np.zeros_like(x), dparams

    def jvp(self, params: Tensors, x: Array, y: Array, dx: Array, dparams: Tensors) -> Array:
        """Rows of Ė; ẋ moves nothing."""
        if not dparams:
            return np.zeros((*np.broadcast_shapes(dx.shape[:-1], (len(x),)), y.shape[1]), y.dtype)
        moved: Array = dparams["E"][self.indices(x)]
        return moved.reshape(y.shape)
