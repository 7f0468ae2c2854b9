# Hardline's tasks; `make help` lists them. All of them work in a fresh clone.

SHELL := /bin/sh
PY := .venv/bin/python
# Rewritten after each complete installation, so that it is older than requirements that changed.
INSTALLED := .venv/.installed
# PYTHON=python3.12 chooses another interpreter for .venv.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.DEFAULT_GOAL := help
.PHONY: help setup run test test-browser test-chaos image-test servers-test upgrade-test check format bench chaos lock screenshots clean-state

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## make .venv and install the pinned requirements

run: $(INSTALLED) ## run everything: servers, workers, web, and a simulated odds provider
	@$(PY) manage.py run

test: $(INSTALLED) ## run the test suite, on real PostgreSQL and Redis
	@# In the order of the files: by their number of tests, the longest would all come last; tests/conftest.py has the longest begin.
	@# Four for two cores: a third of the time is spent on waiting for processes and for the disk.
	@$(PY) -m pytest -n 4 --dist loadfile --no-loadscope-reorder \
		--ignore=tests/browser --ignore=tests/servers --ignore=tests/upgrade \
		--ignore=tests/integration/test_chaos.py

test-browser: $(INSTALLED) ## test the pages in Chromium over live runs, which take most of the machine
	@$(PY) -m pytest tests/browser

image-test: $(INSTALLED) ## build the image with buildah and run every role of it; as root, on Debian
	@PYTHONPATH=. $(PY) .ci/image.py

servers-test: $(INSTALLED) ## replay over PgBouncer, Redis Sentinel and RabbitMQ, where they are installed
	@$(PY) -m pytest tests/servers

upgrade-test: $(INSTALLED) ## upgrade from the release before while its stream goes on; needs git's history
	@$(PY) -m pytest tests/upgrade

check: $(INSTALLED) ## lint, format, wording, locked requirements, deployment files, types, import contracts, migrations
	@$(PY) -m ruff check .
	@$(PY) .ci/docstrings.py
	@$(PY) .ci/lock.py
	@$(PY) .ci/deployment.py
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy .
	@.venv/bin/lint-imports
	@$(PY) manage.py makemigrations --check --dry-run
	@$(PY) .ci/migrations.py

format: $(INSTALLED) ## format the code and correct what the linter can
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

bench: $(INSTALLED) ## measure throughput and latency
	@$(PY) -m pytest -o addopts="-p tests.environment --strict-markers --import-mode=importlib" \
		tests/benchmarks

test-chaos: $(INSTALLED) ## test 20 seeds of chaos, beside which nothing else may run
	@$(PY) -m pytest tests/integration/test_chaos.py

chaos: $(INSTALLED) ## let faults strike a run of its own for 20 seeds, and look for what was lost
	@$(PY) manage.py chaos --seeds 20

LOCK := $(PY) -m uv pip compile --quiet --no-header --universal --python-version 3.11 --generate-hashes

lock: $(INSTALLED) ## lock the requirements of the image, with hashes; needs a package registry
	@$(LOCK) requirements-external.txt --output-file requirements.lock
	@$(LOCK) requirements-tracing.txt --constraint requirements.lock --output-file requirements-tracing.lock

screenshots: $(INSTALLED) ## take the pictures of docs/images from a live run, with Chromium
	@$(PY) .ci/pictures.py

clean-state: $(INSTALLED) ## stop the private servers and delete this checkout's state
	@$(PY) manage.py clean_state

# Two that begin at once, `make run` and `make test`, must not make one .venv together: the second waits
# for the first one's lock, and then finds it made.
WITH_LOCK = import fcntl, os, sys; lock = os.open(".venv.lock", os.O_CREAT | os.O_RDWR); \
	fcntl.flock(lock, fcntl.LOCK_EX); os.set_inheritable(lock, True); os.execvp(sys.argv[1], sys.argv[1:])

$(INSTALLED): requirements.txt requirements-external.txt requirements-tracing.txt requirements-dev.txt
	@test -n "$(PYTHON)" || { \
		echo "Hardline needs Python 3.11 or newer; found: $$(python3 --version 2>&1)." \
			"Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }
ifndef LOCKED
	@$(PYTHON) -c '$(WITH_LOCK)' $(MAKE) --silent --no-print-directory LOCKED=1 $@
else
	@$(PY) -m pip --version >/dev/null 2>&1 || { \
		$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
			echo "$(PYTHON) cannot make virtual environments: install its venv module" \
				"(on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }; \
		echo "making .venv with $$($(PYTHON) --version)"; $(PYTHON) -m venv --clear .venv; }
	@echo "installing the requirements"
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
endif
