"""Hypotheses: wrong backward passes, one file a family, and the search for those that explain a gradient."""

from backprop.check.hypotheses.run import Run
from backprop.check.hypotheses.search import Explanation, explain
from backprop.check.hypotheses.state import Got, Mistake, State

__all__ = ["Explanation", "Got", "Mistake", "Run", "State", "explain"]
