"""Broadcasting without the copies that NumPy's ufuncs make of what they broadcast, and outer products.

A ufunc collects 8,192 elements of every operand at a time in a buffer, and copies into it what is broadcast,
unless the rows of its result are as long as the buffer. With a shorter buffer nothing is copied: an outer
product in the cache then runs at 22 to 33 GB/s instead of 6 to 10. einsum, which has no buffer but adds to
zeros, comes to 11 to 16, and BLAS, with an inner size of 1, to 3 to 6.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from backprop.arrays import Array

_LONG_ROW = 256
"""From this many elements on, multiplying a row takes longer than beginning it; a short buffer holds so many."""


@contextmanager
def short_buffers() -> Iterator[None]:
    """NumPy's ufuncs with a buffer of one long row; before and after, with the caller's own."""
    with np.errstate():  # which restores the size of the buffer too
        np.setbufsize(_LONG_ROW)
        yield


def outer_product(x: Array, y: Array, *, out: Array) -> None:
    """x (i,) times y (..., o) into `out` (..., i, o)."""
    if out.shape[-1] < _LONG_ROW:
        multiply_outer(x, y, out=out)
    else:
        with short_buffers():
            multiply_outer(x, y, out=out)


def multiply_outer(x: Array, y: Array, *, out: Array) -> None:
    """The same as `outer_product`, for a caller that makes many products within one `short_buffers`."""
    if out.shape[-1] < _LONG_ROW:
        np.einsum("i,...o->...io", x, y, out=out)
    else:
        np.multiply(x[:, None], y[..., None, :], out=out)
