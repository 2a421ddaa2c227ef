"""Answers: what a gradient gave back, read in the structure of the point.

In the order of this file: the answer, tensor by tensor; names; shapes and dtypes.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.kinds import Finding, found
from backprop.check.points import Branch, Leaf, Structure, describe, join
from backprop.errors import CheckError

# Answers: what a gradient returned, against the structure of the point: which tensors can be compared, what is amiss.
#
# Findings: `wrong-name`, `wrong-shape`, `wrong-dtype`, `not-finite`. An answer that is no gradient at all, such
# as None, a string or complex numbers, raises `CheckError`.


@dataclass
class Answer:
    """The tensors of an answer.

    tensors: those that can be compared entry by entry, by the names of the point, in their own dtype.
    reshaped: those of a wrong shape whose values can be compared nevertheless, with the axes of length one dropped or
    added, or transposed: their `wrong-shape` is among the findings.
    transposed: the names of those that were transposed for it.
    notes: sentences about what differs from the point's structure and is no mistake, such as `dW1` for `W1`.
    """

    tensors: dict[str, Array] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    reshaped: dict[str, Array] = field(default_factory=dict)
    transposed: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    @property
    def comparable(self) -> dict[str, Array]:
        """All tensors whose values can be compared."""
        return {**self.tensors, **self.reshaped}


def read_answer(
    answer: Any, structure: Structure, *, order: Sequence[str] | None = None, outputs: tuple[int, ...] = ()
) -> Answer:
    """Compare an answer with the point's structure.

    order: the tensors' names as they are computed, for the first one that is not finite; by default the point's.
    outputs: the shape of the function's value; a tensor of a Jacobian has it before the parameter's own.
    Raises `CheckError` where the answer has another kind of container than the point.
    """
    read, raw = Answer(), dict[str, Any]()
    _collect(structure.tree, answer, "", structure, raw, read)
    for leaf in structure.leaves:
        if leaf.name in raw:
            _read_tensor(raw[leaf.name], leaf, outputs + leaf.shape, read)
    tensors = read.comparable
    bad = [
        name
        for name in order or structure.names
        if name in tensors and not np.all(np.isfinite(tensors[name]))
    ]
    if bad:
        read.findings.append(_not_finite(tensors, bad))
    for name in bad:
        read.tensors.pop(name, None)
        read.reshaped.pop(name, None)
    return read


def value_and_gradient(answer: Any, structure: Structure) -> tuple[Any, Any]:
    """(loss, gradient) where the answer is such a pair, else (None, answer).

    A pair is a tuple of a number and something else, of which only the second can have the point's structure.
    """
    if not isinstance(answer, tuple) or len(answer) != 2 or hasattr(answer, "_fields"):
        return None, answer
    tree = structure.tree
    if isinstance(tree, Branch) and not tree.is_mapping and len(tree.keys) == 2:
        return None, answer  # a gradient of two tensors
    return (answer[0], answer[1]) if np.ndim(answer[0]) == 0 else (None, answer)


def _not_finite(tensors: Mapping[str, Array], bad: list[str]) -> Finding:
    first = tensors[bad[0]]
    wrong = ~np.isfinite(first)
    where = [int(k) for k in np.argwhere(wrong)[0]]
    word = "NaN" if np.any(np.isnan(first)) else "infinity"
    others = f" {', '.join(bad[1:])} have them, too." if bad[1:] else ""
    seen = f"{int(wrong.sum())} of {first.size} entries are not finite ({word}), the first at {where}."
    return found("not-finite", bad[0], seen + others)


# Names: the tensors of an answer by the names of the point's, however its containers are nested.


def _collect(
    tree: Any, answer: Any, path: str, structure: Structure, raw: dict[str, Any], read: Answer
) -> None:
    """Put every tensor of the point that the answer has into `raw`; findings and notes about names into `read`.

    A tensor that is missing, or misspelt, is a `wrong-name`. A name that differs from the parameter's in a way that
    leaves no doubt, such as `dW1` for `W1`, and a name that was not used are notes.
    """
    where = f" of {path}" if path else ""
    if not isinstance(tree, Branch):
        if answer is None or isinstance(answer, str | bytes | Mapping):
            shape = structure.leaves[tree].shape
            wanted = f"an array of shape {shape}" if shape else "a number"
            raise CheckError(f"The gradient{where} is {describe(answer)}; expected {wanted}.")
        raw[structure.leaves[tree].name] = answer
        return
    given = _children(tree, answer)
    if given is None:
        keys = f" with {_list(tree.keys)}" if tree.is_mapping else f" of {len(tree.keys)}"
        raise CheckError(
            f"The gradient{where} is {describe(answer)}; expected a {tree.word}{keys}, as the point is."
        )
    missing = [key for key in tree.keys if key not in given]
    extra = [key for key in given if key not in tree.keys]
    same = _same_name(missing, extra)
    near = _near_name(
        [key for key in missing if key not in same], [key for key in extra if key not in same.values()]
    )
    read_as = {**{key: key for key in tree.keys if key in given}, **same, **near}
    for key, child in zip(tree.keys, tree.children, strict=True):
        name, used = join(path, key, tree.is_mapping), read_as.get(key)
        if key in same:
            read.notes.append(f"{join(path, used, tree.is_mapping)} was read as the gradient of {name}.")
        elif key not in given:
            other = f"but {join(path, used, tree.is_mapping)}" if key in near else ""
            evidence = (
                f"There is no {name}, {other}." if other else f"There is no {name}; got {_list(given)}."
            )
            read.findings.append(found("wrong-name", name, evidence))
        if key in read_as:
            _collect(child, given[used], name, structure, raw, read)
    unused = [key for key in extra if key not in read_as.values()]
    if unused:
        unknown = [join(path, key, tree.is_mapping) for key in unused]
        read.notes.append(f"No parameter has the name {_list(unknown)}: not used.")


def _children(tree: Branch, answer: Any) -> dict[Any, Any] | None:
    """The parts of an answer by key, where it has any; an array may stand for a list of its slices."""
    if tree.is_mapping:
        return dict(answer.items()) if isinstance(answer, Mapping) else None
    is_array = isinstance(answer, np.ndarray) and answer.ndim > 0
    return dict(enumerate(answer)) if is_array or isinstance(answer, list | tuple) else None


_BEFORE = "|".join(["d", "g", "grad", "gradient", "del", "delta", "nabla", "dld", "djd", "dlossd", "dcostd"])
_AFTER = "|".join(["grad", "gradient", "bar"])
_ALIKE = 0.6
"""The share of letters that a misspelt name has in common with the right one: the default of `difflib`."""


def _same_name(missing: list[Any], extra: list[Any]) -> dict[Any, Any]:
    """Match each missing name with another way to write it: `dW1`, `grad_W1`, `w1` or `W_1` for `W1`.

    A missing name that two unknown names could mean is left out.
    """

    def plain(name: str) -> str:
        return name.casefold().replace("_", "").replace(" ", "")

    same: dict[Any, Any] = {}
    names = [key for key in extra if isinstance(key, str)]
    for key in missing:
        if isinstance(key, str):
            wanted = re.escape(plain(key))
            fits = [
                name for name in names if re.fullmatch(f"(?:{_BEFORE})?{wanted}(?:{_AFTER})?", plain(name))
            ]
            if len(fits) == 1:
                same[key] = fits[0]
    taken = list(same.values())
    return {key: name for key, name in same.items() if taken.count(name) == 1}


def _near_name(missing: list[Any], extra: list[Any]) -> dict[Any, Any]:
    """Match each missing name with an unknown name that may be a misspelling of it: `weigth` for `weight`."""
    near: dict[Any, Any] = {}
    left = [key for key in extra if isinstance(key, str)]
    for key in missing:
        if not isinstance(key, str):
            continue
        folded = {other.casefold(): other for other in left}
        match = difflib.get_close_matches(key.casefold(), folded, n=1, cutoff=_ALIKE)
        if match:
            near[key] = folded[match[0]]
            left.remove(near[key])
    return near


def _list(keys: Any) -> str:
    names = [str(key) for key in keys]
    return ", ".join(names[:8] + ["…"] * (len(names) > 8)) or "nothing"


# Shapes and dtypes of one tensor.


def _read_tensor(value: Any, leaf: Leaf, expected: tuple[int, ...], read: Answer) -> None:
    """Put a tensor where its values can be compared, with what is amiss with its shape and its dtype."""
    name, array = leaf.name, _numbers(value, leaf.name)
    same_axes = [k for k in array.shape if k != 1] == [k for k in expected if k != 1]
    seen = f"Its shape is {array.shape}; its parameter's is {expected}."
    if array.shape == expected:
        read.tensors[name] = array
    elif same_axes and _updates(array, expected):
        read.tensors[name] = array.reshape(expected)
        read.notes.append(f"{name} has the shape {array.shape}, its parameter {expected}: the same entries.")
    elif array.ndim == len(expected) > 1 and array.shape == expected[::-1]:
        read.reshaped[name] = array.T
        read.transposed.add(name)
        read.findings.append(found("wrong-shape", name, f"{seen} That is the shape of its transpose."))
    elif same_axes:
        read.reshaped[name] = array.reshape(expected)
        read.findings.append(found("wrong-shape", name, f"{seen} They differ by axes of length one."))
    else:
        as_many = array.size == np.prod(expected, dtype=int)
        also = " It has as many entries, in another form." if as_many else ""
        read.findings.append(found("wrong-shape", name, seen + also))
    # Whole numbers may be right, such as those of a linear function. Python's numbers take the dtype that they meet.
    floating = hasattr(value, "dtype") and array.dtype.kind == "f"
    if leaf.weak or not floating or array.dtype.newbyteorder("=") == leaf.dtype:
        return
    if np.finfo(array.dtype).eps < np.finfo(leaf.dtype).eps:
        wider = f"The dtype of {name} is {array.dtype}, wider than its parameter's {leaf.dtype}."
        read.notes.append(wider)
    else:
        seen = f"Its dtype is {array.dtype}; its parameter's is {leaf.dtype}."
        read.findings.append(found("wrong-dtype", name, seen))


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


def _updates(array: Array, expected: tuple[int, ...]) -> bool:
    """Whether `parameter - rate * gradient` has no more entries than the parameter.

    It has not for (M,) and (1, M). An array of shape (M,) and one of (M, 1) would be broadcast to a matrix.
    """
    try:
        together = np.broadcast_shapes(array.shape, expected)
    except ValueError:
        return False
    return int(np.prod(together, dtype=int)) == array.size
