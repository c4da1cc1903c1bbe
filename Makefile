# Needs make, and Python 3.10 or newer with its venv module. Everything else comes into .venv, from
# the locked requirements files. Written for GNU make 3.81, the one that macOS ships.

PYTHON ?= python3
VENV ?= .venv
# More arguments for what a target runs: make test ARGS="-k rotation", make run ARGS="--port 5001".
ARGS ?=
# At most 4 at once: every worker may start a PostgreSQL of its own.
WORKERS ?= -n auto --maxprocesses=4
# Of the production server; more of its options, as in `make serve ARGS=--help`, through ARGS.
CERTIFICATE ?= instance/cert.pem
KEY ?= instance/key.pem
PORT ?= 8443
# `make test COV=` measures nothing and is faster.
COV ?= --cov --cov-report=term

.DEFAULT_GOAL := help
PY := $(VENV)/bin/python
PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --no-input --require-hashes

# What .venv was made from is in the names of the stamp files in it: the version of Python and the
# checksum of the requirements files. So a new interpreter or other content makes a stamp go
# missing, while a newer file time with the same content (git checkout) costs nothing.
PYTHON_VERSION := $(shell $(PYTHON) -c 'import platform; print(platform.python_version())')
LOCKED := requirements.txt requirements-dev.txt requirements-mutants.txt
CONTENT := $(shell cat $(LOCKED) 2>/dev/null | cksum | tr -s ' \t' '--')
VENV_STAMP := $(VENV)/.made-by-python-$(PYTHON_VERSION)
RUN_STAMP := $(VENV)/.installed-run-$(CONTENT)
DEV_STAMP := $(VENV)/.installed-dev-$(CONTENT)
MUTANTS_STAMP := $(VENV)/.installed-mutants-$(CONTENT)

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: $(RUN_STAMP) ## Start the server on http://127.0.0.1:5000, no configuration needed
	$(PY) -m flask run $(ARGS)

.PHONY: serve
serve: $(RUN_STAMP) ## Start the production server, with TLS: CERTIFICATE=... KEY=... PORT=8443
	@exec $(PY) -m utils.serving --certificate $(CERTIFICATE) --key $(KEY) --port $(PORT) $(ARGS)

.PHONY: test
test: $(DEV_STAMP) ## Run all tests; for some of them: ARGS="-k rotation"
	$(PY) -m pytest $(WORKERS) $(COV) $(ARGS)

# As it stands at the end of `make test`; here nothing is run.
.PHONY: count
count: $(DEV_STAMP) ## Count the tests on each engine; fails if they differ without a reason
	@$(PY) -m pytest -n 0 --collect-only -qq --no-header $(ARGS) >$(VENV)/count.txt; status=$$?; \
	grep '^engines:' $(VENV)/count.txt; exit $$status

.PHONY: lint
lint: $(DEV_STAMP) ## Check the code's style and for common mistakes
	$(PY) -m ruff check $(ARGS)
	$(PY) -m ruff format --check

.PHONY: format
format: $(DEV_STAMP) ## Format the code and fix what can be fixed safely
	$(PY) -m ruff check --fix-only --quiet
	$(PY) -m ruff format

.PHONY: types
types: $(DEV_STAMP) ## Check the types
	$(PY) -m mypy $(ARGS)

.PHONY: walkthrough
walkthrough: $(RUN_STAMP) ## Walk through the API on a running server (BASE_URL=http://...)
	$(PY) tests/test.py $(ARGS)

.PHONY: torture
torture: $(DEV_STAMP) ## Try to lose data: kill, race and fill up; one attempt: ROW=name
	$(PY) -m tests.torture $(if $(ROW),--row $(ROW)) $(ARGS)

.PHONY: attack
attack: $(DEV_STAMP) ## Try to get in: guess, time, forge, race, trespass; one attempt: ROW=name
	$(PY) -m tests.attack $(if $(ROW),--row $(ROW)) $(ARGS)

