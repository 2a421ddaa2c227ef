"""The trace is of the real strategy: it holds what the strategy forms, and changes nothing of what it does."""

import functools

import numpy as np
import pytest
from over import over
from planted.wrong import TransposedWeight
from tables import SCENARIOS, STRATEGIES, run, sentence

from backprop import Network
from backprop.errors import UnsupportedError
from backprop.explain import trace
from backprop.explain.names import subscripted
from backprop.explain.step import Derivative
from backprop.explain.watched import watched
from backprop.explain.words import facts
from backprop.layers import Linear, Softmax

EXPLAINED = (
    "full-jacobian",
    "full-jacobian-naive",
    "batched-jacobian",
    "batched-jacobian-einsum",
    "layerwise-vjp",
    "short-form",
    "short-form-dense",
)
NOT_EXPLAINED = ("finite-differences", "complex-step", "forward-mode", "sparse-jacobian")


def explained_by(name):
    """The scenarios whose gradient a strategy explains."""
    return [
        scenario
        for scenario, case in SCENARIOS.items()
        if STRATEGIES[name].unsupported(case.network, np.dtype(float)) is None
        # Of an LSTM or attention, einsum multiplies by values inside the layer, which have no name.
        and not (name.startswith("batched") and any(layer.entered_numbers() for layer in case.network.layers))
    ]


every_explained = pytest.mark.parametrize("name", EXPLAINED)


def traced(name, scenario="toy-relu", dtype="float64"):
    """A trace, with the network, the parameters and the batch that it was made from."""
    network, (params, batch) = SCENARIOS[scenario].network, SCENARIOS[scenario].sample(dtype)
    return trace(STRATEGIES[name], network, params, batch), network, params, batch


def unambiguous(network):
    """The name of every parameter, by the name under which its gradient is printed."""
    return {f"∂L/∂{subscripted(name)}": name for name in network.layout.names}


@functools.cache
def chain_rule(scenario):
    """∂y/∂x and ∂y/∂θ of every layer by name, and ∂L/∂ of every value, from dense Jacobians and einsum."""
    from backprop.explain.names import Names

    network, (params, batch) = SCENARIOS[scenario].network, SCENARIOS[scenario].sample("float64")
    names, values = Names.of(network), network.activations(params, batch.inputs)
    found, row = {}, network.loss_function.gradient(values[-1], batch.labels)
    found[Derivative("L", names.outputs)] = row
    through = np.broadcast_to(np.eye(network.classes), (len(row), network.classes, network.classes))
    for k in reversed(range(len(network.layers))):
        own = network.local(params)[k]
        arguments = (own, values[k], values[k + 1])
        jacobian = network.layers[k].input_jacobian(*arguments)
        for local, matrix in network.layers[k].parameter_jacobians(*arguments).items():
            name = names.parameters[k][local]
            found[Derivative(names.values[k + 1], name)] = matrix
            if k < len(network.layers) - 1:
                found[Derivative(names.outputs, name)] = np.einsum("nco,no...->nc...", through, matrix)
            found[Derivative("ℓ", name)] = len(row) * np.einsum("no,no...->n...", row, matrix)
        found[Derivative(names.values[k + 1], names.values[k])] = jacobian
        through = np.einsum("nco,noi->nci", through, jacobian)
        if k < len(network.layers) - 1:
            found[Derivative(names.outputs, names.values[k])] = through
        row = np.einsum("no,noi->ni", row, jacobian)
        found[Derivative("L", names.values[k])] = row
    return found


