"""Checking a gradient that was derived by hand: right or wrong, where, what kind of mistake, and how sure.

The doors are what a user calls: `gradient`, `vjp` and `jvp` for any function, `network.door` for a network's loss.
All of them go the same way, through these modules:

    what was handed in     settings; leaves, trees, points: any arrays in any containers, as one vector and back
                           forms, product: how a backward pass is called; network.layouts: how a network's function is
    what comes back        behaviour, oracle: whether equal calls give equal answers, and counted calls
                           answers: a gradient in the structure of the point; jacobians: combinations of many values
    what is true           numeric.directions, quotients, slopes: how the point is moved, and what the steps show
                           numeric.comparison, directional, noise, looks, method: the claim beside it, along one line
                           numeric.tensors, kinks, verdict, review: along many; network.truth: the closed form
    what a mistake is      patterns, signatures: a tensor that equals the truth up to a factor, an order, a mask, …
                           local, local_patterns, local_products: the same for each upstream entry
                           look: with other inputs; constants, trials: with another point or changed code
                           network.mistakes: wrong backward passes that give the same tensors
                           lines: the line of the code that gives the first wrong value; script: of a notebook
    what is said           evidence, report, kinds, result
"""

from backprop.check.entry import Entry
from backprop.check.kinds import KINDS, Finding, Kind
from backprop.check.result import GradientCheck, Kink, StepCurve, TensorCheck

__all__ = [
    "KINDS",
    "Entry",
    "Finding",
    "GradientCheck",
    "Kind",
    "Kink",
    "StepCurve",
    "TensorCheck",
]
