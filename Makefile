# From a fresh clone, start with `make demo`. `make help` lists the targets.
# Everything that make creates is inside this folder, except the download caches of pip and uv.
# Your pip or uv configuration chooses the package index.

PYTHON ?= python3

# The oldest Python that the environment can be created with.
PYTHON_MIN := 3.11

# No usage statistics are sent by Dagster, by DVC or by the libraries of DVC.
export DAGSTER_DISABLE_TELEMETRY := 1
export DVC_NO_ANALYTICS := 1
export ITERATIVE_DO_NOT_TRACK := 1

# Python writes the project's bytecode. Otherwise each process that a test starts compiles hundreds of modules again.
unexport PYTHONDONTWRITEBYTECODE

# Caches that would otherwise be in the home folder or under /var.
export DVC_SITE_CACHE_DIR := $(CURDIR)/.cache/dvc
export MPLCONFIGDIR := $(CURDIR)/.cache/matplotlib

# pytest runs three processes for every two cores, because tests also wait for disks, services and browsers. The tests of
# one file share a process, so they create their fixtures once.
# Test files run in the order of their names. Otherwise files with few but slow tests would run last.
CORES := $(shell getconf _NPROCESSORS_ONLN)
PYTEST := OMP_NUM_THREADS=1 .venv/bin/pytest -n $(shell echo $$((($(CORES) * 3 + 1) / 2))) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

