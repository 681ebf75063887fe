# `make test` is the whole check; the other targets are its parts and the daily ones.

CARGO ?= cargo

# In this order, also under make -j: each step wants the cores for itself.
.NOTPARALLEL:
.PHONY: test packages fmt clippy unit lint build run bench crash model sim fuzz audit notice rfcs

test: packages fmt clippy unit lint

# What the tests need beside Rust and a C compiler: installed when possible, else named.
packages:
	@sh tests/support/packages.sh

fmt:
	$(CARGO) fmt --check

clippy:
	$(CARGO) clippy --locked --all-targets -- -D warnings

# One test binary and the library's own tests; the benches are compiled by clippy above.
unit:
	$(CARGO) test --locked --lib --bins --tests

# The files that no compiler reads.
lint:
	@sh tests/support/lint.sh

build:
	$(CARGO) build --release --locked

# The quickstart: SQLite under ./gatepost-data, nothing leaves this machine.
run:
	$(CARGO) run --release --locked

bench:
	$(CARGO) bench --locked --bench micro
	$(CARGO) bench --locked --bench writer
	$(CARGO) bench --locked --bench accept
	$(CARGO) bench --locked --bench queue
	$(CARGO) bench --locked --bench relay

# kill -9 under load, again and again: minutes, so not part of `make test`.
crash:
	$(CARGO) test --locked --release --test all crash_long -- --ignored --nocapture

# Each parser for FUZZ_SECONDS, from its corpus on; needs cargo-fuzz and a C++ compiler. Finds go to
# fuzz/found, failures to fuzz/artifacts: put what should stay into fuzz/corpus, which every test run
# replays. The compiler is the stable one, told to take the options that a fuzzer needs.
FUZZ_SECONDS ?= 60
fuzz:
	@$(CARGO) fuzz --version >/dev/null 2>&1 || \
	{ echo "make fuzz needs cargo-fuzz: cargo install --locked cargo-fuzz" >&2; exit 1; }
	@for target in line data command proxy; do \
		mkdir -p fuzz/found/$$target && \
		RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --target-dir target/fuzz $$target fuzz/found/$$target fuzz/corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=6000 -timeout=10 || exit 1; \
	done

# A million random SMTP dialogues against the model; `make test` has the first hundred thousand.
model:
	$(CARGO) test --locked --release --test all smtp_model -- --ignored --nocapture

# Ten thousand nasty worlds, and a mailing of 100,000 beside other mail; `make test` has the first twenty. GATEPOST_SEEDS=100..200 chooses others.
sim:
	$(CARGO) test --locked --release --test all sim:: -- --ignored --nocapture

# Known advisories against Cargo.lock; needs cargo-audit or cargo-deny.
audit:
	@if $(CARGO) audit --version >/dev/null 2>&1; then $(CARGO) audit; \
	elif $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check advisories; \
	else echo "make audit needs cargo-audit: cargo install --locked cargo-audit" >&2; exit 1; fi

# Written from the tree and compared by `make test`.
notice:
	GATEPOST_BLESS=1 $(CARGO) test --locked --test all licences::
rfcs:
	GATEPOST_BLESS=1 $(CARGO) test --locked --test all rfcs::
