"""The process of a script: it runs the script, examines it, and answers once.

{"target": …, "path": …, "loss": …, "seconds": …, "trace": …}
->  {"check": …}, or {"error": …} with a traceback in "lines"
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from backprop.check.failures import UserError, one_line
from backprop.check.script.examine import examine
from backprop.check.script.source import read_cells
from backprop.child_process import private_output, tie_to_parent
from backprop.errors import BackpropError


def main() -> None:
    """Answer one question, then end whatever the script has left running."""
    tie_to_parent()
    question = json.loads(sys.stdin.readline())
    answers = private_output()
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)

    def heard() -> None:
        """What later runs print is what the first one has printed."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)

    try:
        path = Path(question["path"])
        cells = read_cells(str(path), question["target"])
        os.chdir(path.parent)
        sys.path.insert(0, str(path.parent))
        sys.argv = [path.name]
        module = sys.modules["__main__"] = ModuleType("__main__")
        vars(module).update(__file__=str(path), display=print)
        check = examine(
            cells, question["target"], question["loss"], question["seconds"], heard, question["trace"]
        )
        answer: dict[str, Any] = {"check": check.to_dict()}
    except UserError as error:
        answer = {"error": str(error), "lines": error.lines}
    except BackpropError as error:
        answer = {"error": str(error)}
    except Exception as error:
        answer = {"error": f"{question['target']} cannot be checked: {one_line(error)}."}
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
