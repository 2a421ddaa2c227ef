"""The check: the user's function is called in its own process, and what it returns is judged in this one.

This process never imports the user's file, so that no global which the file changes can change a verdict.
"""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from backprop.arrays import Array
from backprop.bench.budget import at_most
from backprop.bench.check.job import Job
from backprop.bench.check.process import LateError, UserProcess
from backprop.bench.record import to_json
from backprop.check.failures import UserError
from backprop.check.lines import Lines, Trace
from backprop.check.network import check_network_gradient
from backprop.check.network.layouts import Layout, orientation_of
from backprop.check.network.reading import Reading
from backprop.errors import BackpropError, CheckError

if TYPE_CHECKING:
    from backprop.check.result import GradientCheck

_LATE = "The time was up before the cost was measured."
_GRACE_S = 5.0  # a process that gives no answer is ended meanwhile, and that is what is said


@dataclass(frozen=True)
class Checked:
    """The result. error: why there is no check; traceback: the user's lines; printed: the output of the user's code.

    without_costs: why there are no costs, though there is a verdict. found: the lines that are wrong where the
    verdict is, and the whole backward pass where it was asked for.
    """

    check: dict[str, Any] | None = None
    costs: list[dict[str, Any]] = field(default_factory=list)
    network: str = ""
    error: str | None = None
    traceback: str | None = None
    printed: str = ""
    without_costs: str | None = None
    found: Trace | None = None


def check_target(job: Job, timeout_s: float, memory_bytes: float, trace: bool = False) -> Checked:
    """Check the job's function and measure its cost, within `timeout_s` and `memory_bytes` of each process.

    trace: whether the whole backward pass is looked at, in place of the cost.

    Raises `ThreadError` for a thread count that this machine does not have.
    """
    found: dict[str, Any] = {}
    late = CheckError(f"{job.target} was not checked within {timeout_s:g} s; expected a longer --timeout.")
    with UserProcess(job, timeout_s, memory_bytes) as user:
        try:
            with at_most(timeout_s + _GRACE_S, late):
                found = _check(job, user, memory_bytes, trace)
        except UserError as error:
            found = {"error": str(error), "traceback": error.lines}
        except BackpropError as error:
            found = {"error": str(error)}
    return Checked(**found, printed=user.printed)


def _check(job: Job, user: UserProcess, memory_bytes: float, trace: bool) -> dict[str, Any]:
    network, orientation = job.network(), orientation_of(job.layout)
    rng = np.random.default_rng(job.seed)
    params, batch = job.sample(network, rng, memory_bytes)
    note = user.wait_until_loaded()
    reading = Reading(user, network, params, orientation)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they would be of the check's own arithmetic
        check = check_network_gradient(
            network, reading, params, batch, rng, weight_decay=job.weight_decay, rtol=job.rtol
        )
    if note:
        check = dataclasses.replace(check, notes=(note, *check.notes))
    _refuse_wrong_names(check, ", ".join(params))
    found: dict[str, Any] = {"check": to_json(check), "network": str(network)}
    given, layout = (dict(params), batch.inputs, batch.labels), reading.layout or Layout()
    if not trace:
        changes = any(finding.kind == "modifies-arguments" for finding in check.findings)
        found |= _costs(user, given, changes, layout)
    if trace or check.verdict == "wrong":
        found["found"] = seen = _lines(user, given, layout, trace)
        found["check"] |= {"lines": to_json(seen.lines.to_dict())}
    return found


_Given = tuple[dict[str, Array], Array, Array]


def _costs(user: UserProcess, given: _Given, changes: bool, layout: Layout) -> dict[str, Any]:
    try:
        return {"costs": to_json(user.costs(given, changes, layout))}
    except LateError:
        return {"without_costs": _LATE}
    except BackpropError as error:  # at a later call than those of the check; the verdict stands
        return {"without_costs": f"The cost was not measured: {error}"}


def _lines(user: UserProcess, given: _Given, layout: Layout, trace: bool) -> Trace:
    try:
        return user.lines(given, layout, trace)
    except LateError:
        return Trace((), Lines((), note="The time was up before the line was found."))
    except BackpropError as error:
        return Trace((), Lines((), note=f"The line was not looked for: {error}"))


def _refuse_wrong_names(check: GradientCheck, expected: str) -> None:
    names = [finding for finding in check.findings if finding.kind == "wrong-name"]
    if names:
        said = names[0].evidence.rstrip(".")
        raise CheckError(f"The gradient has wrong names: {said[0].lower()}{said[1:]}; expected {expected}.")
