"""Numbers are short and aligned, and no number that is not zero is shown as zero."""

import numpy as np
import pytest

from backprop.explain.numbers import aligned, matrices, primed


def cells(array, letters):
    return [cell for matrix in matrices(np.array(array), letters) for row in matrix.cells for cell in row]


def test_only_an_exact_zero_is_a_dot():
    assert cells([0.0, -0.0, 1e-9, 0.5], "o") == ["·", "·", "0.000", "0.500"]
    assert cells([[0.0, 1e-9]], "no") == ["·", "1.00e-09"]


@pytest.mark.parametrize(
    ("numbers", "texts"),
    [
        ([1.0, -2.0], ["1", "-2"]),
        ([0.5, 1.0], ["0.5", "1.0"]),
        ([1 / 3, 1.0], ["0.333", "1.000"]),
        ([12345.5, 1.0], ["1.23e+04", "1.00e+00"]),
        ([np.inf, 0.25], ["inf", "0.25"]),
        ([np.nan, 1.0], ["nan", "1"]),
        ([True, False], ["1", "·"]),
    ],
)
def test_an_array_has_as_many_decimals_as_it_needs(numbers, texts):
    assert cells(numbers, "o") == texts


def test_columns_are_aligned_to_the_right():
    lines = aligned(matrices(np.array([[1.5, -22.25], [0.0, 3.0]]), "no")[0])
    assert lines == ["     o=0    o=1", "n=0 1.50 -22.25", "n=1    ·   3.00"]


def test_columns_that_do_not_fit_stand_below_with_the_heads_again():
    array = np.arange(1.0, 9.0).reshape(2, 4)
    lines = aligned(matrices(array, "no")[0], 12)
    assert lines == ["    o=0 o=1", "n=0   1   2", "n=1   5   6", "    o=2 o=3", "n=0   3   4", "n=1   7   8"]
    assert aligned(matrices(array, "no")[0], 1)[:3] == [
        "    o=0",
        "n=0   1",
        "n=1   5",
    ]  # one column at least


def test_a_tensor_is_a_matrix_for_every_sample_and_loses_no_number():
    array = np.arange(1, 49).reshape(2, 2, 3, 4)
    first, second = matrices(array, "noio")
    assert (first.caption, second.caption) == ("n=0  i,o′:", "n=1  i,o′:")
    assert first.rows == ("o=0", "o=1")
    assert first.columns[:5] == ("0,0", "0,1", "0,2", "0,3", "1,0")
    assert second.cells[1][5] == str(array[1, 1, 1, 1])
    assert len(cells(array, "noio")) == array.size


def test_a_vector_is_one_row_and_a_number_is_alone():
    assert aligned(matrices(np.array([0.5, 2.0]), "o")[0]) == ["o=0 o=1", "0.5 2.0"]
    assert aligned(matrices(np.array(0.25), "")[0]) == ["0.25"]


def test_a_letter_that_comes_again_is_primed():
    assert primed("noio") == ["n", "o", "i", "o′"]
