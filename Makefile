.DEFAULT_GOAL := help
VERSION ?= golden-v2
CONFIG ?=
DEV_HOME := $(CURDIR)/.tunix/dagster

.PHONY: help install check test dev materialize docs notebook bench bench-data bench-train bench-decode clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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

clean: ## Delete caches and build output; .tunix stays
	rm -rf site dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage .coverage.*
