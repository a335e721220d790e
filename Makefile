# make lab   opens JupyterLab on the first lesson        make test       everything but the slow tests
# make bench prints the benchmarks                       make test-slow  real kills, installing, ...
# make clean removes what tests and builds leave; the virtual environment stays
VENV ?= .venv
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python3.14 python,\
	$(shell $(name) -c 'import sys; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)))
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Node comes as a wheel, in the test extra; what checks the front end stays in tests/front.
FRONT := tests/front
NODE := $(BIN)/node

.PHONY: lab test test-slow lint bench clean

lab: $(VENV)/.for-lab
	@$(BIN)/xai-widgets lab

# Two processes with one thread of torch each take half as long as one with two; the browser has the machine for itself.
# They take files in the order of tests/conftest.py, the longest first; xdist's own puts files of few tests last.
test: export OMP_NUM_THREADS = 1
test: $(VENV)/.for-tests lint
	$(BIN)/python -m pytest -m "not slow" --ignore tests/browser -n 2 --dist loadfile --no-loadscope-reorder
	$(BIN)/python -m pytest -m "not slow" tests/browser

test-slow: export OMP_NUM_THREADS = 1
test-slow: $(VENV)/.for-tests
	$(BIN)/python -m pytest -m slow --ignore tests/browser -n 2 --no-loadscope-reorder --maxschedchunk 1
	$(BIN)/python -m pytest -m slow tests/browser

lint: $(VENV)/.for-tests $(FRONT)/node_modules/.installed
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tests/browser/*.py
	$(NODE) $(FRONT)/node_modules/eslint/bin/eslint.js --config $(FRONT)/eslint.config.mjs xai_widgets/static $(FRONT)
	$(NODE) $(FRONT)/node_modules/typescript/bin/tsc --project $(FRONT)

$(FRONT)/node_modules/.installed: $(FRONT)/package-lock.json | $(VENV)/.for-tests
	PATH="$(abspath $(BIN)):$$PATH" npm ci --ignore-scripts --no-audit --no-fund --prefix $(FRONT)
	@touch $@

bench: $(VENV)/.for-tests
	$(BIN)/python -m benchmarks.kernels
	$(BIN)/python -m benchmarks.browser

clean:
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis tests/browser/screenshots
	find xai_widgets tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer is needed; found $$(python3 --version 2>&1 || echo none)." \
		"Name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, got $$($(PYTHON) --version 2>&1)." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -f $@; echo "No virtual environment could be made;" \
		"on Debian and Ubuntu install the package python3-venv first." >&2; exit 1; }

$(VENV)/.for-lab: pyproject.toml xai_widgets/server.json | $(BIN)/python
	$(PIP) install --editable .
	@touch $@

$(VENV)/.for-tests: pyproject.toml xai_widgets/server.json tests/browser/chromium.py | $(BIN)/python
	$(PIP) install --editable '.[test,peers]'
	$(BIN)/python tests/browser/chromium.py
	@touch $@ $(VENV)/.for-lab
