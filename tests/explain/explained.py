"""An explanation to test renderings on, and a strategy whose name tries to break out of them."""

import numpy as np

from backprop import Network
from backprop.explain import example, explain

HOSTILE = "odd|<b>`name` *two*&"


def explained(*strategies, sizes=(3, 4, 2), network=None, n=2, seed=10, **options):
    """The explanation that the command would give, of sizes or of a text."""
    network = Network.parse(network) if network else Network.mlp(*sizes, **options)
    params, batch = example(network, n, np.random.default_rng(seed))
    return explain(network, params, batch, strategies or ("full-jacobian", "short-form"))
