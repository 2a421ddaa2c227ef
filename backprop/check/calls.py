"""Calls: a function is called with the point, whole or in its parts; a step returns (loss, gradients)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from backprop.check.answers import value_and_gradient
from backprop.check.forms import takes, takes_any_number
from backprop.check.points import Structure
from backprop.check.words import describe
from backprop.errors import CheckError


def with_point(code: Callable[..., Any], point: Any) -> Callable[[Any], Any]:
    """The code as a function of the point, which it may take in parts: by their names, or in order."""
    if isinstance(point, Mapping) and not takes(code, point) and takes(code, **point):
        return lambda at: code(**at)
    if isinstance(point, list | tuple) and not takes(code, point) and takes(code, *point):
        return lambda at: code(*at)
    if isinstance(point, list | tuple) and len(point) > 1 and takes_any_number(code):
        return _in_parts_first(code)
    return code


def _in_parts_first(code: Callable[..., Any]) -> Callable[[Any], Any]:
    """The code, called with the parts of the point, as f(*parts) reads; with the whole where it takes but one."""

    def call(at: Any) -> Any:
        try:
            return code(*at)
        except TypeError as error:
            try:
                return code(at)
            except Exception:
                raise error from None

    return call


def step_of(step: Callable[..., Any], point: Any, structure: Structure) -> Callable[..., tuple[Any, Any]]:
    """A step as a function from the point, and from what else it takes, to (loss, gradients).

    It raises `CheckError` where the step returns anything else.
    """
    alone = with_point(step, point)

    def both(at: Any, *arguments: Any) -> tuple[Any, Any]:
        returned = step(at, *arguments) if arguments else alone(at)
        if not isinstance(returned, tuple | list) or len(returned) < 2:
            raise CheckError(f"The step gave {describe(returned)}; expected (loss, gradients).")
        loss, gradients = value_and_gradient(returned, structure)
        if loss is None:
            loss, gradients = returned[0], returned[1]
            if len(returned) > 2:
                gradients = tuple(returned[1 : 1 + max(2, len(structure.inputs))])
        return loss, gradients

    return both
