"""README and the pages of docs/, as the tests read them."""

import re

import update_pages

ROOT = update_pages.ROOT
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in update_pages.PAGES}
"""The text of every page, by its path."""

_BLOCK = re.compile(r'(?ms)^```(\w+)(?: title="([\w.]+)")?\n(.*?)^```$')
_INDENTED = re.compile(r"(?m)^ {4}(?! )(\S.*)$")
_INLINE = re.compile(r"`((?:backprop|make|python|pytest|pip) [^`]+)`")


def blocks(page, language):
    """The code blocks of a page in that language, each with its file's name or None."""
    return [(name or None, code) for kind, name, code in _BLOCK.findall(PAGES[page]) if kind == language]


def commands(page):
    """Every command line of a page: in blocks, in README's indented lines, and inside of sentences."""
    text = _BLOCK.sub("", PAGES[page])
    lines = [line for _, code in blocks(page, "sh") for line in code.splitlines()]
    lines += _INDENTED.findall(text)
    lines += [" ".join(inline.split()) for inline in _INLINE.findall(text)]
    parts = [part.strip() for line in lines for part in line.partition(" #")[0].split("&&")]
    return [part for part in parts if part and not re.search(r"\b(COMMAND|FILE|PAGE)\b", part)]
