"""Local finite differences: the central quotients, re-evaluating only what a weight touches.

    z'[n,j]   = z[n,j] ± h x[n,i]                                 W[i,j] enters column j of its own layer,
    y'[n,j]   = f(z'[n,j])                                        of samples with x[n,i] ≠ 0 alone; b[j] has x = 1
    z₂'[n,:]  = z₂[n,:] + (y'[n,j] - y[n,j]) W₂[j,:]              and leaves the next layer by one row of its weights
    dL/dW[i,j] = 1/n Σₙ (ℓ(z₂'⁺[n]) - ℓ(z₂'⁻[n])) / 2h            what follows is evaluated as it stands

The quotients are those of the black box (Nocedal and Wright 2006, section 8.1), kinks included: functions
are evaluated at disturbed values, never differentiated. What is saved is every sum that the disturbance
leaves as it is: for one hidden layer of h units, n·i·h·c operations instead of i·h times n·i·h. Where an
activation gives the same output on both sides, as relu left of zero, nothing follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np

from backprop.after_linear import AfterLinear, unknown_parameters
from backprop.arrays import Array, DType
from backprop.broadcasting import short_buffers
from backprop.layer_forms import couples_samples
from backprop.layers import Elementwise, Layer, Linear
from backprop.network import Batch, Network
from backprop.options import check_step, check_step_shows
from backprop.parameters import Parameters
from backprop.strategy import Accuracy, Cost, Strategy, ValueAndGradient

SampleLoss = Callable[[Array, Array], Array]
"""The losses (n,) of outputs (n, c) and labels (n,)."""

_BLOCK_BYTES = 1 << 18
"""Bytes of one array of a block: the few arrays in use stay in a second-level cache of 1 or 2 MB."""

_FEWEST_UNITS = 4
"""Units in a block, or more: how many depends on the pairs of its samples."""


@dataclass(frozen=True)
class Plan:
    """The step relative to the weight, and the gradient's memory."""

    network: Network
    relative_step: float
    gradient: Parameters
    local_gradient: list[dict[str, Array]]


class _Step(NamedTuple):
    """A layer undisturbed: its parameters, input x (n, i), output (o, n), and W (o, i) if it is linear.

    Units lie one after another in memory, so that the numbers looked up for many pairs lie together.
    """

    layer: Layer
    own: dict[str, Array]
    x: Array
    y_by_unit: Array
    weight_by_unit: Array


class _Touch(NamedTuple):
    """The pairs of a sample and an input of it that is not zero, `x`, with the sample's label: (pairs,) each."""

    sample: Array
    source: Array
    x: Array
    label: Array


