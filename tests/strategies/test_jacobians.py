"""The Jacobian strategies beside each other: what is stored, and in which order it is multiplied."""

import numpy as np
import pytest
from tables import DTYPES, SCENARIOS, STRATEGIES, oracle, relative_error, run, sample

from backprop import Network
from backprop.layers import EinsumFactor, Linear

TOY = Network.mlp(4, 3, 2)
F32, F64 = np.dtype("float32"), np.dtype("float64")


# Sparse


def test_only_what_is_not_zero_by_structure_is_stored():
    plan = STRATEGIES["sparse-jacobian"].prepare(TOY, 5, F64)
    for jacobians, (i, o) in ((plan.jacobians[0], (4, 3)), (plan.jacobians[2], (3, 2))):
        assert (jacobians["W"].nnz, jacobians["W"].shape) == (5 * i * o, (5 * o, i * o))
        assert (jacobians["b"].nnz, jacobians["b"].shape) == (5 * o, (5 * o, o))


def test_the_stored_matrix_is_the_dense_one():
    from scipy import sparse

    params, batch = sample(TOY, 2)
    plan = STRATEGIES["sparse-jacobian"].prepare(TOY, 2, F64)
    run(STRATEGIES["sparse-jacobian"], TOY, params, batch, plan)
    layer, own = TOY.layers[0], {"W": params["W1"], "b": params["b1"]}
    dense = layer.parameter_jacobians(own, batch.inputs, layer.forward(own, batch.inputs))
    for name, jacobian in plan.jacobians[0].items():
        assert sparse.issparse(jacobian)
        np.testing.assert_array_equal(jacobian.toarray(), dense[name].reshape(jacobian.shape))


@pytest.mark.parametrize("batch_size", [1, 32, 128])
@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_it_needs_a_hundredth_of_the_memory_of_the_full_jacobian(dtype, batch_size):
    network = Network.mlp(784, 512, 10)
    full, sparse = (
        STRATEGIES[name].cost(network, batch_size, dtype).peak_bytes
        for name in ("full-jacobian", "sparse-jacobian")
    )
    assert sparse <= full / 100


def test_a_jacobian_of_unknown_structure_is_refused(monkeypatch):
    from backprop.errors import UnsupportedError

    monkeypatch.setattr(Linear, "input_factor", lambda *args: EinsumFactor("noio", np.ones(())))
    with pytest.raises(UnsupportedError, match="'noio'; expected"):
        run(STRATEGIES["sparse-jacobian"], TOY, *sample(TOY, 2))


# Full: the order of the products


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scenario", ["toy-relu", "deep-tanh", "softmax-inside"])
def test_both_orders_give_the_same_gradient_up_to_rounding(scenario, dtype):
    network, (params, batch) = SCENARIOS[scenario].network, SCENARIOS[scenario].sample(dtype)
    rows, matrices = (
        run(STRATEGIES[name], network, params, batch).gradient.vector
        for name in ("full-jacobian", "full-jacobian-naive")
    )
    assert relative_error(matrices, rows.astype(float)) < 32 * np.finfo(dtype).eps
    assert not np.array_equal(rows, matrices) or scenario == "toy-relu"  # they are different sums


def test_operations_of_the_naive_order_are_those_counted_by_hand():
    # per sample; of W₁, 12 columns: 3x3 by 3x12, 2x3 by 3x12, 2x2 by 2x12; of b₁ 3 columns alike;
    # of W₂, 6 columns, and of b₂, 2: 2x2 by 2x6 and 2x2. Then the row of 2, and the sum.
    products = 2 * (12 + 3) * (3 * 3 + 2 * 3 + 2 * 2) + 2 * (6 + 2) * (2 * 2)
    cost = STRATEGIES["full-jacobian-naive"].cost(TOY, 5, F64)
    assert cost.flops == TOY.forward_flops(5) + 5 * (products + (2 * 2 + 2) * 23)


def test_on_784_512_10_the_naive_order_costs_hundreds_of_times_the_operations():
    network = Network.mlp(784, 512, 10)
    rows, matrices = (STRATEGIES[n].cost(network, 1, F64) for n in ("full-jacobian", "full-jacobian-naive"))
    assert matrices.flops > 500 * rows.flops
    assert matrices.peak_bytes == pytest.approx(2 * rows.peak_bytes, rel=0.03)


def test_the_sparse_jacobian_goes_through_convolutions_in_a_residual_layer():
    """The structure of their Jacobians is asked of a batch of no samples."""
    network = Network.parse("1x6x6 conv3x2 residual(conv3x2,padding=1 relu conv1x2,groups=2) 3")
    params, batch = sample(network, 3, "float64")
    _, gradient = run(STRATEGIES["sparse-jacobian"], network, params, batch)
    assert relative_error(gradient.vector, oracle(network, params, batch)[1]) < 1e-13
