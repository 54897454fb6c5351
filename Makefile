# make run | test | check | bench | docs: each sets up what it needs first, and works twice in a row.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
STAMPS := $(VENV)/.stamps
KERNEL := $(wildcard kernel/*.cpp kernel/*.hpp kernel/tests/*) CMakeLists.txt
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SANITIZED := build/sanitized

.DEFAULT_GOAL := help
.PHONY: help run extras test check format lint types layers kernel-test bench soak docs lock clean system

help:
	@echo "make run    build everything, then scan a demo folder of ordinary pictures"
	@echo "make extras add video (PyAV) and Parquet to what make run installed"
	@echo "make test   run the tests (they start a PostgreSQL of their own)"
	@echo "make check  format, lint, types, layers, docs, C++ tests under sanitizers, tests: what CI runs"
	@echo "make bench  print how fast it is, as ratios to the peers"
	@echo "make soak   change lists under processes that follow them, for an hour (SECONDS=3600)"
	@echo "make docs   build the documentation into docs/_build/html"
	@echo "make clean  remove what was built, the environment included"
	@echo "make lock   renew the lock files (needs network)"

run: env-run
	$(BIN)/safelight demo

test: env-dev
	$(BIN)/python -m pytest $(PYTEST)

check: lint types layers docs kernel-test test

lint: env-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: env-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: env-dev
	$(BIN)/mypy

layers: env-dev
	$(BIN)/lint-imports

kernel-test: env-dev
	$(BIN)/cmake -S . -B $(SANITIZED) -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja \
	  -DCMAKE_BUILD_TYPE=Debug -DKERNEL_PYTHON=OFF -DKERNEL_TESTS=ON -DKERNEL_SANITIZE=ON >/dev/null
	$(BIN)/cmake --build $(SANITIZED)
	$(BIN)/ctest --test-dir $(SANITIZED) --output-on-failure

bench: env-dev
	for one in bench/*.py; do echo; echo "== $$one"; $(BIN)/python $$one || exit 1; done

# A minute of it is among the tests.
soak: env-dev
	SAFELIGHT_SOAK_STALE=1 SAFELIGHT_SOAK_SECONDS=$(or $(SECONDS),3600) $(BIN)/python -m pytest tests/soak

docs: env-dev
	$(BIN)/python docs/generate.py
	$(BIN)/python -m sphinx -W -q -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

extras: env-run env-extras
	@echo "Video (PyAV, whose FFmpeg has parts under the GPL) and Parquet are installed."

lock:
	$(BIN)/python -m uv --version >/dev/null 2>&1 || $(PIP) install uv
	$(BIN)/python -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-annotate --extra demo --group build -o lock/run.txt pyproject.toml
	$(BIN)/python -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-annotate --all-extras --group build \
	  -c lock/run.txt -o lock/extras.txt pyproject.toml
	$(BIN)/python -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-annotate --all-extras --group build --group dev --group docs --group bench \
	  -c lock/run.txt -o lock/dev.txt pyproject.toml

clean:
	rm -rf $(VENV) build dist docs/_build

# What pip cannot install: Python's venv and headers, and a compiler.
system:
	@.ci/system-packages $(PYTHON)

# A stamp, not bin/python: an environment that was only half made does not count.
$(STAMPS)/venv: | system
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	mkdir -p $(STAMPS)
	touch $@

$(STAMPS)/locked-%: lock/%.txt | $(STAMPS)/venv
	@echo "Installing the packages of lock/$*.txt; the first time this takes about two minutes"
	@$(PIP) install --require-hashes -r lock/$*.txt
	touch $@

# The kernel is rebuilt when its sources change; the Python sources are used where they lie.
$(STAMPS)/built: $(KERNEL) pyproject.toml | $(STAMPS)/venv
	@echo "Building the kernel"
	@$(PIP) install --no-build-isolation --no-deps --editable .
	touch $@

.SECONDARY:

# In two steps, since the build needs what the lock file brings.
env-%: $(STAMPS)/locked-%
	@$(MAKE) --no-print-directory $(STAMPS)/built
