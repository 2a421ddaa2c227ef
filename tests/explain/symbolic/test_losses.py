"""Every loss is proven for every label, and its short form after a layer."""

import numpy as np
import pytest

from backprop.explain.symbolic import prove_loss
from backprop.layers import ACTIVATIONS
from backprop.losses import LOSSES, CrossEntropy, MeanSquaredError, SoftmaxCrossEntropy


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("c", [1, 2, 3])
def test_every_form_of_a_loss_is_proven(name, c):
    claims = prove_loss(LOSSES[name](), c)
    assert not [str(claim) for claim in claims if not claim.holds]
    has_short_form = any(LOSSES[name]().after(layer()) for layer in ACTIVATIONS.values())
    assert len(claims) == (9 if has_short_form else 4)


MISTAKES = {
    "p - y without the mean": (
        SoftmaxCrossEntropy,
        "value_and_gradient",
        lambda form: lambda self, z, labels: (form(self, z, labels)[0], form(self, z, labels)[1] * len(z)),
        "softmax-cross-entropy: gradient of value_and_gradient",
    ),
    "p without y": (
        SoftmaxCrossEntropy,
        "value_and_gradient",
        lambda form: (
            lambda self, z, labels: (
                form(self, z, labels)[0],
                form(self, z, labels)[1] + np.eye(3, dtype=object),
            )
        ),
        "softmax-cross-entropy: gradient of value_and_gradient",
    ),
    "the value of the next label": (
        SoftmaxCrossEntropy,
        "sample_values",
        lambda form: lambda self, z, labels: form(self, z, (labels + 1) % 3),
        "softmax-cross-entropy: exp of sample_values",
    ),
    "a value that is halved": (
        CrossEntropy,
        "value",
        lambda form: lambda self, y, labels: form(self, y, labels) / 2,
        "cross-entropy: value, the mean of sample_values",
    ),
    "-1/p for every class": (
        CrossEntropy,
        "gradient",
        lambda form: lambda self, y, labels: -1 / (y * 3),
        "cross-entropy: gradient",
    ),
    "a mean over samples alone": (
        MeanSquaredError,
        "gradient",
        lambda form: lambda self, y, labels: form(self, y, labels) * 3,
        "mean-squared-error: gradient",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_loss_is_refuted(name, monkeypatch):
    kind, form, wrong, claimed = MISTAKES[name]
    monkeypatch.setattr(kind, form, wrong(getattr(kind, form)))
    loss = CrossEntropy() if kind is SoftmaxCrossEntropy else kind()
    assert claimed in [claim.what for claim in prove_loss(loss, 3) if not claim.holds]
