"""Layers over tokens: what they read and refuse, weights that are used many times, and mistakes that must be seen."""

import math

import numpy as np
import pytest
from over import over
from tables import layer_case, random_input, sentence

from backprop import Network
from backprop.errors import BackpropError, WholeNumberError
from backprop.layers import LAYERS
from backprop.layers.attention import Attention
from backprop.layers.embedding import Embedding
from backprop.layers.heads import Heads
from backprop.layers.lstm import LSTM
from backprop.layers.recurrent import Recurrent
from backprop.layers.rnn import RNN
from backprop.notation import read_network

SHAPES = {
    "28x28 lstm64": (64,),
    "1x28x28 lstm64,sequence": (28, 64),
    "3x2 rnn5,sequence": (3, 5),
    "16x8 attention,heads=4,causal,key=12": (16, 8),
    "20 embedding100x16": (20, 16),
    "8x3x4 tokens": (12, 8),
    "28x28 patches7": (16, 49),
    "3x4x6 patches2": (6, 12),
    "5x4 tokenwise7": (5, 7),
    "5x4 positions": (5, 4),
    "5x4 mean-tokens": (4,),
}


@pytest.mark.parametrize("text", SHAPES)
def test_a_layer_says_the_shape_of_its_outputs_and_its_text(text):
    (layer,) = read_network(text)
    assert layer.output_shape(layer.input_shape) == SHAPES[text]
    assert text.endswith(f" {layer.text}")
    shape = "x".join(map(str, layer.input_shape))
    assert read_network(f"{shape} {layer.text}") == [layer]


