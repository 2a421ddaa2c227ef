"""The parent's side: the child is started, given its time, and ended with everything that it has started."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from backprop.child_process import _OWN_GROUP as GROUP_OF_ITS_OWN
from bench.check.job import Job
from bench.threads import thread_variables

_LATE = "The time was up before the cost was measured."


@dataclass(frozen=True)
class Answers:
    """What the child said. error: why there is no check; traceback: the user's lines; printed: what their code said.

    without_costs: why there are no costs, though there is a verdict.
    """

    check: dict[str, Any] | None = None
    costs: list[dict[str, Any]] = field(default_factory=list)
    network: str = ""
    error: str | None = None
    traceback: str | None = None
    printed: str = ""
    without_costs: str | None = None


class Child:
    """A child at work on a job. Use it as a context manager; leaving ends it."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._output: IO[str] = tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-u", "-m", "bench.check.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._output,
            env=_environment(job.threads),
            **GROUP_OF_ITS_OWN,
        )

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exception: object) -> None:
        self._kill()
        self._output.close()

    def answers(self, timeout_s: float) -> Answers:
        """Wait for the answers, at most so long."""
        line = (json.dumps(dataclasses.asdict(self._job)) + "\n").encode()
        timed_out = False
        try:
            said, _ = self._process.communicate(line, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            timed_out = True
            self._kill()
            said, _ = self._process.communicate()
        answer: dict[str, Any] = {}
        for each in said.decode(errors="replace").splitlines():
            with contextlib.suppress(json.JSONDecodeError):  # cut off by the end of its time
                answer |= json.loads(each)
        self._output.seek(0)
        found = Answers(
            check=answer.get("check"),
            costs=answer.get("costs", []),
            network=answer.get("network", ""),
            error=answer.get("error"),
            traceback=answer.get("traceback"),
            printed=self._output.read(),
            without_costs=_LATE if timed_out else answer.get("without_costs"),
        )
        if found.check is None and found.error is None:
            return dataclasses.replace(found, error=self._silence(timed_out, timeout_s))
        return found

    def _silence(self, timed_out: bool, timeout_s: float) -> str:
        target = self._job.target
        if timed_out:
            return (
                f"{target} gave no answer within {timeout_s:g} s; expected one sooner, or a longer --timeout."
            )
        code = self._process.returncode
        if code < 0:
            name = signal.Signals(-code).name
            return f"{target} took its process with it ({name}); expected a function that returns."
        return f"{target} ended its process with code {code}; expected a function that returns."

    def _kill(self) -> None:
        if self._process.poll() is None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (AttributeError, OSError):
                self._process.kill()


def _environment(threads: int) -> dict[str, str]:
    """Threads fixed, and this project importable wherever the command is run."""
    project = str(Path(__file__).resolve().parents[2])
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([project, inherited] if inherited else [project])
    return {**os.environ, **thread_variables(threads), "PYTHONPATH": path}
