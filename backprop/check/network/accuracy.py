"""Accuracy: a gradient that is right except for its accuracy, that of a narrower dtype or a difference quotient.

In the order of this file: a narrower dtype; difference quotients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from backprop.arrays import Array
from backprop.check.kinds import Confidence, Finding, found
from backprop.check.network.mistakes import Run, State
from backprop.check.network.truth import Truth
from backprop.verify.agreement import norm

Tensors = Mapping[str, Array]

# A narrower dtype somewhere in the computation, named only where it is shown by evaluating in that dtype.
#
# Either of two things shows it. Every entry is a number of the narrower dtype, and off by no more than its rounding.
# Or a pass in which one quantity is rounded to that dtype has the same errors. The size of an error shows nothing: an
# early update, an ε in a logarithm or an unfinished iteration can be as small as float32's rounding.

_DTYPES = (np.float32, np.float16)
_FEWEST = 8
"""The least number of entries that are off: errors of fewer entries may be alike by chance."""
_SAME, _SURE = 0.25, 1e-3
"""Shares of the errors that may stay unexplained, since the order of a sum matters: for likely, for certain."""
_ROUNDINGS = 100
"""By how many roundings of the dtype a tensor may be off whose entries are all numbers of it."""


def low_precision(names: Sequence[str], got: Tensors, expected: Tensors, run: Run) -> Finding | None:
    """The finding if the errors of all these tensors are those of a narrower dtype, else None."""
    own, values, truth = got[names[0]].dtype, _joined(got, names), _joined(expected, names)
    error, size = values - truth, norm(truth)
    total = norm(error)
    if own.kind != "f" or np.count_nonzero(error) < _FEWEST or size == 0:
        return None
    off = f"‖got - expected‖ / ‖expected‖ = {total / size:.1e} in {', '.join(names)}"
    exact = _joined(_backward(run), names)
    for dtype in _DTYPES:
        eps, word = float(np.finfo(dtype).eps), np.dtype(dtype).name
        if eps <= 2 * float(np.finfo(own).eps):
            continue

        def narrow(array: Array, dtype: type = dtype) -> Array:
            return np.asarray(array.astype(dtype).astype(np.float64))

        with np.errstate(over="ignore", under="ignore"):
            if np.array_equal(values, narrow(values)) and total <= _ROUNDINGS * eps * size:
                evidence = f"{off}, and every entry is a number of {word}."
                return found("lower-precision", names[0], evidence, "likely")
            for what, tensors in _passes(run, dtype, narrow):
                rest = norm(error - (_joined(tensors, names) - exact)) / total
                if rest <= _SAME:
                    evidence = f"{off}: a pass with {what} in {word} has the same errors."
                    sure: Confidence = "certain" if rest <= _SURE else "likely"
                    return found("lower-precision", names[0], evidence, sure)
    return None


def _passes(run: Run, dtype: type, narrow: Callable[[Array], Array]) -> Iterator[tuple[str, Tensors]]:
    """Passes in which one quantity is rounded to the dtype: the quantity in words, and the gradient."""
    layers = range(run.depth)
    for k in layers:
        yield f"δ of layer {k + 1}", _backward(run, {k}, narrow)
    yield "every δ", _backward(run, set(layers), narrow)
    weights, biases = (tuple(map(narrow, each)) for each in (run.weights, run.biases))
    given = replace(run, x=(narrow(run.x[0]),), weights=weights, biases=biases)
    yield "parameters and inputs", _backward(given.rerun())
    for words, inside in (("the products of the forward pass", False), ("the forward pass", True)):
        yield words, _backward(run.rerun(dtype, inside=inside))
    for k in layers[1:]:
        kept = replace(run, x=(*run.x[:k], narrow(run.x[k]), *run.x[k + 1 :]))
        yield f"the input of layer {k + 1}", _backward(kept)


def _backward(
    run: Run, layers: Sequence[int] | set[int] = (), narrow: Callable[[Array], Array] = np.asarray
) -> dict[str, Array]:
    """The gradient of a run, with the δ of some layers rounded by `narrow`."""
    gradient, state = dict[str, Array](), State(run, run.depth - 1, run.output_delta())
    while True:
        if state.k in layers:
            state = replace(state, delta=narrow(state.delta))
        gradient |= state.tensors
        if state.k == 0:
            return gradient
        state = state.step()


def _joined(tensors: Tensors, names: Sequence[str]) -> Array:
    """The entries of several tensors in one array of float64."""
    return np.concatenate([np.asarray(tensors[name], np.float64).ravel() for name in names])


# Difference quotients: a gradient that is right except for the error that cancellation leaves, alike in all entries.
#
# A quotient (L(θ + h) - L(θ - h)) / 2h is off by about eps L / h, however large it is itself. The rounding error of a
# formula grows with the terms that it sums. So the errors of quotients are small, of either sign, and do not grow
# with the bounds of the entries.

_FEWEST_OFF = 12
"""The least number of entries that are off: with fewer, no correlation can be told from chance."""
_LARGE, _UNEVEN = 0.9, 6
"""A quantile of the errors, and how many medians it may be: 2.4 for normal errors, more for a quotient's."""
_CORRELATED = 0.3
"""A larger correlation is not chance: that of a few dozen independent numbers is about 0.2 or less."""
_COARSE = 1e-3
"""In a dtype whose eps is larger, other errors can be as large as those of a quotient."""


def quotient_mistake(got: Tensors, wrong: frozenset[str], truth: Truth) -> Finding | None:
    """The finding if every tensor has the error of a quotient; None if any has another error."""
    if set(wrong) < set(got) or not got:
        return None
    names = list(got)
    expected, bound = _joined(truth.gradient, names), _joined(truth.bound, names)
    difference = _joined(got, names) - expected
    moved, scale = difference != 0, norm(expected)
    eps = float(np.finfo(got[names[0]].dtype).eps)
    if moved.sum() < _FEWEST_OFF or scale == 0:
        return None
    error = norm(difference) / scale
    if not 10 * eps < error < 100 * eps ** (2 / 3):  # the best central quotient is off by eps^(2/3)
        return None
    size, sign = np.abs(difference[moved]), np.sign(difference[moved])
    # The mean of n random signs is off by 1/√n; four times that it is by no chance.
    is_balanced = abs(float(np.mean(sign))) < max(_CORRELATED, 4 / np.sqrt(len(sign)))
    is_even = float(np.quantile(size, _LARGE) / np.median(size)) < _UNEVEN
    one, other = (np.argsort(np.argsort(each)).astype(np.float64) for each in (size, bound[moved]))
    follows = abs(float(np.corrcoef(one, other)[0, 1]))  # Spearman's correlation
    along = abs(float(difference @ expected)) / (norm(difference) * scale)
    if not is_balanced or not is_even or max(follows, along) >= _CORRELATED:
        return None
    evidence = (
        f"‖got - expected‖ / ‖expected‖ = {error:.1e}; the errors are of either sign and about {np.median(size):.1e} "
        "everywhere, however large the entry is, as cancellation leaves them."
    )
    return found("difference-quotient", None, evidence, "likely" if eps < _COARSE else "possible")
