"""The workbook as a whole: its sheets, in the order in which a derivation goes."""

from __future__ import annotations

import io

from xlsxwriter import Workbook

from backprop.explain.explanation import Explanation
from backprop.explain.workbook.agreement import write_agreement, write_start
from backprop.explain.workbook.chain import write_chain
from backprop.explain.workbook.forward import write_forward, write_inputs
from backprop.explain.workbook.jacobians import write_jacobians
from backprop.explain.workbook.sheet import Sheet, formats_of
from backprop.explain.workbook.short_form import write_short_form
from backprop.explain.workbook.sources import Sources


def write(explanation: Explanation) -> bytes:
    """All sheets, as the bytes of a file."""
    memory = io.BytesIO()
    with Workbook(memory, {"in_memory": True}) as book:
        formats = formats_of(book)
        names = ("Start", "Inputs", "Forward", "Jacobians", "Chain", "ShortForm", "Agreement")
        sheets = {name: Sheet(book, name, formats) for name in names}
        sources = Sources.of(explanation)
        inputs = write_inputs(sheets["Inputs"], sources)
        forward = write_forward(sheets["Forward"], sources, inputs)
        jacobians = write_jacobians(sheets["Jacobians"], sources, inputs, forward)
        chain = write_chain(sheets["Chain"], sources, inputs, forward, jacobians)
        short = write_short_form(sheets["ShortForm"], sources, inputs, forward)
        _, verdict = write_agreement(sheets["Agreement"], sources, chain, short)
        title = f"Every matrix of {explanation.title}"
        write_start(sheets["Start"], title, chain, short, verdict, sources)
    return memory.getvalue()
