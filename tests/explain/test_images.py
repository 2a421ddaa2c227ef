"""Networks of images are explained: every step by name and formula, with the letters of images."""

import numpy as np
import pytest

from backprop import Network
from backprop.explain import explain, render_text
from backprop.explain.explanation import example
from backprop.registry import ladder

NETWORK = Network.parse("1x4x4 conv2x2 tanh pool2,stride=1 mean-pool2 2")


def explained(*strategies):
    params, batch = example(NETWORK, 1, np.random.default_rng(0))
    return explain(NETWORK, params, batch, strategies or ["full-jacobian"])


@pytest.mark.parametrize("strategy", ladder())
def test_every_strategy_of_the_ladder_forms_the_gradient_of_every_kernel_and_bias(strategy):
    trace = explained(strategy).traces[0]
    shapes = {step.name: step.array.shape for step in trace.steps}
    assert (shapes["∂L/∂W₁"], shapes["∂L/∂b₁"], shapes["∂L/∂W₂"]) == ((2, 1, 2, 2), (2,), (2, 2))
    assert all(step.formula for step in trace.steps)


def test_the_letters_of_images_are_explained_where_there_are_images():
    assert "q: channels of a convolution's outputs" in " ".join(render_text(explained()).split())
    network = Network.mlp(3, 4, 2)
    params, batch = example(network, 1, np.random.default_rng(0))
    assert "channels" not in render_text(explain(network, params, batch, ["full-jacobian"]))
