"""Every reader shows layers and strategies from outside as they are, or declines them in one sentence."""

import re
from pathlib import Path

import numpy as np
import pytest
from outside.layers import LayerNorm
from outside.networks import NETWORKS, by_differences, sample
from outside.strategies import Checkpointed
from tables import STRATEGIES, sentence

from backprop import Network, find_strategy, registry
from backprop.errors import BackpropError
from backprop.explain import explain, render_html, render_markdown, render_text
from backprop.explain.names import Names, plain_name
from backprop.layers import Linear, Softmax
from backprop.losses import CrossEntropy
from backprop.registry import ladder
from backprop.training import Settings, Trainer
from backprop.verify import gradient_error, reference_gradient

FOLDER = Path(__file__).parent
CHECKPOINTED = f"{FOLDER / 'strategies.py'}:Checkpointed"
LAYERS = {
    name: f"{FOLDER / 'layers.py'}:{kind}"
    for name, kind in {"leaky": "LeakyReLU", "norm": "LayerNorm"}.items()
}

every_network = pytest.mark.parametrize("network", ["outside-leaky-relu", "layer-norm", "layer-norm-tanh"])
every_layer = pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)


@every_network
@pytest.mark.parametrize("strategy", [*STRATEGIES, CHECKPOINTED], ids=lambda name: name.rpartition(":")[2])
def test_an_explanation_holds_the_right_gradient_or_declines(network, strategy):
    network = NETWORKS[network]
    params, batch = sample(network, n=2)
    try:
        explanation = explain(network, params, batch, [strategy])
    except BackpropError as error:
        said = str(error)
        assert said.endswith(".")
        assert not re.search(r"[.!] [A-Z]|\n", said)
        return
    for render in (render_text, render_markdown, render_html):
        assert find_strategy(strategy).name in render(explanation)
    expected = dict(
        zip(
            network.layout.names,
            np.split(by_differences(network, params, batch), _cuts(network)),
            strict=True,
        )
    )
    for step in explanation.traces[0].steps:
        name = plain_name(step.name).removeprefix("∂L/∂")
        if step.name.startswith("∂L/∂") and name in expected:
            np.testing.assert_allclose(
                step.array.reshape(-1), expected[name].astype(float), rtol=1e-9, atol=1e-10
            )


def _cuts(network):
    """Where one tensor ends and the next begins in the vector (p,)."""
    return np.cumsum([int(np.prod(shape)) for _, shape in network.layout.shapes])[:-1]


@every_network
def test_a_strategy_from_outside_stands_beside_one_of_the_ladder(network):
    network = NETWORKS[network]
    params, batch = sample(network, n=2)
    explanation = explain(network, params, batch, ["short-form", CHECKPOINTED])
    assert explanation.difference < 1e-14


def test_a_layer_from_outside_is_shown_with_the_letters_of_its_file():
    layer = LayerNorm(4)
    layer.symbol, layer.letters = "h", {"g": "i", "b": "i"}
    network = Network((Linear(5, 4), layer, Linear(4, 3), Softmax()), CrossEntropy())
    names = Names.of(network)
    assert names.values == ("x", "z₁", "h₂", "z₃", "p")
    assert names.letters == {"W₁": "io", "b₁": "o", "g₂": "i", "b₂": "i", "W₃": "io", "b₃": "o"}
    params, batch = sample(network, n=2)
    assert "g₂  shape (i,) = 4" in render_text(explain(network, params, batch, ["short-form"]))


def test_a_strategy_from_outside_that_states_its_shortcuts_joins_the_ladder(monkeypatch):
    everybody = {**STRATEGIES, "checkpointed": Checkpointed()}
    monkeypatch.setattr(registry, "installed_strategies", lambda: everybody)
    monkeypatch.setattr(Checkpointed, "shortcuts", {"outputs": "it is recomputed"})
    assert list(ladder()) == [
        "full-jacobian",
        "batched-jacobian",
        "layerwise-vjp",
        "short-form",
        "checkpointed",
    ]
    network = NETWORKS["layer-norm"]
    params, batch = sample(network, n=2)
    explanation = explain(network, params, batch, ["full-jacobian"])
    assert [trace.strategy for trace in explanation.ladder] == list(ladder())


@every_layer
def test_a_layer_from_outside_is_derived_and_proven(layer):
    pytest.importorskip("sympy")
    from backprop.explain.symbolic import derive

    derivation = derive(layer, 2)
    assert derivation.holds, derivation.verdict


def test_a_workbook_declines_a_layer_that_has_cells_and_parameters():
    pytest.importorskip("xlsxwriter")
    from backprop.explain.workbook import workbook

    layer = LayerNorm(4)
    layer.cells = {"forward": "{x}", "input_jacobian": "{same}", "vjp": "{d}"}
    network = Network((Linear(5, 4), layer, Linear(4, 3), Softmax()), CrossEntropy())
    params, batch = sample(network, n=2)
    first, *_, last = ladder()
    with pytest.raises(
        BackpropError, match="no formula for outside-layer-norm; expected a layer whose file gives the cells"
    ) as error:
        workbook(explain(network, params, batch, [first, last]))
    sentence(error.value)


@every_network
def test_the_reference_of_verify_is_right(network):
    network = NETWORKS[network]
    params, batch = sample(network)
    _, gradient = find_strategy("layerwise-vjp").value_and_gradient(
        find_strategy("layerwise-vjp").prepare(network, len(batch.inputs), params.dtype), params, batch
    )
    assert gradient_error(gradient, reference_gradient(network, params, batch)).relative < 1e-14


@every_layer
def test_a_strategy_and_a_layer_from_outside_train_as_the_short_form_does(layer):
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((64, 6)), rng.integers(0, 3, 64)

    def trained(strategy):
        settings = Settings(
            network="6-5-3",
            activation=layer,
            strategy=strategy,
            shift=0,
            batch_size=8,
            epochs=2,
            dtype="float64",
        )
        trainer = Trainer(settings, images, labels)
        losses = []
        while not trainer.finished:
            losses.append(trainer.take_step())
        return losses, trainer.params.vector

    losses, weights = trained(CHECKPOINTED)
    expected_losses, expected = trained("short-form")
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-10)
    np.testing.assert_allclose(weights, expected, rtol=1e-9, atol=1e-12)
