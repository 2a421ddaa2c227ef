"""The formulas of the layers and losses, element by element, as their files state them (`Layer.formulas`).

In braces stand the names of the network at hand: {x} and {y} are a layer's input and output, {W} and {b} its
parameters, {k} a loss: L or ℓ. Σ runs over the letter behind it.
"""

from __future__ import annotations

from backprop.layers import Layer
from backprop.losses import Loss


def formula(form: str, subject: Layer | Loss, names: dict[str, str]) -> str:
    """The right-hand side of a form, "vjp" or "vjp W"; "" where the layer or the loss does not state it."""
    known = dict(subject.formulas)
    if "derivative" in known:  # f' of an activation: its Jacobian is diagonal
        slope = known["derivative"]
        known["input_jacobian"], known["input_factor"] = f"{slope} δ[o,i]", slope
        known["vjp"] = slope.replace("[n,o]", "[n,i]") + " ∂{k}/∂{y}[n,i]"
    known.setdefault("input_factor", known.get("input_jacobian", ""))
    return known.get(form, "").format_map(names)


def of_one_sample(text: str) -> str:
    """The formula of a loss or its gradient without the mean over n."""
    for mean, without in (("1/n Σn ", ""), ("1/n ", ""), ("/(n c) Σn", "/c"), ("/(n c)", "/c")):
        text = text.replace(mean, without)
    return text
