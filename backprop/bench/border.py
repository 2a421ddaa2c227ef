"""Parse every file once, by a typed schema. Code behind this border need not check values again.

A schema is a class with annotated fields. msgspec checks the content against it: types, ranges, missing and unknown
fields, numbers that are too long, brackets that are nested too deep.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from backprop.errors import RecordError, shown

T = TypeVar("T")


def decoded_file(path: Path, decoder: msgspec.json.Decoder[T], what: str, expected: str) -> T:
    """Parse the JSON of a file by the decoder's schema. Raises `RecordError`, whose message calls the file `what`."""
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
    """Parse the JSON in `content` by the decoder's schema.

    `where` names the file and line, `expected` what should stand there. Raises `RecordError`.
    """
    try:
        return decoder.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RecordError(f"{where} cannot be read: {said(error)}; expected {expected}.") from error


def said(error: BaseException) -> str:
    """The message of an error on one line, with no full stop, and a small first letter unless it begins with JSON."""
    message = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return message if message[:2].isupper() else message[0].lower() + message[1:]
