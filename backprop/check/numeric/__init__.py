"""The numeric truth of a black box: slopes along directions, entry by entry or at random, and how sure they are."""
