"""What a gradient answered is compared with the point's form, and what is amiss is named."""

import numpy as np
import pytest
import scipy.sparse

from backprop.check.forms.answers import read_answer, value_and_gradient
from backprop.check.forms.tensors import form_of
from backprop.errors import CheckError

POINT = {"W1": np.ones((2, 3)), "b1": np.ones(3)}
FORM, _ = form_of(POINT)


def kinds(answer):
    return [(finding.kind, finding.tensor) for finding in answer.findings]


def test_a_right_answer_has_no_findings():
    answer = read_answer({"W1": np.zeros((2, 3)), "b1": np.zeros(3)}, FORM)
    assert kinds(answer) == []
    assert set(answer.tensors) == {"W1", "b1"}


@pytest.mark.parametrize("near", ["w1", "dW1", "grad_W1", "W_1"])
def test_a_name_that_is_nearly_right_is_offered_and_its_values_are_used(near):
    answer = read_answer({near: np.full((2, 3), 5.0), "b1": np.zeros(3)}, FORM)
    assert kinds(answer) == [("wrong-name", "W1")]
    assert near in answer.findings[0].evidence
    assert answer.tensors["W1"][0, 0] == 5


def test_missing_and_superfluous_names_are_told_apart():
    answer = read_answer({"W1": np.zeros((2, 3)), "gamma": 1.0}, FORM)
    assert kinds(answer) == [("wrong-name", "b1"), ("wrong-name", "gamma")]


@pytest.mark.parametrize(
    ("shape", "reshaped", "transposed"),
    [((3, 2), True, True), ((1, 2, 3), True, False), ((6,), False, False), ((2, 2), False, False)],
)
def test_another_shape_is_a_finding_and_used_where_it_can_be_told(shape, reshaped, transposed):
    answer = read_answer({"W1": np.zeros(shape), "b1": np.zeros(3)}, FORM)
    assert kinds(answer) == [("wrong-shape", "W1")]
    assert "W1" not in answer.tensors
    assert ("W1" in answer.reshaped) == reshaped
    assert ("W1" in answer.transposed) == transposed


def test_a_bias_that_kept_its_axis_is_compared_nevertheless():
    answer = read_answer({"W1": np.zeros((2, 3)), "b1": np.ones((1, 3))}, FORM)
    assert answer.reshaped["b1"].shape == (3,)


def test_another_floating_dtype_is_a_finding():
    answer = read_answer({"W1": np.zeros((2, 3), np.float32), "b1": np.zeros(3)}, FORM)
    assert kinds(answer) == [("wrong-dtype", "W1")]


def test_numbers_without_a_dtype_and_whole_numbers_are_none():
    form, _ = form_of([1.0, np.zeros(2)])
    assert kinds(read_answer([2.0, [1.0, 2.0]], form)) == []
    assert kinds(read_answer([2, np.array([1, 2])], form)) == []
    assert kinds(read_answer(np.float32(1), form_of(2.0)[0])) == []


def test_the_first_tensor_that_is_not_finite_is_named_in_the_order_of_computation():
    raw = {"W1": np.full((2, 3), np.inf), "b1": np.array([0, np.nan, 0])}
    assert kinds(read_answer(raw, FORM)) == [("not-finite", "W1")]
    answer = read_answer(raw, FORM, order=("b1", "W1"))
    assert kinds(answer) == [("not-finite", "b1")]
    assert "NaN" in answer.findings[0].evidence
    assert "W1" in answer.findings[0].evidence
    assert not answer.tensors


def test_a_stack_of_arrays_is_a_list_of_them():
    form, _ = form_of([np.zeros(2), np.zeros(2)])
    answer = read_answer(np.arange(4.0).reshape(2, 2), form)
    assert np.array_equal(answer.tensors["[1]"], [2, 3])


def test_a_sparse_jacobian_is_a_jacobian():
    answer = read_answer(scipy.sparse.eye_array(3).tocsr(), form_of(np.zeros(3))[0], outputs=(3,))
    assert np.array_equal(answer.tensors["x"], np.eye(3))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "The gradient is None; expected a dict with W1, b1"),
        ([np.zeros((2, 3)), np.zeros(3)], "The gradient is a list; expected a dict"),
        ({"W1": None, "b1": np.zeros(3)}, "The gradient of W1 is None"),
        ({"W1": np.zeros((2, 3)) * 1j, "b1": np.zeros(3)}, "The gradient of W1 is complex"),
        ({"W1": "no", "b1": np.zeros(3)}, "The gradient of W1 is a str"),
        ({"W1": np.array(["a"]), "b1": np.zeros(3)}, "expected numbers"),
    ],
)
def test_an_answer_that_is_no_gradient_is_refused_in_a_sentence(answer, said):
    with pytest.raises(CheckError, match=said):
        read_answer(answer, FORM)


def test_a_pair_of_value_and_gradient_is_told_from_a_gradient_of_two_tensors():
    gradient = {"W1": np.zeros((2, 3)), "b1": np.zeros(3)}
    assert value_and_gradient((1.5, gradient), FORM) == (1.5, gradient)
    assert value_and_gradient(gradient, FORM) == (None, gradient)
    assert value_and_gradient((1.0, 2.0), form_of((3.0, 4.0))[0]) == (None, (1.0, 2.0))
