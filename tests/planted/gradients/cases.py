"""The cases of the suite: every planted mistake on each of its networks, every right gradient on each of its own."""

from dataclasses import dataclass

import numpy as np
from planted.gradients.by_hand import compiled, edited, source
from planted.gradients.mistakes import MISTAKES, UNKNOWN, Planted
from planted.gradients.networks import NETS
from planted.gradients.right import RIGHT

from backprop.check import GradientCheck
from backprop.check.network import check_network_gradient


@dataclass(frozen=True)
class Case:
    """A gradient on a network, with what must be found: nothing where it is right."""

    id: str
    net: str
    make: object
    kinds: tuple = ()
    tensor: str | None = None
    weight_decay: float = 0.0

    def check(self) -> GradientCheck:
        """The check of this gradient, freshly made: a mistake may keep state."""
        net = NETS[self.net]
        params, batch = net.sample()
        rng = np.random.default_rng(7)
        with np.errstate(all="ignore"):
            return check_network_gradient(
                net.network, self.make(), params, batch, rng, weight_decay=self.weight_decay
            )


def planted(mistake: Planted, name: str) -> Case:
    """A mistake on one network."""
    net = NETS[name]
    text = edited(source(net.activation, mistake.output or net.loss), mistake.edits)
    return Case(
        f"{mistake.kinds[0]}: {mistake.name} [{name}]",
        name,
        lambda: compiled(text),
        mistake.kinds,
        mistake.tensor,
        mistake.weight_decay,
    )


WRONG_CASES = [planted(mistake, name) for mistake in MISTAKES for name in mistake.nets]
UNKNOWN_CASES = [planted(mistake, name) for mistake in UNKNOWN for name in mistake.nets]
RIGHT_CASES = [
    Case(f"{way} [{name}]", name, make, weight_decay=0.0) for way, make, nets in RIGHT for name in nets
]
