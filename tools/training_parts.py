"""Where the time of one step of training goes:   python tools/training_parts.py --data mnist --threads 1 --threads 2

A step takes a batch from the data, computes its gradient, and updates the weights by momentum. `parts.py` has the
parts of the gradient. Each number of threads is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from parts import NETWORK, Part, Parts, rows_of

from backprop.bench.threads import fix_threads

_BATCH, _DTYPE, _STEPS, _WARM_UP = 128, "float32", 1000, 100


def parts_of_step(data: str, steps: int) -> Parts:
    """The three parts of a step, each with the median of its time over so many steps."""
    from backprop.data import load
    from backprop.training import Settings, Trainer

    dataset = load(data)
    settings = Settings(
        network=NETWORK, batch_size=_BATCH, dtype=_DTYPE, shift=0, learning_rate=0.1, epochs=10
    )
    trainer = Trainer(settings, dataset.train_images, dataset.train_labels)
    for _ in range(_WARM_UP):
        trainer.take_step()
    strategy, plan, params = trainer.strategy, trainer._plan, trainer.params
    moments = []
    for step in range(_WARM_UP, _WARM_UP + steps):
        times = [time.perf_counter_ns()]
        batch = trainer.batches.next()
        times.append(time.perf_counter_ns())
        _, gradient = strategy.value_and_gradient(plan, params, batch)
        times.append(time.perf_counter_ns())
        trainer.optimizer.update(gradient.vector, trainer.learning_rate, step)
        times.append(time.perf_counter_ns())
        moments.append(np.diff(times))
    took = np.median(moments, axis=0)
    taken, gradient_, updated = (int(each) for each in took)
    cost = strategy.cost(trainer.network, _BATCH, np.dtype(_DTYPE))
    assert cost is not None
    vectors = 6 * params.vector.nbytes  # read and written by two sums of vectors
    levels = batch.inputs.size  # of a byte each: read, written, and read again
    return {
        ("batch", "gather, divide by 255"): Part(taken, 0, 3 * levels + batch.inputs.nbytes),
        ("gradient", strategy.name): Part(gradient_, cost.flops, 0),
        ("update", "momentum"): Part(updated, 0, vectors),
    }


def table(data: str, threads: int, steps: int) -> str:
    """The parts of a step as a table in Markdown; to be called in a fresh process."""
    fix_threads(threads)

    from backprop.bench.machine import measure_limits
    from backprop.bench.report.markdown import markdown_table

    limits = measure_limits(np.dtype(_DTYPE))
    rows = rows_of(parts_of_step(data, steps), limits.flops_per_s, limits.bytes_per_s, "the step")
    title = f"a step of momentum, {NETWORK}, batch {_BATCH}, {_DTYPE}, threads: {threads}:"
    return f"{title}\n\n{markdown_table(rows).replace('--:', ':--', 1)}\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table for each number of threads, and write them where a file is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default="sample", help="sample, mnist, or a folder of IDX files")
    parser.add_argument("--threads", type=int, action="append", help="once for each; 1 and 2")
    parser.add_argument("--steps", type=int, default=_STEPS)
    parser.add_argument("--out", type=Path, help="a file for the tables, as Markdown")
    chosen = parser.parse_args(arguments)
    texts = []
    for threads in chosen.threads or (1, 2):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            texts.append(pool.apply(table, (chosen.data, threads, chosen.steps)))
    print("\n".join(texts))
    if chosen.out:
        chosen.out.write_text("\n".join(texts), encoding="utf-8")


if __name__ == "__main__":
    main()
