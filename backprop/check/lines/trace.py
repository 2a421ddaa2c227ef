"""The trace of a backward pass: what the value of each of its lines is, with the forward line it belongs to.

    ✓  dz2 = (p - t) / n         dL/d(z2), z2 of line 9
    ✗  dz1 = da1                 dz1 should be dL/d(z1), z1 of line 7. It equals dL/d(a1), …
    ·  t = np.eye(10)[y]         not a derivative

A value is recognised where it agrees with the slopes of the loss along two random directions of a forward value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import Any, Literal

from backprop.check.lines.naming import called
from backprop.check.lines.result import Lines, beside, from_plain

Mark = Literal["right", "wrong", "none"]
MARKS: dict[str, str] = {"right": "✓", "wrong": "✗", "none": "·"}


@dataclass(frozen=True)
class Step:
    """A line of the backward pass.

    mark: "right" where its value is recognised as a derivative, "wrong" where it is not the one that it is to be,
    "none" where it is no derivative. said: which one, or what is wrong. value: some of its entries, and its shape.
    of, forward, forward_value: the line of the forward pass to which the derivative belongs, its source and its
    value; 0 and empty where there is none.
    """

    file: str
    line: int
    source: str
    mark: str
    said: str
    value: str
    of: int = 0
    forward: str = ""
    forward_value: str = ""


@dataclass(frozen=True)
class Trace:
    """The backward pass, line by line, in the order in which it runs. lines: those that are wrong, and notes."""

    steps: tuple[Step, ...]
    lines: Lines

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Trace:
        """The trace of `to_dict`; raises `TypeError`, `ValueError` or `KeyError` for what is none."""
        return cls(tuple(from_plain(Step, each) for each in data["steps"]), Lines.from_dict(data["lines"]))

    def __str__(self) -> str:
        parts = []
        for file in dict.fromkeys(step.file for step in self.steps):
            parts.append(f"The backward pass in {called(file)}:\n")
            mine = (step for step in self.steps if step.file == file)
            parts += [beside(step.line, step.source, step.said, MARKS[step.mark]) for step in mine]
        if self.lines.note:
            parts.append(self.lines.note)
        return "\n".join(parts) or "No line of a backward pass was seen to run."

    def _repr_html_(self) -> str:
        """A table: each line of the backward pass beside the line of the forward pass that it belongs to."""
        head = "".join(f"<th>{each}</th>" for each in _HEAD)
        body = "".join(f"<tr>{''.join(_cells(step))}</tr>" for step in self.steps)
        note = f"<p>{escape(self.lines.note)}</p>" if self.lines.note else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"

    def page(self, title: str) -> str:
        """The table as a page of its own."""
        head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
        return (
            f"<!doctype html><html><head>{head}</head><body><h1>{escape(title)}</h1>{self._repr_html_()}"
            "</body></html>\n"
        )


_HEAD = ("", "", "backward", "is", "value", "", "forward", "value")
_STYLE = (
    "body{font:15px/1.4 system-ui,sans-serif;margin:1.5rem}table{border-collapse:collapse}"
    "td,th{padding:.25rem .6rem;text-align:left;vertical-align:top;border-bottom:1px solid #d0d7de}"
    ".right{color:#1a7f37}.wrong{color:#cf222e}.none,small{color:#57606a}"
)


def _cells(step: Step) -> Iterator[str]:
    yield f'<td class="{step.mark}">{MARKS[step.mark]}</td><td>{step.line}</td>'
    yield f"<td><code>{escape(step.source)}</code></td><td>{escape(step.said)}</td>"
    yield f"<td><small>{escape(step.value)}</small></td><td>{step.of or ''}</td>"
    yield f"<td><code>{escape(step.forward)}</code></td><td><small>{escape(step.forward_value)}</small></td>"
