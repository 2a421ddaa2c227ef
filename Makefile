# `make bench` and `make test` do all the set-up that they need. Each target's plain lines are in README.md.

VENV ?= .venv
PYTHON ?= python3
BIN = $(VENV)/bin
LOWEST = .venv-lowest
# Compiled modules are kept whatever the environment says: tests start hundreds of processes of this package.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: bench test lint lowest docs reference figures clean

bench: $(VENV)/installed-report
	$(BIN)/pytest --benchmark-only

# The quick tier; `make test TIER=` runs all tests. WORKERS: the processes that run tests, one a processor. `auto`
# would count the cores: the two processors of many a virtual machine are the threads of one core.
TIER = not processes and not sweep
WORKERS = logical
test: $(VENV)/installed-report+test
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "$(TIER)"

lint: $(VENV)/installed-report+test+lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The committed runs, in about three hours, and two more for the self-test; on a machine that does nothing else.
reference: $(VENV)/installed-report-memory-peers
	$(BIN)/backprop run --suite scaling --time-budget 90s --out results/reference/scaling --fresh
	$(BIN)/backprop run --suite peers --out results/reference/peers --fresh
	$(BIN)/backprop run --suite layers --time-budget 10s --out results/reference/layers --fresh
	$(BIN)/python tools/parts.py --out results/reference/parts.md
	$(BIN)/python tools/parts.py --threads 2 --batch 128 --batch 512 --out results/reference/parts-two-threads.md
	$(BIN)/python tools/training_targets.py --data mnist --out results/reference/training --fresh
	$(BIN)/python tools/training_peers.py --data mnist --threads 1 --threads 2 --out results/reference/training --fresh
	$(BIN)/python tools/training_parts.py --data mnist --out results/reference/training/parts.md
	$(BIN)/python tools/commands.py --tests --out results/reference/commands.json --fresh
	$(BIN)/backprop accuracy --peers --out results/reference/accuracy --fresh
	$(BIN)/backprop run --suite default --time-budget 90s --out results/reference --fresh
	$(BIN)/backprop selftest --runs 60 --out results/reference/selftest --resume

# The tables, outputs and pictures of README and docs/, from results/reference and from the commands themselves.
figures: $(VENV)/installed-report-symbolic
	$(BIN)/python tools/update_pages.py

# The site of docs/, in build/site; a link that leads nowhere is an error.
docs: $(VENV)/installed-report+docs
	$(BIN)/python tools/build_docs.py

# A stamp per set of extras, joined by -, and dependency groups, each after a +: installed-report-memory+test+lint.
# Pip knows dependency groups from 25.1 on.
$(VENV)/installed-%: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[$(subst -,$(comma),$(firstword $(parts)))]' $(groups)
	touch $@

parts = $(subst +, ,$*)
groups = $(addprefix --group ,$(wordlist 2,9,$(parts)))
comma := ,

$(LOWEST)/installed: pyproject.toml
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet uv
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct --editable '.[report]' --group test
	touch $@

# The tests with the lowest versions that pyproject.toml allows: they prove that these are right.
lowest: $(LOWEST)/installed
	$(LOWEST)/bin/backprop --help > /dev/null
	$(LOWEST)/bin/backprop predict > /dev/null
	$(LOWEST)/bin/backprop verify --scenario toy --json > /dev/null
	$(LOWEST)/bin/pytest -n $(WORKERS) --dist worksteal -m "not processes and not sweep" $(TESTS)
	$(LOWEST)/bin/pytest --benchmark-only --scenario toy --strategy short-form --quiet

clean:
	rm -rf $(VENV) $(LOWEST) build
