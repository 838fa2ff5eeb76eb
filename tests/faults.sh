#!/bin/sh
# System calls that fail, one after the other: a small job from Zarr to Zarr, with `strace --inject`, continued afterwards.
#     cargo build && tests/faults.sh target/debug/outcore
# The n-th call of a kind fails in every thread that makes so many. Whatever fails: an exit code that says so, nothing under the name of
# the output, and `--resume` ends with the same bytes.
set -eu
outcore=$(realpath "$1")
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
"$outcore" eval 'normal((96, 64), seed=1)' -o 'in.zarr/x?dims=time,lat&chunks=8,64&shards=48,64'
"$outcore" eval 'arange(96)' -o 'in.zarr/time?dims=time'
run() {
    "$@" "$outcore" eval 'x.T * 2 - mean(x)' in.zarr/x -o 'out.zarr/y?chunks=16,16&shards=32,48' --threads 1 --resume
}
run env
cp -r out.zarr want.zarr
inputs=$(find in.zarr -exec realpath {} \; -print | sed 's/^/-P /')
failed=0
try() {
    calls=$1 error=$2
    shift 2
    nth=1 quiet=0 count=0
    while [ $quiet -lt 3 ] && [ $nth -le 60 ]; do
        rm -rf out.zarr
        code=0
        run strace -f -qq -o log "$@" -e trace="$calls" -e inject="$calls:error=$error:when=$nth" >/dev/null 2>said || code=$?
        if grep -q INJECTED log; then quiet=0 count=$((count + 1)); else quiet=$((quiet + 1)); fi
        case $code in
        0 | 65 | 66 | 69 | 73 | 74) ;;
        *)
            echo "$calls $error $nth: exit $code: $(cat said)"
            failed=1
            ;;
        esac
        if [ $code != 0 ] && [ -e out.zarr/y ] && ! diff -rq want.zarr/y out.zarr/y >/dev/null; then
            echo "$calls $error $nth: half an output stands under its name: $(cat said)"
            failed=1
        fi
        if [ ! -e out.zarr/y ]; then
            again=0
            run env 2>said || again=$?
            [ $again = 0 ] || { echo "$calls $error $nth: not gone on with: $(cat said)"; failed=1; }
        fi
        # A coordinate that cannot be looked at is as if it were not there.
        [ "$calls" != statx,newfstatat,fstat ] || cp -rn want.zarr/time out.zarr/
        # What cannot be removed stays.
        [ "$calls" != unlink,rmdir,unlinkat ] || find out.zarr -name '.*.lock' -o -name '.*.journal' | xargs rm -f
        diff -r want.zarr out.zarr >differs || { echo "$calls $error $nth (exit $code): $(head -3 differs)"; failed=1; }
        nth=$((nth + 1))
    done
    echo "$calls $error: $count calls failed"
}
for calls in read,pread64 openat statx,newfstatat,fstat; do
    # shellcheck disable=SC2086
    try $calls EIO $inputs
done
for calls in pwrite64 fsync fdatasync renameat2 rename mkdir ftruncate flock unlink,rmdir,unlinkat; do
    try $calls EIO
done
for calls in pwrite64 fsync mkdir ftruncate; do
    try $calls ENOSPC
done
[ $failed = 0 ] && echo 'all held'
