# One place for everything people run. Needs Python ≥ 3.11 and make; sets up .venv by itself.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: help setup demo test test-cluster lint bench docs clean

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python >= 3.11 is needed: make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing liangji into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable '.[postgresql,7z]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@echo "installing test tools ..."
	@$(BIN)/python -m pip install --quiet --group dev
	@touch $@

$(VENV)/installed-ray: $(VENV)/installed-dev
	@echo "installing Ray and Daft ..."
	@$(BIN)/python -m pip install --quiet --editable '.[ray]'
	@touch $@

setup: $(VENV)/installed-dev ## everything, for work on liangji itself

demo: $(VENV)/installed ## make raw data, build, report, package and verify a dataset
	@$(BIN)/liangji demo

test: $(VENV)/installed-dev ## the tests, but for those of the runner for clusters
	@$(BIN)/python -m pytest -n 2 --dist worksteal --ignore tests/cluster

test-cluster: $(VENV)/installed-ray ## the tests of the runner for clusters, on a Ray cluster of this machine
	@$(BIN)/python -m pytest tests/cluster

lint: $(VENV)/installed-dev ## style, types, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/installed-dev ## measure speed beside other tools and write docs/guide/speed.md; without them: make bench ARGS=--no-peers
	@$(BIN)/python -m bench $(ARGS)

docs: $(VENV)/installed-dev ## write docs/reference from the code
	@$(BIN)/python docs/generate.py

clean: ## remove what was installed and made
	rm -rf $(VENV) workspace demo
