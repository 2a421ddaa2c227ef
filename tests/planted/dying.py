"""Strategies that take their process with them, or never come back; for workers only, never for this process."""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from failing import CannotCompile  # noqa: F401  # for the worker that finds it here
from wrong import ByHand


class Segfaults(ByHand):
    name = "segfaults"

    def value_and_gradient(self, plan, params, batch):
        return ctypes.string_at(0)


class LeavesAtOnce(ByHand):
    name = "leaves-at-once"

    def value_and_gradient(self, plan, params, batch):
        os._exit(3)


class SegfaultsWhenTimed(ByHand):
    """Its first calls, which verify it, are right; after a hundred calls it ends its process."""

    name = "segfaults-when-timed"
    calls = 0

    def value_and_gradient(self, plan, params, batch):
        SegfaultsWhenTimed.calls += 1
        if self.calls > 100:
            ctypes.string_at(0)
        return super().value_and_gradient(plan, params, batch)


class Hangs(ByHand):
    name = "hangs"

    def value_and_gradient(self, plan, params, batch):
        while True:
            time.sleep(1)


class TakesAllMemory(ByHand):
    """Asks for more address space than a child may have, and less than the machine would give."""

    name = "takes-all-memory"

    def prepare(self, network, batch_size, dtype):
        return [np.empty(2**30, np.uint8) for _ in range(12)]


class KilledByTheSystem(ByHand):
    name = "killed-by-the-system"

    def value_and_gradient(self, plan, params, batch):
        os.kill(os.getpid(), signal.SIGKILL)


class ClosesItsPipes(ByHand):
    """Closes its pipes: it lives on and cannot answer."""

    name = "closes-its-pipes"

    def value_and_gradient(self, plan, params, batch):
        os.closerange(0, 256)
        while True:
            time.sleep(1)


class DiesOfARealTimeSignal(ByHand):
    name = "dies-of-a-real-time-signal"

    def value_and_gradient(self, plan, params, batch):
        os.kill(os.getpid(), signal.SIGRTMIN + 3)


class Chatty(ByHand):
    """Prints to the pipe of the answers, from Python and from C."""

    name = "chatty"

    def value_and_gradient(self, plan, params, batch):
        print("{}")
        os.write(1, b"{}\n")
        return super().value_and_gradient(plan, params, batch)
