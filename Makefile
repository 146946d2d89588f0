# make demo        sees the main job from nothing (light run-time, no torch)
# make test        runs the tests, but for the slow ones; `make check` adds lint, types and the wheel
# make test-slow   runs the slow ones, and those that need real photos or trained weights (docs/data.md)
# make coverage    runs all of them and asks for 90 % of all branches; takes half as long again
# Each sets up its own .venv first. Python 3.11 or newer: PYTHON=/path/to/python3.11 make demo

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A folder laid out as docs/data.md says; tests that need real photos skip where it is unset.
export FACESEARCH_TEST_DATA ?=

.PHONY: demo test test-slow coverage lint types wheel check browser clean

demo: $(VENV)/.installed
	$(BIN)/facesearch demo

# Two processes share the tests, a file at a time, so that what a file's tests share is made once;
# in the order of tests/conftest.py, which begins with what takes long.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder

test: $(VENV)/.installed-test
	$(PYTEST) -m "not slow"
	@echo "left out: the slow tests (make test-slow)"

test-slow: $(VENV)/.installed-test
	$(PYTEST) -m "slow or data"

coverage: $(VENV)/.installed-test
	$(PYTEST) --cov --cov-report=term:skip-covered --cov-fail-under=90

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.installed-test
	$(BIN)/mypy

wheel: $(VENV)/.installed-test
	PYTHON=$(BIN)/python scripts/check-wheel

check: test test-slow lint types wheel

# The report's page is looked at in Chromium; where none can be had, these tests skip and say so.
CHROMIUM := DEBIAN_FRONTEND=noninteractive timeout 300 apt-get install -yqq --no-install-recommends chromium fonts-liberation
browser:
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit; done; \
	[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	{ $(CHROMIUM) || { apt-get update -qq && $(CHROMIUM); }; } >/dev/null 2>&1 || \
	echo "no Chromium: the tests of the report's page will skip"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "facesearch needs Python 3.11 or newer; $(PYTHON) is older: PYTHON=python3.12 make demo"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Not compiled: of what is installed, few modules are ever imported, and those are compiled then.
$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --no-compile --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

# torch comes first and exactly, so that nothing else chooses another build of it
$(VENV)/.installed-test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --no-compile --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --no-compile --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
