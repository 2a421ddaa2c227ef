"""A weights file is written whole or not at all, and a damaged or foreign one is refused in one sentence."""

import errno
import io
import json
import os
import zipfile

import numpy as np
import pytest

from backprop.errors import OutputError
from backprop.training import CheckpointError, Trainer, checkpoints, load_checkpoint, save_checkpoint
from backprop.training.optimizers import RENEW_EVERY


@pytest.fixture
def saved(make_trainer, tmp_path):
    """A weights file after three steps of momentum, and the trainer."""
    trainer = make_trainer(learning_rate=0.05)
    for _ in range(3):
        trainer.take_step()
    path = tmp_path / "weights.npz"
    save_checkpoint(path, trainer.checkpoint())
    return path, trainer


def rewrite(path, change):
    """Write the file again after `change` has had its members (name -> bytes) in hands."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def npy(array, **kwargs):
    file = io.BytesIO()
    np.save(file, array, **kwargs)
    return file.getvalue()


def with_meta(**values):
    def change(members):
        meta = json.loads(np.load(io.BytesIO(members["meta.npy"])).tobytes())
        meta.update(values)
        members["meta.npy"] = npy(np.frombuffer(json.dumps(meta).encode(), np.uint8))

    return change


def test_what_is_read_is_what_was_written(saved):
    path, trainer = saved
    read = load_checkpoint(path)
    np.testing.assert_array_equal(read.params.vector, trainer.params.vector)
    np.testing.assert_array_equal(read.optimizer_state["velocity"], trainer.optimizer.state["velocity"])
    assert (read.settings, read.step, read.seconds) == (trainer.settings, 3, trainer.seconds)
    assert read.position == trainer.batches.position


@pytest.mark.parametrize("steps", [3, RENEW_EVERY, RENEW_EVERY + 1])
def test_a_file_of_the_first_format_goes_on_where_it_was(steps, make_trainer, tmp_path, monkeypatch):
    """It held the velocity itself."""
    trainer = make_trainer(learning_rate=0.05)
    for _ in range(steps):
        trainer.take_step()
    (power,) = trainer.optimizer.powers(steps - 1)
    old = trainer.checkpoint(copy=True)
    old.optimizer_state["velocity"] *= power
    monkeypatch.setattr(checkpoints, "FORMAT", 1)
    save_checkpoint(tmp_path / "old.npz", old)
    resumed = make_trainer(learning_rate=0.05)
    resumed.resume(load_checkpoint(tmp_path / "old.npz"))
    for _ in range(3):
        trainer.take_step()
        resumed.take_step()
    np.testing.assert_allclose(resumed.params.vector, trainer.params.vector, rtol=0, atol=1e-5)


def test_numpy_reads_the_weights_by_name_without_unpickling(saved):
    path, trainer = saved
    with np.load(path, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["W1"], trainer.params["W1"])


TAMPERED = {
    "another shape": (
        lambda m: m.update({"W1.npy": npy(np.zeros((49, 31)))}),
        r"W1 .* got float64 \(49, 31\), expected",
    ),
    "another dtype": (lambda m: m.update({"b1.npy": npy(np.zeros(32, np.float32))}), "b1 .* float32"),
    "NaN": (lambda m: m.update({"b1.npy": npy(np.full(32, np.nan))}), "not finite"),
    "another weight": (lambda m: m.update({"b1.npy": npy(np.ones(32))}), "changed after it was written"),
    "a pickled array": (
        lambda m: m.update({"b1.npy": npy(np.array([print] * 32, dtype=object), allow_pickle=True)}),
        "b1 .* object",
    ),
    "a pickled meta": (
        lambda m: m.update({"meta.npy": npy(np.array([print], dtype=object), allow_pickle=True)}),
        "damaged",
    ),
    "an array too few": (lambda m: m.pop("W2.npy"), "no array W2: got W1, b1"),
    "no meta": (lambda m: m.pop("meta.npy"), "no array meta"),
    "another step": (with_meta(step=7), "changed after it was written"),
    "a newer format": (with_meta(format=99), "newer version"),
    "no settings": (with_meta(settings={}), "cannot be used"),
    "settings of another kind": (
        lambda m: with_meta(settings=settings_of(m) | {"batch_size": True})(m),
        "Expected `int`, got `bool`",
    ),
    "a negative step": (with_meta(step=-1), "damaged"),
    "settings that are no object": (with_meta(settings=3), "damaged"),
    "a network that is none": (
        lambda m: with_meta(settings=settings_of(m) | {"network": "49-x"})(m),
        "expected sizes such as",
    ),
    "a claim of too much": (
        lambda m: with_meta(settings=settings_of(m) | {"network": "49-999999999-10"})(m),
        "claims",
    ),
    "an array cut short": (
        lambda m: m.update({"b1.npy": m["b1.npy"][:-8]}),
        "b1 .* got 248 bytes, expected 256",
    ),
}


def settings_of(members):
    return json.loads(np.load(io.BytesIO(members["meta.npy"])).tobytes())["settings"]


@pytest.mark.parametrize("name", TAMPERED)
def test_tampered_contents_are_refused(saved, name):
    path, _ = saved
    change, message = TAMPERED[name]
    rewrite(path, change)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_refused(saved, share):
    path, _ = saved
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path)


def test_a_flipped_bit_is_refused(saved):
    path, _ = saved
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        load_checkpoint(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="missing"):
        load_checkpoint(tmp_path / "none.npz")
    with pytest.raises(CheckpointError, match="folder"):
        load_checkpoint(tmp_path)


def test_no_room_leaves_the_old_file_as_it_was(saved, monkeypatch):
    path, trainer = saved
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    trainer.take_step()
    with pytest.raises(OutputError, match="No space left on device"):
        save_checkpoint(path, trainer.checkpoint())
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["weights.npz"]


def test_weights_of_another_training_or_other_data_are_refused(saved, make_trainer, small):
    path, trainer = saved
    checkpoint = load_checkpoint(path)
    with pytest.raises(CheckpointError, match="of the training"):
        make_trainer(seed=1).resume(checkpoint)
    inputs, labels = small
    with pytest.raises(CheckpointError, match="other data"):
        Trainer(trainer.settings, inputs[::-1], labels).resume(checkpoint)
