# Where it is set, each worker and each program would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
BIN := .venv/bin
# More workers than cores, because some of these tests wait for a limit of a minute.
CONNECTOR_WORKERS := 5
WORKERS ?= 3
# How many schedules and kills the tests with chance in them try. WHOLE is for those of which make test samples some.
SCHEDULES ?= 300
KILLS ?= 100
# How many days are lived through with a sync an hour, how many stories and projects the largest worlds have, and how many
# inputs each test with a fuzzer tries.
DAYS ?= 365
STORIES ?= 100000
PROJECTS ?= 1000
EXAMPLES ?= 300

.DEFAULT_GOAL := help
.PHONY: help install demo report view browser browser-test demo-rocketlane demo-persistiq check test lint types unit unit-of-this unit-of-connectors soak image image-test examples examples-test examples-of-dagster examples-of-others models models-test meltano-test connector-qa audit sbom wheels docs bench lock clean

help: ## What each target does
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 17

install: .venv/installed ## Make .venv with every dependency (locked, by hash) and the console script

.venv/installed: requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 15) else f"Python 3.11 to 3.14 is needed, and {sys.executable} is {v[0]}.{v[1]}: name another with make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps --no-build-isolation -e ./tracker_server -e .
	@touch $@
	@echo "Installed: $(BIN)/source-pivotal-tracker"

demo: install ## Sync a sample server into demo.duckdb, twice, and show what came
	@$(BIN)/python -m tools.demo

demo-rocketlane: install ## The same for source-rocketlane, into demo-rocketlane.duckdb
	@$(BIN)/python -m tools.rocketlane_demo

EXPORT ?= demo-export.zip

view: install ## Look at EXPORT=my_project.zip in the browser; without it, at the export that make demo left, or at sample data
	@$(if $(filter command line environment,$(origin EXPORT)),,test -e $(EXPORT) || $(BIN)/tracker-server export $(EXPORT))
	@$(BIN)/tracker-server serve --port 0 --open $(EXPORT)

demo-persistiq: install ## The same for source-persistiq, into demo-persistiq.duckdb
	@$(BIN)/python -m tools.persistiq_demo

check: lint types ## Lint, types and the tests of what changed since the main branch, in under a minute
	$(BIN)/python -m tools.changed_tests

test: lint ## Lint, types and all tests
	@$(MAKE) --no-print-directory --jobs=3 --keep-going types unit-of-this unit-of-connectors

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/shellcheck .ci/run tools/container_engine

