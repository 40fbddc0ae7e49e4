# Each command prints what it does; a first call sets everything up. `make help` lists them.
PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3))
ENVIRONMENT := .venv
RUN := $(ENVIRONMENT)/bin/python
CHECKPOINTS ?= checkpoints
MODEL_STORE ?= model_store
STATE ?= .state
DEVICE ?= cpu
RESULTS ?= results
EDGE_PORT ?= 8443
# Of the page; where it is empty, 8090 or any free port.
WEB_PORT ?=
BENCH ?= schedule profile serving length peers start gpu
# Of audit: advisories in OSV's format, a zip file or a folder of them.
ADVISORIES :=
# A word many environments hold by chance: it counts only when named on make's command line.
VERSION :=

SERVE := $(RUN) -m serving
SERVE_OPTIONS = --state "$(STATE)" --model-store "$(MODEL_STORE)" --device "$(DEVICE)" \
	$(if $(PORT),--port $(PORT)) $(if $(WORKFLOW_ONLY),--workflow-only)

# As many tests at a time as there are cores, each on one thread; the fast ones, which wait half of their time, four.
PYTEST_UNIT := OMP_NUM_THREADS=1 $(RUN) -m pytest tests/unit -n auto --maxprocesses 4 --dist loadfile

# Those that start servers wait for them half of the time: three at a time, and those that share a server in turn.
PYTEST_SERVERS := $(RUN) -m pytest tests --ignore tests/unit -n 3 --dist loadfile -W default

# Real processes on a busy machine: what fails is tried once more, and named in the summary if it then passes.
# make check does not do so.
RETRIED := --reruns 1 -r R

# Which branches they must reach; `coverage report` then says what is missing.
COVERED := --cov --cov-report= --cov-fail-under=93

# Threads that wait for work must not spin on cores that others need.
export OMP_WAIT_POLICY ?= PASSIVE

.DEFAULT_GOAL := help
.PHONY: help setup run web check fast test unit servers serve stop status env edge edge-stop archives lint bench docs page import samples clean cluster robustness fuzz audit evaluate train

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv from the pinned requirements (PYTHON=python3.12; 3.11 to 3.13 will do)
ifeq ($(PYTHON),)
	@echo "setup: no Python was found; install python3.11, or name one: make PYTHON=/path/to/python3" >&2; exit 1
else
	@"$(PYTHON)" serving/bootstrap.py --environment $(ENVIRONMENT)
endif

run: archives ## score samples/ with a server of its own, write reports under results/ (DEVICE=cuda:0)
	@$(RUN) -m serving.showcase --model-store "$(MODEL_STORE)" --device "$(DEVICE)" --results "$(RESULTS)"

web: archives ## show the page in the browser, on this machine alone, until Ctrl-C (WEB_PORT=8090 DEVICE=cpu)
	@$(RUN) -m serving.web --state "$(STATE)" --model-store "$(MODEL_STORE)" --device "$(DEVICE)" \
		$(if $(WEB_PORT),--port $(WEB_PORT))

check: setup ## the quick answer: style, types and the fast unit tests side by side, in two to three minutes
	@$(MAKE) --no-print-directory -j 2 lint fast

fast: setup
	@$(PYTEST_UNIT) -n 4 -m "not slow" -q

test: setup ## run linters and the whole test suite (ARGS="-k decode")
ifeq ($(ARGS),)
	@$(MAKE) --no-print-directory -j 2 lint unit servers
else
	@$(RUN) -m pytest $(ARGS)
endif

unit: setup
	@$(PYTEST_UNIT) $(RETRIED) --durations 20 $(COVERED)

servers: setup
	@$(PYTEST_SERVERS) $(RETRIED) --durations 20

serve: archives ## start a server and return once it is ready (PORT=8080 DEVICE=cpu STATE=.state)
	@$(SERVE) start $(SERVE_OPTIONS)

stop: ## stop the server that make serve started (STATE=.state)
	@test ! -x $(RUN) || $(SERVE) stop --state "$(STATE)"

