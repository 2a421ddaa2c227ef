"""Shuffled mini-batches: a new order every epoch, and every batch gathered into the same aligned buffer.

Only the order is shuffled, never the data set, which stays as it is: grey levels of one byte each. A batch's
levels are gathered, then divided by 255 in its dtype, as `backprop.data.as_inputs` does with a whole set; both
write into memory that is reused.
The samples that do not fill a whole batch are left out of an epoch; each epoch leaves out others.

With `shift` s every batch is moved by a random -s to s pixels down and right, black coming in from the side:
a digit is the same digit one pixel further, so the network sees nine times as many (LeCun et al. 1998, section
III.A, did the same with stronger distortions). The same move for a whole batch keeps the pixels that are black
in all of it black, which the short form makes use of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop.arrays import Array, DType, aligned_empty
from backprop.data.dataset import WHITE
from backprop.errors import ShapeError
from backprop.network import Batch


@dataclass(frozen=True)
class Position:
    """Where a shuffled stream of batches stands, as JSON can hold it.

    epoch: epochs begun before this one. taken: batches of this epoch that have been taken.
    generator: the state of the bit generator from which this epoch's order was drawn.
    """

    epoch: int
    taken: int
    generator: dict[str, Any]


class Batches:
    """An endless stream of shuffled batches of n samples.

    images: uint8 (samples, height, width), in colour with a last axis of three, or inputs (samples, i) of `dtype`,
    which are taken as they are.
    labels: class numbers (samples,).
    shift: the most pixels by which a batch is moved in each direction; 0 for inputs that are no images.

    Raises `ShapeError` for a batch size below one or above the number of samples, or a shift that does not
    suit the images.
    """

    def __init__(
        self,
        images: Array,
        labels: Array,
        batch_size: int,
        dtype: DType,
        rng: np.random.Generator,
        shift: int = 0,
    ) -> None:
        _check_shift(shift, images)
        if not 1 <= batch_size <= len(images):
            raise ShapeError(
                f"The batch size is {batch_size}; expected 1 to {len(images)}, the training samples."
            )
        self._image_shape, self._shift = images.shape[1:], shift
        self._channels = images.shape[3] if images.ndim == 4 else 1
        self._source = images.reshape(len(images), -1)
        self._labels = labels
        self._rng = rng
        shape = (batch_size, self._source.shape[1])
        self._inputs = aligned_empty(shape, dtype)
        self._levels = aligned_empty(shape, np.uint8) if images.dtype == np.uint8 else self._inputs
        self._white = dtype.type(WHITE)
        self._batch_labels = np.empty(batch_size, np.intp)
        self._epoch, self._taken = -1, self.per_epoch
        self._begin_epoch()

    @property
    def per_epoch(self) -> int:
        """Whole batches in one epoch."""
        return len(self._source) // len(self._inputs)

    @property
    def position(self) -> Position:
        """What `seek` needs to go on from here exactly."""
        return Position(self._epoch, self._taken, self._generator)

    def seek(self, position: Position) -> None:
        """Go to a position of a stream over the same data with the same batch size."""
        self._rng.bit_generator.state = position.generator
        self._epoch = position.epoch - 1
        self._begin_epoch()
        self._taken = position.taken

    def next(self) -> Batch:
        """The next batch: inputs (n, i) and labels (n,), valid until the next call."""
        if self._taken == self.per_epoch:
            self._begin_epoch()
        n = len(self._inputs)
        chosen = self._order[self._taken * n : (self._taken + 1) * n]
        self._taken += 1
        # mode="clip" spares the copy that NumPy makes of `out` where an index might be wrong; none is.
        np.take(self._source, chosen, axis=0, out=self._levels, mode="clip")
        if self._levels is not self._inputs:
            self._scale(*self._moves[self._taken - 1])
        self._batch_labels[...] = self._labels[chosen]
        return Batch(self._inputs, self._batch_labels)

    def _scale(self, down: int, right: int) -> None:
        """The levels / 255 into the inputs, moved.

        In a flattened image a move is one offset; what it carries over the edge of a row is blackened after.
        """
        levels, inputs = self._levels, self._inputs
        offset = (down * self._image_shape[1] + right) * self._channels if self._shift else 0
        if offset > 0:
            levels, inputs, uncovered = levels[:, :-offset], inputs[:, offset:], inputs[:, :offset]
        elif offset < 0:
            levels, inputs, uncovered = levels[:, -offset:], inputs[:, :offset], inputs[:, offset:]
        else:
            uncovered = inputs[:, :0]
        np.true_divide(levels, self._white, out=inputs, dtype=inputs.dtype)
        uncovered.fill(0)
        if right:
            columns = slice(0, right) if right > 0 else slice(right, None)
            self._inputs.reshape(-1, *self._image_shape)[:, :, columns].fill(0)

    def _begin_epoch(self) -> None:
        self._generator = dict(self._rng.bit_generator.state)
        self._order = self._rng.permutation(len(self._source))
        self._moves = self._draw_moves()
        self._epoch += 1
        self._taken = 0

    def _draw_moves(self) -> list[tuple[int, int]]:
        """For every batch of an epoch, the pixels down and right."""
        if self._shift == 0:
            return [(0, 0)] * self.per_epoch
        moves = self._rng.integers(-self._shift, self._shift + 1, (self.per_epoch, 2))
        return [(down, right) for down, right in moves.tolist()]


def _check_shift(shift: int, images: Array) -> None:
    if shift == 0:
        return
    if images.ndim not in (3, 4) or images.dtype != np.uint8:
        raise ShapeError(f"The shift is {shift} for inputs of shape {images.shape}; expected 0: no images.")
    side = min(images.shape[1:3])
    if not 0 <= shift < side:
        raise ShapeError(f"The shift is {shift} pixels; expected 0 to {side - 1}, less than an image.")
