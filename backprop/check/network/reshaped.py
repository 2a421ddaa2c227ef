"""Shapes that say what went wrong: a transpose, or a bias gradient with a row for every sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from backprop.check.answers import Answer
from backprop.check.kinds import Finding, found
from backprop.check.network.comparison import Truth, compare
from backprop.check.network.hypotheses import Run
from backprop.network import Batch, Network
from backprop.parameters import Parameters


def better_shapes(
    answer: Answer,
    gradient: Mapping[str, Any],
    network: Network,
    params: Parameters,
    batch: Batch,
    truth: Truth,
) -> list[Finding]:
    """The findings of an answer; a `wrong-shape` that is a known mistake is named as that one."""
    return [
        _named(finding, answer, gradient, network, params, batch, truth)
        if finding.kind == "wrong-shape"
        else finding
        for finding in answer.findings
    ]


def _named(
    finding: Finding,
    answer: Answer,
    gradient: Mapping[str, Any],
    network: Network,
    params: Parameters,
    batch: Batch,
    truth: Truth,
) -> Finding:
    name = finding.tensor
    assert name is not None
    shape = params[name].shape
    if name in answer.transposed:
        right = not compare(name, answer.reshaped[name], truth)[1].any()
        values = "its values are those of expectedᵀ" if right else "its values are wrong beside that"
        evidence = f"{name} has the shape {shape[::-1]}; its parameter has {shape}, and {values}."
        return found("transposed", name, evidence, "certain" if right else "likely")
    got = np.asarray(gradient[name]) if name in gradient else None
    n = len(batch.labels)
    if got is None or len(shape) != 1 or got.shape != (n, *shape):
        return finding
    deltas = _deltas(network, params, batch)
    right = any(np.allclose(got, scale * deltas[name], rtol=1e-4) for scale in (1, n)) if deltas else False
    evidence = f"{name} has the shape {got.shape}, a row for every sample; its parameter has {shape}."
    evidence += " Each row is the δ of its sample." if right else ""
    return found("bias-not-summed", name, evidence, "certain" if right else "likely")


def _deltas(network: Network, params: Parameters, batch: Batch) -> dict[str, np.ndarray]:
    """δ of every layer (n, o) by the name of its bias."""
    run = Run.of(network, params, batch.inputs, batch.labels)
    if run is None:
        return {}
    delta, deltas = run.output_delta(), {}
    for k in range(run.depth - 1, -1, -1):
        deltas[run.names(k)[1]] = delta
        if k:
            delta = run.through(k - 1, delta @ run.weights[k].T)
    return deltas
