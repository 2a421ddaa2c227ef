"""The workbook: a network in cells, every one a live formula; change a weight, an input or a label and all follows.

Start       what the workbook is, the colours, the loss and whether both ways agree
Inputs      x, labels, W, b                  the numbers to change
Forward     z, a, p, ℓ, L
Jacobians   ∂y/∂x and ∂y/∂θ of every layer, sample by sample, zeros included
Chain       ∂ℓ/∂p · ∂p/∂z · … for every sample, then the mean over n
ShortForm   p - t, (δ Wᵀ) ∘ f'(z), xᵀ δ
Agreement   the largest difference of every gradient
"""

from __future__ import annotations

from backprop.errors import OptionError, need
from backprop.explain.explanation import Explanation, TooLargeError
from backprop.registry import ladder

_MOST_TERMS = 100
"""The most terms of a sum, which is written out in one cell."""


def workbook(explanation: Explanation) -> bytes:
    """The workbook of an explanation of full-jacobian beside short-form, as the bytes of a file.

    These are the first and the last rung of the ladder. Raises `OptionError` for other strategies, `TooLargeError`
    for a layer whose sums nobody would read, `UnsupportedError` for a layer or loss without cells, and
    `MissingPackageError` where XlsxWriter is not installed.
    """
    got = [trace.strategy for trace in explanation.traces]
    first, *_, last = ladder()
    if got != [first, last]:
        raise OptionError(
            f"The strategies are {', '.join(got)}; expected {first},{last}, which a workbook shows."
        )
    terms = max(len(explanation.batch.inputs), *(max(widths) for widths in explanation.network.widths))
    if terms > _MOST_TERMS:
        raise TooLargeError(
            f"The longest sum of the workbook has {terms} terms; expected at most {_MOST_TERMS}, so take "
            "smaller layers or fewer samples."
        )
    need("xlsxwriter", "spreadsheet")

    from backprop.explain.workbook.book import write

    return write(explanation)
