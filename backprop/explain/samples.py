"""The samples that a call is about: a strategy may take all at once or one by one, and again on its way back.

What a call is handed, a layer's input or output, is compared with the values of every sample in a forward pass.
"""

from __future__ import annotations

import numpy as np

from backprop.arrays import Array
from backprop.explain.names import Names
from backprop.explain.observed import address
from backprop.explain.watched import Call
from backprop.losses import Loss
from backprop.network import Batch, Network
from backprop.parameters import Parameters


class Samples:
    """now: the samples of the latest call, in its order; none where it was about other numbers.

    strange: the value that a call computed of other numbers than the batch's, by its name; None where none did.
    parts: how many samples a call took at once, where these are neither one nor all; None where no call did.
    """

    def __init__(self, network: Network, params: Parameters, batch: Batch) -> None:
        self._values = network.activations(params, batch.inputs)
        self._names = Names.of(network).values
        self._inputs = batch.inputs
        self._seen: set[int] = set()
        self.now = list(range(len(batch.inputs)))
        self.strange: str | None = None
        self.parts: int | None = None

    def look(self, call: Call) -> None:
        """Find the samples of a call that is about to be made."""
        of_loss = isinstance(call.subject, Loss)
        places = {"y": call.position} if of_loss else {"x": call.position, "y": call.position + 1}
        given = [
            (self._values[k], call.arguments[name]) for name, k in places.items() if name in call.arguments
        ]
        # Either of both will do: a layer's output may have been written over its input, and then over that output.
        found = [samples for samples in (self._found(*pair) for pair in given) if samples is not None]
        # A derivative that reads neither is right whatever has been written over both.
        layer = call.subject
        reads = isinstance(layer, Loss) or call.form == "forward" or layer.reads_input or layer.reads_output
        if not given or not (found or reads):
            return
        self.now = found[0] if found else []
        self._seen |= set(self.now)
        if not found:
            self.strange = self.strange or self._names[places["y"]]
        elif len(self.now) not in (1, len(self._inputs)):
            self.parts, self.now = len(self.now), []

    def _found(self, values: Array, rows: Array) -> list[int] | None:
        """The sample of every row; of several that are alike the one at hand, else one that was not seen yet."""
        if np.ndim(rows) != 2 or rows.shape[1] != values.shape[1]:
            return None
        if rows.base is self._inputs and len(rows) == 1 and rows.strides[1] == self._inputs.strides[1]:
            first = (address(rows) - address(self._inputs)) // self._inputs.strides[0]
            return [first]
        room = 1e3 * float(np.finfo(values.dtype).eps) * (1 + float(np.max(np.abs(values), initial=0)))
        near = np.max(np.abs(values[:, None] - rows[None]), axis=2, initial=0) <= room
        if len(self.now) == len(rows) and all(near[sample, k] for k, sample in enumerate(self.now)):
            return self.now
        found: list[int] = []
        for k in range(len(rows)):
            free = [int(sample) for sample in np.flatnonzero(near[:, k]) if int(sample) not in found]
            if not free:
                return None
            found.append(min(free, key=lambda sample: sample in self._seen))
        return found
