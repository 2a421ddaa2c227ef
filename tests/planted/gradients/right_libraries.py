"""Right gradients by automatic differentiation: autograd, PyTorch and JAX where installed, and the package's own."""

import functools
import importlib.util

import autograd
import autograd.numpy as anp
import numpy as np
from autograd.scipy.special import logsumexp
from autograd.scipy.stats import norm
from planted.gradients.networks import NETS

import backprop

AUTOGRAD = {
    "relu": lambda z: anp.maximum(z, 0),
    "tanh": anp.tanh,
    "sigmoid": lambda z: 1 / (1 + anp.exp(-z)),
    "gelu": lambda z: z * norm.cdf(z),
}


def by_autograd(net):
    """HIPS autograd of the loss of that network."""
    f, entropy = AUTOGRAD[net.activation], net.loss == "cross-entropy"

    def loss(params, inputs, labels):
        x, depth = inputs, len(params) // 2
        for k in range(1, depth + 1):
            z = anp.dot(x, params[f"W{k}"]) + params[f"b{k}"]
            x = f(z)
        if entropy:
            return anp.mean(logsumexp(z, axis=1) - z[anp.arange(len(inputs)), labels])
        return anp.mean((z - np.eye(z.shape[1])[labels]) ** 2)

    def gradient(params, inputs, labels):
        value, g = autograd.value_and_grad(loss)(params, inputs, labels)
        return value, {k: v.astype(params[k].dtype) for k, v in g.items()}

    return gradient


def by_torch(net):
    """PyTorch's own functions, tensors handed back as they are."""
    import torch

    f = {
        "relu": torch.relu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "gelu": torch.nn.functional.gelu,
    }[net.activation]

    def gradient(params, inputs, labels):
        leaves = {k: torch.tensor(v, requires_grad=True) for k, v in params.items()}
        x, depth = torch.from_numpy(inputs), len(params) // 2
        for k in range(1, depth + 1):
            z = x @ leaves[f"W{k}"] + leaves[f"b{k}"]
            x = f(z)
        if net.loss == "cross-entropy":
            loss = torch.nn.functional.cross_entropy(z, torch.from_numpy(labels))
        else:
            target = torch.nn.functional.one_hot(torch.from_numpy(labels), z.shape[1]).to(z.dtype)
            loss = torch.nn.functional.mse_loss(z, target)
        loss.backward()
        return loss.item(), {k: v.grad.numpy() for k, v in leaves.items()}

    return gradient


def by_jax(net):
    """JAX, in the dtype of the parameters."""
    import jax
    import jax.numpy as jnp

    f = {
        "relu": jax.nn.relu,
        "tanh": jnp.tanh,
        "sigmoid": jax.nn.sigmoid,
        "gelu": lambda z: jax.nn.gelu(z, approximate=False),
    }[net.activation]

    def loss(params, inputs, labels):
        x, depth = inputs, len(params) // 2
        for k in range(1, depth + 1):
            z = x @ params[f"W{k}"] + params[f"b{k}"]
            x = f(z)
        if net.loss == "cross-entropy":
            return -jnp.mean(jax.nn.log_softmax(z)[jnp.arange(len(labels)), labels])
        return jnp.mean((z - jax.nn.one_hot(labels, z.shape[1], dtype=z.dtype)) ** 2)

    compiled = jax.jit(jax.value_and_grad(loss))  # one compilation, in place of one for each operation

    def gradient(params, inputs, labels):
        x64 = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
        with x64(True):
            value, g = compiled(params, inputs, labels)
            return float(value), {k: np.asarray(v) for k, v in g.items()}

    return gradient


def by_strategy(name, net):
    """One of the package's own strategies."""

    def gradient(params, inputs, labels):
        network = net.network
        tensors = backprop.Parameters.from_mapping(network.layout, params, inputs.dtype)
        return backprop.gradient(network, tensors, inputs, labels, strategy=name)

    return lambda *arguments: (lambda pair: (pair.loss, pair.gradient))(gradient(*arguments))


def _ways():
    for name in ("relu", "tanh-deep", "sigmoid-squares", "gelu", "relu-squares", "wide", "relu-float32"):
        yield "autograd", (lambda net=NETS[name]: by_autograd(net)), (name,)
    if importlib.util.find_spec("torch"):
        for name in (
            "relu",
            "tanh-deep-float32",
            "sigmoid-squares",
            "gelu",
            "gelu-squares-float32",
            "wide-float32",
            "linear",
        ):
            yield "torch", (lambda net=NETS[name]: by_torch(net)), (name,)
    if importlib.util.find_spec("jax"):
        for name in ("relu", "tanh-deep-float32", "gelu-squares-float32", "sigmoid-float32"):
            yield "jax", functools.cache(lambda net=NETS[name]: by_jax(net)), (name,)
    for strategy in (
        "full-jacobian",
        "batched-jacobian",
        "layerwise-vjp",
        "short-form",
        "complex-step",
        "forward-mode",
    ):
        yield strategy, (lambda s=strategy: by_strategy(s, NETS["relu"])), ("relu",)
        yield strategy, (lambda s=strategy: by_strategy(s, NETS["tanh-deep"])), ("tanh-deep",)


WAYS = tuple(_ways())
