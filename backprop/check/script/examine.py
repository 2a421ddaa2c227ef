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
from backprop.check.lines.events import array_of, probes
from backprop.check.lines.program import Program
from backprop.check.lines.result import Lines
from backprop.check.lines.sites import Site, stem
from backprop.check.lines.steps import search_in, too_few
from backprop.check.lines.tensors import DIRECTIONS
from backprop.check.lines.trace import Step
from backprop.check.lines.tracing import steps_of
from backprop.check.lines.truth import Truth
from backprop.check.look import probe
from backprop.check.oracle import Budget, FunctionOracle, OutOfCalls
from backprop.check.points import Structure, structure_of
from backprop.check.report import report
from backprop.check.result import GradientCheck, TensorCheck, Verdict
from backprop.check.script.code import Code, changed, root_of
from backprop.check.script.program import Script, flat, seed_random
from backprop.check.script.repeat import repeatable
from backprop.check.script.result import ScriptCheck, Variable, shown_place
from backprop.check.script.source import Cell, run_cell
from backprop.check.script.variables import Chosen, choose_values, gradients_by_name, meant_otherwise
from backprop.check.words import describe, listed
from backprop.errors import CheckError

_IF_RIGHT, _THOROUGH, _MOST_CALLS = 300, 2000, 20_000
"""Runs that suffice for a right script, however many variables it has; of a thorough check; of a search for lines."""
_IN_LOOP = (
    "The loss depends on gradients of earlier passes; for the wrong line check a script with a single pass."
)
_FIRST_TURN = (
    "The loop{1} of {0} train{2}: what is checked is {3} first turn, with the loss and the gradients of it."
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
    code = code.with_parts(gradients.keys() - set(code.variables.values()), loss)
    script = repeatable(code, names, blank, first, loss, gradients, target)
    rng = np.random.default_rng(0)
    if script.limits:
        with probes(None):
            value = float(np.reshape(script.run({})[0], ()))
    if not np.isfinite(value):
        raise CheckError(f"{loss} is {value}; expected a finite number.")
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
    check, found = _judged(script, calls, rng, chosen)
    notes = []
    if script.limits:
        loops = [shown_place(*code.cell_of(each), target) for each in script.limits]
        notes.append(
            _FIRST_TURN.format(listed(loops), *(("s", "", "their") if len(loops) > 1 else ("", "s", "its")))
        )
    notes += [*chosen.notes, found.note] if found.note else chosen.notes
    notes += [each.evidence for each in check.findings if each.tensor is None]
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
    return value


def _judged(
    script: Script, calls: int, rng: np.random.Generator, chosen: Chosen
) -> tuple[GradientCheck, Lines]:
    """The verdicts, and the wrong lines.

    A right script is compared along directions through all variables, in few runs. Of a wrong one most variables are
    wrong: the search for the lines compares each. Where that sees nothing, the thorough check has the word.
    """
    with np.errstate(all="ignore"):
        structure, x = structure_of(script.base, what="script")
        check = _verdicts(script, structure, x, min(calls, _IF_RIGHT), rng)
        if check.verdict == "right":
            return check, Lines(())
        if notes := meant_otherwise(script, rng):
            chosen.notes += notes
            return _judged(script, calls, rng, chosen)
        program = Program(script, structure, x, (), Budget(calls))
        lines, tensors = (
            (Lines((), note=_IN_LOOP), ()) if chosen.is_loop else _searched(program, script, check, rng)
        )
        if lines.wrong:
            return replace(check, tensors=tensors), lines
        return _verdicts(script, structure, x, min(calls, _THOROUGH), rng), lines


def _searched(
    program: Program, script: Script, check: GradientCheck, rng: np.random.Generator
) -> tuple[Lines, tuple[TensorCheck, ...]]:
    """The wrong lines of a script, and the verdicts that the search has come to."""
    lines = search_in(program, script.exchanged, rng, script.events)
    if not lines.wrong:
        return lines, ()
    note = _IN_TURN if program.believed and len(lines.lines) > 1 else ""
    if lines.unplaced:
        nowhere = f"No line was found that makes {script.gradients[lines.unplaced[0]]} wrong."
        note = _STOPPED if lines.lines else nowhere
    note = _TOO_LONG if lines.note == too_few(program) else note
    unrepaired = replace(program.as_written(), budget=Budget(1 + 2 * DIRECTIONS * len(check.tensors)))
    base = unrepaired.run()
    assert base is not None
    truth, tensors = Truth(unrepaired, base, np.random.default_rng(0)), []
    for one in check.tensors:
        verdict: Verdict = "wrong" if one.name in lines.wrong else "right"
        error = truth.error(one.name)
        tensors.append(replace(one, verdict=verdict, error=error, tolerance=truth.rtol, worst=()))
    return replace(lines, note=note), tuple(tensors)


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
    by_stem = {site.stem: site for site in sites.values() if site.name and site.role in ("value", "change")}
    for each in script.gradients.values():
        if each not in last and (
            site := last.get(root_of(each)) if "['" in each else by_stem.get(stem(each))
        ):
            last[each] = site
    nowhere, rows = Site(0, "", 0, 0, "value", "", ""), []
    for one in sorted(check.tensors, key=lambda each: last.get(script.gradients[each.name], nowhere).number):
        site, because, kind = last.get(script.gradients[one.name], nowhere), None, ""
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
