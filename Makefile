# Everything that one does with this project. `make help` lists it.
# Another Python: make test PYTHON=python3.13

PYTHON ?= python3
ARGS ?=

VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
# One environment per version of Python, so that one can change between them.
VENV := .venv-$(VERSION)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run run-server run-agent test check torture screenshots format clean browser bubblewrap
.PHONY: lock audit release-check bench bench-compare
# One lock for all versions of Python that we support, the oldest of which says what may be in it.
LOCKING := pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock" pyproject.toml

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

run: $(VENV)/ready ## server and one agent on this machine; prints the URL; Ctrl-C stops both
	@.ci/need git git
	@exec $(BIN)/python -m ci

run-server: $(VENV)/ready ## the server alone; its flags in ARGS="--port 8000"
	@exec $(BIN)/python -m ci.server $(ARGS)

run-agent: $(VENV)/ready ## an agent alone; its flags in ARGS="--server-host 10.0.0.5"
	@.ci/need git git
	@exec $(BIN)/python -m ci.agent $(ARGS)

test: browser bubblewrap check ## everything: format, lint, types, all tests (with git, bubblewrap and Chromium)
	@CI_BROWSER="$$($(BIN)/python tests/find_browser.py)" $(BIN)/python -m pytest --quiet \
		--numprocesses auto --dist loadfile tests/real

check: $(VENV)/ready-to-test ## the fast part: format, lint, types, unit and story tests
	@.ci/need git git
	@$(BIN)/python -m ruff format --quiet --check .
	@$(BIN)/python -m ruff check --quiet .
	@$(BIN)/python -m mypy
	@$(BIN)/python -m pytest --quiet --numprocesses auto tests/unit tests/story

torture: $(VENV)/ready-to-test ## kill, freeze, cut and fill disks for 10 minutes: ARGS="--minutes 30 --seed 7"
	@.ci/need git git
	@$(BIN)/python -m tests.torture $(ARGS)

screenshots: browser ## every page in every state as pictures, in the folder screenshots/
	@CI_BROWSER="$$($(BIN)/python tests/find_browser.py)" $(BIN)/python -m tests.real.browser.screenshots screenshots $(ARGS)

bench: $(VENV)/ready-to-test ## measure how fast it is, below ten minutes: ARGS="--whole", ARGS="one burst"
	@.ci/need git git
	@CI_BROWSER="$$($(BIN)/python tests/find_browser.py)" $(BIN)/python -m bench $(ARGS)

bench-compare: $(VENV)/ready-to-test ## what has changed between two of its results: A=old.jsonl B=new.jsonl
	@$(BIN)/python -m bench.compare $(A) $(B)

format: $(VENV)/ready-to-test ## put the source into shape, and mend what the linter can mend
	@$(BIN)/python -m ruff format .
	@$(BIN)/python -m ruff check --fix .

lock: $(VENV)/ready-to-release ## requirements.lock anew: what a release is installed from, with hashes
	@$(BIN)/uv $(LOCKING) --upgrade --output-file requirements.lock

audit: $(VENV)/ready-to-release ## look for known weaknesses in what requirements.lock names
	@$(BIN)/pip-audit --strict --requirement requirements.lock --require-hashes --disable-pip \
		--progress-spinner off || \
		{ echo "make audit: see above; a line with 'could not be audited' means that nobody has looked" >&2; exit 1; }

release-check: $(VENV)/ready-to-release ## install from requirements.lock alone, and see that it runs
	@cp requirements.lock $(VENV)/lock && $(BIN)/uv $(LOCKING) --output-file $(VENV)/lock && \
		cmp -s $(VENV)/lock requirements.lock || \
		{ echo "requirements.lock does not fit pyproject.toml: make lock" >&2; exit 1; }
	@rm -rf $(VENV)/release && $(PYTHON) -m venv $(VENV)/release
	@$(VENV)/release/bin/python -m pip --quiet --disable-pip-version-check install \
		--require-hashes --requirement requirements.lock
	@$(VENV)/release/bin/python -m pip --disable-pip-version-check check
	@$(VENV)/release/bin/python -m ci.server --help >/dev/null
	@$(VENV)/release/bin/python -m ci.agent --help >/dev/null
	@echo "release-check: what requirements.lock names is enough, on Python $(VERSION)"

clean: ## remove environments and caches; the data folder stays
	rm -rf .venv-* *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './data/*' -prune -exec rm -rf {} +

# Both are looked for before the long part, so that nobody waits for minutes to hear that one is missing.
browser: $(VENV)/ready-to-test
	@$(BIN)/python tests/find_browser.py >/dev/null

bubblewrap:
	@.ci/need bwrap bubblewrap

# The file `ready` is made last: an interrupted installation begins again.
$(VENV)/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "nursery-ci needs Python 3.11 or newer, and $(PYTHON) is not: make run PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || .ci/need '' python$(VERSION)-venv
	@echo "Setting up $(VENV) ..."
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --editable .
	@touch $@

$(VENV)/ready-to-test: $(VENV)/ready
	@echo "Adding the test tools to $(VENV) ..."
	@$(PIP) install --editable '.[test]'
	@touch $@

$(VENV)/ready-to-release: $(VENV)/ready
	@echo "Adding the tools for releases to $(VENV) ..."
	@$(PIP) install --editable '.[release]'
	@touch $@
