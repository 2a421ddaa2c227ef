"""Jacobians of functions to arrays are checked as gradients are."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import backprop
from backprop.errors import CheckError

pytestmark = pytest.mark.usefixtures("without_lines")

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


SQUARE = MATRIX[:, :3] + MATRIX[:, 1:] + 2


def hessian(x):
    return SQUARE + SQUARE.T + np.diag(3 * x**2)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda h, x: h - np.diag(x**2), "direct-term"),
        (lambda h, x: h - np.diag(np.diag(h)), "entries-left-out"),
        (lambda h, x: h * [[1, 0, 1], [0, 1, 1], [1, 1, 1]], "entries-left-out"),
        (lambda h, x: h + np.diag([0.1, 0, 0]), "unknown"),
        (lambda h, x: np.abs(x) * h, "unknown"),
    ],
    ids=["diagonal", "no diagonal", "two entries missing", "one entry of the diagonal", "columns"],
)
def test_where_a_hessian_is_wrong_has_a_name(change, kind):
    check = backprop.check_gradient(
        lambda x: (SQUARE + SQUARE.T) @ x + x**3, lambda x: change(hessian(x), x), X[:3]
    )
    found = {finding.kind for finding in check.findings} - {"not-symmetric"}
    assert found == {kind}


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


N = 1000
TRIDIAGONAL = scipy.sparse.diags_array(
    [np.ones(N - 1), np.full(N, 3.0), -np.ones(N - 1)], offsets=[-1, 0, 1]
).tocsr()
LONG = RNG.standard_normal(N)


def equations(x):
    return np.sin(TRIDIAGONAL @ x)


def sparse(x):
    return scipy.sparse.diags_array(np.cos(TRIDIAGONAL @ x)) @ TRIDIAGONAL


def with_one_entry_missing(x):
    found = sparse(x).tocsr()
    found[7, 8] = 0
    return found


def without_adjoint(x):
    matrix = sparse(x)
    return LinearOperator(matrix.shape, matvec=lambda v: matrix @ v, dtype=float)


@pytest.mark.parametrize(
    "by_hand",
    [
        sparse,
        lambda x: aslinearoperator(sparse(x)),
        without_adjoint,
        lambda x: sparse(x).toarray(),
        sparse(LONG),
        aslinearoperator(sparse(LONG)),
    ],
    ids=["sparse", "operator", "no adjoint", "dense", "sparse value", "operator value"],
)
def test_a_million_entries_are_compared_along_combinations_of_the_values(by_hand):
    check = backprop.check_gradient(equations, point=LONG, jacobian=by_hand)
    assert check.ok, check
    assert check.notes[0] == "The function has 1000 values: 8 random combinations of them were compared."
    assert check.calls + check.gradient_calls <= 200


def test_one_entry_that_is_missing_of_a_million_is_found_in_its_column():
    check = backprop.check_gradient(equations, point=LONG, jacobian=with_one_entry_missing)
    assert check.verdict == "wrong"
    assert {entry.index[1] for entry in check.tensors[0].worst} == {8}
    (finding,) = check.findings
    assert finding.kind == "entries-left-out"
    assert finding.evidence == (
        f"Of value 7 the derivative by x[8] alone is 0, and should be {sparse(LONG)[7, 8]:.6g}."
    )
    check = backprop.check_gradient(equations, point=LONG, jacobian=lambda x: -sparse(x))
    assert not any("alone is" in note for note in check.notes)
    assert [finding.kind for finding in check.findings] == ["sign"]


@pytest.mark.parametrize(
    "form", [scipy.sparse.csr_array, scipy.sparse.coo_array, aslinearoperator, np.asarray]
)
def test_one_entry_of_a_million_that_is_wrong_is_told_in_a_note(form):
    def wrong(x):
        found = sparse(x).toarray()
        found[7, 8] *= 1.5
        return form(found)

    check = backprop.check_gradient(equations, point=LONG, jacobian=wrong)
    off = 0.5 * float(sparse(LONG)[7, 8])
    assert f"x: of value 7 the derivative by x[8] alone is wrong: it is off by {off:.6g}." in check.notes


def test_a_wrong_jacobian_of_a_function_that_takes_complex_steps_is_called_few_times():
    check = backprop.check_gradient(equations, point=LONG, jacobian=with_one_entry_missing)
    assert check.verdict == "wrong"
    assert check.gradient_calls <= 40


def test_a_sparse_jacobian_is_never_written_out():
    tracemalloc.start()
    try:
        assert backprop.check_gradient(equations, point=LONG, jacobian=sparse).ok
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_a_small_linear_operator_is_compared_entry_by_entry():
    check = backprop.check_gradient(function, point=X, jacobian=lambda x: aslinearoperator(jacobian(x)))
    assert check.ok, check
    assert check.tensors[0].shape == (3, 4)
    assert check.tensors[0].compared == 12


def test_a_sparse_hessian_is_checked_by_its_gradient():
    matrix = (TRIDIAGONAL @ TRIDIAGONAL.T).tocsr()
    check = backprop.check_gradient(
        lambda x: matrix @ x + x**3, lambda x: matrix + scipy.sparse.diags_array(3 * x**2), LONG
    )
    assert check.ok, check
