# Bare `make` lists the targets. Every target needs Go 1.21 or newer and nothing else: demo and test install
# librocksdb where that takes no password, and use Pebble otherwise (ENGINE=pebble asks for it).
export GOTOOLCHAIN := auto
export PATH := $(PATH):/usr/local/go/bin
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Read when a recipe runs, after setup has had its chance to install RocksDB.
FLAGS = $(shell build/setup flags)
PKGS ?= ./...
# SEED repeats one seed, SEEDS runs so many; without them each test has its own number.
SEED ?=
SEEDS ?=
FUZZTIME ?= 20s

##@ Start here
.PHONY: demo demo-clean test
demo: setup ## a year of real weather through broker and pipeline, live
	@go build $(FLAGS) -o bin/weather ./examples/weather
	@bin/weather demo $(DEMOFLAGS)

demo-clean: ## forget what the demo has processed
	rm -rf .demo

test: setup ## every test, within five minutes on two cores
	@go build $(FLAGS) $(PKGS) # before the tests that build programs, so that nothing is compiled twice
	go test $(FLAGS) $(TESTFLAGS) $(PKGS)

##@ While working
.PHONY: check fmt race fuzz sim chaos bench build tools
check: setup ## formatting, vet, staticcheck, tidy go.mod, short tests: under two minutes
	@$(MAKE) --no-print-directory fmt
	go vet $(FLAGS) $(PKGS)
	go tool staticcheck $(filter -tags=%,$(FLAGS)) $(PKGS)
	go mod tidy -diff
	build/modfiles check
	go test $(FLAGS) -short $(PKGS)

fmt: setup-go
	@out=$$("$$(go env GOROOT)/bin/gofmt" -l .); \
	if [ -n "$$out" ]; then printf 'not formatted (go fmt ./...):\n%s\n' "$$out"; exit 1; fi

race: setup ## short tests under the race detector
	go test $(FLAGS) -race -short $(PKGS)

fuzz: setup ## every fuzz target for FUZZTIME (20s); PKGS= narrows
	@FLAGS="$(FLAGS)" build/each fuzz $(FUZZTIME)

sim: setup ## simulations from seeds; SEED=n repeats one, SEEDS=n runs more
	@FLAGS="$(FLAGS)" SEED=$(SEED) SEEDS=$(SEEDS) build/each sim

chaos: setup ## real processes killed, frozen and restarted under faults, with a verifier; SEED=n, SEEDS=n
	@FLAGS="$(FLAGS)" SEED=$(SEED) SEEDS=$(SEEDS) build/each chaos

bench: setup ## Go benchmarks; PKGS= and BENCH= narrow
	go test $(FLAGS) -run '^$$' -bench '$(or $(BENCH),.)' -benchmem $(BENCHFLAGS) $(PKGS)

build: setup ## bin/thalweg and bin/weather
	go build $(FLAGS) -o bin/ ./cmd/thalweg ./examples/weather

##@ Against other people's software
.PHONY: interop kafka golden differ compare
interop: setup ## other clients against the broker: kcat, and Kafka's own tools where Java is
	@FLAGS="$(FLAGS)" build/each interop

kafka: setup ## this code on a real Apache Kafka, in each transaction protocol; KAFKA_NODES=3 for three nodes (needs Java 17 and the network)
	@for level in 0 1 2; do KAFKA_TRANSACTION_VERSION=$$level FLAGS="$(FLAGS)" build/kafka with build/each kafka; done

golden: setup ## the recorded topologies with fresh input in Kafka Streams, and here; SEED=n, SEEDS=n (needs Java 17, Maven, the network)
	@FLAGS="$(FLAGS)" SEED=$(SEED) SEEDS=$(SEEDS) build/golden

differ: setup ## random programs in Kafka Streams, and here; SEED=n, SEEDS=n (needs Java 17, Maven, the network)
	@go run ./internal/golden/differ -java "$$(build/java internal/golden/java)" $(if $(SEED),-from $(SEED) -seeds 1,-seeds $(or $(SEEDS),200)) $(DIFFERFLAGS)

compare: ## the same programs here and in Kafka Streams, side by side (Linux; needs Java 17, Maven, the network)
	@bench/compare $(COMPAREFLAGS)

##@ This machine
.PHONY: doctor setup setup-go help
doctor: setup-go ## what this machine has, and what to type for what is missing
	@go run ./cmd/thalweg doctor

setup:
	@build/setup
setup-go:
	@build/setup go

help:
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
