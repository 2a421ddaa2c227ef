"""Hypotheses: wrong backward passes, one file a family, and the search for those that explain a gradient."""

from backprop.check.network.hypotheses.run import Run
from backprop.check.network.hypotheses.search import Explanation, explain
from backprop.check.network.hypotheses.state import Got, Mistake, State

__all__ = ["Explanation", "Got", "Mistake", "Run", "State", "explain"]
