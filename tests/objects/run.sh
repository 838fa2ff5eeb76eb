#!/bin/sh
# Arrays in object stores, against a server of the S3 protocol on loopback (the crate s3s-fs), with injected failures. The first time
# builds clients, server and the package with the feature `object-store`: ten minutes on two processors. Dask is installed into target/objects-python,
# unless OUTCORE_PYTHON names a Python that has `distributed` and python/outcore-dask.
#     tests/objects/run.sh [NAMES...]
set -eu
cd "$(dirname "$0")/../.."
if [ -z "${OUTCORE_PYTHON:-}" ]; then
    [ -x target/objects-python/bin/python ] || python3 -m venv target/objects-python
    target/objects-python/bin/pip install --quiet 'distributed==2026.8.0' ./python/outcore-dask
    OUTCORE_PYTHON=$PWD/target/objects-python/bin/python
    export OUTCORE_PYTHON
fi
cargo test --manifest-path tests/objects/Cargo.toml --target-dir target -- "$@"
