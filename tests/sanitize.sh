#!/bin/sh
# The tests of the library under a sanitizer: unsafe code, threads, whole jobs, and all else of them that it can run.
#     tests/sanitize.sh address [TEST...]
#     tests/sanitize.sh thread [TEST...]
# Needs the stable toolchain, which has the runtimes of the sanitizers, and for threads the source of the standard library (`rustup
# component add rust-src`). Names of tests choose among them, as with `cargo test`. Builds into target/sanitize (2 GB each), which may be
# deleted afterwards.
set -eu
cd "$(dirname "$0")/.."
what=$1
shift
host=$(rustc -vV | sed -n 's/^host: //p')
# Packages in C are compiled with the sanitizer too. A constant table of zstd, which gcc 12 keeps outside of the stack, is reported as used
# after its scope (`getAllMatchesFns`, in tests of high levels): scopes in C are not looked at.
export CFLAGS=-fno-sanitize-address-use-after-scope
# What is left out, with the reason:
# - a_bus_error_elsewhere: the sanitizer wants that signal for itself, and the test wants the process to die of it;
# - stages_in_every_order: one thread, no unsafe code, and millions of worlds.
skipped='a_bus_error_elsewhere stages_in_every_order'
flags=-Zsanitizer=$what
std=
case $what in
address)
    # The tests ask for more memory than there is, and for an error.
    export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:allow_user_segv_handler=1:allocator_may_return_null=1
    ;;
thread)
    export TSAN_OPTIONS="suppressions=$PWD/tests/sanitize_thread.txt:allocator_may_return_null=1:history_size=4:second_deadlock_stack=1"
    # Locks that are waited for, and the ends of threads, are in the standard library: it is compiled with the sanitizer too.
    std=-Zbuild-std
    # These compute for long, on one thread.
    skipped="$skipped kernel::math numeric:: format:: kernel::operation kernel::oracle"
    ;;
*)
    echo "address or thread, not $what" >&2
    exit 64
    ;;
esac
export RUSTC_BOOTSTRAP=1 CARGO_INCREMENTAL=0 RUSTFLAGS="$flags"
# With a target flags do not reach build scripts, which have no use for a sanitizer.
# shellcheck disable=SC2086
cargo test --lib --no-default-features --no-run $std --target "$host" --target-dir "target/sanitize/$what"
skips=$(for name in $skipped; do printf -- '--skip %s ' "$name"; done)
# shellcheck disable=SC2086
cargo test --lib --no-default-features $std --target "$host" --target-dir "target/sanitize/$what" -- $skips "$@"
