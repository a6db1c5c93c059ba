# kadanoff. Needs Python 3.11+ and make; everything else comes from PyPI into $(VENV).
#
#   make demo                    from a fresh clone to a report, core package only
#   make test                    the default test suite (minutes)
#   make PYTHON=python3.12 test  with another Python

PYTHON  ?= python3
VENV    ?= .venv
OUT     ?= out/water

BIN     := $(VENV)/bin
INSTALL := -m pip install --quiet --disable-pip-version-check --editable

# The worm's connections: read as files, never imported, so none of what these packages depend on is needed.
WORM    := 'cect>=0.3.5' 'connectome-utilities>=0.4.16'

# Numba's file cache misses an edit in a function that a cached kernel calls from another file: a folder for each state
# of the sources is always right.
SOURCES := $(shell find src -name '*.py' -exec cksum {} + | LC_ALL=C sort | cksum | cut -d ' ' -f 1)
export NUMBA_CACHE_DIR := $(CURDIR)/.cache/numba/$(SOURCES)

.DEFAULT_GOAL := help
.PHONY: help demo test check bench verify docs clean

help:
	@echo "make demo    fine water to bead water: install the core into $(VENV), run the study, say where the report is"
	@echo "make test    install the test extras, run the default test suite"
	@echo "make check   ruff, mypy, import contracts, documentation"
	@echo "make verify  the slow suite: calibration of error bars, long runs"
	@echo "make bench   every claim of speed against its peers, in an environment of its own"
	@echo "make docs    the site, into site/"
	@echo "make clean   remove what was built or run, but not the environments"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("kadanoff needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

# A stamp says what is installed: a second call installs nothing until pyproject.toml changes.
$(VENV)/core.stamp: pyproject.toml | $(BIN)/python
	@echo 'installing into $(VENV): about a minute'
	$(BIN)/python $(INSTALL) .
	@touch $@

$(VENV)/test.stamp: pyproject.toml | $(BIN)/python
	@echo 'installing into $(VENV), with the other engines and the tools: some minutes'
	$(BIN)/python $(INSTALL) '.[test,docs]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(WORM)
	@touch $@ $(VENV)/core.stamp

$(VENV)/bench.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python $(INSTALL) '.[bench]'
	@touch $@

demo: $(VENV)/core.stamp
	$(BIN)/kadanoff run water --out $(OUT) --resume
	@echo
	@echo "The report: $(abspath $(OUT))/report.html (one file, opens offline in any browser)"

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest

verify: $(VENV)/test.stamp
	$(BIN)/python -m pytest -m slow

check: $(VENV)/test.stamp
	$(BIN)/ruff check src tests examples benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory docs

docs: $(VENV)/test.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

# The peers pin what they like, so they live apart from the tested environment.
bench:
	@$(MAKE) --no-print-directory VENV=.cache/bench-venv run-benchmarks

.PHONY: run-benchmarks
run-benchmarks: $(VENV)/bench.stamp
	@failed=; for file in benchmarks/[a-z]*.py; do \
	    echo; echo "== $$file"; $(BIN)/python $$file || failed="$$failed $$file"; \
	done; test -z "$$failed" || { echo "claims that did not hold:$$failed"; exit 1; }

clean:
	rm -rf out site build dist .cache/numba .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
