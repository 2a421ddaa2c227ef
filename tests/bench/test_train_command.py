"""`backprop train` as a user starts it: what it leaves behind, how it ends, and what a mistake gets."""

import csv
import json
import os
import signal
import time
from itertools import islice

import numpy as np
import pytest
from command import BACKPROP, backprop, finish, run_python, start
from threadpoolctl import threadpool_limits

from backprop.bench.training.compare import evaluation_steps
from backprop.data import load
from backprop.data.idx import write_idx
from backprop.training import Settings, Trainer, load_checkpoint, save_checkpoint

QUICK = ("train", "--threads", "1", "--network", "784-8-10", "--lr", "0.05")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a quick training of two epochs, and what was printed as JSON."""
    folder = tmp_path_factory.mktemp("trained")
    done = backprop(*QUICK, "--epochs", "2", "--out", "out", "--json", cwd=folder)
    assert (done.code, done.err) == (0, "")
    return folder, json.loads(done.out)


def test_json_has_what_was_learnt_and_where_the_weights_are(trained):
    folder, values = trained
    assert 0.5 < values["test_accuracy"] < 1
    assert values["loss"] > 0
    assert (values["epochs"], values["steps"], values["seed"]) == (2, 78, 0)
    assert values["seconds_per_epoch"] == pytest.approx(values["seconds"] / 2)
    assert values["settings"]["learning_rate"] == 0.05
    assert [point["step"] for point in values["history"]] == [39, 78]
    checkpoint = load_checkpoint(folder / values["weights"])
    assert (checkpoint.step, checkpoint.source) == (78, "sample")


def test_the_folder_has_tables_and_pictures(trained):
    folder, values = trained
    names = {path.name for path in (folder / "out").iterdir()}
    wanted = {"weights.npz", "metrics.csv", "confusion.csv", "history.csv", "report.md", "training.json"}
    assert names - {"metrics.svg"} == wanted
    with (folder / "out" / "metrics.csv").open(encoding="utf-8") as file:
        rows = {(row["metric"], row["class"]): float(row["value"]) for row in csv.DictReader(file)}
    assert rows["accuracy", ""] == values["test_accuracy"]
    assert {("precision", "3"), ("recall", "3"), ("f1", "3"), ("macro_f1", "")} <= rows.keys()
    report = (folder / "out" / "report.md").read_text(encoding="utf-8")
    assert "| macro mean |" in report
    assert "## Confusion" in report
    if "metrics.svg" in names:
        assert "![" in report
        assert "<svg" in (folder / "out" / "metrics.svg").read_text(encoding="utf-8")


def test_resume_gives_the_weights_of_an_undisturbed_run_bit_for_bit(trained, tmp_path):
    folder, _ = trained
    sample = load("sample")
    settings = Settings(network="784-8-10", learning_rate=0.05, epochs=2)
    half = Trainer(settings, sample.train_images, sample.train_labels, "sample")
    with threadpool_limits(1):  # as the command has them: two threads may add in another order
        for _ in range(50):
            half.take_step()
    save_checkpoint(tmp_path / "weights.npz", half.checkpoint())
    done = backprop("train", "--threads", "1", "--resume", ".", "--json", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    whole, resumed = (load_checkpoint(f / "weights.npz") for f in (folder / "out", tmp_path))
    np.testing.assert_array_equal(whole.params.vector, resumed.params.vector)
    np.testing.assert_array_equal(whole.optimizer_state["velocity"], resumed.optimizer_state["velocity"])
    assert whole.position == resumed.position


def test_a_finished_training_resumed_is_reported_again(trained):
    folder, values = trained
    done = backprop("train", "--threads", "1", "--resume", "out", "--out", "again", "--json", cwd=folder)
    assert json.loads(done.out)["test_accuracy"] == values["test_accuracy"]


def test_epochs_are_added_to_a_training_with_a_constant_rate_as_if_it_had_been_begun_with_them(tmp_path):
    constant = [*QUICK, "--schedule", "constant", "--json"]
    assert backprop(*constant, "--epochs", "2", "--out", "whole", cwd=tmp_path).code == 0
    assert backprop(*constant, "--epochs", "1", "--out", "added", cwd=tmp_path).code == 0
    done = backprop("train", "--threads", "1", "--resume", "added", "--epochs", "2", "--json", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    whole, added = (load_checkpoint(tmp_path / name / "weights.npz") for name in ("whole", "added"))
    assert added.settings == whole.settings
    np.testing.assert_array_equal(whole.params.vector, added.params.vector)
    np.testing.assert_array_equal(whole.optimizer_state["velocity"], added.optimizer_state["velocity"])
    assert [point.step for point in added.history] == [point.step for point in whole.history]


def test_epochs_cannot_be_added_where_the_rate_has_come_to_nothing(trained):
    folder, _ = trained
    done = backprop("train", "--threads", "1", "--resume", "out", "--epochs", "8", cwd=folder)
    assert done.code == 2
    assert "begun with --epochs 2 and --schedule linear" in done.error_sentence
    assert "a new training with --epochs 8" in done.error_sentence


@pytest.mark.processes
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a child")
def test_an_interrupt_leaves_a_usable_model_and_exits_with_130(tmp_path):
    process = start([BACKPROP, *QUICK, "--epochs", "100000", "--out", "out", "--json"], tmp_path)
    weights = tmp_path / "out" / "weights.npz"
    deadline = time.monotonic() + 60
    while not weights.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.code == 130
    values = json.loads(done.out)
    assert values["interrupted"]
    assert values["test_accuracy"] > 0.5
    assert load_checkpoint(weights).step == values["steps"] >= 39
    assert "continue with --resume" in done.err


def test_a_rate_that_diverges_says_where_the_last_good_weights_are(tmp_path):
    done = backprop(*QUICK[:-1], "1e30", "--out", "out", cwd=tmp_path)
    assert done.code == 2
    assert "at step 1 with a learning rate of" in done.error_sentence
    assert "of step 0, are in 'out/weights.npz'" in done.error_sentence.replace(os.sep, "/")
    assert np.isfinite(load_checkpoint(tmp_path / "out" / "weights.npz").params.vector).all()


def test_compare_trains_each_strategy_for_the_same_time(tmp_path):
    names = "short-form,layerwise-vjp"
    arguments = ("--compare", names, "--seconds", "0.3", "--out", "out", "--json")
    done = backprop(*QUICK, *arguments, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    first, second = json.loads(done.out)["strategies"]
    assert (first["strategy"], first["status"]) == ("short-form", "ok")
    shared = min(len(first["points"]), len(second["points"])) - 1  # the last one is where the time was over
    assert shared >= 3
    for ours, theirs in zip(first["points"][:shared], second["points"][:shared], strict=True):
        assert ours["step"] == theirs["step"]
        assert ours["test_loss"] == pytest.approx(theirs["test_loss"], rel=0.01)
    assert {"compare.csv", "compare.md", "compare.json"} <= {p.name for p in (tmp_path / "out").iterdir()}


def test_compare_leaves_out_what_is_over_budget_with_its_reason(tmp_path):
    names = "short-form,full-jacobian,finite-differences"
    arguments = ("--seconds", "0.1", "--memory-budget", "5MB", "--time-budget", "1ms", "--out", "out")
    done = backprop(*QUICK[:3], "--compare", names, *arguments, "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    rows = {row["strategy"]: row for row in json.loads(done.out)["strategies"]}
    assert rows["full-jacobian"]["status"] == "over-memory-budget"
    assert rows["finite-differences"]["status"] in ("over-time-budget", "over-memory-budget")
    assert "budget" in rows["finite-differences"]["reason"]


def test_evaluations_are_two_to_every_doubling():
    assert list(islice(evaluation_steps(), 9)) == [1, 2, 3, 4, 6, 8, 12, 16, 24]


MISTAKES = {
    "an optimizer": (["--optimizer", "adamm"], "did you mean 'adam'?"),
    "a schedule": (["--schedule", "cosin"], "did you mean 'cosine'?"),
    "a strategy": (["--strategy", "short-from"], "did you mean 'short-form'?"),
    "a strategy to compare": (["--compare", "short-from"], "did you mean 'short-form'?"),
    "nothing to compare": (["--compare", ","], "Unknown strategy ''"),
    "a comparison with epochs": (["--compare", "short-form", "--epochs", "3"], "expected no"),
    "the image size": (
        ["--network", "49-8-10"],
        "expected 49 for the network 49-8-10 (train --network 784-8-10",
    ),
    "the classes": (["--network", "784-8-3"], "train --network 784-8-10"),
    "a network": (["--network", "784x8"], "expected sizes such as 784-512-10"),
    "a rate": (["--lr", "-1"], "The learning rate is -1.0; expected"),
    "the shift": (["--shift", "28"], "The shift is 28 pixels; expected 0 to 27"),
    "the epochs": (["--epochs", "0"], "The number of epochs is 0; expected"),
    "the seconds": (["--seconds", "nan"], "The number of seconds is nan; expected"),
    "the batch": (["--batch", "6000"], "The batch size is 6000; expected 1 to 5000"),
    "the threads": (["--threads", "0"], "The thread count is 0; expected"),
    "the data": (["--data", "nowhere"], "There is no such data"),
    "the memory": (["--memory-budget", "1kB"], "--memory-budget"),
    "the weights": (["--resume", "none.npz"], "is missing"),
    "the folder": (["--out", "file/out"], "is no folder"),
}


@pytest.fixture(scope="module")
def mistaken(tmp_path_factory):
    """What each mistake got, by its name, and the folder in which all were made."""
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "file").write_text("not a folder")
    results = {
        name: backprop(
            "train", *(() if name == "the threads" else ("--threads", "1")), *arguments, cwd=folder
        )
        for name, (arguments, _) in MISTAKES.items()
    }
    return results, folder


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gets_one_sentence(name, mistaken):
    results, _ = mistaken
    assert results[name].code == 2
    assert MISTAKES[name][1] in results[name].error_sentence


def test_a_mistake_leaves_nothing_behind(mistaken):
    _, folder = mistaken
    assert [path.name for path in folder.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["an optimizer", "the image size"])
def test_a_mistake_gets_its_sentence_in_a_process_of_its_own_too(name, tmp_path):
    arguments, sentence = MISTAKES[name]
    done = backprop("train", "--threads", "1", *arguments, cwd=tmp_path)
    assert done.code == 2
    assert sentence in done.error_sentence


def test_weights_of_another_network_are_refused(trained):
    folder, _ = trained
    done = backprop("train", "--threads", "1", "--resume", "out", "--network", "784-16-10", cwd=folder)
    assert done.code == 2
    assert "with --network 784-8-10; got --network 784-16-10" in done.error_sentence


def test_tampered_weights_are_refused(trained, tmp_path):
    folder, _ = trained
    content = bytearray((folder / "out" / "weights.npz").read_bytes())
    content[len(content) // 3] ^= 255
    (tmp_path / "weights.npz").write_bytes(content)
    done = backprop("train", "--threads", "1", "--resume", "weights.npz", cwd=tmp_path)
    assert done.code == 2
    assert "weights.npz" in done.error_sentence


def test_images_and_labels_of_different_counts_are_refused(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for part, count in (("train", 20), ("t10k", 10)):
        write_idx(data / f"{part}-images-idx3-ubyte", np.zeros((count, 4, 4), np.uint8))
        write_idx(data / f"{part}-labels-idx1-ubyte", np.zeros(count - (part == "train"), np.uint8))
    done = backprop("train", "--threads", "1", "--data", "data", cwd=tmp_path)
    assert done.code == 2
    assert "got 19 labels, expected 20" in done.error_sentence


def test_another_data_set_in_idx_form_is_trained_on_by_its_folder(tmp_path):
    rng = np.random.default_rng(0)
    data = tmp_path / "shapes"
    data.mkdir()
    for part, count in (("train", 400), ("t10k", 100)):
        labels = rng.integers(0, 10, count).astype(np.uint8)
        images = rng.integers(0, 60, (count, 6, 5)).astype(np.uint8)
        images[np.arange(count), labels % 6, labels // 2] = 255
        write_idx(data / f"{part}-images-idx3-ubyte", images)
        write_idx(data / f"{part}-labels-idx1-ubyte", labels)
    arguments = ("--network", "30-32-10", "--batch", "20", "--epochs", "10", "--lr", "0.05", "--shift", "0")
    done = backprop("train", "--threads", "1", "--data", "shapes", *arguments, "--json", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    values = json.loads(done.out)
    assert values["data"] == "shapes"
    assert values["test_accuracy"] > 0.9


@pytest.mark.processes
@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit for the size of a file")
def test_no_room_for_the_weights_is_one_sentence_and_leaves_the_old_ones(trained, tmp_path):
    folder, _ = trained
    before = (folder / "out" / "weights.npz").read_bytes()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "weights.npz").write_bytes(before)
    done = run_python(
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000));"
        f"sys.argv = {['backprop', *QUICK, '--out', 'out']};"
        "from backprop.bench.cli import main; main()",
        cwd=tmp_path,
    )
    assert done.code == 2
    assert "cannot be written" in done.error_sentence
    assert (tmp_path / "out" / "weights.npz").read_bytes() == before
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["weights.npz"]


def test_the_sizes_follow_from_the_data_and_what_was_done_to_it_is_said(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (60, 4 * 4 * 3)), rng.integers(0, 3, 60)
    (tmp_path / "mine.csv").write_text(
        "\n".join(",".join(map(str, [label, *pixels])) for label, pixels in zip(labels, images, strict=True))
    )
    options = ("--epochs", "1", "--batch", "10", "--threads", "1", "--out", "out", "--json")
    done = backprop("train", "--data", "mine.csv", *options, cwd=tmp_path)
    assert done.code == 0
    assert json.loads(done.out)["settings"]["network"] == "48-512-10"
    assert done.err == "note: mine.csv was split: every sixth image, 10 of 60, is a test image.\n"
