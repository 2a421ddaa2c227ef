"""Answers: what a gradient gave back, read in the form of the point."""

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

# Collecting: the tensors of an answer by the names of the point's, however its containers are nested.


@dataclass
class Collected:
    """The raw tensors of an answer by the names of the point's tensors.

    findings: a `wrong-name` for each tensor that is missing, or misspelt. notes: sentences about names that differ
    from the parameter's in a way that leaves no doubt, such as `dW1` for `W1`, and about names that were not used.
    """

    raw: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def collect(answer: Any, structure: Structure) -> Collected:
    """Find every tensor of the point in the answer.

    Raises `CheckError` where the answer has another kind of container than the point.
    """
    collected = Collected()
    _walk(structure.tree, answer, "", structure, collected)
    return collected


def _walk(tree: Any, answer: Any, path: str, structure: Structure, collected: Collected) -> None:
    if not isinstance(tree, Branch):
        if answer is None or isinstance(answer, str | bytes | Mapping):
            raise CheckError(
                f"The gradient{_at(path)} is {describe(answer)}; expected {_wanted(structure, tree)}."
            )
        collected.raw[structure.leaves[tree].name] = answer
        return
    given = _children(tree, answer, path)
    missing = [key for key in tree.keys if key not in given]
    extra = [key for key in given if key not in tree.keys]
    same = _same_name(missing, extra)
    near = _near_name(
        [key for key in missing if key not in same], [key for key in extra if key not in same.values()]
    )
    for key, child in zip(tree.keys, tree.children, strict=True):
        name = join(path, key, tree.is_mapping)
        if key in given:
            _walk(child, given[key], name, structure, collected)
        elif key in same:
            collected.notes.append(
                f"{join(path, same[key], tree.is_mapping)} was read as the gradient of {name}."
            )
            _walk(child, given[same[key]], name, structure, collected)
        elif key in near:
            evidence = f"There is no {name}, but {join(path, near[key], tree.is_mapping)}."
            collected.findings.append(found("wrong-name", name, evidence))
            _walk(child, given[near[key]], name, structure, collected)
        else:
            evidence = f"There is no {name}; got {_list(given)}."
            collected.findings.append(found("wrong-name", name, evidence))
    unused = [key for key in extra if key not in {*same.values(), *near.values()}]
    if unused:
        names = [join(path, key, tree.is_mapping) for key in unused]
        collected.notes.append(f"No parameter has the name {_list(names)}: not used.")


def _children(tree: Branch, answer: Any, path: str) -> dict[Any, Any]:
    """The parts of an answer by key; an array may stand for a list of its slices."""
    if tree.is_mapping and isinstance(answer, Mapping):
        return dict(answer.items())
    if not tree.is_mapping and (
        isinstance(answer, list | tuple) or (isinstance(answer, np.ndarray) and answer.ndim > 0)
    ):
        return dict(enumerate(answer))
    keys = f" with {_list(tree.keys)}" if tree.is_mapping else f" of {len(tree.keys)}"
    raise CheckError(
        f"The gradient{_at(path)} is {describe(answer)}; expected a {tree.word}{keys}, as the point is."
    )


_BEFORE = "|".join(["d", "g", "grad", "gradient", "del", "delta", "nabla", "dld", "djd", "dlossd", "dcostd"])
_AFTER = "|".join(["grad", "gradient", "bar"])


def _same_name(missing: list[Any], extra: list[Any]) -> dict[Any, Any]:
    """Which unknown name is another way to write a missing one: `dW1`, `grad_W1`, `w1` or `W_1` for `W1`.

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
    """Which unknown name may be a misspelt missing one: `weigth` for `weight`."""
    near: dict[Any, Any] = {}
    left = [key for key in extra if isinstance(key, str)]
    for key in missing:
        if not isinstance(key, str):
            continue
        folded = {other.casefold(): other for other in left}
        match = difflib.get_close_matches(key.casefold(), folded, n=1, cutoff=0.6)
        if match:
            near[key] = folded[match[0]]
            left.remove(near[key])
    return near


def _at(path: str) -> str:
    return f" of {path}" if path else ""


def _wanted(structure: Structure, number: int) -> str:
    shape = structure.leaves[number].shape
    return f"an array of shape {shape}" if shape else "a number"


def _list(keys: Any) -> str:
    names = [str(key) for key in keys]
    return ", ".join(names[:8] + ["…"] * (len(names) > 8)) or "nothing"


# Answers: what a gradient returned, against the form of the point: which tensors can be compared, what is amiss.
#
# Findings: `wrong-name`, `wrong-shape`, `wrong-dtype`, `not-finite`. An answer that is no gradient at all, such
# as None, a string or complex numbers, raises `CheckError`.


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
    answer: Any, structure: Structure, *, order: Sequence[str] | None = None, outputs: tuple[int, ...] = ()
) -> Answer:
    """Compare an answer with the point's form.

    order: the tensors' names as they are computed, for the first one that is not finite; by default the point's.
    outputs: the shape of the function's value; a tensor of a Jacobian has it before the parameter's own.
    """
    collected = collect(answer, structure)
    raw, findings, notes = collected.raw, collected.findings, collected.notes
    tensors: dict[str, Array] = {}
    reshaped: dict[str, Array] = {}
    transposed: set[str] = set()
    for leaf in structure.leaves:
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
    bad = [name for name in order or structure.names if not _finite({**tensors, **reshaped}.get(name))]
    if bad:
        findings.append(_not_finite({**tensors, **reshaped}, bad))
    kept = {name: array for name, array in tensors.items() if name not in bad}
    refitted = {name: array for name, array in reshaped.items() if name not in bad}
    return Answer(kept, tuple(findings), refitted, frozenset(transposed), tuple(notes))


def value_and_gradient(answer: Any, structure: Structure) -> tuple[Any, Any]:
    """(loss, gradient) where the answer is such a pair, else (None, answer).

    A pair is a tuple of a number and something else, of which only the second can have the point's form.
    """
    if not isinstance(answer, tuple) or len(answer) != 2 or hasattr(answer, "_fields"):
        return None, answer
    if isinstance(structure.tree, Branch) and not structure.tree.is_mapping and len(structure.tree.keys) == 2:
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
