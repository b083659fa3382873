# `make demo` and `make test` need Python 3.11 or newer with pip; everything else goes into .venv.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

VENV   := .venv
OUT    ?= demo-output
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)

BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip --disable-pip-version-check
PLUGINS := $(sort $(wildcard plugins/*/pyproject.toml))
PARTS   := $(foreach file,$(PLUGINS),-e $(dir $(file)))
SETUP   := pyproject.toml constraints.txt $(PLUGINS)

.PHONY: help demo test lint format docs bench clean

help: ## say what can be made
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 14

demo: $(VENV)/.demo ## reconstruct a portrait with something in front of it
	$(BIN)/occface demo --out $(OUT)

test: $(VENV)/.test ## run all tests
	$(BIN)/python -m pytest

lint: $(VENV)/.test ## check format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.test ## put code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.test ## check links, names and code of README and docs
	$(BIN)/python -m pytest tests/docs

bench: $(VENV)/.test ## run the benchmarks; tables go to benchmarks/results
	@test -n "$${OCCFACE_DATA:-}" || { echo "set OCCFACE_DATA to the data folder that benchmarks/README.md describes"; exit 1; }
	for script in benchmarks/*.py; do $(BIN)/python $$script; done

clean: ## remove the virtual environment and the demo's results
	rm -rf $(VENV) $(OUT)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "occface needs Python 3.11 or newer; install it, or name one: make PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV) || $(PYTHON) -m venv --clear --without-pip $(VENV)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m pip --python $(BIN)/python install pip

# One command for all parts: they name each other, and no index has them.
$(VENV)/.demo: $(SETUP) | $(BIN)/python
	$(PIP) install -c constraints.txt -e . $(PARTS)
	@$(BIN)/python -c "import cv2" || { echo "OpenCV needs two system libraries: apt-get install libgl1 libglib2.0-0"; exit 1; }
	@touch $@

$(VENV)/.test: $(SETUP) | $(BIN)/python
	$(PIP) install -c constraints.txt -e ".[dev,open3d]" $(PARTS)
	@$(BIN)/python -c "import cv2" || { echo "OpenCV needs two system libraries: apt-get install libgl1 libglib2.0-0"; exit 1; }
	@touch $@ $(VENV)/.demo
