"""Answers: what a gradient returned, against the form of the point: which tensors can be compared, what is amiss.

Findings: `wrong-name`, `wrong-shape`, `wrong-dtype`, `not-finite`. An answer that is no gradient at all, such as
None, a string or complex numbers, raises `CheckError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.findings import Finding
from backprop.check.forms.collect import collect
from backprop.check.forms.tensors import Form
from backprop.check.forms.tree import Branch, Leaf, describe
from backprop.check.kinds import found
from backprop.errors import CheckError


@dataclass(frozen=True)
class Answer:
    """The tensors of an answer.

    tensors: those that can be compared entry by entry, by the names of the point, in their own dtype.
    reshaped: those of a wrong shape whose values can be compared nevertheless, with the axes of length one dropped or
    added, or transposed: their `wrong-shape` is among the findings.
    transposed: the names of those that were transposed for it.
    notes: sentences about what differs from the point's form and is no mistake, such as `dW1` for `W1`.
    """

    tensors: dict[str, Array]
    findings: tuple[Finding, ...]
    reshaped: dict[str, Array]
    transposed: frozenset[str]
    notes: tuple[str, ...] = ()


def read_answer(
    answer: Any, form: Form, *, order: Sequence[str] | None = None, outputs: tuple[int, ...] = ()
) -> Answer:
    """Compare an answer with the point's form.

    order: the tensors' names as they are computed, for the first one that is not finite; by default the point's.
    outputs: the shape of the function's value; a tensor of a Jacobian has it before the parameter's own.
    """
    collected = collect(answer, form)
    raw, findings, notes = collected.raw, collected.findings, collected.notes
    tensors: dict[str, Array] = {}
    reshaped: dict[str, Array] = {}
    transposed: set[str] = set()
    for leaf in form.leaves:
        if leaf.name not in raw:
            continue
        array = _numbers(raw[leaf.name], leaf.name)
        expected = outputs + leaf.shape
        if array.shape == expected:
            tensors[leaf.name] = array
        elif _updates(array, expected):
            tensors[leaf.name] = array.reshape(expected)
            notes.append(
                f"{leaf.name} has the shape {array.shape}, its parameter {expected}: the same entries."
            )
        else:
            fitted, turned, evidence = _fit(array, expected)
            findings.append(found("wrong-shape", leaf.name, evidence))
            if fitted is not None:
                reshaped[leaf.name] = fitted
                transposed |= {leaf.name} if turned else set()
        finding, note = _compare_dtype(raw[leaf.name], array, leaf)
        findings += finding
        notes += note
    bad = [name for name in order or form.names if not _finite({**tensors, **reshaped}.get(name))]
    if bad:
        findings.append(_not_finite({**tensors, **reshaped}, bad))
    kept = {name: array for name, array in tensors.items() if name not in bad}
    refitted = {name: array for name, array in reshaped.items() if name not in bad}
    return Answer(kept, tuple(findings), refitted, frozenset(transposed), tuple(notes))


def value_and_gradient(answer: Any, form: Form) -> tuple[Any, Any]:
    """(loss, gradient) where the answer is such a pair, else (None, answer).

    A pair is a tuple of a number and something else, of which only the second can have the point's form.
    """
    if not isinstance(answer, tuple) or len(answer) != 2 or hasattr(answer, "_fields"):
        return None, answer
    if isinstance(form.tree, Branch) and not form.tree.is_mapping and len(form.tree.keys) == 2:
        return None, answer  # a gradient of two tensors
    return (answer[0], answer[1]) if np.ndim(answer[0]) == 0 else (None, answer)


def _numbers(value: Any, name: str) -> Array:
    """The array that a value is; raises `CheckError` where it holds no real numbers."""
    if hasattr(value, "toarray"):  # a sparse matrix
        value = value.toarray()
    try:
        array = np.asarray(value)
        if array.dtype.kind == "O" and value is not None:
            array = array.astype(np.float64)
    except (TypeError, ValueError, RuntimeError):
        array = np.asarray(None)
    if array.dtype.kind == "c":
        raise CheckError(f"The gradient of {name} is complex; expected real numbers.")
    if array.dtype.kind not in "iufb":
        raise CheckError(f"The gradient of {name} is {describe(value)}; expected numbers.")
    return array


def _fit(array: Array, expected: tuple[int, ...]) -> tuple[Array | None, bool, str]:
    """The values in the expected shape where that can be told, whether transposed, and what was seen."""
    seen = f"Its shape is {array.shape}; its parameter's is {expected}."
    if array.ndim == len(expected) > 1 and array.shape == expected[::-1]:
        return array.T, True, f"{seen} That is the shape of its transpose."
    if [k for k in array.shape if k != 1] == [k for k in expected if k != 1]:
        return array.reshape(expected), False, f"{seen} They differ by axes of length one."
    if array.size == np.prod(expected, dtype=int):
        return None, False, f"{seen} It has as many entries, in another form."
    return None, False, seen


def _updates(array: Array, expected: tuple[int, ...]) -> bool:
    """Whether `parameter - rate * gradient` has no more entries than the parameter.

    It has not for (M,) and (1, M). An array of shape (M,) and one of (M, 1) would be broadcast to a matrix.
    """
    if array.size != np.prod(expected, dtype=int) or [k for k in array.shape if k != 1] != [
        k for k in expected if k != 1
    ]:
        return False
    try:
        together = np.broadcast_shapes(array.shape, expected)
    except ValueError:
        return False
    return int(np.prod(together, dtype=int)) == array.size


def _compare_dtype(value: Any, array: Array, leaf: Leaf) -> tuple[list[Finding], list[str]]:
    """A finding for a narrower floating dtype than the parameter's, a note for a wider one.

    Whole numbers may be right, such as those of a linear function.
    """
    has_dtype = hasattr(value, "dtype")  # Python's own numbers take the dtype of what they meet
    if leaf.weak or not has_dtype or array.dtype.kind != "f" or array.dtype.newbyteorder("=") == leaf.dtype:
        return [], []
    seen = f"Its dtype is {array.dtype}; its parameter's is {leaf.dtype}."
    if np.finfo(array.dtype).eps < np.finfo(leaf.dtype).eps:
        return [], [f"The dtype of {leaf.name} is {array.dtype}, wider than its parameter's {leaf.dtype}."]
    return [found("wrong-dtype", leaf.name, seen)], []


def _finite(array: Array | None) -> bool:
    return array is None or bool(np.all(np.isfinite(array)))


def _not_finite(tensors: dict[str, Array], bad: list[str]) -> Finding:
    first = tensors[bad[0]]
    wrong = ~np.isfinite(first)
    where = [int(k) for k in np.argwhere(wrong)[0]]
    word = "NaN" if np.any(np.isnan(first)) else "infinity"
    others = f" {', '.join(bad[1:])} have them, too." if bad[1:] else ""
    seen = f"{int(wrong.sum())} of {first.size} entries are not finite ({word}), the first at {where}."
    return found("not-finite", bad[0], seen + others)
