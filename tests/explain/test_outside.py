"""Explanations of strategies and layers from outside: every number in its place, and nothing that is not known."""

import io

import numpy as np
import openpyxl
import pytest
from explain.formula import computed
from outside.layers import LayerNorm
from outside.networks import NETWORKS, sample
from outside.strategies import Checkpointed, HalfBatches
from over import over
from tables import SCENARIOS, STRATEGIES, sentence

from backprop import Network
from backprop.errors import UnsupportedError
from backprop.explain import Explanation, explain, render_html, render_markdown, render_text, trace
from backprop.explain.names import Names, plain_name
from backprop.layers import Linear, Softmax
from backprop.losses import CrossEntropy
from backprop.registry import ladder

LADDER = ladder()


@pytest.mark.parametrize("by_sample", [False, True], ids=["whole batch", "sample by sample"])
@over(scenario=SCENARIOS)
def test_what_a_strategy_recomputes_is_shown_once_and_in_its_shape(scenario, by_sample):
    network, (params, batch) = SCENARIOS[scenario].network, SCENARIOS[scenario].sample("float64")
    if by_sample and any(layer.couples_samples for layer in network.layers):
        pytest.skip("a sample by itself is not what it is in its batch")
    got = trace(Checkpointed(by_sample), network, params, batch)
    values = network.activations(params, batch.inputs)
    for name, value in zip(got.names.values[1:], values[1:], strict=True):
        (step,) = [step for step in got.steps if step.name == name]
        np.testing.assert_allclose(step.array, value, rtol=1e-12, atol=1e-14)
    assert len({step.name for step in got.steps}) == len(got.steps)
    gradient = STRATEGIES["short-form"]
    _, expected = gradient.value_and_gradient(
        gradient.prepare(network, len(batch.inputs), params.dtype), params, batch
    )
    for name in network.layout.names:
        (step,) = [step for step in got.steps if plain_name(step.name) == f"∂L/∂{name}"]
        np.testing.assert_allclose(step.array, expected[name], rtol=1e-10, atol=1e-12)


def test_samples_that_are_alike_are_not_taken_for_a_recomputation():
    network, (params, batch) = SCENARIOS["toy-relu"].network, SCENARIOS["toy-relu"].sample("float64")
    inputs = batch.inputs.copy()
    inputs[2] = inputs[0]
    got = trace(Checkpointed(True), network, params, batch._replace(inputs=inputs))
    assert got.find("z₁").array.shape == (4, 3)
    np.testing.assert_allclose(got.find("z₁").array, network.activations(params, inputs)[1], rtol=1e-12)


def test_a_strategy_that_takes_parts_of_the_batch_is_refused():
    network, (params, batch) = SCENARIOS["toy-relu"].network, SCENARIOS["toy-relu"].sample("float64")
    with pytest.raises(UnsupportedError, match="takes 2 of 4 samples at once") as error:
        trace(HalfBatches(), network, params, batch)
    sentence(error.value)


@pytest.mark.parametrize("render", [render_text, render_markdown, render_html])
@pytest.mark.parametrize(
    "name", sorted(set(NETWORKS) - {"prelu", "vjp-only", "outside-leaky-relu", "unaware-outside-leaky-relu"})
)
def test_a_network_with_layers_from_outside_is_explained_without_a_formula_that_is_not_known(name, render):
    network = NETWORKS[name]
    params, batch = sample(network, n=2)
    for strategy in LADDER:
        shown = render(explain(network, params, batch, [strategy]))
        outside = next(layer.name for layer in network.layers if type(layer).__module__ == "outside.layers")
        assert f"the formula of {outside} is not known here" in shown


def test_the_parameters_of_a_layer_from_outside_are_given_and_derived_by_their_names():
    network = NETWORKS["named-layer-norm"]
    params, batch = sample(network, n=2)
    for strategy in LADDER:
        got = trace(STRATEGIES[strategy], network, params, batch)
        assert {"γ₂", "β₂"} <= {step.name for step in got.given}
        assert got.find("∂L/∂γ₂").array.shape == (4,)
        for step in got.steps:
            assert len(step.letters) == step.array.ndim, step.name


