"""Settings: everything that decides how a training goes, in one frozen record that JSON can hold.

A schedule is the factor of the learning rate after the share u of the training, 0 ≤ u ≤ 1:

    constant   1
    linear     1 - u                      to nothing at an even pace (Defazio et al. 2023: hard to beat)
    cosine     (1 + cos π u) / 2          Loshchilov and Hutter 2017, without restarts

u is the share of the planned steps that have been taken or, where the training is planned in seconds, of the seconds
that have been spent; where both are planned, the larger.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backprop.arrays import MOST_ENTRIES, check_dtype
from backprop.errors import BackpropError, UnknownNameError, shown
from backprop.network import Network
from backprop.training.optimizers import find_optimizer

Schedule = Callable[[float], float]


SCHEDULES: dict[str, Schedule] = {
    "constant": lambda u: 1.0,
    "linear": lambda u: 1.0 - u,
    "cosine": lambda u: (1.0 + math.cos(math.pi * u)) / 2,
}


def find_schedule(name: str) -> Schedule:
    """The schedule of that name; raises `UnknownNameError` for any other."""
    if name not in SCHEDULES:
        raise UnknownNameError("schedule", name, SCHEDULES)
    return SCHEDULES[name]


USUAL: dict[str, dict[str, Any]] = {
    "lenet": {"learning_rate": 0.03, "batch_size": 64},
    "resmlp-ln": {"learning_rate": 0.05},
    "rows-lstm": {"learning_rate": 0.2},
    "patches-attention": {"learning_rate": 0.2},
}
"""Of a known network, the settings with which the command line trains it by momentum where nothing else is said."""


class SettingsError(BackpropError, ValueError):
    """A setting of a training that makes no sense."""


@dataclass(frozen=True)
class Settings:
    """How to train. Two trainings of the same settings and data take the same steps.

    network: sizes such as 784-512-10; activation, loss, output and bias as `Network.mlp` knows them.
    learning_rate: η at the start; `schedule` lowers it.
    shift: the most pixels by which the images of a batch are moved at random; 0 for inputs that are no images.
    epochs, seconds: when to stop, whichever is first; None for no limit. At least one is given.
    seconds count the steps alone, and make the schedule, hence the weights, depend on the machine's speed.
    seed: of the first weights and of the order of the samples.

    Raises `SettingsError`, or the error of the name or the network that is wrong.
    """

    network: str = "784-512-10"
    activation: str = "relu"
    loss: str = "cross-entropy"
    strategy: str = "short-form"
    optimizer: str = "momentum"
    learning_rate: float = 0.2
    schedule: str = "linear"
    batch_size: int = 128
    shift: int = 1
    epochs: int | None = 5
    seconds: float | None = None
    seed: int = 0
    dtype: str = "float32"
    output: str | None = None
    bias: bool = True

    def __post_init__(self) -> None:
        self.build_network()
        find_optimizer(self.optimizer)
        find_schedule(self.schedule)
        check_dtype(self.dtype)
        _check("learning rate", self.learning_rate)
        _check("batch size", self.batch_size, whole=True)
        if self.epochs is None and self.seconds is None:
            raise SettingsError("The training has no end; expected a number of epochs or of seconds.")
        if self.epochs is not None:
            _check("number of epochs", self.epochs, whole=True)
        if self.seconds is not None:
            _check("number of seconds", self.seconds)
        if self.shift < 0:
            raise SettingsError(f"The shift is {shown(self.shift)}; expected 0 or more pixels.")
        if self.seed < 0:
            raise SettingsError(f"The seed is {self.seed}; expected 0 or more.")

    def build_network(self) -> Network:
        """The network that is trained."""
        return Network.parse(
            self.network, activation=self.activation, loss=self.loss, output=self.output, bias=self.bias
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return dataclasses.asdict(self)


def _check(what: str, value: float, *, whole: bool = False) -> None:
    if not 0 < value <= (MOST_ENTRIES if whole else sys.float_info.max):
        kind = f"a whole number up to {MOST_ENTRIES:,}," if whole else "a finite number"
        raise SettingsError(f"The {what} is {shown(value)}; expected {kind} above zero.")
