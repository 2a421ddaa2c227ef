"""Training: loops of the top level that change the parameters by their gradients, of which the first turn is checked.

A loop trains if the loss of its second turn depends on a gradient of its first one: NaN in the place of the gradient
tells. A loop over samples or time steps that only sums is no such loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.events import Recorder, array_of, probes, put
from backprop.check.script.code import Place, root_of
from backprop.check.script.program import Script


def training_loops(script: Script, blank: Mapping[str, Any]) -> list[Place]:
    """The loops that train, each in the first turn of those around it. Sets the limits of the script to one turn.

    blank: the variables before the script runs.
    """
    roots = {root_of(each) for each in script.gradients.values()}
    found: list[Place] = []
    for place in script.code.loops(roots):
        script.limits = dict.fromkeys(found, 1)
        if _trains(script, place, blank):
            found.append(place)
    script.limits = dict.fromkeys(found, 1)
    return found


def _trains(script: Script, place: Place, blank: Mapping[str, Any]) -> bool:
    script.limits[place] = 2
    try:
        script.start(blank)
        recorder = Recorder({}, None)
        with probes(recorder):
            loss, last = script.run({})
        script.limits[place] = 1
        with probes(None):
            _, gradients = script.run({})
        script.limits[place] = 2
        for name, gradient in gradients.items():
            known = array_of(gradient)
            if known is None or not _is_telling(known) or np.array_equal(known, last[name]):
                continue
            same = [event for event, value in recorder.values.items() if np.array_equal(value, known)]
            if not same or any(script.code.variables.get(site) in script.gradients for site, _ in same):
                continue
            with probes(Recorder(dict.fromkeys(same, put(np.full(known.shape, np.nan))))):
                after, _ = script.run({})
            if not np.array_equal(after, loss):
                return True
    except (Exception, SystemExit):  # of whatever kind: it is the user's, and may need more turns
        return False
    return False


def _is_telling(gradient: Array) -> bool:
    """Whether no value of the forward pass equals a gradient by chance, as zeros and ones do."""
    return bool(np.ptp(gradient) > 0 or (gradient.size == 1 and gradient.item() not in (-1, 0, 1)))
