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

# The benches, each beside its floor: all, one file's (`just bench storage`), or what has a word in its name (`just bench appends`)
bench what="" *args:
    #!/usr/bin/env bash
    set -euo pipefail
    what="{{what}}"
    if [ -n "$what" ] && [ -f "benches/$what.rs" ]; then
        cargo bench --bench "$what" -- {{args}}
    else
        cargo bench --bench accounts --bench cert_registry --bench home_servers --bench key_manager \
            --bench key_package_pool --bench storage -- ${what:+"$what"} {{args}}
    fi

# A node under load, each figure beside a floor of the same run: `just load lookup-now --clients 256`; `--help` lists everything
load *args:
    cargo bench --bench load -- {{args}}

# Numbers and pictures by size and by concurrency into docs/figures; `--keep FOLDER` makes each size once, `--sizes 1e4,1e5,1e6,1e7`
figures *args:
    cargo bench --bench load -- figures {{args}}

# Minutes of new certificates, sign-ins, ends, publishing and claims: what remains on the disk, every 30 s
churn minutes="10" *args:
    cargo bench --bench load -- churn {{minutes}} {{args}}

# Until the first answer, after a clean stop and after kill -9 under load; SEED is a folder that `--keep` made
starts seed *args:
    cargo bench --bench load -- starts {{seed}} {{args}}

# What moved by more than 10 % since `benches/baseline.json` was written; `just bench-baseline` writes it
bench-compare *args:
    cargo bench --bench load -- --users 100000 --certs 10 --compare benches/baseline.json {{args}}

# Take this machine's ratios as the ones to compare with
bench-baseline *args:
    cargo bench --bench load -- --users 100000 --certs 10 --json benches/baseline.json {{args}}

# Look for bytes that break a decoder: id_cert, id_csr, challenge or key_package (needs cargo-fuzz and nightly)
fuzz target seconds="600":
    cargo +nightly fuzz run {{target}} -- -max_total_time={{seconds}} -max_len=2048

# Kill the node under load for longer than the tests do
kill cycles="200":
    KILL_CYCLES={{cycles}} cargo test --test program kills -- --nocapture

# Cut the power, in a simulation, at more instants than the tests do
cut-power cuts="2000":
    POWER_CUTS={{cuts}} cargo test --test program power -- --nocapture

# Licences, advisories, duplicate and unwanted crates
deny:
    cargo deny check
