"""Variables of a script: which of them is called the gradient of which, and by which of its values it is one."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.events import Event, Recorder, add, array_of, probes
from backprop.check.lines.sites import stem
from backprop.check.script.code import root_of
from backprop.check.script.program import Script
from backprop.check.words import is_gradient_of

_LOOKED_AT = 4
"""Values of a variable that are looked at, of the first and of the last ones."""
_MOVED = 1e-6
"""Of a move, the change of another value that is more than rounding; and a gradient that is more than zero."""
_DIRECTIONS = 2
"""Along which a gradient is compared to choose its value."""
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
    names = [name for name in values if root_of(name) in assigned]
    parts = gradients_of_parts(names, values)
    names = [name for name in names if not _PART.fullmatch(name)]
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
    } | parts


_PART = re.compile(r"(?=.*[.\]])(?!.*\['[^']*'\]$)(.*\.)?(\w+)((?:\[\d+\])?)")
"""A part of an object or a list: what it belongs to, its own name, its number."""


def gradients_of_parts(names: Sequence[str], values: Mapping[str, Any]) -> dict[str, str]:
    """The gradients of parts of objects and lists: parts of the same object, with the same number, or of a dict."""
    parts = {n: m for n in names if (m := _PART.fullmatch(n)) and array_of(values[n]) is not None}
    held = [n for n in names if _GRADIENTS.fullmatch(n) and array_of(values[n]) is not None]
    words = Counter(match[2] for match in parts.values())
    found = dict[str, str]()
    for name, (owner, word, number) in ((name, match.groups()) for name, match in parts.items()):
        own = [
            n for n, m in parts.items() if (m[1], m[3]) == (owner, number) and m[2].lower() != word.lower()
        ]
        fits = [n for n in own if is_gradient_of(parts[n][2], word)]
        if words[word] == 1:  # else it is not known which of the objects the entry belongs to
            fits += [n for n in held if is_gradient_of(stem(n), word)]
        if fits:
            found[name] = next((n for n in fits if word in n), fits[0])
    return found


@dataclass
class Chosen:
    """What was chosen. missing: variables without a gradient; notes: on gradients that are not compared.

    is_loop: whether the loss depends on a gradient of an earlier pass, as where a loop trains.
    """

    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_loop: bool = False


def choose_values(script: Script, rng: np.random.Generator) -> Chosen:
    """Choose the value of each variable by which the loss is differentiated.

    Where a name is used for several values, it is the one that the last value of its gradient is the derivative by,
    or else the one to which that belongs as brackets close. Gradients that are none, since the loss depends on them
    or not on their variable, are taken out of the script's.
    """
    recorder, chosen = Recorder({}, None), Chosen()
    with probes(recorder):
        _, gradients = script.run({})
    values, events = recorder.values, dict[str, list[Event]]()
    order = {event: k for k, event in enumerate(values)}
    for event in values:
        if event[0] in script.code.variables:
            events.setdefault(script.code.variables[event[0]], []).append(event)

    @functools.cache
    def moves(event: Event) -> bool:
        return _moves_loss(script, event, values[event], rng)

    def forward(name: str) -> list[Event]:
        """The values of a variable, without those of lines on which the loss does not depend."""
        own = events.get(name, [])
        lines = {site: [e for e in own if e[0] == site] for site, _ in own}
        ahead = {site for site, each in lines.items() if moves(each[-1]) or moves(each[0])}
        return [event for event in own if event[0] in ahead]

    with probes(None):
        for name, gradient in list(script.gradients.items()):
            ahead, back = forward(name), events.get(gradient, [])
            assigned = [e for e in back if script.code.sites[e[0]].role == "value"]
            likely = [
                *_closed(ahead, assigned or back, order),
                *ahead[::-1][:_LOOKED_AT],
                *ahead[:_LOOKED_AT],
            ]
            found = [event for event in dict.fromkeys(likely) if moves(event)]
            if not found or any(map(moves, back[-1:])):
                del script.gradients[name]
                if not found:
                    why = f"{script.loss} depends on no value of {name}"
                    if root_of(name) != name and not events.get(name):
                        why = f"{name} is not there before the forward pass"
                    chosen.notes.append(f"{gradient} is not compared: {why}.")
                continue
            chosen.is_loop |= any(map(moves, back[:-1][:1]))
            fitting = (e for e in found if _ratio(script, e, values[e], gradients[name], rng) == 1)
            event = found[0] if len(found) == 1 else next(fitting, found[0])
            script.events[name], script.base[name] = event, values[event]
        known = {script.loss, *script.gradients, *script.gradients.values()}
        rest = [name for name in events if name not in known and values[events[name][-1]].ndim]
        chosen.missing = [name for name in rest if any(map(moves, events[name][-_LOOKED_AT:]))]
    return chosen


def _closed(ahead: list[Event], back: list[Event], order: Mapping[Event, int]) -> list[Event]:
    """The value to which the last one of the gradient belongs, if they do as brackets; none where there is none."""
    opened, found = list[Event](), list[Event]()
    is_back = set(back)
    for event in sorted([*ahead, *back], key=order.__getitem__):
        if event not in is_back:
            opened.append(event)
        elif opened:
            found = [opened.pop()]
    return found


def meant_otherwise(script: Script, rng: np.random.Generator) -> list[str]:
    """Take gradients out of the script's that are no derivatives, although right ones are computed from them.

    Such as dz = p - y, where dW and db are divided by n later; says so of each.
    """
    recorder, notes = Recorder({}, None), list[str]()
    with probes(recorder):
        _, gradients = script.run({})
    with probes(None):
        ratios = {
            name: _ratio(script, e, script.base[name], gradients[name], rng)
            for name, e in script.events.items()
        }
    right = [n for n, ratio in ratios.items() if ratio == 1 and np.max(np.abs(gradients[n])) > _MOVED]
    for name, ratio in ratios.items():
        gradient = script.gradients[name]
        last = [e for e in recorder.values if script.code.variables.get(e[0]) == gradient][-1:]
        if ratio == 1 or not last or not np.array_equal(recorder.values[last[0]], gradients[name]):
            continue
        move = rng.standard_normal(np.shape(gradients[name]))
        with probes(Recorder({last[0]: add(move)})):
            moved = script.run({})[1]
        changes = (np.max(np.abs(moved[each] - gradients[each])) for each in right)
        if any(change > _MOVED * np.max(np.abs(move)) for change in changes):
            is_what = f"is {ratio:.4g} · dL/d({name})" if ratio else f"is not dL/d({name})"
            notes.append(f"{gradient} {is_what}, and not compared: what is computed from it is right.")
            del script.gradients[name], script.events[name], script.base[name]
    return notes


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


def _ratio(script: Script, event: Event, value: Array, gradient: Any, rng: np.random.Generator) -> float:
    """The factor by which a gradient is larger than that by a value, along random directions; 0 where it varies."""
    if np.shape(gradient) != value.shape:
        return 0.0
    h, ratios, is_right = float(np.cbrt(np.finfo(value.dtype).eps)), [], True
    for _ in range(_DIRECTIONS):
        v = rng.standard_normal(value.shape).astype(value.dtype)
        up, down = (float(np.reshape(script.run({event: sign * h * v})[0], ())) for sign in (1, -1))
        slope, promised = (up - down) / (2 * h), float(np.vdot(gradient, v))
        is_right &= abs(slope - promised) <= 1e-3 * (abs(slope) + abs(promised)) + 1e-6
        ratios.append(promised / slope if slope else 0.0)
    if is_right:
        return 1.0
    return ratios[0] if value.size > 1 and abs(ratios[0] - ratios[-1]) <= 1e-4 * abs(ratios[0]) else 0.0
