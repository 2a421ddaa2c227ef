"""A linear layer some rows at a time: the same numbers, and only where OpenBLAS then packs nothing."""

import numpy as np
import pytest
from tables import DTYPES

from backprop import blas
from backprop.layers import Linear, ReLU
from backprop.small_products import (
    SmallProducts,
    blocks,
    buffer_bytes,
    in_blocks,
    multiply_in_tiles,
    tile_rows,
)

F32, F64 = np.dtype("float32"), np.dtype("float64")


@pytest.fixture
def unpacked(monkeypatch):
    """Of one thread, on a processor with kernels for small products, whatever this one is."""
    monkeypatch.setattr(blas, "leaves_small_products_unpacked", lambda: True)
    monkeypatch.setattr(blas, "threads", lambda: 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("n", "i", "o"), [(4, 784, 512), (32, 784, 512), (17, 301, 201), (8, 50, 2600)])
def test_a_layer_in_blocks_has_the_outputs_and_gradients_of_the_whole_one(unpacked, n, i, o, bias, dtype):
    rng, layer = np.random.default_rng(n), Linear(i, o, bias)
    params = {
        name: rng.standard_normal(shape).astype(dtype) for name, shape in layer.parameter_shapes().items()
    }
    x, dy = rng.standard_normal((n, i)).astype(dtype), rng.standard_normal((n, o)).astype(dtype)
    found = in_blocks(layer, n, np.dtype(dtype))
    assert isinstance(found, SmallProducts) == (o < 2600)  # there a block would have too few rows
    y = found.forward(params, x, out=np.full((n, o), np.nan, dtype))
    empty = {name: np.full_like(tensor, np.nan) for name, tensor in params.items()}
    dx, gradient = found.vjp(params, x, y, dy, input_needed=True, out=None, dparams=empty)
    expected_dx, expected = layer.vjp(params, x, y, dy)
    pairs = [
        (y, layer.forward(params, x)),
        (dx, expected_dx),
        *((gradient[name], expected[name]) for name in params),
    ]
    for one, other in pairs:
        assert np.linalg.norm(one - other) <= 8 * np.finfo(dtype).eps * np.linalg.norm(other)


WHOLE = {
    "a sample": (Linear(784, 512), 1),
    "a product that is small itself": (Linear(784, 512), 2),
    "a batch that packs little": (Linear(784, 128), 65),
    "a batch that leaves few rows": (Linear(784, 512), 64),
    "rows that are too long": (Linear(784, 4096), 8),
    "another layer": (ReLU(), 8),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_layer_stays_whole_where_blocks_save_nothing(unpacked, name):
    layer, n = WHOLE[name]
    assert in_blocks(layer, n, F32) is layer
    assert buffer_bytes(layer, n, 4) == 0


def test_a_layer_stays_whole_beside_threads_and_on_processors_without_such_kernels(unpacked, monkeypatch):
    layer = Linear(784, 512)
    monkeypatch.setattr(blas, "threads", lambda: 2)
    assert [isinstance(in_blocks(layer, n, F64), SmallProducts) for n in (8, 16)] == [True, False]
    monkeypatch.setattr(blas, "leaves_small_products_unpacked", lambda: False)
    assert in_blocks(layer, 8, F64) is layer


@pytest.mark.parametrize(("n", "i", "o"), [(32, 200, 512), (3, 7, 64)])
def test_a_product_in_tiles_is_the_whole_one_in_both_directions(n, i, o):
    rng = np.random.default_rng(n)
    x, rows, dy = rng.standard_normal((n, i)), rng.standard_normal((i, o)), rng.standard_normal((n, o))
    for left, right in ((x, rows), (x.T, dy)):
        out = np.full((len(left), o), np.nan)
        multiply_in_tiles(left, right, out=out)
        np.testing.assert_allclose(out, left @ right, rtol=1e-12, atol=1e-12)


def test_tiles_need_a_batch_that_is_packed_and_columns_that_divide_evenly(unpacked):
    assert tile_rows(Linear(784, 512), 32) == 488
    assert tile_rows(Linear(784, 500), 32) is None
    assert tile_rows(Linear(784, 512), 129) is None


@pytest.mark.parametrize(("count", "rows"), [(784, 48), (48, 48), (49, 48), (1, 5), (7, 1)])
def test_blocks_hold_every_row_once_and_none_is_too_long(count, rows):
    found = list(blocks(count, rows))
    assert [row for block in found for row in range(count)[block]] == list(range(count))
    assert all(0 < block.stop - block.start <= rows for block in found)
