# Needs Python 3.11, 3.12 or 3.13 with pip, and make; the rest is installed into $(VENV).
# Another Python: make test PYTHON=python3.13 VENV=.venv-3.13

PYTHON ?= $(shell python3.11 -c "" 2>/dev/null && echo python3.11 || echo python3)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
UV := uv==0.13.9
ARGS ?=
# Tests of one file stay on one core: they share what they made. Their order is that of tests/conftest.py.
SPREAD := -n auto --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-all bench check format lock lab clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

venv: $(VENV)/.installed ## install everything into .venv; again when the lock changes

$(VENV)/.locked: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || { \
	    echo "make: Python 3.11, 3.12 or 3.13 is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo not there)." >&2; \
	    echo "      Name another one: make venv PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing requirements.lock into $(VENV) (a minute or two) ..."
	@$(PIP) install --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.installed: $(VENV)/.locked pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

demo: venv ## run the whole cutover on the sample company, in data/demo (over work of yours: make demo ARGS=--force)
	@$(BIN)/toolkit demo data/demo $(ARGS)

test: venv ## run the fast tests
	@$(BIN)/python -m pytest -q $(SPREAD) -m "not slow" $(ARGS)

test-all: venv ## run every test, slow ones too; with CI set, a skipped test is a failure
	@$(BIN)/python -m pytest -q $(SPREAD) $(ARGS)

$(VENV)/.bench: benchmarks/requirements.lock $(VENV)/.installed
	@$(PIP) install --no-deps --require-hashes -r benchmarks/requirements.lock
	@touch $@

bench: venv $(VENV)/.bench ## measure speed and memory against their targets (two minutes, rough: make bench ARGS=--quick)
	@mkdir -p build
	@$(BIN)/python -m benchmarks --json build/bench.json $(ARGS)

check: venv ## lint, formatting and types
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --strict toolkit

format: venv ## format the code and fix what the linter can fix
	@$(BIN)/ruff check --fix --quiet --exit-zero .
	@$(BIN)/ruff format .

# What only the benchmarks need has no dependencies of its own, and is locked apart: `make venv` stays light.
lock: ## compile requirements.lock from pyproject.toml (all newer versions: make lock ARGS=--upgrade)
	@test -x .lock-venv/bin/python || $(PYTHON) -m venv .lock-venv
	@.lock-venv/bin/python -m pip --disable-pip-version-check -qq install $(UV)
	@.lock-venv/bin/uv pip compile --quiet --universal --python-version 3.11 --extra dev \
	    --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	    $(ARGS) --output-file requirements.lock pyproject.toml
	@.lock-venv/bin/python -c 'import tomllib; text = open("pyproject.toml", encoding="utf-8").read(); \
	    print(*tomllib.loads(text)["project"]["optional-dependencies"]["bench"], sep="\n")' \
	    | .lock-venv/bin/uv pip compile --quiet --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	    $(ARGS) --output-file benchmarks/requirements.lock -
	@echo "requirements.lock is up to date; environment.yml is kept by hand."

lab: venv ## open JupyterLab
	@$(BIN)/jupyter lab

clean: ## remove caches, builds and the demo (not .venv, no workspace of yours)
	@rm -rf build dist data/demo .lock-venv .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
