"""`backprop check`: is a gradient right, and if not, what is wrong with it?"""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from backprop.bench.commands import completion, options
from backprop.errors import CheckError

if TYPE_CHECKING:
    from backprop.bench.check.job import Job

FORMATS = ("text", "concise", "github", "html", "json")

EXAMPLES = """
  backprop check --template mine.py             write a file to start from
  backprop check mine.py:gradient
  backprop check mine.py:gradient --network 784-128-64-10 --activation tanh
  backprop check package.module:function --dtype float32 --json
  backprop check exercise.ipynb         no function: dW1, dh, ... at top level
  backprop check mine.py:gradient --trace       what the value of each line is
  backprop check mine.py:gradient --format concise
"""

Target = Annotated[
    str | None,
    typer.Argument(
        metavar="TARGET",
        help="Your function: file.py:function, file.py:Class.method, notebook.ipynb:function or "
        "package.module:function. Or a script.py or notebook.ipynb whose top level computes the gradients.",
    ),
]
Layout = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        show_default="found by trying",
        autocompletion=completion.layouts,
        help="How weights (i, o) or (o, i) and samples lie, where two ways fit: io-rows, oi-columns, oi-rows or "
        "io-columns.",
    ),
]
WeightDecay = Annotated[
    float, typer.Option(metavar="λ", help="The factor λ, where your loss has the term λ/2 Σ W².")
]
Tolerance = Annotated[
    float | None,
    typer.Option(
        metavar="ERROR",
        show_default="what rounding allows",
        help="The largest relative error that still counts as right, such as 1e-6.",
    ),
]
Timeout = Annotated[str, typer.Option(metavar="TIME", help="The longest that your code may take.")]
MemoryLimit = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        show_default="the free memory",
        help="The most memory that your code, and the check, may take, such as 2GB.",
    ),
]
Seed = Annotated[
    int,
    typer.Option(metavar="N", min=0, help="The seed of the parameters and of the choice of samples."),
]
Kinds = Annotated[
    bool,
    typer.Option("--kinds", help="Check nothing; explain all kinds of mistakes that are recognised."),
]
Template = Annotated[
    bool,
    typer.Option(
        "--template",
        help="Check nothing; write a starting file for the network into the file TARGET, or print it. One line "
        "in it is left for you.",
    ),
]
Trace = Annotated[
    bool,
    typer.Option(
        "--trace",
        help="Print the whole backward pass: what the value of each line is, in place of the cost.",
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT",
        show_default="text",
        help=f"{', '.join(FORMATS)}. concise: `path:line:column: message` for each wrong line, as editors read "
        "it; github: annotations of a workflow; html: a page of the backward pass, or of a script's variables.",
    ),
]


def check(
    target: Target = None,
    network: Annotated[
        str | None, options.network_option(show_default="784-512-10, or the sizes of --data")
    ] = None,
    activation: options.Activation = "relu",
    loss: options.LossName = "cross-entropy",
    output: options.Output = None,
    no_bias: options.NoBias = False,
    data: options.DataIfGiven = None,
    layout: Layout = None,
    batch: options.BatchSize = 32,
    dtype: options.Dtype = "float64",
    weight_decay: WeightDecay = 0.0,
    rtol: Tolerance = None,
    timeout: Timeout = "60s",
    memory_limit: MemoryLimit = None,
    seed: Seed = 0,
    threads: options.Threads = 1,
    kinds: Kinds = False,
    template: Template = False,
    trace: Trace = False,
    format: Format = None,
    fresh: options.Fresh = False,
    as_json: options.AsJson = False,
) -> None:
    """Check a gradient that you have derived by hand.

    Your function is called with (params, inputs, labels): params is a dict of the arrays W1 (i, o), b1 (o,), W2, ...;
    inputs is an array (n, i); labels is an array (n,) of class numbers 0, 1, ..., not one-hot. It returns a dict of
    gradients with the names and shapes of params, or (loss, dict), for the mean loss over the n samples.

    The verdict is computed on real digits where they fit the network, or on samples of --data. A wrong gradient gets
    its wrong tensors and entries, the kind of mistake, and what to change. Exit code 0 means right, 1 wrong, 2 that
    it cannot be checked.

    A script or notebook needs no function: its top level computes a loss, and dx, d_x or grad_x for any variable x.
    Each is compared with the truth, and the wrong lines are named. It runs in a copy of its folder; --loss names the
    variable of the loss, by default loss; of the other options --trace, --timeout, --memory-limit and --threads
    apply.
    """
    if kinds:
        from backprop.bench.check.show import show_kinds

        show_kinds(as_json)
        return
    if target is None and not template:
        raise CheckError("The target is missing; expected file.py:function or package.module:function.")

    from backprop.bench.files import format_of
    from backprop.bench.threads import thread_variables

    chosen = format_of("json" if as_json else format, None, dict.fromkeys(FORMATS, ""), "text")

    os.environ.update(thread_variables(threads))  # before NumPy loads

    from backprop.bench.budget import available_memory_bytes, parse_bytes, parse_seconds
    from backprop.bench.check.job import Job, sizes_of

    timeout_s = parse_seconds("timeout", timeout)
    memory_bytes = (
        available_memory_bytes() if memory_limit is None else parse_bytes("memory limit", memory_limit)
    )
    if target is not None and not template and target.endswith((".py", ".ipynb")):
        name = "loss" if loss == "cross-entropy" else loss
        _check_script(target, name, timeout_s, memory_bytes, chosen, trace)
        return
    job = Job(
        target or "",
        network or sizes_of(data),
        activation,
        loss,
        batch,
        dtype,
        seed,
        weight_decay,
        threads,
        rtol,
        output,
        not no_bias,
        data,
        layout,
    )
    if template:
        from backprop.bench.check.template import write_template

        others = [one for one in sys.argv[2:] if one not in ("--template", "--fresh", target)]
        write_template(job.network(), target, shlex.join(others), fresh)
        return
    _check_function(job, timeout_s, memory_bytes, chosen, trace)


def _leave(verdict: str) -> None:
    """End the command with the exit code of a verdict."""
    code = {"right": 0, "wrong": 1, "undecided": 2}[verdict]
    if code:
        raise typer.Exit(code)


def _check_function(job: Job, timeout_s: float, memory_bytes: float, chosen: str, trace: bool) -> None:
    """Check the function that the job names."""
    from backprop.bench.check.judge import check_target
    from backprop.bench.check.show import show
    from backprop.bench.progress import Progress

    with Progress(f"checking {job.target}"):
        checked = check_target(job, timeout_s, memory_bytes, trace or chosen == "html")
    if checked.error is not None:
        for text in (checked.printed, checked.traceback):
            if text:
                print(text.rstrip("\n"), file=sys.stderr)
        raise CheckError(checked.error)
    assert checked.check is not None
    show(job, checked, chosen, trace)
    _leave(checked.check["verdict"])


def _check_script(
    target: str, loss: str, timeout_s: float, memory_bytes: float, chosen: str, trace: bool
) -> None:
    """Check the gradients that the top level of a script or notebook computes."""
    from backprop.bench.check.show import show_script
    from backprop.bench.progress import Progress
    from backprop.check.failures import UserError
    from backprop.check.script.door import check_script

    try:
        with Progress(f"checking {target}"):
            check = check_script(target, loss, trace=trace, timeout_s=timeout_s, memory_bytes=memory_bytes)
    except UserError as error:
        print(error.lines, file=sys.stderr)
        raise CheckError(str(error)) from None
    show_script(check, chosen)
    _leave(check.verdict)
