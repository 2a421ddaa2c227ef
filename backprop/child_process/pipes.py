"""The threads that move bytes, so that no side ever waits for the other without a limit."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO, Any

Data = Sequence[bytes | bytearray | memoryview]

_PIECE = 2**16
"""What is read at once: as much as a pipe of Linux holds."""
_PIECES_AHEAD = 16
"""The most pieces of answers that nobody has asked for yet; then the child waits."""
_HEAD_BYTES, _TAIL_BYTES = 100_000, 10_000
"""What is kept of the beginning and of the end of what a child prints."""
_ROOM_S = 0.002
"""Between two looks at whether there is room for a piece."""


def started(work: Callable[..., None], *arguments: Any) -> threading.Thread:
    """A thread that does this work and does not keep the process alive."""
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def write(pipe: IO[bytes], questions: queue.SimpleQueue[Data | None]) -> None:
    """Write what is in the queue, until there is None; a child that has gone is noticed by who reads."""
    with contextlib.suppress(OSError, ValueError):
        while (parts := questions.get()) is not None:
            for part in parts:
                left = memoryview(part)
                while left:
                    left = left[pipe.write(left) :]
    with contextlib.suppress(OSError):
        pipe.close()


def put_where_room_is(pieces: queue.SimpleQueue[bytes], piece: bytes) -> None:
    """Wait while many pieces are ahead.

    A `queue.Queue` of limited size could do that, but its lock stays taken for ever where Ctrl-C comes at the moment
    in which it was taken: the next who looks into the queue would then wait for ever.
    """
    while piece and pieces.qsize() >= _PIECES_AHEAD:
        time.sleep(_ROOM_S)
    pieces.put(piece)


def read(pipe: IO[bytes], add: Callable[[bytes], None]) -> None:
    """Hand on every piece that comes; an empty one is the end."""
    with contextlib.suppress(OSError, ValueError):
        while piece := pipe.read(_PIECE):
            add(piece)
    add(b"")


class Capped:
    """A long output of which the beginning and the end are kept."""

    def __init__(self) -> None:
        self._head, self._tail, self._left_out = bytearray(), bytearray(), 0

    def add(self, piece: bytes) -> None:
        """Take in the next piece."""
        room = _HEAD_BYTES - len(self._head)
        self._head += piece[:room]
        self._tail += piece[room:] if room < len(piece) else b""
        surplus = max(0, len(self._tail) - _TAIL_BYTES)
        self._left_out += surplus
        del self._tail[:surplus]

    def text(self) -> str:
        """What is kept, with how much was left out between."""
        head, tail = (bytes(part).decode(errors="replace") for part in (self._head, self._tail))
        return f"{head}\n… {self._left_out} bytes left out …\n{tail}" if self._left_out else head + tail
