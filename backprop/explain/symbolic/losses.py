"""The proofs of a loss: its gradient, and its short form after a layer, against SymPy.

Labels are no symbols: n = c samples are taken, and sample k has label k, so that every label is there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy

from backprop.arrays import Array
from backprop.explain.symbolic.arrays import symbols
from backprop.explain.symbolic.claim import Claim, claim_equal
from backprop.explain.symbolic.layers import derivatives, tidy
from backprop.layers import ACTIVATIONS
from backprop.losses import Loss


def prove_loss(loss: Loss, c: int) -> list[Claim]:
    """Every form of the loss for c classes, and of its short form after every layer that it has one for."""
    y, labels = symbols("y", c, c), np.arange(c)
    claims = _claims(loss, y, labels, loss.sample_values(y, labels), "")
    for layer in (activation() for activation in ACTIVATIONS.values()):
        short = loss.after(layer)
        if short is not None:
            z = symbols("z", c, c)
            samples = loss.sample_values(tidy(layer.forward({}, z)), labels)
            without_logarithms = np.exp(short.sample_values(z, labels)), np.exp(samples)
            claims.append(claim_equal(f"exp of sample_values of {short.name}", *without_logarithms))
            claims += _claims(short, z, labels, samples, f" of {short.name}")
    return claims


def _claims(loss: Loss, y: Array, labels: Array, samples: Array, of: str) -> list[Claim]:
    """The value and the gradient of the loss, whose losses of the samples are `samples`."""
    value, gradient = loss.value_and_gradient(y, labels)
    mean = _mean(loss.sample_values(y, labels))
    expected = derivatives(np.asarray(_mean(samples), object), y)
    return [
        claim_equal(f"value, the mean of sample_values{of}", loss.value(y, labels), mean),
        claim_equal(f"gradient{of}", loss.gradient(y, labels), expected),
        claim_equal(f"value of value_and_gradient{of}", value, mean),
        claim_equal(f"gradient of value_and_gradient{of}", gradient, expected),
    ]


def _mean(samples: Array) -> Any:
    return sum(np.asarray(samples)) / sympy.Integer(len(samples))
