"""The check of a network's gradient: truth in closed form, bounds of rounding, hypotheses of mistakes."""

from backprop.check.network.check import check_network_gradient

__all__ = ["check_network_gradient"]
