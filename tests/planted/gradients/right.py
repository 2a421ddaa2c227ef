"""Right gradients, each written in another way: loops, einsum, other orders and layouts, other formulas, libraries.

None of them shares code with the package, except those that say so by their name.
"""

from planted.gradients import right_formulas, right_libraries, right_loops, right_orders
from planted.gradients.by_hand import compiled, source
from planted.gradients.networks import NETS


def by_hand(output=None):
    """The text of by_hand.py without a mistake; which one depends on the network, so that is asked for late."""
    return {name: compiled(source(net.activation, output or net.loss)) for name, net in NETS.items()}


_ENTROPY = tuple(name for name, net in NETS.items() if net.loss == "cross-entropy")

RIGHT = (
    *((f"by hand, {name}", (lambda name=name: by_hand()[name]), (name,)) for name in NETS),
    *(
        (f"by hand, chain rule, {name}", (lambda name=name: by_hand("chain")[name]), (name,))
        for name in _ENTROPY[::2]
    ),
    *right_loops.WAYS,
    *right_formulas.WAYS,
    *right_orders.WAYS,
    *right_libraries.WAYS,
)
"""(how it is written, what makes it, on which networks)."""
