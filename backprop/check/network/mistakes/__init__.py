"""Mistakes: wrong backward passes, one file a family, and the search for those that explain a gradient."""

from backprop.check.network.mistakes.run import Run
from backprop.check.network.mistakes.search import Match, find_mistakes
from backprop.check.network.mistakes.state import Got, Mistake, State

__all__ = ["Got", "Match", "Mistake", "Run", "State", "find_mistakes"]
