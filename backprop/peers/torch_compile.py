"""torch.compile of the loss together with its gradient: forward and backward pass are one graph of fused C++ loops.

What is compiled is torch.func.grad_and_value of the loss, for the shapes of the batch. PyTorch keeps what it has
compiled in a folder of the machine, so the first start of a run compiles and the others load; either is preparation.
A library that cannot compile here, as without a C++ compiler, says so when the plan is made.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import DType
from backprop.errors import UnavailableError
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.peers.base import Raw, reverse_mode_cost
from backprop.peers.functional import AutomaticPeer, Functional, Plan

_COMPILER = os.environ.get("CXX", {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++"))

_WORDS = 40
"""The words that are kept of what PyTorch says when it cannot compile, which goes on for pages."""


@final
@dataclass(frozen=True, repr=False)
class TorchCompile(AutomaticPeer):
    """torch.compile, by default with C++; `backend` is PyTorch's name of what compiles the graph."""

    backend: str = "inductor"

    name = "torch-compile"
    package: ClassVar[str] = "torch"
    oldest: ClassVar[str] = "2.5"
    function: ClassVar[str] = "torch.compile of torch.func.grad_and_value"
    build: ClassVar[tuple[str, ...]] = ("version.cuda", "get_num_threads", "__config__.show")
    programs: ClassVar[tuple[str, ...]] = (_COMPILER,)
    summary: ClassVar[str] = "PyTorch: torch.compile of the loss and its gradient as one graph"

    cost = staticmethod(reverse_mode_cost)

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Import PyTorch and compile for these shapes; raises `UnavailableError` where it cannot."""
        import torch

        functional = Functional(network.short, torch)
        _ = functional.network.names  # a property that locks itself the first time, which cannot be compiled

        def function(tensors: Any, x: Any, labels: Any) -> Any:
            return torch.func.grad_and_value(functional.loss)(tensors, x, labels)

        # PyTorch keeps a few compiled forms of one code object and refuses more: every plan has an own one.
        function.__code__ = function.__code__.replace()
        # In this process: PyTorch's pool of compilers would go on living beside what is measured.
        options: Any = {"compile_threads": 1} if self.backend == "inductor" else None
        compiled = torch.compile(
            function, fullgraph=True, dynamic=False, backend=self.backend, options=options
        )
        try:
            return self.compiled(compiled, network, batch_size, dtype)
        except torch._dynamo.exc.TorchDynamoException as error:
            reason = " ".join(str(error).split()[:_WORDS])
            raise UnavailableError(f"torch.compile cannot compile here: {reason}") from error

    def bind(self, plan: Plan, params: Parameters, batch: Batch) -> Callable[[], Raw]:
        """Tensors that share the arrays' memory."""
        import torch

        tensors = {name: torch.from_numpy(array) for name, array in params.items()}
        x, labels = torch.from_numpy(batch.inputs), torch.from_numpy(batch.labels.astype(np.int64))

        @torch.no_grad()
        def call() -> Raw:
            gradients, loss = plan.function(tensors, x, labels)
            return loss, gradients

        return call


STRATEGIES = (TorchCompile(),)
