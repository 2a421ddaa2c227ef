"""Diagnosis: what is wrong with the gradient of a network, in findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.answers import Answer
from backprop.check.kinds import Confidence, Finding, found
from backprop.check.network.mistakes import Got, Match, Mistake, Run, find_mistakes
from backprop.check.network.subgradients import CONVENTIONS, by_convention
from backprop.check.network.truth import Truth, compare
from backprop.check.patterns import entries
from backprop.check.signatures import Suspect, diagnose, signatures, unknown
from backprop.network import Batch, Network
from backprop.parameters import Parameters

# A narrower dtype somewhere in the computation, named only where it is shown by evaluating in that dtype.
#
# Two things show it: every entry is a number of the narrower dtype, and as far off as its rounding leads; or a
# pass in which one quantity is rounded to that dtype has the same errors. An error that is merely of the size of
# float32's rounding shows nothing: a step that was taken too early, an ε in a logarithm or an unfinished
# iteration is as small.

_DTYPES = (np.float32, np.float16)
_FEWEST = 8
"""So many entries are off at least: errors of fewer may be alike by chance."""
_SAME = 0.25
"""The share of the errors that may be left unexplained: sums in another order round in another way."""
_ROUNDINGS = 100
"""How many roundings of the dtype an entry may be off by, for entries that are its numbers."""

Tensors = Mapping[str, Array]


def low_precision(names: Sequence[str], got: Tensors, expected: Tensors, run: Run) -> Finding | None:
    """The finding where the errors of all these tensors are those of a narrower dtype."""
    own = got[names[0]].dtype
    if own.kind != "f":
        return None
    values, error = _joined(got, names), _joined(got, names) - _joined(expected, names)
    size, total = _norm(_joined(expected, names)), _norm(error)
    if np.count_nonzero(error) < _FEWEST or size == 0:
        return None
    off = f"‖got - expected‖ / ‖expected‖ = {total / size:.1e} in {', '.join(names)}"
    for dtype in _DTYPES:
        eps, word = float(np.finfo(dtype).eps), np.dtype(dtype).name
        if eps <= 2 * float(np.finfo(own).eps):
            continue
        with np.errstate(over="ignore", under="ignore"):
            if np.array_equal(values, _rounded(values, dtype)) and total <= _ROUNDINGS * eps * size:
                return _named(names, f"{off}, and every entry is a number of {word}.", certain=False)
            exact = _joined(_backward(run), names)
            for what, tensors in _passes(run, dtype):
                rest = _norm(error - (_joined(tensors, names) - exact)) / total
                if rest <= _SAME:
                    evidence = f"{off}: a pass with {what} in {word} has the same errors."
                    return _named(names, evidence, certain=rest <= 1e-3)
    return None


def _named(names: Sequence[str], evidence: str, *, certain: bool) -> Finding:
    return found("lower-precision", names[0], evidence, "certain" if certain else "likely")


def _passes(run: Run, dtype: type) -> Iterator[tuple[str, Tensors]]:
    """The gradient by passes in which something is rounded to the dtype, with what that is."""
    for k in range(run.depth):
        yield f"δ of layer {k + 1}", _backward(run, (k,), dtype)
    yield "every δ", _backward(run, tuple(range(run.depth)), dtype)
    narrow = replace(
        run,
        inputs=_rounded(run.inputs, dtype),
        weights=tuple(_rounded(weight, dtype) for weight in run.weights),
    )
    yield "parameters and inputs", _backward(narrow.rerun(biases=[_rounded(b, dtype) for b in run.biases]))
    for words, inside in (("the products of the forward pass", False), ("the forward pass", True)):
        yield words, _backward(_forward(run, dtype, inside=inside))
    for k in range(1, run.depth):
        x = tuple(_rounded(x, dtype) if j == k else x for j, x in enumerate(run.x))
        yield f"the input of layer {k + 1}", _backward(replace(run, x=x))


def _forward(run: Run, dtype: type, *, inside: bool) -> Run:
    """The run with x W + b in the dtype; with `inside`, the activations as well."""
    x, z = [run.inputs], []
    for weight, bias, activation in zip(run.weights, run.biases, run.activations, strict=True):
        product: Array = x[-1].astype(dtype) @ weight.astype(dtype) + bias.astype(dtype)
        z.append(product.astype(np.float64))
        y = product if inside else z[-1]
        x.append((y if activation is None else activation.forward({}, y)).astype(np.float64))
    return replace(run, x=tuple(x[:-1]), z=tuple(z), y=x[-1])


def _backward(run: Run, narrow: tuple[int, ...] = (), dtype: type = np.float64) -> dict[str, Array]:
    """The gradient of a run, with the δ of the layers `narrow` rounded to the dtype."""
    delta, gradient = run.output_delta(), {}
    for k in range(run.depth - 1, -1, -1):
        delta = _rounded(delta, dtype) if k in narrow else delta
        weights, bias = run.names(k)
        gradient[weights] = run.x[k].T @ delta + run.decay * run.weights[k]
        gradient[bias] = delta.sum(axis=0)
        if k:
            delta = run.through(k - 1, delta @ run.weights[k].T)
    return gradient


def _rounded(array: Array, dtype: type) -> Array:
    return np.asarray(array.astype(dtype).astype(np.float64))


def _joined(tensors: Tensors, names: Sequence[str]) -> Array:
    """The entries of several tensors in one array of float64."""
    return np.concatenate([np.asarray(tensors[name], np.float64).ravel() for name in names])


def _norm(array: Array) -> float:
    return float(np.linalg.norm(array))


# Difference quotients: a gradient that is right but for an error which cancellation leaves, the same everywhere.
#
# A quotient (L(θ + h) - L(θ - h)) / 2h is off by about eps L / h, whatever its own size. Rounding of a formula is
# off in proportion to the terms that were summed. So the errors are small, of either sign, and do not follow
# their bounds.

_FEWEST = 12


def quotient_mistake(got: Mapping[str, Array], wrong: frozenset[str], truth: Truth) -> Finding | None:
    """The finding where every tensor has such an error; None where any has another."""
    if set(wrong) < set(got):
        return None
    difference = np.concatenate(
        [(got[k].astype(np.float64) - truth.gradient[k].astype(np.float64)).ravel() for k in got]
    )
    expected = np.concatenate([truth.gradient[k].astype(np.float64).ravel() for k in got])
    bound = np.concatenate([truth.bound[k].ravel() for k in got])
    moved = difference != 0
    eps = float(np.finfo(next(iter(got.values())).dtype).eps) if got else 0.0
    scale = float(np.linalg.norm(expected))
    if moved.sum() < _FEWEST or scale == 0:
        return None
    error = float(np.linalg.norm(difference)) / scale
    if not 10 * eps < error < 100 * eps ** (2 / 3):
        return None
    size, sign = np.abs(difference[moved]), np.sign(difference[moved])
    balanced = abs(float(np.mean(sign))) < max(0.3, 4 / np.sqrt(len(sign)))
    even = float(np.quantile(size, 0.9) / np.median(size)) < 6
    follows = _rank_correlation(size, bound[moved])
    along = abs(float(difference @ expected)) / (np.linalg.norm(difference) * scale)
    if not (balanced and even and abs(follows) < 0.3 and along < 0.3):
        return None
    evidence = (
        f"‖got - expected‖ / ‖expected‖ = {error:.1e}; the errors are of either sign and about {np.median(size):.1e} "
        "everywhere, however large the entry is, as cancellation leaves them."
    )
    return found("difference-quotient", None, evidence, "likely" if eps < 1e-10 else "possible")


def _rank_correlation(one: Array, other: Array) -> float:
    """Spearman's correlation."""
    first, second = (np.argsort(np.argsort(each)).astype(np.float64) for each in (one, other))
    return float(np.corrcoef(first, second)[0, 1])


