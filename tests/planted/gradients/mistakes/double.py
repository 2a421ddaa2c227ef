"""Two mistakes at once, and mistakes that have no known signature."""

from planted.gradients.mistakes.words import (
    CE,
    DB,
    DW,
    FORWARD,
    JACOBIAN,
    SLOPE,
    THROUGH,
    begin,
    end,
    one,
    two,
)

_MISSING, _TURNED, _BIAS, _EXTRA = (
    "activation-derivative-missing",
    "transposed",
    "bias-not-summed",
    "weight-decay-extra",
)
_RELU = "return (z > 0).astype(z.dtype)"
_DECAY = (DW, f'{DW} + 0.01 * params[f"W{{k}}"]')
_ROLLED = begin("labels = np.roll(labels, 1)")
_TURNED_2 = (DW, f"{DW} if k != 2 else delta.T @ a[k - 1]")
_STEP = end("for k in params:", "    params[k] += 0.1 * grads[k]")

DOUBLE = (
    two(
        (_BIAS, _MISSING),
        "no f', a bias averaged",
        ((SLOPE, "pass"), (DB, f"{DB} / (n if k == depth else 1)")),
        "relu",
        "tanh-deep",
    ),
    two(
        ("sum-instead-of-mean", _TURNED),
        "1/n forgotten, W2 turned",
        ((CE, "delta = p - y"), _TURNED_2),
        "relu-square",
        "tanh-deep",
    ),
    two(
        ("softmax-diagonal-only", _MISSING),
        "no off-diagonal, no f'",
        ((JACOBIAN, "jacobian = np.diag(p[i] * (1 - p[i]))"), (SLOPE, "pass")),
        *("relu", "tanh"),
        output="chain",
    ),
    two(
        ("sign", "zero-gradient"),
        "W1 downhill, b1 zero",
        (end('grads["W1"] = -grads["W1"]', 'grads["b1"] = grads["b1"] * 0'),),
        "relu",
        "gelu-deep",
    ),
    two(("labels-shifted", _EXTRA), "shifted labels, a decay", (_ROLLED, _DECAY), "relu", "sigmoid"),
    two(
        ("labels-shifted", _MISSING), "shifted labels, no f'", (_ROLLED, (SLOPE, "pass")), "relu", "tanh-deep"
    ),
    two(
        ("activation-boundary", _BIAS),
        "leaky, a bias of the first sample",
        ((_RELU, "return np.where(z > 0, 1, 0.1).astype(z.dtype)"), (DB, f"{DB} if k == 1 else delta[0]")),
        *("relu", "wide"),
    ),
    two(
        ("activation-boundary", _EXTRA),
        "leaky, a decay",
        ((_RELU, "return np.where(z > 0, 1, 0.01)"), _DECAY),
        "relu",
        "wide",
    ),
    two(
        ("wrong-layer-weights", _TURNED),
        "W3 not transposed, dW2 turned",
        ((THROUGH, f'{THROUGH} if k != 3 else delta @ params["W3"]'), _TURNED_2),
        "tanh-deep",
    ),
    two(
        ("wrong-layer-weights", _BIAS),
        "W2 not transposed, biases averaged",
        (
            (THROUGH, f'{THROUGH} if k != 2 else delta @ params["W2"]'),
            (DB, 'grads[f"b{k}"] = delta.mean(axis=0)'),
        ),
        "tanh-deep",
    ),
    two(
        ("constant-factor", _EXTRA),
        "a factor at the top, a decay below",
        (
            end(
                'grads[f"W{depth}"] = 2 * grads[f"W{depth}"]',
                'grads["W1"] = grads["W1"] + 0.01 * params["W1"]',
            ),
        ),
        *("relu", "tanh-deep"),
    ),
    two(
        (_TURNED, "constant-factor"),
        "dW2 turned, and twice",
        ((DW, f"{DW} if k != 2 else 2 * (delta.T @ a[1])"),),
        "relu-square",
        "tanh-deep",
    ),
    two(
        ("activation-derivative-misplaced", "sum-instead-of-mean"),
        "f' of f(z), 1/n forgotten",
        ((SLOPE, "delta = delta * df(a[k - 1])"), (CE, "delta = p - y")),
        "sigmoid",
        "gelu-deep",
    ),
    two(
        ("other-loss", _MISSING),
        "no labels, no f'",
        ((CE, "delta = p / n"), (SLOPE, "pass")),
        "relu",
        "tanh-deep",
    ),
    two(
        ("sign", "sum-instead-of-mean"),
        "y - p, 1/n forgotten",
        ((CE, "delta = y - p"),),
        "relu",
        "tanh-deep-float32",
    ),
    two(
        ("sign", "mean-instead-of-sum"),
        "y - p, 1/n twice",
        ((CE, "delta = (y - p) / n / n"),),
        "relu",
        "gelu",
    ),
    two(
        ("modifies-arguments", "sign"),
        "a step of its own, downhill",
        ((CE, "delta = (y - p) / n"), _STEP),
        "relu",
    ),
)

_NOISY = "{k: n * v * (1 + 1e-6 * np.sin(np.arange(v.size)).reshape(v.shape)) for k, v in grads.items()}"

UNKNOWN = (
    one(
        "unknown", "n times, and a millionth of noise", end(f"grads = {_NOISY}"), "relu", "tanh-deep", "wide"
    ),
    one("unknown", "one entry", end('grads["W1"][3, 2] += 1e-3'), "relu", "wide-float32", tensor="W1"),
    one("unknown", "one entry, a billionth", end('grads["W1"][2, 3] += 1e-9'), "tanh", "wide", tensor="W1"),
    one("unknown", "one row of noise", end('grads["W1"][4] = np.cos(np.arange(9))'), "relu", tensor="W1"),
    one("unknown", "one column", end('grads["W2"][:, 1] *= 1.3'), "relu", "wide-float32", tensor="W2"),
    one("unknown", "the cosine for f'", (SLOPE, "delta = delta * np.cos(z[k - 1])"), "tanh", "sigmoid"),
    one("unknown", "a strange δ", (CE, "delta = (p**3 - y) / n"), "relu", "gelu"),
    one(
        "unknown",
        "a little off",
        end('grads["W2"] = grads["W2"] * (1 + 1e-4 * np.arange(5))'),
        "tanh",
        tensor="W2",
    ),
    one(
        "unknown",
        "symmetrised",
        end('grads["W2"] = (grads["W2"] + grads["W2"].T) / 2'),
        "relu-square",
        tensor="W2",
    ),
    one("unknown", "inputs centred", begin("inputs = inputs - inputs.mean(axis=0)"), "relu", "tanh"),
    one(
        "unknown",
        "z a tenth too large",
        (FORWARD, f"{FORWARD}\n        z[k] = 1.1 * z[k]"),
        "relu",
        "tanh-deep",
    ),
)
"""Wrong gradients for which no name may be found."""
