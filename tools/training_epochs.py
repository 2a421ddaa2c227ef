"""An epoch of training by this package, PyTorch or scikit-learn, which takes turns as strategies do in a run.

The same network, batch size, optimiser and dtype: `tools/training_peers.py` compares them. A worker finds an epoch as
it finds a user's strategy, by `file.py:name`, and the data by the variable `DATA` of the environment.

Each library is used as its documentation has it, with all training data in memory as float32: PyTorch with
`nn.Sequential`, `CrossEntropyLoss` and a shuffled index, without a DataLoader, which costs more than the
training; once with its default optimiser and once with `fused=True`; scikit-learn with
`MLPClassifier.partial_fit`, which is one epoch. Their weight decay is off.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from backprop import Accuracy, Batch, Cost, Network, Parameters, Strategy, ValueAndGradient
from backprop.arrays import DType
from backprop.strategy import EXACT

LIBRARIES = ("short-form", "pytorch", "pytorch-fused", "scikit-learn")
_MODULES = {"pytorch": "torch", "pytorch-fused": "torch", "scikit-learn": "sklearn"}
HIDDEN = 512
RATES = {"sgd": 0.5, "momentum": 0.1, "adam": 0.001}
DATA = "BACKPROP_TRAINING_DATA"

Run = Callable[[], None]


def installed() -> list[str]:
    """The libraries that can be measured here; ours is always the first."""
    return [
        name
        for name in LIBRARIES
        if name not in _MODULES or importlib.util.find_spec(_MODULES[name]) is not None
    ]


@final
@dataclass(frozen=True, repr=False)
class Epoch(Strategy[Run]):
    """An epoch of training by a library, which takes turns as a strategy does and gives no gradient."""

    library: str
    optimizer: str

    summary: ClassVar[str] = "an epoch of training"

    @property
    def name(self) -> str:
        """The name of this epoch in the namespace of this file."""
        return f"{self.library}_{self.optimizer}".replace("-", "_")

    @property
    def target(self) -> str:
        """The `file.py:name` by which a worker finds this epoch."""
        return f"{Path(__file__).resolve()}:{self.name}"

    @property
    def accuracy(self) -> Accuracy:
        """Exact by declaration; nobody asks for it, since an epoch gives no gradient."""
        return EXACT

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """Every network can be trained."""
        return None

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost | None:
        """Not predicted."""
        return None

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Run:
        """The model and the data of the library."""
        from backprop.data import load

        makers = {
            "short-form": _own,
            "pytorch": _torch,
            "pytorch-fused": lambda *rest: _torch(*rest, fused=True),
            "scikit-learn": _sklearn,
        }
        return makers[self.library](load(os.environ[DATA]), self.optimizer, batch_size)

    def value_and_gradient(self, plan: Run, params: Parameters, batch: Batch) -> ValueAndGradient:
        """Train for one epoch."""
        plan()
        return ValueAndGradient(0.0, params)


for _library, _optimizer in itertools.product(LIBRARIES, RATES):
    globals()[Epoch(_library, _optimizer).name] = functools.partial(Epoch, _library, _optimizer)


# The libraries ----------------------------------------------------------------------------------------


def _own(dataset: Any, optimizer: str, batch_size: int) -> Run:
    from backprop.training import Settings, Trainer

    network = f"{dataset.train_images[0].size}-{HIDDEN}-{dataset.classes}"
    settings = Settings(
        network=network,
        optimizer=optimizer,
        learning_rate=RATES[optimizer],
        schedule="constant",
        batch_size=batch_size,
        shift=0,  # the others have none
        epochs=1_000_000,
    )
    trainer = Trainer(settings, dataset.train_images, dataset.train_labels)

    def epoch() -> None:
        for _ in range(trainer.batches.per_epoch):
            trainer.take_step()

    return epoch


def _torch(dataset: Any, optimizer: str, batch_size: int, *, fused: bool = False) -> Run:
    from backprop.data import as_inputs

    torch: Any = importlib.import_module("torch")
    torch.manual_seed(0)
    inputs = torch.from_numpy(as_inputs(dataset.train_images, np.float32))
    labels = torch.from_numpy(dataset.train_labels.astype(np.int64))
    model = torch.nn.Sequential(
        torch.nn.Linear(inputs.shape[1], HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, dataset.classes)
    )
    criterion = torch.nn.CrossEntropyLoss()
    kind = torch.optim.Adam if optimizer == "adam" else torch.optim.SGD
    options: dict[str, Any] = {"momentum": 0.9} if optimizer == "momentum" else {}
    options |= {"fused": True} if fused else {}
    stepper = kind(model.parameters(), lr=RATES[optimizer], **options)

    def epoch() -> None:
        order = torch.randperm(len(inputs))
        for k in range(len(inputs) // batch_size):
            chosen = order[k * batch_size : (k + 1) * batch_size]
            stepper.zero_grad()
            criterion(model(inputs[chosen]), labels[chosen]).backward()
            stepper.step()

    return epoch


def _sklearn(dataset: Any, optimizer: str, batch_size: int) -> Run:
    from backprop.data import as_inputs

    neural_network: Any = importlib.import_module("sklearn.neural_network")
    inputs = as_inputs(dataset.train_images, np.float32)
    model = neural_network.MLPClassifier(
        (HIDDEN,),
        solver="adam" if optimizer == "adam" else "sgd",
        momentum=0.9 if optimizer == "momentum" else 0.0,
        nesterovs_momentum=False,
        alpha=0.0,
        batch_size=batch_size,
        learning_rate_init=RATES[optimizer],
        random_state=0,
    )
    classes = np.arange(dataset.classes)
    return lambda: model.partial_fit(inputs, dataset.train_labels, classes=classes)
