"""A gradient as a person writes it down, as text: the planted mistakes are edits of its lines.

It knows nothing of the package. `source(...)` puts a network's activation and loss into it; `compiled` runs the text.
"""

import numpy as np

LAYERS = """
import math

import numpy as np
from scipy.special import erf


{activation}


def gradient(params, inputs, labels):
    depth = len(params) // 2
    n = len(inputs)

    # forward
    a, z = [inputs], [inputs]
    for k in range(1, depth + 1):
        z.append(a[k - 1] @ params[f"W{{k}}"] + params[f"b{{k}}"])
        a.append(f(z[k]) if k < depth else z[k])

{output}

    # backward
    grads = {{}}
    for k in range(depth, 0, -1):
        grads[f"W{{k}}"] = a[k - 1].T @ delta
        grads[f"b{{k}}"] = delta.sum(axis=0)
        if k > 1:
            delta = delta @ params[f"W{{k}}"].T
            delta = delta * df(z[k - 1])
    return loss, grads
"""

CROSS_ENTROPY = """
    # softmax and cross-entropy
    e = np.exp(z[depth] - z[depth].max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    y = np.zeros_like(p)
    y[np.arange(n), labels] = 1
    loss = -np.mean(np.log(p[np.arange(n), labels]))
    delta = (p - y) / n
"""

CHAIN = """
    # softmax, cross-entropy, and the chain rule through both
    e = np.exp(z[depth] - z[depth].max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    y = np.zeros_like(p)
    y[np.arange(n), labels] = 1
    loss = -np.mean(np.log(p[np.arange(n), labels]))
    dp = -y / p / n
    delta = np.zeros_like(p)
    for i in range(n):
        jacobian = np.diag(p[i]) - np.outer(p[i], p[i])
        delta[i] = jacobian @ dp[i]
"""

SQUARES = """
    # mean squared error
    c = z[depth].shape[1]
    y = np.zeros_like(z[depth])
    y[np.arange(n), labels] = 1
    loss = np.mean((z[depth] - y) ** 2)
    delta = 2 * (z[depth] - y) / (n * c)
"""

OUTPUTS = {"cross-entropy": CROSS_ENTROPY, "chain": CHAIN, "mean-squared-error": SQUARES}

ACTIVATIONS = {
    "relu": """
def f(z):
    return np.maximum(z, 0)


def df(z):
    return (z > 0).astype(z.dtype)
""",
    "tanh": """
def f(z):
    return np.tanh(z)


def df(z):
    return 1 - np.tanh(z) ** 2
""",
    "sigmoid": """
def f(z):
    return 1 / (1 + np.exp(-z))


def df(z):
    s = 1 / (1 + np.exp(-z))
    return s * (1 - s)
""",
    "gelu": """
def f(z):
    return z * 0.5 * (1 + erf(z / math.sqrt(2)))


def df(z):
    return 0.5 * (1 + erf(z / math.sqrt(2))) + z * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
""",
}


def source(activation, output):
    """The text of the right gradient."""
    return LAYERS.format(activation=ACTIVATIONS[activation].strip(), output=OUTPUTS[output].strip("\n"))


def edited(text, edits):
    """The text with each old piece replaced by the new one; every old piece must be there exactly once."""
    for old, new in edits:
        assert text.count(old) == 1, f"{text.count(old)} times in the text: {old}"
        text = text.replace(old, new)
    return text


def compiled(text):
    """The function `gradient` of a text."""
    names = {"np": np}
    exec(compile(text, "<by hand>", "exec"), names)
    return names["gradient"]
