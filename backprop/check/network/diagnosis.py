"""Diagnosis of a network's wrong gradient: the explanation of the search, put into findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backprop.arrays import Array
from backprop.check.kinds import Confidence, Finding, found
from backprop.check.network.approximate import difference_quotient
from backprop.check.network.comparison import Truth
from backprop.check.network.hypotheses import Explanation, Got, Mistake, Run, explain
from backprop.check.network.narrower import narrower_dtype
from backprop.check.network.subgradients import CONVENTIONS, by_convention
from backprop.check.patterns import entries
from backprop.check.signatures import Suspect, diagnose, signatures, unknown
from backprop.network import Batch, Network
from backprop.parameters import Parameters

_ROOM = 2.0
"""The tensors of a hypothesis round as the right ones do, or up to this much worse."""


@dataclass(frozen=True)
class Diagnosis:
    """The findings; where the mistake is in the forward pass, the loss that this pass gives, with the kind."""

    findings: list[Finding]
    loss: tuple[str, float] | None = None


def diagnose_network(
    network: Network,
    params: Parameters,
    batch: Batch,
    got: Mapping[str, Array],
    wrong: frozenset[str],
    truth: Truth,
    weight_decay: float = 0.0,
) -> Diagnosis:
    """What is wrong with the tensors `wrong` of `got`, which are finite and of the right shapes."""
    quotient = difference_quotient(got, wrong, truth)
    if quotient is not None:
        return Diagnosis([quotient])
    runs = _runs(network, params, batch, truth, weight_decay)
    if not runs:
        return Diagnosis([each for name in wrong for each in _alone(name, got[name], params, batch, truth)])
    wide = {name: np.asarray(tensor, np.float64) for name, tensor in got.items()}
    expected = {name: np.asarray(truth.gradient[name], np.float64) for name in got}
    explained = Got(
        wide,
        {name: _tolerance(expected[name], truth.bound[name]) for name in got},
        {name: float(np.linalg.norm(wide[name] - expected[name])) for name in got},
        wrong,
    )
    run, explanation = min(((each, explain(each, explained)) for each in runs), key=lambda pair: pair[1].cost)
    findings = [_finding(group, explanation, explained, run) for group in _grouped(explanation.mistakes)]
    rest = [mistake for mistake in explanation.mistakes if mistake.kind == "unknown"]
    findings += _unknown(rest, got, params, truth, run)
    return Diagnosis(findings, _loss_of(explanation, run))


def _loss_of(explanation: Explanation, run: Run) -> tuple[str, float] | None:
    """The loss of another forward pass, where that is the mistake, by its kind."""
    other = explanation.run
    if other is run:
        return None
    with np.errstate(divide="ignore"):
        loss = float(run.network.loss_function.value(other.y, other.labels))
    kinds = [mistake.kind for mistake in explanation.mistakes if mistake.layer == run.depth - 1]
    return (kinds[0], loss) if kinds else None


def _runs(network: Network, params: Parameters, batch: Batch, truth: Truth, weight_decay: float) -> list[Run]:
    """The forward pass; with each convention for the slope at a kink, too, where there are any."""
    slopes = [truth.slopes] + [by_convention(truth.rounding, share) for share in CONVENTIONS]
    runs = [
        Run.of(network, params, batch.inputs, batch.labels, each, weight_decay)
        for each in (slopes if truth.rounding.kinked else slopes[:1])
    ]
    return [run for run in runs if run is not None]


def _tolerance(expected: Array, bound: Array) -> float:
    size = float(np.linalg.norm(expected))
    rounding = _ROOM * float(np.linalg.norm(bound))
    return min(1e-3, rounding / size if size > 0 else 1e-3)


def _alone(name: str, got: Array, params: Parameters, batch: Batch, truth: Truth) -> list[Finding]:
    """The signatures that a tensor has by itself, in a network that is no multi-layer perceptron."""
    findings = diagnose(
        name,
        got,
        truth.gradient[name],
        params[name],
        tolerance=truth.bound[name],
        batch_size=len(batch.labels),
    )
    return [_unnamed(finding) for finding in findings]


def _unnamed(finding: Finding) -> Finding:
    """A finding without a known kind says where the error is, and nothing about it is certain."""
    return replace(finding, confidence="possible") if finding.kind == "unknown" else finding


def _grouped(mistakes: Sequence[Mistake]) -> list[list[Mistake]]:
    """The same mistake in several tensors is one finding."""
    groups: dict[tuple[str, str, int | None], list[Mistake]] = {}
    for mistake in mistakes:
        if mistake.kind != "unknown":
            groups.setdefault((mistake.kind, mistake.text, mistake.layer), []).append(mistake)
    return list(groups.values())


def _finding(group: list[Mistake], explanation: Explanation, got: Got, run: Run) -> Finding:
    first = group[0]
    if first.layer is not None:
        below = [name for k in range(first.layer, -1, -1) for name in run.names(k)]
        spoilt = [name for name in below if name in got.wrong]
    else:
        spoilt = list(dict.fromkeys(name for mistake in group for name in mistake.tensors))
    everything = set(spoilt) >= set(got.tensors) and len(spoilt) > 1
    tensor = None if everything else spoilt[0] if spoilt else None
    verb = "equals" if len(spoilt) == 1 else "equal"
    others = [kind for kind in _rivals(first, explanation) if kind != first.kind]
    confidence: Confidence = "likely" if others else "certain"
    evidence = f"{listed(spoilt)} {verb} {first.text}, to rounding."
    if others:
        evidence += f" Here {' and '.join(others)} would look the same."
    return found(first.kind, tensor, evidence, confidence, first.fix)


def _rivals(mistake: Mistake, explanation: Explanation) -> list[str]:
    """Kinds that cannot be told from a mistake: they take its place in another explanation."""
    own = {each.kind for each in explanation.mistakes}
    kinds = list(mistake.also)
    for other in explanation.alternatives:
        theirs = {each.kind for each in other}
        if mistake.kind not in theirs:
            kinds += sorted(theirs - own)
    return list(dict.fromkeys(kinds))


def listed(names: Sequence[str]) -> str:
    """The names as words: W1, b1 and W2."""
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0] if names else "It"


def _unknown(
    mistakes: Sequence[Mistake],
    got: Mapping[str, Array],
    params: Parameters,
    truth: Truth,
    run: Run,
) -> list[Finding]:
    """What the search left unexplained: another tensor's gradient, lower precision, or no known signature."""
    expected: dict[str, Array] = {}
    for mistake in mistakes:
        (name,) = mistake.tensors
        expected[name] = truth.gradient[name] if mistake.expected is None else mistake.expected
    suspects = {name: _suspect(name, got[name], expected[name], params, truth, run.n) for name in expected}
    findings: list[Finding] = []
    for name in list(suspects):
        own = [
            each for each in signatures(suspects[name]) if each.kind in _LONE and each.confidence == "certain"
        ]
        if own:
            findings += own
            del suspects[name]
    if suspects:
        narrower = narrower_dtype(list(suspects), got, expected, run)
        findings += [narrower] if narrower else [_unnamed(unknown(suspect)) for suspect in suspects.values()]
    return _one_precision(findings)


_LONE = ("lower-precision", "swapped-tensors")


def _suspect(name: str, got: Array, expected: Array, params: Parameters, truth: Truth, n: int) -> Suspect:
    others = {
        other: entries(truth.gradient[other], truth.bound[other])
        for other in truth.gradient
        if other != name and truth.gradient[other].shape == got.shape
    }
    return Suspect(name, got, entries(expected, truth.bound[name]), params[name], n, others, False, got.dtype)


def _one_precision(findings: list[Finding]) -> list[Finding]:
    """Lower precision in several tensors is one finding, in the first of them on the way back."""
    same = [finding for finding in findings if finding.kind == "lower-precision"]
    if len(same) < 2:
        return findings
    names = [str(finding.tensor) for finding in same]
    evidence = f"{same[0].evidence} It begins in {names[0]} and is in {listed(names[1:])}, too."
    first = found("lower-precision", names[0], evidence, same[0].confidence)
    return [first, *(finding for finding in findings if finding.kind != "lower-precision")]
