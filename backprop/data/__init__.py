"""Labelled images to train and measure on: MNIST whole, its small shipped sample, or files as people have them.

`load` is the one door; `as_inputs` and `pool` turn its images into the inputs (n, i) of a network.
"""

from __future__ import annotations

from backprop.data.dataset import Dataset, as_inputs, pool
from backprop.data.mnist import load_mnist as load

__all__ = ["Dataset", "as_inputs", "load", "pool"]
