# Everything a developer runs. Works with only Python >= 3.11, pip and make on the machine; `make help` lists the targets.
#   PYTHON=3.11             another Python, as a version or a path, in an environment of its own (.venv-3.11)
#   PYTEST_ARGS='-k name'   handed to pytest; `make test` then has no coverage gate
VENV = .venv$(addprefix -,$(notdir $(PYTHON)))

export PYTHON
export UV_PROJECT_ENVIRONMENT = $(VENV)
export UV_NO_SYNC = 1
# They would lead uv to another environment than this checkout's.
unexport VIRTUAL_ENV UV_PYTHON UV_PROJECT

# `exec`: a signal to make reaches the program with no shell in between.
RUN = exec scripts/uv --quiet run
PYTEST = $(RUN) pytest
COMPOSE = docker compose version >/dev/null 2>&1 || { \
	echo "Docker with its Compose plugin is needed, see https://docs.docker.com/engine/install; 'make run' does without." >&2; \
	exit 1; }; exec docker compose

.DEFAULT_GOAL = help
.PHONY: $(shell sed -n 's/^\([a-z0-9-]*\):.*/\1/p' Makefile)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' Makefile

# Internal: makes the environment when it is not there or not current, else takes 20 ms.
setup:
	@scripts/setup

install: setup ## make the environment and set the git hooks
	@if ! git rev-parse --git-dir >/dev/null 2>&1; then echo "No git checkout here: no hooks set"; \
	else scripts/uv --quiet run pre-commit install || echo "The git hooks are not set, see above; all else is ready"; fi

run: setup ## migrate, then serve everything on :8000
	@$(RUN) mainstay serve

dev: setup ## the same, started again whenever a source file changes
	@$(RUN) mainstay serve --reload

all: lint typecheck test ## lint, typecheck, test

lint: setup ## style, imports between rooms, security, dependencies, spelling, SQL, workflow, Dockerfile
	@$(RUN) ruff check
	@$(RUN) ruff format --check
	@$(RUN) lint-imports --no-logo
	@$(RUN) bandit --quiet --configfile pyproject.toml --recursive src scripts
	@$(RUN) deptry src
	@$(RUN) codespell
	@$(RUN) python scripts/lint_migrations.py
	@$(RUN) zizmor --quiet --offline .github
	@$(RUN) hadolint Dockerfile

typecheck: setup ## mypy, strict
	@$(RUN) mypy

test: setup ## the whole suite with coverage, against a real PostgreSQL of its own
	@$(RUN) python scripts/run_tests.py $(PYTEST_ARGS)

test-latest: setup ## the whole suite on the newest FastAPI, Pydantic, SQLAlchemy, pytest ..., whatever is pinned
	@$(RUN) scripts/latest/run $(PYTEST_ARGS)

test-unit: setup ## the pure parts: no database, no process
	@$(PYTEST) src $(PYTEST_ARGS)

test-integration: setup ## services and kernel against PostgreSQL
	@$(PYTEST) tests/integration tests/conformance $(PYTEST_ARGS)

test-contract: setup ## every storage against the contract of its repository
	@$(PYTEST) tests/contract $(PYTEST_ARGS)

schemathesis: setup ## requests generated from the OpenAPI document, whole (make test holds a short form)
	@$(PYTEST) tests/e2e -m '' $(PYTEST_ARGS)

hurl-e2e: setup ## the black-box tests, with reports in reports/hurl; BASE_URL=http://host:8000 names a server that runs
	@$(RUN) scripts/hurl-e2e

faults: setup ## processes killed and databases taken away, whole (make test holds a short form)
	@$(PYTEST) tests/faults -m '' $(PYTEST_ARGS)

long: setup ## the proofs that take over 10 s
	@$(subst exec ,,$(PYTEST)) -m long $(PYTEST_ARGS)
	@$(PYTEST) tests/hostile/parsers_test.py --hypothesis-profile=long $(PYTEST_ARGS)

bench: setup ## measure the service beside others; BENCH_ARGS=--help tells what can be chosen
	@scripts/uv --quiet run bench/environment
	@$(RUN) python -m bench $(BENCH_ARGS)

migrate: setup ## apply the pending migrations
	@$(RUN) mainstay migrate up

status: setup ## which migrations are applied, which are pending
	@$(RUN) mainstay migrate status

verify: setup ## find changed migrations and tables that differ from the models
	@$(RUN) mainstay migrate verify

compose-up: ## build and start database, API and relay in containers, and wait until they serve on :8000
	@$(COMPOSE) up --build --detach --wait api

compose-logs: ## follow what they log
	@$(COMPOSE) logs --follow

compose-down: ## remove them; their data stays until `docker compose down -v`
	@$(COMPOSE) down

openapi: setup ## write the OpenAPI document to build/openapi.json, as a deployment has it
	@$(RUN) scripts/openapi build/openapi.json

clients: setup ## make clients in Python and TypeScript from it in clients/, and walk all services with each
	@$(RUN) scripts/clients/build
	@$(PYTEST) tests/clients_test.py -m long $(PYTEST_ARGS)

httplint: setup ## answers of every service as httplint, which REDbot goes by, judges them
	@scripts/uv --quiet run scripts/clients/environment
	@$(PYTEST) tests/httplint_test.py -m long $(PYTEST_ARGS)

lint-openapi: setup ## the document under the rules of Spectral, of OWASP and of Redocly
	@$(RUN) scripts/lint-openapi/run

tis: setup ## bring docs/TIS.md up to the code: its pictures of the rooms, the lines that its links lead to
	@$(RUN) python scripts/tis.py

lock: ## bring requirements.lock up to pyproject.toml; pins that still fit stay
	@scripts/lock
