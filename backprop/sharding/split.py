"""The split of a batch: n samples over shards in proportion to shares, as evenly as whole numbers allow.

shard k holds the samples from ⌊n Sₖ₋₁/S⌋ to ⌊n Sₖ/S⌋        Sₖ = s₁ + … + sₖ, S the sum of all shares
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from backprop.errors import OptionError


def sizes_of(batch_size: int, shares: Sequence[int]) -> list[int]:
    """The samples of every shard, in order; some may be empty. Shares that sum to n are the sizes themselves."""
    total = sum(shares)
    cuts = [batch_size * cumulated // total for cumulated in itertools.accumulate(shares)]
    return [end - start for start, end in itertools.pairwise([0, *cuts])]


def check_shares(shares: Sequence[int] | None) -> None:
    """Raise `OptionError` unless the shares are whole numbers from zero on, one of them above it, or None."""
    if shares is None:
        return
    whole = all(isinstance(share, int) and not isinstance(share, bool) and share >= 0 for share in shares)
    if not whole or sum(shares) == 0:
        raise OptionError(
            f"The shares are {shares!r}; expected whole numbers, none below zero and one above it."
        )