# This awk program reads the output of `uv pip check`. It leaves out the conflicts that pyproject.toml overrides, prints
# all other conflicts, and fails if there is any.
CONFLICTS := /^(The package|Package) / && !/`(hydra-core|omegaconf)` requires `antlr4-python3-runtime[^`]*`, but `4\.13\./ \
	&& !/`dbt-core` requires `dbt-core-experimental-parser[^`]*`, but it.s not installed/ {print; failed = 1} \
	/^(Checked|All) / {checked = 1} END {exit failed || !checked}

.DEFAULT_GOAL := help
.PHONY: help demo drill drill-all ui desk up down bench test prove lint lock sbom reference docs clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

demo: .venv/.installed ## Run the whole chain on a year of demo data, and show what the decisions earned
	@.venv/bin/sixtyforty demo

drill: .venv/.installed ## Simulate a week with broken extracts and killed processes, and check every decision
	@.venv/bin/sixtyforty drill

# `make drill-all ONLY="disk, model"` drills the faults whose names hold one of these texts, and writes their rows.
drill-all: .venv/.installed ## Plant every kind of fault in a live home, and write who was alerted into docs/reference/faults.md
	@OMP_NUM_THREADS=1 .venv/bin/python -m pipelines.demo.fault_drill --only "$(ONLY)"

ui: .venv/.installed ## Serve Dagster's pages on this machine only
	@.venv/bin/sixtyforty ui

desk: .venv/.installed ## Serve the pages of the people who decide, on this machine only, with a log-in
	@.venv/bin/sixtyforty desk

up: .venv/.installed ## Start all services (pages, desk, daemon, watch) and keep them running
	@.venv/bin/sixtyforty up

down: .venv/.installed ## Stop all services
	@.venv/bin/sixtyforty down

# `make bench BENCH=--pairs=9` measures more often. `BENCH=--small` only tests that everything runs.
bench: .venv/.installed ## Measure the cost compared with plain scripts and other tools (half an hour, on an idle machine)
	@.venv/bin/python bench/run.py $(BENCH)

test: lint ## Run lint, then every test that this machine can run
ifeq ($(CHROMIUM),)
	@echo 'Chromium is not installed, so the browser tests are skipped. Debian: apt-get install chromium.'
	$(PYTEST) -m 'not browser'
	@echo 'The browser tests were skipped: Chromium is not installed.'
else
	$(PYTEST)
endif

# `make prove SEED=1000` sends other mutated extracts. The test suite sends only the first 200. The simulated worlds have
# a fixed seed, so they give the same page again until a method changes.
SEED ?= 1
prove: .venv/.installed ## Run the long proofs: 2,000 mutated extracts, 20 challengers without signal, kills in all stages, the intervals
	LONG_PROOFS=1 FUZZ_SEED=$(SEED) $(PYTEST) --dist load tests/fuzz
	LONG_PROOFS=1 $(PYTEST) tests/e2e/test_chain.py -k shuffled
	LONG_PROOFS=1 $(PYTEST) tests/faults/test_kill.py tests/faults/test_kill_streams.py tests/e2e/test_hour_by_hour.py
	@OMP_NUM_THREADS=1 .venv/bin/python -m bench.coverage.run

lint: .venv/.installed ## Check style, types and the import layers
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

# Locked versions stay as they are. `make lock UPGRADE=--upgrade` takes the newest.
lock: ## Write requirements.lock from pyproject.toml
	@test -x .venv/bin/uv || $(MAKE) --no-print-directory .venv/.installed
	.venv/bin/uv pip compile pyproject.toml --extra dev --extra docs --extra demo --extra s3 --extra celery $(UPGRADE) \
		--universal --python-version $(PYTHON_MIN) --generate-hashes --no-strip-extras --no-annotate \
		--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
		--quiet --output-file requirements.lock

# The licences of a library are not in the lock. `cyclonedx-py environment .venv` reads them from the installed files.
sbom: .venv/.installed ## Write build/sbom.json: all libraries of the lock with their hashes, as CycloneDX
	@mkdir -p build
	@.venv/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible \
		--output-file build/sbom.json
	@echo 'Wrote build/sbom.json'

reference: .venv/.installed ## Write docs/reference from the models and commands, and the dependencies in dvc.yaml from the imports
	.venv/bin/python -m pipelines.authoring.reference
	.venv/bin/python -m pipelines.cli.reference
	.venv/bin/python -m sixtyforty.dvc_file

docs: .venv/.installed ## Build the documentation into build/site, with every link checked
	@.venv/bin/zensical build --strict --config-file mkdocs.yml
	@echo 'Open build/site/index.html'

clean: ## Remove the environment and the caches. data/ stays
	rm -rf .venv .cache build *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +

# pip installs uv and the build backend first, from the same locked hashes. uv then installs the rest
# in a third of pip's time. uv does not read pip's configuration. If only pip is configured for a mirror,
# uv fails and pip installs everything. pip and uv refuse a package whose hash is not in the lock.
.venv/.installed: pyproject.toml requirements.lock
	@command -v $(PYTHON) >/dev/null || { \
		echo '$(PYTHON) is not installed. Sixtyforty needs Python $(PYTHON_MIN) or newer. Install it' \
			'(Debian: apt-get install python3 python3-venv), or name another: make PYTHON=/path/to/python3'; \
		exit 1; } >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < tuple(map(int, "$(PYTHON_MIN)".split("."))))' || { \
		echo "Sixtyforty needs Python $(PYTHON_MIN) or newer, and $(PYTHON) is" \
			"$$($(PYTHON) -c 'import platform; print(platform.python_version())')." \
			'Name a newer one, for example: make PYTHON=python3.12'; \
		exit 1; } >&2
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo '$(PYTHON) cannot create virtual environments: its modules venv and ensurepip are not installed.' \
			'Debian and Ubuntu: apt-get install python3-venv (for python3.12: python3.12-venv).'; \
		exit 1; } >&2
	@echo 'Installing into .venv. The first time takes a minute or two.'
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	@awk '/^[a-z]/ {selected = /^(setuptools|uv)==/} selected' requirements.lock > .venv/first.lock
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--require-hashes --requirement .venv/first.lock
	@quiet=$$(test -t 2 || echo --quiet); \
	.venv/bin/uv pip install $$quiet --python .venv/bin/python --no-deps --no-build-isolation \
		--compile-bytecode --require-hashes --requirement requirements.lock || { \
		echo 'uv could not install the lock (see its message above). pip tries now, which takes a few minutes.' >&2; \
		.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
			--no-build-isolation --require-hashes --requirement requirements.lock; }
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --editable .
	@.venv/bin/uv pip check --python .venv/bin/python 2>&1 | awk '$(CONFLICTS)' >&2 || { \
		echo 'requirements.lock does not contain all that pyproject.toml requires. Run make lock, then this again.' >&2; \
		exit 1; }
	@touch $@
