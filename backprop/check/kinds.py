"""Kinds of mistakes: what a finding says, with the evidence and the remedy of every kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# Findings: what is wrong with a gradient, named only where the error has the signature of the mistake.

Confidence = Literal["certain", "likely", "possible"]
"""certain: the signature fits to rounding and no other known mistake has it.

likely: it fits to rounding, and another mistake would look the same here. possible: it fits, but not to rounding.
"""


@dataclass(frozen=True)
class Kind:
    """A kind of mistake: its kebab-case name, what it is, how it is recognised, and what to do about it.

    functions_only: whether it is a mistake in the derivative of a function, and of no network's gradient.
    """

    name: str
    summary: str
    signature: str
    fix: str
    functions_only: bool = False


@dataclass(frozen=True)
class Finding:
    """One mistake in one tensor.

    kind: a name of `KINDS`, or "unknown" where the error has no known signature.
    tensor: its name; None where the mistake is of the whole gradient, such as a modified input.
    evidence: what was seen, in one sentence with its numbers. fix: what to change, in one sentence; empty where the
    kind is unknown.
    """

    kind: str
    tensor: str | None
    evidence: str
    confidence: Confidence
    fix: str

    def __str__(self) -> str:
        where = f"{self.tensor}: " if self.tensor else ""
        return f"{where}{self.kind} ({self.confidence}). {self.evidence} {self.fix}".rstrip()


# The kinds of mistakes that are known, each with its signature: one table, in the order in which they are tried.

_ALL = (
    # The answer itself cannot be compared -------------------------------------------------------------
    Kind(
        "wrong-name",
        "a tensor is missing, or has a name that the parameters have not",
        "the keys differ",
        "Return one tensor a parameter, under its name.",
    ),
    Kind(
        "wrong-shape",
        "a tensor has another shape than its parameter",
        "the shapes differ",
        "Give it its parameter's shape.",
    ),
    Kind(
        "axes-not-summed",
        "a tensor has axes more than its parameter, over which it was not summed",
        "its sum over these axes is the right gradient",
        "Sum over the axes along which the parameter was broadcast, such as the batch: d.sum(axis=0).",
    ),
    Kind(
        "summed-over-too-many-axes",
        "a sum was taken over axes that should stay, such as a number where a vector belongs",
        "got = the sum or the mean of expected over these axes",
        "Name the axis of the sum: np.sum(d, axis=0), and not np.sum(d).",
    ),
    Kind(
        "wrong-dtype",
        "a tensor has a narrower dtype than its parameter",
        "the dtypes differ",
        "Compute in the parameters' dtype throughout.",
    ),
    Kind(
        "not-finite",
        "NaN or infinity",
        "the first tensor that has them, in the order of computation",
        "Look for 0/0, log(0) or exp of large numbers before this tensor.",
    ),
    # The function misbehaves --------------------------------------------------------------------------
    Kind(
        "modifies-arguments",
        "the parameters or inputs are changed in place",
        "they differ after the call",
        "Copy before changing: x = x.copy(), or write x = x - ... instead of x -= ....",
    ),
    Kind(
        "not-repeatable",
        "the same call gives different answers",
        "two calls with equal arguments differ",
        "Take random numbers or other state out of the gradient, or seed them at every call.",
    ),
    Kind(
        "state-from-last-call",
        "a call depends on the one before",
        "a call in between changes the answer",
        "Set accumulators to zero at the start of every call.",
    ),
    Kind(
        "changes-the-function",
        "the gradient changes what the function computes",
        "the function gives another value after a call of the gradient",
        "The gradient changes an array that both use, such as an upstream gradient: copy it before changing it, "
        "or write d = d + ... instead of d += ....",
        functions_only=True,
    ),
    # The upstream gradient of a backward pass ----------------------------------------------------------
    Kind(
        "upstream-changed-in-place",
        "a backward pass changes the upstream gradient that it is given",
        "the upstream gradient differs after the call",
        "Copy it before changing it, or write d = d + ... instead of d += ....",
        functions_only=True,
    ),
    Kind(
        "upstream-ignored",
        "a backward pass does not use its upstream gradient, or not that of one output",
        "equal for two different upstream gradients",
        "Multiply the local derivative by the upstream gradient, of every output.",
        functions_only=True,
    ),
    Kind(
        "only-first-upstream",
        "a backward pass uses the first part of its upstream gradient for all",
        "equal for upstream gradients that agree in their first part alone",
        "Use each part of the upstream gradient for the output that it belongs to: upstream, and not upstream[0].",
        functions_only=True,
    ),
    Kind(
        "not-linear-in-upstream",
        "a backward pass is not linear in its upstream gradient",
        "backward(u/2 + v) is not backward(u)/2 + backward(v)",
        "Use the upstream gradient once, as a factor: look for clipping, a square, or a term without it.",
        functions_only=True,
    ),
    Kind(
        "not-linear-in-tangent",
        "a pushforward is not linear in its tangents",
        "along v + w it is not the sum of those along v and along w",
        "Multiply each input's derivative by its own tangent, once, and add them.",
        functions_only=True,
    ),
    # The whole tensor is off in one way ----------------------------------------------------------------
    Kind(
        "zero-gradient",
        "the tensor is zero throughout",
        "every entry is 0 and the truth is not",
        "Check that the tensor is computed, and that no activation before it is dead.",
    ),
    Kind(
        "sign",
        "the sign is the wrong way round",
        "got = -expected",
        "Reverse the sign: the gradient of the loss, not the step downhill.",
    ),
    Kind(
        "sum-instead-of-mean",
        "summed over the batch where the loss is a mean",
        "got = n · expected",
        "Divide by the batch size n.",
    ),
    Kind(
        "mean-instead-of-sum",
        "averaged over the batch once more",
        "got = expected / n",
        "Do not divide by the batch size n here: it is in the loss already.",
    ),
    Kind(
        "constant-factor",
        "a constant factor",
        "got = k · expected",
        "Look for a factor k, such as the 2 of a square.",
    ),
    Kind(
        "clipped",
        "the gradient is clipped",
        "got = expected, cut off at ±c; or c · expected / ‖expected‖",
        "Clip after the check, in the step of the optimiser: a clipped gradient is not the gradient.",
    ),
    Kind(
        "data-term-factor",
        "the data term is off by a factor, and the penalty is right",
        "got = k · (expected - λθ) + λθ",
        "Look for the factor k in the data term, such as a mean over fewer axes than in the loss.",
    ),
    Kind(
        "factor-along-axis",
        "every row, every column or every upstream entry has a factor of its own",
        "got = k_j · expected in each slice j of an axis",
        "Look for a factor that has one entry for each slice: a missing scale, slope or weight.",
    ),
    Kind(
        "log-parameter",
        "the gradient by the logarithm or the exponential of the parameter",
        "got = expected · θ, / θ, · exp θ or / exp θ",
        "Differentiate by θ itself: ∂L/∂θ = (∂L/∂log θ) / θ.",
    ),
    Kind(
        "epsilon",
        "an ε of a denominator, a root or a logarithm is in the function or in the gradient, and not in both",
        "got = expected · (1 + ε/θ)^q with one ε",
        "Differentiate the function with its ε, or leave the ε out of both.",
    ),
    Kind(
        "bias-from-weights",
        "the tensor is a sum of another tensor's gradient",
        "got = the sum of the other gradient over an axis",
        "Sum δ, and not dW: db = δ.sum(axis=0).",
    ),
    Kind(
        "reordered",
        "the right values are in other places",
        "the values are those of the truth, in another order",
        "Look for an axis that is reversed, a reshape in place of a transpose, or an index that counts from one.",
    ),
    Kind(
        "entries-left-out",
        "some entries are zero, and the others are right",
        "every entry is right or 0",
        "Check where loops and slices begin and end, and that entries with the same index are added up.",
    ),
    Kind(
        "relu-of-delta",
        "a relu is applied to the gradient, where its mask by the input belongs",
        "got = max(expected, 0); or backward(u) = backward(max(u, 0))",
        "Multiply δ by the mask of the forward pass: δ * (z > 0), and not relu(δ).",
    ),
    Kind(
        "transposed",
        "the tensor is transposed",
        "got = expectedᵀ",
        "Exchange the two factors of the product, or transpose it.",
    ),
    Kind(
        "conjugated",
        "the gradient by a complex parameter is conjugated",
        "got = the complex conjugate of expected",
        "Return ∂L/∂x + i ∂L/∂y for the parameter x + iy, as PyTorch does; JAX's gradient is the conjugate of that.",
        functions_only=True,
    ),
    Kind(
        "not-symmetric",
        "a Hessian is not symmetric",
        "entries [i, j] and [j, i] differ",
        "Compute the entries [i, j] and [j, i] alike: the order of two derivatives makes no difference.",
        functions_only=True,
    ),
    Kind(
        "swapped-tensors",
        "the tensor holds the gradient of another one",
        "got = expected of another tensor of the same shape",
        "Return each gradient under its own parameter's name, or in its place.",
    ),
    # A rule of differentiation --------------------------------------------------------------------------
    Kind(
        "activation-derivative-missing",
        "the activation's derivative is left out",
        "equal to a backward pass without f'(z)",
        "Multiply δ by f'(z) element by element.",
    ),
    Kind(
        "activation-derivative-misplaced",
        "the activation's derivative is taken at the wrong place",
        "equal to a backward pass with f' of the output y, or of another layer",
        "Take f' at the pre-activation z (or write it in terms of y).",
    ),
    Kind(
        "activation-boundary",
        "the derivative has its edge at the wrong place",
        "equal to a backward pass with a shifted or one-sided edge",
        "relu'(z) = 1 where z > 0, else 0.",
    ),
    Kind(
        "activation-derivative-formula",
        "the activation's derivative is another function",
        "equal to a backward pass with that function",
        "Use f'(z) of this activation: relu z > 0, tanh 1 - y², sigmoid y(1 - y), gelu Φ(z) + z φ(z).",
    ),
    Kind(
        "softmax-diagonal-only",
        "the softmax Jacobian without its off-diagonal",
        "equal to a backward pass with diag(p(1 - p))",
        "∂p_c/∂z_k = p_c (δ_ck - p_k): the off-diagonal is -p_c p_k.",
    ),
    Kind(
        "softmax-applied-twice",
        "a softmax derivative on top of p - y",
        "equal to a backward pass with J_softmax (p - y)",
        "p - y is the derivative by the logits already: leave the softmax Jacobian out.",
    ),
    Kind(
        "softmax-wrong-axis",
        "the softmax is taken over the batch, or over batch and classes",
        "equal to the gradient with such probabilities",
        "Normalise over the classes of each sample: axis=1, keepdims=True.",
    ),
    Kind(
        "bias-not-summed",
        "the bias gradient is not summed or averaged over the batch as the weights are",
        "equal to one sample's, or to the mean where W is summed",
        "Sum δ over the batch axis, with the same 1/n as the weights.",
    ),
    Kind(
        "one-sample-only",
        "only the first or the last sample is used",
        "equal to the gradient of that sample, or of it over n",
        "Sum over all samples.",
    ),
    Kind(
        "samples-missing",
        "some samples are left out, or counted more than once",
        "equal to the gradient with those samples weighted so",
        "Check where the loop over the batch begins and ends.",
    ),
    Kind(
        "layer-term-missing",
        "one layer's factor is left out of the chain",
        "equal to a backward pass without that factor",
        "Multiply by every layer's Jacobian on the way back.",
    ),
    Kind(
        "wrong-layer-weights",
        "another layer's weights, or weights that are not the layer's own, are used",
        "equal to a backward pass with those weights",
        "Use the layer's own W on the way back.",
    ),
    Kind(
        "wrong-layer-input",
        "dW is formed with something else than the layer's own input",
        "equal to xᵀδ with another array for x",
        "dW = xᵀδ, where x is what the layer was given: the activations below it, not z.",
    ),
    Kind(
        "labels-shifted",
        "the labels belong to other samples, or count from one",
        "equal to the gradient with shifted labels",
        "Keep every label beside its sample, and classes from 0.",
    ),
    Kind(
        "classes-permuted",
        "the classes are in another order",
        "equal to the gradient with the classes permuted",
        "Use the order of the network's outputs.",
    ),
    Kind(
        "weight-decay-extra",
        "a weight-decay term that the loss has not",
        "got - expected = λ · parameter",
        "Leave out λ·W, or add λ/2·‖W‖² to the loss.",
    ),
    Kind(
        "weight-decay-missing",
        "the weight-decay term of the loss is missing",
        "expected - got = λ · parameter",
        "Add λ·W.",
    ),
    Kind(
        "other-loss",
        "the gradient of another loss",
        "equal to the gradient of that loss",
        "Differentiate the loss that is used.",
    ),
    Kind(
        "other-activation",
        "the gradient of a network with another activation",
        "equal to the gradient of that network",
        "Use the network's activation, in the forward pass too, or check against --activation.",
    ),
    Kind(
        "bias-left-out",
        "the biases are left out of the forward pass",
        "equal to the gradient of the network without biases",
        "z = x W + b.",
    ),
    Kind(
        "lower-precision",
        "an intermediate in lower precision",
        "an error of the size of a narrower dtype's rounding, without a pattern",
        "Keep every intermediate in the parameters' dtype: look for float32 and float16 arrays.",
    ),
    Kind(
        "difference-quotient",
        "a difference quotient, or an approximation as good as one",
        "an error of about the same size in every entry, as cancellation leaves it",
        "Derive the gradient exactly, or take the complex step.",
    ),
    # A local derivative, seen upstream entry by upstream entry ------------------------------------------
    Kind(
        "local-derivative",
        "an element-wise function has another derivative",
        "every upstream entry is multiplied by one number, and these are not the slopes",
        "Differentiate the function again, with the product rule and the inner derivative.",
    ),
    Kind(
        "other-terms",
        "terms are left out and others too many, as with another mask or a sum over another axis",
        "every term that both have is right; some are 0, and some should be",
        "Use the mask of the forward pass unchanged, and sum over the axis over which the forward pass sums.",
    ),
    Kind(
        "terms-too-many",
        "upstream entries reach entries that do not depend on them, as where a mask is left out",
        "terms that should be 0 are not, and the others are right",
        "Multiply by the mask of the forward pass, and sum over no more than the forward pass does.",
    ),
    Kind(
        "terms-left-out",
        "some terms of the local derivative are left out",
        "every entry of the local Jacobian is right or 0",
        "Add up all paths from the input to the output, such as those through later steps.",
    ),
    Kind(
        "upstream-left-out",
        "some entries of the upstream gradient are not used, such as all but those of the last step",
        "the local Jacobian is right, but for rows that are 0",
        "Use the upstream gradient of every step, every sample and every position.",
    ),
    Kind(
        "upstream-reordered",
        "entries of the upstream gradient are taken for one another",
        "the rows of the local Jacobian are the right ones, in another order",
        "Give the upstream gradient the shape of the output, without changing the order of its entries.",
    ),
    Kind(
        "statistics-as-constants",
        "what the entries share, a mean, a variance or a sum, is taken as a constant",
        "the local Jacobian is diagonal, and the true one is not",
        "Differentiate the mean and the variance (the sum of a softmax), too: they depend on every entry.",
    ),
    Kind(
        "shared-term",
        "the term that comes through a mean or a variance is left out or wrong",
        "got - expected = a + b x along the entries that share it",
        "Layer normalisation: dx = (g - mean(g) - x̂ mean(g x̂)) / σ, with both means over the same axis.",
    ),
    Kind(
        "direct-term",
        "the direct path of an entry to itself is left out or wrong",
        "only the diagonal of the local Jacobian is wrong",
        "Add the direct path, such as that of a residual, or look for a factor on it alone.",
    ),
    Kind(
        "delta-wrong",
        "dW is formed with the right input and another δ",
        "xᵀδ with the right x for every upstream entry",
        "Look at δ, on its way from the upstream gradient to this layer.",
    ),
    Kind(
        "factor-of-product",
        "one factor of a product is wrong, and the other is right",
        "a ⊗ b with one right factor for every upstream entry",
        "Look at the factor that is named.",
    ),
    Kind(
        "path-missing",
        "one of several paths is left out, or counted twice",
        "got - expected = W δ, with another tensor's δ; or each entry depends on itself alone",
        "Add up the gradients of all paths from the input: dx = dz Wᵀ + dv Vᵀ.",
    ),
    Kind(
        "between-steps",
        "what one step hands to the step before it is wrong",
        "right for the upstream gradient of the first step, wrong for all later ones",
        "dh of a step is its upstream gradient and what the later step hands back: dh = dy[t] + dh_later.",
    ),
    Kind(
        "steps-not-summed",
        "the sum over the steps is not taken for one tensor",
        "right for the upstream gradient of the first step, wrong for later ones, while δ is right",
        "Add up over the steps: dW += x[t].T @ δ, and not dW = ….",
    ),
    Kind(
        "sum-not-zero",
        "the right gradient sums to zero over an axis, and this one does not",
        "Σ expected = 0 and Σ got is not",
        "Look for the subtracted term: the Σ of a softmax, the mean of a normalisation, the own class of a margin.",
    ),
    Kind(
        "input-ignored",
        "the gradient does not depend on an input on which it should",
        "equal, to the last bit, where that input is another one",
        "Look for the factor that holds this input.",
    ),
    Kind(
        "other-input",
        "the gradient is that for another value of an input, such as its transpose",
        "equal to the right gradient with that value",
        "Use the input as the forward pass does.",
    ),
    Kind("unknown", "no kind of mistake that is known here", "none", ""),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
"""Every kind by its name."""


def found(
    kind: str, tensor: str | None, evidence: str, confidence: Confidence = "certain", fix: str | None = None
) -> Finding:
    """A finding of a known kind, with that kind's fix unless another is given."""
    return Finding(kind, tensor, evidence, confidence, KINDS[kind].fix if fix is None else fix)
