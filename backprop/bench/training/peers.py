"""Seconds per epoch against PyTorch and scikit-learn:   python -m backprop.bench.training.peers --data mnist

The same network, batch size, optimiser and dtype; every library in a process of its own, epochs in turn, and
who waits is stopped (SIGSTOP), since its idle threads would spin on the cores of the one being measured. A
ratio is formed turn by turn, so that drift of the machine cancels; the median of the turns is given.

Each library is used as its documentation has it, with all training data in memory as float32: PyTorch with
`nn.Sequential`, `CrossEntropyLoss` and a shuffled index, without a DataLoader, which costs more than the
training; once with its default optimiser and once with `fused=True`; scikit-learn with
`MLPClassifier.partial_fit`, which is one epoch. Their weight decay is off.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import itertools
import json
import signal
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from backprop.bench.threads import available_cores, fix_threads
from backprop.child_process import private_output, tie_to_parent

if TYPE_CHECKING:
    from backprop.child_process import ChildProcess

LIBRARIES = ("short-form", "pytorch", "pytorch-fused", "scikit-learn")
_MODULES = {"pytorch": "torch", "pytorch-fused": "torch", "scikit-learn": "sklearn"}
HIDDEN = 512
_START_UP_S = 300.0
_EPOCH_S = 3600.0
RATES = {"sgd": 0.5, "momentum": 0.1, "adam": 0.001}

Epoch = Callable[[], None]


def installed() -> list[str]:
    """The libraries that can be measured here; ours is always the first."""
    return [
        name
        for name in LIBRARIES
        if name not in _MODULES or importlib.util.find_spec(_MODULES[name]) is not None
    ]


def measure_peers(
    data: str, optimizer: str, batch_size: int, threads: int, turns: int, libraries: Sequence[str]
) -> dict[str, list[float]]:
    """Seconds of every epoch by library, the turns in order; the first epoch of each is a warm-up."""
    samples: dict[str, list[float]] = {name: [] for name in libraries}
    with contextlib.ExitStack() as stack:
        workers = {
            name: stack.enter_context(_start([name, data, optimizer, str(batch_size), str(threads)]))
            for name in libraries
        }
        for turn in range(turns + 1):
            # An odd turn goes backwards, so that none always follows the same other.
            for name in list(workers)[:: 1 if turn % 2 == 0 else -1]:
                seconds = _one_epoch(workers[name])
                if turn > 0:
                    samples[name].append(seconds)
    return samples


def summary(samples: dict[str, list[float]]) -> list[dict[str, Any]]:
    """By library: median and quartiles of the seconds per epoch, and the median ratio ours ÷ theirs."""
    own = samples[LIBRARIES[0]]
    rows = []
    for name, values in samples.items():
        ratios = [a / b for a, b in zip(own, values, strict=True)]
        rows.append(
            {
                "library": name,
                "seconds_per_epoch": statistics.median(values),
                "fastest_epoch_s": min(values),
                "ratio_short_form": statistics.median(ratios),
                "ratio_smallest": min(ratios),
                "ratio_largest": max(ratios),
                "samples_s": values,
            }
        )
    return rows


def _start(arguments: list[str]) -> ChildProcess:
    """Start a worker, wait until it is ready, and stop it."""
    from backprop.child_process import ChildProcess  # loads NumPy: nothing that a worker may do so early

    worker = ChildProcess("backprop.bench.training.peers", "--worker", *arguments, keeps_output=False)
    try:
        worker.receive(_START_UP_S)
    except BaseException:
        worker.end()
        raise
    worker.stop()
    return worker


def _one_epoch(worker: ChildProcess) -> float:
    worker.resume()
    answer = worker.ask({"do": "epoch"}, _EPOCH_S)
    worker.stop()
    return float(answer["seconds"])


# The workers ------------------------------------------------------------------------------------------


def _work(name: str, data: str, optimizer: str, batch_size: int) -> None:
    """Make the library's epoch, and run one for each line on standard input; answer with its seconds."""
    from backprop.data import load

    tie_to_parent()
    answers = private_output()
    dataset = load(data)
    makers = {
        "short-form": _own,
        "pytorch": _torch,
        "pytorch-fused": lambda *rest: _torch(*rest, fused=True),
        "scikit-learn": _sklearn,
    }
    epoch = makers[name](dataset, optimizer, batch_size)
    _say(answers, {})
    for _ in sys.stdin:
        time.sleep(0.01)  # the libraries' threads wake up
        start = time.perf_counter()
        epoch()
        _say(answers, {"seconds": time.perf_counter() - start})


def _say(answers: IO[str], answer: dict[str, float]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _own(dataset: Any, optimizer: str, batch_size: int) -> Epoch:
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


def _torch(dataset: Any, optimizer: str, batch_size: int, *, fused: bool = False) -> Epoch:
    import numpy as np

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


def _sklearn(dataset: Any, optimizer: str, batch_size: int) -> Epoch:
    import numpy as np

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
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default="sample", help="sample, mnist, or a folder of IDX files")
    parser.add_argument("--optimizer", action="append", choices=tuple(RATES), help="momentum and adam")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, action="append", help="once for each; all cores up to 2")
    parser.add_argument("--turns", type=int, default=7, help="epochs of each library, one more to warm up")
    parser.add_argument("--out", type=Path, help="a folder for peers.json")
    parser.add_argument("--fresh", action="store_true", help="replace what is there")
    parser.add_argument("--worker", nargs=5, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.worker:
        name, data, optimizer, batch, threads = chosen.worker
        fix_threads(int(threads))  # before NumPy loads
        _work(name, data, optimizer, int(batch))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no stopped worker is left behind
    _measure_and_report(chosen)


def _measure_and_report(chosen: argparse.Namespace) -> None:
    import msgspec

    from backprop.bench.console import make_console, make_table
    from backprop.bench.folders import keep
    from backprop.bench.machine import describe_machine
    from backprop.bench.report import units
    from backprop.peers.pytorch import TorchGrad

    keep("The file", [chosen.out / "peers.json"] if chosen.out else [], chosen.fresh)
    results = []
    columns = ("library", "seconds per epoch", "fastest", "short-form ÷ library", "from", "to")
    counts = chosen.threads or [min(2, len(available_cores()))]
    for threads, optimizer in itertools.product(counts, chosen.optimizer or ("momentum", "adam")):
        rows = summary(
            measure_peers(chosen.data, optimizer, chosen.batch, threads, chosen.turns, installed())
        )
        results.append({"optimizer": optimizer, "threads": threads, "libraries": rows})
        table = make_table(f"{optimizer}, {chosen.data}, threads: {threads}", columns, columns[1:])
        for row in rows:
            times = (row["seconds_per_epoch"], row["fastest_epoch_s"])
            ratios = (row["ratio_short_form"], row["ratio_smallest"], row["ratio_largest"])
            table.add_row(row["library"], *map(units.seconds, times), *map(units.ratio, ratios))
        make_console().print(table)
    if chosen.out:
        chosen.out.mkdir(parents=True, exist_ok=True)
        machine = msgspec.to_builtins(
            describe_machine(max(counts), [], {"torch": TorchGrad.build, "sklearn": ()})
        )
        values = {"machine": machine, "batch": chosen.batch, "data": chosen.data, "results": results}
        (chosen.out / "peers.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
