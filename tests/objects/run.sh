#!/bin/sh
# Arrays in object stores, against a server of the S3 protocol on loopback (the crate s3s-fs), with injected failures. The first time
# builds clients, server and the package with the feature `object-store`: ten minutes on two processors.
#     tests/objects/run.sh [NAMES...]
set -eu
cd "$(dirname "$0")/../.."
cargo test --manifest-path tests/objects/Cargo.toml --target-dir target -- "$@"