# Shapes that say what went wrong: a transpose, or a bias gradient with a row for every sample.


def shape_mistakes(
    answer: Answer,
    gradient: Mapping[str, Any],
    network: Network,
    params: Parameters,
    batch: Batch,
    truth: Truth,
) -> list[Finding]:
    """The findings of an answer; a `wrong-shape` that is a known mistake is named as that one."""
    return [
        _named_shape(finding, answer, gradient, network, params, batch, truth)
        if finding.kind == "wrong-shape"
        else finding
        for finding in answer.findings
    ]


def _named_shape(
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


# Diagnosis of a network's wrong gradient: the explanation of the search, put into findings.

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
    quotient = quotient_mistake(got, wrong, truth)
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
    run, match = min(((each, find_mistakes(each, explained)) for each in runs), key=lambda pair: pair[1].cost)
    findings = [_finding(group, match, explained, run) for group in _grouped(match.mistakes)]
    rest = [mistake for mistake in match.mistakes if mistake.kind == "unknown"]
    findings += _unknown(rest, got, params, truth, run)
    return Diagnosis(findings, _loss_of(match, run))


def _loss_of(match: Match, run: Run) -> tuple[str, float] | None:
    """The loss of another forward pass, where that is the mistake, by its kind."""
    other = match.run
    if other is run:
        return None
    with np.errstate(divide="ignore"):
        loss = float(run.network.loss_function.value(other.y, other.labels))
    kinds = [mistake.kind for mistake in match.mistakes if mistake.layer == run.depth - 1]
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


def _finding(group: list[Mistake], match: Match, got: Got, run: Run) -> Finding:
    first = group[0]
    if first.layer is not None:
        below = [name for k in range(first.layer, -1, -1) for name in run.names(k)]
        spoilt = [name for name in below if name in got.wrong]
    else:
        spoilt = list(dict.fromkeys(name for mistake in group for name in mistake.tensors))
    everything = set(spoilt) >= set(got.tensors) and len(spoilt) > 1
    tensor = None if everything else spoilt[0] if spoilt else None
    verb = "equals" if len(spoilt) == 1 else "equal"
    others = [kind for kind in _rivals(first, match) if kind != first.kind]
    confidence: Confidence = "likely" if others else "certain"
    evidence = f"{listed(spoilt)} {verb} {first.text}, to rounding."
    if others:
        evidence += f" Here {' and '.join(others)} would look the same."
    return found(first.kind, tensor, evidence, confidence, first.fix)


def _rivals(mistake: Mistake, match: Match) -> list[str]:
    """Kinds that cannot be told from a mistake: they take its place in another explanation."""
    own = {each.kind for each in match.mistakes}
    kinds = list(mistake.also)
    for other in match.alternatives:
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
        narrower = low_precision(list(suspects), got, expected, run)
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
