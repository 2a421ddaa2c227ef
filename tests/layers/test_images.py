"""Convolution and pooling against numbers worked out by hand and against PyTorch, and their texts and refusals."""

import numpy as np
import pytest
from tables import DTYPES, sentence

from backprop import Network
from backprop.errors import NetworkError
from backprop.layers import Linear
from backprop.notation import read_network


def layer(text):
    return read_network(text)[-1]


def test_a_convolution_sums_the_window_times_the_kernel_which_is_not_flipped():
    conv, x = layer("1x2x3 conv2x1"), np.arange(6.0)[None]
    params = {"W": np.array([[[[1.0, 10.0], [100.0, 1000.0]]]]), "b": np.array([0.5])}
    np.testing.assert_array_equal(conv.forward(params, x), [[4310.5, 5421.5]])
    _, own = conv.vjp(params, x, x[:, :2], np.array([[1.0, 2.0]]))
    np.testing.assert_array_equal(own["W"], [[[[0 + 2, 1 + 4], [3 + 8, 4 + 10]]]])
    np.testing.assert_array_equal(own["b"], [3])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "text",
    [
        "2x7x6 conv3x4",
        "2x7x6 conv3x4,padding=2",
        "4x7x6 conv2x3x6,stride=2,padding=1,groups=2",
        "3x5x5 conv1x2,stride=3",
        "8x6x6 conv3x4,padding=1",
        "2x7x6 mean-pool3,stride=2",
        "2x7x6 pool2",
        "2x7x6 pool3x2,stride=1",
    ],
)
def test_values_and_gradients_are_those_of_pytorch_with_buffers_and_without(text, dtype):
    torch = pytest.importorskip("torch")
    made, rng, n = layer(text), np.random.default_rng(0), 3
    i = int(np.prod(made.input_shape))
    x = rng.integers(0, 4, (n, i)).astype(dtype)  # with many ties
    params = {name: rng.standard_normal(s).astype(dtype) for name, s in made.parameter_shapes().items()}
    inputs = torch.tensor(x, requires_grad=True)
    own = {name: torch.tensor(value, requires_grad=True) for name, value in params.items()}
    y = made.peers["torch"](torch, own, inputs)
    dy = rng.standard_normal(tuple(y.shape)).astype(dtype)
    y.backward(torch.tensor(dy))
    close = {"rtol": 1e4 * np.finfo(dtype).eps, "atol": 100 * np.finfo(dtype).eps}
    np.testing.assert_allclose(made.forward(params, x), y.detach().numpy(), **close)
    planned, out, dx = made.planned(n, np.dtype(dtype)), np.empty_like(dy), np.empty_like(x)
    planned.forward(params, x, out=out)
    np.testing.assert_allclose(out, y.detach().numpy(), **close)
    buffers = {name: np.empty_like(value) for name, value in params.items()}
    for got, gradients in (
        made.vjp(params, x, out, dy),
        planned.vjp(params, x, out, dy, input_needed=True, out=dx, dparams=buffers),
    ):
        np.testing.assert_allclose(got, inputs.grad.numpy(), **close)
        for name, gradient in gradients.items():
            np.testing.assert_allclose(gradient, own[name].grad.numpy(), **close)


def test_of_several_largest_numbers_the_first_gets_the_gradient():
    pool, x = layer("1x2x2 pool2"), np.array([[1.0, 2, 2, 0], [3, 3, 3, 3], [0, 0, 0, 1], [0, 1, 1, 1]])
    dx, _ = pool.vjp({}, x, x[:, :1], np.ones((4, 1)))
    np.testing.assert_array_equal(dx, [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]])


def test_a_mean_is_that_of_every_window():
    pool = layer("1x2x3 mean-pool2,stride=1")
    np.testing.assert_array_equal(pool.forward({}, np.arange(6.0)[None]), [[2, 3]])


def test_lenet_has_its_61706_parameters_and_its_layers_keep_their_shapes():
    network = Network.parse("lenet")
    assert network.parameter_count == 61_706
    shapes = [shape for shape in network.shapes if len(shape) == 3]
    assert [shapes[k] for k in (0, 1, 3, 4, 6)] == [
        (1, 28, 28),
        (6, 28, 28),
        (6, 14, 14),
        (16, 10, 10),
        (16, 5, 5),
    ]
    assert isinstance(network.layers[6], Linear)
    assert network.layers[6].inputs == 400


@pytest.mark.parametrize(
    "text",
    [
        "1x28x28 conv5x6",
        "1x28x28 conv3x5x6,stride=2,padding=1",
        "4x9x9 conv3x8,groups=4",
        "2x4x4 max-pool2",
        "2x4x4 mean-pool3x2,stride=1",
    ],
)
def test_a_layer_writes_the_text_that_it_is_read_from(text):
    assert layer(text).text == text.split()[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("784 conv5x6", "the shape 784; expected channels, rows and columns"),
        ("784 pool2", "the shape 784; expected channels, rows and columns"),
        ("1x4x4 conv5x6", "A window is 5x5 and the padded image 4x4"),
        ("1x4x4 pool5", "A window is 5x5"),
        ("1x4x4 conv5", "expected its kernel and its outputs"),
        ("1x4x4 conv2x2,pad=1", "expected its kernel and its outputs"),
        ("1x4x4 conv2x2,stride=0", "The layer conv got stride = 0"),
        ("1x4x4 conv2x2,padding=-1", "The layer conv got padding = -1"),
        ("1x4x4 conv2x2,stride", "The layer conv got stride = True"),
        ("3x4x4 conv2x4,groups=2", "3 and 4 channels in 2 groups"),
        ("1x4x4 conv1.5x2", "The layer conv got kernel = 1.5"),
        ("1x4x4 pool", "expected the size of its windows"),
        ("1x4x4 pool2,padding=1", "expected the size of its windows"),
    ],
)
def test_what_a_layer_of_images_does_not_take_is_refused_in_a_sentence(text, said):
    with pytest.raises(NetworkError) as error:
        read_network(text)
    assert said in sentence(error.value)
