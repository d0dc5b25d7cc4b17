# The CI steps and the two commands of the README are the same targets.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help venv test lint fix docs bench demo clean

help:           ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

# Reinstalled only when pyproject.toml changes.
$(VENV)/.test: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test,lint]'
	touch $@

lint: $(VENV)/.test  ## style, types and import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/.test  ## what the linter can mend by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: $(VENV)/.test  ## everything needed, then all tests; SLOW=1 runs the slow ones as well
	$(BIN)/python -m pytest $(if $(SLOW),-m 'not network and not gpu and not weights')

$(VENV)/.bench: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	touch $@

# Each ends with one line, a JSON object of its figures. Inputs are kept in the user's cache folder.
bench: $(VENV)/.bench  ## all benchmarks; PHOTOS=DIR, QUICK=1 (a subset, minutes), DOCS=1 (write docs/benchmarks.md)
	for name in ingest robustness search; do \
	  photos='$(PHOTOS)'; test $$name != search || photos=; \
	  $(BIN)/python benchmarks/$$name.py $${photos:+--photos "$$photos"} $(if $(QUICK),--quick) $(if $(DOCS),--update-docs) || exit 1; \
	done