@final
@dataclass(frozen=True, repr=False)
class LocalFiniteDifferences(Strategy[Plan]):
    """Central difference quotients from what a weight touches.

    `relative_step` is h for weights up to one and grows with larger ones; None is eps^(1/3), where
    truncation and rounding meet. Raises `OptionError` for a step that is not above zero and, in
    `prepare`, for one below the rounding of the dtype.
    """

    relative_step: float | None = None

    name: ClassVar[str] = "local-finite-differences"
    summary: ClassVar[str] = "central quotients, re-evaluating only what a weight touches"
    rung: ClassVar[float] = 7
    accuracy: ClassVar[Accuracy] = Accuracy(
        factor=30,
        exponent=2 / 3,
        parameter_exponent=1 / 4,
        reason="the quotients of the black box: h² and eps/h meet at eps^(2/3), √p of them leave p^(1/4)",
    )

    def __post_init__(self) -> None:
        check_step(self.relative_step)

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """A layer with parameters that is not linear: which units they touch is not known; and coupled samples."""
        return unknown_parameters(network) or couples_samples(network)

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """Two rows of all that follows for every weight and sample, as if no input were zero.

        `forward_calls` is 1, the undisturbed pass: this is no black box, and what it evaluates again is
        counted in `flops`. Inputs of zero and units that stay dead make it cheaper.
        """
        network, n, size = network.short, batch_size, dtype.itemsize
        flops, moved, block = network.forward_flops(n), size * 2 * network.parameter_count, 0
        for k, layer in enumerate(network.layers):
            if isinstance(layer, Linear):
                after, rows = AfterLinear.of(network, k), 2 * n * layer.rows * layer.outputs
                flops += rows * _row_flops(after)
                moved += 2 * size * rows * after.width
                block = max(block, _block_bytes(network, k, n, size))
        activations = 2 * n * network.units
        copies = sum(
            layer.inputs * layer.outputs for layer in network.layers[1:] if isinstance(layer, Linear)
        )
        return Cost(
            flops=flops,
            bytes_moved=moved,
            peak_bytes=size * (network.parameter_count + activations + copies) + block,
            forward_calls=1,
        )

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Choose the step and allocate the gradient."""
        step = self.relative_step or float(np.finfo(dtype).eps) ** (1 / 3)
        check_step_shows(step, dtype)
        gradient = Parameters.empty(network.layout, dtype)
        return Plan(network.short, step, gradient, network.local(gradient))

    def value_and_gradient(self, plan: Plan, params: Parameters, batch: Batch) -> ValueAndGradient:
        """One undisturbed pass, then one linear layer after another."""
        steps: list[_Step] = []
        x = batch.inputs
        for layer, own in zip(plan.network.layers, plan.network.local(params), strict=True):
            y = layer.forward(own, x)
            weight = own["W"].T.copy() if steps and isinstance(layer, Linear) else x[:0]
            steps.append(_Step(layer, own, x, y.T.copy(), weight))
            x = y
        loss = plan.network.loss_function.sample_values
        for k, step in enumerate(steps):
            if isinstance(step.layer, Linear):
                quotients = _quotients(steps[k:], loss, plan.relative_step, batch.labels)
                own, inputs = plan.local_gradient[k], step.layer.inputs
                own["W"][...] = quotients[:, :inputs].T
                if step.layer.bias:
                    own["b"][...] = quotients[:, inputs]
        return ValueAndGradient(float(np.mean(loss(x, batch.labels))), plan.gradient)


@short_buffers()
def _quotients(steps: Sequence[_Step], loss: SampleLoss, relative_step: float, labels: Array) -> Array:
    """∂L/∂(W, b) of the linear layer that comes first in `steps`, (o, i + 1) with the bias last."""
    above, below = _steps_taken(steps[0].own, relative_step)
    rise = np.zeros_like(above)
    for touch in _touched(steps[0].x, labels, bias="b" in steps[0].own):
        units_at_once = _rows(1, rise.itemsize) // len(touch.x)
        for first in range(0, len(rise), units_at_once):
            units = slice(first, min(first + units_at_once, len(rise)))
            z = _disturb(steps[0].y_by_unit[units], above[units], below[units], touch)
            _add_rise(steps, loss, z, first, touch, rise[units])
            del z  # the next block needs as much memory
    above -= below
    rise /= above
    rise /= rise.dtype.type(len(labels))
    return rise


def _steps_taken(own: dict[str, Array], relative_step: float) -> tuple[Array, Array]:
    """By how much each of (W, b) moves up and down, (o, i + 1): what θ ± h rounds to, less θ."""
    bias = [own["b"][:, None]] if "b" in own else []
    theta = np.concatenate([own["W"].T, *bias], axis=1)
    step = np.abs(theta)
    np.maximum(step, 1, out=step)
    step *= theta.dtype.type(relative_step)
    above, below = theta + step, np.subtract(theta, step, out=step)
    above -= theta
    below -= theta
    return above, below


def _touched(x: Array, labels: Array, *, bias: bool) -> Iterator[_Touch]:
    """The pairs of all samples in blocks, with the bias as one more input, which is one."""
    x = np.concatenate([x, np.ones((len(x), int(bias)), x.dtype)], axis=1)
    touched, at_once = np.flatnonzero(x), _rows(_FEWEST_UNITS, x.itemsize)
    for start in range(0, len(touched), at_once):
        pair = touched[start : start + at_once]
        sample, source = np.divmod(pair, x.shape[1])
        yield _Touch(sample, source, x.reshape(-1)[pair], labels[sample])


def _disturb(z: Array, above: Array, below: Array, touch: _Touch) -> Array:
    """z[n,j] + step[j,i] x[n,i] for both steps, every unit j and every pair of n and i: (2, units, pairs)."""
    disturbed = np.empty((2, len(z), len(touch.x)), z.dtype)
    for half, step in zip(disturbed, (above, below), strict=True):
        np.take(step, touch.source, axis=1, out=half, mode="clip")
    disturbed *= touch.x
    disturbed += _take(z, touch.sample)
    return disturbed


def _add_rise(
    steps: Sequence[_Step], loss: SampleLoss, z: Array, first_unit: int, touch: _Touch, rise: Array
) -> None:
    """Add to `rise` (units, i + 1) what the losses gain from the lower `z` (2, units, pairs) to the upper."""
    k, y = 1, z.reshape(-1, 1)
    while k < len(steps) and isinstance(steps[k].layer, Elementwise):
        y = steps[k].layer.forward(steps[k].own, y)
        k += 1
    y = y.reshape(2, -1)
    rows = np.flatnonzero(y[0] != y[1])  # where both are equal, as of a dead unit, so are the losses
    # half a block of outputs, which a block with dead units can fill too
    at_once = _rows(2 * max(len(step.y_by_unit) for step in steps[k:] or steps[-1:]), y.itemsize)
    for start in range(0, len(rows), at_once):
        row = rows[start : start + at_once]
        unit, pair = np.divmod(row, z.shape[2])
        gain = _gain(steps, k, loss, _take(y, row), first_unit + unit, touch.sample[pair], touch.label[pair])
        place = unit * rise.shape[1] + touch.source[pair]
        rise += np.bincount(place, gain, rise.size).reshape(rise.shape)


def _gain(
    steps: Sequence[_Step], k: int, loss: SampleLoss, y: Array, unit: Array, sample: Array, label: Array
) -> Array:
    """The gain (rows,) of each loss between both values `y` (2, rows) of one unit of what enters layer k."""
    before = steps[k - 1].y_by_unit
    if k < len(steps) and isinstance(steps[k].layer, Linear):  # one row of the weights
        outputs = _take(steps[k].weight_by_unit, unit)[:, None] * (y - before[unit, sample])
        outputs += _take(steps[k].y_by_unit, sample)[:, None]
        k += 1
    else:
        outputs = np.repeat(_take(before, sample)[:, None], 2, axis=1)
        outputs[unit, :, np.arange(len(unit))] = y.T
    # (2 rows, o), but one output after another in memory: maxima and sums over o are fast
    full = outputs.reshape(len(outputs), -1).T
    del outputs
    for step in steps[k:]:
        full = step.layer.forward(step.own, full)
    upper, lower = loss(full, np.tile(label, 2)).reshape(2, -1)
    gain: Array = upper - lower
    return gain


def _take(array: Array, columns: Array) -> Array:
    """`array[:, columns]`, for columns that are known to exist."""
    taken: Array = np.take(array, columns, axis=1, mode="clip")
    return taken


def _rows(width: int, itemsize: int) -> int:
    """Rows of which two arrays of that width fill a block."""
    return max(1, _BLOCK_BYTES // (2 * width * itemsize))


def _row_flops(after: AfterLinear) -> int:
    """Operations for a disturbed row: one unit, its row of weights, what follows, and the loss."""
    local = 4 + sum(step.layer.forward_flops(1, 1, 1) for step in after.local)
    full = sum(step.layer.forward_flops(1, step.i, step.o) for step in after.evaluated)
    return local + 2 * after.entry + full + 14 * after.classes


def _block_bytes(network: Network, k: int, n: int, size: int) -> int:
    """The most bytes of linear layer k at once: its steps and pairs, and the arrays of a block."""
    (i, o), after, index = network.widths[k], AfterLinear.of(network, k), np.dtype(np.intp).itemsize
    weights, pairs = (i + 1) * o * size, n * (i + 1)
    pairs_at_once = min(pairs, _rows(_FEWEST_UNITS, size))
    rows = pairs_at_once * min(o, _rows(1, size) // pairs_at_once)
    at_once = min(rows, _rows(2 * after.width, size))

    kept = 3 * weights + pairs * (index + size) + pairs_at_once * (3 * index + size)
    z = y = 2 * rows * size
    local = rows * size
    for layer, *_ in after.local:
        local = max(local, layer.forward_bytes(2 * rows, 1, 1, size, out=False))
        y = 4 * rows * size
    entry = at_once * after.entry * size
    full = max(
        3 * entry,
        *(
            2 * at_once * w * size + layer.forward_bytes(2 * at_once, w, v, size, out=False)
            for layer, w, v in after.evaluated
        ),
        _loss_bytes(network, 2 * at_once, size) + 2 * at_once * index,
    )
    spread = rows * index + at_once * (5 * index + 2 * size) + full
    if at_once < rows:  # the gains of the piece before
        spread += at_once * (index + size)
    return max(kept + z + local, kept + y + spread)


def _loss_bytes(network: Network, rows: int, size: int) -> int:
    """Bytes of the outputs, of what the loss allocates, and of its sums over the outputs."""
    return rows * (network.classes * (1 + network.loss_function.temporaries) + 1) * size


STRATEGIES = (LocalFiniteDifferences(),)
