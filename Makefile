# Rasad: `make run` shows it, `make test` proves it. Needs Debian 12 or Ubuntu with Python 3.11 or newer.
PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin
export PATH

DATA ?= var/run
ARGS ?=
TESTS ?=
BIN := .venv/bin
CODE := telemetry ingest processing storage pilots simulators api service dashboards
PY := $(wildcard $(CODE) tests benchmarks)

.DEFAULT_GOAL := help
.PHONY: help setup setup-test run test check format docs bench soak lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

setup: ## set up what running needs
	@.ci/setup run

setup-test:
	@.ci/setup test

run: setup ## run the whole system with three simulated pilots; state in DATA, more options in ARGS
	@mkdir -p $(DATA)
	$(BIN)/rasad up --data $(DATA) --simulate $(ARGS)

test: setup-test ## set up what the tests need, then every check and every test
	@$(MAKE) --no-print-directory check-only
	$(BIN)/pytest -n 3 --dist loadfile $(TESTS)

check: setup-test check-only ## style, types, import rules, settings and pilots

.PHONY: check-only
check-only:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PY)
	$(BIN)/lint-imports --no-cache
	$(BIN)/rasad check

format: setup-test ## put the code into its form
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

docs: setup ## write the generated pages anew
	$(BIN)/python -m service.settings_page docs/settings.md
	$(BIN)/python -m service.cli_page docs/cli.md

bench: setup ## measure the cost beside mosquitto_sub, aiomqtt and paho
	$(BIN)/rasad bench $(ARGS)

soak: setup-test ## long runs of faults and load (about 20 minutes); campaigns by name in ARGS
	$(BIN)/python -m benchmarks.soak $(ARGS)

lock: ## write the locked requirements anew (ARGS=--upgrade takes newer versions)
	@.ci/lock $(ARGS)

clean: ## remove the environment, state and caches of this folder
	rm -rf .venv var build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
