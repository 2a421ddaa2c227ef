"""The commands of `backprop`: one file a command, light to import, so that `--help` is there at once."""

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C has ended: 128 + SIGINT, as a shell gives it."""
