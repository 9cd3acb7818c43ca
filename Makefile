# Two commands for newcomers: make demo, make test. `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export LIM_HOME ?= $(CURDIR)/.lim
export DAGSTER_HOME ?= $(LIM_HOME)/dagster
# Bytecode is what makes the second import quick.
export PYTHONDONTWRITEBYTECODE :=
export GX_ANALYTICS_ENABLED := false
export DAGSTER_DISABLE_TELEMETRY := yes
export PYTHONWARNINGS := ignore
# uv does not read pip's list of wheel folders.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
PORT ?= 3000

.PHONY: help demo month test ui lint lock manifest clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.installed: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 14), "Python 3.11, 3.12 or 3.13 is needed"'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	@echo "installing the packages of constraints.txt ..."
	@$(BIN)/uv pip install --python $(BIN)/python -c constraints.txt -e '.[dev]'
	@touch $@

$(DAGSTER_HOME)/dagster.yaml: deploy/dagster.local.yaml
	@mkdir -p $(DAGSTER_HOME) $(LIM_HOME)/landing
	@cp $< $@

demo: $(VENV)/.installed $(DAGSTER_HOME)/dagster.yaml  ## run the whole lineage on embedded data, print the results
	@$(BIN)/python scripts/demo.py

month: $(VENV)/.installed  ## replay a month of late, doubled, wrong files through the real daemon
	@$(BIN)/python scripts/month.py

ui: $(VENV)/.installed $(DAGSTER_HOME)/dagster.yaml  ## open the Dagster UI, with sensors and schedules
	@echo "http://localhost:$(PORT)"
	@$(BIN)/dagster dev -w workspace.yaml -p $(PORT)

test: $(VENV)/.installed  ## run all tests
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests

lint: $(VENV)/.installed  ## ruff and mypy
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

lock: $(VENV)/.installed  ## remake constraints.txt after a change of pyproject.toml
	@$(BIN)/python scripts/lock.py

manifest: $(VENV)/.installed  ## remake dbt_project/manifest.json after a change of the marts
	@$(BIN)/python scripts/dbt_manifest.py

clean:  ## remove everything that the demo made
	@rm -rf $(LIM_HOME)
