"""Strategies that kill the process that runs them, or the Dask worker that measures them."""

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from wrong import ByHand


class KillsItsWorker(ByHand):
    name = "kills-its-worker"

    def value_and_gradient(self, plan, params, batch):
        os.kill(os.getppid(), signal.SIGKILL)
        return super().value_and_gradient(plan, params, batch)


@dataclass(frozen=True)
class KillsItsProcess(ByHand):
    """Right, but for the first `times` calls that find room in `folder`: those kill the process they run in."""

    folder: str = ""
    times: int = 1

    name = "kills-its-process"

    def value_and_gradient(self, plan, params, batch):
        for number in range(self.times):
            try:
                (Path(self.folder) / str(number)).touch(exist_ok=False)
            except FileExistsError:
                continue
            os.kill(os.getpid(), signal.SIGKILL)
        return super().value_and_gradient(plan, params, batch)


class Sleeps(ByHand):
    name = "sleeps"

    def value_and_gradient(self, plan, params, batch):
        time.sleep(5)
        return super().value_and_gradient(plan, params, batch)
