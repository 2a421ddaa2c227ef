"""Report: the result of a check from all that was seen, with what each wrong tensor is diagnosed to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from backprop.check.evidence import Evidence
from backprop.check.factors import one_delta, shared_factor
from backprop.check.kinds import Finding
from backprop.check.numeric.verdict import TensorVerdict
from backprop.check.patterns import Known, Suspect, difference
from backprop.check.rearranged import invariance, mask_left_out
from backprop.check.result import GradientCheck, TensorCheck, Verdict
from backprop.check.signatures import signatures, unknown
from backprop.check.words import some
from backprop.verify.agreement import norm

_SHAPES = ("transposed", "axes-not-summed", "summed-over-too-many-axes")
"""Mistakes that say why a shape is wrong."""
_NONLINEAR = "not-linear-in-upstream"
_MAY_BE_NONLINEAR = (
    "lower-precision",
    "wrong-dtype",
    "weight-decay-extra",
    "weight-decay-missing",
    "clipped",
    "relu-of-delta",
)
"""Mistakes that say why a gradient is not linear in its upstream gradient; beside others it is what is wrong."""


Look = Callable[[list[str]], dict[str, Finding]]
"""From the names of tensors that have no known signature to what more calls tell of them."""


def report(seen: Evidence, look: Look = lambda names: {}) -> GradientCheck:
    """Put the verdicts together: wrong where anything of the gradient is, else undecided where anything is.

    A direction through all entries that contradicts the tensors' verdicts decides where they could not be compared
    wholly; where they are all right, the whole is undecided.
    """
    structure, steps = seen.function.structure, seen.steps
    tensors = [_tensor(name, seen) for name in structure.names]
    findings = [*seen.answer.findings, *seen.asked.findings]
    later = [*seen.own.findings]
    (findings if seen.changes_the_function else later).extend(seen.changed)
    is_wrong = bool(findings)
    if seen.asked.repeatable and not seen.changes_the_function:
        findings = _diagnosed(seen, findings, look)
    is_wrong |= any(tensor.verdict == "wrong" for tensor in tensors)
    is_open = any(tensor.verdict == "undecided" for tensor in tensors) or seen.own.has_state
    notes = [*_conventions(seen), *seen.answer.notes, *(each.note for each in seen.verdicts if each.note)]
    if steps is not None and not is_wrong and np.any(steps.comparison.wrong):
        is_wrong = is_open and any(not each.finished for each in seen.verdicts)
        is_open = True
        k = int(np.argmax(steps.comparison.wrong))
        notes.append(
            f"Along a random direction through all entries the slope of the function is "
            f"{float(steps.comparison.value[k]):.6g}, and that of the gradient is "
            f"{float(steps.comparison.claimed[k]):.6g}."
        )
    verdict: Verdict = "wrong" if is_wrong else "undecided" if is_open else "right"
    if seen.own.has_state:
        notes.append("The function gives different values for equal calls: there is nothing to compare with.")
    if seen.check is not None and seen.check.disproved:
        notes.append("Complex steps contradict real difference quotients here; the latter were used.")
    if verdict == "right":
        notes += _blind_spots(seen)
    return GradientCheck(
        verdict,
        tuple(tensors),
        (*findings, *later),
        _method(seen),
        tuple(kink for each in seen.verdicts for kink in each.kinks),
        steps.steps if steps else None,
        steps.taylor_slope if steps else None,
        seen.function.calls,
        seen.gradient_calls,
        tuple(notes),
    )


def _tensor(name: str, seen: Evidence) -> TensorCheck:
    """The verdict of a tensor; one that cannot be compared, or has another shape, is wrong."""
    for each in seen.verdicts:
        if each.tensor.name == name:
            is_wrong = name in seen.answer.reshaped or name in seen.named
            return replace(each.tensor, verdict="wrong") if is_wrong else each.tensor
    shape = seen.function.shape_of(name)
    if name in seen.answer.tensors:  # it could be, but the function gives nothing to compare it with
        return TensorCheck(name, shape, "undecided", np.nan, np.nan, 0)
    return TensorCheck(name, shape, "wrong", np.inf, 0.0, 0)


def _conventions(seen: Evidence) -> list[str]:
    """How the gradient by a complex parameter is written."""
    complex_ones = [leaf for leaf in seen.function.structure.leaves if leaf.is_complex]
    if not complex_ones:
        return []
    sign, whose = ("-", "JAX") if complex_ones[0].conjugate else ("+", "PyTorch")
    names = some([leaf.name for leaf in complex_ones])
    return [
        f"{names} is complex, x + iy: its gradient is ∂L/∂x {sign} i ∂L/∂y, as {whose} has it. Its last axis holds "
        "the real and the imaginary part."
    ]


def _blind_spots(seen: Evidence) -> list[str]:
    """Sentences about what a right verdict cannot show at the point that was chosen."""
    values, tensors = seen.function.structure.views(seen.function.point), seen.answer.tensors
    ones = [name for name, value in values.items() if value.size and np.all(value == 1)]
    zero = [name for name in values if name in tensors and not np.any(tensors[name])]
    notes = []
    if ones:
        told = "is 1 in every entry: a factor that was left out or squared would not show."
        notes.append(f"{some(ones)} {told}")
    if zero:
        told = "is 0 in every entry: its formula is not tested at this point."
        notes.append(f"The gradient of {some(zero)} {told}")
    return notes


def _diagnosed(seen: Evidence, findings: list[Finding], look: Look) -> list[Finding]:
    """The findings with those of each wrong tensor; a wrong shape that is a transpose is called that alone."""
    left: list[tuple[Suspect, TensorVerdict]] = []
    named_ones: list[tuple[Suspect, list[Finding]]] = []
    for each in seen.verdicts:
        name = each.tensor.name
        proven = seen.named.get(name)
        if proven is not None and (not each.wrong or proven.kind != _NONLINEAR):
            findings = [*findings, proven]
            continue
        reshaped = name in seen.answer.transposed or name in seen.answer.summed
        if each.known is None or (each.tensor.verdict != "wrong" and not reshaped):
            continue
        suspect = _suspect(seen, each, each.known)
        named = signatures(suspect)
        if reshaped and any(finding.kind in _SHAPES for finding in named):
            findings = [one for one in findings if (one.kind, one.tensor) != ("wrong-shape", name)]
        if proven is not None:
            named = [one for one in named if one.kind in _MAY_BE_NONLINEAR] or [proven]
        findings = findings + named
        if not named and not reshaped:
            left.append((suspect, each))
        named_ones.append((suspect, named))
    alike = {each.name: shared_factor(each, named_ones) for each, _ in left}
    names = [each.name for each, _ in left if not alike[each.name]]
    more = look(names) if names else {}
    more = {**one_delta([each for each, _ in left]), **more}
    for suspect, each in left:
        finding = more.get(suspect.name)
        last = alike[suspect.name] or invariance(suspect) or mask_left_out(suspect)
        findings = findings + ([finding] if finding else last or [_unknown(suspect, each)])
    return findings


def _suspect(seen: Evidence, verdict: TensorVerdict, known: Known) -> Suspect:
    """A wrong tensor with all that was seen of it."""
    name, function, answer = verdict.tensor.name, seen.function, seen.answer
    places = function.structure.places[name]
    truths = {each.tensor.name: each.known for each in seen.verdicts if each.known is not None}
    return Suspect(
        name,
        got=seen.rows[:, places].reshape(verdict.tensor.shape),
        known=known,
        parameter=None if function.outputs else function.point[places],
        batch_size=seen.batch_size,
        truths={other: one for other, one in truths.items() if other != name},
        turned=name in answer.transposed,
        raw_dtype=answer.comparable[name].dtype,
        in_float32=(seen.in_float32 or {}).get(name),
        is_complex=function.structure.leaf(name).is_complex,
        point=function.structure.views(function.point),
        total=norm(seen.rows),
        summed=answer.summed.get(name, ()),
        raw_shape=answer.shapes.get(name),
        linear=name in seen.linear,
        outputs=function.outputs,
    )


def _unknown(suspect: Suspect, judged: TensorVerdict) -> Finding:
    """No known signature; of a large tensor, where the search found the error to lie."""
    finding = unknown(suspect)
    worst = judged.tensor.worst
    if suspect.known.directions is None or not worst:
        return finding
    lies = judged.note or "It is spread over the tensor, or over those of its entries that were looked at."
    got, expected = np.array([one.got for one in worst]), np.array([one.expected for one in worst])
    evidence = f"{finding.evidence} {lies} Of the worst entries: {difference(got, expected)}"
    return replace(finding, evidence=evidence)


def _method(seen: Evidence) -> str:
    """Where the truth came from, in words."""
    if seen.check is None:
        return "nothing was compared"
    how = "complex step" if seen.check.complex else "central differences with Richardson extrapolation"
    dtype = (seen.function.dtype or seen.function.structure.format).name
    whole = all(each.known is None or each.known.directions is None for each in seen.verdicts)
    return f"{how} in {dtype}, {'every entry' if whole else 'random directions'}"
