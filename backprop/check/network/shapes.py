"""Shapes that say what went wrong: a transpose, a bias gradient with a value for every sample, or one for all."""

from __future__ import annotations

from backprop.check.answers import Answer
from backprop.check.kinds import Finding, found
from backprop.check.network.truth import Truth
from backprop.check.patterns import Suspect, entries
from backprop.check.rearranged import summed


def shape_mistakes(answer: Answer, truth: Truth) -> list[Finding]:
    """The findings of an answer; a `wrong-shape` that is a known mistake is named as that one."""
    return [
        _named(finding, finding.tensor, answer, truth)
        if finding.kind == "wrong-shape" and finding.tensor in answer.reshaped
        else finding
        for finding in answer.findings
    ]


def _named(finding: Finding, name: str, answer: Answer, truth: Truth) -> Finding:
    got, n = answer.reshaped[name], len(truth.batch.labels)
    right = not truth.compare(name, got)[1].any()
    if name in answer.transposed:
        seen = f"{finding.evidence} Its values are {'those of expectedᵀ' if right else 'wrong beside that'}."
        return found("transposed", name, seen, "certain" if right else "likely")
    if name not in answer.summed or name not in (names.get("b") for names in truth.network.names):
        return finding
    known, shape, axes = (
        entries(truth.gradient[name], truth.bound[name]),
        answer.shapes[name],
        answer.summed[name],
    )
    for each in summed(Suspect(name, got, known, truth.params[name], n, summed=axes, raw_shape=shape)):
        return found("bias-not-summed", name, each.evidence, each.confidence)
    if n in shape:
        return found(
            "bias-not-summed", name, f"{finding.evidence} It has a value for every sample.", "likely"
        )
    return finding
