"""Where MNIST comes from: folders, BACKPROP_DATA, the cache and the mirrors (a server on this machine)."""

import gzip
import subprocess
import sys
import tempfile
import threading
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pooch
import pytest

from backprop.data import load, mnist
from backprop.data.idx import write_idx
from backprop.errors import DataError

NAMES = [file.name for file in mnist.ORIGINALS]


class Mirror:
    """A web server on this machine that serves what `content` holds and remembers what it was asked for."""

    def __init__(self):
        self.content = {}
        self.asked = []
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                mirror.asked.append(self.path)
                body = mirror.content.get(self.path.lstrip("/"))
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self):
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


@pytest.fixture
def mirrors(monkeypatch, tmp_path, tiny_folder):
    """Two mirrors of the tiny set, which takes the place of the original, and an empty cache."""
    files = []
    pair = (Mirror(), Mirror())
    for file in mnist.ORIGINALS:
        content = (tiny_folder / file.name).read_bytes()
        files.append(mnist.OriginalFile(file.name, len(content), sha256(content).hexdigest()))
        for mirror in pair:
            mirror.content[f"{file.name}.gz"] = gzip.compress(content)
    monkeypatch.setattr(mnist, "ORIGINALS", tuple(files))
    monkeypatch.setattr(mnist, "MIRRORS", tuple(mirror.url for mirror in pair))
    monkeypatch.setattr(mnist, "cache_folder", lambda: tmp_path / "cache" / "mnist")
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(variable, "127.0.0.1")
    yield pair
    for mirror in pair:
        mirror.stop()


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache" / "mnist"


def assert_is(dataset, arrays):
    got = (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels)
    for one, other in zip(got, arrays, strict=True):
        np.testing.assert_array_equal(one, other)


def refusal(source):
    with pytest.raises(DataError) as caught:
        load(source)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert "got" in message
    assert "expected" in message
    return message


def test_a_network_that_is_down_is_told_of_the_digits_in_the_package(mirrors):
    for mirror in mirrors:
        mirror.content.clear()
    assert "--data sample" in refusal("mnist")


# Folders


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("dotted", [False, True], ids=["dash", "dot"])
@pytest.mark.parametrize("kind", [str, Path])
def test_a_folder_is_read_whatever_the_usual_names_of_its_files(
    tiny_folder, tiny_arrays, packed, dotted, kind
):
    for name in NAMES:
        content = (tiny_folder / name).read_bytes()
        (tiny_folder / name).unlink()
        new = (name.replace("-idx", ".idx") if dotted else name) + (".gz" if packed else "")
        (tiny_folder / new).write_bytes(gzip.compress(content) if packed else content)
    dataset = load(kind(tiny_folder))
    assert_is(dataset, tiny_arrays)
    assert (dataset.name, dataset.classes) == ("tiny", 10)


def test_a_folder_with_more_than_ten_classes_keeps_them_all(tiny_folder):
    write_idx(tiny_folder / NAMES[3], np.array([0, 1, 2, 3, 25], np.uint8))
    assert load(tiny_folder).classes == 26


@pytest.mark.parametrize("name", NAMES)
def test_a_file_missing_from_a_folder_is_named(tiny_folder, name):
    (tiny_folder / name).unlink()
    message = refusal(tiny_folder)
    assert f"got no {name} in the folder {tiny_folder}" in message


def test_files_that_do_not_pair_up_are_refused(tiny_folder):
    write_idx(tiny_folder / NAMES[1], np.zeros(11, np.uint8))
    assert "got 11 labels, expected 12" in refusal(tiny_folder)


def test_files_in_each_others_place_are_refused(tiny_folder):
    (tiny_folder / NAMES[1]).write_bytes((tiny_folder / NAMES[0]).read_bytes())
    assert "wrong number of dimensions: got 3, expected 1" in refusal(tiny_folder)


def test_labels_of_a_wider_type_are_read(tiny_folder, tiny_arrays):
    write_idx(tiny_folder / NAMES[1], tiny_arrays[1].astype(np.int32))
    assert_is(load(tiny_folder), tiny_arrays)


@pytest.mark.parametrize(
    "source", ["mnits", "", "no/such/folder", "x" * 5000, "a\0b", "~no-such-user-here/x"]
)
def test_an_unknown_source_is_refused_with_those_that_are_known(source):
    assert "expected 'sample', 'mnist' or a folder" in refusal(source)


