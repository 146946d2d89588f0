# make demo   sees the main job from nothing (light run-time, no torch)
# make test   runs the tests; `make check` adds lint, types and the wheel
# Each sets up its own .venv first. Python 3.11 or newer: PYTHON=/path/to/python3.11 make demo

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A folder laid out as docs/data.md says; tests that need real photos skip where it is unset.
export FACESEARCH_TEST_DATA ?=

.PHONY: demo test lint types wheel check browser clean

demo: $(VENV)/.installed
	$(BIN)/facesearch demo

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered --cov-fail-under=90

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.installed-test
	$(BIN)/mypy

wheel: $(VENV)/.installed-test
	PYTHON=$(BIN)/python scripts/check-wheel

check: test lint types wheel

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

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

# torch comes first and exactly, so that nothing else chooses another build of it
$(VENV)/.installed-test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
