"""A shortcut is read from the traces: the first rung of the ladder from which on no rung forms a matrix."""

import pytest
from explain.explained import explained
from outside.networks import NETWORKS, sample

from backprop.explain import explain

AVOIDED = {
    "full-jacobian": {
        "∂z₁/∂W₁": "batched-jacobian",
        "∂z₂/∂b₂": "batched-jacobian",
        "∂a₁/∂z₁": "batched-jacobian",
        "∂z₂/∂a₁": "batched-jacobian",
        "∂ℓ/∂W₁": "batched-jacobian",
        "∂p/∂z₂": "layerwise-vjp",
        "∂ℓ/∂p": "short-form",
        "p": "short-form",
        "∂ℓ/∂z₁": None,
        "∂L/∂W₁": None,
        "z₁": None,
    },
    "full-jacobian-naive": {"∂z₂/∂W₁": "batched-jacobian", "∂p/∂W₁": "layerwise-vjp"},
    "batched-jacobian": {"∂p/∂W₁": "layerwise-vjp", "∂p/∂z₁": "layerwise-vjp", "∂z₁/∂W₁": "layerwise-vjp"},
    "layerwise-vjp": {"∂L/∂x": "short-form", "∂L/∂p": "short-form", "∂L/∂z₁": None},
    "short-form": {"∂L/∂z₂": None, "z₂": None},
}


@pytest.mark.parametrize("strategy", AVOIDED)
def test_each_matrix_is_avoided_by_the_rung_that_the_ladder_names(strategy):
    explanation = explained(strategy)
    for name, expected in AVOIDED[strategy].items():
        shortcut = explanation.shortcut(0, explanation.traces[0].find(name))
        assert (shortcut and shortcut.strategy) == expected, name


@pytest.mark.parametrize("strategy", AVOIDED)
@pytest.mark.parametrize("options", [{}, {"activation": "softmax"}, {"activation": "gelu"}], ids=str)
def test_every_shortcut_has_a_reason_in_words(strategy, options):
    explanation = explained(strategy, **options)
    for step in explanation.traces[0].steps:
        shortcut = explanation.shortcut(0, step)
        assert shortcut is None or shortcut.reason, step.name


def test_without_a_fused_loss_nothing_cancels():
    explanation = explained("layerwise-vjp", loss="mean-squared-error")
    assert explanation.shortcut(0, explanation.traces[0].find("∂L/∂z₂")) is None


@pytest.mark.parametrize("name", ["layer-norm", "named-layer-norm", "outside-leaky-relu"])
@pytest.mark.parametrize("strategy", ["full-jacobian", "batched-jacobian"])
def test_a_shortcut_past_a_layer_from_outside_has_a_reason_too(name, strategy):
    params, batch = sample(NETWORKS[name], n=2)
    explanation = explain(NETWORKS[name], params, batch, [strategy])
    for step in explanation.traces[0].steps:
        shortcut = explanation.shortcut(0, step)
        assert shortcut is None or shortcut.reason, step.name
