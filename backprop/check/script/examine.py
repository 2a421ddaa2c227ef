"""Examining a script: is each gradient that its top level computes right, and which lines are wrong?

The script is run once as it stands; then again and again, as the function of all variables that `Script` makes it.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.evidence import FEWEST_CALLS, gather
from backprop.check.failures import UserError, user_error
from backprop.check.lines.events import array_of, probes
from backprop.check.lines.program import Program, random_numbers_kept
from backprop.check.lines.result import Lines
from backprop.check.lines.rounds import Rounds
from backprop.check.lines.trace import Step
from backprop.check.lines.tracing import steps_of
from backprop.check.look import probe
from backprop.check.oracle import Budget, FunctionOracle, OutOfCalls
from backprop.check.points import Structure, structure_of
from backprop.check.report import report
from backprop.check.result import GradientCheck, TensorCheck, Verdict
from backprop.check.script.program import Code, Script, flat, seed_random
from backprop.check.script.result import ScriptCheck, Variable
from backprop.check.script.source import Cell, changed, run_cell, slices
from backprop.check.script.variables import choose_values, gradients_by_name
from backprop.check.words import describe
from backprop.errors import CheckError, shown

_IF_RIGHT, _THOROUGH, _MOST_CALLS = 300, 2000, 20_000
"""Runs that suffice for a right script, however many variables it has; of a thorough check; of a search for lines."""
_IN_LOOP = (
    "The loss depends on gradients of earlier passes; for the wrong line check a script with a single pass."
)
_SHARE = 0.4
"""Of the time that is left: for the search for lines, and for a thorough check."""


def examine(
    cells: Sequence[Cell],
    target: str,
    loss: str,
    seconds: float,
    heard: Callable[[], None],
    wants_trace: bool = False,
) -> ScriptCheck:
    """The check of a script that is run in this process, as its main module, in the working directory.

    seconds: how long it may take. heard: called once the script has run as it stands, and printed what it prints.
    wants_trace: whether it is told of each line what its value is.
    Raises `UserError` where the script fails, `CheckError` where there is nothing to compare.
    """
    start, names = time.monotonic(), vars(sys.modules["__main__"])
    blank = dict(names)
    if any("torch" in cell.source for cell in cells):
        with contextlib.suppress(ImportError):
            importlib.import_module("torch")  # so that it has the same seed in the first run as in the second
    seed_random()
    for cell in cells:
        run_cell(cell, names, "The script")
    heard()
    first, code = flat(names), Code.of(cells)
    assigned = {name for each in code.statements for name in changed(each)}
    value = _loss(first, loss, assigned)
    gradients = gradients_by_name(assigned, first)
    if not gradients:
        raise CheckError(
            f"{target} computes nothing that is called a gradient; expected dx, d_x, grad_x or x_grad beside x."
        )
    script = _repeatable(code, names, blank, first, loss, dict(gradients), target)
    rng = np.random.default_rng(0)
    begun, chosen = time.monotonic(), choose_values(script, rng)
    if not script.gradients:
        raise CheckError(
            f"{loss} depends on no variable that has a gradient; expected one of {_some(gradients)}."
        )
    each_s = (time.monotonic() - begun) / script.runs
    left_s = seconds - (time.monotonic() - start)
    calls = min(_MOST_CALLS, int(_SHARE * left_s / each_s))
    if calls < FEWEST_CALLS:
        raise CheckError(
            f"A run of {target} from its first variable on takes {each_s:.2g} s, and a check takes some hundred; "
            f"expected a smaller problem, or a longer time limit than {seconds:g} s."
        )
    check, found = _judged(script, calls, rng, chosen.is_loop)
    notes = [*chosen.notes, found.note] if found.note else chosen.notes
    left_out = [f"{cell.name}, line {', '.join(map(str, cell.left_out))}" for cell in cells if cell.left_out]
    if left_out:
        notes.append(f"Lines for IPython alone are left out: {'; '.join(left_out)}.")
    return ScriptCheck(
        target,
        "wrong" if found.wrong else check.verdict,
        loss,
        value,
        tuple(_variables(script, check, found)),
        found.lines,
        tuple(chosen.missing),
        (*notes, *(() if found.wrong else check.notes)),
        script.runs,
        steps=_traced(script, found, calls) if wants_trace else (),
    )


def _traced(script: Script, found: Lines, calls: int) -> tuple[Step, ...]:
    """What the value of each line is, in at most so many calls; none where these do not suffice."""
    structure, x = structure_of(script.base, what="script")
    program = Program(script, structure, x, (), Budget(calls))
    with contextlib.suppress(OutOfCalls), np.errstate(all="ignore"):
        program.widen()
        base = program.run(wanted=None)
        if base is not None:
            return steps_of(program, base, script.code.sites, found)
    return ()


def _some(names: Iterable[str]) -> str:
    return ", ".join(list(names)[:3])


def _number(values: Mapping[str, Any], name: str) -> float | None:
    array = array_of(values.get(name))
    return float(array.reshape(())) if array is not None and array.size == 1 else None


def _loss(values: Mapping[str, Any], loss: str, assigned: set[str]) -> float:
    """The value of the loss; raises `CheckError` where there is none."""
    value = _number(values, loss)
    if value is None:
        numbers = [name for name in values if name in assigned and _number(values, name) is not None]
        near = dict.fromkeys([*difflib.get_close_matches(loss, numbers, 3, 0.3), *numbers])
        said = f"{loss} is {describe(values[loss])}" if loss in values else f"There is no variable {loss}"
        such = f", such as {_some(near)}" if near else ""
        raise CheckError(
            f"{said}; expected the name of the loss, one number, after --loss{such}, or the name of a function "
            "after the file, such as mine.py:gradient."
        )
    if not np.isfinite(value):
        raise CheckError(f"{loss} is {value}; expected a finite number.")
    return value


def _repeatable(
    code: Code,
    names: dict[str, Any],
    blank: dict[str, Any],
    first: Mapping[str, Any],
    loss: str,
    gradients: dict[str, str],
    target: str,
) -> Script:
    """The fewest statements that give the same loss and gradients; raises where not even all of them do."""
    error: CheckError | UserError | None = None
    for kept in slices(code.statements, {loss, *(each.partition("[")[0] for each in gradients.values())}):
        try:
            script = Script(code, kept, names, loss, gradients)
            script.start(blank)
            with probes(None):
                own_loss, own = script.run({})
        except BaseException as raised:  # of whatever kind: it is the user's
            error = user_error(raised, f"{target} could not be run a second time")
            continue
        pairs = {loss: own_loss, **{gradients[name]: each for name, each in own.items()}}
        differ = [name for name, again in pairs.items() if not _equal(again, first[name])]
        if not differ:
            return script
        once, twice = (_first_entry(each) for each in (first[differ[0]], pairs[differ[0]]))
        error = CheckError(
            f"{target} is random: {differ[0]} was {once} in one run and {twice} in the next; "
            "expected equal runs, from generators with a seed."
        )
    assert error is not None
    raise error


def _equal(one: Any, other: Any) -> bool:
    one, other = array_of(one), array_of(other)
    if one is None or other is None or one.shape != other.shape:
        return False
    return np.allclose(one, other, rtol=1e-6, atol=1e-6 * float(np.max(np.abs(other))), equal_nan=True)


def _first_entry(value: Any) -> str:
    array = array_of(value)
    return shown(value) if array is None else f"{float(array.reshape(-1)[0]):.10g}"


def _judged(
    script: Script, calls: int, rng: np.random.Generator, is_loop: bool
) -> tuple[GradientCheck, Lines]:
    """The verdicts, and the wrong lines.

    A right script is compared along directions through all variables, in few runs. Of a wrong one most variables are
    wrong: the search for the lines compares each. Where that sees nothing, the thorough check has the word.
    """
    with np.errstate(all="ignore"), random_numbers_kept():
        structure, x = structure_of(script.base, what="script")
        check = _verdicts(script, structure, x, min(calls, _IF_RIGHT), rng)
        if check.verdict == "right":
            return check, Lines(())
        program = Program(script, structure, x, (), Budget(calls))
        lines, tensors = (Lines((), note=_IN_LOOP), ()) if is_loop else _searched(program, script, check, rng)
        if lines.wrong:
            return replace(check, tensors=tensors), lines
        return _verdicts(script, structure, x, min(calls, _THOROUGH), rng), lines


def _searched(
    program: Program, script: Script, check: GradientCheck, rng: np.random.Generator
) -> tuple[Lines, tuple[TensorCheck, ...]]:
    """The wrong lines of a script, and the verdicts that the search has come to."""
    try:
        program.widen()
        base = program.run(wanted=None)
        if base is None:
            return Lines(()), ()
        rounds = Rounds(program, base, script.code.sites, rng, script.events)
        truth = rounds.truth
        errors = {name: truth.error(name) for name in script.gradients}
    except OutOfCalls:
        return Lines((), note=_TOO_LONG), ()
    rounds.run()
    left = [name for name in rounds.wrong if not any(name in line.tensors for line in rounds.lines)]
    note = _IN_TURN if program.believed and len(rounds.lines) > 1 else ""
    if left:
        nowhere = f"No line was found that makes {script.gradients[left[0]]} wrong."
        note = _STOPPED if rounds.lines else nowhere
    tensors = []
    for one in check.tensors:
        verdict: Verdict = "wrong" if one.name in rounds.wrong else "right"
        seen = replace(one, verdict=verdict, error=errors[one.name], tolerance=truth.rtol, worst=())
        tensors.append(seen)
    note = _TOO_LONG if rounds.is_stopped else note
    return Lines(tuple(rounds.lines), rounds.wrong, tuple(left), note), tuple(tensors)


_TOO_LONG = "The search for lines was not ended in time; expected a longer time limit."
_IN_TURN = "What a line should give is told for the values that the wrong lines before it have given."
_STOPPED = "There may be more wrong lines after the last one that is named: correct it, and check again."


def _verdicts(
    script: Script, structure: Structure, x: Array, calls: int, rng: np.random.Generator
) -> GradientCheck:
    with probes(None):
        oracle = FunctionOracle(lambda at: script(at)[0], structure, x, Budget(calls))
        seen = gather(oracle, lambda at: script(at)[1], rng)
        return report(seen, partial(probe, seen))


def _variables(script: Script, check: GradientCheck, found: Lines) -> list[Variable]:
    """All variables, in the order of the last lines of their gradients."""
    names, sites = script.code.variables, script.code.sites
    last = {names[site.number]: site for site in sites.values() if site.number in names}
    last |= {each: last[each.partition("[")[0]] for each in script.gradients.values() if each not in last}
    rows = []
    for one in sorted(check.tensors, key=lambda each: last[script.gradients[each.name]].number):
        site, because, kind = last[script.gradients[one.name]], None, ""
        if found.wrong:
            because = next((k for k, line in enumerate(found.lines) if one.name in line.tensors), None)
        elif one.verdict == "wrong":
            kind = next((each.kind for each in check.findings if each.tensor == one.name), "")
        error = one.error if np.isfinite(one.error) else None
        rows.append(
            Variable(
                one.name,
                script.gradients[one.name],
                site.path,
                site.line,
                one.verdict,
                error,
                one.tolerance,
                kind if because is None else found.lines[because].kind,
                because,
                one.worst,
            )
        )
    return rows
