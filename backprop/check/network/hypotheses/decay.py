"""Weight decay: a term λ · parameter that the loss has not, or that it has and the gradient has not.

L + λ/2 Σ W²  has the gradient  dL/dW + λ W
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backprop.arrays import Array
from backprop.check.network.hypotheses.edges import fit_line
from backprop.check.network.hypotheses.state import Got, Mistake, State


def decayed(state: State, name: str, right: Array, got: Got) -> Iterator[tuple[Mistake, ...]]:
    """What explains a tensor by a multiple of its parameter, or of the parameter's sign."""
    run = state.run
    is_weight = name == run.names(state.k)[0]
    parameter = run.weights[state.k] if is_weight else run.biases[state.k]
    if np.count_nonzero(parameter) < 2:
        return
    for moving, word in ((parameter, "the parameter"), (np.sign(parameter), "the parameter's sign")):
        rate = fit_line(right, moving, got.tensors[name])
        if rate is None or rate == 0 or not got.fits(name, right + rate * moving):
            continue
        kind, sign = ("weight-decay-extra", "+") if rate > 0 else ("weight-decay-missing", "-")
        text = f"expected {sign} λ · {word} with λ = {abs(rate):.4g}"
        yield (Mistake(kind, text, tensors=(name,), fitted=True),)
