"""Seconds of whole commands, for the table of targets: python tools/commands.py --out results/reference/commands.json

The CPU seconds of commands that a user waits for, each the median of five runs; with --tests also how long the tests
and the script of the checks take by the clock, once each.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from backprop.bench.files import keep, write_files

RUNS = 5
GRADIENT = """import numpy as np


def gradient(W1, b1, W2, b2, x, labels):
    z1 = x @ W1 + b1
    a1 = np.maximum(z1, 0)
    z2 = a1 @ W2 + b2
    e = np.exp(z2 - z2.max(axis=1, keepdims=True))
    dz2 = (e / e.sum(axis=1, keepdims=True) - np.eye(10)[labels]) / len(x)
    dz1 = dz2 @ W2.T * (z1 > 0)
    return {"W1": x.T @ dz1, "b1": dz1.sum(axis=0), "W2": a1.T @ dz2, "b2": dz2.sum(axis=0)}
"""
COMMANDS = {
    "import backprop": "-c 'import backprop'",
    "backprop --help": "-m backprop --help",
    "backprop check of 784-512-10": "-m backprop check mine.py:gradient --network 784-512-10",
}
TESTS = ["make test", ".ci/run"]


def cpu_seconds(arguments: str, folder: Path) -> float:
    """User and system time of Python with these arguments, and of the processes that it starts."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, *shlex.split(arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{arguments}: {done.stdout}{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measured(tests: bool) -> list[dict[str, Any]]:
    """One row for each command: its seconds, by which clock, and how many runs."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "mine.py").write_text(GRADIENT, encoding="utf-8")
        for command, arguments in COMMANDS.items():
            cpu_seconds(arguments, folder)  # compiles modules
            seconds = statistics.median(cpu_seconds(arguments, folder) for _ in range(RUNS))
            rows.append({"command": command, "seconds": round(seconds, 3), "clock": "CPU", "runs": RUNS})
    for command in TESTS if tests else []:
        start = time.monotonic()
        subprocess.run(command, shell=True, check=True, env=os.environ | {"MAKEFLAGS": ""})
        seconds = round(time.monotonic() - start, 1)
        rows.append({"command": command, "seconds": seconds, "clock": "wall", "runs": 1})
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the file, commands.json")
    parser.add_argument("--tests", action="store_true", help="the tests and .ci/run as well")
    parser.add_argument("--fresh", action="store_true", help="replace what is there")
    options = parser.parse_args()
    keep([options.out], options.fresh)
    text = json.dumps(measured(options.tests), indent=2) + "\n"
    write_files("The seconds", options.out.parent, {options.out.name: text})
