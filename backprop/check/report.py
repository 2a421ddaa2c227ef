"""Report: the result of a check from all that was seen, with what each wrong tensor is diagnosed to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array
from backprop.check.answers import Answer
from backprop.check.kinds import Finding, found
from backprop.check.numeric.directional import DirectionalCheck
from backprop.check.numeric.method import Curve
from backprop.check.numeric.verdict import TensorVerdict
from backprop.check.oracle import Behaviour, FunctionOracle
from backprop.check.patterns import difference
from backprop.check.points import Structure
from backprop.check.result import GradientCheck, TensorCheck, Verdict
from backprop.check.signatures import Suspect, signatures, unknown


@dataclass(frozen=True)
class Case:
    """What is checked: the form and the point, the gradient's answer, and how both functions behave.

    changed: a finding where a call of the gradient changes the function. in_float32: the gradient at the point
    rounded to float32, where it was asked because something is wrong.
    """

    structure: Structure
    point: Array
    outputs: tuple[int, ...]
    answer: Answer
    asked: Behaviour
    own: Behaviour
    batch_size: int | None
    changed: tuple[Finding, ...] = ()
    in_float32: dict[str, Array] | None = None


def result(
    case: Case,
    directional: DirectionalCheck | None,
    steps: Curve | None,
    verdicts: list[TensorVerdict],
    rows: Array,
    function: FunctionOracle,
    gradient_calls: int,
    late: list[Finding] | None = None,
) -> GradientCheck:
    """Put the verdicts together: wrong where anything of the gradient is, else undecided where anything is.

    A direction through all entries that contradicts the tensors' verdicts decides where they could not be compared
    wholly; where they are all right, the whole is undecided.
    """
    tensors = [_tensor(name, case, verdicts) for name in case.structure.names]
    findings = [*case.answer.findings, *case.asked.findings, *case.changed]
    is_wrong = bool(findings)
    if case.asked.repeatable and not case.changed:
        findings = _diagnosed(case, verdicts, findings, rows)
    is_wrong |= any(tensor.verdict == "wrong" for tensor in tensors)
    is_open = any(tensor.verdict == "undecided" for tensor in tensors) or case.own.has_state
    notes = [*case.answer.notes, *(each.note for each in verdicts if each.note)]
    if directional is not None and steps is not None and not is_wrong and np.any(steps.comparison.wrong):
        is_wrong = is_open and any(not each.finished for each in verdicts)
        is_open = True
        notes.append(_contradiction(steps))
    verdict: Verdict = "wrong" if is_wrong else "undecided" if is_open else "right"
    if case.own.has_state:
        notes.append("The function gives different values for equal calls: there is nothing to compare with.")
    if directional is not None and directional.disproved:
        notes.append("Complex steps contradict real difference quotients here; the latter were used.")
    if verdict == "right":
        notes += _blind_spots(case, tensors)
    return GradientCheck(
        verdict,
        tuple(tensors),
        (*findings, *case.own.findings, *(late or [])),
        _method(directional, function, verdicts),
        tuple(kink for each in verdicts for kink in each.kinks),
        steps.steps if steps else None,
        steps.taylor_slope if steps else None,
        function.calls,
        gradient_calls,
        tuple(notes),
    )


def _contradiction(steps: Curve) -> str:
    """The slope along a direction through all entries beside what the gradient says of it."""
    k = int(np.argmax(steps.comparison.wrong))
    found, claimed = float(steps.comparison.value[k]), float(steps.comparison.claimed[k])
    return (
        f"Along a random direction through all entries the slope of the function is {found:.6g}, and that of the "
        f"gradient is {claimed:.6g}."
    )


def _blind_spots(case: Case, tensors: list[TensorCheck]) -> list[str]:
    """What a right verdict says nothing about, because of the point that was chosen."""
    values = case.structure.views(case.point)
    ones = [name for name, value in values.items() if value.size and np.all(value == 1)]
    zero = [
        tensor.name
        for tensor in tensors
        if tensor.name in case.answer.tensors and not np.any(case.answer.tensors[tensor.name])
    ]
    notes = []
    if ones:
        notes.append(
            f"{_listed(ones)} is 1 in every entry: a factor that was left out or squared would not show."
        )
    if zero:
        notes.append(
            f"The gradient of {_listed(zero)} is 0 in every entry: its formula is not tested at this point."
        )
    return notes


def _listed(names: list[str]) -> str:
    return ", ".join(names[:6] + ["…"] * (len(names) > 6))


def _tensor(name: str, case: Case, verdicts: list[TensorVerdict]) -> TensorCheck:
    """The verdict of a tensor; one that cannot be compared, or has another shape, is wrong."""
    for each in verdicts:
        if each.tensor.name == name:
            check = each.tensor
            if name not in case.answer.reshaped:
                return check
            return TensorCheck(
                name, check.shape, "wrong", check.error, check.tolerance, check.compared, check.worst
            )
    if name in case.answer.tensors:  # it could be, but the function gives nothing to compare it with
        return TensorCheck(
            name, case.outputs + case.structure.leaf(name).shape, "undecided", np.nan, np.nan, 0
        )
    return TensorCheck(name, case.outputs + case.structure.leaf(name).shape, "wrong", np.inf, 0.0, 0)


def _diagnosed(
    case: Case, verdicts: list[TensorVerdict], findings: list[Finding], rows: Array
) -> list[Finding]:
    """The findings with those of each wrong tensor; a wrong shape that is a transpose is called that alone."""
    known = {each.tensor.name: each.known for each in verdicts if each.known is not None}
    findings = list(findings)
    for each in verdicts:
        name = each.tensor.name
        turned = name in case.answer.transposed
        if each.known is None or (each.tensor.verdict != "wrong" and not turned):
            continue
        places = case.structure.views(np.arange(case.structure.size))[name].reshape(-1)
        shape = each.tensor.shape
        raw = {**case.answer.tensors, **case.answer.reshaped}[name]
        suspect = Suspect(
            name,
            rows[:, places].reshape(shape),
            each.known,
            case.point[places] if not case.outputs else None,
            case.batch_size,
            {
                other: one
                for other, one in known.items()
                if other != name and one.values.shape == each.known.values.shape
            },
            turned,
            raw.dtype,
            None if case.in_float32 is None else case.in_float32.get(name),
        )
        named = signatures(suspect)
        if turned and any(finding.kind == "transposed" for finding in named):
            findings = [one for one in findings if (one.kind, one.tensor) != ("wrong-shape", name)]
        is_named = bool(named) or turned
        findings += named if is_named else [_unknown(suspect, each)]
    return findings


def _unknown(suspect: Suspect, judged: TensorVerdict) -> Finding:
    """No known signature; of a large tensor, where the search found the error to lie."""
    finding = unknown(suspect)
    worst = judged.tensor.worst
    if suspect.known.directions is None or not worst:
        return finding
    lies = judged.note or "It is spread over the tensor, or what was looked at of it."
    got, expected = np.array([one.got for one in worst]), np.array([one.expected for one in worst])
    seen = f"{finding.evidence} {lies} Of the worst entries: {difference(got, expected)}"
    return found("unknown", suspect.name, seen, "possible")


def _method(
    directional: DirectionalCheck | None, function: FunctionOracle, verdicts: list[TensorVerdict]
) -> str:
    """Where the truth came from, in words."""
    if directional is None:
        return "nothing was compared"
    how = "complex step" if directional.complex else "central differences with Richardson extrapolation"
    dtype = (function.dtype or function.structure.own_dtype).name
    whole = all(each.known is None or each.known.directions is None for each in verdicts)
    return f"{how} in {dtype}, {'every entry' if whole else 'random directions'}"
