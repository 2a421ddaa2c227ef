"""Outside libraries on the same rungs: one file a library, imported only when a peer is asked for.

A peer gets its parameters and samples in its own form before the clock runs, and gives its gradient back after.
"""
