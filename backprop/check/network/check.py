"""The check of a network's gradient: the truth in closed form, every entry within its rounding, and what is wrong.

    function(params, inputs, labels) -> {"W1": …, "b1": …} or (loss, {"W1": …, "b1": …})

The truth is the closed form in extended precision, so that no step has to be chosen and nothing but rounding is left
between it and a right gradient; how much that may be follows from the network, the batch and the dtype.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.answers import Answer, value_and_gradient
from backprop.check.behaviour import Behaviour, observe
from backprop.check.kinds import Finding
from backprop.check.lines import Lines
from backprop.check.lines.find import with_lines
from backprop.check.lines.steps import search
from backprop.check.network.diagnosis import Diagnosis, diagnose_network, shape_mistakes
from backprop.check.network.layouts import Layout, orientation_of
from backprop.check.network.lines import program_of_network
from backprop.check.network.loss_value import check_loss
from backprop.check.network.outside import check_layers
from backprop.check.network.reading import GradientFunction, Reading, told_apart
from backprop.check.network.truth import Truth, truth_for
from backprop.check.oracle import MAX_CALLS
from backprop.check.result import GradientCheck, TensorCheck, verdict_of
from backprop.check.settings import check_rtol
from backprop.check.words import listed
from backprop.errors import CheckError, OptionError, shown
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.verify import REFERENCE

_SHRUNK, _SHIFT, _SMALLER = (0.5, 0.9), 0.01, 0.8
"""The other point of `observe`: random factors, a shift, which moves zeros as well, and a factor of the inputs."""


def check_network_gradient(
    network: Network,
    function: GradientFunction | Reading | Any,
    params: Parameters,
    batch: Batch,
    rng: np.random.Generator,
    *,
    weight_decay: float = 0.0,
    rtol: float | None = None,
    layout: str | None = None,
    max_calls: int = MAX_CALLS,
    source: Callable[..., Any] | None = None,
) -> GradientCheck:
    """Check the gradient of a network's loss, derived by hand, at `params` on `batch`.

    `function` is called with a dict of the parameters by name, the inputs (n, i) and the labels (n,), all of them
    copies; it returns the gradients as such a dict, or a pair (loss, gradients). A function that wants another layout
    is called in that one (`Reading`), and the notes say so. Gradients, or such a pair, may stand in the place of the
    function.

    rng: makes the other arguments of the call with which state is looked for. source: whose code it is, where
    `function` only calls it; the code behind a `Reading` is not searched. The rest is as for `check_network`.
    Of the parameters the weights of the linear layers decay, and no others.

    Raises `OptionError` for an `rtol` that is no number between 0 and 1 or a `weight_decay` below 0, `CheckError`
    where what is returned is no gradient, where two layouts fit, or where a layer contradicts itself, the errors of
    `Network.batch` and `Network.check_parameters` for arguments that do not fit, and whatever `function` raises.
    """
    check_rtol(rtol)
    if not (isinstance(weight_decay, Real) and 0 <= weight_decay < math.inf):
        raise OptionError(
            f"The weight decay is {shown(weight_decay)}; expected a finite number of at least 0."
        )
    network.check_parameters(params)
    batch = network.batch(batch.inputs, batch.labels, params.dtype)
    reading = (
        function
        if isinstance(function, Reading)
        else Reading(function, network, params, orientation_of(layout))
    )
    seen = observe(
        reading,
        (dict(params), batch.inputs, batch.labels),
        _elsewhere(network, params, batch, rng),
        names=("params", "inputs", "labels"),
    )
    check = _judged(reading, seen, network, params, batch, weight_decay, rtol or 0.0)
    if function is reading or not reading.is_function or not max_calls:
        return check

    def look() -> Lines:
        layout = reading.layout or Layout()
        program = program_of_network(function, network, params, batch, layout, weight_decay, max_calls)
        return search(program, [source or function])

    return with_lines(check, look)


def _judged(
    reading: Reading,
    seen: Behaviour,
    network: Network,
    params: Parameters,
    batch: Batch,
    weight_decay: float,
    rtol: float,
) -> GradientCheck:
    """The result of a check, by what the function gave."""
    layout = reading.layout or Layout()
    loss, gradient = value_and_gradient(seen.answer, reading.structure(layout))
    answer = reading.read(gradient)
    check_layers(network, params, batch)
    truth = truth_for(network, params, batch, answer.comparable, weight_decay, rtol)
    tensors, wrong = _compare(answer, truth)
    if reading.is_function and wrong and not answer.findings and not seen.findings:
        _refuse_other_layouts(reading, truth)
    findings, notes = _said([*map(_by_name, seen.findings)], answer, tensors, wrong, loss, truth)
    kinks, count = truth.kinks()
    if count > len(kinks):
        notes.append(f"{count} entries lie at kinks; {len(kinks)} of them are listed.")
    verdicts = {tensor.verdict for tensor in tensors}
    check = GradientCheck(
        verdict_of(wrong=bool(findings) or "wrong" in verdicts, undecided="undecided" in verdicts),
        tuple(tensors),
        tuple(findings),
        REFERENCE,
        kinks,
        gradient_calls=seen.calls if reading.is_function else 0,
        notes=(*([reading.note] if reading.note else []), *notes),
    )
    return layout.shown(check, network)


def _said(
    findings: list[Finding],
    answer: Answer,
    tensors: list[TensorCheck],
    wrong: frozenset[str],
    loss: Any,
    truth: Truth,
) -> tuple[list[Finding], list[str]]:
    """The findings of the calls with those of the tensors and of the loss, and what else is to be said."""
    findings = [*findings, *shape_mistakes(answer, truth)]
    notes = [*answer.notes, *_blind_points(tensors, truth), *_for_one_sample(findings, answer, truth)]
    if any(finding.kind == "not-repeatable" for finding in findings):
        first = (
            "The tensors are those of the first call; what is wrong with a random answer is not looked for."
        )
        return findings, [*notes, first]
    findings, more = _diagnosed(findings, answer, tensors, wrong, loss, truth)
    return findings, [*notes, *more]


def _diagnosed(
    findings: list[Finding],
    answer: Answer,
    tensors: list[TensorCheck],
    wrong: frozenset[str],
    loss: Any,
    truth: Truth,
) -> tuple[list[Finding], list[str]]:
    """The findings with what is wrong with the tensors and the loss, and a note where the loss is slightly off."""
    decided = {each.name for each in tensors if each.verdict != "undecided"}
    comparable = {name: tensor for name, tensor in answer.comparable.items() if name in decided}
    diagnosis = diagnose_network(comparable, wrong, truth) if wrong else Diagnosis([])
    # The values of a tensor that had to be spread over its shape are unknown, or told by its shape.
    told = {each.tensor for each in findings if each.kind != "wrong-shape"}
    told |= {each.tensor for each in diagnosis.findings if each.kind == "unknown"}
    findings = findings + [
        each for each in diagnosis.findings if each.tensor not in told & answer.shapes.keys()
    ]
    if loss is None:
        return findings, []
    finding, note = check_loss(loss, truth, diagnosis.loss)
    return _with_loss(findings, finding), [note] if note else []


def _refuse_other_layouts(reading: Reading, truth: Truth) -> None:
    """Raise `CheckError` where a gradient that is wrong in the layout found is right in another that fits."""
    batch, decay, rtol = truth.batch, truth.weight_decay, truth.rtol
    own = reading.layout or Layout()
    for layout, answer, *_ in reading.others(truth.params, batch.inputs, batch.labels):
        _, gradient = value_and_gradient(answer, reading.structure(layout))
        read = reading.read(gradient, layout)
        other = truth_for(truth.network, truth.params, batch, read.comparable, decay, rtol)
        if not _compare(read, other)[1]:
            mine, theirs = (each.words(truth.network) for each in (own, layout))
            raise CheckError(
                f"The gradient is wrong with {mine}, and right with {theirs}: the shapes do not tell which it is; "
                f"expected {told_apart([own.orientation, layout.orientation])}."
            )


def _by_name(finding: Finding) -> Finding:
    """A tensor of a pair (loss, gradients) by its name alone."""
    evidence = finding.evidence.replace("[1].", "").replace(": [0] []", ": the loss")
    return replace(finding, evidence=evidence)


def _elsewhere(
    network: Network, params: Parameters, batch: Batch, rng: np.random.Generator
) -> tuple[dict[str, Array], Array, Array]:
    """Arguments of the same shapes in which every number is another one."""
    dtype = params.dtype
    moved = {
        name: (params[name] * rng.uniform(*_SHRUNK) + _SHIFT).astype(dtype, copy=False) for name in params
    }
    shuffled = rng.permutation(len(batch.labels))
    inputs = (batch.inputs[shuffled] * dtype.type(_SMALLER)).astype(dtype, copy=False)
    return moved, inputs, (batch.labels[shuffled] + 1) % network.label_classes


def _compare(answer: Answer, truth: Truth) -> tuple[list[TensorCheck], frozenset[str]]:
    """Every tensor's verdict in the parameters' order, and the names of those with a wrong entry.

    A tensor that is missing or has another shape than its parameter is wrong, and has no error in the parameter's
    shape. Its values are compared nevertheless where they can be reshaped: they may be wrong, too.
    """
    tensors, wrong = [], set()
    got = answer.comparable
    for name in truth.params:
        check = TensorCheck(name, truth.params[name].shape, "wrong", np.nan, np.nan, 0)
        if name in got:
            compared, where = truth.compare(name, got[name])
            wrong |= {name} if where.any() else set()
            if name not in answer.reshaped or compared.verdict == "wrong":
                check = compared
        tensors.append(check)
    return tensors, frozenset(wrong)


def _blind_points(tensors: list[TensorCheck], truth: Truth) -> list[str]:
    """Sentences about mistakes that could not be seen at this point."""
    notes = []
    zero = [name for name in truth.params if not np.any(truth.gradient[name]) or truth.vanishes(name)]
    if zero:
        notes.append(
            f"The true gradient of {listed(zero)} is 0 in every entry here, so that its formula is not tested: "
            "check at other parameters or inputs, too."
        )
    if len(truth.batch.labels) == 1:
        notes.append(
            "With one sample a sum over the batch and a mean are the same: check a larger batch, too."
        )
    reasons = [truth.hidden(each.name) for each in tensors if each.verdict == "undecided"]
    return notes + [reason for reason in reasons if reason]


def _for_one_sample(findings: list[Finding], answer: Answer, truth: Truth) -> list[str]:
    """What to do with a function of one sample, of which every bias has a value for every sample of the batch."""
    biases, n = {names["b"] for names in truth.network.names if "b" in names}, len(truth.batch.labels)
    by_sample = {
        each.tensor
        for each in findings
        if each.kind == "bias-not-summed"
        and each.tensor not in answer.tensors
        and n in answer.shapes.get(each.tensor or "", (n,))
    }
    if n == 1 or not biases or by_sample != biases:
        return []
    return [
        "A function that is written for one sample at a time is checked with one: --batch 1, or inputs and labels of "
        "one row."
    ]


def _with_loss(findings: list[Finding], finding: Finding | None) -> list[Finding]:
    """A loss that is wrong in the way in which the whole gradient is adds to that finding's evidence."""
    if finding is None:
        return findings
    for place, other in enumerate(findings):
        if other.kind == finding.kind and (other.tensor is None or "follows" in finding.evidence):
            joined = replace(other, evidence=f"{other.evidence} {finding.evidence}")
            return [*findings[:place], joined, *findings[place + 1 :]]
    return [*findings, finding]