types: install
	$(BIN)/mypy
	for connector in connectors/source-*; do \
		MYPYPATH=$$connector:$$connector/sample_server:$$connector/unit_tests \
			$(BIN)/mypy $$connector/*.py $$connector/sample_server/*.py $$connector/unit_tests/*.py || exit; \
	done

# Those of the connectors mostly wait for a limit of a minute: they run beside the others, and are shown when they end.
unit: install
	@$(MAKE) --no-print-directory --jobs=2 --keep-going unit-of-this unit-of-connectors

unit-of-this:
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not image_tests and not browser_tests and not soak_tests" unit_tests integration_tests

unit-of-connectors:
	@log=$$(mktemp) && trap 'rm -f "$$log"' EXIT && status=0 && \
		{ $(BIN)/pytest -n $(CONNECTOR_WORKERS) --dist worksteal connectors >"$$log" 2>&1 || status=$$?; } && \
		cat "$$log" && exit $$status

soak: install ## What make test only samples or leaves out: many seeds of the tests with chance, a year of syncs, fuzzers
	rm -rf build/soak
	SCHEDULES=$(SCHEDULES) KILLS=$(KILLS) DAYS=$(DAYS) STORIES=$(STORIES) PROJECTS=$(PROJECTS) EXAMPLES=$(EXAMPLES) \
		WHOLE=yes $(BIN)/pytest -n auto --dist worksteal \
		$$(grep --recursive --files-with-matches --extended-regexp 'environ.get."(SCHEDULES|KILLS|WHOLE)"|mark.(sampled|soak_tests)|^@fuzzed' --include='test_*.py' unit_tests integration_tests)
	@for report in build/soak/*.md; do echo; echo "$$report"; cat "$$report"; done

browser: ## Fetch what the tests of the pages in a browser need from npm; Chromium comes from the system's packages
	cd integration_tests/browser && npm ci --silent

browser-test: install browser ## The tests that look at the pages in a browser
	$(BIN)/pytest -m browser_tests integration_tests

image: install ## Build the image airbyte/source-pivotal-tracker:dev, or that of CONNECTOR=source-rocketlane, and say how large it is; BASE_IMAGE names another base
	@$(BIN)/python -m $(if $(CONNECTOR),tools.manifest_image $(CONNECTOR),tools.image)

image-test: install ## The tests that run containers; they build the image first
	$(BIN)/pytest -m image_tests integration_tests

examples: .venv-examples/installed ## Make .venv-examples, in which the examples run (Python 3.11 or 3.12)

.venv-examples/installed: examples/requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 13) else "PyAirbyte needs Python 3.11 or 3.12: name one with PYTHON=python3.12")'
	$(PYTHON) -m venv .venv-examples
	.venv-examples/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r examples/requirements.txt
	.venv-examples/bin/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps --no-build-isolation -e ./tracker_server -e .
	@touch $@

examples-test: examples ## Types and tests of the examples, with a PostgreSQL of their own
	MYPYPATH=examples:examples/tests:examples/dagster .venv-examples/bin/mypy --follow-imports=silent source_pivotal_tracker/dlt.py examples/*.py examples/dagster/*.py examples/tests/*.py
	@$(MAKE) --no-print-directory --jobs=2 --keep-going --output-sync=target examples-of-dagster examples-of-others

# That of Dagster mostly waits for a limit of a quarter minute.
examples-of-dagster:
	.venv-examples/bin/python -m pytest examples/tests/test_dagster.py

examples-of-others:
	.venv-examples/bin/python -m pytest --ignore=examples/tests/test_dagster.py examples/tests

.venv-meltano/installed: examples/meltano/requirements.txt
	$(PYTHON) -m venv .venv-meltano
	.venv-meltano/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r examples/meltano/requirements.txt
	@touch $@

meltano-test: install .venv-meltano/installed ## Types and tests of the example with Meltano, with a PostgreSQL of its own
	MYPYPATH=examples/tests $(BIN)/mypy examples/meltano/*.py
	PYTHONPATH=examples/tests $(BIN)/pytest examples/meltano

.venv-models/installed: dbt/requirements.txt
	$(PYTHON) -m venv .venv-models
	.venv-models/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r dbt/requirements.txt
	@touch $@

# The sample's world stands still: states that last have lasted until its last change, not until today.
LAST_CHANGE = import duckdb; print(duckdb.connect("demo.duckdb", read_only=True).execute("SELECT max(updated_at) FROM stories").fetchone()[0])

models: install .venv-models/installed ## Build the dbt models on what make demo left in demo.duckdb, into its schema tracker
	@test -e demo.duckdb || $(MAKE) demo
	@echo "Building the models in the schema tracker of demo.duckdb"
	@now=$$($(BIN)/python -c '$(LAST_CHANGE)') && cd dbt && TRACKER_DUCKDB=$(CURDIR)/demo.duckdb \
		../.venv-models/bin/dbt build --quiet --profiles-dir integration_tests --vars "{tracker_schema: main, tracker_now: '$$now'}"

report: models ## Write demo-report.html, a page on what make demo left: velocity, forecast, cycle time and more
	@$(BIN)/tracker-report demo.duckdb demo-report.html

models-test: install .venv-models/installed ## Build and test the dbt models on DuckDB and PostgreSQL, from rows that the connector wrote
	.venv-models/bin/python -m pytest --confcutdir=dbt/integration_tests -c /dev/null --rootdir=dbt -p no:cacheprovider dbt/integration_tests

.venv-connector-qa/installed: integration_tests/connector_qa/requirements.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 13) else "Airbyte'"'"'s validators need Python 3.11 or 3.12: name one with PYTHON=python3.12")'
	$(PYTHON) -m venv .venv-connector-qa
	.venv-connector-qa/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r integration_tests/connector_qa/requirements.txt
	@touch $@

# Of itself the package of the validators tells Airbyte that it was imported.
connector-qa: .venv-connector-qa/installed ## Hold metadata.yaml and the pages against the rules of Airbyte's own repository (Python 3.11 or 3.12)
	DO_NOT_TRACK=1 AIRBYTE_OFFLINE_MODE=1 .venv-connector-qa/bin/python -m pytest --disable-warnings \
		--confcutdir=integration_tests/connector_qa -c /dev/null --rootdir=integration_tests/connector_qa -p no:cacheprovider integration_tests/connector_qa

audit: install ## Look up the locked dependencies in PyPI's list of vulnerabilities
	@$(BIN)/python -m tools.audit

sbom: install ## Write what the image is made of, and under which licences, to build/
	@$(BIN)/python -m tools.sbom build

wheels: install ## Build what goes to PyPI into dist/, with REPOSITORY=https://… for their links
	$(BIN)/python -m tools.distributions --repository "$(REPOSITORY)"
	$(BIN)/twine check --strict dist/*

docs: install ## Write the generated tables and pages anew
	$(BIN)/python -m tools.docs

bench: install ## Measure the verbs, full reads, and what the read engine is held to
	@$(BIN)/python -m benchmarks.run
	@$(BIN)/python -m benchmarks.litetracker

lock: install ## Resolve the dependencies anew into the lock files
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-package tracker-archive --no-annotate --no-header --upgrade pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-package tracker-archive --no-annotate --no-header --upgrade pyproject.toml --extra report --group dev -c requirements.txt -o requirements-dev.txt
	$(BIN)/uv pip compile --no-config --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-package tracker-archive --no-annotate --no-header --upgrade pyproject.toml --extra dlt examples/requirements.in -o examples/requirements.txt
	$(BIN)/uv pip compile --no-config --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --upgrade examples/meltano/requirements.in -o examples/meltano/requirements.txt
	$(BIN)/uv pip compile --no-config --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --upgrade dbt/requirements.in -o dbt/requirements.txt
	$(BIN)/uv pip compile --no-config --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --upgrade integration_tests/connector_qa/requirements.in -o integration_tests/connector_qa/requirements.txt

clean: ## Remove what the other targets made
	rm -rf .venv .venv-connector-qa .venv-examples .venv-meltano .venv-models dbt/target dbt/logs .tmp build dist integration_tests/browser/node_modules demo.duckdb demo-rocketlane.duckdb demo-persistiq.duckdb demo-export.zip demo-files demo-report.html connectors/*/build connectors/*/.tmp *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
