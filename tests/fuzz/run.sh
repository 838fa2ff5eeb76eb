#!/bin/sh
# Coverage-guided fuzzing with libFuzzer, on the stable toolchain; needs a C++ compiler.
#     tests/fuzz/run.sh SECONDS [WHAT...]
# Every WHAT (all of them without) runs for so many seconds; exit code 1 if one found something. Inputs of long runs are kept in
# corpus.tar.gz, the fewest that cover what they did (libFuzzer's -merge=1); new ones stay in target/fuzz/corpus, findings in target/fuzz/found. OUTCORE_FUZZ_ASAN=1 adds the address sanitizer, which the toolchain carries but does not call stable.
set -eu
cd "$(dirname "$0")/../.."
seconds=$1
shift
all="npy npz safetensors fvecs bvecs ivecs fbin u8bin i8bin ibin zarr2 zarr3 query statements slice state journal task"
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
 -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
if [ -n "${OUTCORE_FUZZ_ASAN:-}" ]; then
    export RUSTC_BOOTSTRAP=1
    flags="$flags -Zsanitizer=address"
fi
# With a target named, build scripts and macros are left as they are.
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS=$(echo $flags) cargo build --release --quiet --manifest-path tests/fuzz/Cargo.toml --target "$host" --target-dir target/fuzz
program=target/fuzz/$host/release/outcore-fuzz

# What others wrote, as the first inputs.
seeds() {
    corpus=target/fuzz/corpus/$1
    mkdir -p "$corpus"
    case $1 in
    npy) cp data/*.npy "$corpus" ;;
    zarr2 | zarr3)
        file=zarr.json
        [ "$1" = zarr2 ] && file=.zarray
        find data/zarr -name "$file" | while read -r metadata; do
            chunk=$(find "$(dirname "$metadata")" -type f ! -name '.z*' ! -name zarr.json | sort | head -n 1)
            [ -n "$chunk" ] || chunk=/dev/null
            { cat "$metadata"; printf '\n----\n'; cat "$chunk"; } >"$corpus/$(echo "$metadata" | tr '/.' '__')"
        done
        ;;
    query) printf 'dtype=f32&shape=-1,4&offset=0&order=C&dims=row,dim' >"$corpus/first" ;;
    slice) printf '0:5, ..., ::-1, None, :8' >"$corpus/first" ;;
    statements)
        printf 'm = mean(x, axis=0); s = std(x, axis=0, ddof=1)\n(x - m) / s' >"$corpus/first"
        printf 'h, e = histogram(x, bins=4); assert all(isfinite(x)), "no"; x[1:, ::-1][..., None] @ [[1.5], [-2]]' >"$corpus/second"
        printf 'concatenate((x, x.T[:3].T), axis=1)[x[:, 0] > 1][[0, -1]].astype(f16)' >"$corpus/third"
        ;;
    state | journal | task) cp tests/fuzz/seeds/"$1"/* "$corpus" ;;
    *) cp data/formats/*."$1" "$corpus" 2>/dev/null || true ;;
    esac
}

mkdir -p target/fuzz/found target/fuzz/corpus
tar -C target/fuzz/corpus --skip-old-files -xzf tests/fuzz/corpus.tar.gz
failed=0
for what in ${*:-$all}; do
    seeds "$what"
    echo "$what"
    OUTCORE_FUZZ=$what "$program" "target/fuzz/corpus/$what" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=3000 -max_len=20000 \
        -artifact_prefix="target/fuzz/found/$what-" >"target/fuzz/$what.log" 2>&1 || failed=1
    grep -E "^#[0-9]+.*DONE|^Done|ERROR|panicked|SUMMARY" "target/fuzz/$what.log" | tail -n 4
done
exit $failed
