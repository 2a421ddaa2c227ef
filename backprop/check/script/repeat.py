"""Repeating a script: the fewest statements that give the same loss and gradients once more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from backprop.check.failures import UserError, user_error
from backprop.check.lines.events import array_of, probes
from backprop.check.script.code import Code, root_of, slices
from backprop.check.script.program import Script
from backprop.check.script.training import training_loops
from backprop.errors import CheckError, shown


def repeatable(
    code: Code,
    names: dict[str, Any],
    blank: dict[str, Any],
    first: Mapping[str, Any],
    loss: str,
    gradients: Mapping[str, str],
    target: str,
) -> Script:
    """The fewest statements that give the same loss and gradients; raises where not even all of them do.

    Of loops that train it is the first turn. first: the loss and the gradients that the script gave as it stands.
    """
    wanted = {loss, *map(root_of, gradients.values())}
    few, more, all_ = (
        Script(code, kept, names, loss, dict(gradients)) for kept in slices(code.statements, wanted)
    )
    loops = training_loops(more, blank)
    error: CheckError | UserError | None = None
    if loops:
        first = {}
    for script in [all_, few, more, all_] if loops else [few, more, all_]:
        script.limits = dict.fromkeys(loops, 1)
        try:
            script.start(blank)
            with probes(None):
                own_loss, own = script.run({})
        except BaseException as raised:  # of whatever kind: it is the user's
            error = user_error(raised, f"{target} could not be run a second time")
            continue
        pairs = {loss: own_loss, **{gradients[name]: each for name, each in own.items()}}
        if not first:
            first = pairs
            continue
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
    size = float(np.max(np.abs(other)))
    slack = 1e-6 * size if np.isfinite(size) else 0.0
    return np.allclose(one, other, rtol=1e-6, atol=slack, equal_nan=True)


def _first_entry(value: Any) -> str:
    array = array_of(value)
    return shown(value) if array is None else f"{float(array.reshape(-1)[0]):.10g}"
