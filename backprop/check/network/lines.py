"""The function of a network's gradient as a program, whose wrong lines can be looked for.

A function that returns the network's loss is searched as it is. Of one that returns no loss, or another one, the loss
is the network's of that value of its own forward pass that equals the network's outputs p, or its logits z:

    L = loss(p, labels) + λ/2 Σ W²        with the p of the run, also where a value before p is moved or replaced
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.answers import value_and_gradient
from backprop.check.lines.events import Recorder
from backprop.check.lines.program import Program
from backprop.check.lines.sites import Site
from backprop.check.network.layouts import Layout
from backprop.check.network.reading import Reading
from backprop.check.network.truth import penalty
from backprop.check.oracle import MAX_CALLS, Budget
from backprop.errors import CheckError
from backprop.network import Batch, Network
from backprop.parameters import Parameters


def program_of_network(
    function: Callable[..., Any],
    network: Network,
    params: Parameters,
    batch: Batch,
    layout: Layout,
    weight_decay: float,
    max_calls: int = MAX_CALLS,
) -> Program:
    """The function as a program from the parameters by name, in the layout in which it is called.

    function, network, params, batch, weight_decay: as for `check_network_gradient`. max_calls: how often it may be
    called.
    """
    reading = Reading(function, network, params)
    structure = reading.structure(layout)
    tensors = {name: layout.into(reading.roles[name], params[name]) for name in params}
    x = structure.vector({name: np.asarray(each, structure.dtype) for name, each in tensors.items()})

    def step(tensors: dict[str, Array], inputs: Array, labels: Array) -> tuple[Any, Any]:
        container = layout.contain(tensors, reading.roles)
        return value_and_gradient(reading.named(function(container, inputs, labels), layout)[0], structure)

    _, *samples = layout.arguments(network, params, batch.inputs, batch.labels)
    outputs = _Outputs(network, params, batch, weight_decay)
    return Program(step, structure, x, tuple(samples), Budget(max_calls), prepare=outputs.prepare)


class _Outputs:
    """The network's own outputs, and its loss of values that a function has in their place."""

    def __init__(self, network: Network, params: Parameters, batch: Batch, weight_decay: float) -> None:
        self._network, self._labels, self._decay = network, batch.labels, weight_decay
        self._values = network.activations(params, batch.inputs)
        self._loss = self._of(network, self._values[-1], params)

    def _of(self, network: Network, y: Array, params: Mapping[str, Array]) -> Any:
        loss = network.loss_function.value(y, self._labels)
        return loss + penalty(self._network, params, self._decay) if self._decay else loss

    def prepare(self, program: Program, sites: Mapping[int, Site]) -> None:
        """Let the program's loss be the network's, where it returns none or another.

        Raises `CheckError` where no value of its run is the network's.
        """
        recorder = Recorder(wanted=None)
        answer = program.answer(recorder)
        loss = None if answer is None else answer[0]
        if loss is not None and _is_close(np.asarray(float(loss)), np.asarray(self._loss)):
            return
        short = self._network.short
        for network, values in (self._network, self._values[-1]), (short, self._values[len(short.layers)]):
            found = _first(recorder, sites, values)
            if found is None:
                continue
            is_turned = recorder.values[found].shape != values.shape

            def loss_of(
                out: Array, point: Array, network: Network = network, turned: bool = is_turned
            ) -> Any:
                return self._of(network, out.T if turned else out, program.structure.views(point))

            program.output, program.loss_of = found, loss_of
            return
        raise CheckError(
            f"{self._known(recorder, sites)}; expected the network's forward pass, to find the line."
        )

    def _known(self, recorder: Recorder, sites: Mapping[int, Site]) -> str:
        """Up to which layer the values of the run are the network's."""
        said = "No value of the code is that of the network's first layer"
        for number, (layer, values) in enumerate(zip(self._network.layers, self._values[1:], strict=True), 1):
            found = _first(recorder, sites, values)
            if found is None:
                return f"{said}, and none that of its layer {number}, {layer.name}" if number > 1 else said
            said = f"Line {sites[found[0]].line} has the values of the network's layer {number}, {layer.name}"
        return said


def _first(recorder: Recorder, sites: Mapping[int, Site], values: Array) -> tuple[int, int] | None:
    """The event with these values, or their transpose: the first that is assigned to a name, or the first."""
    found = [
        event for event, got in recorder.values.items() if _is_close(got, values) or _is_close(got, values.T)
    ]
    named = [event for event in found if sites[event[0]].name and sites[event[0]].role == "value"]
    return next(iter(named or found), None)


def _is_close(got: Array, values: Array) -> bool:
    if got.shape != values.shape:
        return False
    rough = np.sqrt(max(np.finfo(got.dtype).eps, np.finfo(values.dtype).eps))
    return bool(np.max(np.abs(got - values)) <= rough * np.max(np.abs(values)))
