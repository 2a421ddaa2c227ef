"""Variables of a script: which of them is called the gradient of which, and by which of its values it is one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.events import Event, Recorder, array_of, probes
from backprop.check.lines.sites import stem
from backprop.check.script.program import Script
from backprop.check.words import is_gradient_of

_LOOKED_AT = 4
"""Values of a variable that are looked at: the last ones."""
_SIZES = (np.nan, 1e-4, 1e-2, 1.0)
"""Of a value's own size: by how much it is moved to see whether the loss depends on it. NaN spreads."""


_GRADIENTS = re.compile(
    r"(?:(?:d|g|grads?|gradients?|derivatives?)(?:_?(?:params?|parameters?|weights?))?"
    r"|(?:params?|parameters?|weights?)_(?:grads?|gradients?))\[.*",
    re.IGNORECASE,
)
"""An entry of a dict of gradients, which may be called what its parameter is called."""


def gradients_by_name(assigned: set[str], values: Mapping[str, Any]) -> dict[str, str]:
    """The variables for which another one is called their gradient, and what that is called.

    assigned: the variables of the script. A name with the variable's own capitals comes before any other; of several
    schemes of names, the one that the script uses most comes first.
    """
    names = [name for name in values if name.partition("[")[0] in assigned]
    arrays = [name for name in names if array_of(values[name]) is not None]
    stems = {name: stem(name) for name in names}
    held = {name for name in arrays if _GRADIENTS.fullmatch(name)}
    plain = {name for name in names if "[" not in name}
    own = [name for name in names if name in plain or (name not in held and stems[name] not in plain)]
    found: dict[str, list[str]] = {}
    for name in own:
        of = stems[name]
        others = [each for each in arrays if each in held and stems[each] == of != each]
        others += [e for e in arrays if stems[e].lower() != of.lower() and is_gradient_of(stems[e], of)]
        exact = [each for each in others if of in stems[each]]
        taken = {e for e in others for n in own if n != e and n in stems[e] and is_gradient_of(stems[e], n)}
        found[name] = exact or [each for each in others if each not in taken]

    def scheme(name: str, gradient: str) -> str:
        return gradient.replace(stems[name], "·")

    schemes = Counter(scheme(name, each) for name, some in found.items() for each in some)
    return {
        name: max(some, key=lambda each, name=name: schemes[scheme(name, each)])  # type: ignore[misc]
        for name, some in found.items()
        if some
    }


@dataclass
class Chosen:
    """What was chosen. missing: variables without a gradient; notes: on gradients that are not compared.

    is_loop: whether the loss depends on a gradient of an earlier pass, as where a loop trains.
    """

    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_loop: bool = False


def choose_values(script: Script, rng: np.random.Generator) -> Chosen:
    """Choose the value of each variable by which the loss is differentiated: the last one that the loss depends on.

    Where a name is used for several values, it may be an earlier one whose gradient the script has. Gradients that
    are none, since the loss depends on them or not on their variable, are taken out of the script's.
    """
    recorder, chosen = Recorder({}, None), Chosen()
    with probes(recorder):
        _, gradients = script.run({})
    values, events = recorder.values, dict[str, list[Event]]()
    for event in values:
        if event[0] in script.code.variables:
            events.setdefault(script.code.variables[event[0]], []).append(event)

    def moving(name: str, count: int = _LOOKED_AT) -> list[Event]:
        last = reversed(events.get(name, [])[-count:])
        return [event for event in last if _moves_loss(script, event, values[event], rng)]

    with probes(None):
        for name, gradient in list(script.gradients.items()):
            found = moving(name)
            if not found or moving(gradient, 1):
                del script.gradients[name]
                if not found:
                    chosen.notes.append(
                        f"{gradient} is not compared: {script.loss} depends on no value of {name}."
                    )
                continue
            first = events.get(gradient, [])[:-1][:1]
            chosen.is_loop |= any(_moves_loss(script, event, values[event], rng) for event in first)
            fitting = (each for each in found if _is_slope(script, each, values[each], gradients[name], rng))
            event = found[0] if len(found) == 1 else next(fitting, found[0])
            script.events[name], script.base[name] = event, values[event]
        known = {script.loss, *script.gradients, *script.gradients.values()}
        rest = [name for name in events if name not in known and values[events[name][-1]].ndim]
        chosen.missing = [name for name in rest if moving(name)]
    return chosen


def _moves_loss(script: Script, event: Event, value: Array, rng: np.random.Generator) -> bool:
    """Whether the loss depends on a value, if only its rounding does, as on a bias before a normalisation."""
    loss = script.run({})[0]
    for size in _SIZES:
        move = size * (np.std(value) + np.abs(np.mean(value)) + 1e-8) * rng.standard_normal(value.shape)
        try:
            is_same = np.array_equal(script.run({event: move.astype(value.dtype)})[0], loss)
        except Exception:  # of whatever kind: it is the user's
            is_same = np.isnan(size)
        if not is_same:
            return True
    return False


def _is_slope(script: Script, event: Event, value: Array, gradient: Any, rng: np.random.Generator) -> bool:
    """Whether a gradient is that by a value, along a random direction."""
    if np.shape(gradient) != value.shape:
        return False
    v, h = rng.standard_normal(value.shape).astype(value.dtype), float(np.cbrt(np.finfo(value.dtype).eps))
    up, down = (float(script.run({event: sign * h * v})[0]) for sign in (1, -1))
    slope, promised = (up - down) / (2 * h), float(np.vdot(gradient, v))
    return abs(slope - promised) <= 1e-3 * (abs(slope) + abs(promised)) + 1e-6
