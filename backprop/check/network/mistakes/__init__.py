"""Mistakes: wrong backward passes, one file a family, and the search for those that explain a gradient."""

from backprop.check.network.mistakes.search import Explanation, explain
from backprop.check.network.mistakes.state import Got, Mistake, Run, State

__all__ = ["Explanation", "Got", "Mistake", "Run", "State", "explain"]
