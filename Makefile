# What there is to do in this tree. Only `make` and cargo are expected; the rest is installed when needed.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test test-core deb test-package fuzz kill-loop vardiff bench tips fmt lint deps

# Ten thousand connections need ten thousand descriptors in the daemon and as many in the generator.
RAISE_FILE_LIMIT := ulimit -n "$$(ulimit -Hn)" 2>/dev/null || true
# Tests wait for databases and nodes more than they compute.
export RUST_TEST_THREADS ?= $(shell expr $$(nproc) + 1)

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## A minute of mining on regtest with everything real: ARGS="--keep" leaves it running
	@tests/setup/install.sh demo
	cargo build --release --locked --bins --example demo
	@target="$${CARGO_TARGET_DIR:-target}"; exec "$$target/release/examples/demo" $(ARGS)

test: ## Formatting, lints and all tests, with real databases and coin daemons
	@tests/setup/install.sh test
	@$(MAKE) --no-print-directory lint
	@$(RAISE_FILE_LIMIT); set -x; cargo test --locked

test-core: ## The same daemon at a current Bitcoin Core, built once (half an hour) into target/core
	@tests/setup/install.sh core
	@tests/setup/core.sh
	@$(RAISE_FILE_LIMIT); set -x; cargo test --locked --test core

deb: ## The Debian package and its debug package, into target/deb: REVISION=2 for another of the same version
	@tests/setup/install.sh deb
	@packaging/build-deb.sh

test-package: ## The package in a pristine Debian 12 under systemd: installed, run, mined on, broken, removed (as root)
	@tests/setup/install.sh package
	@tests/setup/package.sh
	@set -x; cargo test --locked --test package

# Stays in target/: the fuzzer's program, its builds and what it finds.
CARGO_FUZZ := $(CURDIR)/target/cargo-fuzz
TARGET ?= session
SECS ?= 600

fuzz: ## Coverage-guided fuzzing: TARGET=session|request|line_codec|proxy_header SECS=600
	@tests/setup/install.sh fuzz
	@test -x "$(CARGO_FUZZ)/bin/cargo-fuzz" || cargo install --locked --root "$(CARGO_FUZZ)" cargo-fuzz
	@mkdir -p "target/fuzz/corpus/$(TARGET)"
	PKG_CONFIG_PATH="$(CURDIR)/tests/fuzz/guided/pkgconfig" CARGO_TARGET_DIR="$(CURDIR)/target/fuzz" "$(CARGO_FUZZ)/bin/cargo-fuzz" \
		fuzz run --fuzz-dir tests/fuzz/guided -s none $(TARGET) "target/fuzz/corpus/$(TARGET)" -- -len_control=0 -max_len=1500 -max_total_time=$(SECS) -artifact_prefix=target/fuzz/

kill-loop: ## Kills of daemon and database at random, under load: KILLS=120 SEED=1; two loops, one for each durability
	@tests/setup/install.sh test
	@export KILLS="$${KILLS:-120}" SEED="$${SEED:-$$RANDOM}"; set -x; cargo test --release --locked --test loss kills -- --test-threads 1

vardiff: ## The difficulty's simulation: how well it follows which miner, as a table with budgets
	cargo test --locked --test vardiff -- --nocapture

bench: ## Cost of every algorithm, load on the whole daemon: ARGS="--quick"; ARGS="--only closed,tip" is the load alone
	@tests/setup/install.sh bench
	$(if $(findstring --only,$(ARGS)),,cargo bench --locked --bench pow -- $(ARGS))
	@$(RAISE_FILE_LIMIT); set -x; cargo bench --locked --bench load -- $(ARGS)

tips: ## How soon each source of new tips brings new work, and how much work that makes stale: ARGS="--blocks 40"
	@tests/setup/install.sh test
	@set -x; cargo bench --locked --bench tips -- $(ARGS)

fmt: ## Format the sources
	cargo fmt

lint: ## Formatting and lints, and the policy for dependencies where cargo-deny is installed
	cargo fmt --check
	cargo clippy --all-targets --test package --locked -- -D warnings
	@if command -v cargo-deny >/dev/null; then set -x; cargo deny check bans licenses sources; fi

deps: ## Install what tests and demo need (Debian, Ubuntu)
	@tests/setup/install.sh test
