# Targets for developers. Running and testing need nothing but Go: see README.md.

GO      ?= go
TOOL     = $(GO) tool -modfile=scripts/tools/go.mod
SOURCES  = cmd internal pkg scripts/benchmark
# Time for each fuzz target, and repetitions of benchmarks.
FUZZTIME ?= 20s
BENCH    ?= .
COUNT    ?= 1

.DEFAULT_GOAL := help
.PHONY: help run build test check fmt format vet staticcheck tidy arch race seeds benches bench measure fuzz

help: ## Show this text.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Run the server with the MonaServer.ini of this folder.
	$(GO) run ./cmd/monaserver

build: ## Build the programs into bin/.
	$(GO) build -trimpath -o bin/ ./cmd/...

test: ## Run the tests.
	$(GO) test ./...

check: format vet staticcheck tidy arch race seeds benches ## Run everything a change must pass.
	@echo "check: all passed"

fmt: ## Format the source.
	$(TOOL) gofumpt -w $(SOURCES)

format: ## Fail when the source is not formatted.
	@diff=$$($(TOOL) gofumpt -d $(SOURCES)) && test -z "$$diff" || { echo "$$diff"; echo "not formatted: make fmt"; exit 1; }

vet: ## Run go vet.
	$(GO) vet ./...

staticcheck: ## Run staticcheck.
	$(TOOL) staticcheck ./...

tidy: ## Fail when go.mod or go.sum are not tidy.
	$(GO) mod tidy -diff
	cd scripts/tools && $(GO) mod tidy -diff

arch: ## Check dependency rules, banned calls and file sizes.
	$(GO) test ./internal/archtest

race: ## Run the tests under the race detector, in random order, without those that only drive other processes (needs a C compiler).
	$(GO) test -race -short -shuffle=on ./...

seeds: ## Run every fuzz target on its seeds.
	$(GO) test -run '^Fuzz' ./...

benches: ## Run every benchmark once, to see that it works.
	$(GO) test -run '^$$' -bench . -benchtime 1x ./...

bench: ## Compare the server's costs with the stored ones (needs Linux, takes about two minutes).
	GO="$(GO)" scripts/bench -guard

measure: ## Run Go benchmarks: make measure BENCH=Seal COUNT=5.
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) ./...

fuzz: ## Fuzz every target for a while: make fuzz FUZZTIME=5m.
	GO="$(GO)" scripts/fuzz $(FUZZTIME)
