# PYTHON makes the environment; everything else runs inside it, whether or not it is activated.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: install check test test-slow test-gpu

install:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'

check:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test:
	$(BIN)/pytest -n 2

test-slow:
	$(BIN)/pytest -m slow --timeout 3000

test-gpu:
	$(BIN)/pytest -m gpu --timeout 600
