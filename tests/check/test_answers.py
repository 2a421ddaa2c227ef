"""A gradient's answer is compared with the structure of the point, and what differs is named."""

import numpy as np
import pytest
import scipy.sparse

from backprop.check.answers import read_answer, value_and_gradient
from backprop.check.points import structure_of
from backprop.errors import CheckError
from backprop.strategy import ValueAndGradient

POINT = {"W1": np.ones((2, 3)), "b1": np.ones(3)}
FORM, _ = structure_of(POINT)


def kinds(answer):
    return [(finding.kind, finding.tensor) for finding in answer.findings]


def test_a_right_answer_has_no_findings():
    answer = read_answer({"W1": np.zeros((2, 3)), "b1": np.zeros(3)}, FORM)
    assert kinds(answer) == []
    assert set(answer.tensors) == {"W1", "b1"}


@pytest.mark.parametrize("other", ["w1", "dW1", "grad_W1", "W_1", "W1_grad", "dL_dW1", "delta_W1"])
def test_another_way_to_write_a_name_is_no_mistake(other):
    answer = read_answer({other: np.full((2, 3), 5.0), "b1": np.zeros(3), "dZ1": np.zeros((7, 3))}, FORM)
    assert kinds(answer) == []
    assert answer.notes[0] == f"{other} was read as the gradient of W1."
    assert "dZ1" in answer.notes[1]
    assert answer.tensors["W1"][0, 0] == 5


def test_a_misspelt_name_is_offered_and_its_values_are_used():
    structure, _ = structure_of({"weight": np.ones(2), "bias": np.ones(2)})
    answer = read_answer({"weigth": np.full(2, 5.0), "bias": np.zeros(2)}, structure)
    assert kinds(answer) == [("wrong-name", "weight")]
    assert answer.tensors["weight"][0] == 5


def test_of_two_names_that_could_be_meant_none_is_taken():
    answer = read_answer({"dW1": np.zeros((2, 3)), "grad_W1": np.ones((2, 3)), "b1": np.zeros(3)}, FORM)
    assert ("wrong-name", "W1") in kinds(answer)


def test_missing_names_are_a_finding_and_superfluous_ones_a_note():
    answer = read_answer({"W1": np.zeros((2, 3)), "gamma": 1.0}, FORM)
    assert kinds(answer) == [("wrong-name", "b1")]
    assert "gamma" in answer.notes[0]


@pytest.mark.parametrize(
    ("shape", "reshaped", "transposed"),
    [((3, 2), True, True), ((2, 3, 1), True, False), ((6,), False, False), ((2, 2), False, False)],
)
def test_another_shape_is_a_finding_and_used_where_it_can_be_told(shape, reshaped, transposed):
    answer = read_answer({"W1": np.zeros(shape), "b1": np.zeros(3)}, FORM)
    assert kinds(answer) == [("wrong-shape", "W1")]
    assert "W1" not in answer.tensors
    assert ("W1" in answer.reshaped) == reshaped
    assert ("W1" in answer.transposed) == transposed


@pytest.mark.parametrize(
    ("shape", "parameter"), [((1, 3), (3,)), ((3,), (1, 3)), ((), (1,)), ((1, 1, 3), (3,))]
)
def test_an_axis_of_length_one_that_changes_no_update_is_a_note(shape, parameter):
    structure, _ = structure_of({"b": np.ones(parameter)})
    answer = read_answer({"b": np.ones(shape)}, structure)
    assert kinds(answer) == []
    assert str(shape) in answer.notes[0]
    assert answer.tensors["b"].shape == parameter


@pytest.mark.parametrize(("shape", "parameter"), [((3, 1), (3,)), ((3,), (3, 1)), ((3, 1), (1, 3))])
def test_an_axis_of_length_one_that_would_make_a_matrix_of_an_update_is_a_finding(shape, parameter):
    structure, _ = structure_of({"b": np.ones(parameter)})
    assert kinds(read_answer({"b": np.ones(shape)}, structure))[0] == ("wrong-shape", "b")


def test_a_narrower_floating_dtype_is_a_finding_and_a_wider_one_a_note():
    answer = read_answer({"W1": np.zeros((2, 3), np.float32), "b1": np.zeros(3)}, FORM)
    assert kinds(answer) == [("wrong-dtype", "W1")]
    structure, _ = structure_of({"W1": np.ones((2, 3), np.float32)})
    answer = read_answer({"W1": np.zeros((2, 3))}, structure)
    assert kinds(answer) == []
    assert "wider" in answer.notes[0]


def test_numbers_without_a_dtype_and_whole_numbers_are_none():
    structure, _ = structure_of([1.0, np.zeros(2)])
    assert kinds(read_answer([2.0, [1.0, 2.0]], structure)) == []
    assert kinds(read_answer([2, np.array([1, 2])], structure)) == []
    assert kinds(read_answer(np.float32(1), structure_of(2.0)[0])) == []


