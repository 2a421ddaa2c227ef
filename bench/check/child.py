"""The child: loads the user's function, checks it and measures its cost, and answers in JSON lines.

The job comes as a line on standard input. What the user's code prints goes to standard error, and it gets no input.
First comes the verdict, then, where the time allows, the costs; a line with `error` ends it.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
from collections.abc import Callable
from typing import IO, Any

from bench.check.job import Job
from bench.isolated.child import private_output, tie_to_parent


def main() -> None:
    """Do the one job that is asked for."""
    tie_to_parent()
    answers = private_output()
    job = Job(**json.loads(sys.stdin.readline()))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    from bench.threads import fix_threads

    fix_threads(job.threads)  # before NumPy loads
    from backprop.errors import BackpropError
    from bench.check.failures import UserError

    try:
        _work(job, answers)
    except UserError as error:
        _say(answers, {"error": str(error), "traceback": error.lines})
    except BackpropError as error:
        _say(answers, {"error": str(error)})
    answers.close()


def _work(job: Job, answers: IO[str]) -> None:
    import numpy as np

    from backprop.check.network import check_network_gradient
    from backprop.errors import CheckError
    from bench.check.failures import UserError
    from bench.check.target import call_target, load_target

    network = job.network()
    rng = np.random.default_rng(job.seed)
    params, batch = job.sample(network, rng)
    name = job.target.rpartition(":")[2]
    function = call_target(_said_once(load_target(job.target)), name)
    check = check_network_gradient(network, function, params, batch, rng, weight_decay=job.weight_decay)
    names = [finding for finding in check.findings if finding.kind == "wrong-name"]
    if names:
        said = names[0].evidence.rstrip(".")
        raise CheckError(
            f"The gradient has wrong names: {said[0].lower()}{said[1:]}; expected {', '.join(params)}."
        )
    _say(answers, {"check": plain(dataclasses.asdict(check)), "ok": check.ok, "network": str(network)})

    from bench.check.cost import measure_costs

    changes = any(finding.kind == "modifies-arguments" for finding in check.findings)
    tensors = dict(params)

    def call() -> object:
        if changes:
            return function(
                {k: v.copy() for k, v in tensors.items()}, batch.inputs.copy(), batch.labels.copy()
            )
        return function(tensors, batch.inputs, batch.labels)

    try:
        costs = measure_costs(name, call, network, params, batch)
    except UserError as error:  # at a later call than those of the check; the verdict stands
        _say(answers, {"without_costs": str(error)})
        return
    _say(answers, {"costs": [plain(dataclasses.asdict(row)) for row in costs]})


def _said_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """What it prints is heard at its first call; the others are ours."""
    first = True

    def call(*arguments: Any) -> Any:
        nonlocal first
        try:
            return function(*arguments)
        finally:
            if first:
                first = False
                sys.stdout.flush()
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    return call


def plain(value: Any) -> Any:
    """What JSON can hold: no NaN and no infinity, but None."""
    if isinstance(value, dict):
        return {key: plain(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [plain(child) for child in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _say(answers: IO[str], answer: dict[str, Any]) -> None:
    sys.stdout.flush()
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
