"""Forms: in which of several ways a backward pass or a pushforward is called, told by what works.

    backward(upstream, cache)          forward returned (y, cache) or (y, z, cache)
    backward(upstream, *inputs)        forward returned y or (y, z)
    backward(upstream)                 the layer keeps what it needs

The upstream gradient of several outputs is handed over as one tuple, or as one argument for each output, or for the
first outputs alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

import numpy as np

from backprop.check.behaviour import first_difference
from backprop.check.leaves import is_none, read, to_numpy
from backprop.check.trees import copied, ends_of
from backprop.errors import CheckError

_LINEAR = 1e-2
"""Of its size: how far a derivative may be from twice as large for twice the upstream gradient, in any format."""


def whole(returned: Any) -> Any:
    """All that forward returned."""
    return returned


@dataclass(frozen=True)
class Form:
    """One way to call. words: as a reader writes it. outputs: of what forward returned, those that count.

    arguments: from the upstream gradient, what forward returned and the inputs, to the arguments. is_last: only meant
    where no other way works.
    """

    words: str
    arguments: Callable[[Any, Any, Sequence[Any]], Sequence[Any]]
    outputs: Callable[[Any], Any] = whole
    is_last: bool = False


Arguments = Callable[[Form, float], Sequence[Any]]
"""From a way to call and a factor of the upstream gradient to the arguments."""
Reader = Callable[[Any], tuple[Any, bool]]
"""From an answer to what it means, and whether the shapes fit; raises `CheckError` for what is no answer."""


def forms_of_backward(returned: Any, names: Sequence[str], cache: bool | None) -> list[Form]:
    """Every way in which a backward pass may be meant to be called, after what forward returned.

    cache: whether the last thing that forward returns is a cache, where that is known.
    """
    forms = []
    if _is_several(returned) and cache is not False:
        forms += _with_upstream(returned, _before_cache, "cache", lambda back, inputs: [back[-1]])
    if cache is not True:
        forms += _with_upstream(returned, whole, ", ".join(names), lambda back, inputs: list(inputs))
        forms.append(Form("backward(upstream)", lambda u, back, inputs: [u]))
    return forms


def _is_several(returned: Any) -> bool:
    return isinstance(returned, tuple) and len(returned) > 1 and not hasattr(returned, "_fields")


def _before_cache(returned: Any) -> Any:
    return returned[0] if len(returned) == 2 else returned[:-1]


def _with_upstream(
    returned: Any,
    outputs_of: Callable[[Any], Any],
    words: str,
    rest: Callable[[Any, Sequence[Any]], list[Any]],
) -> list[Form]:
    """The ways to hand over the upstream gradient: whole, one by one, without None, or of the first outputs alone."""

    def form(called: str, upstream: Callable[[Any], list[Any]]) -> Form:
        given = f"backward({called}, {words})"
        return Form(given, lambda u, back, inputs: [*upstream(u), *rest(back, inputs)], outputs_of)

    def one_by_one(places: Sequence[int]) -> Form:
        return form(", ".join(f"upstream_{k}" for k in places), lambda u: [u[k] for k in places])

    together, outputs = form("upstream", lambda u: [u]), outputs_of(returned)
    if not _is_several(outputs):
        return [together]
    every = range(len(outputs))
    moving = [k for k in every if has_numbers(outputs[k])]
    forms = [together, *map(one_by_one, [every, moving] if len(moving) < len(outputs) else [every])]
    for count in every[1:]:  # those that follow may be for inference
        if has_numbers(outputs[:count]):
            first = one_by_one(range(count))
            forms.append(replace(first, outputs=itemgetter(slice(count)), is_last=True))
    return forms


def has_numbers(output: Any) -> bool:
    """Whether an output has a gradient: floating numbers are in it."""
    return any(end is not None and read(end)[1] is not None for _, end in ends_of(output))


def forms_of_pushforward(
    names: Sequence[str], moving: Sequence[str], tangents_first: bool | None
) -> list[Form]:
    """Every way in which a pushforward may be meant to be called. moving: the names of the inputs with tangents."""
    inputs, forms = ", ".join(names), list[Form]()
    if not tangents_first:
        forms.append(Form("pushforward(inputs, tangents)", lambda v, _, x: [tuple(x), tuple(v.values())]))
    for own in dict.fromkeys([tuple(names), tuple(moving)]):
        forms += _with_tangents(inputs, own, tangents_first)
    return forms


def _with_tangents(inputs: str, names: Sequence[str], tangents_first: bool | None) -> list[Form]:
    tangents = ", ".join(f"d{name}" for name in names)

    def given(tangents: Any) -> list[Any]:
        return [tangents[name] for name in names]

    after = Form(f"pushforward({inputs}, {tangents})", lambda v, _, x: [*x, *given(v)])
    before = Form(f"pushforward({tangents}, {inputs})", lambda v, _, x: [*given(v), *x])
    return [form for form, first in ((after, False), (before, True)) if tangents_first in (None, first)]


def choose(
    forms: Sequence[Form],
    code: Callable[..., Any],
    arguments: Arguments,
    read: Reader,
    called: str,
    keyword: str | None,
) -> tuple[Form, Any]:
    """The one way to call `code` that works, and what it answered.

    keyword: the option by which the user decides between two ways that both work; None where it was given, so that
    the first way is taken.

    A way works where the call raises nothing and its answer can be read. Where answers differ, the way that is linear
    in the upstream gradient is chosen, or the way whose arguments have the parameter names of `code`. Raises
    `CheckError` where several ways are left, or none. Where only one way has the right number of arguments, its
    exception is passed on.
    """
    usable = _usable(forms, code, arguments)
    works: list[_Works] = []
    failed: list[tuple[Form, Exception]] = []
    for form in usable:
        try:
            works.append((form, *read(copied(code(*arguments(form, 1))))))
        except Exception as error:  # of whatever kind: it is the user's
            failed.append((form, error))
    if not works:
        if failed and (len(failed) == 1 or isinstance(failed[0][1], CheckError)):
            raise failed[0][1]
        seen = "; ".join(f"{form.words}: {type(error).__name__}: {error}" for form, error in failed)
        words = seen or f"it takes none of {'; '.join(form.words for form in forms)}"
        raise CheckError(f"{called} could be called in no way: {words}")
    different = _meant(works, code, arguments, read)
    if len(different) > 1 and keyword is not None:
        ways = " and ".join(form.words for form, *_ in different)
        raise CheckError(f"{called} works as {ways}, with different answers; expected {keyword}.")
    return different[0][0], different[0][1]


_Works = tuple[Form, Any, bool]
"""A way that works, its answer, and whether the shapes in it fit."""


def _meant(
    works: Sequence[_Works], code: Callable[..., Any], arguments: Arguments, read: Reader
) -> Sequence[_Works]:
    """The ways that may be meant, of those that work: one where it can be told, else those with different answers."""
    fitting = [one for one in works if one[2]]
    works = [one for one in fitting if not one[0].is_last] or fitting or works
    different = [*works[:1]]
    for one in works[1:]:
        if all(first_difference(one[1], other[1]) is not None for other in different):
            different.append(one)
    if len(different) == 1:
        return different
    different = [one for one in different if _doubles(one[1], read, code, arguments(one[0], 2))] or different
    named = [one for one in different if _has_its_names(one[0], code)]
    return named if len(named) == 1 else different


def _usable(forms: Sequence[Form], code: Callable[..., Any], arguments: Arguments) -> list[Form]:
    """The ways of which the code takes as many arguments as there are.

    A way is left out where what it takes for an output is none, such as a cache of any type. Raises the `CheckError`
    that says so where that leaves none.
    """
    usable, refused = [], list[CheckError]()
    for form in forms:
        try:
            given = arguments(form, 1)
        except CheckError as error:
            refused.append(error)
            continue
        usable += [form] if takes(code, *given) else []
    if refused and not usable:
        raise refused[0]
    return usable


def _has_its_names(form: Form, code: Callable[..., Any]) -> bool:
    """Whether the arguments beside the upstream gradient are called what the code calls them, none with a default."""
    names = [each.name for each in _parameters(code) if each.default is each.empty]
    words = form.words[form.words.index("(") + 1 : -1].split(", ")
    same = (word.startswith("upstream") or word == name for word, name in zip(words, names, strict=False))
    return len(names) == len(words) and all(same)


def takes(code: Callable[..., Any], /, *arguments: Any, **named: Any) -> bool:
    """Whether a function takes such arguments, as far as it can be told."""
    try:
        inspect.signature(code).bind(*arguments, **named)
    except TypeError:
        return False
    except ValueError:  # it has no signature
        return True
    return True


def takes_any_number(code: Callable[..., Any]) -> bool:
    """Whether a function is written as f(*parts): it names no argument that comes by place."""
    kinds = {each.kind for each in _parameters(code)}
    return inspect.Parameter.VAR_POSITIONAL in kinds and kinds.isdisjoint(_BY_PLACE)


_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _parameters(code: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a function; none where they cannot be told."""
    try:
        return list(inspect.signature(code).parameters.values())
    except (TypeError, ValueError):
        return []


