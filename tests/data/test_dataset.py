"""Datasets: what is refused, and how images become inputs."""

import dataclasses

import numpy as np
import pytest

from backprop.data import Dataset, as_inputs, pool
from backprop.errors import DataError, DtypeError, ShapeError

FLOATS = [np.float32, np.float64]


def parts(**changes):
    return {
        "train_images": np.zeros((3, 4, 4), np.uint8),
        "train_labels": np.array([0, 9, 5], np.uint8),
        "test_images": np.zeros((2, 4, 4), np.uint8),
        "test_labels": np.array([1, 2], np.uint8),
        "classes": 10,
        "name": "tiny",
    } | changes


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)


def test_a_dataset_says_what_it_is():
    assert repr(Dataset(**parts())) == "<Dataset tiny: 3 training and 2 test images of 4 x 4, 10 classes>"


def test_a_dataset_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Dataset(**parts()).name = "other"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train_labels": np.zeros(4, np.uint8)}, "train images and labels .* got 4 labels, expected 3"),
        ({"test_labels": np.zeros(1, np.uint8)}, "test images and labels .* got 1 labels, expected 2"),
        ({"classes": 9}, "train labels .* got 9, expected 0 to 8"),
        ({"test_labels": np.array([0, 10], np.uint8)}, "test labels .* got 10, expected 0 to 9"),
        ({"train_images": np.zeros((3, 4, 4))}, "train images .* got float64, expected uint8"),
        ({"test_labels": np.zeros(2, np.int64)}, "test labels .* got int64, expected uint8"),
        ({"train_images": np.zeros((3, 16), np.uint8)}, r"got \(3, 16\), expected \(n, height, width\)"),
        ({"train_labels": np.zeros((3, 1), np.uint8)}, r"got \(3, 1\), expected \(n,\)"),
        ({"test_images": np.zeros((0, 4, 4), np.uint8)}, r"got \(0, 4, 4\)"),
        ({"test_images": np.zeros((2, 5, 4), np.uint8)}, "got 5 x 4, expected 4 x 4"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes, words):
    with pytest.raises(DataError, match=words):
        Dataset(**parts(**changes))


@pytest.mark.parametrize("dtype", FLOATS)
def test_inputs_are_the_nearest_numbers_to_level_over_255(dtype):
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    inputs = as_inputs(levels, dtype)
    assert inputs.shape == (1, 256)
    assert inputs.dtype == dtype
    # longdouble holds level/255 closely enough to round to the nearest; where it is double, so does that.
    np.testing.assert_array_equal(inputs[0], (np.arange(256, dtype=np.longdouble) / 255).astype(dtype))
    assert inputs[0, 255] == 1


def test_inputs_keep_the_rows_of_an_image_one_after_another(images):
    np.testing.assert_array_equal(as_inputs(images, "float32")[2, 28:56], images[2, 1] / np.float32(255))


def test_inputs_are_read_from_any_memory_layout(images):
    turned = images.transpose(0, 2, 1)
    np.testing.assert_array_equal(as_inputs(turned, "float64"), as_inputs(turned.copy(), "float64"))


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_pooled_pixel_is_the_mean_of_its_block(images, dtype):
    pooled = pool(images, 7, dtype)
    assert pooled.shape == (6, 49)
    assert pooled.dtype == dtype
    for row in range(7):
        for column in range(7):
            block = images[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            mean = block.mean(axis=(1, 2), dtype=np.float64) / 255
            np.testing.assert_allclose(pooled[:, 7 * row + column], mean, rtol=2 * np.finfo(dtype).eps)


def test_pooling_stays_within_zero_and_one():
    black_and_white = np.stack([np.zeros((28, 28), np.uint8), np.full((28, 28), 255, np.uint8)])
    np.testing.assert_array_equal(pool(black_and_white, 7, np.float32), [[0] * 49, [1] * 49])


@pytest.mark.parametrize("dtype", FLOATS)
def test_pooling_to_the_same_size_changes_nothing(images, dtype):
    np.testing.assert_array_equal(pool(images, 28, dtype), as_inputs(images, dtype))


@pytest.mark.parametrize("size", [0, -7, 5, 56])
def test_a_size_that_does_not_divide_the_image_is_refused(images, size):
    with pytest.raises(
        ShapeError, match=f"got {size}, expected a divisor of their height and width, 28 x 28"
    ):
        pool(images, size, np.float32)


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.int64, np.complex128, "nonsense"])
@pytest.mark.parametrize(
    "convert", [as_inputs, lambda images, dtype: pool(images, 7, dtype)], ids=["all", "pool"]
)
def test_other_dtypes_are_refused_and_not_cast(images, convert, dtype):
    if np.longdouble is dtype and np.dtype(np.longdouble) == np.dtype(np.float64):
        pytest.skip("longdouble is float64 here")
    with pytest.raises(DtypeError, match="expected one of float32, float64"):
        convert(images, dtype)


@pytest.mark.parametrize(
    "convert", [as_inputs, lambda images, dtype: pool(images, 7, dtype)], ids=["all", "pool"]
)
def test_images_of_another_kind_are_refused(images, convert):
    with pytest.raises(DtypeError, match="got float64, expected uint8"):
        convert(images / 255, np.float64)
    with pytest.raises(ShapeError, match=r"got \(28, 28\), expected \(n, height, width\)"):
        convert(images[0], np.float64)
