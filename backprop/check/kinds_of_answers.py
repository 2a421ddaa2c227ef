"""Kinds of mistakes in what a gradient gives back, how it behaves, and how it uses its upstream gradient."""

from __future__ import annotations

from backprop.check.kind import Kind

ANSWERS = (
    # The answer itself cannot be compared -------------------------------------------------------------
    Kind(
        "wrong-name",
        "a tensor is missing, or has a name that the parameters have not",
        "the keys differ",
        "Return one tensor a parameter, under its name.",
        'return {"W": dW, "bias": db}    # the parameter is called b',
    ),
    Kind(
        "wrong-shape",
        "a tensor has another shape than its parameter",
        "the shapes differ",
        "Give it its parameter's shape.",
        "db = delta.sum(0)[:, None]    # (o, 1) for a parameter of shape (o,)",
    ),
    Kind(
        "axes-not-summed",
        "a tensor has axes more than its parameter, over which it was not summed",
        "its sum over these axes is the right gradient",
        "Sum over the axes along which the parameter was broadcast, such as the batch: d.sum(axis=0).",
        "db = delta    # (n, o) in place of delta.sum(0), (o,)",
        functions_only=True,
    ),
    Kind(
        "summed-over-too-many-axes",
        "a sum was taken over axes that should stay, such as a number where a vector belongs",
        "got = the sum or the mean of expected over these axes",
        "Name the axis of the sum: np.sum(d, axis=0), and not np.sum(d).",
        "db = np.sum(delta)    # one number in place of np.sum(delta, axis=0)",
        functions_only=True,
    ),
    Kind(
        "wrong-dtype",
        "a tensor has a narrower dtype than its parameter",
        "the dtypes differ",
        "Compute in the parameters' dtype throughout.",
        "dW = np.zeros(W.shape, int)    # cuts off the fractions",
    ),
    Kind(
        "not-finite",
        "NaN or infinity",
        "the first tensor that has them, in the order of computation",
        "Look for 0/0, log(0) or exp of large numbers before this tensor.",
        "dp = -t / p    # p is 0 somewhere",
    ),
    # The function misbehaves --------------------------------------------------------------------------
    Kind(
        "modifies-arguments",
        "the parameters or inputs are changed in place",
        "they differ after the call",
        "Copy before changing: x = x.copy(), or write x = x - ... instead of x -= ....",
        'params["W"] -= rate * dW    # in the gradient itself',
    ),
    Kind(
        "not-repeatable",
        "the same call gives different answers",
        "two calls with equal arguments differ",
        "Take random numbers or other state out of the gradient, or seed them at every call.",
        "mask = rng.random(x.shape) < 0.5    # another one at every call",
    ),
    Kind(
        "state-from-last-call",
        "a call depends on the one before",
        "a call in between changes the answer",
        "Set accumulators to zero at the start of every call.",
        "self.dW += x.T @ delta    # never set to 0",
    ),
    Kind(
        "changes-the-function",
        "the gradient changes what the function computes",
        "the function gives another value after a call of the gradient",
        "The gradient changes an array that both use, such as an upstream gradient: copy it before changing it, "
        "or write d = d + ... instead of d += ....",
        "dy *= mask    # dy is an array that the function uses, too",
        functions_only=True,
    ),
    # The upstream gradient of a backward pass ----------------------------------------------------------
    Kind(
        "upstream-changed-in-place",
        "a backward pass changes the upstream gradient that it is given",
        "the upstream gradient differs after the call",
        "Copy it before changing it, or write d = d + ... instead of d += ....",
        "dy[x <= 0] = 0    # in place of dx = dy * (x > 0)",
        functions_only=True,
    ),
    Kind(
        "upstream-ignored",
        "a backward pass does not use its upstream gradient, or not that of one output",
        "equal for two different upstream gradients",
        "Multiply the local derivative by the upstream gradient, of every output.",
        "dx = x > 0    # in place of dy * (x > 0)",
        functions_only=True,
    ),
    Kind(
        "only-first-upstream",
        "a backward pass uses the first part of its upstream gradient for all",
        "equal for upstream gradients that agree in their first part alone",
        "Use each part of the upstream gradient for the output that it belongs to: upstream, and not upstream[0].",
        "dx = dy[0] @ W.T    # in place of dy @ W.T",
        functions_only=True,
    ),
    Kind(
        "not-linear-in-upstream",
        "a backward pass is not linear in its upstream gradient",
        "backward(u/2 + v) is not backward(u)/2 + backward(v)",
        "Use the upstream gradient once, as a factor: look for clipping, a square, or a term without it.",
        "dx = dy * cdf + x * density    # in place of dy * (cdf + x * density)",
        functions_only=True,
    ),
    Kind(
        "not-linear-in-tangent",
        "a pushforward is not linear in its tangents",
        "along v + w it is not the sum of those along v and along w",
        "Multiply each input's derivative by its own tangent, once, and add them.",
        "dy = dx**2    # in place of 2 * x * dx",
        functions_only=True,
    ),
)
