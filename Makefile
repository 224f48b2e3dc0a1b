# Every target sets up what it needs: a virtual environment with pinned packages.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SEED ?= 0

LOWEST := .venv-lowest
NEWEST := .venv-newest
SITE := src/babyvlm/site

.PHONY: setup check test test-slow coverage test-lowest test-newest docs dist lock release demo bench clean

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
	$(BIN)/ruff check src tests benchmarks docs scripts examples
	$(BIN)/ruff format --check src tests benchmarks docs scripts examples
	$(BIN)/mypy

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadscope

# What takes long: recipes as a whole, several processes, browsers, tutorials that train, the documentation.
test-slow: setup
	$(BIN)/python -m pytest -n 2 --dist loadscope -m slow

# Which lines the default tier runs; fails below the share that pyproject.toml asks for.
coverage: setup
	$(BIN)/python -m pytest -n 2 --dist loadscope --cov --cov-report=term

# The model's tests on the lowest versions that pyproject.toml allows, in an environment of its own.
test-lowest: $(LOWEST)/.for-lowest
	$(LOWEST)/bin/python -m pytest -n 2 -W ignore -m "not slow and not gpu" tests/model tests/weights \
		tests/training/test_stages.py tests/training/test_start.py tests/evaluation/test_respondents.py tests/cli

$(LOWEST)/.for-lowest: pyproject.toml constraints-lowest.txt
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check -c constraints-lowest.txt \
		-e . "pytest>=8" "pytest-timeout>=2.3" "pytest-xdist>=3.6" "hypothesis>=6.100"
	touch $@

# The default tier on whatever versions are newest, in an environment of its own: no pins.
test-newest: $(NEWEST)/.for-newest
	$(NEWEST)/bin/python -m pytest -n 2 --dist loadscope -W ignore

$(NEWEST)/.for-newest: pyproject.toml
	$(PYTHON) -m venv $(NEWEST)
	$(NEWEST)/bin/pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager -e '.[dev]'
	touch $@

# Every warning, a dead link among them, is an error. The pages become data of the package: babyvlm docs opens them.
docs: setup
	rm -rf $(SITE)
	$(BIN)/python -m sphinx -W --keep-going -q -d build/doctrees -b html docs $(SITE)

# Wheel and source archive; the wheel is built from the archive, and both are tried in an empty environment.
dist: docs
	rm -rf dist build/lib
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python scripts/try_dist.py dist

# For those who use uv: every platform and Python at once, at the versions of constraints.txt. Needs uv.
lock:
	( echo "# Every package for every platform, as \`make lock\` resolves it: uv pip sync requirements.lock"; \
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11.7 -c constraints.txt \
		--no-header --no-annotate --no-emit-index-url -q ) > requirements.lock.new
	mv requirements.lock.new requirements.lock

# A dry run; scripts/release.py has the steps.
release: setup
	$(BIN)/python scripts/release.py check

demo: $(VENV)/.for-use
	$(BIN)/babyvlm demo --out demo --seed $(SEED)

# Some of them measure what the demonstration leaves.
bench: setup demo
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) $(LOWEST) $(NEWEST) $(SITE) docs/generated build dist demo
