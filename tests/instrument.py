"""Real runs of the instrument, in processes of their own, small enough for a test."""

import json
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from command import BACKPROP, environment, without_notes
from processes import marked

TINY = """\
networks = ["4-3-2", "9-4-2"]
batches = [4]
strategies = ["short-form", "layerwise-vjp"]
starts = 3
turns = 1
"""
PATIENCE_S = 600


@dataclass
class Instrument:
    """`backprop …` in a folder of its own; what it starts is found again by a mark in its environment."""

    folder: Path

    def __post_init__(self):
        self.mark = uuid.uuid4().hex
        (self.folder / "tiny.toml").write_text(TINY, encoding="utf-8")

    def start(self, *arguments, **streams):
        """Start the command."""
        return subprocess.Popen(
            [BACKPROP, *map(str, arguments)],
            cwd=self.folder,
            env=environment(BACKPROP_TEST=self.mark),
            stdin=subprocess.DEVNULL,
            **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | streams,
        )

    def run(self, *arguments):
        """Run the command to its end; code, standard output and standard error."""
        process = self.start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
        return process.returncode, out.decode(), without_notes(err.decode())

    def run_json(self, *arguments):
        """Run the command with --json; code and what it printed."""
        code, out, err = self.run(*arguments, "--json")
        assert out, err
        return code, json.loads(out)

    def processes(self):
        """What this instrument has started and is still there, zombies left out."""
        return marked(self.mark)

    def wait_until(self, condition, running=None):
        """Wait until the condition holds; fails where it does not, or the process ends before."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            assert running is None or running.poll() is None, "the run ended before"
            time.sleep(0.05)
