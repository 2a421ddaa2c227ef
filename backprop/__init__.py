"""Derivations of the same gradient, side by side: one network, one loss, many ways to dL/dθ.

    network = backprop.Network.mlp(784, 512, 10)
    params = network.init(np.random.default_rng(0), dtype=np.float32)
    loss, gradient = backprop.gradient(network, params, inputs, labels, strategy="short-form")

Letters in shapes and einsum strings follow `backprop.LEGEND`.

Each name is loaded when it is first used. So the `backprop` command, whose code lies in `backprop.bench`, can fix the
number of threads before NumPy loads, and `--help` needs no NumPy at all.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backprop.api import gradient
    from backprop.check.gradient import check_gradient, check_step
    from backprop.check.jvp import check_jvp
    from backprop.check.network.door import check_network
    from backprop.check.script.door import check_script
    from backprop.check.vjp import check_vjp
    from backprop.errors import BackpropError
    from backprop.legend import LEGEND
    from backprop.network import Batch, Network
    from backprop.parameters import Layout, Parameters
    from backprop.registry import find_strategy, installed_strategies
    from backprop.strategy import Accuracy, Cost, Strategy, ValueAndGradient

__version__ = "0.2.0"

__all__ = [
    "LEGEND",
    "Accuracy",
    "BackpropError",
    "Batch",
    "Cost",
    "Layout",
    "Network",
    "Parameters",
    "Strategy",
    "ValueAndGradient",
    "check_gradient",
    "check_jvp",
    "check_network",
    "check_script",
    "check_step",
    "check_vjp",
    "find_strategy",
    "gradient",
    "installed_strategies",
]

_MODULES = {
    "api": ("gradient",),
    "check.gradient": ("check_gradient", "check_step"),
    "check.jvp": ("check_jvp",),
    "check.network.door": ("check_network",),
    "check.script.door": ("check_script",),
    "check.vjp": ("check_vjp",),
    "errors": ("BackpropError",),
    "legend": ("LEGEND",),
    "network": ("Batch", "Network"),
    "parameters": ("Layout", "Parameters"),
    "registry": ("find_strategy", "installed_strategies"),
    "strategy": ("Accuracy", "Cost", "Strategy", "ValueAndGradient"),
}
_MODULE = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """A public name from its module, or a part of the package such as `backprop.bench`."""
    if name in _MODULE:
        value = getattr(importlib.import_module(f"backprop.{_MODULE[name]}"), name)
        globals()[name] = value
        return value
    if not name.startswith("_"):
        try:
            return importlib.import_module(f"backprop.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"backprop.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
