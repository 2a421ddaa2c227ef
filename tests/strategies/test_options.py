"""Options of strategies: what makes no sense is refused in one sentence, before anything is computed."""

import math

import numpy as np
import pytest
from tables import DTYPES, SCENARIOS, sentence

import backprop
from backprop import Network
from backprop.errors import DtypeError, OptionError, UnsupportedError
from backprop.layers import Tanh
from backprop.strategies.complex_step import ComplexStep
from backprop.strategies.finite_differences import FiniteDifferences
from backprop.strategies.forward_gradient import ForwardGradient
from backprop.strategies.full_jacobian import FullJacobian
from backprop.strategies.local_finite_differences import LocalFiniteDifferences

TOY = Network.mlp(4, 3, 2)  # p = 23

STEPS = {
    "finite-differences": lambda step: FiniteDifferences(relative_step=step),
    "richardson": lambda step: FiniteDifferences(kind="richardson", relative_step=step),
    "local": lambda step: LocalFiniteDifferences(relative_step=step),
    "complex-step": lambda step: ComplexStep(step=step),
}


@pytest.mark.parametrize("step", [0, 0.0, -1e-6, math.nan, math.inf, "1e-6"], ids=str)
@pytest.mark.parametrize("make", STEPS.values(), ids=STEPS)
def test_a_step_that_is_not_above_zero_is_refused_at_once(make, step):
    with pytest.raises(OptionError, match="step") as caught:
        make(step)
    assert repr(step) in sentence(caught.value)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["finite-differences", "richardson", "local"])
def test_a_step_below_rounding_is_refused_for_the_dtype_that_it_is_below(name, dtype):
    """Half of the step is taken as well where the quotients are extrapolated."""
    eps = float(np.finfo(dtype).eps)
    with pytest.raises(OptionError, match=f"below the rounding of {dtype}") as caught:
        STEPS[name](eps / 2).prepare(TOY, 2, np.dtype(dtype))
    sentence(caught.value)
    STEPS[name](2 * eps).prepare(TOY, 2, np.dtype(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_complex_step_is_refused_where_its_square_shows_or_is_lost(dtype):
    limits = np.finfo(dtype)
    for step in (4 * float(limits.eps) ** 0.5, float(limits.tiny) ** 0.5 / 4):
        with pytest.raises(OptionError, match="step") as caught:
            ComplexStep(step=step).prepare(TOY, 2, np.dtype(dtype))
        sentence(caught.value)


@pytest.mark.parametrize("count", [0, -3, 1.5, True, "8"], ids=str)
def test_a_number_of_directions_that_is_none_is_refused(count):
    with pytest.raises(OptionError, match="directions") as caught:
        ForwardGradient(directions=count)
    sentence(caught.value)


def test_more_directions_than_parameters_are_refused_with_both_numbers():
    params, batch = SCENARIOS["toy-relu"].sample("float64")
    with pytest.raises(OptionError, match="24 directions are more than the 23 parameters") as caught:
        ForwardGradient(directions=24).prepare(TOY, 4, params.dtype)
    sentence(caught.value)
    with pytest.raises(UnsupportedError, match="24 directions are more than the 23 parameters"):
        backprop.gradient(TOY, params, *batch, strategy=ForwardGradient(directions=24))
    backprop.gradient(TOY, params, *batch, strategy=ForwardGradient(directions=23))


@pytest.mark.parametrize("make", [lambda: FiniteDifferences(kind="middle"), lambda: FullJacobian(order="up")])
def test_another_kind_or_order_is_refused_with_those_that_there_are(make):
    with pytest.raises(OptionError, match=r"expected (central|rows) or") as caught:
        make()
    sentence(caught.value)


def test_complex_input_is_refused_at_the_door_and_by_the_complex_step():
    params, batch = SCENARIOS["toy-relu"].sample("float64")
    with pytest.raises(DtypeError, match="complex128") as caught:
        backprop.gradient(TOY, params, batch.inputs + 0j, batch.labels, strategy="complex-step")
    sentence(caught.value)
    with pytest.raises(DtypeError, match="complex128") as caught:
        backprop.gradient(TOY, params.astype(complex), *batch, strategy="complex-step")
    sentence(caught.value)
    assert "complex128" in ComplexStep().unsupported(TOY, np.dtype(complex))


def test_a_layer_without_a_complex_form_is_named(monkeypatch):
    network, dtype = Network.mlp(4, 3, 2, activation="tanh"), np.dtype(float)
    assert ComplexStep().unsupported(network, dtype) is None
    monkeypatch.setattr(Tanh, "complex_safe", False)
    assert ComplexStep().unsupported(network, dtype) == "the layer tanh has no complex-safe form"
    monkeypatch.undo()
    monkeypatch.setattr(type(network.loss_function), "complex_safe", False)
    assert ComplexStep().unsupported(network, dtype) == "the loss cross-entropy has no complex-safe form"
