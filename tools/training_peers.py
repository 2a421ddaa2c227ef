"""Seconds per epoch against PyTorch and scikit-learn:   python tools/training_peers.py --data mnist

The libraries take turns as strategies do in a run: each in a process of its own, started afresh several times, and a
turn is one epoch. How each is used stands in `tools/training_epochs.py`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from training_epochs import DATA, HIDDEN, LIBRARIES, RATES, Epoch, installed

from backprop import Network, units
from backprop.bench.console import make_console
from backprop.bench.files import keep, write_files
from backprop.bench.machine import describe_machine
from backprop.bench.progress import Progress
from backprop.bench.record import SamplesByName
from backprop.bench.scenarios import Scenario
from backprop.bench.statistics import ratio_of, time_of
from backprop.bench.table import Columns, Table, print_tables
from backprop.bench.threads import available_cores, choose_cores
from backprop.bench.turns import Participant, Schedule, Site, take_turns
from backprop.data import load
from backprop.peers.pytorch import TorchGrad

_MEMORY_BYTES = 2.0**40  # of address space, most of which a library only reserves
_EPOCH_S = 3600.0


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
    os.environ[DATA] = data
    dataset = load(data)
    network = Network.mlp(dataset.train_images[0].size, HIDDEN, dataset.classes)
    scenario = Scenario.of(network, batch_size, "float32")
    site = Site(scenario, data, threads, choose_cores(threads), _MEMORY_BYTES, _EPOCH_S)
    participants = [Participant(name, Epoch(name, optimizer).target) for name in libraries]
    turns = take_turns(participants, schedule, site, advance)
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, and write peers.json where a folder is given."""
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
    keep([chosen.out / "peers.json"] if chosen.out else [], chosen.fresh)
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
        machine = msgspec.to_builtins(
            describe_machine(max(counts), [], {"torch": TorchGrad.build, "sklearn": ()})
        )
        values = {"machine": machine, "batch": chosen.batch, "data": chosen.data, "results": results}
        write_files("The epochs", chosen.out, {"peers.json": json.dumps(values, indent=2) + "\n"})


if __name__ == "__main__":
    main()
