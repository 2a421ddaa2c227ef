"""Shapes that say what went wrong: a transpose, a bias gradient with a value for every sample, or one for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.answers import Answer
from backprop.check.kinds import Finding, found
from backprop.check.network.mistakes import Run
from backprop.check.network.mistakes.tensor import one_number
from backprop.check.network.truth import Truth

_ROUGHEST = 1e-3
"""However coarse the rounding of a tensor, a hypothesis must fit to this."""
_TIGHT = 1e-6
"""A single number must fit to this, of the sum of the |δ|: it fits by chance far more often than an array does."""


def shape_mistakes(
    answer: Answer, gradient: Mapping[str, Any], truth: Truth, shapes: Mapping[str, tuple[int, ...]]
) -> list[Finding]:
    """The findings of an answer; a `wrong-shape` that is a known mistake is named as that one.

    shapes: those of the parameters in the layout of the user's function.
    """
    return [
        _named_shape(finding, finding.tensor, answer, gradient, truth, shapes[finding.tensor])
        if finding.kind == "wrong-shape" and finding.tensor is not None
        else finding
        for finding in answer.findings
    ]


def _named_shape(
    finding: Finding,
    name: str,
    answer: Answer,
    gradient: Mapping[str, Any],
    truth: Truth,
    shape: tuple[int, ...],
) -> Finding:
    if name in answer.transposed:
        right = not truth.compare(name, answer.reshaped[name])[1].any()
        values = "its values are those of expectedᵀ" if right else "its values are wrong beside that"
        evidence = f"{name} has the shape {shape[::-1]}; its parameter has {shape}, and {values}."
        return found("transposed", name, evidence, "certain" if right else "likely")
    run = Run.of(truth.network, truth.params, truth.batch.inputs, truth.batch.labels)
    deltas = {} if run is None else {run.names(k)[1]: delta for k, delta in run.deltas()}
    got = _returned(name, gradient)
    if got is None or name not in deltas:
        return finding
    delta, n = deltas[name], len(truth.batch.labels)
    o = delta.shape[1]
    if got.shape in ((n, o), (o, n)):
        rows = got if got.shape == (n, o) else got.T
        right = any(np.allclose(rows, scale * delta, rtol=_ROUGHEST) for scale in (1, n))
        evidence = f"{name} has the shape {got.shape}, a value for every sample; its parameter has {shape}."
        evidence += " They are the δ of the samples." if right else ""
        return found("bias-not-summed", name, evidence, "certain" if right else "likely")
    if got.size == 1 and o > 1:
        room = _TIGHT * float(np.sum(np.abs(delta)))
        for text, number in one_number(delta):
            scales = [scale for scale in (1, n) if abs(float(got.item()) - scale * number) <= room]
            if scales:
                evidence = f"{name} has the shape {got.shape}; its parameter has {shape}. It is {text}."
                return found("bias-not-summed", name, evidence)
    return finding


def _returned(name: str, gradient: Mapping[str, Any]) -> Array | None:
    """What was returned under a parameter's name, or the one that was read as it; None where it is no array."""
    if name not in gradient:
        keys = [key for key in gradient if isinstance(key, str) and key.casefold().endswith(name.casefold())]
        name = keys[0] if len(keys) == 1 else name
    try:
        return np.asarray(gradient[name], np.float64)
    except (KeyError, TypeError, ValueError):
        return None
