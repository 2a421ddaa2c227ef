"""The keys of a suite's file: type, meaning, default and an example of each.

`reader` reads a file by them, and `backprop init suite` writes a file that explains every one.
"""

from __future__ import annotations

from typing import Annotated, Any, get_type_hints

from msgspec import Meta, Struct, structs

from backprop.arrays import MOST_ENTRIES
from backprop.bench.scenarios import Scenario
from backprop.bench.statistics import STARTS_TO_CLAIM
from backprop.bench.turns import FEWEST_STARTS, Schedule

Texts = Annotated[tuple[str, ...], Meta(min_length=1)]
Number = Annotated[int, Meta(ge=1, le=MOST_ENTRIES)]
Numbers = Annotated[tuple[Number, ...], Meta(min_length=1)]


def _key(meaning: str, example: Any = None, without: str = "") -> Meta:
    """What is known of a key. example: a value other than the default. without: what holds without one, in words."""
    return Meta(description=meaning, extra={"example": example, "without": without})


class Product(Struct):
    """The keys that a suite's file and each of its parts have."""

    networks: Annotated[
        Texts | None,
        _key(
            "The networks, each by its sizes: inputs, hidden layers, classes. Real digits are the inputs where they "
            "fit (784, 196, 49 or 16 inputs, at most 10 classes), else random numbers.",
            example=["784-512-10"],
            without="the file needs this key or `scenarios`",
        ),
    ] = None
    scenarios: Annotated[
        Texts | None,
        _key(
            "Scenarios that `backprop list` shows. They are used where no networks are given, and bring their own "
            "batch, dtype, activation and loss.",
            example=["toy", "mnist-32/float32"],
            without="none",
        ),
    ] = None
    strategies: Annotated[
        Texts,
        _key(
            "The strategies: names that `backprop list` shows, a pattern such as finite-*, peers for the outside "
            "libraries, or file.py:Class for your own.",
            example=["short-form", "layerwise-vjp", "batched-jacobian"],
        ),
    ] = ("*",)
    leave_out: Annotated[
        Texts | None,
        _key(
            "Strategies that are left out of those above: names or patterns.",
            example=["finite-*", "complex-step"],
            without="none",
        ),
    ] = None
    batches: Annotated[Numbers, _key("The numbers of samples in a batch.", example=[1, 32])] = (32,)
    dtypes: Annotated[Texts, _key("The dtypes of parameters and inputs.", example=["float32", "float64"])] = (
        "float64",
    )
    threads: Annotated[
        Numbers | None,
        _key(
            "The numbers of threads of the numerical libraries. The machine needs as many cores.",
            example=[1],
            without="as the option --threads says",
        ),
    ] = None
    activation: Annotated[
        str, _key("The activation after every hidden layer: a layer, or file.py:Class.")
    ] = "relu"
    loss: Annotated[
        str, _key("The loss: cross-entropy (after a softmax), mean-squared-error, or file.py:Class.")
    ] = "cross-entropy"
    name: Annotated[
        str | None,
        _key(
            "The name of the scenarios; {network} in it stands for a known network's name or the sizes, {batch} and "
            "{threads} for these numbers. The dtype follows the name after a /.",
            example="mine-{batch}",
            without="made from the sizes and the batch, such as 784-512-10-batch-32",
        ),
    ] = None
    learning_steps: Annotated[
        Number, _key("The steps of gradient descent after which the test accuracy is measured.")
    ] = Scenario.learning_steps


class SuiteFile(Product):
    """The keys of a suite's file."""

    starts: Annotated[
        Number,
        _key(
            "How often every strategy's process is started afresh. Each start counts once: an interval needs at "
            f"least {FEWEST_STARTS}, a claim of a difference at least {STARTS_TO_CLAIM}."
        ),
    ] = Schedule.starts
    turns: Annotated[
        Number, _key("How many turns every process takes after each start; a turn lasts 3 ms or one call.")
    ] = Schedule.turns
    slow: Annotated[
        str,
        _key(
            "The most time that a strategy spends in all of its turns where one call takes longer than a turn. A "
            "number with a unit: ms, s, min or h."
        ),
    ] = f"{Schedule.slow_s:g}s"
    precision: Annotated[
        str | None,
        _key(
            "Make more starts until every 95% interval reaches at most this share of its value to either side.",
            example="2%",
            without="no more starts",
        ),
    ] = None
    claim: Annotated[
        str | None,
        _key(
            "Make more starts until a difference of this share would be found in nine of ten runs.",
            example="5%",
            without="no more starts",
        ),
    ] = None
    curves: Annotated[
        bool,
        _key(
            "Whether errors against step and scale of the logits are measured at the end, for the page of the run."
        ),
    ] = False
    parts: Annotated[
        list[Product],
        _key(
            "Parts of the suite, each measured on its own: a table [[parts]] has the keys above as far as `starts`, "
            "and takes what it leaves out from the file.",
            without="the file itself is the only part",
        ),
    ] = []


_HINTS = get_type_hints(SuiteFile, include_extras=True)
KEYS: dict[str, Meta] = {name: _HINTS[name].__metadata__[-1] for name in SuiteFile.__struct_fields__}
"""By name, what is known of every key; those of a part come first."""

DEFAULTS = {one.name: one.default for one in structs.fields(SuiteFile) if one.name != "parts"}
"""By name, what holds where neither a part nor the file has the key; None for what no value stands for."""
