# Everything runs in the project's own environment, .venv, made from uv.lock with the first Python that is supported.
# Another one: make run PYTHON=python3.12
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(SUPPORTED)' 2>/dev/null && echo $$python && break; done)

# Written last, so without it, or for another folder or another lock, the environment is made anew.
STAMP := .venv/installed
IS_CURRENT = { pwd -P; cat uv.lock; } | cmp -s - $(STAMP) && test -x .venv/bin/python
IS_ASKED_PYTHON = { test "$(origin PYTHON)" = file || test "$$("$(PYTHON)" -V 2>&1)" = "$$(.venv/bin/python -V)"; }

# Where this is set, every start would compile every module again.
unexport PYTHONDONTWRITEBYTECODE
# These would lead Python or uv to another environment.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV UV_PROJECT_ENVIRONMENT
# Two threads that wait busily for each other on two shared cores cost five times the training.
OMP_WAIT_POLICY ?= PASSIVE
export OMP_WAIT_POLICY

.PHONY: run test up lint bench verify-real install torch environment peers

run: install
	@.venv/bin/gnosis run

test: install torch peers
	@.venv/bin/python -m pytest -n 2 --dist loadgroup

up: install
	@.venv/bin/gnosis up

lint: install
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/lint-imports
	.venv/bin/mypy

bench: install
	@.venv/bin/uv sync --frozen --inexact --group bench --quiet --python .venv/bin/python --no-python-downloads
	@for script in $(filter-out benchmarks/known_truth.py,$(wildcard benchmarks/*.py)); do \
		echo "== $$script"; PYTHONPATH=. .venv/bin/python "$$script" || exit 1; done

verify-real: install
	@.venv/bin/python -m benchmarks.real_chains

install:
	@$(IS_CURRENT) && $(IS_ASKED_PYTHON) && test ! pyproject.toml -nt $(STAMP) \
		|| $(MAKE) --no-print-directory environment

# The lock cannot choose the build of torch for a machine; pip takes the one that its own settings lead it to.
torch:
	@.venv/bin/python -c 'import torch' 2>/dev/null \
		|| .venv/bin/python -m pip install --quiet --no-compile --disable-pip-version-check 'torch>=2.6,<2.14' \
		|| echo "torch could not be installed: the tests of the sequence model are skipped" >&2

# Other backtest engines that replay our orders, each in an environment of its own beside its lock; they need 2 GB.
PEERS := backtrader vectorbt zipline

peers: install
	@$(MAKE) --no-print-directory --jobs 2 $(PEERS:%=peers/%/.venv/installed)

# Written last, so without it, or for another lock, the environment is completed anew.
peers/%/.venv/installed: peers/%/uv.lock peers/%/pyproject.toml
	@echo "Making peers/$*/.venv from its lock"
	@.venv/bin/uv sync --frozen --compile-bytecode --quiet --project peers/$* --python .venv/bin/python \
		--no-python-downloads
	@touch $@

environment:
	@"$(PYTHON)" -c '$(SUPPORTED)' 2>/dev/null || { found=$$("$(or $(PYTHON),python3)" -V 2>/dev/null); \
		echo "gnosis needs Python 3.11, 3.12 or 3.13, found $${found:-none as $(or $(PYTHON),python3)};" \
		"name another one: make run PYTHON=/path/to/python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "gnosis needs the venv module of $$("$(PYTHON)" -V):" \
		"install it (Debian, Ubuntu: apt install python3-venv) or name another Python: make run PYTHON=..." >&2; exit 1; }
	@{ $(IS_CURRENT) && $(IS_ASKED_PYTHON); } || { \
		echo "Making .venv from uv.lock with $$("$(PYTHON)" -V); the first time this downloads half a gigabyte"; \
		"$(PYTHON)" -m venv --clear .venv; }
	@rm -f $(STAMP)
	@test -x .venv/bin/uv || .venv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
	@.venv/bin/uv sync --frozen --inexact --compile-bytecode --quiet --python .venv/bin/python --no-python-downloads
	@{ pwd -P; cat uv.lock; } > $(STAMP)
