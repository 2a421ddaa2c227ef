"""The user's process: it loads the user's file, calls the function when asked, and measures what a call costs.

Nothing here judges. The user's code may change whatever this process holds. So truth, bounds and diagnosis are
computed in the command (`judge.py`), which sees only what the function returned. A question is a line of JSON and the
bytes of the arguments; so is an answer. What the user's code prints goes to standard error, and it gets no input.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict
from json import dumps, loads
from os import _exit, dup2, getpid
from os import open as open_file
from typing import IO, Any

from backprop import Batch, Network, Parameters
from backprop.bench.check.cost import measure_costs
from backprop.bench.check.job import Job
from backprop.bench.check.target import call_target, load_target
from backprop.bench.check.wire import PIPES_CLOSED, pack, unpack
from backprop.check.failures import UserError, one_line, user_error
from backprop.check.lines import Lines, Trace
from backprop.check.lines.steps import search
from backprop.check.lines.tracing import trace
from backprop.check.network.callables import adapted
from backprop.check.network.layouts import Layout
from backprop.check.network.lines import program_of_network
from backprop.child_process import tie_to_parent
from backprop.errors import BackpropError

Answer = tuple[dict[str, Any], Sequence[memoryview]]


def main() -> None:
    """Answer until the parent closes the pipe; the only exit codes are 0 and `PIPES_CLOSED`."""
    tie_to_parent()
    questions, answers = _private_pipes()
    user = _User()
    try:
        while line := questions.readline():
            question = loads(line)
            answer, parts = _answer(user, question, questions.read(question["bytes"]))
            answers.write(dumps({**answer, "bytes": sum(map(len, parts))}).encode() + b"\n")
            for part in parts:
                answers.write(part)
            answers.flush()
        questions.close()
        answers.close()
    except BaseException:  # the pipes are not there any more, or nothing works any more: the parent says so
        _exit(PIPES_CLOSED)


def _private_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Questions and answers; standard input is empty from now on, and standard output is standard error."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    dup2(open_file(os.devnull, os.O_RDONLY), 0)
    dup2(2, 1)
    return questions, answers


def _answer(user: _User, question: dict[str, Any], data: bytes) -> Answer:
    try:
        if question["do"] == "load":
            return user.load(Job(**question["job"])), ()
        arguments = unpack(question["arguments"], bytearray(data))
        if question["do"] == "call":
            return user.call(arguments)
        job, layout = Job(**question["job"]), Layout(**question["layout"])
        if question["do"] == "lines":
            return user.lines(job, arguments, layout, question["trace"]), ()
        return user.costs(job, arguments, question["changes"], layout), ()
    except UserError as error:
        told = {"lines": error.lines, "memory": error.is_memory_error, "kinds": error.kinds}
        return {"error": str(error), **told}, ()
    except BackpropError as error:
        return {"error": str(error)}, ()
    except Exception as error:  # of a built-in strategy, where the user's code has changed what it needs
        return {"error": f"{one_line(error)}."}, ()


class _User:
    """The user's function, once it is loaded."""

    def load(self, job: Job) -> dict[str, Any]:
        """Run the user's file and find the function in it; the answer says how it is called."""
        self._name, network = job.target.rpartition(":")[2], job.network()
        self._source = load_target(job.target, network.all_sizes)
        found = adapted(self._source, list(network.layout.names))
        self._adapted = found.function
        self._function = call_target(_heard_once(found.function), self._name)
        return {"note": found.note}

    def call(self, arguments: tuple[Any, ...]) -> Answer:
        """Call the function; the answer is what it returned, and its arguments as they are after the call."""
        returned = self._function(*arguments)
        try:
            tree, parts = pack((returned, arguments))
        except BaseException as error:  # an object that exits when it is looked at
            raise user_error(error, f"What {self._name} returned could not be read") from error
        return {"value": tree}, parts

    def costs(self, job: Job, arguments: tuple[Any, ...], changes: bool, layout: Layout) -> dict[str, Any]:
        """Time and memory of the function beside built-in strategies; with `changes` it gets copies at each call.

        arguments: in this package's layout; the function is handed them in its own, made once.
        """
        network, params, batch = _at(job, arguments)

        own = arguments if layout.is_plain else layout.arguments(network, *arguments)

        def call() -> object:
            return self._function(*(deepcopy(own) if changes else own))

        return {"costs": [asdict(row) for row in measure_costs(self._name, call, network, params, batch)]}

    def lines(
        self, job: Job, arguments: tuple[Any, ...], layout: Layout, wants_trace: bool
    ) -> dict[str, Any]:
        """The lines of the function that are wrong, or its whole backward pass; arguments as for `costs`."""
        network, params, batch = _at(job, arguments)
        program = program_of_network(self._adapted, network, params, batch, layout, job.weight_decay)
        try:
            found = (
                trace(program, [self._source]) if wants_trace else Trace((), search(program, [self._source]))
            )
        except BaseException as error:  # also SystemExit, and what else a user's code may raise
            found = Trace((), Lines((), note=f"The lines could not be searched: {one_line(error)}."))
        return {"found": found.to_dict()}


def _at(job: Job, arguments: tuple[Any, ...]) -> tuple[Network, Parameters, Batch]:
    """The network of a job, and its parameters and batch in the place of the arguments of a call."""
    network = job.network()
    tensors, inputs, labels = arguments
    params = Parameters.from_mapping(network.layout, tensors, job.dtype)
    return network, params, network.batch(inputs, labels, params.dtype)


def _heard_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the function: only its first call may print, and a process that the function has forked ends here."""
    first, own = True, getpid()

    def call(*arguments: Any) -> Any:
        nonlocal first
        try:
            return function(*arguments)
        finally:
            if getpid() != own:  # the function has forked; the process that was called answers
                _exit(0)
            if first:
                first = False
                _flush()
                dup2(open_file(os.devnull, os.O_WRONLY), 1)

    return call


def _flush() -> None:
    try:
        sys.stdout.flush()
    except Exception:  # the user's code may have put anything there
        return


if __name__ == "__main__":
    main()
