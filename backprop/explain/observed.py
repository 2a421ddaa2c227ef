"""An array that knows which derivative it holds, so that a product of two of them is named by the chain rule.

    ∂a/∂b · ∂b/∂c = ∂a/∂c

A layer's Jacobian is handed to the strategy as such an array. Every product that the strategy forms of it with NumPy,
by matmul, einsum or broadcasting, is seen here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.explain.step import Derivative
from backprop.explain.watched import on_arrays

OnProduct = Callable[[Derivative, Derivative, Array], None]
"""Called with each product: its two factors, and the result."""


class Observer:
    """Finds the names of a product's operands and tells `on_product`.

    `outputs` is the name of the network's outputs and c their number: an identity matrix of that size stands
    for ∂outputs/∂outputs.
    """

    def __init__(self, outputs: str, c: int, on_product: OnProduct) -> None:
        self._outputs, self._identity, self._on_product = outputs, np.eye(c), on_product
        self._written: dict[int, tuple[Derivative, Array]] = {}  # by address: buffers of the strategy's own

    def named(self, array: Array, derivative: Derivative) -> Array:
        """The same memory, as an array that knows its name."""
        view = array.view(Observed)
        view.derivative, view.observer = derivative, self
        return view

    def after(self, operands: Iterable[Any], result: Any, out: Any) -> Any:
        """What NumPy returned from these operands, named where the chain rule has a name for it."""
        factors = self._factors(operands)
        if factors is None or not isinstance(result, np.ndarray):
            return out if out is not None else result
        left, right = factors
        product = Derivative(left.of, right.by)
        self._on_product(left, right, result)
        if out is not None:
            self._written[address(out)] = (product, out)  # kept alive: no other array takes its address
            return out
        return self.named(result, product)

    def _factors(self, operands: Iterable[Any]) -> tuple[Derivative, Derivative] | None:
        """The two derivatives among the operands, in the order of the chain; None where they make none."""
        arrays = [operand for operand in operands if isinstance(operand, np.ndarray)]
        names = [self._name(array) for array in arrays]
        if len(arrays) != 2:
            return None
        for k in (0, 1):
            named_outputs = self._outputs in (names[1 - k] or ())
            if names[k] is None and named_outputs and self._is_identity(arrays[k]):
                names[k] = Derivative(self._outputs, self._outputs)
        first, second = names
        if first is None or second is None:
            return None
        if first.by == second.of:
            return first, second
        return (second, first) if second.by == first.of else None

    def _name(self, array: Array) -> Derivative | None:
        if isinstance(array, Observed) and array.derivative is not None:
            return array.derivative
        known = self._written.get(address(array))
        return None if known is None else known[0]

    def _is_identity(self, array: Array) -> bool:
        c = len(self._identity)
        return array.size % (c * c) == 0 and bool((array.reshape(-1, c, c) == self._identity).all())


class Observed(np.ndarray[Any, Any]):
    """An array with the name of the derivative that it holds; its views keep it, other results lose it."""

    derivative: Derivative | None
    observer: Observer | None

    def __array_finalize__(self, source: Any) -> None:
        """A view of an array holds the same derivative."""
        self.derivative = getattr(source, "derivative", None)
        self.observer = getattr(source, "observer", None)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Compute as NumPy would, on plain arrays, and tell the observer."""
        out = kwargs.pop("out", None)
        if out is not None:
            kwargs["out"] = tuple(plain(array) for array in out)
        result = getattr(ufunc, method)(*map(plain, inputs), **kwargs)
        return _observer_of(inputs, out or ()).after(inputs, result, out[0] if out is not None else None)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """The same for functions such as einsum."""
        out = kwargs.get("out")
        result = func(*on_arrays(plain, args), **on_arrays(plain, kwargs))
        return _observer_of(args, (out,)).after(args, result, out)


def plain(value: Any) -> Any:
    """An observed array as an ordinary one; anything else as it is."""
    return value.view(np.ndarray) if isinstance(value, Observed) else value


def _observer_of(*groups: Iterable[Any]) -> Observer:
    for group in groups:
        for value in group:
            if isinstance(value, Observed) and value.observer is not None:
                return value.observer
    return Observer("", 1, lambda *_: None)


def address(array: Array) -> int:
    """Where the first element of the array lies in memory."""
    return int(array.__array_interface__["data"][0])
