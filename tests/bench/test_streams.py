"""Everything can be printed: in any encoding, into a pipe whose reader has gone, onto a full disk."""

import subprocess
import sys

import pytest
from command import BACKPROP, ROOT, backprop, environment

from backprop.bench.streams import HOW, READER_GONE, plain


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("θ ÷ × ∂ ≈ µ λ Θ", "theta / x d ~ u lambda Theta"),
        ("∂ℓ/∂W₁ = δᵀ x", "dl/dW_1 = delta^T x"),
        ("e⁻ˣ, ½, ĝ, ‖g‖, 1e-3 ≤ ε", "e^-x, 1/2, g, ||g||, 1e-3 <= epsilon"),
        ("1 + 6/√k → ∞", "1 + 6/sqrt k -> inf"),
        ("─│┼ ━", "-|+ -"),
        ("café 中 \udc80", "cafe \\u4e2d \\udc80"),
    ],
)
def test_what_ascii_has_not_is_said_in_a_readable_way(text, said):
    assert plain(text) == said


def test_every_sign_of_the_project_has_a_likeness():
    files = [*(ROOT / "backprop").rglob("*.py"), *(ROOT / "backprop").rglob("*.toml")]
    signs = {sign for path in files for sign in path.read_text(encoding="utf-8") if not sign.isascii()}
    pictures = set("●○◆◀▶▼▲■✚")  # of charts
    assert {sign for sign in signs - pictures if "\\" in plain(sign)} == set()


def test_only_what_the_encoding_has_not_is_replaced():
    assert "µ ÷ θ".encode("latin-1", HOW) == b"\xb5 \xf7 theta"
    assert "µ ÷ θ".encode("utf-8", HOW) == "µ ÷ θ".encode()


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
def test_a_command_prints_formulas_where_the_encoding_has_no_greek(variables):
    done = run(["list"], **variables)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"dz/dW" in done.stdout
    assert done.stdout.isascii()


@pytest.mark.processes
def test_an_error_is_one_sentence_in_any_encoding():
    done = run(["check", "θ.py:gradient"], PYTHONIOENCODING="latin-1")
    assert done.returncode == 2
    assert done.stderr.decode("latin-1") == (
        "Error: There is no file 'theta.py'; expected file.py:function or package.module:function.\n"
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
