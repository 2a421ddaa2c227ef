"""Mistakes in the matrices: transposes, other layers' weights and inputs, factors left out."""

from planted.gradients.mistakes.words import DW, THROUGH, end, one

_WEIGHTS, _INPUT, _TERM, _TURNED = (
    "wrong-layer-weights",
    "wrong-layer-input",
    "layer-term-missing",
    "transposed",
)
_RESHAPED = '(delta.T @ a[k - 1]).reshape(params[f"W{k}"].shape)'

MATRICES = (
    one(
        _TURNED,
        "dW2",
        (DW, f"{DW} if k != 2 else delta.T @ a[k - 1]"),
        "relu-square",
        "tanh-deep",
        "gelu-deep",
        tensor="W2",
    ),
    one(_TURNED, "every dW", (DW, 'grads[f"W{k}"] = delta.T @ a[k - 1]'), "relu", "sigmoid-float32"),
    one(_TURNED, "reshaped to fit", (DW, f'grads[f"W{{k}}"] = {_RESHAPED}'), "relu", "tanh-squares"),
    one(_TURNED, "dW1 reshaped", (DW, f"{DW} if k != 1 else {_RESHAPED}"), "relu", "wide", tensor="W1"),
    one(
        _WEIGHTS,
        "not transposed",
        (THROUGH, f'{THROUGH} if k != 2 else delta @ params["W2"]'),
        "relu-square",
        "tanh-deep",
        "gelu-deep",
    ),
    one(
        _WEIGHTS,
        "reshaped",
        (THROUGH, 'delta = delta @ params[f"W{k}"].reshape(params[f"W{k}"].shape[::-1])'),
        *("relu", "tanh", "wide-float32"),
    ),
    one(
        _WEIGHTS,
        "the next layer's",
        (THROUGH, f'{THROUGH} if k != 2 else delta @ params["W3"].T'),
        "relu-deep",
        "tanh-deep-float32",
    ),
    one(
        "updated-too-early",
        "before the step through it",
        (THROUGH, 'delta = delta @ (params[f"W{k}"] - 0.1 * grads[f"W{k}"]).T'),
        "relu",
        "tanh",
    ),
    one(
        _INPUT,
        "z instead of a",
        (DW, 'grads[f"W{k}"] = z[k - 1].T @ delta'),
        "relu",
        "tanh-deep",
        "sigmoid-float32",
    ),
    one(
        _INPUT,
        "the layer before's",
        (DW, f"{DW} if k != 3 else a[k - 2].T @ delta"),
        "relu-deep",
        "gelu-deep",
    ),
    one(
        _INPUT,
        "the layer's own output",
        (DW, f"{DW} if k != 2 else a[k].T @ delta"),
        "tanh-deep",
        "relu-deep",
    ),
    one(_TERM, "W left out", (THROUGH, f"{THROUGH} if k != 2 else delta"), "relu-square", "tanh-deep"),
    one(
        _TERM, "x left out", (DW, 'grads[f"W{k}"] = np.ones_like(a[k - 1]).T @ delta'), "relu", "tanh-squares"
    ),
    one(
        _TERM,
        "the softmax left out",
        ("delta[i] = jacobian @ dp[i]", "delta[i] = dp[i]"),
        "relu",
        "tanh-deep",
        output="chain",
    ),
    one(
        "swapped-tensors",
        "W2 and W3",
        end('grads["W2"], grads["W3"] = grads["W3"], grads["W2"]'),
        "relu-deep",
        "tanh-deep",
    ),
    one(
        "swapped-tensors",
        "b1 for b2",
        end('grads["b2"] = grads["b1"]'),
        "relu-square",
        "gelu-deep",
        tensor="b2",
    ),
)
