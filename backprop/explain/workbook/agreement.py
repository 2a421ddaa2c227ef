"""The sheets Agreement and Start: whether both ways agree, and how to read the workbook."""

from __future__ import annotations

import numpy as np

from backprop.arrays import Array
from backprop.explain import words
from backprop.explain.names import LOSS
from backprop.explain.workbook.chain import Gradient
from backprop.explain.workbook.sheet import COLOURS, Block, Sheet
from backprop.explain.workbook.sources import Sources

TOLERANCE = "1E-12"
AGREE, DIFFER = "both ways agree", "THE TWO WAYS DIFFER"


def write_agreement(sheet: Sheet, sources: Sources, chain: Gradient, short: Gradient) -> tuple[Block, Block]:
    """The largest difference of every gradient, and the verdict; relative to 1 or the largest gradient."""
    sheet.say("The largest difference between the sheets Chain and ShortForm, by parameter and of the loss")
    names = list(chain.parameters)
    pairs = [(chain.parameters[name], short.parameters[name]) for name in names] + [(chain.loss, short.loss)]
    differences = [_difference(sources, f"∂L/∂{name}") for name in names] + [_difference(sources, LOSS)]
    block = sheet.place(
        "max |Chain - ShortForm|",
        np.array(differences)[:, None],
        "small",
        lambda row, _: "=SUMPRODUCT(MAX(ABS({}-{})))".format(*(block.all for block in pairs[row])),
        ([*(f"∂L/∂{name}" for name in names), LOSS], [""]),
    )
    largest = ",".join(f"SUMPRODUCT(MAX(ABS({first.all})))" for first, _ in pairs)
    said: Array = np.array([[AGREE]], dtype=object)
    verdict = sheet.place(
        f"Agreement to {TOLERANCE} of 1 or the largest number",
        said,
        "verdict",
        lambda *_: f'=IF(MAX({block.all})<={TOLERANCE}*MAX(1,{largest}),"{AGREE}","{DIFFER}")',
        ([""], [""]),
    )
    return block, verdict


def _difference(sources: Sources, name: str) -> float:
    return float(np.max(np.abs(sources.full.find(name).array - sources.short.find(name).array)))


def write_start(
    sheet: Sheet, title: str, chain: Gradient, short: Gradient, verdict: Block, sources: Sources
) -> None:
    """What the workbook is, the colours, L both ways, and the verdict."""
    sheet.say(title, "name")
    sheet.say("Change a number on the sheet Inputs: every other cell is a formula, and all of them follow.")
    sheet.space()
    said: Array = np.array([[AGREE]], dtype=object)
    sheet.place("Chain rule and short form", said, "verdict", lambda *_: f"={verdict.at(0, 0)}", ([""], [""]))
    for way, gradient, trace in (("Chain", chain, sources.full), ("ShortForm", short, sources.short)):
        value = trace.find(LOSS).array.reshape(1, 1)
        cell = f"={gradient.loss.at(0, 0)}"
        sheet.place(f"L on the way of {way}", value, "gradient", lambda *_, cell=cell: cell, ([""], [""]))
    sheet.say("Colours", "part")
    for name in COLOURS:
        sheet.say(name, name)
    sheet.space()
    sheet.say("Letters", "part")
    for sentence in words.letters().replace(". ", ".\n").replace("; ", "\n").splitlines():
        sheet.say(sentence)
