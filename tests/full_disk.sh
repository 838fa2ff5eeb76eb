#!/bin/sh
# Real full disks: outputs on a small file system of their own, given more room, and gone on with. Root only, as it mounts:
#     cargo build && unshare -m tests/full_disk.sh target/debug/outcore
set -eu
outcore=$(realpath "$1")
place=$(mktemp -d)
small=$place/small
mkdir "$small"
mount -t tmpfs -o size=12m tmpfs "$small"
trap 'umount "$small"; rm -rf "$place"' EXIT
cd "$place"

# Runs the program and expects an exit code and words on stderr.
expect() {
    code=$1 words=$2
    shift 2
    found=0
    "$outcore" "$@" 2>said || found=$?
    if [ "$found" != "$code" ] || ! { [ -z "$words" ] || grep -q -e "$words" said; }; then
        echo "exit $found instead of $code, or no \`$words\`: $*" >&2
        cat said >&2
        exit 1
    fi
    sed 's/^/    /' said
}

room() { mount -o remount,size="$1" "$small"; }

names() { (cd "$small" && ls -A | tr '\n' ' '); }

noise='x = normal((1000, 2000), seed=1)'
"$outcore" eval "$noise" -o x.npy
"$outcore" eval 'x + 1' x.npy -o y.npy
want=$("$outcore" digest y.npy | cut -d' ' -f1)

echo '== 16 MB as npy in 12 MiB: refused before anything is computed'
expect 73 'not enough room for .*: it takes 16000128 bytes' eval 'x + 1' x.npy -o small/y.npy
test -z "$(names)"

echo '== as Zarr without compression: refused, too'
expect 73 'not enough room for small/y.zarr: it takes 16000000 bytes' eval 'x + 1' x.npy -o 'small/y.zarr?codec=none'
test -z "$(names)"

for layout in 'chunks=50,2000&shards=250,2000' 'chunks=50,2000&shards=none' 'codec=zstd&shards=none&version=2&chunks=10,2000'; do
    echo "== compressed, $layout: full in the middle"
    room 12m
    expect 73 'takes up to 16000000 bytes' eval 'x + 1' x.npy -o "small/y.zarr?$layout" --memory 16MiB --threads 2
    test -z "$(names)" || { names; exit 1; }
    expect 73 'takes up to 16000000 bytes' eval 'x + 1' x.npy -o "small/y.zarr?$layout" --memory 16MiB --threads 2 --resume
    test ! -e small/y.zarr
    echo "    left: $(names)"
    grep 'is kept' said
    expect 73 'takes up to 16000000 bytes' eval 'x + 1' x.npy -o "small/y.zarr?$layout" --memory 16MiB --threads 2 --resume
    room 64m
    expect 0 '' eval 'x + 1' x.npy -o "small/y.zarr?$layout" --memory 64MiB --threads 1 --resume
    test "$(names)" = 'y.zarr '
    "$outcore" eval 'x + 1' x.npy -o "z.zarr?$layout"
    diff -r small/y.zarr z.zarr -x zarr.json -x .zattrs
    test "$("$outcore" digest small/y.zarr | cut -d' ' -f1)" = "$want"
    rm -r small/y.zarr z.zarr
done

echo '== scratch that does not fit: refused with the bytes it takes'
room 12m
expect 73 'not enough room for scratch in .*small.*: it takes 16000000 bytes' eval 'x.T.reshape((1000, 2000)) - x' x.npy \
    -o t.npy --memory 8MiB --scratch small
test -z "$(names)" -a ! -e t.npy
room 64m
expect 0 '' eval 'x.T.reshape((1000, 2000)) - x' x.npy -o t.npy --memory 8MiB --scratch small
echo 'all held'
