.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DECIDING := tests/policies tests/assurance/test_engine.py tests/delegation/test_decision.py tests/delegation/test_rules.py
# What goes on for longer with DAIRI_SOAK=1 (tests/soak.py).
SOAKING := tests/workers/test_kills.py tests/delegation/test_invariants.py

.PHONY: help
help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: sandbox
sandbox: $(VENV)/.card ## Install what is needed and run Dairi with a virtual card, a mail catcher and a sample ward system
	@exec $(BIN)/dairi sandbox

.PHONY: sandbox-reset
sandbox-reset: $(VENV)/.card ## The same from scratch: forget the people, grants and keys of the last sandbox
	@exec $(BIN)/dairi sandbox --reset

.PHONY: test
test: $(VENV)/.dev tests/pages/node_modules ## Install what is needed and run every test
	@sh deploy/install/debian.sh test
	$(BIN)/python -m pytest -n auto --no-loadscope-reorder

.PHONY: soak
soak: $(VENV)/.dev ## Run at length what `make test` runs briefly: a hundred kills a database, a hundred thousand steps
	@sh deploy/install/debian.sh test
	DAIRI_SOAK=1 $(BIN)/python -m pytest -n auto --no-loadscope-reorder -rP $(SOAKING)

.PHONY: fuzz
fuzz: $(VENV)/.dev ## Let a fuzzer try what outsiders reach, for ten minutes or FUZZ_SECONDS (Linux on x86_64 alone)
	$(BIN)/python -m tests.fuzz

.PHONY: lint
lint: $(VENV)/.dev ## Format, lint, types and layers, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: policies
policies: $(VENV)/.dev ## Test what a ward may change, and that tests reach every branch of what decides
	@mkdir -p .artifacts
	COVERAGE_FILE=.artifacts/coverage $(BIN)/coverage run -m pytest -q $(DECIDING)
	COVERAGE_FILE=.artifacts/coverage $(BIN)/coverage report

.PHONY: format
format: $(VENV)/.dev ## Put every file into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: bench
bench: $(VENV)/.dev tests/bench/peer/node_modules ## Measure the hot endpoints on one core beside oidc-provider; writes tests/bench/README.md
	@sh deploy/install/debian.sh bench
	$(BIN)/python -m tests.bench

.PHONY: lock
lock: $(VENV)/.dev ## Write the hashed locks anew
	sh deploy/install/lock.sh

# The service first; the card after it, since pyscard builds from source and the sandbox can do without.
$(VENV)/.server: requirements-build.txt requirements-server.txt pyproject.toml
	@sh deploy/install/debian.sh base
	@echo "Making a virtual environment in $(VENV) and installing the locked packages (a minute or two) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-build.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-server.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.card: $(VENV)/.server requirements-card.txt
	@sh deploy/install/debian.sh card
	@echo "Building pyscard, which speaks to card readers ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --require-hashes --no-deps -r requirements-card.txt 2>$(VENV)/card.log \
		|| echo "pyscard could not be built here (see $(VENV)/card.log): the sandbox uses a card inside its own process."
	@touch $@

$(VENV)/.dev: $(VENV)/.card requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt
	@touch $@

tests/pages/node_modules: tests/pages/package-lock.json
	@sh deploy/install/debian.sh test
	cd tests/pages && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

tests/bench/peer/node_modules: tests/bench/peer/package-lock.json
	@sh deploy/install/debian.sh bench
	cd tests/bench/peer && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
