"""The targets of training, measured:   python tools/training_targets.py --data mnist --out DIR

Five seeds of 784-512-10 in float32 with the defaults of `backprop train`: the accuracy after 10 epochs, the
seconds of training until 98.0% was first seen (looked at every half epoch), and the accuracy that 6 seconds
buy when the schedule follows the clock. Memory: the most that was allocated in training above the data. Then `lenet`:
its accuracy after 5 epochs, and how long they took.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backprop.bench.threads import available_cores, fix_threads

if TYPE_CHECKING:
    from backprop.data import Dataset
    from backprop.training import Settings, Trainer

SEEDS = (0, 1, 2, 3, 4)
WANTED = 0.98
SECONDS = 6.0
LENET_EPOCHS = 5


def train_to_the_end(settings: Settings, dataset: Dataset) -> Trainer:
    """A finished training, with a point of its history at every half epoch."""
    from backprop.training import Trainer

    trainer = Trainer(settings, dataset.train_images, dataset.train_labels)
    half = max(1, trainer.batches.per_epoch // 2)
    while not trainer.finished:
        trainer.take_step()
        if trainer.step % half == 0 or trainer.finished:
            trainer.mark(dataset.test_images, dataset.test_labels)
    return trainer


def row_of_seed(settings: Settings, dataset: Dataset) -> dict[str, Any]:
    """The figures of one seed."""
    whole = train_to_the_end(settings, dataset)
    timed = train_to_the_end(dataclasses.replace(settings, epochs=None, seconds=SECONDS), dataset)
    reached = [point for point in whole.history if point.test_accuracy >= WANTED]
    return {
        "seed": settings.seed,
        "epochs": settings.epochs,
        "test_accuracy": whole.history[-1].test_accuracy,
        "seconds": whole.seconds,
        "seconds_to_98": reached[0].seconds if reached else None,
        "steps_to_98": reached[0].step if reached else None,
        "test_accuracy_after_6_s": timed.history[-1].test_accuracy,
        "steps_in_6_s": timed.step,
    }


def peak_bytes(settings: Settings, dataset: Dataset) -> int:
    """The most memory allocated above the data by a trainer, one epoch and its evaluation; traced, not timed."""
    from backprop.training import Trainer

    tracemalloc.start()
    try:
        trainer = Trainer(settings, dataset.train_images, dataset.train_labels)
        for _ in range(trainer.batches.per_epoch + 1):
            trainer.take_step()
        trainer.mark(dataset.test_images, dataset.test_labels)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a line a seed, and write targets.csv and targets.json where a folder is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default="mnist", help="sample, mnist, or a folder of IDX files")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=min(2, len(available_cores())))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--fresh", action="store_true", help="replace what is there")
    chosen = parser.parse_args(arguments)
    cores = fix_threads(chosen.threads)  # before NumPy loads

    import msgspec

    from backprop.bench.files import keep, write_files
    from backprop.bench.machine import describe_machine
    from backprop.bench.progress import Progress, tracked
    from backprop.bench.training.reports import as_csv
    from backprop.data import load
    from backprop.training import Settings
    from backprop.training.settings import USUAL

    keep([chosen.out / "targets.json"] if chosen.out else [], chosen.fresh)
    dataset = load(chosen.data)
    rows = []
    for seed in tracked(SEEDS, "training with the seed", str):
        rows.append(row_of_seed(Settings(epochs=chosen.epochs, seed=seed), dataset))
        print(rows[-1], flush=True)
    with Progress("tracing the memory of one epoch"):
        peak = peak_bytes(Settings(epochs=chosen.epochs), dataset)
    print(f"peak memory above the data: {peak / 1e6:.1f} MB")
    with Progress("training lenet"):
        trainer = train_to_the_end(Settings(network="lenet", epochs=LENET_EPOCHS, **USUAL["lenet"]), dataset)
    accuracy, seconds = trainer.history[-1].test_accuracy, trainer.seconds
    print(f"lenet: {accuracy:.2%} after {LENET_EPOCHS} epochs and {seconds:.0f} s")
    if chosen.out:
        values = {
            "machine": msgspec.to_builtins(describe_machine(chosen.threads, cores)),
            "data": dataset.name,
            "peak_bytes_above_data": peak,
            "seeds": rows,
            "lenet": {"epochs": LENET_EPOCHS, "test_accuracy": accuracy, "seconds": seconds},
        }
        table = as_csv(rows[0], [row.values() for row in rows])
        files = {"targets.csv": table, "targets.json": json.dumps(values, indent=2) + "\n"}
        write_files("The targets", chosen.out, files)


if __name__ == "__main__":
    main()
