# make run | test | check | bench | docs; nothing else needs to be installed by hand on Debian.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
STAMP := .make
KERNEL := $(wildcard kernel/*.cpp kernel/*.hpp) CMakeLists.txt

.PHONY: install

install: $(STAMP)/installed

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(STAMP)/installed: $(VENV)/bin/python pyproject.toml $(KERNEL)
	mkdir -p $(STAMP)
	$(BIN)/python -m pip install -q -U pip
	$(BIN)/python -m pip install -q --group build --group dev
	$(BIN)/python -m pip install -q --no-build-isolation -e .
	touch $@