def test_the_first_tensor_that_is_not_finite_is_named_in_the_order_of_computation():
    raw = {"W1": np.full((2, 3), np.inf), "b1": np.array([0, np.nan, 0])}
    assert kinds(read_answer(raw, FORM)) == [("not-finite", "W1")]
    answer = read_answer(raw, FORM, order=("b1", "W1"))
    assert kinds(answer) == [("not-finite", "b1")]
    assert "NaN" in answer.findings[0].evidence
    assert "W1" in answer.findings[0].evidence
    assert not answer.tensors


def test_a_stack_of_arrays_is_a_list_of_them():
    structure, _ = structure_of([np.zeros(2), np.zeros(2)])
    answer = read_answer(np.arange(4.0).reshape(2, 2), structure)
    assert np.array_equal(answer.tensors["[1]"], [2, 3])


def test_a_sparse_jacobian_is_a_jacobian():
    answer = read_answer(scipy.sparse.eye_array(3).tocsr(), structure_of(np.zeros(3))[0], outputs=(3,))
    assert np.array_equal(answer.tensors["x"], np.eye(3))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "The gradient is None; expected a dict with W1, b1"),
        ([np.zeros((2, 3))], "The gradient is a list; expected a dict"),
        ({"W1": np.zeros((2, 3)) * 1j, "b1": np.zeros(3)}, "The gradient of W1 is complex"),
        ({"W1": "no", "b1": np.zeros(3)}, "The gradient of W1 is a str"),
        ({"W1": np.array(["a"]), "b1": np.zeros(3)}, "expected numbers"),
    ],
)
def test_an_answer_that_is_no_gradient_is_refused_in_a_sentence(answer, said):
    with pytest.raises(CheckError, match=said):
        read_answer(answer, FORM)


def test_none_in_the_place_of_a_tensor_is_a_gradient_of_zero():
    answer = read_answer({"W1": None, "b1": np.ones(3)}, FORM)
    assert kinds(answer) == []
    assert not np.any(answer.tensors["W1"])
    assert answer.notes == ["The gradient of W1 is None, which stands for 0."]


G = {"W1": np.zeros((2, 3)), "b1": np.zeros(3)}
ARRAY, NUMBER = structure_of(np.ones(2))[0], structure_of(1.0)[0]
NUMBERS, TWO = structure_of((3.0, 4.0))[0], structure_of((np.ones(2), np.ones(3)))[0]
LABELLED = structure_of((np.ones(2), np.ones(3), "labels"))[0]


@pytest.mark.parametrize(
    ("form", "answer", "loss"),
    [
        (FORM, (1.5, G), 1.5),
        (FORM, [1.5, G], 1.5),
        (FORM, (G, 1.5), 1.5),
        (FORM, ValueAndGradient(1.5, G), 1.5),
        (FORM, (1.5, G["W1"], G["b1"]), 1.5),
        (FORM, (G["W1"], G["b1"]), None),
        (FORM, G, None),
        (NUMBER, (1.5, 2.0), 1.5),
        (ARRAY, (1.5, np.ones(2)), 1.5),
        (ARRAY, (1.5, np.ones(3)), 1.5),
        (ARRAY, [1.5, 2.5], None),
        (NUMBERS, (1.0, 2.0), None),
        (TWO, (1.5, ([1, 2], [1, 2, 3])), 1.5),
        (TWO, (1.5, [1, 2], [1, 2, 3]), 1.5),
        (TWO, ([1, 2], [1, 2, 3]), None),
        (TWO, (1.5, [1, 2, 3]), None),
        (LABELLED, (1.5, [1, 2], [1, 2, 3]), 1.5),
        (LABELLED, ([1, 2], [1, 2, 3], None), None),
    ],
)
def test_the_loss_is_told_from_the_gradients_beside_it(form, answer, loss):
    found, gradient = value_and_gradient(answer, form)
    assert found == loss
    assert (gradient is answer) == (loss is None)


def test_gradients_without_names_are_read_in_the_order_of_the_point():
    answer = read_answer((G["W1"], G["b1"] + 1), FORM)
    assert kinds(answer) == []
    assert answer.tensors["b1"][0] == 1
    assert answer.notes == ["The gradients have no names: they were read in the order W1, b1."]


def test_a_tensor_with_all_of_an_axis_that_its_parameter_has_not_is_summed_over_it():
    structure, _ = structure_of({"b": np.ones((2, 1))})
    answer = read_answer({"b": np.array([[1.0, 2, 3], [4, 5, 6]])}, structure)
    assert answer.summed == {"b": (1,)}
    assert answer.shapes == {"b": (2, 3)}
    assert np.array_equal(answer.comparable["b"], [[6.0], [15.0]])