.PHONY: fuzz
fuzz: $(DEV_STAMP) ## Find what nobody thought of: thousands of generated values; one row: ROW=name
	$(PY) -m tests.fuzz $(if $(ROW),--row $(ROW)) $(ARGS)

.PHONY: bench
bench: $(DEV_STAMP) ## Measure how fast it is, beside what Flask and Fernet allow; one line: ROW=name
	$(PY) -m benchmarks $(if $(ROW),--line $(ROW)) $(ARGS)

.PHONY: growth
growth: $(DEV_STAMP) ## Measure what work costs with 1,000 to 1,000,000 secrets; fewer: ARGS="--most 10000"
	$(PY) -m benchmarks.growth $(ARGS)

.PHONY: plot
plot: $(DEV_STAMP) ## Show in docs/performance.md and its picture what bench and growth measured
	$(PY) -m benchmarks.plot

.PHONY: profile
profile: $(DEV_STAMP) ## Tell where the time of a read goes, in microseconds
	@$(PY) -m benchmarks.profile_read $(ARGS)

.PHONY: soak
soak: $(DEV_STAMP) ## Run the production server for ten minutes, and see what fails, grows or leaks
	$(PY) -m tests.soak $(ARGS)

.PHONY: mutants
mutants: $(MUTANTS_STAMP) ## See whether tests notice what is broken on purpose: MODULE=utils/crypto.py
	$(PY) -m tests.mutants $(MODULE) $(ARGS)

# uv keeps the versions that are already locked; ARGS=--upgrade takes new ones. An index of the
# machine that locks must not get into the files, whatever that machine's own settings say. Extras
# stay in the pins: pip does not hold "x[extra]" to "x==1.0" and takes the newest x, without a hash.
LOCK := $(PY) -m uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-index-annotation \
	--custom-compile-command 'make lock' $(ARGS)

.PHONY: lock
lock: $(DEV_STAMP) ## Lock pyproject.toml's dependencies; newer versions: ARGS=--upgrade
	$(LOCK) --output-file requirements.txt pyproject.toml
	$(LOCK) --output-file requirements-dev.txt --constraint requirements.txt --group dev pyproject.toml
	$(LOCK) --output-file requirements-mutants.txt --constraint requirements-dev.txt --group mutants

.PHONY: venv
venv: $(DEV_STAMP) ## Create .venv with all that development needs (the other targets do so too)

# instance/ stays: it holds the data, and the master key without which the data is lost.
.PHONY: clean
clean: ## Remove .venv, caches and reports; never instance/
	rm -rf .venv .coverage .coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache mutants
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A .venv that somebody made by hand is kept if the right Python made it.
$(VENV_STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is \
	needed, and $(PYTHON) is $(PYTHON_VERSION): try make PYTHON=python3.12 ...")'
	@$(PY) -c 'import pip, platform, sys; \
	sys.exit(platform.python_version() != "$(PYTHON_VERSION)")' 2>/dev/null \
	|| { echo "Creating $(VENV) with Python $(PYTHON_VERSION)"; $(PYTHON) -m venv --clear $(VENV); }
	@rm -f $(VENV)/.made-by-python-* && touch $@

# Stamps of other content go away: what they tell is no longer installed.
$(RUN_STAMP): $(VENV_STAMP)
	@echo "Installing requirements.txt into $(VENV)"
	@$(PIP_INSTALL) --requirement requirements.txt
	@find $(VENV) -maxdepth 1 -name '.installed-*' ! -name '*-$(CONTENT)' -exec rm {} +
	@touch $@

$(DEV_STAMP): $(VENV_STAMP)
	@echo "Installing requirements-dev.txt into $(VENV)"
	@$(PIP_INSTALL) --requirement requirements-dev.txt
	@find $(VENV) -maxdepth 1 -name '.installed-*' ! -name '*-$(CONTENT)' -exec rm {} +
	@touch $(RUN_STAMP) $@

$(MUTANTS_STAMP): $(DEV_STAMP)
	@echo "Installing requirements-mutants.txt into $(VENV)"
	@$(PIP_INSTALL) --requirement requirements-mutants.txt
	@touch $@
