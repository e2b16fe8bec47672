# One door to everything: `make help` lists the targets.

SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
PACKAGES := actors broker gateway oplog rib shem wit
# What runs systems waits for a third of its time, for kills to be noticed and leaders to be elected:
# three workers keep two cores busy. More of them keep more systems running, which take their share.
JOBS ?= 3
SEED ?= 1
SECONDS ?= 60
SOAK_SECONDS ?= 1200
NODES ?= 1
WORSE ?=
BROKERS ?=
SEEDS ?= 1000
FIRST ?= 1
TESTS ?= tests
UV ?= $(firstword $(wildcard $(BIN)/uv) uv)

# Never ask the network for newer versions of a tool: the lock decides.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench peers chaos verify simulate http-load fuzz fuzzrib fuzzcomponents soak audit lock clean distclean

help: ## list the targets
	@echo "Shem: WebAssembly components as durable workers on NATS JetStream."
	@echo
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## create .venv with the locked dependencies (does nothing when up to date)

$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	  echo "setup: there is no '$(PYTHON)' on PATH. Install Python 3.11 or newer," >&2; \
	  echo "       or name another one: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "setup: $(PYTHON) is $$($(PYTHON) -V 2>&1), but Shem needs Python 3.11 or newer." >&2; \
	  echo "       Name a newer one: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "setup: $(PYTHON) comes without its 'venv' and 'ensurepip' modules." >&2; \
	  echo "       On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "setup: installing the locked dependencies into $(VENV) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --no-compile --require-hashes -r requirements.lock || { \
	  echo "setup: the locked dependencies could not be installed. What pip says above names" >&2; \
	  echo "       the reason; a package index must be reachable." >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@
	@echo "setup: done"

demo: setup ## start everything, run the example, kill things, show that nothing is lost
	@$(BIN)/python examples/demo.py

test: setup ## run all tests but the long ones (TESTS=path for some of them)
	@$(BIN)/python -m pytest -n $(JOBS) $(TESTS)

check: setup ## format, lint, strict types, import contracts, tidiness
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/unit/test_tidy.py

format: setup ## rewrite the code in the one format
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: setup ## measure against the budgets
	@$(BIN)/python -m benchmarks.run

peers: setup ## the same workloads on Restate, if `python -m benchmarks.restate.peer` has installed it
	@$(BIN)/python -m benchmarks.peers

verify: setup ## random programs of calling workers against a model: make verify FIRST=0 SEEDS=1000
	@$(BIN)/python -m tests.simulation.verify --first $(FIRST) --seeds $(SEEDS)

chaos: setup ## random load under random faults: make chaos SEED=7 SECONDS=120 NODES=3 WORSE=1
	@$(BIN)/python -m tests.chaos.run --seed $(SEED) --seconds $(SECONDS) --nodes $(NODES) $(if $(WORSE),--worse) $(if $(BROKERS),--brokers)

simulate: setup ## thousands of simulated attacks in virtual time: make simulate SEEDS=5000 FIRST=1
	@$(BIN)/python -m tests.simulation.run --seeds $(SEEDS) --first $(FIRST)

fuzz: setup ## random changes to everything that is parsed: make fuzz SEED=7 SECONDS=300 TARGETS="wit wave"
	@$(BIN)/python -m tests.fuzz.run --seed $(SEED) --seconds $(SECONDS) $(TARGETS)

http-load: setup ## 10,000 requests of 100 guests, 5% of the connections cut: make http-load SEED=7
	@$(BIN)/python -m tests.replay.http_load --seed $(SEED)

fuzzrib: setup ## texts that are almost programs in Rib: make fuzzrib SEED=7 SECONDS=600
	@$(BIN)/python -m tests.fuzz.rib --seed $(SEED) --seconds $(SECONDS)

fuzzcomponents: setup ## mutated components, against wasmtime's verdicts: SEED=7 SECONDS=300
	@$(BIN)/python -m tests.fuzz.engine --seed $(SEED) --seconds $(SECONDS) --oracle

soak: setup ## twenty minutes of instances that come and go: SOAK_SECONDS=1200
	@$(BIN)/python -m tests.soak --seconds $(SOAK_SECONDS)

audit: setup ## licences of the dependencies, and their known vulnerabilities where that can be had
	@$(BIN)/python -m tests.support.audit

lock: ## write requirements.lock anew from pyproject.toml (needs uv)
	$(UV) pip compile --universal --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --group dev pyproject.toml -o requirements.lock

clean: ## remove what tests and tools left behind
	rm -rf .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	find $(PACKAGES) tests examples benchmarks -name __pycache__ -type d -prune \
	  -exec rm -rf {} + 2>/dev/null || true

distclean: clean ## clean, and remove the virtual environment too
	rm -rf $(VENV)
