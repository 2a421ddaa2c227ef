"""Diagnosis: what is wrong with the gradient of a network, in findings.

In the order of this file: the whole diagnosis; a narrower dtype; difference quotients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backprop.arrays import Array
from backprop.check.kinds import Confidence, Finding, found
from backprop.check.network.mistakes import Got, Match, Mistake, Run, find_mistakes
from backprop.check.network.subgradients import CONVENTIONS, by_convention
from backprop.check.network.truth import Truth
from backprop.check.patterns import Suspect, entries
from backprop.check.signatures import signatures, swapped, unknown
from backprop.check.words import listed
from backprop.verify.agreement import norm

Tensors = Mapping[str, Array]

# The mistakes that the search found, put into findings.

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
    """Find what is wrong with the tensors `wrong` of `got`, which are finite and of the right shapes."""
    quotient = quotient_mistake(got, wrong, truth)
    if quotient is not None:
        return Diagnosis([quotient])
    runs = _runs(truth)
    if not runs:
        alone = [_suspect(name, got[name], truth.gradient[name], truth) for name in wrong]
        return Diagnosis([finding for each in alone for finding in signatures(each) or [unknown(each)]])
    wide = {name: np.asarray(tensor, np.float64) for name, tensor in got.items()}
    error = {name: norm(wide[name] - truth.gradient[name].astype(np.float64)) for name in got}
    explained = Got(wide, {name: _tolerance(name, truth) for name in got}, error, wrong)
    matches = ((each, find_mistakes(each, explained)) for each in runs)
    run, match = min(matches, key=lambda pair: pair[1].cost)
    groups: dict[
        tuple[str, str, int | None], list[Mistake]
    ] = {}  # the same in several tensors is one finding
    for mistake in match.mistakes:
        groups.setdefault((mistake.kind, mistake.text, mistake.layer), []).append(mistake)
    findings = [
        _finding(group, match, explained, run) for key, group in groups.items() if key[0] != "unknown"
    ]
    findings += _unknown([each for each in match.mistakes if each.kind == "unknown"], got, truth, run)
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
    first = group[0]
    if first.layer is not None:
        below = [name for k in range(first.layer, -1, -1) for name in run.names(k)]
        spoilt = [name for name in below if name in got.wrong]
    else:
        spoilt = list(dict.fromkeys(name for mistake in group for name in mistake.tensors))
    everything = set(spoilt) >= set(got.tensors) and len(spoilt) > 1
    tensor = None if everything else spoilt[0] if spoilt else None
    others = [kind for kind in _rivals(first, match) if kind != first.kind]
    confidence: Confidence = "likely" if others else "certain"
    evidence = (
        f"{listed(spoilt) or 'It'} {'equals' if len(spoilt) == 1 else 'equal'} {first.text}, to rounding."
    )
    if others:
        evidence += f" Here {' and '.join(others)} would look the same."
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
        if not own:
            left[name] = suspect
    if left:
        expected_ones = {name: suspect.expected for name, suspect in left.items()}
        narrower = low_precision(list(left), got, expected_ones, run)
        findings += [narrower] if narrower else map(unknown, left.values())
    return findings


def _suspect(name: str, got: Array, expected: Array, truth: Truth) -> Suspect:
    truths = {
        other: entries(truth.gradient[other], truth.bound[other]) for other in truth.gradient if other != name
    }
    known, n = entries(expected, truth.bound[name]), len(truth.batch.labels)
    return Suspect(name, got, known, truth.params[name], n, truths, False, got.dtype)


# A narrower dtype somewhere in the computation, named only where it is shown by evaluating in that dtype.
#
# Two things show it: every entry is a number of the narrower dtype, and as far off as its rounding leads; or a
# pass in which one quantity is rounded to that dtype has the same errors. An error that is merely of the size of
# float32's rounding shows nothing: a step that was taken too early, an ε in a logarithm or an unfinished
# iteration is as small.

_DTYPES = (np.float32, np.float16)
_FEWEST = 8
"""So many entries are off at least: errors of fewer may be alike by chance."""
_SAME, _SURE = 0.25, 1e-3
"""Of the errors: what may be left unexplained, as sums in another order round differently; and if certain."""
_ROUNDINGS = 100
"""How many roundings of the dtype an entry may be off by, for entries that are its numbers."""


def low_precision(names: Sequence[str], got: Tensors, expected: Tensors, run: Run) -> Finding | None:
    """The finding where the errors of all these tensors are those of a narrower dtype."""
    own = got[names[0]].dtype
    if own.kind != "f":
        return None
    values, error = _joined(got, names), _joined(got, names) - _joined(expected, names)
    size, total = norm(_joined(expected, names)), norm(error)
    if np.count_nonzero(error) < _FEWEST or size == 0:
        return None
    off = f"‖got - expected‖ / ‖expected‖ = {total / size:.1e} in {', '.join(names)}"
    for dtype in _DTYPES:
        eps, word = float(np.finfo(dtype).eps), np.dtype(dtype).name
        if eps <= 2 * float(np.finfo(own).eps):
            continue
        with np.errstate(over="ignore", under="ignore"):
            if np.array_equal(values, _rounded(values, dtype)) and total <= _ROUNDINGS * eps * size:
                evidence = f"{off}, and every entry is a number of {word}."
                return found("lower-precision", names[0], evidence, "likely")
            exact = _joined(_backward(run), names)
            for what, tensors in _passes(run, dtype):
                rest = norm(error - (_joined(tensors, names) - exact)) / total
                if rest <= _SAME:
                    evidence = f"{off}: a pass with {what} in {word} has the same errors."
                    sure: Confidence = "certain" if rest <= _SURE else "likely"
                    return found("lower-precision", names[0], evidence, sure)
    return None


def _passes(run: Run, dtype: type) -> Iterator[tuple[str, Tensors]]:
    """The gradient by passes in which something is rounded to the dtype, with what that is."""
    for k in range(run.depth):
        yield f"δ of layer {k + 1}", _backward(run, (k,), dtype)
    yield "every δ", _backward(run, tuple(range(run.depth)), dtype)
    weights = tuple(_rounded(weight, dtype) for weight in run.weights)
    narrow = replace(run, inputs=_rounded(run.inputs, dtype), weights=weights)
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
    gradient = {}
    for k, delta in run.deltas(lambda k, delta: _rounded(delta, dtype) if k in narrow else delta):
        weights, bias = run.names(k)
        gradient[weights] = run.x[k].T @ delta + run.decay * run.weights[k]
        gradient[bias] = delta.sum(axis=0)
    return gradient


def _rounded(array: Array, dtype: type) -> Array:
    return np.asarray(array.astype(dtype).astype(np.float64))


def _joined(tensors: Tensors, names: Sequence[str]) -> Array:
    """The entries of several tensors in one array of float64."""
    return np.concatenate([np.asarray(tensors[name], np.float64).ravel() for name in names])


# Difference quotients: a gradient that is right but for an error which cancellation leaves, the same everywhere.
#
# A quotient (L(θ + h) - L(θ - h)) / 2h is off by about eps L / h, whatever its own size. Rounding of a formula is
# off in proportion to the terms that were summed. So the errors are small, of either sign, and do not follow
# their bounds.

_FEWEST_OFF = 12
"""Entries that are off, at least: of fewer no correlation can be told from chance."""
_LARGE, _UNEVEN = 0.9, 6
"""The tenth largest of a hundred normal errors is 2.4 times their median; those of a quotient vary more."""
_CORRELATED = 0.3
"""A correlation beyond this is no chance: that of a few dozen independent numbers is about 0.2 or less."""


def quotient_mistake(got: Tensors, wrong: frozenset[str], truth: Truth) -> Finding | None:
    """The finding where every tensor has such an error; None where any has another."""
    if set(wrong) < set(got) or not got:
        return None
    names = list(got)
    expected, bound = _joined(truth.gradient, names), _joined(truth.bound, names)
    difference = _joined(got, names) - expected
    moved = difference != 0
    eps = float(np.finfo(got[names[0]].dtype).eps)
    scale = norm(expected)
    if moved.sum() < _FEWEST_OFF or scale == 0:
        return None
    error = norm(difference) / scale
    if not 10 * eps < error < 100 * eps ** (2 / 3):  # the best central quotient is off by eps^(2/3)
        return None
    size, sign = np.abs(difference[moved]), np.sign(difference[moved])
    balanced = abs(float(np.mean(sign))) < max(_CORRELATED, 4 / np.sqrt(len(sign)))
    even = float(np.quantile(size, _LARGE) / np.median(size)) < _UNEVEN
    first, second = (np.argsort(np.argsort(each)).astype(np.float64) for each in (size, bound[moved]))
    follows = abs(float(np.corrcoef(first, second)[0, 1]))  # Spearman's correlation
    along = abs(float(difference @ expected)) / (norm(difference) * scale)
    if not (balanced and even and follows < _CORRELATED and along < _CORRELATED):
        return None
    evidence = (
        f"‖got - expected‖ / ‖expected‖ = {error:.1e}; the errors are of either sign and about {np.median(size):.1e} "
        "everywhere, however large the entry is, as cancellation leaves them."
    )
    return found("difference-quotient", None, evidence, "likely" if eps < _ROUGHEST else "possible")
