"""The networks on which mistakes are planted and right gradients are tried: parameters and batches from a seed."""

from dataclasses import dataclass

import numpy as np

from backprop import Batch, Network


@dataclass(frozen=True)
class Net:
    """Sizes, activation, loss, batch and dtype; inputs are random, with some zeros as digits have them."""

    sizes: tuple
    activation: str
    loss: str = "cross-entropy"
    n: int = 6
    dtype: str = "float64"
    seed: int = 1

    @property
    def network(self):
        return Network.mlp(*self.sizes, activation=self.activation, loss=self.loss)

    def sample(self):
        """Parameters, with biases that are not zero, and a batch in which the labels differ."""
        rng = np.random.default_rng(self.seed)
        network = self.network
        params = network.init(rng, self.dtype)
        for name in params:
            if name.startswith("b"):
                params[name][...] = 0.3 * rng.standard_normal(params[name].shape)
        inputs = rng.standard_normal((self.n, self.sizes[0]))
        inputs[rng.random(inputs.shape) < 0.2] = 0
        labels = np.arange(self.n) % self.sizes[-1]
        return params, Batch(inputs.astype(self.dtype), rng.permutation(labels))


MSE = "mean-squared-error"
NETS = {
    "relu": Net((12, 9, 5), "relu"),
    "relu-float32": Net((12, 9, 5), "relu", dtype="float32"),
    "relu-square": Net((10, 8, 8, 5), "relu", n=7),
    "relu-deep": Net((10, 7, 7, 7, 4), "relu", n=9, seed=4),
    "relu-squares": Net((12, 9, 5), "relu", MSE),
    "tanh": Net((12, 9, 5), "tanh", n=7),
    "tanh-deep": Net((10, 7, 7, 7, 4), "tanh", n=5),
    "tanh-deep-float32": Net((10, 7, 7, 7, 4), "tanh", n=5, dtype="float32"),
    "tanh-squares": Net((8, 6, 6, 4), "tanh", MSE, n=5),
    "sigmoid": Net((12, 9, 5), "sigmoid", n=9),
    "sigmoid-squares": Net((12, 9, 6, 5), "sigmoid", MSE, n=8),
    "sigmoid-float32": Net((12, 9, 6, 5), "sigmoid", n=8, dtype="float32"),
    "gelu": Net((12, 9, 5), "gelu"),
    "gelu-deep": Net((10, 6, 6, 6, 4), "gelu", n=5),
    "gelu-squares-float32": Net((12, 9, 6, 5), "gelu", MSE, dtype="float32"),
    "one-sample": Net((12, 9, 5), "relu", n=1),
    "one-sample-tanh": Net((10, 7, 7, 4), "tanh", n=1),
    "wide": Net((49, 32, 10), "relu", n=16),
    "wide-float32": Net((49, 32, 10), "relu", n=16, dtype="float32"),
    "linear": Net((12, 5), "relu"),
}
