"""Sites: the places of the user's source at which a value comes into being, is read or is changed."""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass
from typing import Literal

AT, AGAIN = "__backprop_at__", "__backprop_again__"
AFTER, INSIDE = "__backprop_after__", "__backprop_inside__"

Role = Literal["value", "use", "passed", "returned", "change", "parameter", "turn"]
"""value: the result of an operation, or what is assigned. use: one place at which a variable is read; passed,
returned: a use whose value is handed to a function, or back, as it is. parameter: what a function was handed.

change: the array as it is after a statement that changes it in place. turn: a variable at the start of each turn of a
loop that hands it on. The derivative by it is what comes back from this turn and the later ones: without what else
the turn before it did with the variable.
"""


@dataclass(frozen=True)
class Site:
    """A place of the source. name: the variable that is assigned there; empty where the place is inside a line."""

    number: int
    path: str
    line: int
    column: int
    role: Role
    name: str
    text: str

    @property
    def is_use(self) -> bool:
        """Whether a variable is read there."""
        return self.role in ("use", "passed", "returned")

    @property
    def is_copy(self) -> bool:
        """Whether a variable gets the value of another one."""
        return self.name.isidentifier() and self.text.replace(".", "").isidentifier()

    @property
    def words(self) -> set[str]:
        """What the value may be called: `hs` and `h` for `hs[t]`."""
        return {self.stem, self.stem[:-1] if "[" in self.name and self.stem.endswith("s") else self.stem}

    @property
    def is_kept(self) -> bool:
        """Whether the value of a variable is kept in a dict or an object, as in a cache."""
        return ("['" in self.name or "." in self.name) and self.text.replace(".", "").isidentifier()

    @property
    def stem(self) -> str:
        """The name without its object and its index: `dh` for `grads["dh"][t]` and for `self.dh`."""
        return stem(self.name)


@functools.lru_cache(1024)
def stem(name: str) -> str:
    """The last word of a name, or the word in its index: `W1` for `params["W1"]`, `dh` for `self.dh[t]`."""
    try:
        node: ast.AST = ast.parse(name, mode="eval").body
    except SyntaxError:  # such as the key `class`
        return name
    while isinstance(node, ast.Subscript):
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            return node.slice.value
        node = node.value
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
