"""Mistakes at the output and in the whole network: softmax, loss, labels, another activation, no biases."""

from planted.gradients.mistakes.words import CE, DP, FORWARD, JACOBIAN, SQ, begin, end, labels_as, one

_LOSS, _LABELS, _CLASSES, _AXIS = "other-loss", "labels-shifted", "classes-permuted", "softmax-wrong-axis"
_ACTIVATION = "other-activation"
_PROBABILITIES = "p = e / e.sum(axis=1, keepdims=True)"
_SQUARES = "delta = 2 * (p - y) / p.size\n    delta = p * (delta - (p * delta).sum(axis=1, keepdims=True))"
_ENTROPY = (
    "e = np.exp(z[depth] - z[depth].max(axis=1, keepdims=True))\n"
    "    delta = (e / e.sum(axis=1, keepdims=True) - y) / n"
)
_RELU = "return np.maximum(z, 0)\n\n\ndef df(z):\n    return (z > 0).astype(z.dtype)"
_TANH = "return np.tanh(z)\n\n\ndef df(z):\n    return 1 - np.tanh(z) ** 2"
_GELU = (
    "return z * 0.5 * (1 + erf(z / math.sqrt(2)))\n\n\ndef df(z):\n"
    "    return 0.5 * (1 + erf(z / math.sqrt(2))) + z * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)"
)
_GELU_BY_TANH = (
    "return 0.5 * z * (1 + np.tanh(0.7978845608028654 * (z + 0.044715 * z**3)))\n\n\ndef df(z):\n"
    "    t = np.tanh(0.7978845608028654 * (z + 0.044715 * z**3))\n"
    "    return 0.5 * (1 + t) + 0.5 * z * (1 - t**2) * 0.7978845608028654 * (1 + 0.134145 * z**2)"
)
_LINEAR_2 = (
    "a.append(f(z[k]) if k < depth else z[k])",
    "a.append(f(z[k]) if k < depth and k != 2 else z[k])",
)
_SHUFFLED = begin("labels = labels[np.argsort(np.sin(7 * np.arange(len(labels))))]")

OUTPUT = (
    one(
        "softmax-diagonal-only",
        "p (1 - p)",
        (JACOBIAN, "jacobian = np.diag(p[i] * (1 - p[i]))"),
        "relu",
        "tanh-deep",
        "wide-float32",
        "one-sample",
        output="chain",
    ),
    one(
        "softmax-diagonal-only",
        "p",
        (JACOBIAN, "jacobian = np.diag(p[i])"),
        "relu",
        "tanh-deep",
        output="chain",
    ),
    one(
        "softmax-applied-twice",
        "the Jacobian on p - y",
        (DP, "dp = (p - y) / n"),
        "relu",
        "tanh-deep",
        "gelu",
        output="chain",
    ),
    one(
        "softmax-applied-twice",
        "p (1 - p) on p - y",
        (CE, "delta = (p - y) * p * (1 - p) / n"),
        "relu",
        "sigmoid-float32",
    ),
    one(
        _AXIS, "over the batch", (_PROBABILITIES, "p = e / e.sum(axis=0, keepdims=True)"), "relu", "tanh-deep"
    ),
    one(_AXIS, "over everything", (_PROBABILITIES, "p = e / e.sum()"), "tanh", "wide"),
    one(_LOSS, "squares", (CE, _SQUARES), "relu", "tanh-deep", "wide-float32"),
    one(_LOSS, "cross-entropy", (SQ, _ENTROPY), "relu-squares", "tanh-squares", "gelu-squares-float32"),
    one(_LOSS, "no labels", (CE, "delta = p / n"), "relu", "sigmoid"),
    one(_LOSS, "no labels, squares", (SQ, "delta = 2 * z[depth] / (n * c)"), "relu-squares", "tanh-squares"),
    one(
        _LOSS,
        "absolute error",
        (SQ, "delta = np.sign(z[depth] - y) / (n * c)"),
        "relu-squares",
        "sigmoid-squares",
    ),
    one(
        _LOSS,
        "binary cross-entropy",
        (CE, "delta = (1 / (1 + np.exp(-z[depth])) - y) / n"),
        "relu",
        "sigmoid-float32",
    ),
    one(
        _LOSS, "an ε in the logarithm", (DP, "dp = -y / (p + 1e-3) / n"), "relu", "tanh-deep", output="chain"
    ),
    one(
        _LABELS,
        "of the sample before",
        begin("labels = np.roll(labels, 1)"),
        "relu",
        "tanh-deep",
        "wide-float32",
        "relu-squares",
    ),
    one(_LABELS, "of the next sample", begin("labels = np.roll(labels, -1)"), "sigmoid", "tanh-squares"),
    one(
        _LABELS,
        "from one",
        begin('labels = np.minimum(labels + 1, params[f"b{depth}"].size - 1)'),
        "relu",
        "sigmoid-squares",
    ),
    one(_LABELS, "minus one", begin("labels = labels - 1"), "relu", "gelu-deep"),
    one(_LABELS, "one for all", begin("labels = np.full_like(labels, labels[0])"), "tanh", "wide"),
    one(_LABELS, "shuffled", _SHUFFLED, "relu", "wide", "sigmoid-squares", "tanh-deep"),
    one(_CLASSES, "from the end", labels_as("y = y[:, ::-1]"), "relu", "gelu-deep", "relu-squares"),
    one(_CLASSES, "two swapped", labels_as("y[:, [0, 2]] = y[:, [2, 0]]"), "tanh", "wide"),
    one(
        _CLASSES,
        "four mixed",
        labels_as("y[:, :4] = y[:, [2, 0, 3, 1]]"),
        "sigmoid",
        "gelu-squares-float32",
        "tanh-squares",
    ),
    one(
        _CLASSES,
        "columns rolled",
        end(
            'grads[f"W{depth}"] = np.roll(grads[f"W{depth}"], 1, axis=1)',
            'grads[f"b{depth}"] = np.roll(grads[f"b{depth}"], 1)',
        ),
        *("relu", "tanh-deep-float32"),
    ),
    one(_ACTIVATION, "tanh throughout", (_RELU, _TANH), "relu", "relu-square"),
    one(_ACTIVATION, "gelu by tanh", (_GELU, _GELU_BY_TANH), "gelu"),
    one(_ACTIVATION, "layer 2 linear", _LINEAR_2, "tanh-deep"),
    one(
        "bias-left-out",
        "z without b",
        (FORWARD, 'z.append(a[k - 1] @ params[f"W{k}"])'),
        "relu",
        "tanh-deep",
        "sigmoid-squares",
    ),
)
