"""Collecting: the tensors of an answer by the names of the point's, however its containers are nested."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backprop.check.findings import Finding
from backprop.check.forms.tensors import Form
from backprop.check.forms.tree import Branch, describe, join
from backprop.check.kinds import found
from backprop.errors import CheckError


@dataclass
class Collected:
    """The raw tensors of an answer by the names of the point's tensors.

    findings: a `wrong-name` for each tensor that is missing, or misspelt. notes: sentences about names that differ
    from the parameter's in a way that leaves no doubt, such as `dW1` for `W1`, and about names that were not used.
    """

    raw: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def collect(answer: Any, form: Form) -> Collected:
    """Find every tensor of the point in the answer.

    Raises `CheckError` where the answer has another kind of container than the point.
    """
    collected = Collected()
    _walk(form.tree, answer, "", form, collected)
    return collected


def _walk(tree: Any, answer: Any, path: str, form: Form, collected: Collected) -> None:
    if not isinstance(tree, Branch):
        if answer is None or isinstance(answer, str | bytes | Mapping):
            raise CheckError(
                f"The gradient{_at(path)} is {describe(answer)}; expected {_wanted(form, tree)}."
            )
        collected.raw[form.leaves[tree].name] = answer
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
            _walk(child, given[key], name, form, collected)
        elif key in same:
            collected.notes.append(
                f"{join(path, same[key], tree.is_mapping)} was read as the gradient of {name}."
            )
            _walk(child, given[same[key]], name, form, collected)
        elif key in near:
            evidence = f"There is no {name}, but {join(path, near[key], tree.is_mapping)}."
            collected.findings.append(found("wrong-name", name, evidence))
            _walk(child, given[near[key]], name, form, collected)
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


def _wanted(form: Form, number: int) -> str:
    shape = form.leaves[number].shape
    return f"an array of shape {shape}" if shape else "a number"


def _list(keys: Any) -> str:
    names = [str(key) for key in keys]
    return ", ".join(names[:8] + ["…"] * (len(names) > 8)) or "nothing"
