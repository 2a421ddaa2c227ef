"""Of a function that takes float16 alone it is known how far its gradient may be off; what is far off is wrong."""

import numpy as np
import pytest

import backprop

pytestmark = pytest.mark.usefixtures("without_lines")

RNG = np.random.default_rng(5)
U = RNG.normal(size=(4, 5))
POINT = RNG.normal(size=(4, 5)).astype(np.float16)


def narrow(forward):
    """The function ⟨U, forward(x)⟩ of float16, which takes nothing wider."""

    def function(x):
        if x.dtype != np.float16:
            raise TypeError(x.dtype)
        return float(np.sum(U * forward(x).astype(np.float64)))

    return function


LAYERS = {
    "tanh": (np.tanh, lambda x: U * (1 - np.tanh(x) ** 2)),
    "relu": (lambda x: np.maximum(x, 0), lambda x: U * (x > 0)),
    "product": (lambda x: x @ np.ones((5, 5), np.float16), lambda x: U @ np.ones((5, 5))),
    "abs": (np.abs, lambda x: U * np.sign(x)),
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("factor", [1, 1.5])
def test_a_gradient_by_float16_alone_is_wrong_or_known_to_a_share_of_its_norm(layer, factor):
    forward, slope = LAYERS[layer]
    claim = (factor * slope(POINT.astype(np.float64))).astype(np.float16)
    check = backprop.check_gradient(narrow(forward), lambda _: claim, POINT)
    right = "right" if layer in ("relu", "abs") else "undecided"  # these round nothing
    assert check.verdict == (right if factor == 1 else "wrong"), check
    (tensor,) = check.tensors
    if factor == 1:
        assert tensor.error <= tensor.tolerance
        assert tensor.tolerance < 0.3
        assert any("takes float16 alone; the gradient is off by at most" in note for note in check.notes)
    else:
        assert tensor.error == pytest.approx(0.5, abs=0.1)
        assert tensor.error > tensor.tolerance


def test_an_error_below_what_the_format_leaves_is_not_called_wrong():
    claim = (1.01 * LAYERS["tanh"][1](POINT.astype(np.float64))).astype(np.float16)
    assert backprop.check_gradient(narrow(np.tanh), lambda _: claim, POINT).verdict == "undecided"
