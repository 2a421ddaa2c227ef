"""Normalisations and residuals are proven at small sizes; of coupled samples the whole batch at once."""

import pytest

from backprop.explain.symbolic import derive, prove_layer
from backprop.layers.batch_norm import BatchNorm
from backprop.layers.normalisation import Normalisation
from backprop.notation import read_network


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("2x2 layer-norm", 1),
        ("2 batch-norm", 2),
        ("2 residual(rms-norm)", 1),
        ("2 residual(2 tanh 2)", 1),
        ("1 residual(batch-norm)", 2),
    ],
)
def test_every_form_is_proven(text, n):
    layer = read_network(text)[-1]
    claims = prove_layer(layer, n, len(text.split()[0].split("x")) * 2 if "x" in text else int(text[0]))
    assert claims
    assert [str(claim) for claim in claims if not claim.holds] == []


def test_a_closed_form_that_forgets_what_the_mean_gives_back_is_refuted(monkeypatch):
    right = Normalisation.vjp

    def forgetful(self, params, x, y, dy, **more):
        dx, own = right(self, params, x, y, dy, **more)
        return dx + own["beta"], own

    monkeypatch.setattr(Normalisation, "vjp", forgetful)
    wrong = [claim.what for claim in prove_layer(BatchNorm((1,)), 2, 1) if not claim.holds]
    assert wrong == ["batch-norm, n = 2: vjp"]


def test_a_derivation_of_coupled_samples_is_one_of_two_samples_and_says_why():
    derivation = derive("batch-norm", 1)
    assert derivation.holds, derivation.verdict
    assert "of two samples: ∂y/∂x of one sample does not exist" in derivation.lines[0].words
