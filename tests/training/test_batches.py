"""Every epoch is a permutation, the data set is never copied, and a position is continued exactly."""

import tracemalloc

import numpy as np
import pytest

from backprop.data import as_inputs
from backprop.errors import ShapeError
from backprop.training import Batches


def batches(sample, size=128, seed=0, dtype="float32"):
    rng = np.random.default_rng(seed)
    return Batches(sample.train_images, sample.train_labels, size, np.dtype(dtype), rng)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_batch_is_as_inputs_of_the_chosen_images(sample, dtype):
    batch = batches(sample, 16, dtype=dtype).next()
    order = np.random.default_rng(0).permutation(len(sample.train_labels))[:16]
    np.testing.assert_array_equal(batch.inputs, as_inputs(sample.train_images[order], dtype))
    np.testing.assert_array_equal(batch.labels, sample.train_labels[order])
    assert batch.inputs.ctypes.data % 64 == 0


def test_an_epoch_takes_every_sample_once():
    images = np.arange(20, dtype=np.uint8).reshape(20, 1, 1)
    stream = Batches(images, np.arange(20), 5, np.dtype("float64"), np.random.default_rng(0))
    orders = []
    for _ in range(3):
        orders.append(np.concatenate([stream.next().labels.copy() for _ in range(stream.per_epoch)]))
        assert sorted(orders[-1]) == list(range(20))
    assert not np.array_equal(orders[0], orders[1])


def test_the_rest_that_makes_no_batch_is_left_out():
    stream = Batches(np.zeros((11, 2)), np.arange(11), 4, np.dtype("float64"), np.random.default_rng(0))
    assert stream.per_epoch == 2
    first, _ = (stream.next() for _ in range(2))
    assert stream.position.epoch == 0
    assert stream.next().inputs is first.inputs
    assert stream.position.epoch == 1


def test_the_data_set_is_not_copied(sample):
    stream = batches(sample)
    tracemalloc.start()
    for _ in range(2 * stream.per_epoch):
        stream.next()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < sample.train_images.nbytes / 20


def test_a_position_is_continued_exactly(sample):
    whole, part = batches(sample, 999), batches(sample, 999, seed=5)
    for _ in range(7):
        whole.next()
    part.seek(whole.position)
    for _ in range(9):
        np.testing.assert_array_equal(whole.next().inputs, part.next().inputs)
        assert whole.position == part.position


def moved(images, down, right):
    """Images (n, h, w) moved by hand, black where nothing comes from."""
    n, h, w = images.shape
    padded = np.zeros((n, 3 * h, 3 * w), images.dtype)
    padded[:, h : 2 * h, w : 2 * w] = images
    return padded[:, h - down : 2 * h - down, w - right : 2 * w - right]


def test_a_shift_moves_a_whole_batch_and_nothing_comes_in_at_the_edges():
    images = np.random.default_rng(0).integers(1, 256, (450, 5, 4)).astype(np.uint8)
    rng = np.random.default_rng(1)
    stream = Batches(images, np.zeros(450, int), 3, np.dtype("float64"), rng, shift=2)
    reference = np.random.default_rng(1)
    order, moves = reference.permutation(450), reference.integers(-2, 3, (150, 2))
    for k, (down, right) in enumerate(moves):
        expected = moved(images[order[3 * k : 3 * k + 3]], down, right)
        np.testing.assert_array_equal(stream.next().inputs, as_inputs(expected, "float64"))
    assert len({tuple(move) for move in moves}) == 25  # every move was seen


def test_a_shifted_stream_is_continued_exactly(sample):
    def make(seed):
        rng = np.random.default_rng(seed)
        return Batches(sample.train_images, sample.train_labels, 500, np.dtype("float32"), rng, shift=1)

    whole, part = make(0), make(3)
    for _ in range(14):
        whole.next()
    part.seek(whole.position)
    for _ in range(10):
        np.testing.assert_array_equal(whole.next().inputs, part.next().inputs)


@pytest.mark.parametrize(("images", "shift"), [(np.zeros((9, 4)), 1), (np.zeros((9, 4, 3), np.uint8), 3)])
def test_a_shift_that_does_not_suit_the_images_is_an_error(images, shift):
    with pytest.raises(ShapeError, match=f"The shift is {shift}"):
        Batches(images, np.zeros(9, int), 3, np.dtype("float64"), np.random.default_rng(0), shift=shift)


@pytest.mark.parametrize("size", [0, 5001])
def test_a_batch_size_that_does_not_fit_is_an_error(sample, size):
    with pytest.raises(ShapeError, match=f"The batch size is {size}; expected 1 to 5000"):
        batches(sample, size)
