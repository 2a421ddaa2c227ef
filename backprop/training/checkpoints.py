"""Checkpoints: a training between two steps, in one .npz file that holds no pickled object.

    W1, b1, …                the parameters, a tensor each
    optimizer.velocity, …    the optimiser's vectors (p,)
    running.mean2, …         running statistics, where the network has some
    meta                     JSON in UTF-8: settings, step, seconds, position in the data, history, checksum

    np.load("weights.npz")["W1"]        # all that is needed to use the weights elsewhere

A file is written beside its place and renamed into it when it is complete, so that no crash and no full disk
harms the file that was there. A file may lie: every header is compared with the network that the file names before
memory is allocated, and the SHA-256 of everything with the one in `meta`. The checksum protects from damage, not from
an attacker, who could compute it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np

from backprop.arrays import Array, DType
from backprop.errors import BackpropError, OutputError, is_file
from backprop.finding import said
from backprop.npz import MemberError, exactly, read_npz
from backprop.parameters import Parameters
from backprop.training.batches import Position
from backprop.training.evaluation import Running
from backprop.training.optimizers import find_optimizer
from backprop.training.settings import Settings

FORMAT = 2
"""Format 1 kept the vectors of an optimiser as they are, and not divided by powers of their decays."""
_STATE, _RUNNING = "optimizer.", "running."
_MOST_META_BYTES = 1 << 24
_MOST_PARAMETERS = 1 << 31


class CheckpointError(BackpropError, ValueError):
    """A weights file that is missing, damaged, of another training, or not a weights file."""


class Point(NamedTuple):
    """What was learnt after so many steps and seconds of training: measured on the test set.

    train_loss: the mean loss of the batches since the point before.
    """

    step: int
    seconds: float
    train_loss: float
    test_loss: float
    test_accuracy: float


Count = Annotated[int, msgspec.Meta(ge=0)]


@dataclass
class State:
    """A training between two steps without its arrays; `step` steps have been taken, in `seconds` seconds.

    losses: the sum and the number of the batches' losses since the last point of the history.
    data: the fingerprint of the training data. source: where it came from, in the user's words.
    """

    settings: Settings
    step: Count
    seconds: float
    position: Position
    history: list[Point]
    losses: tuple[float, Count]
    data: str
    source: str


@dataclass
class Checkpoint(State):
    """The whole training between two steps: weights, the optimiser's vectors and running statistics by name."""

    params: Parameters
    optimizer_state: dict[str, Array]
    running: dict[str, Array]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write the file at `path`, whole or not at all.

    Raises `OutputError` where it cannot be written, and then leaves what was there as it was.
    """
    arrays = dict(checkpoint.params)
    arrays |= {_STATE + name: vector for name, vector in checkpoint.optimizer_state.items()}
    arrays |= {_RUNNING + name: value for name, value in checkpoint.running.items()}
    state = {entry.name: getattr(checkpoint, entry.name) for entry in fields(State)}
    meta: dict[str, Any] = msgspec.to_builtins({"format": FORMAT, **state})
    meta["sha256"] = _digest(meta, arrays.values())
    arrays["meta"] = np.frombuffer(json.dumps(meta, allow_nan=False).encode(), np.uint8)
    try:
        _replace(path, arrays)
    except OSError as error:
        raise OutputError(
            f"The weights cannot be written to {str(path)!r}: {error.strerror or error}; expected room in a "
            "writable folder, and what was there before is kept."
        ) from error


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a file that `save_checkpoint` wrote; nothing in it is unpickled.

    Raises `CheckpointError` where the file is missing, no such file, damaged, or changed.
    """
    where = f"The weights file {str(path)!r}"
    if not is_file(path):
        raise CheckpointError(f"{where} is missing, a folder or a device; expected an .npz file.")
    try:
        return _read(path, where)
    except CheckpointError:
        raise
    except BackpropError as error:  # an array that is not as it should be, or settings that make no training
        raise CheckpointError(f"{where} cannot be used: {error}") from error
    except Exception as error:  # a hostile `meta` raises a dozen kinds
        raise CheckpointError(
            f"{where} is damaged: got {said(error)}, expected an .npz file that `backprop train` wrote."
        ) from error


def _replace(path: Path, arrays: Mapping[str, Array]) -> None:
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _read(path: Path, where: str) -> Checkpoint:
    meta = _read_meta(path, where)
    stated = msgspec.convert(meta, State)
    settings, generator = stated.settings, np.random.default_rng().bit_generator
    generator.state = stated.position.generator  # raises where it is no such state
    network, dtype = settings.build_network(), np.dtype(settings.dtype)
    if network.parameter_count > _MOST_PARAMETERS:
        raise CheckpointError(
            f"{where} claims {network.parameter_count} parameters; expected at most {_MOST_PARAMETERS}."
        )
    kind = find_optimizer(settings.optimizer)
    state = {_STATE + name: (network.parameter_count,) for name in kind.state_names}
    running = {_RUNNING + name: value.shape for name, value in Running(network, dtype).values.items()}
    shapes = dict(network.layout.shapes) | state | running
    arrays = read_npz(path, "It", lambda key: exactly(shapes[key], dtype), list(shapes))
    for key, array in arrays.items():
        if not np.isfinite(array).all():
            raise CheckpointError(
                f"{where} holds a number in {key} that is not finite; expected finite numbers."
            )
    got, expected = _digest(meta, arrays.values()), meta["sha256"]
    if got != expected:
        raise CheckpointError(
            f"{where} was changed after it was written: got the SHA-256 {got}, expected {expected}."
        )
    powers = kind.powers(stated.step - 1) if meta["format"] < 2 else (1.0,) * len(state)
    return Checkpoint(
        **vars(stated),
        params=Parameters.from_mapping(
            network.layout, {key: arrays[key] for key in network.layout.names}, dtype
        ),
        optimizer_state={
            key.removeprefix(_STATE): arrays[key] / dtype.type(power)
            for key, power in zip(state, powers, strict=True)
        },
        running={key.removeprefix(_RUNNING): arrays[key] for key in running},
    )


def _read_meta(path: Path, where: str) -> dict[str, Any]:
    stored = read_npz(path, "It", lambda _: _check_meta, ["meta"])["meta"]
    meta: dict[str, Any] = json.loads(stored.tobytes().decode())
    if not isinstance(meta["format"], int) or meta["format"] > FORMAT:
        raise CheckpointError(
            f"{where} has format {meta['format']!r}; expected at most {FORMAT}: a newer version wrote it."
        )
    return meta


def _check_meta(shape: tuple[int, ...], dtype: DType) -> None:
    if dtype != np.uint8 or math.prod(shape) > _MOST_META_BYTES:
        raise MemberError(f"is of {dtype} {shape}; expected at most {_MOST_META_BYTES} bytes")


def _digest(meta: Mapping[str, Any], arrays: Iterable[Array]) -> str:
    """SHA-256 over `meta` without its own checksum and over the bytes of the arrays, in their order."""
    digest = hashlib.sha256()
    stated = {key: value for key, value in meta.items() if key != "sha256"}
    digest.update(json.dumps(stated, sort_keys=True).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
