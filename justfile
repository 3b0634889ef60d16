# What developers do often. `just --list` shows it.

# Everything that must pass before a change lands
ci:
    bash .ci/run

# Format, lint, test: the quick round
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test --workspace

# Run a node that is open for registration, on data that can be thrown away
run:
    cargo run -- --set registration.mode=open --data-dir target/try-it

# The benches, each beside its floor
bench *args:
    cargo bench --bench cert_registry -- {{args}}

# Kill the node under load for longer than the tests do
kill cycles="200":
    KILL_CYCLES={{cycles}} cargo test --test program kills -- --nocapture

# Licences, advisories, duplicate and unwanted crates
deny:
    cargo deny check
