"""The commands of `backprop`: one file a command, light to import, so that `--help` is there at once."""