REFUSED = {
    "784 lstm8": "inputs of the shape 784",
    "2x4x4 rnn8": "The layer tokens makes them",
    "4x4 lstm": "as lstm64 or",
    "4x4 rnn2.5": "units = 2.5",
    "4x4 lstm8,sequence=yes": "as lstm64 or",
    "4x4 attention,heads=3": "3 heads for a key of 4",
    "4x4 attention,heads=two": "heads = two",
    "4x4 attention8": "as in attention",
    "5x4 patches2": "sides that 2 divides",
    "20 patches2": "expected an image",
    "4x4 embedding3x2": "t whole numbers",
    "4x4 tokenwise": "tokenwise64",
    "4x4 mean-tokens3": "expected neither numbers",
    "4x4 positions,learned": "expected neither numbers",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_a_layer_does_not_take_is_refused_in_a_sentence(text):
    with pytest.raises(BackpropError) as error:
        read_network(text)
    assert REFUSED[text] in str(error.value)


@pytest.mark.parametrize("word", [0.5, -1, 4, np.nan, np.inf])
def test_an_embedding_refuses_what_is_no_row_of_its_table(word):
    layer = Embedding(2, 1, 4, 2)
    with pytest.raises(WholeNumberError, match="token 1 of sample 0") as error:
        layer.forward({"E": np.ones((4, 2))}, np.array([[1.0, word]]))
    sentence(error.value)


def test_a_row_that_is_used_three_times_has_the_sum_of_three_gradients():
    layer, table = Embedding(3, 1, 4, 2), np.ones((4, 2))
    x, dy = np.array([[2.0, 0, 2], [2, 1, 1]]), np.arange(12.0).reshape(2, 6)
    for vjp in (layer.vjp, layer.vjp_by_parts):
        _, own = vjp({"E": table}, x, layer.forward({"E": table}, x), dy)
        np.testing.assert_array_equal(own["E"], [[2, 3], [8 + 10, 9 + 11], [0 + 4 + 6, 1 + 5 + 7], [0, 0]])


def test_with_causal_no_token_depends_on_a_later_one():
    case = layer_case("3x4 attention,heads=2,causal", random_input(2, 12, "float64"))
    blocks = case.layer.input_jacobian(*case.arguments).reshape(2, 3, 4, 3, 4)
    for t in range(3):
        assert not blocks[:, t, :, t + 1 :].any()
        assert blocks[:, t, :, : t + 1].all()


def test_a_bias_of_the_keys_moves_nothing():
    case = layer_case("3x4 attention,heads=2,causal", random_input(2, 12, "float64"))
    _, own = case.layer.vjp(*case.arguments, np.ones_like(case.y))
    assert np.abs(own["bk"]).max() < 1e-13 * np.abs(own["bv"]).max()


def test_the_sum_of_steps_is_one_product_of_as_many_rows():
    """Weights that every step uses: the gradient is that of as many layers with equal weights, added up."""
    layer, rng = RNN(3, 2, 2, sequence=True), np.random.default_rng(0)
    own = {name: rng.standard_normal(shape) for name, shape in layer.parameter_shapes().items()}
    x, dy = rng.standard_normal((4, 6)), rng.standard_normal((4, 6))
    y = layer.forward(own, x)
    h = np.concatenate([np.zeros((4, 2)), y], axis=1).reshape(4, 4, 2)
    total, dh = np.zeros((2, 2)), np.zeros((4, 2))
    for t in (2, 1, 0):
        dz = (dy.reshape(4, 3, 2)[:, t] + dh) * (1 - h[:, t + 1] ** 2)
        total += h[:, t].T @ dz
        dh = dz @ own["U"].T
    np.testing.assert_allclose(layer.vjp(own, x, y, dy)[1]["U"], total, rtol=1e-13)


def _of_a_step_too_late(form):
    def slopes(self, states, steps, out=None):
        made = form(self, states, steps, out)
        made[0][...] = np.roll(made[0], 1, axis=0)
        return made

    return slopes


def _without_the_cell(form):
    return lambda self, slopes, dh, dc, dz: form(self, slopes, dh, 0 * dc, dz)


def _with_the_sum_of_all(form):
    def back(self, params, memory, dy, dx, dparams):
        memory.a[...] += 1
        form(self, params, memory, dy, dx, dparams)

    return back


def _unscaled(form):
    return property(lambda self: 1.0)


MISTAKES = {
    "rnn: 1 - h² of another step": (RNN, "slopes", _of_a_step_too_late, "3x2 rnn2"),
    "lstm: gates of another step": (LSTM, "slopes", _of_a_step_too_late, "3x2 lstm2"),
    "lstm: nothing comes from the cell": (LSTM, "pull", _without_the_cell, "3x2 lstm2"),
    "attention: another a on the way back": (
        Heads,
        "back",
        _with_the_sum_of_all,
        "3x4 attention,heads=2,causal",
    ),
    "attention: no 1/√e": (Heads, "scale", _unscaled, "3x4 attention,heads=2,causal"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_seen_by_the_way_through_the_parts_or_by_the_oracle(name, monkeypatch):
    kind, form, wrong, example = MISTAKES[name]
    right = layer_case(example, random_input(3, 6, "float64"))
    monkeypatch.setattr(kind, form, wrong(getattr(kind, form)))
    y, dy = right.layer.forward(right.params, right.x), np.ones_like(right.y)
    dx, _ = right.layer.vjp(right.params, right.x, y, dy)
    by_parts, _ = right.layer.vjp_by_parts(right.params, right.x, y, dy)
    seen = [np.abs(dx - by_parts).max(), np.abs(y - right.oracle(right.params, right.x)).max()]
    assert max(seen) > 1e-3


@pytest.mark.parametrize("name", ["rows-lstm", "patches-attention"])
def test_the_short_form_counts_fewer_operations_than_the_way_through_the_parts(name):
    network = Network.parse(name)
    assert any(
        isinstance(layer, Recurrent | Attention) or layer.name == "residual" for layer in network.layers
    )
    for layer, i, o in network.sized:
        assert layer.parts_flops(32, i, o) >= layer.vjp_flops(32, i, o, input_needed=True)


@over(
    text=[text for kind in LAYERS.values() for text in kind.examples]
    + ["2x3 residual(tokenwise4 tokenwise3)"]
)
def test_a_layer_for_a_shape_takes_a_batch_of_no_samples_unless_it_couples_them(text):
    layer = read_network(text)[-1]
    if layer.couples_samples:
        pytest.skip("a mean over no samples is no number")
    own, i = layer.initial(np.random.default_rng(0)), math.prod(layer.input_shape)
    x, y = np.zeros((0, i)), np.zeros((0, layer.output_width(i)))
    assert layer.forward(own, x).shape == y.shape
    if "parameter_factors" not in layer.lacks:
        assert set(layer.parameter_factors(own, x, y)) == set(own)
