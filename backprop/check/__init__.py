"""Checking a gradient that was derived by hand: right or wrong, where, what kind of mistake, and how sure."""

from backprop.check.kinds import KINDS, Finding, Kind
from backprop.check.result import Entry, GradientCheck, Kink, StepCurve, TensorCheck

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
