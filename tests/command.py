"""The `backprop` command in this process, which spares its start; it and pytest in a process of their own."""

import contextlib
import functools
import gc
import io
import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import typer
from threadpoolctl import threadpool_limits

from backprop.bench import cli
from backprop.data.sample import load_sample

ROOT = Path(__file__).parents[1]
BACKPROP = str(Path(sysconfig.get_path("scripts")) / "backprop")
_NOTES = re.compile(r"Note: memray is not installed|.*, \d+ (s|min|h)( \d+ (s|min))? so far")
"""Lines on stderr that depend on what is installed, and on how fast a machine is."""
_command = functools.cache(typer.main.get_command)
"""The commands and their options, which Typer would put together again in every call."""
_sample = functools.cache(load_sample)
"""The shipped images, which every command would unpack."""
_OURS = ("BACKPROP_DATA", "COLUMNS", "FORCE_COLOR", "PYTEST_ADDOPTS", "PYTHONWARNINGS")


@dataclass(frozen=True)
class Done:
    """A command that has come to its end."""

    code: int
    out: str
    err: str

    @property
    def error_sentence(self):
        """The one line on stderr, after a check that it is one sentence and no traceback."""
        assert self.out == ""
        assert self.err.count("\n") == 1, self.err
        sentence = self.err.strip()
        assert sentence.startswith("Error: "), sentence
        assert sentence.endswith("."), sentence
        assert not re.search(r"[.!] [A-Z]", sentence.replace("? Known", "")), sentence
        return sentence

    @property
    def json(self):
        """What was printed, after a check that it is valid JSON without NaN, and that nothing is on stderr."""
        assert self.err == ""

        def fail(name):
            raise AssertionError(f"{name} is no JSON")

        return json.loads(self.out, parse_constant=fail)


def environment(**more):
    """This environment without what would change a command's output, or tell it that it is a worker of pytest."""
    kept = (name for name in os.environ if name not in _OURS and not name.startswith("PYTEST_XDIST"))
    return {name: os.environ[name] for name in kept} | more


def start(arguments, cwd, **more):
    """Start a command with its output piped, and with `more` in its environment."""
    return subprocess.Popen(
        [str(argument) for argument in arguments],
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def finish(process):
    """Wait for a started command."""
    try:
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    return Done(process.returncode, out, without_notes(err))


def without_notes(err):
    """What a command said on stderr, whether memray is installed or not, and however long it took."""
    return "".join(line for line in err.splitlines(keepends=True) if not _NOTES.match(line))


def backprop(*arguments, cwd, columns=None, **more):
    """`backprop …`, run to its end in the folder `cwd`, in this process, which is left as it was.

    With `columns` its output is a terminal of this width; `more` is in its environment.
    """
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(terminal(columns) if columns else _piped("stdout"))
        err = stack.enter_context(_piped("stderr"))
        stack.enter_context(patch.object(sys, "stdin", stack.enter_context(Path(os.devnull).open())))
        stack.enter_context(patch.object(sys, "argv", [BACKPROP, *map(str, arguments)]))
        stack.enter_context(patch.object(sys, "path", [*sys.path]))
        more |= _terminal_variables(columns) if columns else {}
        stack.enter_context(patch.dict(os.environ, environment(**more), clear=True))
        stack.enter_context(patch("typer.main.get_command", _command))
        stack.enter_context(patch("backprop.data.mnist.load_sample", _sample))
        stack.enter_context(patch("os.sched_setaffinity", lambda process_id, cores: None, create=True))
        stack.enter_context(contextlib.chdir(cwd))
        stack.enter_context(threadpool_limits())  # as they are now, again at the end
        for number in (signal.SIGINT, signal.SIGTERM):
            stack.callback(signal.signal, number, signal.getsignal(number))
        stack.callback(gc.enable)
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code or 0
        return Done(code, out(), without_notes(err()))


@contextlib.contextmanager
def _piped(name, encoding="utf-8"):
    """`sys.stdout` or `sys.stderr` into memory, as a pipe; gives what reads the text."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="", write_through=True)
    with patch.object(sys, name, stream):
        yield lambda: stream.buffer.getvalue().decode(encoding)


def _terminal_variables(columns):
    return {"COLUMNS": str(columns), "TERM": "dumb"}


@contextlib.contextmanager
def terminal(columns, encoding="utf-8"):
    """A terminal of this width without colours as `sys.stdout`; gives what reads the text."""
    with contextlib.ExitStack() as stack:
        text = stack.enter_context(_piped("stdout", encoding))
        stack.enter_context(patch.object(sys.stdout, "isatty", lambda: True))
        stack.enter_context(patch.dict(os.environ, _terminal_variables(columns)))
        yield text


def start_pytest(*arguments, cwd=ROOT):
    """Start `pytest …` at the root of the project, without what plugins would write there."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return start(command, cwd, COLUMNS="500")  # the summary cuts longer lines off


def run_pytest(*arguments, cwd=ROOT):
    """`pytest …`, run to its end."""
    return finish(start_pytest(*arguments, cwd=cwd))


def run_python(code, cwd=ROOT):
    """`python -c code`."""
    return finish(start([sys.executable, "-c", code], cwd))
