"""The network door takes convolution and pooling: right gradients pass, in a blank image too, and wrong ones fail."""

import numpy as np
import pytest

from backprop import Batch, Network
from backprop.check.network import check_network_gradient

NETWORK = Network.parse("1x6x6 conv3x2 relu pool2 3")


def sample():
    """Images whose last rows are blank: there all outputs of the convolution are equal, and above zero."""
    rng = np.random.default_rng(0)
    params = NETWORK.init(rng)
    params["b1"][...] = 0.5
    images = rng.random((6, 6, 6))
    images[:, 1:] = 0
    return params, Batch(images.reshape(6, 36), np.arange(6) % 3)


def first_of_the_largest(windows):
    return np.arange(4) == windows.argmax(axis=-1)[..., None]


def all_of_the_largest(windows):
    return windows == windows.max(axis=-1, keepdims=True)


def gradient(chosen=first_of_the_largest, change=lambda g: None):
    """By hand, with the entries of a window that `chosen` gives the gradient to, and something done to it."""

    def function(params, inputs, labels):
        n = len(inputs)
        seen = np.lib.stride_tricks.sliding_window_view(inputs.reshape(n, 1, 6, 6), (3, 3), axis=(2, 3))
        z = np.einsum("nlstuv,qluv->nqst", seen, params["W1"]) + params["b1"][:, None, None]
        windows = np.maximum(z, 0).reshape(n, 2, 2, 2, 2, 2).transpose(0, 1, 2, 4, 3, 5)
        windows = windows.reshape(n, 2, 2, 2, 4)
        a = windows.max(axis=-1).reshape(n, -1)
        e = np.exp(a @ params["W2"] + params["b2"])
        d = e / e.sum(axis=1, keepdims=True)
        d[np.arange(n), labels] -= 1
        d /= n
        da = (d @ params["W2"].T).reshape(n, 2, 2, 2, 1) * chosen(windows)
        dz = da.reshape(n, 2, 2, 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(z.shape) * (z > 0)
        g = {"W1": np.einsum("nqst,nlstuv->qluv", dz, seen), "b1": dz.sum(axis=(0, 2, 3))}
        g |= {"W2": a.T @ d, "b2": d.sum(axis=0)}
        change(g)
        return g

    return function


def flipped(g):
    g["W1"] = g["W1"][..., ::-1].copy()


def of_one_place(g):
    g["b1"] /= 16


def check(function):
    params, batch = sample()
    return check_network_gradient(NETWORK, function, params, batch, np.random.default_rng(1))


def test_a_right_gradient_of_images_is_right_also_where_all_numbers_of_a_window_are_equal():
    found = check(gradient())
    assert found.ok
    assert found.kinks == ()


@pytest.mark.parametrize(
    ("function", "tensor"),
    [
        (gradient(change=flipped), "W1"),
        (gradient(change=of_one_place), "b1"),
        (gradient(all_of_the_largest), "b1"),
    ],
    ids=["kernel-flipped", "bias-averaged", "every-tie"],
)
def test_a_wrong_gradient_of_images_is_wrong_in_its_tensor(function, tensor):
    found = check(function)
    assert not found.ok
    assert tensor in str(found.findings)
