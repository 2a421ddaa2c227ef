"""The folder in which this package keeps, for this user, what it need not fetch or make again."""

from __future__ import annotations

from pathlib import Path


def user_cache() -> Path:
    """The folder, as the operating system names it; it may not exist yet."""
    import pooch  # slow to import, and seldom needed

    return Path(pooch.os_cache("backprop-bench"))
