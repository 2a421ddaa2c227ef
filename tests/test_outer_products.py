"""The array of outer products and what it contracts to equal the plain ones, whatever was written before."""

import numpy as np
import pytest

from backprop import outer_products
from backprop.outer_products import OuterProducts


def plain(x, jacobian):
    return x[:, None, :, None] * jacobian[:, :, None, :]


def batch(rng, n, c, i, o, share, dtype):
    x = rng.standard_normal((n, i)) * (rng.random((n, i)) < share)
    row, jacobian = rng.standard_normal((n, c)), rng.standard_normal((n, c, o))
    return row.astype(dtype), x.astype(dtype), jacobian.astype(dtype)


@pytest.mark.parametrize("block", [1, 2**12, 2**19], ids="blocks of {} bytes".format)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("o", [3, 64, 300], ids="o={}".format)  # as a whole; blocks by einsum and by ufuncs
@pytest.mark.parametrize("n", [1, 5], ids="n={}".format)
def test_every_batch_gives_the_plain_product_to_the_last_bit(n, o, dtype, block, monkeypatch):
    monkeypatch.setattr(outer_products, "_BLOCK_BYTES", block)
    rng = np.random.default_rng(0)
    products = OuterProducts(np.zeros((n, 4, 30, o), dtype))
    out = np.full((30, o), np.nan, dtype)
    for share in (0.2, 0.9, 0.0, 1.0, 0.1):  # what one batch writes, another must clear
        row, x, jacobian = batch(rng, n, 4, 30, o, share, dtype)
        products.contract(row, x, jacobian, out=out)
        np.testing.assert_array_equal(products.array, plain(x, jacobian))
        expected = np.einsum("nc,ncio->io", row.astype(float), plain(x, jacobian).astype(float))
        np.testing.assert_allclose(out, expected, rtol=0, atol=200 * np.finfo(dtype).eps)


def test_rows_of_zero_inputs_are_neither_written_nor_read(monkeypatch):
    monkeypatch.setattr(outer_products, "_BLOCK_BYTES", 2**12)
    rng = np.random.default_rng(1)
    array = np.zeros((2, 3, 10, 64))
    products = OuterProducts(array)
    row, x, jacobian = batch(rng, 2, 3, 10, 64, 1.0, "float64")
    x[:, 4] = 0
    array[:, :, 4] = np.nan  # nobody has a reason to touch it
    out = np.empty((10, 64))
    products.contract(row, x, jacobian, out=out)
    assert np.isnan(array[:, :, 4]).all()
    assert (out[4] == 0).all()
    np.testing.assert_array_equal(np.delete(array, 4, axis=2), np.delete(plain(x, jacobian), 4, axis=2))


@pytest.mark.parametrize("block", [1, 2**19])
def test_of_short_rows_all_are_written(block, monkeypatch):
    monkeypatch.setattr(outer_products, "_BLOCK_BYTES", block)
    array = np.full((1, 2, 3, 5), np.nan)
    OuterProducts(array).contract(np.ones((1, 2)), np.zeros((1, 3)), np.ones((1, 2, 5)), out=np.empty((3, 5)))
    assert (array == 0).all()


def test_a_block_fits_its_bytes_and_holds_a_row_at_least():
    for shape, rows in (((8, 10, 784, 512), 12), ((8, 10, 784, 2**20), 1), ((8, 10, 20, 64), 20)):
        n, _, i, o = shape
        assert outer_products.buffer_bytes(shape, 8) == n * i + rows * o * 8
