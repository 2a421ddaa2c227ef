"""Clusters of real Dask workers over TCP on loopback, each of which may claim to be another host."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from command import environment

PRELOAD = """
import os
import backprop
from backprop.bench import machine

backprop.__version__ = os.environ.get("CLAIMED_VERSION", backprop.__version__)
if "CLAIMED_HOST" in os.environ:
    machine.host_name = lambda: os.environ["CLAIMED_HOST"]
    machine.cpu_name = lambda: os.environ["CLAIMED_CPU"]
"""
PATIENCE_S = 120


@dataclass
class DaskCluster:
    """A scheduler, and workers without nannies: what dies stays dead."""

    folder: Path
    started: list = field(default_factory=list)

    def __post_init__(self):
        (self.folder / "preload.py").write_text(PRELOAD, encoding="utf-8")
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", *self._file)
        self.wait_for(lambda: (self.folder / "scheduler.json").exists())
        self.address = json.loads((self.folder / "scheduler.json").read_text(encoding="utf-8"))["address"]

    def add_worker(self, host, cpu="Processor A", **more):
        """A worker that claims to be on that host; its process."""
        return self._start(
            *(
                "worker",
                self.address,
                "--no-nanny",
                "--nthreads",
                "1",
                "--no-dashboard",
                "--memory-limit",
                "0",
            ),
            *(
                "--host",
                "127.0.0.1",
                "--preload",
                self.folder / "preload.py",
                "--local-directory",
                self.folder,
            ),
            CLAIMED_HOST=host,
            CLAIMED_CPU=cpu,
            **more,
        )

    def wait_for(self, condition):
        """Until the condition holds; fails where it does not."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.05)

    def stop(self):
        """End everything that was started."""
        for process in self.started:
            process.send_signal(signal.SIGKILL)
            process.wait()

    @property
    def _file(self):
        return ("--scheduler-file", self.folder / "scheduler.json")

    def _start(self, *arguments, **more):
        command = [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *map(str, arguments[1:])]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment() | {"PYTHONPATH": os.pathsep.join(sys.path)} | more,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.started.append(process)
        return process


@pytest.fixture
def dask_cluster(tmp_path):
    """A scheduler without workers."""
    folder = tmp_path / "dask"
    folder.mkdir()
    made = DaskCluster(folder)
    yield made
    made.stop()
