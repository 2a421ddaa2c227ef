"""The baselines: the products of the closed form and nothing else, and the loss itself."""

import numpy as np
import pytest
from tables import DTYPES, SCENARIOS

from backprop.bench.baselines import loss_call, products_call
from backprop.layers import Linear


@pytest.fixture
def products(monkeypatch):
    """The shapes of the matrix products that are made, and that the results are reused buffers."""
    made, matmul = [], np.matmul

    def spy(left, right, out=None):
        assert out is not None
        made.append(
            (left.shape, right.shape, out.shape, out.ctypes.data, {left.dtype, right.dtype, out.dtype})
        )
        return matmul(left, right, out=out)

    monkeypatch.setattr(np, "matmul", spy)
    return made


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["toy-relu", "deeper-tanh", "one-layer", "one-sample"])
def test_the_products_are_those_of_the_closed_form(name, dtype, products):
    network = SCENARIOS[name].network
    params, batch = SCENARIOS[name].sample(dtype)
    call = products_call(network, params, batch)
    assert products == []
    call()
    n, expected = len(batch.inputs), []
    for k, layer in enumerate(layer for layer in network.layers if isinstance(layer, Linear)):
        i, o = layer.inputs, layer.outputs
        expected += [((n, i), (i, o), (n, o)), ((i, n), (n, o), (i, o))]
        if k > 0:  # the gradient by the inputs of the network is never formed
            expected.append(((n, o), (o, i), (n, i)))
    assert sorted(shapes[:3] for shapes in products) == sorted(expected)
    assert {dtypes for *_, kinds in products for dtypes in kinds} == {np.dtype(dtype)}


def test_the_products_write_into_the_same_aligned_buffers_every_time(products):
    scenario = SCENARIOS["deep-tanh"]
    call = products_call(scenario.network, *scenario.sample("float64"))
    call()
    first = [address for *_, address, _ in products]
    products.clear()
    call()
    assert [address for *_, address, _ in products] == first
    assert all(address % 64 == 0 for address in first)


def test_the_products_leave_parameters_and_batch_alone():
    scenario = SCENARIOS["deep-tanh"]  # both are frozen: writing would raise
    products_call(scenario.network, *scenario.sample("float64"))()


def test_the_loss_is_one_evaluation():
    scenario = SCENARIOS["toy-relu"]
    params, batch = scenario.sample("float64")
    assert loss_call(scenario.network, params, batch)() == scenario.network.loss(params, *batch)
