"""Loads the options of `pytest --benchmark-only` before pytest looks for tests."""

pytest_plugins = ("backprop.bench.plugin",)
