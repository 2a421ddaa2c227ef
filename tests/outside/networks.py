"""Small networks with layers from outside, random parameters, and a gradient of each that knows no layer.

The gradient is by central differences of the loss in longdouble: it asks for `forward` and nothing else.
"""

import numpy as np
from outside.layers import LayerNorm, LeakyReLU, NamedLayerNorm, PReLU, Swish, UnawareLeakyReLU, VJPOnly

from backprop import Batch, Network
from backprop.layers import Linear, Softmax, Tanh
from backprop.losses import CrossEntropy, MeanSquaredError


def _classifier(*hidden, width=4):
    return Network((Linear(5, width), *hidden, Linear(width, 3), Softmax()), CrossEntropy())


NETWORKS = {
    "outside-leaky-relu": _classifier(LeakyReLU()),
    "unaware-outside-leaky-relu": _classifier(UnawareLeakyReLU()),
    "swish": _classifier(Swish()),
    "layer-norm": _classifier(LayerNorm(4)),
    "layer-norm-tanh": _classifier(LayerNorm(4), Tanh()),
    "named-layer-norm": _classifier(NamedLayerNorm(4), LeakyReLU()),
    "prelu": _classifier(PReLU(4)),
    "vjp-only": _classifier(VJPOnly(4)),
    "normalised inputs": Network((LayerNorm(5), Linear(5, 4), Swish(), Linear(4, 3)), MeanSquaredError()),
    "normalised outputs": Network((Linear(5, 4), Tanh(), Linear(4, 3), LayerNorm(3)), MeanSquaredError()),
}


def sample(network, dtype="float64", n=4, seed=1):
    """Parameters, none of them zero, and a batch."""
    rng = np.random.default_rng(seed)
    params = network.init(rng, dtype)
    for tensor in params.values():
        if tensor.ndim < 2:
            tensor[...] = rng.uniform(0.3, 1.2, tensor.shape)
    inputs = rng.standard_normal((n, network.inputs)).astype(dtype)
    return params, Batch(inputs, rng.permutation(np.arange(n) % network.classes))


def by_differences(network, params, batch):
    """∂L/∂θ (p,), right to about 1e-12 where no kink lies within the step."""
    wide, inputs = params.astype(np.longdouble), batch.inputs.astype(np.longdouble)
    gradient = np.empty(len(wide.vector), np.longdouble)
    step = np.longdouble(2.0**-16)
    for k, value in enumerate(wide.vector.copy()):
        rises = []
        for h in (step, step / 2):
            losses = []
            for side in (h, -h):
                wide.vector[k] = value + side
                losses.append(network.loss(wide, inputs, batch.labels))
            rises.append((losses[0] - losses[1]) / (2 * h))
        wide.vector[k] = value
        gradient[k] = (4 * rises[1] - rises[0]) / 3
    return gradient
