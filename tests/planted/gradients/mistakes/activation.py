"""Mistakes in f'(z): left out, at the wrong place, of another function, with another edge."""

from planted.gradients.mistakes.words import SLOPE, one

_MISSING, _PLACE, _FORMULA, _EDGE = (
    "activation-derivative-missing",
    "activation-derivative-misplaced",
    "activation-derivative-formula",
    "activation-boundary",
)
_RELU = "return (z > 0).astype(z.dtype)"
_TANH = "return 1 - np.tanh(z) ** 2"
_SIGMOID = "return s * (1 - s)"
_GELU_TERM = " + z * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)"
_LAYER_1 = "delta = delta * (df(z[k - 1]) if k > 2 else 1 - z[k - 1] ** 2)"

ACTIVATION = (
    one(
        _MISSING,
        "throughout",
        (SLOPE, "pass"),
        "relu",
        "tanh-deep",
        "sigmoid-float32",
        "gelu",
        "one-sample-tanh",
    ),
    one(
        _MISSING,
        "in layer 1",
        (SLOPE, f"{SLOPE} if k > 2 else delta"),
        "relu-square",
        "tanh-deep",
        "gelu-deep",
        tensor="W1",
    ),
    one(_MISSING, "below the top", (SLOPE, f"{SLOPE} if k < depth else delta"), "tanh-deep", "relu-deep"),
    one(
        _PLACE,
        "f' of f(z)",
        (SLOPE, "delta = delta * df(a[k - 1])"),
        "tanh",
        "sigmoid-squares",
        "gelu",
        "sigmoid-float32",
    ),
    one(
        _PLACE,
        "f' of the layer before",
        (SLOPE, "delta = delta * df(z[k - 2] if k > 2 else z[k - 1])"),
        "tanh-deep",
        "relu-deep",
    ),
    one(
        _PLACE,
        "f' of the next layer",
        (SLOPE, "delta = delta * df(z[k] if k < depth else z[k - 1])"),
        "tanh-deep",
        "gelu-deep",
    ),
    one(_PLACE, "z in tanh's formula", (_TANH, "return 1 - z**2"), "tanh", "tanh-deep"),
    one(
        _PLACE,
        "z in tanh's formula, layer 1",
        (SLOPE, _LAYER_1),
        "tanh-deep",
        "tanh-deep-float32",
        tensor="W1",
    ),
    one(_PLACE, "z in the sigmoid's formula", (_SIGMOID, "return z * (1 - z)"), "sigmoid", "sigmoid-squares"),
    one(_FORMULA, "not squared", (_TANH, "return 1 - np.tanh(z)"), "tanh", "tanh-deep-float32"),
    one(_FORMULA, "half of the sigmoid's", (_SIGMOID, "return s"), "sigmoid", "sigmoid-float32"),
    one(
        _FORMULA,
        "gelu without its second term",
        (_GELU_TERM, ""),
        "gelu",
        "gelu-deep",
        "gelu-squares-float32",
    ),
    one(_FORMULA, "gelu without the root", (" / math.sqrt(2 * math.pi)", ""), "gelu"),
    one(
        _FORMULA,
        "gelu' approximated",
        (
            f"return 0.5 * (1 + erf(z / math.sqrt(2))){_GELU_TERM}",
            "s = 1 / (1 + np.exp(-1.702 * z))\n    return s + 1.702 * z * s * (1 - s)",
        ),
        *("gelu", "gelu-deep"),
    ),
    one(_FORMULA, "f for f'", (SLOPE, "delta = delta * a[k - 1]"), "relu", "tanh"),
    one(_FORMULA, "relu' for tanh'", (_TANH, "return (z > 0).astype(z.dtype)"), "tanh-deep"),
    one(
        _EDGE,
        "leaky",
        (_RELU, "return np.where(z > 0, 1, 0.01).astype(z.dtype)"),
        "relu",
        "relu-square",
        "wide-float32",
    ),
    one(
        _EDGE,
        "leaky in one layer",
        (SLOPE, "delta = delta * (df(z[k - 1]) if k != 2 else np.where(z[k - 1] > 0, 1, 0.2))"),
        "relu-square",
        "relu-deep",
    ),
    one(_EDGE, "z > 1", (_RELU, "return (z > 1).astype(z.dtype)"), "relu", "relu-deep", "wide"),
    one(_EDGE, "z > -0.5", (_RELU, "return (z > -0.5).astype(z.dtype)"), "relu-squares", "relu-float32"),
    one(_EDGE, "z < 0", (_RELU, "return (z < 0).astype(z.dtype)"), "relu", "wide-float32"),
    one(_EDGE, "the sign of z", (_RELU, "return np.sign(z)"), "relu", "relu-deep"),
)