def test_no_reason_is_given_for_a_jacobian_of_which_nothing_is_known():
    network = NETWORKS["layer-norm"]
    params, batch = sample(network, n=2)
    text = render_text(explain(network, params, batch, ["full-jacobian"]))
    block = text.split("∂a₂/∂z₁: the formula of outside-layer-norm")[1][:200]
    assert "diagonal" not in block


def test_a_parameter_whose_axes_have_no_letters_is_refused_in_a_sentence():
    network = NETWORKS["prelu"]
    params, batch = sample(network, n=2)
    with pytest.raises(
        UnsupportedError, match=r"The parameter a of the layer prelu has the shape \(1,\)"
    ) as error:
        explain(network, params, batch, ["layerwise-vjp"])
    sentence(error.value)


def test_a_strategy_that_cannot_do_the_layer_is_refused_in_a_sentence():
    network = NETWORKS["vjp-only"]
    params, batch = sample(network, n=2)
    assert trace(STRATEGIES["layerwise-vjp"], network, params, batch).find("∂L/∂s₂").array.shape == (4,)
    with pytest.raises(UnsupportedError, match="the layer vjp-only has no input_jacobian"):
        trace(STRATEGIES["full-jacobian"], network, params, batch)


@pytest.mark.parametrize("local", ["a", "x", "y", "k", "z", "p"])
def test_a_parameter_named_like_a_value_is_kept_apart_from_it(local):
    layer = LayerNorm(4)
    layer.scale = local
    network = Network((Linear(5, 4), layer, Linear(4, 3), Softmax()), CrossEntropy())
    params, batch = sample(network, n=2)
    names = Names.of(network)
    assert len(set(names.values) | set(names.letters)) == len(names.values) + len(names.letters)
    for strategy in LADDER:
        got = trace(STRATEGIES[strategy], network, params, batch)
        assert got.find(f"∂L/∂{local}₂").array.shape == (4,)
        assert isinstance(Explanation(network, params, batch, (got,), (got,)).rows, list)


def test_a_workbook_of_a_layer_that_it_does_not_know_is_refused():
    pytest.importorskip("xlsxwriter")
    from backprop.explain.workbook import workbook

    network = NETWORKS["layer-norm"]
    params, batch = sample(network, n=2)
    with pytest.raises(
        UnsupportedError, match="cannot show the layer outside-layer-norm, which has parameters"
    ) as error:
        workbook(explain(network, params, batch, ["full-jacobian", "short-form"]))
    sentence(error.value)


@pytest.mark.parametrize("strategy", LADDER)
def test_the_formulas_that_a_layer_from_outside_states_give_the_numbers_below_them(strategy):
    network = NETWORKS["outside-leaky-relu"]
    params, batch = sample(network, n=2)
    got = trace(STRATEGIES[strategy], network, params, batch)
    arrays = {step.name: step.array for step in (*got.given, *got.steps)}
    arrays["p"] = network.forward(params, batch.inputs)
    own = [step for step in got.steps if step.layer == "outside-leaky-relu" and step.kind != "factor"]
    assert {str(step.name) for step in own} >= {"a₁"}
    for step in own:
        shown = computed(step, arrays, batch.labels, {"n": 2, "c": 3})
        np.testing.assert_allclose(shown, step.array, rtol=1e-12, atol=1e-14, err_msg=step.formula)


def test_the_cells_that_a_layer_from_outside_states_are_in_its_workbook():
    pytest.importorskip("xlsxwriter")
    from backprop.explain.workbook import workbook

    network = NETWORKS["outside-leaky-relu"]
    params, batch = sample(network, n=2)
    book = openpyxl.load_workbook(
        io.BytesIO(workbook(explain(network, params, batch, ["full-jacobian", "short-form"])))
    )
    written = [
        cell.value for page in book for row in page.iter_rows() for cell in row if isinstance(cell.value, str)
    ]
    assert any(text.startswith("=MAX(") and ",0.1*" in text for text in written)
    assert any(text.startswith("=IF(") and text.endswith(">0,1,0.1)") for text in written)