def test_a_file_is_no_folder(tiny_folder):
    assert "expected a folder of IDX files" in refusal(tiny_folder / NAMES[0])


def test_a_path_is_always_a_folder(tmp_path, tiny_folder, tiny_arrays, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_folder.rename("sample")
    assert_is(load(Path("sample")), tiny_arrays)
    assert len(load("sample").train_images) == 5000


# BACKPROP_DATA


def test_the_variable_names_the_folder_of_the_whole_set(
    mirrors, cache, tiny_folder, tiny_arrays, monkeypatch
):
    monkeypatch.setenv("BACKPROP_DATA", str(tiny_folder))
    dataset = load("mnist")
    assert_is(dataset, tiny_arrays)
    assert dataset.name == "mnist"
    assert not mirrors[0].asked
    assert not cache.exists()


def test_another_set_is_not_taken_for_mnist(tiny_folder, monkeypatch):
    monkeypatch.setenv("BACKPROP_DATA", str(tiny_folder))
    assert "wrong SHA-256" in refusal("mnist")


def test_an_altered_file_is_not_taken_for_mnist_and_not_removed(mirrors, tiny_folder, monkeypatch):
    monkeypatch.setenv("BACKPROP_DATA", str(tiny_folder))
    write_idx(tiny_folder / NAMES[3], np.zeros(5, np.uint8))
    assert "wrong SHA-256" in refusal("mnist")
    assert (tiny_folder / NAMES[3]).exists()


def test_a_folder_that_the_variable_names_in_vain_is_not_made_up_for_by_a_fetch(
    mirrors, tmp_path, monkeypatch
):
    monkeypatch.setenv("BACKPROP_DATA", str(tmp_path / "nowhere"))
    assert f"got no {NAMES[0]} in the folder {tmp_path / 'nowhere'}" in refusal("mnist")
    assert not mirrors[0].asked


def test_the_whole_original_is_read_and_verified(originals, monkeypatch):
    monkeypatch.setenv("BACKPROP_DATA", str(originals))
    dataset = load("mnist")
    assert (len(dataset.train_images), len(dataset.test_images)) == (60_000, 10_000)
    assert dataset.train_labels[:5].tolist() == [5, 0, 4, 1, 9]


# The cache and the mirrors


def test_the_set_is_fetched_once_and_then_read_without_a_network(mirrors, cache, tiny_arrays):
    assert_is(load("mnist"), tiny_arrays)
    assert mirrors[0].asked == [f"/{name}.gz" for name in NAMES]
    assert not mirrors[1].asked
    for mirror in mirrors:
        mirror.stop()
    assert_is(load("mnist"), tiny_arrays)
    assert len(mirrors[0].asked) == 4


def test_the_cache_holds_the_decompressed_originals_and_nothing_else(mirrors, cache, tiny_folder):
    load("mnist")
    assert sorted(path.name for path in cache.iterdir()) == sorted(NAMES)
    for name in NAMES:
        assert (cache / name).read_bytes() == (tiny_folder / name).read_bytes()


def test_only_what_is_missing_from_the_cache_is_fetched(mirrors, cache):
    load("mnist")
    (cache / NAMES[2]).unlink()
    load("mnist")
    assert mirrors[0].asked[4:] == [f"/{NAMES[2]}.gz"]


def test_a_mirror_may_serve_other_packing_of_the_same_bytes(mirrors, tiny_folder, tiny_arrays):
    mirrors[0].content[f"{NAMES[0]}.gz"] = (tiny_folder / NAMES[0]).read_bytes()
    mirrors[0].content[f"{NAMES[1]}.gz"] = gzip.compress((tiny_folder / NAMES[1]).read_bytes(), 1)
    assert_is(load("mnist"), tiny_arrays)
    assert not mirrors[1].asked


def test_a_download_with_a_wrong_checksum_is_refused_and_nothing_is_left(
    mirrors, cache, tmp_path, tiny_folder
):
    write_idx(tmp_path / "forged", np.zeros((12, 4, 4), np.uint8))
    forged = (tmp_path / "forged").read_bytes()
    for mirror in mirrors:
        mirror.content[f"{NAMES[0]}.gz"] = gzip.compress(forged)
    message = refusal("mnist")
    assert f"got {sha256(forged).hexdigest()}" in message
    assert f"expected {sha256((tiny_folder / NAMES[0]).read_bytes()).hexdigest()}" in message
    assert not list(cache.iterdir())


@pytest.mark.parametrize(
    "body",
    [None, b"", b"<html>Sign in to this network</html>", gzip.compress(b"\0\0\x08\x01")[:-4], bytes(100_000)],
    ids=["404", "empty", "a-page", "cut", "endless"],
)
def test_a_mirror_that_serves_something_else_is_passed_over(mirrors, cache, tiny_arrays, body):
    for name in NAMES:
        mirrors[0].content[f"{name}.gz"] = body
    assert_is(load("mnist"), tiny_arrays)
    assert len(mirrors[1].asked) == 4
    assert sorted(path.name for path in cache.iterdir()) == sorted(NAMES)


def test_the_second_mirror_is_used_when_the_first_is_down(mirrors, tiny_arrays):
    mirrors[0].stop()
    assert_is(load("mnist"), tiny_arrays)
    assert len(mirrors[1].asked) == 4


def test_one_sentence_says_what_to_do_when_all_mirrors_are_down(mirrors, cache):
    for mirror in mirrors:
        mirror.stop()
    message = refusal("mnist")
    assert "--data DIR" in message
    assert f"{NAMES[0]}.gz" in message
    for mirror in mirrors:
        assert f"{mirror.url}: ConnectionError" in message
    assert not list(cache.iterdir())


def test_the_reason_of_a_mirror_that_refuses_is_its_status(mirrors):
    for mirror in mirrors:
        mirror.content.clear()
    assert refusal("mnist").count("HTTP status 404") == 2


def test_a_download_longer_than_the_file_can_be_is_cut_off(mirrors):
    for mirror in mirrors:
        mirror.content[f"{NAMES[0]}.gz"] = bytes(1_000_000)
    assert "the download is too long" in refusal("mnist")


@pytest.mark.parametrize("how", ["altered", "cut", "emptied"])
def test_a_cached_file_with_a_wrong_checksum_is_refused_once_and_then_fetched_again(
    mirrors, cache, tiny_arrays, how
):
    load("mnist")
    good = (cache / NAMES[0]).read_bytes()
    bad = {"altered": good[:-1] + bytes([good[-1] ^ 1]), "cut": good[:-1], "emptied": b""}[how]
    (cache / NAMES[0]).write_bytes(bad)
    message = refusal("mnist")
    assert str(cache / NAMES[0]) in message
    assert "the next load fetches it again" in message
    assert not (cache / NAMES[0]).exists()
    assert_is(load("mnist"), tiny_arrays)


def test_a_cache_that_cannot_be_made_is_refused_with_the_way_out(mirrors, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    message = refusal("mnist")
    assert "cannot be used" in message
    assert "--data DIR" in message


def test_a_cache_that_cannot_be_written_is_not_blamed_on_the_mirrors(mirrors, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    # Tests may run as root, whom no folder mode stops.
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    assert "cannot be used: got 'Permission denied'" in refusal("mnist")
    assert not mirrors[0].asked


def test_a_real_progress_bar_is_drawn(mirrors, monkeypatch, capsys, tiny_arrays):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(mnist, "_progress_is_seen", lambda: True)
    assert_is(load("mnist"), tiny_arrays)
    assert "100%" in capsys.readouterr().err


def test_the_cache_is_a_folder_of_the_user_and_the_program():
    assert mnist.cache_folder().parts[-2:] == ("backprop-bench", "mnist") or sys.platform == "win32"
    assert mnist.cache_folder().is_absolute()


@pytest.mark.parametrize("terminal", [False, True])
def test_a_progress_bar_is_shown_to_people_only(mirrors, monkeypatch, terminal, tiny_arrays):
    asked_for = []

    class Downloader(pooch.HTTPDownloader):
        def __init__(self, progressbar, **settings):
            asked_for.append(progressbar)
            super().__init__(progressbar=False, **settings)

    monkeypatch.setattr(pooch, "HTTPDownloader", Downloader)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    assert_is(load("mnist"), tiny_arrays)
    assert asked_for == [terminal] * 4


@pytest.mark.processes
def test_neither_importing_nor_the_sample_needs_pooch():
    code = (
        "import sys; from backprop.data import load; load('sample'); "
        "sys.exit('pooch' in sys.modules or 'requests' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
