"""A narrower dtype somewhere in the computation, named only where it is shown by evaluating in that dtype.

Two things show it: every entry is a number of the narrower dtype, and as far off as its rounding leads; or a pass in
which one quantity is rounded to that dtype has the same errors. An error that is merely of the size of float32's
rounding shows nothing: a step that was taken too early, an ε in a logarithm or an unfinished iteration is as small.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from backprop.arrays import Array
from backprop.check.kinds import Finding, found
from backprop.check.network.hypotheses import Run

_DTYPES = (np.float32, np.float16)
_FEWEST = 8
"""So many entries are off at least: errors of fewer may be alike by chance."""
_SAME = 0.25
"""The share of the errors that may be left unexplained: sums in another order round in another way."""
_ROUNDINGS = 100
"""How many roundings of the dtype an entry may be off by, for entries that are its numbers."""

Tensors = Mapping[str, Array]


def narrower_dtype(names: Sequence[str], got: Tensors, expected: Tensors, run: Run) -> Finding | None:
    """The finding where the errors of all these tensors are those of a narrower dtype."""
    own = got[names[0]].dtype
    if own.kind != "f":
        return None
    values, error = _joined(got, names), _joined(got, names) - _joined(expected, names)
    size, total = _norm(_joined(expected, names)), _norm(error)
    if np.count_nonzero(error) < _FEWEST or size == 0:
        return None
    off = f"‖got - expected‖ / ‖expected‖ = {total / size:.1e} in {', '.join(names)}"
    for dtype in _DTYPES:
        eps, word = float(np.finfo(dtype).eps), np.dtype(dtype).name
        if eps <= 2 * float(np.finfo(own).eps):
            continue
        with np.errstate(over="ignore", under="ignore"):
            if np.array_equal(values, _rounded(values, dtype)) and total <= _ROUNDINGS * eps * size:
                return _named(names, f"{off}, and every entry is a number of {word}.", certain=False)
            exact = _joined(_backward(run), names)
            for what, tensors in _passes(run, dtype):
                rest = _norm(error - (_joined(tensors, names) - exact)) / total
                if rest <= _SAME:
                    evidence = f"{off}: a pass with {what} in {word} has the same errors."
                    return _named(names, evidence, certain=rest <= 1e-3)
    return None


def _named(names: Sequence[str], evidence: str, *, certain: bool) -> Finding:
    return found("lower-precision", names[0], evidence, "certain" if certain else "likely")


def _passes(run: Run, dtype: type) -> Iterator[tuple[str, Tensors]]:
    """The gradient by passes in which something is rounded to the dtype, with what that is."""
    for k in range(run.depth):
        yield f"δ of layer {k + 1}", _backward(run, (k,), dtype)
    yield "every δ", _backward(run, tuple(range(run.depth)), dtype)
    narrow = replace(
        run,
        inputs=_rounded(run.inputs, dtype),
        weights=tuple(_rounded(weight, dtype) for weight in run.weights),
    )
    yield "parameters and inputs", _backward(narrow.again(biases=[_rounded(b, dtype) for b in run.biases]))
    for words, inside in (("the products of the forward pass", False), ("the forward pass", True)):
        yield words, _backward(_forward(run, dtype, inside=inside))
    for k in range(1, run.depth):
        x = tuple(_rounded(x, dtype) if j == k else x for j, x in enumerate(run.x))
        yield f"the input of layer {k + 1}", _backward(replace(run, x=x))


def _forward(run: Run, dtype: type, *, inside: bool) -> Run:
    """The run with x W + b in the dtype; with `inside`, the activations as well."""
    x, z = [run.inputs], []
    for weight, bias, activation in zip(run.weights, run.biases, run.activations, strict=True):
        product: Array = x[-1].astype(dtype) @ weight.astype(dtype) + bias.astype(dtype)
        z.append(product.astype(np.float64))
        y = product if inside else z[-1]
        x.append((y if activation is None else activation.forward({}, y)).astype(np.float64))
    return replace(run, x=tuple(x[:-1]), z=tuple(z), y=x[-1])


def _backward(run: Run, narrow: tuple[int, ...] = (), dtype: type = np.float64) -> dict[str, Array]:
    """The gradient of a run, with the δ of the layers `narrow` rounded to the dtype."""
    delta, gradient = run.output_delta(), {}
    for k in range(run.depth - 1, -1, -1):
        delta = _rounded(delta, dtype) if k in narrow else delta
        weights, bias = run.names(k)
        gradient[weights] = run.x[k].T @ delta + run.decay * run.weights[k]
        gradient[bias] = delta.sum(axis=0)
        if k:
            delta = run.through(k - 1, delta @ run.weights[k].T)
    return gradient


def _rounded(array: Array, dtype: type) -> Array:
    return np.asarray(array.astype(dtype).astype(np.float64))


def _joined(tensors: Tensors, names: Sequence[str]) -> Array:
    """The entries of several tensors in one array of float64."""
    return np.concatenate([np.asarray(tensors[name], np.float64).ravel() for name in names])


def _norm(array: Array) -> float:
    return float(np.linalg.norm(array))