@every_explained
@over(scenario=explained_by)
def test_a_trace_ends_bit_for_bit_as_the_strategy_unwatched_and_every_derivative_is_what_its_name_says(
    name, scenario
):
    got, network, params, batch = traced(name, scenario)
    _, gradient = run(STRATEGIES[name], network, params, batch)
    for step, parameter in unambiguous(network).items():
        np.testing.assert_array_equal(got.find(step).array, gradient[parameter])
    for step in got.steps:
        assert len(step.letters) == step.array.ndim, step.name
        assert not step.letters or step.letters.isalpha()
        if "n" in step.letters:
            assert step.array.shape[0] == SCENARIOS[scenario].batch_size
    if any(layer.lacks for layer in network.layers):
        return  # a layer couples the samples, and the chain rule of one sample does not hold
    expected = chain_rule(scenario)
    looked_at = 0
    for step in got.steps:
        if not isinstance(step.quantity, Derivative) or step.kind in ("factor", "gradient"):
            continue
        of, by = step.quantity
        if of == "ℓ" and by in got.names.values:
            array = len(batch.inputs) * expected[Derivative("L", by)]
        elif step.quantity in expected:
            array = expected[step.quantity]
        else:  # ∂L/∂W, which is held against the strategy above, or a product between inner values
            assert of == "L" or name == "full-jacobian-naive", step.name
            continue
        np.testing.assert_allclose(step.array, array, rtol=1e-12, atol=1e-14, err_msg=step.name)
        looked_at += 1
    assert looked_at


def names_in(name, **options):
    return {step.name for step in traced(name, **options)[0].steps}


def test_full_jacobian_forms_every_factor_and_every_product():
    assert names_in("full-jacobian") == (
        {"z₁", "a₁", "z₂", "p", "ℓ", "L"}
        | {"∂ℓ/∂p", "∂p/∂z₂", "∂ℓ/∂z₂", "∂z₂/∂W₂", "∂z₂/∂b₂", "∂ℓ/∂W₂", "∂ℓ/∂b₂", "∂L/∂W₂", "∂L/∂b₂"}
        | {"∂z₂/∂a₁", "∂ℓ/∂a₁", "∂a₁/∂z₁", "∂ℓ/∂z₁"}
        | {"∂z₁/∂W₁", "∂z₁/∂b₁", "∂ℓ/∂W₁", "∂ℓ/∂b₁", "∂L/∂W₁", "∂L/∂b₁"}
    )


def test_batched_jacobian_forms_the_jacobian_of_the_outputs_by_every_parameter():
    found = traced("batched-jacobian")[0].find("∂p/∂W₁")
    assert (found.shape_letters, found.shape_numbers) == ("(n, c, i, o)", "4 × 2 × 4 × 3")


def test_the_outputs_have_an_axis_of_classes_and_other_values_one_of_outputs():
    got = traced("layerwise-vjp")[0]
    assert [got.find(name).shape_letters for name in ("z₂", "p")] == ["(n, o)", "(n, c)"]


def test_a_factor_that_leaves_axes_out_is_said_to_and_an_identity_is_named():
    got = traced("batched-jacobian")[0]
    left_out = "without the axes along which it only repeats or is zero"
    for name in ("∂z₁/∂W₁", "∂z₁/∂b₁", "∂a₁/∂z₁", "∂z₂/∂a₁"):
        assert left_out in facts(got.find(name)), name
    assert left_out not in facts(got.find("∂p/∂z₂"))
    assert left_out not in facts(traced("full-jacobian")[0].find("∂z₁/∂W₁"))
    assert "∂p/∂p · ∂p/∂z₂, where ∂p/∂p is the identity" in {step.formula for step in got.steps}


def test_the_naive_order_forms_products_between_inner_values_and_rows_do_not():
    assert {"∂z₂/∂W₁", "∂a₁/∂W₁"} <= names_in("full-jacobian-naive")
    assert not {"∂z₂/∂W₁", "∂a₁/∂W₁", "∂p/∂W₁"} & names_in("full-jacobian")


def test_short_form_forms_no_jacobian_no_probabilities_and_no_first_dx():
    found = names_in("short-form")
    assert not [name for name in found if name.startswith("∂") and not name.startswith("∂L")]
    assert not {"p", "∂L/∂p", "∂L/∂x"} & found
    assert {"p", "∂L/∂p", "∂L/∂x"} <= names_in("layerwise-vjp")


def test_short_form_starts_from_p_minus_t():
    got, network, params, batch = traced("short-form")
    p = network.forward(params, batch.inputs)
    step, t = got.find("∂L/∂z₂"), np.eye(2)[batch.labels]
    assert step.formula == "1/n (p[n,i] - t[n,i])"
    np.testing.assert_allclose(step.array, (p - t) / len(p), atol=1e-15)


