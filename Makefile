# `make bench` and `make test` do all the set-up that they need. Each target's plain lines are in README.md.

VENV ?= .venv
PYTHON ?= python3
BIN = $(VENV)/bin

.PHONY: bench test lint reference figures clean

bench: $(VENV)/installed-report
	$(BIN)/pytest --benchmark-only

test: $(VENV)/installed-report-test
	$(BIN)/pytest -n auto --dist worksteal -m "not processes"

lint: $(VENV)/installed-report-test-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The committed runs, in about an hour and a half; on a machine that does nothing else.
reference: $(VENV)/installed-report-memory-peers
	$(BIN)/backprop run --suite scaling --time-budget 90s --out results/reference/scaling --fresh
	$(BIN)/backprop run --suite peers --out results/reference/peers --fresh
	$(BIN)/backprop accuracy --peers --out results/reference/accuracy --fresh
	$(BIN)/backprop run --suite default --time-budget 90s --out results/reference --fresh

# The tables and pictures of README, from the records in results/reference.
figures: $(VENV)/installed-report
	$(BIN)/python tools/update_readme.py

# A stamp per set of extras; pyproject.toml is what they are made from.
$(VENV)/installed-%: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[$(subst -,$(comma),$*)]'
	touch $@

comma := ,

clean:
	rm -rf $(VENV)
