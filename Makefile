# Sixtyforty from a fresh clone: `make demo`. What each target does: `make help`.
# Everything it makes lies inside this folder, but for the download caches that pip and uv keep
# where you have told them to. Which index they download from is theirs to know as well.

PYTHON ?= python3

# The Python that the environment is made with has to be this new.
PYTHON_MIN := 3.11

# Nobody is told that this ran: Dagster, DVC, and what DVC brings along.
export DAGSTER_DISABLE_TELEMETRY := 1
export DVC_NO_ANALYTICS := 1
export ITERATIVE_DO_NOT_TRACK := 1

# Caches that would otherwise be made in the home folder or under /var.
export DVC_SITE_CACHE_DIR := $(CURDIR)/.cache/dvc
export MPLCONFIGDIR := $(CURDIR)/.cache/matplotlib

# A process a core, a file's tests in one of them: what they share is made once.
PYTEST := OMP_NUM_THREADS=1 .venv/bin/pytest -n auto --maxprocesses 4 --dist loadfile

CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

.DEFAULT_GOAL := help
.PHONY: help demo drill ui desk up down bench test lint lock reference clean

help: ## What there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

demo: .venv/.installed ## The whole loop on a year of real flights and one of simulated shopping, and what they earned
	@.venv/bin/sixtyforty demo

drill: .venv/.installed ## A week in which things go wrong, on SQLite and on PostgreSQL, and what was left of it
	@.venv/bin/sixtyforty drill

ui: .venv/.installed ## Dagster's pages, on this machine only
	@.venv/bin/sixtyforty ui

desk: .venv/.installed ## The page for people who decide, on this machine only, with a log-in
	@.venv/bin/sixtyforty desk

up: .venv/.installed ## Webserver, desk, daemon and code server as one set that is kept running
	@.venv/bin/sixtyforty up

down: .venv/.installed ## Stop that set
	@.venv/bin/sixtyforty down

# `make bench BENCH=--pairs=9` measures more often, `BENCH=--small` only tries out that everything runs.
bench: .venv/.installed ## What all this costs beside plain scripts and peers: half an hour, on an idle machine
	@.venv/bin/python bench/run.py $(BENCH)

test: lint ## Lint, then every test that can run here
ifeq ($(CHROMIUM),)
	@echo 'Chromium is not installed, so the browser tests are left out (Debian: apt-get install chromium).'
	$(PYTEST) -m 'not browser'
	@echo 'The browser tests were left out: Chromium is not installed.'
else
	$(PYTEST)
endif

lint: .venv/.installed ## Style, types, and who may import whom
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

# Versions that are locked stay as they are; `make lock UPGRADE=--upgrade` takes the newest.
lock: ## Write requirements.lock anew from pyproject.toml
	@test -x .venv/bin/uv || $(MAKE) --no-print-directory .venv/.installed
	.venv/bin/uv pip compile pyproject.toml --extra dev --extra demo --extra s3 --extra celery $(UPGRADE) \
		--universal --python-version $(PYTHON_MIN) --generate-hashes --no-strip-extras --no-annotate \
		--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
		--quiet --output-file requirements.lock

reference: .venv/.installed ## Write docs/reference/declaration.md from the models
	.venv/bin/python -m pipelines.authoring.reference

clean: ## Remove the environment and the caches; data/ stays
	rm -rf .venv .cache build *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +

# uv and the build backend come first, by pip, from the same locked hashes; then uv brings the rest,
# in a third of pip's time. uv doesn't read pip's configuration, so where only pip knows the way to
# a mirror, pip does it all. Both take nothing whose hash isn't in the lock.
.venv/.installed: pyproject.toml requirements.lock
	@command -v $(PYTHON) >/dev/null || { \
		echo '$(PYTHON) is not here. Sixtyforty needs Python $(PYTHON_MIN) or newer: install it' \
			'(Debian: apt-get install python3 python3-venv) or name one that is: make PYTHON=/path/to/python3'; \
		exit 1; } >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < tuple(map(int, "$(PYTHON_MIN)".split("."))))' || { \
		echo "Sixtyforty needs Python $(PYTHON_MIN) or newer, and $(PYTHON) is" \
			"$$($(PYTHON) -c 'import platform; print(platform.python_version())')." \
			'Name a newer one, such as: make PYTHON=python3.12'; \
		exit 1; } >&2
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo '$(PYTHON) cannot make virtual environments: its modules venv and ensurepip are not installed.' \
			'Debian and Ubuntu: apt-get install python3-venv (python3.12-venv and so on for a Python of its own).'; \
		exit 1; } >&2
	@echo 'Installing into .venv: a minute or two the first time.'
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	@awk '/^[a-z]/ {wanted = /^(setuptools|uv)==/} wanted' requirements.lock > .venv/first.lock
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--require-hashes --requirement .venv/first.lock
	@quiet=$$(test -t 2 || echo --quiet); \
	.venv/bin/uv pip install $$quiet --python .venv/bin/python --no-deps --no-build-isolation \
		--compile-bytecode --require-hashes --requirement requirements.lock || { \
		echo 'uv could not install the lock (its reason is above); pip tries now, which takes a few minutes.' >&2; \
		.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
			--no-build-isolation --require-hashes --requirement requirements.lock; }
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --editable .
	@.venv/bin/uv pip check --quiet --python .venv/bin/python || { \
		echo 'requirements.lock does not hold all that pyproject.toml asks for: run make lock, then this again.' >&2; \
		exit 1; }
	@touch $@
