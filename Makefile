# What can be done here; `make` alone tells. A fresh Debian machine with Rust needs nothing else: what is missing is
# installed from Debian (as root or with sudo), or named in one line.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
CARGO ?= cargo
# What `make bench` measures: as the image holds it, or `release`.
PROFILE ?= dist
# Which pictures `make gallery` takes; all without.
GROUP ?=

.PHONY: help
help: ## What can be done here
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: run
run: ## With .env: serve the real Telegram. Without: the sandbox, on http://127.0.0.1:8000
	@scripts/need postgresql
	@if [ -e .env ]; then \
	  exec $(CARGO) run --release --locked --bin qr-login; \
	else \
	  $(CARGO) build --locked -p qr-login -p replay -p stand-in -p dataset --bin qr-login --bin replay --bin sandbox --bin made-up && exec target/debug/sandbox; \
	fi

.PHONY: demo
demo: ## One login from /login to the row in users, played and checked in the terminal
	@scripts/need postgresql
	@$(CARGO) build --locked -p qr-login -p replay -p stand-in --bin qr-login --bin replay --bin demo && exec target/debug/demo

# Most tests wait most of their time, so there are twice as many at once as two cores have.
.PHONY: test
test: ## Every test: Rust, the pages' scripts, and a whole login in a browser
	@scripts/need postgresql chromium caddy nodejs npm python3-venv faketime strace prometheus
	@scripts/telegram-sdk
	@scripts/axe
	@scripts/pgbouncer
	node --test $$(find api/static tests/stand-in/page -name '*.test.mjs' | sort)
	python3 api/static/tests/srp_vectors.py
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-4} $(CARGO) test --workspace --locked

.PHONY: gallery
gallery: ## Take a picture of each state that people see, for docs/gallery.md (GROUP=page)
	@scripts/need postgresql chromium nodejs fontconfig fonts-inter fonts-noto-color-emoji
	@$(CARGO) build --locked -p qr-login -p replay -p stand-in -p dataset --bin qr-login --bin replay --bin sandbox --bin made-up
	node tests/gallery/gallery.mjs $(GROUP)

.PHONY: image-test
image-test: ## Build the image with buildah on bases of debootstrap, and run it with podman (as root)
	@scripts/need postgresql buildah podman runc debootstrap docker-compose
	deploy/test-image

.PHONY: torture
torture: ## Kill the service while people log in, and while subscriptions end; and its consumers (TORTURE_KILLS, SUBSCRIPTION_KILLS, CONSUMER_KILLS)
	@scripts/need postgresql python3-venv
	TORTURE_KILLS=$${TORTURE_KILLS:-200} SUBSCRIPTION_KILLS=$${SUBSCRIPTION_KILLS:-1000} CONSUMER_KILLS=$${CONSUMER_KILLS:-100} $(CARGO) test --locked -p qr-login --test torture -- --nocapture

.PHONY: processes
processes: ## Kill, freeze and cut off each of several processes while people log in (PROCESSES_ROUNDS, PROCESSES_FAULTS)
	@scripts/need postgresql caddy
	PROCESSES_ROUNDS=$${PROCESSES_ROUNDS:-2} $(CARGO) test --locked -p qr-login --test processes others_take_over -- --nocapture

.PHONY: upgrade-drill
upgrade-drill: ## Replace the processes of another version by this one while people log in (OLD_BINARY)
	@scripts/need postgresql caddy
	OLD_BINARY=$$(realpath "$(OLD_BINARY)") $(CARGO) test --locked -p qr-login --test processes are_replaced -- --nocapture

.PHONY: release-dump
release-dump: ## Keep a database of this release, or of OLD_BINARY and OLD_SQLX, for later upgrades (RELEASE=name)
	@scripts/need postgresql
	RELEASE="$(RELEASE)" $(if $(OLD_BINARY),OLD_BINARY="$$(realpath "$(OLD_BINARY)")" OLD_SQLX="$$(realpath "$(OLD_SQLX)")") $(CARGO) test --locked -p qr-login --test processes each_release -- --nocapture

.PHONY: drill
drill: ## Servers die, hand over or fall silent while people log in (NAME=drill; alone: lists them)
	@CARGO=$(CARGO) scripts/drill $(NAME)

.PHONY: restore-drill
restore-drill: ## Back up and restore a service with people in it, by a dump and by WAL, and say how long it takes (EVENTS=100000)
	@scripts/need postgresql
	$(CARGO) build --locked --release -p qr-login -p replay --bin qr-login --bin replay
	RESTORE_EVENTS=$${EVENTS:-100000} QR_LOGIN_BIN=$$(realpath $${CARGO_TARGET_DIR:-target}/release/qr-login) \
	  $(CARGO) test --locked -p qr-login --test e2e a_backup_is_restored -- --nocapture

.PHONY: ha
ha: PROFILE = release
ha: ## 200 failovers under Patroni while people log in; in some the end of the log is lost (HA_ROUNDS, PART, SEED, PROFILE=dev)
	@scripts/need postgresql patroni etcd-server python3-etcd haproxy iproute2
	@$(CARGO) build --profile $(PROFILE) --locked -p qr-login -p replay --bin qr-login --bin replay --test drills
	DRILL=ha $(CARGO) test --profile $(PROFILE) --quiet --locked -p qr-login -p replay --test drills

.PHONY: bench
bench: ## Measure the product beside its peers and beside the physical limit (BENCH=section, PROFILE=release)
	@scripts/need postgresql wrk redis-server python3-venv caddy
	$(CARGO) build --profile $(PROFILE) --locked -p qr-login -p bench -p replay -p qr-verify --bin qr-login --bin bench --bin replay --bin qr-verify
	$${CARGO_TARGET_DIR:-target}/$(PROFILE)/bench $(BENCH)

.PHONY: fuzz
fuzz: ## Fuzz what strangers send, a minute each (FUZZ_SECONDS, FUZZ_TARGET)
	@scripts/need nodejs g++
	@CARGO=$(CARGO) scripts/fuzz $(FUZZ_TARGET)

.PHONY: check
check: ## Formatting, commit subjects, scripts, dependencies, lints, documentation: the cheapest first
	@scripts/need git shellcheck
	$(CARGO) fmt --all --check
	scripts/subjects
	shellcheck $$(grep -rlE '^#!.*[/ ](ba)?sh$$' .ci scripts deploy tests/drills)
	scripts/dependencies
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	scripts/shipped check
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --document-private-items --locked
