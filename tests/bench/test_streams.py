"""Everything can be printed: in any encoding, into a pipe whose reader has gone, onto a full disk."""

import subprocess
import sys

import pytest
from command import BACKPROP, backprop, environment

from backprop.bench.cli import READER_GONE


def run(arguments, **more):
    """A command with its output piped, as bytes."""
    return subprocess.run(
        [BACKPROP, *arguments], capture_output=True, env=environment(**more), timeout=60, check=False
    )


@pytest.mark.processes
@pytest.mark.parametrize(
    "variables",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
    ids=["ascii", "C"],
)
def test_a_command_prints_what_it_can_where_the_encoding_has_no_greek(variables):
    done = run(["list"], **variables)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"?z/?W" in done.stdout
    assert done.stdout.isascii()


@pytest.mark.processes
def test_an_error_is_one_sentence_in_any_encoding():
    done = run(["check", "θ.py:gradient"], PYTHONIOENCODING="latin-1")
    assert done.returncode == 2
    assert done.stderr.decode("latin-1") == (
        "Error: There is no file '?.py'; expected file.py:function or package.module:function.\n"
    )


@pytest.mark.processes
@pytest.mark.parametrize("arguments", [["list"], ["explain"], ["list", "--json"], ["--help"]], ids=" ".join)
def test_a_reader_that_has_gone_ends_a_command_in_silence(arguments):
    reader = [sys.executable, "-c", "import sys; sys.stdin.close()"]
    with subprocess.Popen(reader, stdin=subprocess.PIPE) as gone:
        gone.wait(30)
        done = subprocess.run(
            [BACKPROP, *arguments],
            stdout=gone.stdin,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=60,
            check=False,
        )
        gone.stdin.close()
    assert (done.returncode, done.stderr) == (READER_GONE, b"")


@pytest.mark.processes
@pytest.mark.skipif(sys.platform != "linux", reason="no /dev/full")
def test_a_full_disk_is_one_sentence():
    with open("/dev/full", "wb") as full:  # noqa: PTH123  # a device is no file to be made
        done = subprocess.run(
            [BACKPROP, "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert (
        done.stderr == b"Error: The output cannot be written: No space left on device; expected more room.\n"
    )


def test_a_command_in_this_process_is_not_disturbed(tmp_path):
    done = backprop("explain", "--strategy", "short-form", cwd=tmp_path)
    assert done.code == 0
    assert "∂" in done.out