status: ## say where the server answers (STATE=.state)
	@test ! -x $(RUN) || $(SERVE) status --state "$(STATE)"

env: ## print where the server answers, for a shell: eval "$(make -s env)" (STATE=.state)
	@test -x $(RUN) || { echo "no server is ready; start one: make serve" >&2; exit 1; }
	@$(SERVE) env --state "$(STATE)"

edge: setup ## put nginx and a gateway before that server: TLS, API keys, limits (EDGE_PORT=8443 STATE=.state)
	@$(RUN) -m serving.edge start --state "$(STATE)" --port "$(EDGE_PORT)"

edge-stop: ## stop the edge that make edge started (STATE=.state)
	@test ! -x $(RUN) || $(RUN) -m serving.edge stop --state "$(STATE)"

archives: setup ## build the archives (CHECKPOINTS=checkpoints MODEL_STORE=model_store VERSION=2.0)
	@$(RUN) -m archives.build --checkpoints "$(CHECKPOINTS)" --output "$(MODEL_STORE)" \
		$(if $(VERSION),--version "$(VERSION)")

lint: setup ## check style and types
	@$(ENVIRONMENT)/bin/ruff check . && $(ENVIRONMENT)/bin/ruff format --check . && $(ENVIRONMENT)/bin/mypy
	@for version in 3.10 3.13; do $(ENVIRONMENT)/bin/mypy --python-version $$version client/src || exit 1; done

audit: setup ## what is shipped: licences, and pins against known vulnerabilities (ADVISORIES=all.zip without a network)
	@$(RUN) -m archives.audit --json "$(RESULTS)/audit.json" $(if $(ADVISORIES),--advisories "$(ADVISORIES)")

bench: setup ## measure speed; tables, JSON and pictures in results/bench (BENCH="serving sweep" ARGS=…)
	@$(RUN) -m benchmarks $(BENCH) --output-dir "$(RESULTS)/bench" $(if $(ARGS),-- $(ARGS))

docs: setup ## build the documentation of the client into results/docs
	@$(ENVIRONMENT)/bin/sphinx-build -q -W --keep-going -b html docs "$(RESULTS)/docs"
	@echo "open $(RESULTS)/docs/index.html"

page: setup ## build the page in the browser anew from client/web
	@$(RUN) client/web/build.py

samples: setup ## make the sample clips anew (needs espeak-ng)
	@$(RUN) -m samples.generate samples

import: setup ## import published weights (IMPORT="--sync sync_model.pth … --output-dir folder")
	@$(ENVIRONMENT)/bin/outofsync-import $(IMPORT)

clean: ## remove what was built; .venv stays
	@rm -rf "$(RESULTS)" model_store/*.mar model_store/*.war model_store/*.sig model_store/sbom*.cdx.json model_store/SHA256SUMS .mypy_cache .ruff_cache .pytest_cache

cluster: setup ## score a catalogue with Ray (ARGS="samples --output-dir results/cluster")
	@$(ENVIRONMENT)/bin/outofsync-cluster --checkpoints "$(CHECKPOINTS)" $(ARGS)

robustness: setup ## files and calls as people have them, and what must not matter to a verdict (ARGS="--clips 20")
	@$(RUN) -m benchmarks.robustness --checkpoints "$(CHECKPOINTS)" --json "$(RESULTS)/bench/robustness.json" $(ARGS)

fuzz: setup ## inputs that nobody would send in earnest; what is found becomes a test (ARGS="--hours 48")
	@$(RUN) -m benchmarks.fuzzing $(ARGS)

evaluate: setup ## measure quality on held-out people; tables and pictures in results/quality (ARGS="--splits test")
	@$(RUN) -m benchmarks.quality --checkpoints "$(CHECKPOINTS)" --output-dir "$(RESULTS)/quality" $(ARGS)

train: setup ## make the networks that ship anew, in runs/shipped (ARGS="--only face --scale 0.01 --output-dir folder")
	@$(RUN) -m training.reproduce --checkpoints "$(CHECKPOINTS)" $(ARGS)
