"""The names of what a network computes: x, z₁, a₁, z₂, p; W₁, b₁.

zₖ is the output of the k-th layer with parameters, such as a linear one, aₖ the output of an activation after it, p
the output of a softmax at the end: the letters that the layers' files give. ℓ is the loss of one sample, L the mean
of ℓ over n. The formulas that the files of layers and losses state are written with these names.
"""

from __future__ import annotations

from dataclasses import dataclass

from backprop.errors import UnsupportedError
from backprop.layers import Layer
from backprop.losses import Loss
from backprop.network import Network

LOSS, SAMPLE_LOSS = "L", "ℓ"

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_GREEK = {"gamma": "γ", "beta": "β"}
_DIGITS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


@dataclass(frozen=True)
class Names:
    """values: of the inputs and of every layer's output. parameters: of every layer, by local name.

    inner: of every layer, by what enters there, the values inside it (`Layer.inner`). shapes: of one sample's value,
    or of a parameter. letters: the axes of every parameter, by the legend.
    """

    values: tuple[str, ...]
    parameters: tuple[dict[str, str], ...]
    inner: tuple[dict[str, str], ...]
    shapes: dict[str, tuple[int, ...]]
    letters: dict[str, str]

    @classmethod
    def of(cls, network: Network) -> Names:
        """The names for a network; a second activation in a row, or one that is named as a parameter, is primed.

        Raises `UnsupportedError` for a parameter whose axes the legend has no letters for.
        """
        parameters = tuple({local: subscripted(name) for local, name in own.items()} for own in network.names)
        letters = {
            own[local]: layer.letters.get(local) or _letters(layer, local, shape, i, o)
            for (layer, i, o), own in zip(network.sized, parameters, strict=True)
            for local, shape in layer.parameter_shapes().items()
        }
        values, inner, number = ["x"], [], 0
        shapes: dict[str, tuple[int, ...]] = {"x": (network.inputs,)}
        shapes |= {subscripted(name): shape for name, shape in network.layout.shapes}
        for k, (layer, _, o) in enumerate(network.sized):
            number += bool(layer.parameter_shapes())
            inside = {u: subscripted(f"{u}{number}") for u in layer.inner}
            shapes |= {
                inside[u]: (size,) for u, size in zip(layer.inner, layer.entered_numbers(), strict=False)
            }
            inner.append({entering: inside[u] for u, all_of in layer.inner.items() for entering in all_of})
            is_last = k == len(network.layers) - 1
            name = (is_last and layer.last_symbol) or subscripted(f"{layer.symbol}{number}")
            while name in shapes:
                name += "′"
            values.append(name)
            shapes[name] = (o,)
        return cls(tuple(values), parameters, tuple(inner), shapes, letters)

    @property
    def outputs(self) -> str:
        """The network's outputs."""
        return self.values[-1]

    def is_parameter(self, name: str) -> bool:
        """Whether the name is a weight's or bias's: it has no axis n."""
        return name in self.letters

    def layer_of(self, name: str) -> int:
        """The position of the layer that a value enters, or that a parameter or a value inside it belongs to."""
        if name in self.values:
            return self.values.index(name)
        own = zip(self.parameters, self.inner, strict=True)
        return next(k for k, named in enumerate(own) if any(name in names.values() for names in named))


def _letters(layer: Layer, local: str, shape: tuple[int, ...], i: int, o: int) -> str:
    """The axes of a parameter of which the layer does not state them, as its shape tells them."""
    known = {(i, o): "io", (): "", (i,): "i", (o,): "o"}
    if shape not in known:
        raise UnsupportedError(
            f"The parameter {local} of the layer {layer.name} has the shape {shape}; expected one of "
            f"{', '.join(map(str, known))}, for whose axes there are letters."
        )
    return known[shape]


def subscripted(name: str) -> str:
    """W1 → W₁, gamma2 → γ₂."""
    for word, letter in _GREEK.items():
        name = letter + name.removeprefix(word) if name.startswith(word) else name
    return name.translate(_SUBSCRIPTS)


def plain_name(name: str) -> str:
    """W₁ → W1, γ₂ → gamma2."""
    for word, letter in _GREEK.items():
        name = name.replace(letter, word)
    return name.translate(_DIGITS)


# The formulas of layers and losses --------------------------------------------------------------------


def formula(form: str, subject: Layer | Loss, names: dict[str, str]) -> str:
    """The right-hand side of a form, "vjp" or "vjp W", element by element; "" where the file states none.

    In the braces of `Layer.formulas` stand the names of the network at hand: {x} and {y} are a layer's input and
    output, {W} and {b} its parameters, {k} a loss: L or ℓ. Σ runs over the letter behind it.
    """
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
