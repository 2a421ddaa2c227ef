"""The proofs of a loss: its gradient, and what is fused with a layer, against SymPy.

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
from backprop.losses import Loss


def prove_loss(loss: Loss, c: int) -> list[Claim]:
    """Every form of the loss for c classes."""
    labels = np.arange(c)
    y = symbols("y", c, c)
    value = loss.value(y, labels)
    claims = [
        claim_equal("value, the mean of sample_values", value, _mean(loss.sample_values(y, labels))),
        claim_equal("gradient", loss.gradient(y, labels), derivatives(np.asarray(value, object), y)),
    ]
    if loss.fused_layer is None:
        return claims
    z = symbols("z", c, c)
    samples = loss.sample_values(tidy(loss.fused_layer().forward({}, z)), labels)
    fused_samples, fused_value = loss.fused_sample_values(z, labels), loss.fused_value(z, labels)
    fused, gradient = loss.fused_value_and_gradient(z, labels)
    by_logits = derivatives(np.asarray(_mean(samples), object), z)
    return [
        *claims,
        claim_equal(
            "exp of fused_sample_values", np.exp(fused_samples), np.exp(samples)
        ),  # without logarithms
        claim_equal("fused_value, the mean of fused_sample_values", fused_value, _mean(fused_samples)),
        claim_equal("value of fused_value_and_gradient", fused, fused_value),
        claim_equal("gradient of fused_value_and_gradient", gradient, by_logits),
    ]


def _mean(samples: Array) -> Any:
    return sum(np.asarray(samples)) / sympy.Integer(len(samples))
