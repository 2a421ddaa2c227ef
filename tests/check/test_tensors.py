"""A point of any structure becomes a vector and comes back in the same structure."""

from collections import OrderedDict, namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import backprop
from backprop.check.points import structure_of
from backprop.errors import CheckError

Pair = namedtuple("Pair", "first second")

LEAVES = hnp.arrays(
    st.sampled_from([np.float32, np.float64]),
    hnp.array_shapes(min_dims=0, max_dims=3, max_side=3),
    elements=st.floats(-1e3, 1e3, width=32),
)
POINTS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.sampled_from(["W1", "b1", "W2"]), inner, min_size=1)
        | st.tuples(inner, inner)
    ),
    max_leaves=6,
)


def equal(one, other):
    if isinstance(one, dict):
        return list(one) == list(other) and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and all(map(equal, one, other))
    return one.dtype == other.dtype and np.array_equal(one, other)


@given(POINTS)
def test_a_point_comes_back_as_it_was(point):
    structure, vector = structure_of(point)
    assert vector.shape == (structure.size,)
    assert equal(structure.build(vector), point)


@pytest.mark.parametrize(
    ("point", "names"),
    [
        (np.zeros(2), ("x",)),
        (3.0, ("x",)),
        ({"W1": np.zeros((2, 3)), "b1": np.zeros(3)}, ("W1", "b1")),
        ([np.zeros(2), np.zeros(1)], ("[0]", "[1]")),
        ({"layers": [{"W": 1.0}, {"W": 2.0, "b": 0.0}]}, ("layers[0].W", "layers[1].W", "layers[1].b")),
        ({0: np.zeros(1)}, ("[0]",)),
    ],
)
def test_every_tensor_has_a_name(point, names):
    assert structure_of(point)[0].names == names


def test_containers_keep_their_kind():
    network = backprop.Network.mlp(3, 2, 2)
    params = network.init(np.random.default_rng(0))
    for point in (Pair(1.0, np.zeros(2)), OrderedDict(b=np.ones(1)), params):
        structure, vector = structure_of(point)
        assert type(structure.build(vector)) is type(point)
    structure, vector = structure_of(params)
    assert np.array_equal(structure.build(vector).vector, params.vector)


def test_numbers_stay_numbers_and_whole_ones_alone_become_floats():
    structure, vector = structure_of([1.5, np.float32(3)])
    assert [type(each) for each in structure.build(vector)] == [float, np.float32]
    structure, vector = structure_of([2, np.array([1, 2])])
    built = structure.build(vector)
    assert [type(each) for each in built] == [float, np.ndarray]
    assert built[1].dtype == np.float64


def test_what_has_no_gradient_passes_through_untouched():
    labels = np.array([1, 0])
    point = {"W": np.ones(2), "labels": labels, "mask": np.array([True]), "name": "x", "none": None, "n": 3}
    structure, vector = structure_of(point)
    assert structure.names == ("W",)
    built = structure.build(vector, np.dtype(np.complex128))
    assert {key: built[key] for key in ("name", "none", "n")} == {"name": "x", "none": None, "n": 3}
    assert built["labels"].dtype == labels.dtype
    built["labels"][0] = 7
    assert structure.build(vector)["labels"][0] == 1
    assert structure_of(point, moved={"n"})[0].names == ("W", "n")


def test_a_complex_tensor_is_two_real_ones():
    structure, vector = structure_of({"z": np.array([1 + 2j, 3j]), "w": 1 - 1j})
    assert [leaf.shape for leaf in structure.leaves] == [(2, 2), (2,)]
    assert np.array_equal(vector, [1, 2, 0, 3, 1, -1])
    built = structure.build(vector)
    assert np.array_equal(built["z"], [1 + 2j, 3j])
    assert built["w"] == 1 - 1j
    assert structure.build(vector, np.dtype(np.float64))["z"].dtype == np.complex128


def test_a_point_is_built_in_another_dtype_where_that_is_asked_for():
    structure, vector = structure_of({"W": np.ones(2, np.float32)})
    assert structure.build(vector)["W"].dtype == np.float32
    assert structure.build(vector, np.dtype(np.complex128))["W"].dtype == np.complex128


def test_what_is_built_shares_no_memory():
    structure, vector = structure_of({"W": np.ones(2)})
    structure.build(vector)["W"][0] = 7
    assert vector[0] == 1


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ({"W": None}, "None at W"),
        ([np.zeros(2), object()], r"an object at \[1\]"),
        ([None, "text"], r"None at \[0\]"),
        (np.array([np.nan + 1j]), "NaN or infinity in x"),
        (np.array([np.nan]), "NaN or infinity in x"),
        ({}, "no entries"),
        ([], "no entries"),
        ({"a.b": 1.0, "a": {"b": 2.0}}, "Two tensors of the point are called a.b"),
    ],
)
def test_a_point_that_is_none_is_refused_in_a_sentence(point, said):
    with pytest.raises(CheckError, match=said):
        structure_of(point)
