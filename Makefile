.DEFAULT_GOAL := help
VERSION ?= golden-v2
CONFIG ?=
DEV_HOME := $(CURDIR)/.tunix/dagster
GATE := '{"dagster/partition": "golden-v1", "tunix/gate": "error"}'
SUPPLY_CHAIN := uv run --locked --group supply-chain
SHIPPED := build/shipped

.PHONY: help install check test coverage dev materialize docs notebook bench bench-data bench-train bench-decode clean
.PHONY: validate gate workflows manifests image sbom licences audit secrets dist
.PHONY: test-slow test-faults test-ray test-postgres test-notebook sweep

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## Install exactly what uv.lock names
	uv sync --locked

check: ## Lint, format, types, import layers, lock file
	uv run ruff check
	uv run ruff format --check
	uv run mypy
	uv run lint-imports
	uv lock --check

test: ## Run all tests
	uv run pytest -q -n auto

coverage: ## Run all tests and measure what they reach, into coverage.xml
	uv run pytest -q -n auto --cov --cov-report=term --cov-report=xml

test-slow: ## Run the slow tests alone, with those that other runs leave out
	uv run pytest -q -n auto -m slow

test-faults: ## Kill and break things more often than the other tests do
	TUNIX_NUM_KILLS=20 uv run pytest -q -n auto -m "nightly or not nightly" tests/faults

test-ray: ## Run the tests of sweeps with Ray installed
	uv run --locked --extra ray pytest -q tests/tunix_ml/tuning

test-postgres: ## Run Dagster on a PostgreSQL of its own; needs the programs of PostgreSQL
	uv run --locked --extra postgres pytest -q -m "nightly or not nightly" tests/deploy

test-notebook: ## Execute the notebook of a single session
	uv run pytest -q tests/notebooks

sweep: ## Search for a better recipe on golden-v1
	uv run dagster job execute -m tunix_assets.definitions -j run_sweep -c configs/sweep.yaml --tags '{"dagster/partition": "golden-v1"}'

validate: ## Load the definitions as Dagster does
	uv run dagster definitions validate -m tunix_assets.definitions

gate: ## Make golden-v1 in ten steps of training and check all of it; a regression is an error
	uv run dagster job execute -m tunix_assets.definitions -j smoke -c configs/smoke.yaml --tags $(GATE)
	uv run dagster job execute -m tunix_assets.definitions -j results -c configs/plain.yaml
	uv run dagster job execute -m tunix_assets.definitions -j validate_only -c configs/plain.yaml --tags $(GATE)

dev: $(DEV_HOME)/dagster.yaml ## Open the Dagster UI on http://127.0.0.1:3000
	DAGSTER_HOME=$(DEV_HOME) uv run dagster dev -w workspace.yaml --host 127.0.0.1 --port 3000

$(DEV_HOME)/dagster.yaml: dagster.yaml
	mkdir -p $(DEV_HOME)
	cp dagster.yaml $@

materialize: ## Make all assets of one dataset version: VERSION=golden-v2 CONFIG=configs/smoke.yaml
	uv run dagster asset materialize -m tunix_assets.definitions --select '+key:results_site' \
		--partition $(VERSION) $(if $(CONFIG),-c $(CONFIG))

docs: ## Write the reference from the code and build the site into site/
	uv run python docs/generate_reference.py
	uv run --group docs mkdocs build --strict

notebook: ## Write notebooks/single_session.ipynb from the script beside it
	uv run jupytext --to ipynb --update notebooks/single_session.py -o notebooks/single_session.ipynb

bench: ## Time ingest, tokenization and publishing against bare loops
	uv run python benchmarks/spine.py

bench-data: ## Time every stage of the data path and its memory as it grows: SIZES="10000 100000"
	uv run python benchmarks/data_at_scale.py $(SIZES)

bench-train: ## Time training, beside torch where it is installed: ARGS="shape=b batch_size=4"
	uv run python benchmarks/engine.py shape=a batch_size=16 layout=full $(ARGS)

bench-decode: ## Time decoding, beside torch where it is installed
	uv run python benchmarks/engine.py shape=a num_steps=4 num_prompts=16 max_new_tokens=64 $(ARGS)

workflows: ## Check .github/workflows against its schema, and for what an attacker could use
	$(SUPPLY_CHAIN) check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(SUPPLY_CHAIN) zizmor --offline --pedantic .github/workflows

manifests: ## Check deploy/ against the schemas of Compose and Kubernetes
	$(SUPPLY_CHAIN) check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml
	mkdir -p build
	kubectl kustomize --load-restrictor LoadRestrictionsNone deploy/kubernetes > build/kubernetes.yaml
	$(SUPPLY_CHAIN) kubernetes-validate --strict build/kubernetes.yaml

image: ## Build the image of deploy/Dockerfile, and load the definitions in it
	docker build -f deploy/Dockerfile -t tunix-rt .
	docker run --rm --network none tunix-rt dagster definitions validate -m tunix_assets.definitions

$(SHIPPED)/pyvenv.cfg: uv.lock pyproject.toml
	UV_PROJECT_ENVIRONMENT=$(SHIPPED) uv sync --locked --no-dev --no-editable --extra postgres

sbom: dist/sbom.cdx.json ## List everything that is shipped, in CycloneDX, into dist/

dist/sbom.cdx.json: $(SHIPPED)/pyvenv.cfg
	mkdir -p dist
	$(SUPPLY_CHAIN) cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o $@ $(SHIPPED)/bin/python

licences: dist/sbom.cdx.json ## List the licence of everything that is shipped; one that is not allowed fails
	uv run python .ci/list_licences.py dist/sbom.cdx.json > dist/licences.csv
	cat dist/licences.csv

audit: ## Look for known weaknesses in everything that uv.lock names; needs the network
	mkdir -p build
	uv export -q --locked --all-extras --all-groups --no-emit-project -o build/requirements.txt
	$(SUPPLY_CHAIN) pip-audit --strict --require-hashes --disable-pip -r build/requirements.txt

secrets: ## Look for keys and passwords in every tracked file
	uv run python .ci/find_secrets.py

dist: ## Build the source archive and the wheel, with their checksums, into dist/
	uv build --build-constraints .ci/build-constraints.txt --require-hashes
	cd dist && sha256sum *.tar.gz *.whl > SHA256SUMS

clean: ## Delete caches and build output; .tunix stays
	rm -rf site dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage .coverage.*
