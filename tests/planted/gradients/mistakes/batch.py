"""Mistakes over the batch and in constants: sum and mean, factors, signs, samples, biases."""

from planted.gradients.mistakes.words import CE, DB, DW, SLOPE, SQ, end, one

_SUM, _MEAN, _FACTOR = "sum-instead-of-mean", "mean-instead-of-sum", "constant-factor"
_ONE, _SOME, _BIAS = "one-sample-only", "samples-missing", "bias-not-summed"

BATCH = (
    one(_SUM, "1/n forgotten", (CE, "delta = p - y"), "relu", "tanh-deep", "wide-float32", "linear", "gelu"),
    one(
        _SUM,
        "1/n forgotten, squares",
        (SQ, "delta = 2 * (z[depth] - y) / c"),
        "tanh-squares",
        "gelu-squares-float32",
    ),
    one(_SUM, "1/(nc) forgotten", (SQ, "delta = 2 * (z[depth] - y)"), "sigmoid-squares"),
    one(_SUM, "n in the last dW", (DW, f"{DW} * (n if k == depth else 1)"), "relu", "tanh-deep", tensor="W*"),
    one(_SUM, "n once a layer", (SLOPE, f"{SLOPE} * n"), "relu", "tanh"),
    one(_MEAN, "1/n twice", (CE, "delta = (p - y) / n / n"), "relu", "sigmoid-float32", "tanh-deep", "wide"),
    one(_MEAN, "1/n in every dW", (DW, f"{DW} / n"), "relu", "tanh-squares", "relu-float32"),
    one(_MEAN, "1/n below the top", (SLOPE, f"{SLOPE} / n"), "tanh", "relu-float32"),
    one(_MEAN, "1/n in W1", end('grads["W1"] = grads["W1"] / n'), "relu", "tanh-deep", tensor="W1"),
    one(_FACTOR, "two", (CE, "delta = 2 * (p - y) / n"), "relu", "one-sample", "gelu-deep"),
    one(
        _FACTOR,
        "the 2 of the square forgotten",
        (SQ, "delta = (z[depth] - y) / (n * c)"),
        *("relu-squares", "sigmoid-squares", "gelu-squares-float32"),
    ),
    one(_FACTOR, "1/c forgotten", (SQ, "delta = 2 * (z[depth] - y) / n"), "relu-squares", "tanh-squares"),
    one(_FACTOR, "1/c too many", (CE, "delta = (p - y) / p.size"), "relu", "tanh-deep"),
    one(_FACTOR, "n - 1", (CE, "delta = (p - y) / (n - 1)"), "relu", "sigmoid"),
    one(
        _FACTOR, "clipped", end('grads["W1"] = grads["W1"] * 0.37'), "relu", "tanh-deep-float32", tensor="W1"
    ),
    one(_FACTOR, "the scale of a dropout", (SLOPE, f"{SLOPE} / 0.8"), "relu", "gelu-deep"),
    one("sign", "y - p", (CE, "delta = (y - p) / n"), "relu", "one-sample", "tanh-deep-float32", "wide"),
    one("sign", "one bias", end('grads["b1"] = -grads["b1"]'), "tanh", "gelu-deep", tensor="b1"),
    one("sign", "the weights", (DW, 'grads[f"W{k}"] = -a[k - 1].T @ delta'), "relu", "tanh-squares"),
    one(_ONE, "the first sample", (CE, f"{CE}\n    delta[1:] = 0"), "relu", "tanh-deep", "sigmoid-float32"),
    one(_ONE, "the last overwrites", (CE, f"{CE} * n\n    delta[:-1] = 0"), "relu", "gelu-deep", "wide"),
    one(_ONE, "the last, over n", (CE, f"{CE}\n    delta[:-1] = 0"), "tanh", "wide-float32"),
    one(
        _ONE,
        "weights of one",
        (DW, 'grads[f"W{k}"] = np.outer(a[k - 1][0], delta[0])'),
        "tanh",
        "relu-float32",
    ),
    one(_SOME, "ends too early", (CE, f"{CE}\n    delta[n - 1] = 0"), "relu", "tanh-deep-float32"),
    one(_SOME, "begins too late", (CE, "delta = (p - y) / (n - 1)\n    delta[0] = 0"), "tanh", "wide"),
    one(_SOME, "every second", (CE, f"{CE}\n    delta[::2] = 0"), "relu", "sigmoid"),
    one(
        _BIAS,
        "averaged",
        (DB, 'grads[f"b{k}"] = delta.mean(axis=0)'),
        "relu",
        "tanh-squares",
        "sigmoid-float32",
    ),
    one(_BIAS, "of the first sample", (DB, 'grads[f"b{k}"] = delta[0]'), "relu", "tanh-deep"),
    one(_BIAS, "of the last sample", (DB, 'grads[f"b{k}"] = delta[-1]'), "gelu", "wide-float32"),
    one(_BIAS, "a row a sample", (DB, 'grads[f"b{k}"] = delta'), "relu", "tanh-squares"),
    one(_BIAS, "absolute values", (DB, 'grads[f"b{k}"] = np.abs(delta).sum(axis=0)'), "relu", "tanh"),
    one(
        _BIAS,
        "one number",
        (DB, 'grads[f"b{k}"] = np.full_like(params[f"b{k}"], delta.sum())'),
        *("relu-squares", "sigmoid-squares"),
    ),
)
