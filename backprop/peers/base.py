"""The Peer interface: an outside library as a strategy, with every conversion outside the timed region.

call = peer.bind(plan, params, batch)      # conversion; not timed
raw = call()                               # the library's work; timed
loss, gradient = peer.collect(plan, raw)   # conversion; not timed
"""

from __future__ import annotations

import importlib.util
import shutil
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from backprop.arrays import DType
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.strategy import Cost, Strategy, ValueAndGradient

PlanT = TypeVar("PlanT")

Raw = Any
"""What the library returns: the loss and the gradients in its own form."""


class Peer(Strategy[PlanT]):
    """A strategy whose work an outside library does."""

    package: ClassVar[str]
    """The name by which the library is imported and installed."""
    oldest: ClassVar[str]
    """The first version that has `function`."""
    function: ClassVar[str]
    """What of the library is used, in its own words."""
    build: ClassVar[tuple[str, ...]] = ()
    """Attributes of the library, or functions, that tell how it was built and with how many threads it works."""
    programs: ClassVar[tuple[str, ...]] = ()
    """Programs that the library starts, such as a compiler."""

    @abstractmethod
    def bind(self, plan: PlanT, params: Parameters, batch: Batch) -> Callable[[], Raw]:
        """Convert everything, and return the library's work as a call that is awaited when it returns."""

    @abstractmethod
    def collect(self, plan: PlanT, raw: Raw) -> ValueAndGradient:
        """The loss and the gradient in our form, from what the call returned."""

    def value_and_gradient(self, plan: PlanT, params: Parameters, batch: Batch) -> ValueAndGradient:
        """Bind, call and collect."""
        return self.collect(plan, self.bind(plan, params, batch)())

    def unavailable(self) -> str | None:
        """Why the library cannot be used, with the line that brings it; None as far as that can be told beforehand.

        It is not imported for that: some take seconds, and their threads disturb what is measured.
        """
        line = f"pip install '{self.package}>={self.oldest}'"
        if importlib.util.find_spec(self.package) is None:
            return f"{self.package} is not installed; {line}"
        from packaging.version import Version

        installed = self.installed_version()
        if installed is not None and Version(installed) < Version(self.oldest):
            return f"{self.package} {installed} lacks {self.function}, which came with {self.oldest}; {line}"
        missing = [program for program in self.programs if shutil.which(program) is None]
        return f"{self.package} needs {missing[0]}, which is not installed" if missing else None

    def installed_version(self) -> str | None:
        """The version of the library, as its package says it."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version(self.package)
        except PackageNotFoundError:
            return None


def reverse_mode_cost(network: Network, batch_size: int, dtype: DType) -> Cost:
    """What reverse mode needs at least: the forward pass, two products a layer, activations and a gradient."""
    n, size = batch_size, dtype.itemsize
    flops = network.forward_flops(n) + network.backward_flops(n, first_input_needed=False)
    activations = n * network.units
    weights = network.parameter_count
    moved = size * (3 * weights + 2 * n * network.inputs + 4 * activations)
    return Cost(flops, moved, size * (weights + 2 * activations), forward_calls=1)


def jacobian_cost(network: Network, batch_size: int, dtype: DType) -> Cost:
    """What ∂(outputs)/∂θ (n, c, p) needs at least: it is written once and read once."""
    n, c, size, weights = batch_size, network.classes, dtype.itemsize, network.parameter_count
    numbers = n * c * weights
    flops = network.forward_flops(n) + 3 * numbers
    return Cost(flops, 2 * size * numbers, size * (numbers + weights), forward_calls=1)
