"""What holds for every loss."""

import numpy as np
import pytest
from over import over
from tables import DTYPES

from backprop.layers import ACTIVATIONS
from backprop.losses import LOSSES

LABELS = np.array([2, 0, 1, 1])

SHORT_FORMS = {
    short.name: (short, layer(), loss())
    for loss in LOSSES.values()
    for layer in ACTIVATIONS.values()
    if (short := loss().after(layer())) is not None
}
"""A loss that stands for a layer and a loss in a network's short form, with both, by its name."""

FORMS = {name: loss() for name, loss in LOSSES.items()} | {
    name: one for name, (one, *_) in SHORT_FORMS.items()
}
"""Every loss, those of the short forms too."""

every_loss = pytest.mark.parametrize("name", FORMS)
every_dtype = over(dtype=DTYPES)


def outputs(dtype):
    y = np.random.default_rng(0).random((4, 3))
    return (y / y.sum(axis=1, keepdims=True)).astype(dtype)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_found_by_its_name(name):
    assert LOSSES[name].name == name


@every_loss
@every_dtype
def test_the_value_is_the_mean_of_those_of_the_samples_wherever_they_lie_in_memory(name, dtype):
    loss, y = FORMS[name], outputs(dtype)
    close = {"rtol": 8 * np.finfo(dtype).eps}
    for there in (y, np.asfortranarray(y)):
        for k, value in enumerate(loss.sample_values(there, LABELS)):
            np.testing.assert_allclose(value, loss.value(y[k : k + 1], LABELS[k : k + 1]), **close)
        np.testing.assert_allclose(loss.sample_values(there, LABELS).mean(), loss.value(y, LABELS), **close)


@every_loss
@over(dtype=DTYPES, label_dtype=("uint8", "uint16", "uint64", "int8", "int32"))
def test_labels_of_any_integer_dtype_give_the_same(name, dtype, label_dtype):
    loss, y = FORMS[name], outputs(dtype)
    labels = LABELS.astype(label_dtype)
    assert loss.value(y, labels) == loss.value(y, LABELS)
    np.testing.assert_array_equal(loss.gradient(y, labels), loss.gradient(y, LABELS))


@every_loss
@every_dtype
def test_value_and_gradient_are_the_value_and_the_gradient_and_out_changes_neither(name, dtype):
    loss, y = FORMS[name], outputs(dtype)
    eps = np.finfo(dtype).eps
    for out in (None, np.full_like(y, np.nan), y.copy()):
        over_itself = out is not None and np.array_equal(out, y)
        value, gradient = loss.value_and_gradient(out if over_itself else y, LABELS, out=out)
        np.testing.assert_allclose(value, loss.value(y, LABELS), rtol=4 * eps)
        np.testing.assert_array_equal(gradient, loss.gradient(y, LABELS))
        if out is not None:
            assert (gradient is out) == (loss.in_place_bytes(*out.shape, out.itemsize) is not None)


@every_loss
@every_dtype
def test_gradient_agrees_with_the_complex_step(name, dtype):
    loss, y, step = FORMS[name], outputs("float64"), 1e-30
    expected = np.zeros_like(y)
    for n, c in np.ndindex(y.shape):
        shifted = y.astype(complex)
        shifted[n, c] += 1j * step
        expected[n, c] = loss.value(shifted, LABELS).imag / step
    gradient = loss.gradient(outputs(dtype), LABELS)
    np.testing.assert_allclose(gradient, expected, rtol=8 * np.finfo(dtype).eps, atol=np.finfo(dtype).eps)


@pytest.mark.parametrize("name", SHORT_FORMS)
@every_dtype
def test_a_short_form_is_the_chain_of_its_layer_and_its_loss(name, dtype):
    short, layer, loss = SHORT_FORMS[name]
    z, close = 4 * outputs(dtype), {"rtol": 64 * np.finfo(dtype).eps}
    y = layer.forward({}, z)
    value = short.value(z, LABELS)
    assert value.dtype == dtype
    np.testing.assert_allclose(value, loss.value(y, LABELS), **close)
    chained, _ = layer.vjp({}, z, y, loss.gradient(y, LABELS))
    assert short.gradient(z, LABELS).dtype == dtype
    np.testing.assert_allclose(short.gradient(z, LABELS), chained, **close)


@every_loss
@every_dtype
def test_repeating_the_batch_changes_neither_mean_nor_summed_gradient(name, dtype):
    loss, y = FORMS[name], outputs(dtype)
    twice, labels = np.concatenate([y, y]), np.concatenate([LABELS, LABELS])
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(loss.value(twice, labels), loss.value(y, LABELS), rtol=4 * eps)
    folded = loss.gradient(twice, labels).reshape(2, *y.shape).sum(axis=0)
    np.testing.assert_allclose(folded, loss.gradient(y, LABELS), rtol=4 * eps)
