# `make help` lists all targets. They need Python 3.11+, make and git; everything else is installed into .venv.

PYTHON ?= python3
BIN := .venv/bin
NODE_MODULES := tests/settings_page/node_modules
OPENAPI := tests/openapi
CLIENT := clients/typescript
NEXTJS := examples/nextjs
WEBSITE := .data/website
# Tests wait more than they compute: two workers more than there are cores. Two cores are enough.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 2)')
# Each worker would compile the tests at every run, and each process that a test starts the service.
unexport PYTHONDONTWRITEBYTECODE
# The versions of n8n that `make test-n8n` runs against: major versions (n8n/versions) or exact ones.
N8N_VERSION ?= 1 2

.DEFAULT_GOAL := help
.PHONY: help run test test-fast test-slow-path test-crash check check-js check-openapi docs test-docs docs-generate docs-serve format test-pg15 test-n8n test-image chaos bench bench-quick bench-load bench-plan bench-first-content bench-flames bench-sql lock schema revision freeze clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

# What `make run` needs.
.venv/run: pyproject.toml requirements-run.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is required. Choose one with: make PYTHON=python3.12"; exit 1; }
	@echo "Setting up .venv. The first time takes about a minute."
	@$(PYTHON) -m venv --clear .venv || { echo "Python's venv module is required. On Debian: apt-get install python3-venv"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-run.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# What tests and checks need as well.
.venv/ready: .venv/run requirements-dev.lock
	@echo "Installing what tests and checks need. The first time takes about a minute."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# TypeScript for `make check`, axe-core for the browser tests. `make run` and `make test` do without.
$(NODE_MODULES)/ready: tests/settings_page/package.json tests/settings_page/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 18 or newer (on Debian: apt-get install nodejs npm)"; exit 1; }
	cd tests/settings_page && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# Ctrl-C is ignored until Python can respond to it: its start would end with a traceback.
run: .venv/run ## Run everything: database, demo data, sandbox, service on http://127.0.0.1:8000 (PORT=… for another port)
	@trap '' INT; exec $(BIN)/ai-avatar dev $(if $(PORT),--port $(PORT))

test: .venv/ready ## Run the whole test suite against a real PostgreSQL
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup

test-fast: .venv/ready ## Run all tests except slow ones: under two minutes on two cores
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup -m "not slow" --ignore=tests/test_schemathesis.py # it is collected for seconds

test-slow-path: .venv/ready ## Run the API's tests without the fast path (docs/decisions/0008)
	FAST_PATH=0 $(BIN)/pytest -n $(WORKERS) --dist loadgroup tests/integrations tests/videos tests/n8n tests/test_*.py

test-crash: .venv/ready ## Request 1,200 videos while everything fails, and print the figures: about 8 minutes
	$(BIN)/pytest -n $(WORKERS) -m long tests/end_to_end

check: .venv/ready ## Check formatting, lint, types, imports, SQL, JavaScript types and the OpenAPI document
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	MYPYPATH=n8n/tests $(BIN)/mypy n8n/tests
	$(BIN)/mypy $(NEXTJS)/tests
	$(BIN)/lint-imports --no-logo
	$(BIN)/sqlfluff lint --disable-progress-bar alembic/sql app/sandbox
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml
	$(BIN)/compose-lint check --strict-config --skip-suppressed --fail-on low compose.yaml
	@$(MAKE) --no-print-directory check-js check-openapi

check-js: $(NODE_MODULES)/ready # part of check, and last: it needs npm
	$(NODE_MODULES)/.bin/tsc -p .
	$(NODE_MODULES)/.bin/tsc -p tests/settings_page

$(OPENAPI)/node_modules/ready: $(OPENAPI)/package.json $(OPENAPI)/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 20 or newer (on Debian: apt-get install nodejs npm)"; exit 1; }
	cd $(OPENAPI) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

check-openapi: $(OPENAPI)/node_modules/ready # Redocly's rules, and the types that openapi-typescript makes
	@mkdir -p $(OPENAPI)/build
	$(BIN)/ai-avatar openapi > $(OPENAPI)/build/openapi.json
	cd $(OPENAPI) && npm run --silent check

.PHONY: check-clients client-types test-nextjs
$(CLIENT)/node_modules/ready: $(CLIENT)/package.json $(CLIENT)/package-lock.json
	@command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || { echo "Node.js 20 or newer and npm are required (on Debian 13: apt-get install nodejs npm)"; exit 1; }
	cd $(CLIENT) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

check-clients: $(CLIENT)/node_modules/ready .venv/ready ## Check, build and test the TypeScript client, also against the service
	$(BIN)/ai-avatar openapi > $(CLIENT)/openapi.json
	cd $(CLIENT) && npm run --silent generate -- --check && npm run --silent lint && npm test --silent && node build/service/run.js

client-types: $(CLIENT)/node_modules/ready .venv/run ## Write the TypeScript client's types, from the OpenAPI document
	$(BIN)/ai-avatar openapi > $(CLIENT)/openapi.json
	cd $(CLIENT) && npm run --silent generate

test-nextjs: $(CLIENT)/node_modules/ready .venv/ready ## Build the Next.js example and drive it in Chromium against the service
	cd $(CLIENT) && npm run --silent build
	cd $(NEXTJS) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	cd $(NEXTJS) && ../../$(CLIENT)/node_modules/.bin/biome ci .
	cd $(NEXTJS) && NEXT_TELEMETRY_DISABLED=1 npm run --silent build
	REQUIRE_BROWSER=1 $(BIN)/pytest $(NEXTJS)/tests

$(WEBSITE)/ready: website/requirements.lock website/package.json website/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 20 or newer (on Debian: apt-get install nodejs npm)"; exit 1; }
	@$(PYTHON) -m venv --clear $(WEBSITE)/venv
	@$(WEBSITE)/venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r website/requirements.lock
	cd website && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# The pages that are made from the code are in git: a test says when they are out of date.
docs: $(WEBSITE)/ready ## Build the documentation's site into .data/website/site; warnings and broken links are errors
	@$(WEBSITE)/venv/bin/python -m website.build

test-docs: docs .venv/ready ## Build the site and try it in Chromium: search, diagrams, nothing from another server
	REQUIRE_BROWSER=1 $(BIN)/pytest website

docs-generate: .venv/ready ## Write the pages that are made from the code: configuration, command line, problem codes
	@$(BIN)/python -m website.generate

docs-serve: docs ## Serve the site on http://127.0.0.1:8080
	$(PYTHON) -m http.server --bind 127.0.0.1 --directory $(WEBSITE)/site 8080

format: .venv/ready ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test-pg15: .venv/ready ## Run the database tests on Debian's PostgreSQL 15
	WORKERS=$(WORKERS) tests/pg15

test-n8n: .venv/ready ## Test the workflows with n8n 1 and 2, or N8N_VERSION=2 only (npm, g++, Chromium; installs 2-3 GB each, once)
	for version in $(N8N_VERSION); do n8n/install $$version && N8N_VERSION=$$version $(BIN)/pytest n8n/tests || exit 1; done

chaos: .venv/ready ## Break things under load and check what is promised: 5 minutes (CHAOS=--short, CHAOS="scenario …")
	PYTHONPATH=tests $(BIN)/python -m chaos $(CHAOS)
	$(if $(CHAOS),,@$(MAKE) --no-print-directory bench-load)

test-image: .venv/ready ## Run the Dockerfile's steps and compose.yaml's commands without a container engine (root, Debian)
	PYTHONPATH=tests $(BIN)/python tests/image/replay.py

bench: .venv/ready ## Compare CPU time per request with other servers, in under ten minutes (needs wrk; npm for Fastify)
	PYTHONPATH=tests $(BIN)/python bench/run.py

bench-quick: .venv/ready ## The same in under two minutes: one short round
	BENCH_ROUNDS=1 BENCH_SECONDS=2 BENCH_MEMORY_REQUESTS=1 $(MAKE) --no-print-directory bench

bench-load: .venv/ready ## Measure 1x, 2x and 4x load, and what one business's flood does to others
	PYTHONPATH=tests $(BIN)/python bench/load.py

bench-plan: .venv/ready ## Compare the original plan's queries with the service's on the same rows
	PYTHONPATH=tests $(BIN)/python bench/plan.py

bench-first-content: .venv/ready ## Time in Chromium until the integration is shown, on the plan's page and on the service's
	PYTHONPATH=tests $(BIN)/python bench/first_content.py

bench-flames: .venv/ready ## Draw flame graphs of the hot operations into docs/profiles (needs wrk and py-spy)
	PYTHONPATH=tests $(BIN)/python bench/flames.py

bench-sql: .venv/ready ## Measure every SQL function (BENCH_ROWS=1000,100000,1000000: the tables' sizes)
	PYTHONPATH=tests $(BIN)/python bench/sql.py

schema: .venv/ready ## Write alembic/sql/schema.sql, the result of all migrations
	PYTHONPATH=tests $(BIN)/python -m support.schema

revision: .venv/ready ## Write a revision with the SQL functions that changed: make revision m="what it does"
	@test -n "$(m)" || { echo 'Say what it does: make revision m="…"'; exit 1; }
	PYTHONPATH=tests $(BIN)/python -m support.revisions revision "$(m)"

freeze: .venv/ready ## At a release: put the included SQL into the revisions, which are final from then on
	PYTHONPATH=tests $(BIN)/python -m support.revisions freeze

lock: ## Update the lock files: names, versions and hashes, no addresses
	$(PYTHON) -m venv .data/lock && .data/lock/bin/pip install --quiet uv
	.data/lock/bin/uv pip compile $(LOCK) -o requirements.lock pyproject.toml
	.data/lock/bin/uv pip compile $(LOCK) --extra dev --group dev -c requirements.lock -o requirements-dev.lock pyproject.toml
	.data/lock/bin/uv pip compile $(LOCK) -c requirements.lock -o bench/contestants/requirements.lock bench/contestants/requirements.in
	.data/lock/bin/uv pip compile $(LOCK) -o website/requirements.lock website/requirements.in
	.data/lock/bin/uv pip compile $(LOCK) --extra dev --group build -c requirements-dev.lock -o requirements-run.lock pyproject.toml
	.data/lock/bin/uv pip compile $(LOCK) --group pyproject.toml:build -c requirements-dev.lock -o requirements-build.lock

LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

clean: ## Remove .venv, .data, node_modules and caches
	rm -rf .venv .data $(NODE_MODULES) $(OPENAPI)/node_modules $(OPENAPI)/build $(CLIENT)/node_modules $(CLIENT)/dist $(CLIENT)/build $(NEXTJS)/node_modules $(NEXTJS)/.next website/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
