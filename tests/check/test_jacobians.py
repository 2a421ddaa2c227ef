"""Jacobians of functions to arrays are checked as gradients are."""

import numpy as np
import pytest
import scipy.sparse

import backprop
from backprop.errors import CheckError

RNG = np.random.default_rng(5)
MATRIX = RNG.standard_normal((3, 4))
X = RNG.standard_normal(4)


def function(x):
    return np.sin(MATRIX @ x)


def jacobian(x):
    return np.cos(MATRIX @ x)[:, None] * MATRIX


def test_a_right_jacobian_passes_with_and_without_complex_steps():
    assert backprop.check_gradient(function, point=X, jacobian=jacobian).ok
    assert backprop.check_gradient(lambda x: function(np.asarray(x).real), point=X, jacobian=jacobian).ok
    assert backprop.check_gradient(
        function, point=X, jacobian=lambda x: scipy.sparse.csr_array(jacobian(x))
    ).ok


@pytest.mark.parametrize(
    ("change", "kind"),
    [(lambda j: -j, "sign"), (lambda j: 2 * j, "constant-factor"), (lambda j: 0 * j, "zero-gradient")],
)
def test_its_mistakes_are_named(change, kind):
    check = backprop.check_gradient(function, point=X, jacobian=lambda x: change(jacobian(x)))
    assert [finding.kind for finding in check.findings] == [kind]


def test_the_outputs_come_before_the_parameter_s_axes():
    point = {"a": RNG.standard_normal(3), "W": RNG.standard_normal((2, 3))}

    def to_array(p):
        return p["a"] * p["W"].sum(axis=0)

    def by_hand(p):
        return {
            "a": np.diag(p["W"].sum(axis=0)),
            "W": np.einsum("k,ko,i->kio", p["a"], np.eye(3), np.ones(2)),
        }

    check = backprop.check_gradient(to_array, point=point, jacobian=by_hand)
    assert check.ok, check
    assert [tensor.shape for tensor in check.tensors] == [(3, 3), (3, 2, 3)]


def test_one_wrong_entry_has_the_index_of_output_and_parameter():
    def wrong(x):
        found = jacobian(x)
        found[2, 1] += 1
        return found

    check = backprop.check_gradient(function, point=X, jacobian=wrong)
    assert [entry.index for entry in check.tensors[0].worst] == [(2, 1)]


def test_a_transposed_jacobian_is_recognised():
    check = backprop.check_gradient(function, point=X, jacobian=lambda x: jacobian(x).T)
    assert [finding.kind for finding in check.findings] == ["transposed"]


def test_a_large_jacobian_is_checked_along_directions():
    point = RNG.standard_normal(2000)

    def to_array(x):
        return np.sin(np.asarray(x).real).reshape(4, 500).sum(axis=1)

    def by_hand(x):
        found = np.zeros((4, 2000))
        for row in range(4):
            found[row, row * 500 : (row + 1) * 500] = np.cos(x[row * 500 : (row + 1) * 500])
        return found

    assert backprop.check_gradient(to_array, point=point, jacobian=by_hand).ok
    check = backprop.check_gradient(to_array, point=point, jacobian=lambda x: -by_hand(x))
    assert [finding.kind for finding in check.findings] == ["sign"]


def test_a_function_to_an_array_needs_a_jacobian():
    with pytest.raises(CheckError, match="or jacobian= in place of the gradient"):
        backprop.check_gradient(function, jacobian, X)
