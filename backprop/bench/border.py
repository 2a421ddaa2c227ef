"""The border: everything that a file says is parsed here once, by a typed schema, and is right from then on.

A schema is a class with annotated fields, and msgspec holds the content against it: types, ranges, missing and
unknown fields, numbers too long to be one, brackets too deep to be followed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from backprop.errors import RecordError, shown

T = TypeVar("T")


def decoded_file(path: Path, decoder: msgspec.json.Decoder[T], what: str, expected: str) -> T:
    """The JSON in a file as the decoder's schema; raises `RecordError`, which names `what` the file is."""
    where = f"{what} {shown(str(path))}"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{where} cannot be read: {error.strerror}; expected {expected}.") from error
    return decoded(content, decoder, where, expected)


def decoded(
    content: bytes,
    decoder: msgspec.json.Decoder[T],
    where: str,
    expected: str,
) -> T:
    """The JSON in `content` as the decoder's schema.

    `where` names the file and line, `expected` what should stand there. Raises `RecordError`.
    """
    try:
        return decoder.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RecordError(f"{where} cannot be read: {said(error)}; expected {expected}.") from error


def said(error: BaseException) -> str:
    """The message of an error on one line, without a capital at its beginning and a full stop at its end."""
    message = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return message[0].lower() + message[1:]
