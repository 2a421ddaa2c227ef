"""How the docstrings of this project become Markdown on the page of the Python reference: an extension of Griffe.

A docstring explains arguments and fields as `name: what it is`, one after the other. On the page they are a list. An
asterisk, as in g*, is itself and not the begin of emphasis.
"""

from __future__ import annotations

import re
from typing import Any

import griffe


def as_markdown(text: str, names: set[str]) -> str:
    """The docstring, in which `names` are the arguments of the function or the fields of the class."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(one if one.startswith("    ") else _paragraph(one, names) for one in paragraphs)


def _paragraph(text: str, names: set[str]) -> str:
    if names:
        known = "|".join(map(re.escape, sorted(names)))
        text = re.sub(rf"(?:^|(?<=[.;)])\s|\n)({known}): ", r"\n- `\1`: ", text)
        text = re.sub(r"\n- ", r"\n\n- ", text, count=1)  # a list begins after an empty line
    spans = text.split("`")  # every second one is code
    spans[::2] = [span.replace("*", r"\*") for span in spans[::2]]
    return "`".join(spans).strip("\n")


class Docstrings(griffe.Extension):
    """Rewrites the docstring of every function and class as it is loaded."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite one docstring."""
        if obj.docstring is not None:
            names = set(obj.members)
            if isinstance(obj, griffe.Function):
                names = {parameter.name for parameter in obj.parameters}
            obj.docstring.value = as_markdown(obj.docstring.value, names)
