"""Every loss is proven for every label, its fused form with the layer before it."""

import numpy as np
import pytest

from backprop.explain.symbolic import prove_loss
from backprop.losses import LOSSES, CrossEntropy, MeanSquaredError


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("c", [1, 2, 3])
def test_every_form_of_a_loss_is_proven(name, c):
    claims = prove_loss(LOSSES[name](), c)
    assert not [str(claim) for claim in claims if not claim.holds]
    assert len(claims) == (2 if LOSSES[name].fused_layer is None else 6)


MISTAKES = {
    "p - y without the mean": (
        CrossEntropy,
        "fused_value_and_gradient",
        lambda form: lambda self, z, labels: (form(self, z, labels)[0], form(self, z, labels)[1] * len(z)),
        "gradient of fused_value_and_gradient",
    ),
    "p without y": (
        CrossEntropy,
        "fused_value_and_gradient",
        lambda form: (
            lambda self, z, labels: (
                form(self, z, labels)[0],
                form(self, z, labels)[1] + np.eye(3, dtype=object),
            )
        ),
        "gradient of fused_value_and_gradient",
    ),
    "the value of the next label": (
        CrossEntropy,
        "fused_sample_values",
        lambda form: lambda self, z, labels: form(self, z, (labels + 1) % 3),
        "exp of fused_sample_values",
    ),
    "a value that is halved": (
        CrossEntropy,
        "value",
        lambda form: lambda self, y, labels: form(self, y, labels) / 2,
        "value, the mean of sample_values",
    ),
    "-1/p for every class": (
        CrossEntropy,
        "gradient",
        lambda form: lambda self, y, labels: -1 / (y * 3),
        "gradient",
    ),
    "a mean over samples alone": (
        MeanSquaredError,
        "gradient",
        lambda form: lambda self, y, labels: form(self, y, labels) * 3,
        "gradient",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_loss_is_refuted(name, monkeypatch):
    kind, form, wrong, claimed = MISTAKES[name]
    monkeypatch.setattr(kind, form, wrong(getattr(kind, form)))
    assert claimed in [claim.what for claim in prove_loss(kind(), 3) if not claim.holds]
