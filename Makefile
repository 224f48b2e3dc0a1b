# Every target sets up what it needs: a virtual environment with pinned packages.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SEED ?= 0

.PHONY: setup check test demo bench clean

setup: $(VENV)/.for-development

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.for-development: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/.for-use

$(VENV)/.for-use: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "setting up $(VENV) (a minute or two)"
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[render]'
	touch $@

check: setup
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadscope

demo: $(VENV)/.for-use
	$(BIN)/babyvlm demo --out demo --seed $(SEED)

# Some of them measure what the demonstration leaves.
bench: setup demo
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) demo
