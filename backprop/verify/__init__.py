"""Verification: the reference gradient in extended precision, and who agrees with whom."""

from backprop.verify.agreement import GradientError, Pair, gradient_error, pairs
from backprop.verify.kinks import kinked_parameters
from backprop.verify.reference import REFERENCE, reference_gradient

__all__ = [
    "REFERENCE",
    "GradientError",
    "Pair",
    "gradient_error",
    "kinked_parameters",
    "pairs",
    "reference_gradient",
]
