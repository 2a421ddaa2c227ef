"""Strategies that fail, lie or break the interface, each in one way."""

import contextlib
import dataclasses
import signal
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from wrong import ByHand

from backprop import Parameters, ValueAndGradient
from backprop.errors import UnavailableError


class Raises(ByHand):
    """Raises an error whose text has signs that mean something to a terminal, to Markdown and to a table."""

    name = "raises"

    def value_and_gradient(self, plan, params, batch):
        raise ValueError("no [/luck] with a|b\nand `<c>` today " + "x" * 300)


class RaisesWhilePreparing(ByHand):
    name = "raises-while-preparing"

    def prepare(self, network, batch_size, dtype):
        raise RuntimeError("not prepared")


class CannotCompile(ByHand):
    name = "cannot-compile"

    def prepare(self, network, batch_size, dtype):
        raise UnavailableError("no compiler:\ng++ was not found")


class Endless(ByHand):
    """Never ends but for the 12 parameters of the warm-up, lets no `Exception` end it, and sets off the alarm."""

    name = "endless"

    def value_and_gradient(self, plan, params, batch):
        while len(params.vector) > 12:
            with contextlib.suppress(Exception):
                assert callable(signal.getsignal(signal.SIGALRM)), "no alarm is set"
                signal.raise_signal(signal.SIGALRM)
        return super().value_and_gradient(plan, params, batch)


class Slow(ByHand):
    """Predicts so many operations."""

    name = "slow"

    def __init__(self, flops):
        self.flops = flops

    def cost(self, network, batch_size, dtype):
        return dataclasses.replace(super().cost(network, batch_size, dtype), flops=self.flops)


class NeedsTooMuch(ByHand):
    name = "needs-too-much"

    def prepare(self, network, batch_size, dtype):
        raise MemoryError("Unable to allocate 3.00 TiB")


class NotANumber(ByHand):
    name = "not-a-number"

    def value_and_gradient(self, plan, params, batch):
        gradient = Parameters.zeros(plan.layout, params.dtype)
        gradient.vector.fill(np.nan)
        return ValueAndGradient(float("nan"), gradient)


class OnceWrongThenRaises(ByHand):
    """A wrong gradient in the first calls, and an error when it is timed."""

    name = "once-wrong"

    def __init__(self):
        self.calls = 0

    def value_and_gradient(self, plan, params, batch):
        self.calls += 1
        if self.calls > 2:
            raise ValueError("enough")
        loss, gradient = super().value_and_gradient(plan, params, batch)
        gradient.vector *= 2
        return ValueAndGradient(loss, gradient)


class Unsupported(ByHand):
    name = "not-for-this"

    def unsupported(self, network, dtype):
        return "it wants another network"

    def prepare(self, network, batch_size, dtype):
        raise AssertionError("prepared although unsupported")


class LeavesTheProcess(ByHand):
    name = "leaves"

    def value_and_gradient(self, plan, params, batch):
        sys.exit("good bye")


class CostRaises(ByHand):
    name = "cost-raises"

    def cost(self, network, batch_size, dtype):
        raise ZeroDivisionError("no cost")


class LyingCost(ByHand):
    """A cost whose peak_bytes are `lie`."""

    name = "lying-cost"

    def __init__(self, lie=float("nan")):
        self.lie = lie

    def cost(self, network, batch_size, dtype):
        return dataclasses.replace(super().cost(network, batch_size, dtype), peak_bytes=self.lie)


class EndlessTolerance(ByHand):
    """States an error model that allows every error."""

    name = "endless-tolerance"
    accuracy = dataclasses.replace(ByHand.accuracy, factor=float("inf"))


class NumpyNumbers(ByHand):
    """Returns NumPy's scalars where Python's are expected: they are right, and JSON cannot hold them."""

    name = "numpy-numbers"

    def cost(self, network, batch_size, dtype):
        cost = super().cost(network, batch_size, dtype)
        return dataclasses.replace(cost, flops=np.int64(cost.flops), peak_bytes=np.float64(cost.peak_bytes))

    def value_and_gradient(self, plan, params, batch):
        loss, gradient = super().value_and_gradient(plan, params, batch)
        return ValueAndGradient(np.float32(loss), gradient)


class ChangesTheParameters(ByHand):
    """A difference quotient that forgets to put the parameter back."""

    name = "changes-parameters"

    def value_and_gradient(self, plan, params, batch):
        result = super().value_and_gradient(plan, params, batch)
        params.vector[0] += 1
        return result


class ReturnsAnArray(ByHand):
    name = "returns-an-array"

    def value_and_gradient(self, plan, params, batch):
        loss, gradient = super().value_and_gradient(plan, params, batch)
        return ValueAndGradient(loss, gradient.vector)


class OtherDtype(ByHand):
    name = "other-dtype"

    def value_and_gradient(self, plan, params, batch):
        loss, gradient = super().value_and_gradient(plan, params, batch)
        return ValueAndGradient(loss, gradient.astype("float32" if params.dtype == "float64" else "float64"))


class OnlyToy(ByHand):
    """Supports one network only, and does not say so; the tests ask it for no other."""

    name = "only-toy"

    def prepare(self, network, batch_size, dtype):
        assert network.sizes == "4-3-2"
        return network


class Hungry(ByHand):
    """Allocates 100 MB for the time of a call."""

    name = "hungry"

    def value_and_gradient(self, plan, params, batch):
        buffer = np.ones(100_000_000, np.uint8)
        result = super().value_and_gradient(plan, params, batch)
        assert buffer[-1] == 1
        return result


class LoadsOnce(ByHand):
    """Keeps 100 MB for good when it first prepares a large network, as an import does."""

    name = "loads-once"
    loaded = None

    def prepare(self, network, batch_size, dtype):
        if network.inputs > 2 and self.loaded is None:
            self.loaded = np.ones(100_000_000, np.uint8)
        return super().prepare(network, batch_size, dtype)


class Spy(ByHand):
    """Predicts the cost that it is given, and counts how often it is prepared and called."""

    name = "spy"

    def __init__(self, **predicted):
        self.figures, self.calls = predicted, []

    def cost(self, network, batch_size, dtype):
        return dataclasses.replace(super().cost(network, batch_size, dtype), **self.figures)

    def prepare(self, network, batch_size, dtype):
        self.calls.append("prepare")
        return super().prepare(network, batch_size, dtype)

    def value_and_gradient(self, plan, params, batch):
        self.calls.append("call")
        return super().value_and_gradient(plan, params, batch)


class OddName(ByHand):
    """A strategy whose name holds signs of tables, HTML and Markdown."""

    name = "odd|<b>`name`\n*two*"
