"""Parameters: one vector and its named views."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import DTYPES, PROPERTY, sentence

from backprop import Layout, Parameters
from backprop.arrays import ALIGNMENT_BYTES, aligned_empty, aligned_zeros
from backprop.errors import ShapeError, UnknownNameError

LAYOUT = Layout((("W1", (2, 3)), ("b1", (3,)), ("s", ())))
TENSORS = {"W1": [[1, 2, 3], [4, 5, 6]], "b1": [7, 8, 9], "s": 10}

every_dtype = pytest.mark.parametrize("dtype", DTYPES)
layouts = st.lists(st.lists(st.integers(1, 4), max_size=3).map(tuple), min_size=1, max_size=5).map(
    lambda shapes: Layout(tuple((f"t{k}", shape) for k, shape in enumerate(shapes)))
)


def test_a_layout_knows_names_and_size():
    assert LAYOUT.names == ("W1", "b1", "s")
    assert LAYOUT.size == 10


@PROPERTY
@given(layout=layouts)
def test_views_cover_the_vector_once_and_in_order(layout):
    params = Parameters(layout, np.arange(layout.size, dtype=float))
    laid = np.concatenate([params[name].ravel() for name in layout.names])
    np.testing.assert_array_equal(laid, params.vector)
    assert all(np.shares_memory(params[name], params.vector) for name in layout.names)


@PROPERTY
@given(layout=layouts)
def test_an_element_is_located_where_it_lies(layout):
    params = Parameters(layout, np.arange(layout.size, dtype=float))
    for k in range(layout.size):
        name, index = layout.locate(k)
        assert params[name][index] == k


@pytest.mark.parametrize("index", [10, 99, -1])
def test_an_element_that_is_not_there_is_not_located(index):
    with pytest.raises(ShapeError) as caught:
        LAYOUT.locate(index)
    assert f"is {index}; expected 0 to 9." in sentence(caught.value)


@every_dtype
def test_named_tensors_become_one_vector(dtype):
    params = Parameters.from_mapping(LAYOUT, TENSORS, dtype)
    assert params.dtype == dtype
    np.testing.assert_array_equal(params.vector, np.arange(1, 11))
    assert dict(params).keys() == TENSORS.keys()
    np.testing.assert_array_equal(params["W1"], TENSORS["W1"])


def test_parameters_become_other_parameters():
    params = Parameters.from_mapping(LAYOUT, TENSORS, "float64")
    again = Parameters.from_mapping(LAYOUT, params, "float32")
    np.testing.assert_array_equal(again.vector, params.vector)


BAD_TENSORS = {
    "unknown": ({**TENSORS, "W2": 1}, UnknownNameError, "W2"),
    "missing": ({"W1": TENSORS["W1"], "s": 1}, ShapeError, "b1 is missing"),
    "transposed": ({**TENSORS, "W1": np.ones((3, 2))}, ShapeError, "W1 has shape (3, 2)"),
    "would-broadcast": ({**TENSORS, "b1": 1.0}, ShapeError, "b1 has shape ()"),
}


@pytest.mark.parametrize(("tensors", "error", "got"), BAD_TENSORS.values(), ids=BAD_TENSORS)
def test_tensors_that_do_not_fit_are_refused(tensors, error, got):
    with pytest.raises(error) as caught:
        Parameters.from_mapping(LAYOUT, tensors, "float64")
    assert got in sentence(caught.value)


def test_parameters_of_another_network_are_refused():
    smaller = Layout(LAYOUT.shapes[:2])
    params = Parameters.zeros(smaller, "float64")
    with pytest.raises(ShapeError) as caught:
        Parameters.from_mapping(LAYOUT, params, "float64")
    assert "s is missing" in sentence(caught.value)


@pytest.mark.parametrize("shape", [(9,), (11,), (10, 1), ()], ids=str)
def test_a_vector_of_another_shape_is_refused(shape):
    with pytest.raises(ShapeError) as caught:
        Parameters(LAYOUT, np.zeros(shape))
    assert str(shape) in sentence(caught.value)


def test_the_vector_is_wrapped_and_not_copied():
    vector = np.zeros(10)
    params = Parameters(LAYOUT, vector)
    assert params.vector is vector
    params["b1"][1] = 5
    assert vector[7] == 5


def test_a_copy_has_memory_of_its_own():
    params = Parameters.from_mapping(LAYOUT, TENSORS, "float64")
    for other in (params.copy(), params.astype("float64"), params.astype("float32")):
        assert not np.shares_memory(other.vector, params.vector)
        np.testing.assert_array_equal(other.vector, params.vector)
        assert other.layout == params.layout
    assert params.astype("float32").dtype == np.float32


def test_it_is_a_mapping_of_the_names():
    params = Parameters.zeros(LAYOUT, "float64")
    assert len(params) == 3
    assert list(params) == ["W1", "b1", "s"]
    assert "b1" in params
    assert "b2" not in params
    assert params.get("b2") is None
    assert 3 not in params


def test_an_unknown_name_is_answered_with_the_nearest():
    params = Parameters.zeros(LAYOUT, "float64")
    with pytest.raises(UnknownNameError) as caught:
        params["w1"]
    assert sentence(caught.value).startswith("Unknown parameter 'w1'; did you mean 'W1'?")
    assert isinstance(caught.value, KeyError)


def test_its_repr_says_shapes_dtype_and_size():
    assert repr(Parameters.zeros(LAYOUT, "float32")) == (
        "Parameters(W1 (2, 3), b1 (3,), s (); float32, p = 10)"
    )


@every_dtype
@pytest.mark.parametrize("shape", [(1,), (3, 5), (1000,), (2, 3, 4), ()], ids=str)
def test_buffers_start_on_a_cache_line(dtype, shape):
    kept = []  # so that no two lie at the same place
    for make in (aligned_empty, aligned_zeros) * 8:
        array = make(shape, dtype)
        kept.append(array)
        assert array.ctypes.data % ALIGNMENT_BYTES == 0
        assert array.shape == shape
        assert array.dtype == dtype
        assert array.flags.c_contiguous
        assert array.flags.writeable
    assert not aligned_zeros(shape, dtype).any()
