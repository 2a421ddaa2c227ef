"""The optimisers: one file each, and the table by which one is found by its name."""

from __future__ import annotations

from backprop.errors import UnknownNameError
from backprop.training.optimizers.adam import Adam
from backprop.training.optimizers.base import Optimizer
from backprop.training.optimizers.momentum import Momentum
from backprop.training.optimizers.sgd import SGD

OPTIMIZERS: dict[str, type[Optimizer]] = {one.name: one for one in (SGD, Momentum, Adam)}


def find_optimizer(name: str) -> type[Optimizer]:
    """The optimiser of that name; raises `UnknownNameError` for any other."""
    if name not in OPTIMIZERS:
        raise UnknownNameError("optimizer", name, OPTIMIZERS)
    return OPTIMIZERS[name]


__all__ = ["OPTIMIZERS", "SGD", "Adam", "Momentum", "Optimizer", "find_optimizer"]
