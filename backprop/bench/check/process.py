"""The parent's handle on the user's process: the function that runs there, called as if it were here."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import msgspec

from backprop import units
from backprop.arrays import Array
from backprop.bench.check.cost import CostRow
from backprop.bench.check.job import Job
from backprop.bench.check.wire import PIPES_CLOSED, WireError, pack, unpack
from backprop.bench.threads import choose_cores, thread_variables
from backprop.bench.workers import NO_MEMORY
from backprop.check.failures import UserError
from backprop.check.lines import Trace
from backprop.check.network.layouts import Layout
from backprop.child_process import ChildError, ChildProcess, signal_name
from backprop.errors import CheckError

_MOST_TREE_BYTES, _MOST_ANSWER_BYTES = 2**22, 2**28
"""The most bytes of text in an answer; and the most bytes of numbers, beside 16 times those of its question."""


class LateError(CheckError):
    """The user's function gave no answer in time."""


class UserProcess:
    """The user's function in a process of its own; leaving ends that process and all that it has started.

    timeout_s: the longest that all its answers may take together. memory_bytes: the most memory that it may take.
    Raises `ThreadError` for a thread count that this machine does not have.
    """

    def __init__(self, job: Job, timeout_s: float, memory_bytes: float) -> None:
        cores = choose_cores(job.threads)
        self._job, self._timeout_s, self._memory_bytes = job, timeout_s, memory_bytes
        self._deadline = time.monotonic() + timeout_s
        self._failure: CheckError | None = None
        self._child = ChildProcess(
            "backprop.bench.check.child",
            variables=thread_variables(job.threads),
            memory_bytes=memory_bytes,
            adopts=True,
        )
        self._child.pin(cores)
        self._child.send({"do": "load", "job": dataclasses.asdict(job), "bytes": 0})

    def __enter__(self) -> UserProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        self._child.end()

    @property
    def printed(self) -> str:
        """The output of the user's code so far, without the middle of a long text."""
        return self._child.printed

    def wait_until_loaded(self) -> str | None:
        """How the function is called, in a sentence; None where that is as it stands.

        Raises `CheckError` where there is no such function, `UserError` where the user's file fails.
        """
        answer, _ = self._receive()
        note = answer.get("note")
        return " ".join(str(note).split()) if note else None

    def __call__(self, params: Any, inputs: Array, labels: Array) -> Any:
        """Call the function with these arguments. A change that it makes in them is made here, too.

        params: a dict of arrays, or a list of arrays or of lists of them.

        Raises `UserError` where the function raises, `CheckError` where its process gives no answer.
        """
        answer, data = self._ask("call", (params, inputs, labels))
        try:
            returned, arguments = unpack(answer.get("value"), data)
            left, *arrays = arguments
            if isinstance(params, dict):
                left = dict(left)
            elif not isinstance(left, list):
                raise TypeError(left)
        except (WireError, ValueError, TypeError) as error:
            raise self._fail(self._unreadable("sent no value that can be read")) from error
        params.clear()
        params.update(left) if isinstance(params, dict) else params.extend(left)
        for given, after in zip((inputs, labels), arrays, strict=False):
            if getattr(after, "shape", None) == given.shape and after.dtype == given.dtype:
                given[...] = after
        return returned

    def costs(self, arguments: tuple[Any, ...], changes: bool, layout: Layout) -> list[CostRow]:
        """Time and memory of a call in a layout, beside built-in strategies; raises as a call does."""
        job, own = dataclasses.asdict(self._job), dataclasses.asdict(layout)
        answer, _ = self._ask("costs", arguments, job=job, changes=changes, layout=own)
        try:
            return msgspec.convert(answer.get("costs"), list[CostRow])
        except msgspec.ValidationError as error:
            raise self._fail(self._unreadable("sent no costs that can be read")) from error

    def lines(self, arguments: tuple[Any, ...], layout: Layout, wants_trace: bool) -> Trace:
        """The lines that are wrong, or the whole backward pass; raises as a call does."""
        job, own = dataclasses.asdict(self._job), dataclasses.asdict(layout)
        answer, _ = self._ask("lines", arguments, job=job, layout=own, trace=wants_trace)
        try:
            return Trace.from_dict(answer["found"])
        except (TypeError, ValueError, KeyError) as error:
            raise self._fail(self._unreadable("sent no lines that can be read")) from error

    def _ask(self, do: str, arguments: tuple[Any, ...], **more: Any) -> tuple[dict[str, Any], bytearray]:
        tree, parts = pack(arguments)
        question = {"do": do, "arguments": tree, "bytes": sum(map(len, parts)), **more}
        if self._failure is not None:  # at an earlier call, which the checker may have forgiven
            raise self._failure
        try:
            self._child.send(question, parts)
        except ChildError as error:
            raise self._fail(self._end(error)) from error
        return self._receive(question["bytes"])

    def _receive(self, asked_bytes: int = 0) -> tuple[dict[str, Any], bytearray]:
        """An answer and its bytes; what the user's code raised is raised here."""
        most = _MOST_ANSWER_BYTES + 16 * asked_bytes
        try:
            answer = self._child.receive(self._left_s(), _MOST_TREE_BYTES)
            size = answer.get("bytes")
            if type(size) is not int or size < 0:
                raise self._fail(self._unreadable("sent no value that can be read"))
            if size > most:
                raise self._fail(
                    CheckError(
                        f"{self._job.target} returns {units.data_size(size)}; "
                        f"expected the gradients, at most {units.data_size(most)}."
                    )
                )
            data = self._child.receive_bytes(size, self._left_s())
        except ChildError as error:
            raise self._fail(self._end(error)) from error
        if "error" in answer:
            raise self._error(answer)
        return answer, data

    def _left_s(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    # What went wrong, as a sentence --------------------------------------------------------------------

    def _fail(self, error: CheckError) -> CheckError:
        self._child.end()
        self._failure = error
        return error

    def _error(self, answer: dict[str, Any]) -> CheckError | UserError:
        said = " ".join(str(answer["error"]).split())
        if "lines" not in answer:
            return CheckError(said)
        if answer.get("memory") is True:
            said = f"{said.rpartition(';')[0] or said}; expected to get along with {self._limit()}."
        kinds = answer.get("kinds")
        return UserError(
            said, str(answer["lines"]), kinds=list(map(str, kinds)) if isinstance(kinds, list) else ()
        )

    def _end(self, error: ChildError) -> CheckError:
        target = self._job.target
        if error.how == "timed-out":
            return LateError(
                f"{target} gave no answer within {self._timeout_s:g} s; "
                "expected one sooner, or a longer --timeout."
            )
        if error.how == "unreadable":
            return self._unreadable(error.reason)
        if error.code is None or error.code == PIPES_CLOSED:
            return CheckError(
                f"{target} closed the pipes of its process; expected a function that closes only its own files."
            )
        if NO_MEMORY.search(self._child.printed):
            return CheckError(
                f"{target} ended its process for want of memory; expected to get along with {self._limit()}."
            )
        if error.code < 0:
            return CheckError(
                f"{target} took its process with it ({signal_name(-error.code)}); "
                "expected a function that returns."
            )
        return CheckError(
            f"{target} ended its process with code {error.code}; expected a function that returns."
        )

    def _unreadable(self, reason: str) -> CheckError:
        return CheckError(
            f"{self._job.target} cannot be checked: its process {reason}; "
            "expected a function that writes only to its own files."
        )

    def _limit(self) -> str:
        return f"{units.data_size(self._memory_bytes)}, or a larger --memory-limit"
