"""The strategies: one file per derivation of the gradient.

A new file here joins every command, test and report: it ends with `STRATEGIES`, a tuple of what it offers.
"""
