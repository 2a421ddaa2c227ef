"""IDX files: what is read, and what is refused before it can do harm."""

import gzip
import os
import struct
import tracemalloc
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backprop.data.idx import TYPES, read_idx, write_idx
from backprop.errors import DataError


def idx_bytes(code, sizes, items):
    return struct.pack(f">BBBB{len(sizes)}I", 0, 0, code, len(sizes), *sizes) + items


GOOD = idx_bytes(0x08, (2, 3), bytes(range(6)))


@pytest.fixture
def write(tmp_path):
    def write_bytes(content, name="some-idx2-ubyte"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write_bytes


def refusal(path, **expected):
    """The one sentence with which a file is refused."""
    with pytest.raises(DataError) as caught:
        read_idx(path, **expected)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.endswith(".")
    assert "\n" not in message
    assert "expected" in message
    return message


@pytest.mark.parametrize("dtype", TYPES.values(), ids=str)
@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_what_is_written_is_read_again(tmp_path, dtype, shape, packed):
    array = (np.random.default_rng(0).normal(size=shape) * 50).astype(dtype)
    path = tmp_path / "array"
    write_idx(path, array)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    again = read_idx(path)
    assert again.dtype == dtype
    assert again.dtype.isnative
    assert again.flags.writeable
    assert again.flags.c_contiguous
    np.testing.assert_array_equal(again, array)


def test_items_are_big_endian(write):
    path = write(idx_bytes(0x0C, (2,), b"\x00\x00\x01\x02\xff\xff\xff\xfe"))
    assert read_idx(path).tolist() == [258, -2]


def test_a_transposed_array_is_written_in_c_order(tmp_path):
    array = np.arange(6, dtype=np.int16).reshape(2, 3).T
    write_idx(tmp_path / "array", array)
    np.testing.assert_array_equal(read_idx(tmp_path / "array"), array)


def test_content_and_not_the_name_says_whether_a_file_is_gzipped(write):
    plain, packed = write(GOOD, "plain.gz"), write(gzip.compress(GOOD), "packed")
    np.testing.assert_array_equal(read_idx(plain), read_idx(packed))


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_the_checksum_is_that_of_the_decompressed_bytes(write, packed):
    path = write(gzip.compress(GOOD) if packed else GOOD)
    right = sha256(GOOD).hexdigest()
    read_idx(path, sha256=right)
    message = refusal(path, sha256="0" * 64)
    assert f"got {right}" in message
    assert f"expected {'0' * 64}" in message


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_lying_header_is_refused_and_takes_no_memory(write, packed):
    lie = idx_bytes(0x08, (4_000_000_000, 4_000_000_000), bytes(100))
    path = write(gzip.compress(lie) if packed else lie)
    tracemalloc.start()
    try:
        message = refusal(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "16000000000000000012" in message
    assert peak < 2**20


def test_a_plausible_lie_in_a_gzip_takes_no_more_memory_than_what_arrives(write):
    # 60 MB would fit into that many gzipped bytes, were they zeros.
    noise = np.random.default_rng(0).bytes(100_000)
    path = write(gzip.compress(idx_bytes(0x08, (60_000_000,), noise)))
    tracemalloc.start()
    try:
        assert "truncated" in refusal(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * 2**20


def test_no_more_of_a_gzip_is_decompressed_than_its_header_claims(write):
    path = write(gzip.compress(GOOD + bytes(50_000_000)))
    tracemalloc.start()
    try:
        assert "trailing" in refusal(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20


def test_honest_zeros_are_read_though_they_pack_well(write):
    zeros = idx_bytes(0x08, (3_000_000,), bytes(3_000_000))
    assert not read_idx(write(gzip.compress(zeros, 9))).any()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("length", range(len(GOOD)))
def test_a_truncated_file_is_refused_wherever_it_ends(write, length, packed):
    refusal(write(gzip.compress(GOOD[:length]) if packed else GOOD[:length]))


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_trailing_bytes_are_refused(write, packed):
    content = GOOD + b"\0"
    assert "trailing" in refusal(write(gzip.compress(content) if packed else content))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "got a start of nothing, expected 00 00"),
        (b"PK\x03\x04 a zip", "got a start of 50 4b, expected 00 00"),
        (idx_bytes(0x0A, (1,), b"x"), "got 0x0a, expected one of 0x08"),
        (idx_bytes(0x08, (), b""), "got 0, expected 1 to 32"),
        (idx_bytes(0x08, (1,) * 200, b"x"), "got 200, expected 1 to 32"),
        (idx_bytes(0x08, (0, 28, 28), b""), "got 0 x 28 x 28, expected no size of 0"),
    ],
    ids=["empty", "zip", "type", "no-dimension", "many-dimensions", "size-0"],
)
def test_a_wrong_header_is_refused_with_what_it_says(write, content, words):
    assert words in refusal(write(content))


def test_a_header_that_is_not_the_expected_one_is_refused(write):
    path = write(GOOD)
    read_idx(path, dimensions=(1, 2))
    assert "got 2, expected 1 or 3" in refusal(path, dimensions=(1, 3))


@pytest.mark.parametrize("where", ["middle", "checksum", "cut", "appended"])
def test_a_corrupt_gzip_is_refused(write, where):
    packed = bytearray(gzip.compress(idx_bytes(0x08, (1000,), np.random.default_rng(0).bytes(1000))))
    if where == "middle":
        packed[10] ^= 0xFF
    elif where == "checksum":
        packed[-6] ^= 0xFF
    elif where == "cut":
        packed = packed[:-9]
    else:
        packed += b"rubbish"
    assert "corrupt" in refusal(write(bytes(packed)))


def test_a_missing_file_is_named(tmp_path):
    assert "is missing" in refusal(tmp_path / "train-images-idx3-ubyte")


def test_a_folder_is_not_read_as_a_file(tmp_path):
    assert "got a folder or a device" in refusal(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "got a folder or a device" in refusal(tmp_path / "pipe")


def test_an_unreadable_file_is_refused_with_the_reason(write, monkeypatch):
    path = write(GOOD)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    # Tests may run as root, whom no file mode stops.
    monkeypatch.setattr(type(path), "open", refuse)
    assert "got 'Permission denied'" in refusal(path)


def test_a_name_of_another_kind_can_stand_in_messages(write):
    with pytest.raises(DataError, match=r"^the download is no IDX file"):
        read_idx(write(b"<html>"), name="the download")


@pytest.mark.parametrize(
    "array", [np.zeros(3, np.uint16), np.zeros((), np.uint8), np.zeros((0, 2), np.uint8)]
)
def test_an_array_that_idx_cannot_hold_is_not_written(tmp_path, array):
    with pytest.raises(DataError, match="IDX cannot hold"):
        write_idx(tmp_path / "array", array)
    assert not (tmp_path / "array").exists()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile") / "file"


@settings(max_examples=150, deadline=None)
@given(
    start=st.sampled_from(
        [b"", b"\0\0", b"\0\0\x08\x01", b"\0\0\x0d\x02", b"\x1f\x8b\x08\x00", GOOD, GOOD[:8]]
    ),
    rest=st.binary(max_size=64),
    packed=st.booleans(),
)
def test_any_bytes_are_read_or_refused_as_data(scratch, start, rest, packed):
    scratch.write_bytes(gzip.compress(start + rest) if packed else start + rest)
    try:
        array = read_idx(scratch)
    except DataError:
        return
    assert array.dtype in TYPES.values()
