"""The options that several commands share, and what they do with them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from backprop.bench.commands import completion
from backprop.errors import OptionError, is_file, shown


def split_names(values: Iterable[str]) -> list[str]:
    """The names in all values, split at commas; a `file.py:Class` whose path has a comma stays whole."""
    return [name for value in values for name in _split(value)]


def one_name(option: str, value: str) -> str:
    """The value, for an option that takes one name; raises `OptionError` where it is a list."""
    if len(_split(value)) > 1:
        raise OptionError(f"{option} is {shown(value)}; expected one name.")
    return value


def _split(value: str) -> list[str]:
    path, colon, name = value.rpartition(":")
    if colon and name.isidentifier() and is_file(path):
        return [value]
    return [part.strip() for part in value.split(",")]


def separated(values: list[str] | None) -> list[str] | None:
    """The names of an option that takes several."""
    return split_names(values) if values else None


def single(param: typer.CallbackParam, value: str | None) -> str | None:
    """The name of an option that takes one; raises `OptionError` for a list."""
    return None if value is None else one_name(max(param.opts, key=len), value)


LIST = "Repeat the option or put commas between the names."
"""What the help of an option that takes several names ends with."""


def _strategies(meaning: str, default: str) -> Any:
    return typer.Option(
        "--strategy",
        "-s",
        metavar="NAMES",
        show_default=default,
        callback=separated,
        autocompletion=completion.strategies,
        help=f"{meaning} {LIST}",
    )


_EVERY = "all, or those of the suite"
_ONLY_THESE = (
    "Only these strategies: names that `backprop list` shows, a pattern such as 'finite-*', all, peers, or "
    "file.py:Class for your own."
)

Strategies = Annotated[list[str] | None, _strategies(_ONLY_THESE, _EVERY)]
StrategiesOfNoSuite = Annotated[list[str] | None, _strategies(_ONLY_THESE, "all")]
OneOrTwoStrategies = Annotated[
    list[str] | None,
    _strategies(
        "One strategy, or two to see side by side: names that `backprop list` shows, or file.py:Class.",
        "full-jacobian,short-form",
    ),
]
OneStrategy = Annotated[
    str | None,
    typer.Option(
        "--strategy",
        "-s",
        metavar="NAME",
        callback=single,
        autocompletion=completion.strategies,
        show_default="short-form",
        help="The strategy that computes the gradients: a name that `backprop list` shows, or file.py:Class.",
    ),
]
Scenarios = Annotated[
    list[str] | None,
    typer.Option(
        "--scenario",
        "-c",
        metavar="NAMES",
        show_default=_EVERY,
        callback=separated,
        autocompletion=completion.scenarios,
        help="Only these scenarios: mnist-32/float32 is one, mnist-32 has both dtypes, mnist is a whole family. "
        f"{LIST}",
    ),
]


def format_option(formats: Mapping[str, str]) -> Any:
    """The option --format; `formats` holds the ending of each."""
    return typer.Option(
        metavar="FORMAT", show_default="by the ending of --out, else text", help=f"{_either(formats)}."
    )


def file_option(formats: Mapping[str, str]) -> Any:
    """The option --out for a file whose ending names one of the formats."""
    return typer.Option(
        metavar="FILE",
        show_default="print it",
        help=f"Write into this file. Its ending names the format: {_either(formats.values())}.",
    )


def _either(names: Iterable[str]) -> str:
    """`a, b or c`."""
    return " or ".join(", ".join(names).rsplit(", ", 1))


network_option = functools.partial(
    typer.Option,
    metavar="NETWORK",
    autocompletion=completion.networks,
    help="The network by its sizes: inputs, hidden layers, classes, with hyphens between; 784-64:tanh-32:relu-10 "
    "names activations by layer. Or the shape of a sample and every layer, '1x28x28 conv5x6 relu pool2 10', or "
    "the name of a network that `backprop list` shows.",
)
"""The option --network."""

_activation = functools.partial(
    typer.Option,
    metavar="NAME",
    callback=single,
    autocompletion=completion.activations,
    help="The activation after every hidden layer: a layer that `backprop list` shows, or file.py:Class.",
)

_loss = functools.partial(
    typer.Option,
    metavar="NAME",
    callback=single,
    autocompletion=completion.losses,
    help="The loss: cross-entropy (after a softmax), mean-squared-error, another that `backprop list` shows, or "
    "file.py:Class.",
)

_dtype = functools.partial(
    typer.Option,
    metavar="DTYPE",
    callback=single,
    autocompletion=completion.dtypes,
    help="The dtype of parameters and inputs: float32 or float64.",
)

_data = functools.partial(
    typer.Option,
    metavar="SOURCE",
    help="The images: sample (6,000 of MNIST's, in the package), mnist (all 70,000, downloaded once), or a "
    "folder or file of images: IDX, .npz or CSV.",
)


Output = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        show_default="what the loss needs",
        help="What follows the last layer: softmax, sigmoid, tanh, none, or another layer.",
    ),
]
NoBias = Annotated[bool, typer.Option("--no-bias", help="The layers have no biases.")]
NetworkSizes = Annotated[str, network_option()]
Activation = Annotated[str, _activation()]
LossName = Annotated[str, _loss()]
Dtype = Annotated[str, _dtype()]
Data = Annotated[str, _data()]
# The same where None means that nothing was said: a resumed training has its own, a layer has none.
NetworkIfGiven = Annotated[str | None, network_option(show_default="784-512-10")]
ActivationIfGiven = Annotated[str | None, _activation(show_default="relu")]
LossIfGiven = Annotated[str | None, _loss(show_default="cross-entropy")]
DtypeIfGiven = Annotated[str | None, _dtype(show_default="float32")]
DataIfGiven = Annotated[str | None, _data(show_default="sample")]
BatchSize = Annotated[int, typer.Option(metavar="N", help="The number of samples in the batch.")]
Starts = Annotated[
    int | None,
    typer.Option(
        metavar="N", show_default="as the suite says", help="How often every strategy's process is started."
    ),
]
Turns = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        show_default="as the suite says",
        help="How many turns every process takes after a start. A turn is the 3 ms in which it is measured.",
    ),
]


_suite = functools.partial(
    typer.Option,
    metavar="NAME",
    callback=single,
    autocompletion=completion.suites,
    help="The suite, which says what is measured: a name that `backprop list` shows, or a TOML file such as "
    "`backprop init suite` writes.",
)


SuiteName = Annotated[str, _suite()]
SuiteIfGiven = Annotated[str | None, _suite(show_default="every strategy in every scenario")]
memory_budget_option = functools.partial(typer.Option, metavar="SIZE", show_default="half of the free memory")
"""The option --memory-budget."""
time_budget_option = functools.partial(typer.Option, metavar="TIME", show_default="60s")
"""The option --time-budget."""
MemoryBudget = Annotated[
    str | None,
    memory_budget_option(
        help="The most memory that one strategy may need on one network, such as 2GB. What needs more is predicted "
        "instead of measured."
    ),
]
TimeBudget = Annotated[
    str | None,
    time_budget_option(
        help="The most time that one strategy may need on one network, such as 500ms, 60s or 5min. What needs more "
        "is predicted instead of measured."
    ),
]
Threads = Annotated[
    int,
    typer.Option(
        metavar="N", help="Threads of the numerical libraries. The process is pinned to as many cores."
    ),
]
Peers = Annotated[
    bool,
    typer.Option(
        "--peers",
        help="Add the outside libraries: PyTorch, JAX, autograd, SciPy, ..., where they are installed.",
    ),
]
Fresh = Annotated[
    bool,
    typer.Option("--fresh", help="Replace files that are there, after printing their names."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
