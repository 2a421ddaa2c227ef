"""The door: a script or notebook is checked in a process of its own, in a copy of its folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from backprop.check.failures import UserError
from backprop.check.script.result import ScriptCheck
from backprop.child_process import ChildError, ChildProcess
from backprop.errors import BudgetError, CheckError, is_file, shown

_MOST_BYTES, _MOST_FILES = 500e6, 20_000
"""Of a folder that is copied."""
_LAST_WORDS_S = 3.0
_MOST_ANSWER_BYTES = 2**24


def check_script(
    path: str | os.PathLike[str],
    loss: str = "loss",
    *,
    timeout_s: float = 60.0,
    memory_bytes: float | None = None,
) -> ScriptCheck:
    """Whether the gradients that the top level of a script or notebook computes are right, and which lines are wrong.

    path: of a file.py or notebook.ipynb, whose top level computes the loss and, for any of its variables x, dL/dx,
    called dx, d_x, grad_x, x_grad or the like. Each is compared with the truth, that of an intermediate, too: the
    script runs again with x moved. Arrays of NumPy and tensors of PyTorch are taken.
    loss: the name of the variable that holds the loss, one number.
    timeout_s: the longest that all runs may take together. memory_bytes: the most memory that the script may take.

    The script runs in a process of its own, in a copy of its folder without hidden files. The global random numbers
    have a seed; a generator of its own needs one.

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
    question = {"target": target, "loss": loss, "seconds": timeout_s}
    variables = {"MPLBACKEND": "Agg", "DISPLAY": ""}  # nobody looks at the windows
    with tempfile.TemporaryDirectory() as folder:
        own = Path(target).resolve()
        question["path"] = str(_copied(own.parent, Path(folder)) / own.name)
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
        return ScriptCheck.from_dict({**answer["check"], "printed": printed})
    except (KeyError, TypeError) as error:
        raise CheckError(
            f"{target} cannot be checked: its process sent no result that can be read."
        ) from error


def _copied(folder: Path, into: Path) -> Path:
    """A copy of a folder: its files, without hidden ones and links to other folders."""
    left, files = _MOST_BYTES, _MOST_FILES

    def ignored(parent: str, names: list[str]) -> list[str]:
        nonlocal left, files
        found = []
        for name in names:
            each = Path(parent, name)
            if name.startswith(".") or name == "__pycache__" or not (each.is_file() or each.is_dir()):
                found.append(name)
            elif each.is_dir():
                found += [name] if each.is_symlink() else []
            else:
                left, files = left - each.stat().st_size, files - 1
        if left < 0 or files < 0:
            raise CheckError(
                f"The folder {shown(str(folder))} holds over {_MOST_BYTES / 1e6:.0f} MB or {_MOST_FILES:,} files; "
                "expected the script in a folder of its own, since it runs in a copy of that."
            )
        return found

    try:
        return Path(shutil.copytree(folder, into / (folder.name or "folder"), ignore=ignored))
    except (OSError, shutil.Error) as error:
        raise CheckError(f"The folder {shown(str(folder))} cannot be copied: {error}.") from error


def _ended(target: str, error: ChildError, timeout_s: float) -> CheckError:
    if error.how == "timed-out":
        return CheckError(
            f"{target} was not checked within {timeout_s:g} s; expected a shorter script, or a longer time limit."
        )
    return CheckError(
        f"{target} cannot be checked: its process {error.reason}; expected a script that goes on."
    )
