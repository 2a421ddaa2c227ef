"""Vega, Vega-Lite and vega-embed as one script to be put into the page, from the package vl-convert.

To bundle them takes a second or more, and gives the same for the same version: it is done once, and kept in the
user's cache.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
from pathlib import Path
from typing import Any

NEEDED = ("jinja2", "vl_convert")


def available() -> bool:
    """Whether what the page is made with is installed: the extra `html`."""
    return all(importlib.util.find_spec(name) is not None for name in NEEDED)


@functools.cache
def chart_library() -> str:
    """The script, safe to stand between `<script>` and `</script>`."""
    kept = _cache()
    with contextlib.suppress(OSError, UnicodeDecodeError, ValueError):
        checksum, _, script = kept.read_text(encoding="utf-8").partition("\n")
        if checksum == _checksum(script):
            return script
    script = _bundled().replace("</script", "<\\/script").replace("<!--", "<\\!--")
    with contextlib.suppress(OSError):  # a cache that cannot be written is none
        kept.parent.mkdir(parents=True, exist_ok=True)
        beside = kept.with_suffix(f".{os.getpid()}")
        beside.write_text(f"{_checksum(script)}\n{script}", encoding="utf-8", newline="\n")
        beside.replace(kept)
    return script


def _bundled() -> str:
    import vl_convert

    make: Any = vl_convert.javascript_bundle  # its stub asks for a snippet that may be left out
    return str(make())


def _cache() -> Path:
    import pooch

    version = importlib.metadata.version("vl-convert-python")
    return Path(pooch.os_cache("backprop-bench")) / f"vega-{version}.js"


def _checksum(script: str) -> str:
    """So that a file which was cut short or changed is made again."""
    return hashlib.sha256(script.encode()).hexdigest()
