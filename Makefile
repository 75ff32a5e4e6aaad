# Two commands to know: `make run` and `make test`. Parts (libchdb, Kafka's jars, Prometheus, Alertmanager) are fetched once into
# $${XDG_CACHE_HOME:-~/.cache}/filin, checked by their sums; nothing needs root.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
CARGO ?= cargo
RELEASE := target/release/filin
DEBUG := target/debug/filin
ARGS ?=

.PHONY: run build test check fmt clippy doc deny sbom parts test-clients test-api test-ui pictures bench bench-detection chaos simulate help

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

run: build ## Build and start the embedded default with a live demo company
	@$(RELEASE) embedded fetch
	@exec $(RELEASE) run --demo $(ARGS)

build: ## The release binary
	$(CARGO) build --release --locked

# Most tests wait for services that they started: twice as many as there are cores.
test: fmt clippy parts ## Formatting, lints, and all tests with a real Kafka and a real ClickHouse engine
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$((2 * $$(nproc)))} $(CARGO) test --locked

check: fmt clippy doc test ## What a change must pass before it is reviewed

fmt:
	$(CARGO) fmt --check

clippy:
	$(CARGO) clippy --locked --all-targets -- -D warnings

doc: ## The documentation of the code
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

deny: ## Licences and advisories of the dependencies (needs cargo-deny: cargo install cargo-deny --locked)
	$(CARGO) deny check licenses bans sources

sbom: ## A bill of materials of the binary (CycloneDX): target/filin.cdx.json (Python 3.11)
	scripts/sbom

parts: $(DEBUG) ## Fetch the real parts that the tests need
	@$(DEBUG) embedded fetch
	@scripts/parts kafka promtool prometheus alertmanager

# The build of the tests: tokio has a clock for simulations in it, and is not to be built twice.
$(DEBUG): FORCE
	$(CARGO) test --locked --no-run

FORCE:

test-clients: parts ## Four ClickHouse clients not written here against the embedded engine
	tests/clients/run

test-api: $(DEBUG) ## The HTTP API against its description: Schemathesis, a generated client (Python 3.11 with venv)
	tests/api/run

test-ui: ## The dashboards against Grafana's own types
	tests/ui/run

pictures: build ## All dashboards with the demo company's data, drawn by Grafana's components, into docs/dashboards (node, npm, chromium; ten minutes)
	@$(RELEASE) embedded fetch
	@scripts/parts prometheus
	tests/ui/pictures/run $(RELEASE) $(ARGS)

bench: ## Figures of BENCHMARKS.md
	$(CARGO) bench --locked

bench-detection: build ## Filin beside other ways to find a thief (Python 3.11 with venv; ten minutes)
	@VENV="$${XDG_CACHE_HOME:-$$HOME/.cache}/filin/detection-venv"; \
	test -x "$$VENV/bin/pip" || python3 -m venv "$$VENV"; \
	"$$VENV/bin/pip" install --quiet --disable-pip-version-check -r benches/detection/requirements.txt; \
	exec "$$VENV/bin/python" benches/detection/baselines.py $(ARGS)

SEED ?= 1
MINUTES ?= 10
chaos: parts ## Faults against real brokers, ClickHouse and instances: SEED= MINUTES= ARGS=
	$(CARGO) bench --locked --profile dev --features chaos --bench chaos -- --seed $(SEED) --minutes $(MINUTES) $(ARGS)

SEEDS ?= 10000
simulate: ## Scoring under faults in memory: SEEDS= runs from SEED= on; SEED=17 SEEDS=1 repeats one and says what happens
	FILIN_SIM_SEED=$(SEED) FILIN_SIM_SEEDS=$(SEEDS) $(CARGO) test --locked --lib score::sim::nothing -- --nocapture
