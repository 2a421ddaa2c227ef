"""Diagnosis: what is wrong with the gradient of a network, in findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array
from backprop.check.answers import Answer
from backprop.check.kinds import Confidence, Finding, found
from backprop.check.network.accuracy import Tensors, low_precision, quotient_mistake
from backprop.check.network.mistakes import Got, Match, Mistake, Run, find_mistakes
from backprop.check.network.truth import CONVENTIONS, Truth, by_convention
from backprop.check.patterns import Suspect, entries
from backprop.check.rearranged import summed
from backprop.check.signatures import signatures, swapped, unknown
from backprop.check.words import listed
from backprop.verify.agreement import norm

_ROOM = 2.0
"""The tensors of a hypothesis round as the right ones do, or up to this much worse."""
_ROUGHEST = 1e-3
"""Of a tensor: however coarse its rounding, a hypothesis must fit to this."""


@dataclass(frozen=True)
class Diagnosis:
    """The findings; where the mistake is in the forward pass, the loss that this pass gives, with the kind."""

    findings: list[Finding]
    loss: tuple[str, float] | None = None


def diagnose_network(got: Tensors, wrong: frozenset[str], truth: Truth) -> Diagnosis:
    """Find what is wrong with the tensors `wrong` of `got`, which are finite and of the right shapes.

    For a network that is no multi-layer perceptron, each tensor is diagnosed by itself.
    """
    quotient = quotient_mistake(got, wrong, truth)
    if quotient is not None:
        return Diagnosis([quotient])
    runs = _runs(truth)
    if not runs:
        alone = [_suspect(name, got[name], truth.gradient[name], truth) for name in got if name in wrong]
        return Diagnosis([finding for each in alone for finding in signatures(each) or [unknown(each)]])
    wide = {name: np.asarray(tensor, np.float64) for name, tensor in got.items()}
    error = {name: norm(wide[name] - truth.gradient[name].astype(np.float64)) for name in got}
    explained = Got(wide, {name: _tolerance(name, truth) for name in got}, error, wrong)
    matches = ((each, find_mistakes(each, explained)) for each in runs)
    run, match = min(matches, key=lambda pair: pair[1].cost)
    groups: dict[tuple[str, str, int | None], list[Mistake]] = {}
    for mistake in match.mistakes:  # the same mistake in several tensors is one finding
        key = mistake.kind, mistake.text, mistake.layer
        groups.setdefault(key, []).append(mistake)
    left = [mistake for key, group in groups.items() if key[0] == "unknown" for mistake in group]
    findings = [
        _finding(group, match, explained, run) for key, group in groups.items() if key[0] != "unknown"
    ]
    return Diagnosis(findings + _unknown(left, got, truth, run), _loss_of(match, run))


def _loss_of(match: Match, run: Run) -> tuple[str, float] | None:
    """The loss of another forward pass, where that is the mistake, by its kind."""
    other = match.run
    kinds = [mistake.kind for mistake in match.mistakes if mistake.layer == run.depth - 1]
    if other is run or not kinds:
        return None
    with np.errstate(divide="ignore"):
        return kinds[0], float(run.network.loss_function.value(other.y, other.labels))


def _runs(truth: Truth) -> list[Run]:
    """The forward pass; with each convention for the slope at a kink, too, where there are any.

    There is none where the network is no multi-layer perceptron.
    """
    slopes = [truth.slopes]
    if truth.rounding.kinked:
        slopes += [by_convention(truth.rounding, share) for share in CONVENTIONS]
    inputs, labels = truth.batch.inputs, truth.batch.labels
    runs = (Run.of(truth.network, truth.params, inputs, labels, each, truth.weight_decay) for each in slopes)
    return [run for run in runs if run is not None]


def _tolerance(name: str, truth: Truth) -> float:
    """The relative distance that is rounding in a tensor."""
    size = norm(truth.gradient[name].astype(np.float64))
    return min(_ROUGHEST, _ROOM * norm(truth.bound[name]) / size) if size > 0 else _ROUGHEST


def _finding(group: list[Mistake], match: Match, got: Got, run: Run) -> Finding:
    """The finding of one mistake, which may be in several tensors."""
    first = group[0]
    if first.layer is not None:
        below = [name for k in range(first.layer, -1, -1) for name in run.names(k)]
        spoilt = [name for name in below if name in got.wrong]
    else:
        spoilt = list(dict.fromkeys(name for mistake in group for name in mistake.tensors))
    is_everything = set(spoilt) >= set(got.tensors) and len(spoilt) > 1
    tensor = None if is_everything else spoilt[0] if spoilt else None
    others = [kind for kind in _rivals(first, match) if kind != first.kind]
    equal = "equals" if len(spoilt) == 1 else "equal"
    evidence = f"{listed(spoilt) or 'It'} {equal} {first.text}, to rounding."
    if others:
        evidence += f" Here {' and '.join(others)} would look the same."
    confidence: Confidence = "likely" if others else "certain"
    return found(first.kind, tensor, evidence, confidence)


def _rivals(mistake: Mistake, match: Match) -> list[str]:
    """Kinds that cannot be told from a mistake: they take its place in another explanation."""
    own = {each.kind for each in match.mistakes}
    kinds = list(mistake.also)
    for theirs in ({each.kind for each in other} for other in match.alternatives):
        if mistake.kind not in theirs:
            kinds += sorted(theirs - own)
    return list(dict.fromkeys(kinds))


def _unknown(mistakes: Sequence[Mistake], got: Tensors, truth: Truth, run: Run) -> list[Finding]:
    """Name what the search left unexplained: another tensor's gradient, lower precision, or no known signature."""
    findings: list[Finding] = []
    left: dict[str, Suspect] = {}
    for mistake in mistakes:
        (name,) = mistake.tensors
        expected = truth.gradient[name] if mistake.expected is None else mistake.expected
        suspect = _suspect(name, got[name], expected, truth)
        own = swapped(suspect)
        findings += own
        left |= {} if own else {name: suspect}
    if left:
        expected_ones = {name: suspect.expected for name, suspect in left.items()}
        wide = {
            name: got[name].astype(truth.params[name].dtype) for name in left
        }  # it may be in a narrower dtype
        narrower = low_precision(list(left), wide, expected_ones, run)
        findings += [narrower] if narrower else map(unknown, left.values())
    return findings


def _suspect(name: str, got: Array, expected: Array, truth: Truth) -> Suspect:
    truths = {
        other: entries(truth.gradient[other], truth.bound[other]) for other in truth.gradient if other != name
    }
    known, n = entries(expected, truth.bound[name]), len(truth.batch.labels)
    return Suspect(name, got, known, truth.params[name], n, truths, False, got.dtype)


# Shapes that say what went wrong: a transpose, a bias gradient with a value for every sample, or one for all.


def shape_mistakes(answer: Answer, truth: Truth) -> list[Finding]:
    """The findings of an answer; a `wrong-shape` that is a known mistake is named as that one."""
    return [
        _named_shape(finding, finding.tensor, answer, truth)
        if finding.kind == "wrong-shape" and finding.tensor in answer.reshaped
        else finding
        for finding in answer.findings
    ]


def _named_shape(finding: Finding, name: str, answer: Answer, truth: Truth) -> Finding:
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
