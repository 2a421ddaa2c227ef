"""`python -m backprop`: the `backprop` command."""

from backprop.bench.cli import main

main()
