"""The door: a script or notebook is checked in a process of its own, in a copy of its folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from backprop.check.failures import UserError
from backprop.check.script.result import ScriptCheck
from backprop.child_process import ChildError, ChildProcess
from backprop.errors import BudgetError, CheckError, is_file, shown

_MOST_BYTES, _MOST_FILES = 200e6, 5_000
"""Of a folder that is copied."""
_LAST_WORDS_S = 3.0
_MOST_ANSWER_BYTES = 2**24


def check_script(
    path: str | os.PathLike[str],
    loss: str = "loss",
    *,
    trace: bool = False,
    timeout_s: float = 60.0,
    memory_bytes: float | None = None,
) -> ScriptCheck:
    """Whether the gradients that the top level of a script or notebook computes are right, and which lines are wrong.

    path: of a file.py or notebook.ipynb, whose top level computes the loss and, for any of its variables x, dL/dx,
    called dx, d_x, grad_x, x_grad or the like. Each is compared with the truth, that of an intermediate, too: the
    script runs again with x moved. Arrays of NumPy and tensors of PyTorch are taken.
    Parts of dicts, lists and objects are variables, too: `grads["W1"]` is the gradient by `params["W1"]`, or by W1,
    and `net.dW1` that by `net.W1`. Of a loop that updates variables by their gradients, the first turn is checked.
    loss: the name of the variable that holds the loss, one number. trace: whether the value of each line of the
    backward pass is told, in `steps`.
    timeout_s: the longest that all runs may take together. memory_bytes: the most memory that the script may take.

    The script runs in a process of its own, in a copy of its folder without hidden files and environments. The global
    random numbers have a seed; a generator of its own needs one.

        check = backprop.check_script("exercise.ipynb")
        print(check)                            # the wrong lines, and every variable: right or wrong
        check.ok, check.lines, check.variables

    Raises `CheckError` where there is nothing to compare, `UserError` where the script fails, `BudgetError` for a
    time limit that is not positive.
    """
    target = os.fspath(path)
    if not timeout_s > 0:
        raise BudgetError(f"timeout_s is {timeout_s}; expected a positive number of seconds.")
    if not is_file(target):
        raise CheckError(f"There is no file {shown(target)}; expected script.py or notebook.ipynb.")
    question = {"target": target, "loss": loss, "seconds": timeout_s, "trace": trace}
    variables = {"MPLBACKEND": "Agg", "DISPLAY": ""}  # nobody looks at the windows
    with tempfile.TemporaryDirectory() as folder:
        own = Path(target).resolve()
        copy, note = _copied(own.parent, Path(folder))
        question["path"] = str(copy / own.name)
        child = ChildProcess(
            "backprop.check.script.child", variables=variables, memory_bytes=memory_bytes, adopts=True
        )
        with child:
            try:
                child.send(question)
                answer = child.receive(timeout_s + _LAST_WORDS_S, _MOST_ANSWER_BYTES)
            except ChildError as error:
                raise _ended(target, error, timeout_s) from error
            printed = child.printed
    if "lines" in answer:
        raise UserError(
            str(answer["error"]), "\n".join([printed.rstrip("\n"), str(answer["lines"])]).strip("\n")
        )
    if "error" in answer:
        raise CheckError(str(answer["error"]))
    try:
        check = ScriptCheck.from_dict({**answer["check"], "printed": printed})
        return replace(check, notes=(note, *check.notes)) if note else check
    except (KeyError, TypeError) as error:
        raise CheckError(
            f"{target} cannot be checked: its process sent no result that can be read."
        ) from error


def _copied(folder: Path, into: Path) -> tuple[Path, str]:
    """A copy of a folder, and a note where it is not all of it.

    It is without hidden files, environments and links to other folders. Of a folder that is too large the files
    nearest to the script come first.
    """
    left, files, is_whole = _MOST_BYTES, _MOST_FILES, True
    copy = into / (folder.name or "folder")
    folders = [(folder, copy)]
    try:
        while folders and files > 0:
            source, target = folders.pop(0)
            target.mkdir()
            for each in sorted(source.iterdir()):
                if each.name.startswith(".") or each.name == "__pycache__":
                    continue
                if each.is_dir() and not each.is_symlink() and not (each / "pyvenv.cfg").exists():
                    folders.append((each, target / each.name))
                elif each.is_file() and files > 0 and (size := each.stat().st_size) <= left:
                    shutil.copy2(each, target / each.name)
                    left, files = left - size, files - 1
                elif each.is_file():
                    is_whole = False
    except OSError as error:
        raise CheckError(
            f"The folder {shown(str(folder))} cannot be copied: {error}; expected files that can be read."
        ) from error
    if is_whole and not folders:
        return copy, ""
    return copy, (
        f"The script ran in a copy of its folder, of which only {_MOST_BYTES / 1e6:.0f} MB and {_MOST_FILES:,} files "
        "were taken, those nearest to it first."
    )


def _ended(target: str, error: ChildError, timeout_s: float) -> CheckError:
    if error.how == "timed-out":
        return CheckError(
            f"{target} was not checked within {timeout_s:g} s; expected a shorter script, or a longer time limit."
        )
    return CheckError(
        f"{target} cannot be checked: its process {error.reason}; expected a script that goes on."
    )
