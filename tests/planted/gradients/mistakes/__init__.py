"""The table of planted mistakes: what a person changes in the lines of by_hand.py, and what that is called."""

from planted.gradients.mistakes.activation import ACTIVATION
from planted.gradients.mistakes.batch import BATCH
from planted.gradients.mistakes.double import DOUBLE, UNKNOWN
from planted.gradients.mistakes.matrices import MATRICES
from planted.gradients.mistakes.output import OUTPUT
from planted.gradients.mistakes.tensors import TENSORS
from planted.gradients.mistakes.words import Planted

MISTAKES = (*BATCH, *MATRICES, *ACTIVATION, *OUTPUT, *TENSORS, *DOUBLE)

__all__ = ["MISTAKES", "UNKNOWN", "Planted"]
