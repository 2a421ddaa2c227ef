"""A strategy that kills the process that measures it *for* somebody: on a cluster, the Dask worker itself."""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from wrong import ByHand


class KillsItsWorker(ByHand):
    name = "kills-its-worker"

    def value_and_gradient(self, plan, params, batch):
        os.kill(os.getppid(), signal.SIGKILL)
        return super().value_and_gradient(plan, params, batch)
