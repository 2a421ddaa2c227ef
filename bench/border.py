"""The border: everything that a file says is parsed here once, by a typed schema, and is right from then on.

A schema is a class with annotated fields, and msgspec holds the content against it: types, ranges, missing and
unknown fields, numbers too long to be one, brackets too deep to be followed.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from backprop.errors import BackpropError, RecordError

T = TypeVar("T")


def decoded(
    content: bytes,
    decoder: msgspec.json.Decoder[T],
    where: str,
    expected: str,
    kind: type[BackpropError] = RecordError,
) -> T:
    """The JSON in `content` as the decoder's schema.

    `where` names the file and line, `expected` what should stand there. Raises an error of this `kind`.
    """
    try:
        return decoder.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise kind(f"{where} cannot be read: {said(error)}; expected {expected}.") from error


def converted(values: object, schema: Any) -> Any:
    """Values that another parser has read, as the schema; raises `msgspec.ValidationError` where they do not fit."""
    return msgspec.convert(values, schema)


def said(error: BaseException) -> str:
    """The message of an error on one line, without a capital at its beginning and a full stop at its end."""
    message = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return message[0].lower() + message[1:]