def test_what_the_strategy_writes_over_later_is_kept_as_it_was():
    """short-form writes a₁ over z₁ and ∂L/∂z₁ over ∂L/∂a₁."""
    got = traced("short-form")[0]
    assert (got.find("z₁").array < 0).any()
    assert (got.find("a₁").array >= 0).all()
    assert not np.array_equal(got.find("∂L/∂a₁").array, got.find("∂L/∂z₁").array)


def test_zeros_and_bytes_of_a_step():
    step = traced("full-jacobian")[0].find("∂z₁/∂W₁")
    assert step.zeros == pytest.approx(2 / 3)  # of three outputs, an input reaches one
    assert "1.15 kB" in facts(step)  # 4 · 3 · 4 · 3 numbers of 8 bytes


@every_explained
def test_float32_is_traced_in_float32(name):
    got = traced(name, dtype="float32")[0]
    masks = {"bool"} if name.startswith("batched") else set()  # the slope of relu
    assert {step.array.dtype.name for step in (*got.steps, *got.given)} == {"float32"} | masks


def test_what_is_given_is_told_apart():
    got, _, params, batch = traced("short-form")
    assert [step.name for step in got.given] == ["x", "t", "W₁", "b₁", "W₂", "b₂"]
    np.testing.assert_array_equal(got.given[0].array, batch.inputs)
    np.testing.assert_array_equal(got.given[1].array.argmax(axis=1), batch.labels)
    np.testing.assert_array_equal(got.given[4].array, params["W2"])


@pytest.mark.parametrize("name", NOT_EXPLAINED)
def test_a_strategy_that_derives_where_nobody_sees_it_is_refused(name):
    with pytest.raises(UnsupportedError) as error:
        traced(name, "deep-tanh")
    assert "∂L/∂W₁" in sentence(error.value)


def test_a_derivation_by_hand_is_refused_rather_than_half_explained():
    network, (params, batch) = SCENARIOS["one-layer"].network, SCENARIOS["one-layer"].sample("float64")
    with pytest.raises(UnsupportedError, match="∂L/∂W₁"):
        trace(TransposedWeight(), network, params, batch)


# The stand-ins


def test_a_stand_in_is_taken_for_its_layer():
    network = watched(Network.mlp(3, 4, 2), lambda call: call.make())
    assert isinstance(network.layers[0], Linear)
    assert isinstance(network.layers[-1], Softmax)
    assert not isinstance(network.layers[0], Softmax)
    assert network.short is not network
    assert str(network) == "3-4-2 relu cross-entropy"
    assert network.layers[0].outputs == 4
    assert [repr(layer) for layer in network.layers] == ["linear", "relu", "linear", "softmax"]


def test_nothing_is_left_of_a_watch():
    """The plain network is measured: its layers and strategies are unchanged."""
    network, (params, batch) = SCENARIOS["toy-relu"].network, SCENARIOS["toy-relu"].sample("float64")
    strategy = STRATEGIES["full-jacobian"]
    before = [dict(vars(thing)) for thing in (strategy, type(strategy), network, *network.layers, Linear)]
    layers = network.layers
    trace(strategy, network, params, batch)
    after = [dict(vars(thing)) for thing in (strategy, type(strategy), network, *network.layers, Linear)]
    assert before == after
    assert all(a is b for a, b in zip(layers, network.layers, strict=True))
    assert all(type(layer).__module__.startswith("backprop.layers") for layer in network.layers)


def test_a_piece_of_a_derivative_is_not_taken_for_it(monkeypatch):
    network, rng = Network.mlp(3, 64, 2), np.random.default_rng(0)
    batch, params = network.batch(rng.random((2, 3)), [0, 1], np.dtype("float64")), network.init(rng)
    strategy = STRATEGIES["batched-jacobian"]
    whole = trace(strategy, network, params, batch)  # small enough to be made at once
    _, expected = run(strategy, network, params, batch)
    np.testing.assert_array_equal(whole.find("∂L/∂W₁").array, expected["W1"])
    monkeypatch.setattr("backprop.outer_products._BLOCK_BYTES", 1)
    with pytest.raises(UnsupportedError, match="∂L/∂W₁"):
        trace(strategy, network, params, batch)
