# The CI steps and the two commands of the README are the same targets.
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 44444
JOBS ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The first Python that is new enough; name another one with PYTHON=.
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11 python
IS_NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(or $(shell for each in $(CANDIDATES); do \
	$$each $(IS_NEW_ENOUGH) 2>/dev/null && { echo $$each; break; }; done),python3)

.PHONY: help demo browser test reference lint fix bench docs clean

help:           ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
		echo 'make: there is no $(PYTHON). Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3' >&2; \
		exit 1; }
	@$(PYTHON) $(IS_NEW_ENOUGH) || { \
		echo "make: Ambience needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
			"Name a newer one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "make: $(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; \
		exit 1; }
	@echo 'make: making a virtual environment in $(VENV)'
	@$(PYTHON) -m venv $(VENV)

# Installed again only when pyproject.toml changes.
$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo 'make: installing Ambience into $(VENV) (a few minutes the first time)'
	@$(BIN)/python -m pip install --quiet --editable '.[demo]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	@echo 'make: installing Ambience and the tools of its tests into $(VENV) (a few minutes the first time)'
	@$(BIN)/python -m pip install --quiet --editable '.[demo,test,lint]'
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo  ## add PHOTOS=DIR (or the photographs of scikit-image), serve at PORT=44444; ONCE=1: search and end
	@$(BIN)/python tools/demo.py --port $(PORT) $(if $(PHOTOS),--photos '$(PHOTOS)') $(if $(ONCE),--once)

# The page is tested in a real browser. Without one those tests are skipped, which must be said, but is no error.
browser:        ## Chromium for the tests of the page, where this machine lets it be installed
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ]; then as_root=; else as_root='sudo -n'; fi; \
	if command -v apt-get >/dev/null && $$as_root true 2>/dev/null; then \
	  echo 'make: installing Chromium for the tests of the page'; \
	  install="$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Acquire::http::Timeout=20 chromium"; \
	  { $$install || { $$as_root apt-get update -qq && $$install; }; } >/dev/null 2>&1; \
	fi; \
	for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
	echo 'make: no Chromium, so the page is not tested in a browser. On Debian and Ubuntu:' \
	  'sudo apt-get install chromium; elsewhere put chromium or google-chrome into PATH' >&2

# A file's tests stay together, since they share servers and libraries; files begin in the order of the tests.
test: $(VENV)/.test browser  ## everything needed, then all tests in JOBS=2 processes; SLOW=1: the slow ones as well
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(if $(SLOW),-m 'not network and not gpu and not weights and not reference')

reference: $(VENV)/.test  ## embeddings and descriptors against PyTorch itself, installed apart (1 to 6 GB, minutes)
	@$(BIN)/python -m pytest -m reference

lint: $(VENV)/.test  ## style, types and import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/.test  ## what the linter can mend by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.bench: pyproject.toml | $(BIN)/python
	@echo 'make: installing Ambience and the peers it is measured against into $(VENV)'
	@$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@

# Each ends with one line, a JSON object of its figures. Inputs are kept in the user's cache folder.
bench: $(VENV)/.bench  ## all benchmarks; PHOTOS=DIR, QUICK=1 (a subset, minutes), DOCS=1 (write docs/benchmarks.md)
	for name in ingest extraction embed robustness verdicts $(if $(PHOTOS),quality) search 'search --kind local_features' 'search --kind embeddings'; do \
	  set -- $$name; program=$$1; shift; \
	  $(BIN)/python benchmarks/$$program.py "$$@" $(if $(PHOTOS),--photos '$(PHOTOS)') $(if $(QUICK),--quick) $(if $(DOCS),--update-docs) || exit 1; \
	done

docs: $(VENV)/.test  ## docs/settings.md, the table of kinds, and the client's models, from the code
	$(BIN)/python tools/write_docs.py
	$(BIN)/python tools/write_client.py

clean:          ## remove the virtual environment, the demo's library and caches
	rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
