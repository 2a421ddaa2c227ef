"""Answers: what a gradient gave back, read in the structure of the point: what can be compared, and what is amiss.

Findings: `wrong-name`, `wrong-shape`, `wrong-dtype`, `not-finite`. None in the place of a tensor is a gradient of
zero. An answer that is no gradient at all, such as None, a string or complex numbers, raises `CheckError`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.kinds import Finding, found
from backprop.check.leaves import Format, Leaf, is_none, read_numbers
from backprop.check.points import Structure, moving_keys, numbers_of
from backprop.check.trees import Constant, Parts, Tree, ends_of, join, parts_of
from backprop.check.words import describe, near_name, same_name, some
from backprop.errors import CheckError


@dataclass
class Answer:
    """The tensors of an answer.

    tensors: those that can be compared entry by entry, by the names of the point, in their own dtype.
    reshaped: those of a wrong shape whose values can be compared nevertheless, with the axes of length one dropped or
    added, or transposed: their `wrong-shape` is among the findings.
    transposed: the names of those that were transposed for it.
    summed: the axes over which those of more axes were summed to fit; none for those that were spread over theirs.
    shapes: what shape each of those was returned in.
    formats: of the tensors whose numbers are floating.
    notes: sentences about what differs from the point's structure and is no mistake, such as `dW1` for `W1`.
    """

    tensors: dict[str, Array] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    reshaped: dict[str, Array] = field(default_factory=dict)
    transposed: set[str] = field(default_factory=set)
    summed: dict[str, tuple[int, ...]] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    formats: dict[str, Format] = field(default_factory=dict)
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
    seen = Answer()
    for leaf, value in list(_tensors(structure.tree, answer, "", structure, seen)):
        _read_tensor(value, leaf, outputs + leaf.shape, seen)
    tensors = seen.comparable
    there = [name for name in order or structure.names if name in tensors]
    bad = [name for name in there if not np.all(np.isfinite(tensors[name]))]
    seen.findings += [_not_finite(tensors, bad)] if bad else []
    for name in bad:
        seen.tensors.pop(name, None)
        seen.reshaped.pop(name, None)
    return seen


def value_and_gradient(answer: Any, structure: Structure) -> tuple[Any, Any]:
    """(loss, gradient) where the answer is both, whichever comes first, else (None, answer).

    (loss, gradient, gradient, …) is both, too. What has the shapes of the point is a gradient. Where shapes do not
    tell, so is an answer of as many parts as the point has, but for a number beside a container of as many.
    """
    tree = structure.tree
    parts = tree.keys if isinstance(tree, Parts) else ()
    is_pair = isinstance(answer, tuple | list) and len(answer) > 1
    if not is_pair or set(getattr(answer, "_fields", ())) & set(parts) or _fits(tree, answer, structure):
        return None, answer
    place = next((k for k in (0, len(answer) - 1) if is_number(answer[k])), None)
    if place is None:
        return None, answer
    rest = [part for k, part in enumerate(answer) if k != place]
    gradient = rest[0] if len(rest) == 1 else rest
    if not _fits(tree, gradient, structure):
        counts = {len(parts), len(moving_keys(tree))} if isinstance(tree, Parts) else {1}
        inner, ends = parts_of(gradient), len(list(ends_of(gradient)))
        as_many = inner is not None and (len(inner.keys) in counts or ends == len(structure.leaves))
        is_named = inner is not None and inner.named
        if not (is_named or as_many) and (len(answer) in counts or len(rest) > 1):
            return None, answer
        if isinstance(answer, list) and not isinstance(tree, Parts) and is_number(gradient):
            return None, answer  # an array that was written as a list
    return answer[place], gradient


def is_number(value: Any) -> bool:
    """Whether a value is a number, or an array of no axes."""
    is_other = isinstance(value, str | bytes) or is_none(value) or callable(value)
    return not is_other and parts_of(value) is None and np.ndim(value) == 0


def _fits(tree: Tree, answer: Any, structure: Structure) -> bool:
    """Whether an answer has the shapes of a tree of tensors."""
    if isinstance(tree, int):
        try:
            return bool(np.shape(answer) == structure.leaves[tree].shape)
        except (TypeError, ValueError, RuntimeError):  # parts of different shapes
            return False
    parts = parts_of(answer)
    if isinstance(tree, Constant) or parts is None:
        return isinstance(tree, Constant)
    children = [child for child in tree.values if numbers_of(child)]
    pairs = zip(children, parts.values, strict=False)
    return len(parts.values) == len(children) and all(_fits(*pair, structure) for pair in pairs)


def _not_finite(tensors: Mapping[str, Array], bad: list[str]) -> Finding:
    first = tensors[bad[0]]
    wrong = ~np.isfinite(first)
    where = [int(k) for k in np.argwhere(wrong)[0]]
    word = "NaN" if np.any(np.isnan(first)) else "infinity"
    others = f" {', '.join(bad[1:])} have them, too." if bad[1:] else ""
    seen = f"{int(wrong.sum())} of {first.size} entries are not finite ({word}), the first at {where}."
    return found("not-finite", bad[0], seen + others)


def _tensors(
    tree: Tree, answer: Any, path: str, structure: Structure, read: Answer
) -> Iterator[tuple[Leaf, Any]]:
    """Every tensor of the point that the answer has; findings and notes about names go into `read`.

    A tensor that is missing, or misspelt, is a `wrong-name`. A name that differs from the parameter's in a way that
    leaves no doubt, such as `dW1` for `W1`, and a name that was not used are notes.
    """
    where = f" of {path}" if path else ""
    if isinstance(tree, Constant):
        return
    if is_none(answer) and path:
        yield from ((structure.leaves[number], None) for number in numbers_of(tree))
        return
    if isinstance(tree, int):
        leaf = structure.leaves[tree]
        if answer is None or isinstance(answer, str | bytes | Mapping):
            wanted = f"an array of shape {leaf.shape}" if leaf.shape else "a number"
            raise CheckError(f"The gradient{where} is {describe(answer)}; expected {wanted}.")
        yield leaf, answer
        return
    if parts_of(answer) is None:
        moving = [structure.leaves[number] for number in numbers_of(tree)]
        if len(moving) == 1 and np.shape(answer) == moving[0].shape:
            yield moving[0], answer  # beside parts that have no gradient
            return
    given = _children(tree, answer)
    if given is not None and tree.word == "dict" and not isinstance(answer, Mapping):
        read.notes.append(f"The gradients have no names: they were read in the order {some(given)}.")
    if given is None:
        wanted = f"{tree.word} with {some(tree.keys)}" if tree.named else f"{tree.word} of {len(tree.keys)}"
        raise CheckError(f"The gradient{where} is {describe(answer)}; expected a {wanted}, as the point is.")
    read_as = _matched(tree, given, path, read)
    for key, child in zip(tree.keys, tree.values, strict=True):
        if key in read_as:
            name = join(path, key, tree.named)
            yield from _tensors(child, given[read_as[key]], name, structure, read)


def _matched(tree: Parts, given: dict[Any, Any], path: str, read: Answer) -> dict[Any, Any]:
    """From each key of the point to that of the answer; what is missing and what is not used goes into `read`."""
    if given.keys() == set(tree.keys):  # as it is in hundreds of calls
        return dict(zip(tree.keys, tree.keys, strict=True))
    missing = [key for key in moving_keys(tree) if key not in given]
    extra = [key for key in given if key not in tree.keys]
    same = same_name(missing, extra)
    left = [key for key in extra if key not in same.values()]
    near = near_name([key for key in missing if key not in same], left)
    read_as = {**{key: key for key in tree.keys if key in given}, **same, **near}
    got = some([join(path, key, tree.named) for key in given])
    for key in missing:
        name, used = join(path, key, tree.named), join(path, read_as.get(key), tree.named)
        if key in same:
            read.notes.append(f"{used} was read as the gradient of {name}.")
        else:
            instead = f", but {used}" if key in near else f"; got {got or 'nothing'}"
            read.findings.append(found("wrong-name", name, f"There is no {name}{instead}."))
    unused = [key for key in extra if key not in read_as.values()]
    if unused:
        unknown = [join(path, key, tree.named) for key in unused]
        read.notes.append(f"No parameter has the name {some(unknown)}: not used.")
    return read_as


def _children(tree: Parts, answer: Any) -> dict[Any, Any] | None:
    """The parts of an answer by key, where it has any; an array may stand for a list of its slices.

    What has no names is read in order, with or without a place for each part that has no gradient.
    """
    parts = parts_of(answer)
    if parts is not None and parts.named:
        return dict(zip(parts.keys, parts.values, strict=True)) if tree.named else None
    is_array = hasattr(answer, "__array__") and np.ndim(answer) > 0 and tree.word != "dict"
    if parts is None and not is_array:
        return None
    columns = tree.word == "DataFrame" and parts is None
    values = list(answer.T if columns else answer) if parts is None else list(parts.values)
    keys = next((keys for keys in (tree.keys, moving_keys(tree)) if len(keys) == len(values)), None)
    if keys is None:
        return None if tree.named else dict(enumerate(values))
    return dict(zip(keys, values, strict=True))


def _read_tensor(value: Any, leaf: Leaf, expected: tuple[int, ...], seen: Answer) -> None:
    """Put a tensor where its values can be compared, with what is amiss with its shape and its dtype."""
    name = leaf.name
    if value is None:
        seen.tensors[name] = np.zeros(expected, leaf.dtype)
        seen.notes.append(f"The gradient of {name} is None, which stands for 0.")
        return
    array, form = _numbers(value, leaf)
    if form is not None and hasattr(value, "dtype"):
        seen.formats[name] = form
    said: str | None = None
    if array.shape == expected:
        seen.tensors[name] = array
    elif (same_axes := _long(array.shape) == _long(expected)) and _updates(array, expected):
        seen.tensors[name] = array.reshape(expected)
        seen.notes.append(f"{name} has the shape {array.shape}, its parameter {expected}: the same entries.")
    elif array.ndim == len(expected) > 1 and array.shape == expected[::-1]:
        seen.reshaped[name], said = array.T, " That is the shape of its transpose."
        seen.transposed.add(name)
    elif same_axes:
        seen.reshaped[name], said = array.reshape(expected), " They differ by axes of length one."
    else:
        fitted = _summed_or_spread(array, expected)
        if fitted is not None:
            seen.shapes[name] = array.shape
            seen.reshaped[name], seen.summed[name] = fitted
        as_many = array.size == np.prod(expected, dtype=int)
        said = " It has as many entries, in another form." if as_many else ""
    if said is not None:
        differs = f"Its shape is {array.shape}; its parameter's is {expected}.{said}"
        seen.findings.append(found("wrong-shape", name, differs))
    # Whole numbers may be right, such as those of a linear function. Python's numbers take the dtype that they meet.
    if leaf.weak or name not in seen.formats or form is None or form.bits == leaf.format.bits:
        return
    if form.bits > leaf.format.bits:
        own = leaf.format.name
        seen.notes.append(f"The dtype of {name} is {form.name}, wider than its parameter's {own}.")
    else:
        differs = f"Its dtype is {form.name}; its parameter's is {leaf.format.name}."
        seen.findings.append(found("wrong-dtype", name, differs))


def _long(shape: tuple[int, ...]) -> list[int]:
    """The lengths of the axes that are longer than one."""
    return [size for size in shape if size != 1]


def _summed_or_spread(array: Array, expected: tuple[int, ...]) -> tuple[Array, tuple[int, ...]] | None:
    """A tensor in the expected shape, and the surplus axes that were summed; none where it was repeated."""
    extra = max(0, array.ndim - len(expected))
    pairs = enumerate(zip(array.shape, expected, strict=False))
    long = tuple(k for k, (size, one) in pairs if size > one == 1)
    for axes in itertools.combinations(range(array.ndim), extra) if extra else [long]:
        total = array.sum(axes, keepdims=not extra)
        if axes and total.shape == expected:
            return total, axes
    try:
        return np.broadcast_to(array, expected).copy(), ()
    except ValueError:
        return None


def _numbers(value: Any, leaf: Leaf) -> tuple[Array, Format | None]:
    """The real numbers that a value is, and their format; raises `CheckError` where it holds none."""
    if hasattr(value, "toarray"):  # a sparse matrix
        value = value.toarray()
    elif hasattr(value, "matmat"):  # a linear operator
        value = value @ np.eye(value.shape[1])
    array, form = read_numbers(value)
    if array is None or array.dtype.kind not in "iufbc":
        raise CheckError(f"The gradient of {leaf.name} is {describe(value)}; expected numbers.")
    if array.dtype.kind == "c" and not leaf.is_complex:
        raise CheckError(f"The gradient of {leaf.name} is complex; expected real numbers.")
    return leaf.parts(array), form


def _updates(array: Array, expected: tuple[int, ...]) -> bool:
    """Whether `parameter - rate * gradient` has no more entries than the parameter.

    It has as many for the shapes (M,) and (1, M). Those of (M,) and (M, 1) would be broadcast to a matrix.
    """
    try:
        together = np.broadcast_shapes(array.shape, expected)
    except ValueError:
        return False
    return int(np.prod(together, dtype=int)) == array.size
