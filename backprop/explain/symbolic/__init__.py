"""Proofs: SymPy derives every Jacobian, multiplies the chain, and the library's own code is held against it.

    derive("softmax-cross-entropy", 3)      a layer or loss at a size
    derive_network(network, 1)              a whole network, and the strategies run on symbols
    prove_layer, prove_loss, prove_strategy the claims alone
    latex(formula), latex_name(quantity)    in the notation of the renderings

The code of layers, losses and strategies runs unchanged on arrays of symbols (`arrays`), so what is proven is the
formula that they compute. Needs SymPy: `pip install -e '.[symbolic]'`.
"""

from __future__ import annotations

from backprop.explain.symbolic.arrays import UnderivableError
from backprop.explain.symbolic.claim import Claim, Derivation
from backprop.explain.symbolic.forms import prove_layer, prove_loss
from backprop.explain.symbolic.network import SymbolicNetwork, prove_strategy
from backprop.explain.symbolic.notation import latex, latex_name
from backprop.explain.symbolic.render import render_html, render_latex, render_text
from backprop.explain.symbolic.subjects import SUBJECTS, derive, derive_network
from backprop.explain.symbolic.zero import UndecidedError

__all__ = [
    "SUBJECTS",
    "Claim",
    "Derivation",
    "SymbolicNetwork",
    "UndecidedError",
    "UnderivableError",
    "derive",
    "derive_network",
    "latex",
    "latex_name",
    "prove_layer",
    "prove_loss",
    "prove_strategy",
    "render_html",
    "render_latex",
    "render_text",
]