def _doubles(answer: Any, read: Reader, code: Callable[..., Any], arguments: Sequence[Any]) -> bool:
    """Whether the answer for an upstream gradient that is twice as large is twice as large."""
    try:
        twice = dict(ends_of(read(copied(code(*arguments)))[0]))
    except Exception:  # of whatever kind: it is the user's
        return False
    for name, once in ends_of(answer):
        if is_none(once) or is_none(twice.get(name)):
            continue
        one, two = to_numpy(once), to_numpy(twice[name])
        if one.shape != two.shape or np.any(np.abs(two - 2 * one) > _LINEAR * np.max(np.abs(two), initial=0)):
            return False
    return True


# Inputs: the arguments of forward, under the names that it has for them.


def named_inputs(forward: Any, inputs: Any) -> tuple[dict[str, Any], bool]:
    """The inputs by name, and whether they are handed over by keyword: those of a dict whose names forward knows."""
    is_named = isinstance(inputs, dict) and inputs and all(isinstance(key, str) for key in inputs)
    if is_named and takes(forward, **inputs):
        order = [name for name in inspect.signature(forward).parameters if name in inputs]
        return {name: inputs[name] for name in dict.fromkeys([*order, *inputs])}, True
    is_many = isinstance(inputs, list | tuple) and not hasattr(inputs, "_fields")
    values = list(inputs) if is_many else [inputs]
    names = _argument_names(forward)[: len(values)]
    names += [f"inputs[{k}]" for k in range(len(names), len(values))]
    return dict(zip(names, values, strict=True)), False


def _argument_names(forward: Any) -> list[str]:
    """The names of the positional parameters; of a PyTorch function those of its forward pass."""
    owner = getattr(forward, "__self__", None)
    if isinstance(owner, type) and hasattr(owner, "forward"):
        forward = owner.forward
    return [each.name for each in _parameters(forward) if each.kind in _BY_PLACE and each.name != "ctx"]
