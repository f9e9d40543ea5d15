# Every target is for people and for CI alike; `make` lists them.

.DEFAULT_GOAL := help

# The tools are pinned in a module of their own, so that nothing of them reaches go.mod.
tool := go tool -modfile=tools/go.mod
step := scripts/step

# How long `make fuzz` works on each target.
FUZZTIME ?= 30s

# How many notifications `make storm` sends.
STORM ?= 100000

# With how many payments `make plans` judges the plans of statements.
PLANS ?= 1000000

# What `make chaos` plays.
SEED ?= 1
RUNS ?= 400
# How long it goes on killing processes.
KILLS ?= 5m

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: test
test: ## Install what the tests need where it is missing, then check and test everything (what CI runs)
	@$(step) "what the tests need" scripts/install-test-needs
	@$(step) "build" go build ./...
	@$(step) "vet" go vet ./...
	@$(step) "lint and import rules" scripts/lint
	@$(step) "generated files are fresh" scripts/check-generated
	@$(step) "tests with the race detector" scripts/race ./...
	@$(step) "module openssl" scripts/test-module openssl
	@$(step) "module bench, one round" scripts/test-module bench
	@$(step) "other people's SDKs" conformance/run
	@$(step) "examples" scripts/test-module examples

.PHONY: build
build: ## Compile the binary into bin/
	go build -o bin/ ./cmd/...

.PHONY: lint
lint: ## Run the linters and check the import rules
	scripts/lint

.PHONY: fmt
fmt: ## Format the code
	$(tool) golangci-lint fmt ./...

.PHONY: generate
generate: ## Run the code generators; their output is committed
	go generate ./...

.PHONY: check-generated
check-generated: ## Fail when generated files are stale, changing none
	scripts/check-generated

.PHONY: vuln
vuln: ## Look for known vulnerabilities (needs vuln.go.dev; says "not run" without)
	scripts/vuln

.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZTIME each (default 30s)
	FUZZTIME=$(FUZZTIME) scripts/fuzz

.PHONY: intake
intake: ## Measure notifications against plain rows with a commit each, on both engines
	go test ./internal/notify -run '^$$' -bench Intake -benchtime 5000x

.PHONY: storm
storm: ## Send STORM notifications (default 100000) at once: none lost, none answered late
	go test ./internal/notify -run '^$$' -bench Storm -benchtime $(STORM)x -timeout 60m

.PHONY: chaos
chaos: ## Play RUNS seeds from SEED on against chance (default 400 from 1), then kill processes in storms for KILLS (5m)
	@$(step) "simulation" scripts/race -count=1 -timeout=0 -v -run TestEveryPromiseHolds ./test/chaos -seed=$(SEED) -runs=$(RUNS)
	@$(step) "kills" go test -tags=chaos -count=1 -timeout=0 -v -run 'Kill|Fault' ./test/journeys -kills=$(KILLS)

.PHONY: mutants
mutants: ## Break each mechanism on purpose and see that a test notices (some minutes)
	go test -count=1 -timeout=0 -v -run TestEachMutant ./test/mutants -mutate

.PHONY: plans
plans: ## Judge the plan of every statement on PostgreSQL with PLANS payments (default 1000000)
	go test ./internal/store -run '^$$' -bench Plans -benchtime $(PLANS)x -timeout 60m

.PHONY: conformance
conformance: ## Judge the sandbox and the library by other people's SDKs (needs Node.js 18 and npm)
	@$(step) "other people's SDKs" conformance/run

.PHONY: bench
bench: ## Measure the library beside wechatpay-go and gopay in one run (some minutes; nothing is judged by its time)
	cd bench && go run .

.PHONY: bench-gateway
bench-gateway: ## Measure the gateway beside the service most people would write, on both engines (some ten minutes; likewise)
	cd bench && go run . -gateway

.PHONY: demo
demo: ## Sandbox, gateway and a demo shop in one process: the quickest look
	go run ./cmd/tongbao demo
