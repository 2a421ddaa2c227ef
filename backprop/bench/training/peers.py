"""Seconds per epoch against PyTorch and scikit-learn:   python -m backprop.bench.training.peers --data mnist

The same network, batch size, optimiser and dtype. The libraries take turns as strategies do in a run: each in a
process of its own, started afresh several times, and a turn is one epoch.

Each library is used as its documentation has it, with all training data in memory as float32: PyTorch with
`nn.Sequential`, `CrossEntropyLoss` and a shuffled index, without a DataLoader, which costs more than the
training; once with its default optimiser and once with `fused=True`; scikit-learn with
`MLPClassifier.partial_fit`, which is one epoch. Their weight decay is off.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import itertools
import json
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from backprop import Accuracy, Batch, Cost, Network, Parameters, Strategy, ValueAndGradient
from backprop.arrays import DType
from backprop.bench.record import SamplesByName
from backprop.bench.scenarios import Scenario
from backprop.bench.statistics import ratio_of, time_of
from backprop.bench.threads import available_cores, choose_cores
from backprop.bench.turns import Participant, Schedule, Site, take_turns
from backprop.strategy import EXACT

LIBRARIES = ("short-form", "pytorch", "pytorch-fused", "scikit-learn")
_MODULES = {"pytorch": "torch", "pytorch-fused": "torch", "scikit-learn": "sklearn"}
HIDDEN = 512
RATES = {"sgd": 0.5, "momentum": 0.1, "adam": 0.001}
_MEMORY_BYTES = 2.0**40  # of address space, most of which a library only reserves
_EPOCH_S = 3600.0

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
    data: str

    summary: ClassVar[str] = "an epoch of training"

    @property
    def name(self) -> str:
        """By which a worker finds it."""
        return f"epoch:{self.library}:{self.optimizer}:{self.data}"

    @property
    def accuracy(self) -> Accuracy:
        """Never asked for."""
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
        return makers[self.library](load(self.data), self.optimizer, batch_size)

    def value_and_gradient(self, plan: Run, params: Parameters, batch: Batch) -> ValueAndGradient:
        """Train for one epoch."""
        plan()
        return ValueAndGradient(0.0, params)


def measure_peers(
    data: str,
    optimizer: str,
    batch_size: int,
    threads: int,
    schedule: Schedule,
    libraries: Sequence[str],
    advance: Callable[[], None] = lambda: None,
) -> SamplesByName:
    """Seconds of every epoch by library and start; the first epoch of a start is a warm-up.

    `advance` is called after every turn of all libraries, for a display.
    Raises `WorkerError` where a library fails.
    """
    from backprop.data import load

    dataset = load(data)
    network = Network.mlp(dataset.train_images[0].size, HIDDEN, dataset.classes)
    site = Site(data, threads, choose_cores(threads), _MEMORY_BYTES, _EPOCH_S)
    turns = take_turns(
        Scenario.of(network, batch_size, "float32"),
        [Participant(name, Epoch(name, optimizer, data).name) for name in libraries],
        schedule,
        site,
        np.random.default_rng(),
        advance,
    )
    for outcome in turns.outcomes.values():
        if outcome.failure is not None:
            raise outcome.failure
    return {name: outcome.starts for name, outcome in turns.outcomes.items()}


def summary(samples: SamplesByName) -> list[dict[str, Any]]:
    """By library: seconds per epoch and the ratio ours ÷ theirs, with their 95% intervals."""
    rows = []
    for name, values in samples.items():
        ratio = ratio_of(samples[LIBRARIES[0]], values, together=True).estimate
        rows.append(
            {
                "library": name,
                "seconds_per_epoch": time_of(values).estimate.value,
                "ratio_short_form": ratio.value,
                "ratio_low": ratio.low,
                "ratio_high": ratio.high,
                "samples_s": values,
            }
        )
    return rows


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


# The command ------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, and write peers.json where a folder is given."""
    import msgspec

    from backprop.bench.console import make_console
    from backprop.bench.folders import keep
    from backprop.bench.machine import describe_machine
    from backprop.bench.progress import Progress
    from backprop.bench.report import units
    from backprop.bench.table import Columns, Table, print_tables
    from backprop.peers.pytorch import TorchGrad

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default="sample", help="sample, mnist, or a folder of IDX files")
    parser.add_argument("--optimizer", action="append", choices=tuple(RATES), help="momentum and adam")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, action="append", help="once for each; all cores up to 2")
    parser.add_argument("--starts", type=int, default=6, help="fresh processes of each library")
    parser.add_argument("--turns", type=int, default=2, help="epochs of each process, after one to warm up")
    parser.add_argument("--out", type=Path, help="a folder for peers.json")
    parser.add_argument("--fresh", action="store_true", help="replace what is there")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no stopped worker is left behind
    keep("The file", [chosen.out / "peers.json"] if chosen.out else [], chosen.fresh)
    schedule = Schedule(chosen.starts, chosen.turns, slow_s=_EPOCH_S * chosen.starts * chosen.turns)
    results = []
    counts = chosen.threads or [min(2, len(available_cores()))]
    for threads, optimizer in itertools.product(counts, chosen.optimizer or ("momentum", "adam")):
        with Progress(f"{optimizer}, threads: {threads}", chosen.starts * chosen.turns) as progress:
            samples = measure_peers(
                chosen.data, optimizer, chosen.batch, threads, schedule, installed(), progress.advance
            )
        rows = summary(samples)
        results.append({"optimizer": optimizer, "threads": threads, "libraries": rows})
        texts = [
            {
                "library": row["library"],
                "seconds per epoch": units.seconds(row["seconds_per_epoch"]),
                "short-form ÷ library": units.ratio(row["ratio_short_form"]),
                "from": units.ratio(row["ratio_low"]),
                "to": units.ratio(row["ratio_high"]),
            }
            for row in rows
        ]
        columns = Columns(everything="peers.json (--out)")
        title = f"{optimizer}, {chosen.data}, threads: {threads}"
        print_tables(make_console(), [Table(title, texts)], columns)
    if chosen.out:
        chosen.out.mkdir(parents=True, exist_ok=True)
        machine = msgspec.to_builtins(
            describe_machine(max(counts), [], {"torch": TorchGrad.build, "sklearn": ()})
        )
        values = {"machine": machine, "batch": chosen.batch, "data": chosen.data, "results": results}
        (chosen.out / "peers.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
