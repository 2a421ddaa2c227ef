"""The formulas of the layers and losses, element by element, as their files state them.

In braces stand the names of the network at hand: {x} and {y} are a layer's input and output, {of} what is
derived, {W} and {b} its parameters, {k} a loss: L or ℓ. Σ runs over the letter behind it.
"""

from __future__ import annotations

_SLOPES = {
    "relu": "[{x}[n,o] > 0]",
    "tanh": "(1 - {y}[n,o]²)",
    "sigmoid": "{y}[n,o] (1 - {y}[n,o])",
    "gelu": "(Φ({x}[n,o]) + {x}[n,o] φ({x}[n,o]))",
}

_FORWARD = {
    "linear": "Σi {x}[n,i] {W}[i,o] + {b}[o]",
    "relu": "max({x}[n,o], 0)",
    "tanh": "tanh {x}[n,o]",
    "sigmoid": "1 / (1 + exp(-{x}[n,o]))",
    "gelu": "{x}[n,o] Φ({x}[n,o])",
    "softmax": "exp({x}[n,o]) / Σi exp({x}[n,i])",
}

_JACOBIANS = {
    "linear": "{W}[i,o]",
    "softmax": "{y}[n,o] (δ[o,i] - {y}[n,i])",
    **{name: f"{slope} δ[o,i]" for name, slope in _SLOPES.items()},
}

_FACTORS = {**_JACOBIANS, **_SLOPES}

_PARAMETER_JACOBIANS = {("linear", "W"): "{x}[n,i] δ[o,o′]", ("linear", "b"): "δ[o,o′]"}

_PARAMETER_FACTORS = {("linear", "W"): "{x}[n,i]", ("linear", "b"): "1"}

_VJPS = {
    "linear": "Σo ∂{k}/∂{y}[n,o] {W}[i,o]",
    "softmax": "{y}[n,i] (∂{k}/∂{y}[n,i] - Σo {y}[n,o] ∂{k}/∂{y}[n,o])",
    **{name: slope.replace("[n,o]", "[n,i]") + " ∂{k}/∂{y}[n,i]" for name, slope in _SLOPES.items()},
}

_PARAMETER_VJPS = {
    ("linear", "W"): "Σn {x}[n,i] ∂{k}/∂{y}[n,o]",
    ("linear", "b"): "Σn ∂{k}/∂{y}[n,o]",
}

_LOSSES = {
    "cross-entropy": "-1/n Σn log {y}[n,label]",
    "softmax-cross-entropy": "1/n Σn (log Σi exp {y}[n,i] - {y}[n,label])",
    "mean-squared-error": "1/(n c) Σn Σc ({y}[n,c] - t[n,c])²",
}

_LOSS_GRADIENTS = {
    "cross-entropy": "-1/n t[n,c] / {y}[n,c]",
    "softmax-cross-entropy": "1/n (p[n,i] - t[n,i])",
    "mean-squared-error": "2/(n c) ({y}[n,c] - t[n,c])",
}

_TABLES: dict[str, dict[str, str]] = {
    "forward": _FORWARD,
    "input_jacobian": _JACOBIANS,
    "input_factor": _FACTORS,
    "vjp": _VJPS,
    "value": _LOSSES,
    "gradient": _LOSS_GRADIENTS,
}
_PARAMETER_TABLES = {
    "parameter_jacobians": _PARAMETER_JACOBIANS,
    "parameter_factors": _PARAMETER_FACTORS,
    "vjp": _PARAMETER_VJPS,
}


def formula(form: str, layer: str, names: dict[str, str]) -> str:
    """The right-hand side of `form` for a layer or loss; "" for one that this table does not know."""
    return _TABLES[form].get(layer, "").format_map(names)


def parameter_formula(form: str, layer: str, parameter: str, names: dict[str, str]) -> str:
    """The same for the derivative by one of the layer's own parameters."""
    return _PARAMETER_TABLES[form].get((layer, parameter), "").format_map(names)


def of_one_sample(text: str) -> str:
    """The formula of a loss or its gradient without the mean over n."""
    for mean, without in (("1/n Σn ", ""), ("1/n ", ""), ("/(n c) Σn", "/c"), ("/(n c)", "/c")):
        text = text.replace(mean, without)
    return text
