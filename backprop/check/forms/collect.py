"""Collecting: the tensors of an answer by the names of the point's, however its containers are nested."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np

from backprop.check.findings import Finding
from backprop.check.forms.tensors import Form
from backprop.check.forms.tree import Branch, describe, join
from backprop.check.kinds import found
from backprop.errors import CheckError


def collect(answer: Any, form: Form) -> tuple[dict[str, Any], list[Finding]]:
    """What the answer has for each tensor of the point, and a `wrong-name` for each that it has not, or has too many.

    A tensor under a name that is nearly right is taken as that tensor. Raises `CheckError` where the answer has
    another kind of container than the point.
    """
    raw: dict[str, Any] = {}
    findings: list[Finding] = []
    _walk(form.tree, answer, "", form, raw, findings)
    return raw, findings


def _walk(
    tree: Any, answer: Any, path: str, form: Form, raw: dict[str, Any], findings: list[Finding]
) -> None:
    if not isinstance(tree, Branch):
        if answer is None or isinstance(answer, str | bytes | Mapping):
            raise CheckError(
                f"The gradient{_at(path)} is {describe(answer)}; expected {_wanted(form, tree)}."
            )
        raw[form.leaves[tree].name] = answer
        return
    given = _children(tree, answer, path)
    missing = [key for key in tree.keys if key not in given]
    extra = [key for key in given if key not in tree.keys]
    near = _near(missing, extra)
    for key, child in zip(tree.keys, tree.children, strict=True):
        name = join(path, key, tree.is_mapping)
        if key in given:
            _walk(child, given[key], name, form, raw, findings)
        elif key in near:
            other = near[key]
            findings.append(
                found("wrong-name", name, f"There is no {name}, but {join(path, other, tree.is_mapping)}.")
            )
            _walk(child, given[other], name, form, raw, findings)
        else:
            findings.append(found("wrong-name", name, f"There is no {name}; got {_list(given)}."))
    for key in extra:
        if key not in near.values():
            name = join(path, key, tree.is_mapping)
            findings.append(
                found("wrong-name", name, f"No parameter has the name {name}; expected {_list(tree.keys)}.")
            )


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


def _near(missing: list[Any], extra: list[Any]) -> dict[Any, Any]:
    """Which superfluous name is meant by which missing one: `w1` or `dW1` for `W1`."""
    near: dict[Any, Any] = {}
    left = [key for key in extra if isinstance(key, str)]
    for key in missing:
        if not isinstance(key, str):
            continue
        folded = {other.casefold(): other for other in left}
        match = difflib.get_close_matches(key.casefold(), folded, n=1, cutoff=0.6)
        ends = [other for other in left if other.casefold().endswith(key.casefold())]
        if len(ends) == 1 or match:
            near[key] = ends[0] if len(ends) == 1 else folded[match[0]]
            left.remove(near[key])
    return near


def _at(path: str) -> str:
    return f" of {path}" if path else ""


def _wanted(form: Form, number: int) -> str:
    shape = form.leaves[number].shape
    return f"an array of shape {shape}" if shape else "a number"


def _list(keys: Any) -> str:
    names = [str(key) for key in keys]
    return ", ".join(names[:8] + ["…"] * (len(names) > 8)) or "nothing"
