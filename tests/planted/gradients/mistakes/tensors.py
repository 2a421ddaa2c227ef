"""Mistakes in single tensors and numbers: decay, zero, precision, what is returned; and the function's behaviour."""

from planted.gradients.mistakes.words import CE, DB, DW, FORWARD, SLOPE, Planted, end, one, two

_EXTRA, _LOW, _CHANGES = "weight-decay-extra", "lower-precision", "modifies-arguments"
_DECAYED_LOSS = end('loss = loss + 0.005 * sum(np.sum(params[f"W{k}"] ** 2) for k in range(1, depth + 1))')
_PILE = end("for k in grads:", "    grads[k] = gradient.total[k] = gradient.total.get(k, 0) + grads[k]")
_PILE = (_PILE[0], f"{_PILE[1]}\n\n\ngradient.total = {{}}")
_FLOAT32 = (
    'z.append((a[k - 1].astype(np.float32) @ params[f"W{k}"].astype(np.float32)'
    ' + params[f"b{k}"].astype(np.float32)).astype(np.float64))'
)
_QUOTIENTS = """return loss, quotients(params, inputs, labels)


def quotients(params, inputs, labels, h=1e-6):
    grads = {}
    for k, v in params.items():
        grads[k] = np.zeros_like(v)
        for i in np.ndindex(v.shape):
            up, down = v.copy(), v.copy()
            up[i] += h
            down[i] -= h
            ends = [value({**params, k: each}, inputs, labels) for each in (up, down)]
            grads[k][i] = (ends[0] - ends[1]) / (2 * h)
    return grads


def value(params, inputs, labels):
    x = inputs
    for k in range(1, len(params) // 2 + 1):
        z = x @ params[f"W{k}"] + params[f"b{k}"]
        x = f(z)
    z = z - z.max(axis=1, keepdims=True)
    return np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels])
"""

_BY_ZERO = f"""{SLOPE}
            with np.errstate(all="ignore"):
                delta = delta / np.zeros_like(delta)"""

TENSORS = (
    one(
        _EXTRA,
        "on all weights",
        (DW, f'{DW} + 0.01 * params[f"W{{k}}"]'),
        "relu",
        "tanh-squares",
        "wide",
        "one-sample",
    ),
    one(_EXTRA, "in float32", (DW, f'{DW} + 0.05 * params[f"W{{k}}"]'), "relu-float32"),
    one(_EXTRA, "tiny", (DW, f'{DW} + 1e-6 * params[f"W{{k}}"]'), "relu", "wide"),
    one(
        _EXTRA,
        "of the absolute values",
        (DW, f'{DW} + 0.003 * np.sign(params[f"W{{k}}"])'),
        "relu",
        "tanh-deep",
    ),
    one(
        _EXTRA,
        "on one weight",
        end('grads["W1"] = grads["W1"] + 1e-4 * params["W1"]'),
        "tanh-deep",
        tensor="W1",
    ),
    two(
        (_EXTRA,),
        "on biases, too",
        ((DW, f'{DW} + 0.01 * params[f"W{{k}}"]'), (DB, f'{DB} + 0.01 * params[f"b{{k}}"]')),
        "relu",
        "gelu-deep",
    ),
    Planted(
        ("weight-decay-missing",), "forgotten", (), ("relu", "tanh-deep", "relu-squares"), weight_decay=0.01
    ),
    two(
        (_EXTRA,),
        "twice",
        ((DW, f'{DW} + 0.02 * params[f"W{{k}}"]'), _DECAYED_LOSS),
        "relu",
        "sigmoid",
        weight_decay=0.01,
    ),
    one(
        "zero-gradient",
        "all biases",
        (DB, 'grads[f"b{k}"] = np.zeros_like(params[f"b{k}"])'),
        "relu",
        "tanh-squares",
    ),
    one(
        "zero-gradient",
        "the first layer cut off",
        (SLOPE, f"{SLOPE} * (0 if k == 2 else 1)"),
        "tanh-deep",
        "wide-float32",
    ),
    one(
        "zero-gradient", "the last weights", end('grads[f"W{depth}"] *= 0'), "relu", "tanh-deep", tensor="W*"
    ),
    one(_LOW, "a float32 forward pass", (FORWARD, _FLOAT32), "tanh", "gelu-deep", "wide"),
    one(
        _LOW,
        "δ in float32",
        (CE, f"{CE}\n    delta = delta.astype(np.float32).astype(p.dtype)"),
        "relu",
        "tanh-deep",
    ),
    one(
        _LOW,
        "δ in float16",
        (CE, "delta = ((p - y) / n).astype(np.float16).astype(p.dtype)"),
        "wide",
        "wide-float32",
    ),
    one("difference-quotient", "central differences", ("return loss, grads", _QUOTIENTS), "tanh", "sigmoid"),
    one(
        _CHANGES,
        "an update of its own",
        end("for k in params:", "    params[k] -= 0.1 * grads[k]"),
        "relu",
        "tanh-squares",
    ),
    one(_CHANGES, "the inputs overwritten", end("inputs *= 0"), "relu", "one-sample"),
    one(_CHANGES, "the labels counted from one", end("labels += 1"), "sigmoid"),
    one(
        "not-repeatable",
        "dropout",
        (FORWARD, f"{FORWARD}\n        z[k] = z[k] * (np.random.default_rng().random(z[k].shape) < 0.8)"),
        "relu",
        "tanh-deep",
    ),
    one("state-from-last-call", "gradients pile up", _PILE, "relu", "tanh-squares", "relu-float32"),
    one(
        "not-finite",
        "0/0",
        (SLOPE, _BY_ZERO),
        "relu",
        "tanh-deep",
        tensor="W*",
    ),
    one("not-finite", "the loss", ("return loss, grads", 'return np.float64("nan"), grads'), "relu"),
    one(
        "wrong-shape",
        "flattened",
        ("return loss, grads", "return loss, {k: v.ravel() for k, v in grads.items()}"),
        "relu",
    ),
    one(
        "wrong-dtype",
        "float32 returned",
        ("return loss, grads", "return loss, {k: v.astype(np.float32) for k, v in grads.items()}"),
        "relu",
        "tanh",
    ),
    one("wrong-name", "one is missing", end('del grads["b1"]'), "tanh"),
    one(
        "sum-instead-of-mean",
        "in the loss",
        ("loss = -np.mean(", "loss = -np.sum("),
        "relu",
        "tanh-deep-float32",
    ),
    one(
        "constant-factor",
        "half of the loss",
        ("loss = np.mean((z[depth] - y) ** 2)", "loss = np.mean((z[depth] - y) ** 2) / 2"),
        "relu-squares",
    ),
)
