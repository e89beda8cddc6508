# Everything runs in the project's own environment, .venv, made from uv.lock.
PYTHON ?= python3
UV := .venv/bin/uv
RUN := $(UV) run --frozen --no-sync

.PHONY: run test up lint bench install

run: install
	@.venv/bin/gnosis run

test: install
	@.venv/bin/python -m pytest -n 2 --dist loadgroup

up: install
	@.venv/bin/gnosis up

lint: install
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/lint-imports
	.venv/bin/mypy

bench: install
	@for script in benchmarks/*.py; do echo "== $$script"; .venv/bin/python $$script || exit 1; done

install: .venv/installed

.venv/installed: uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "gnosis needs Python 3.11, 3.12 or 3.13, found $$($(PYTHON) --version); call make PYTHON=python3.12"; exit 1; }
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@test -x $(UV) || .venv/bin/python -m pip install --quiet --disable-pip-version-check uv
	@$(UV) sync --frozen --inexact --compile-bytecode --quiet --python .venv/bin/python
	@touch $@
