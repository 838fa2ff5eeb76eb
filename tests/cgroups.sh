#!/bin/sh
# Memory limits of the kernel, from tiny to ample, and budgets that follow from them: every job gives the same bits or is refused, and none is
# killed. Root only, as it makes a memory cgroup:
#     cargo build --release && tests/cgroups.sh target/release/outcore
set -eu
outcore=$(realpath "$1")
place=$(mktemp -d -p "${TMPDIR:-/var/tmp}")
if [ -d /sys/fs/cgroup/memory ]; then
    group=/sys/fs/cgroup/memory/outcore-limits limit=memory.limit_in_bytes
else
    group=/sys/fs/cgroup/outcore-limits limit=memory.max
fi
mkdir -p "$group"
trap 'rmdir "$group"; rm -rf "$place"' EXIT
cd "$place"
"$outcore" eval 'x = normal((1000000, 100), seed=1, dtype=f32)' -o x.npy

# What a job gives: a number, or the digest of its output.
result() {
    if [ -e out.npy ]; then
        "$outcore" digest out.npy | cut -d' ' -f1
    elif [ -e out.zarr ]; then
        "$outcore" digest out.zarr | cut -d' ' -f1
    else
        cat said
    fi
}

done=0 refused=0
for mib in 2000 500 250 125 64 48 32 24 16 12 8; do
    echo $((mib * 1048576)) >"$group/$limit"
    while read -r job; do
        rm -rf out.npy out.zarr
        code=0
        # The shell joins the group and becomes the program: no budget is given.
        sh -c 'echo $$ >"$1/cgroup.procs"; shift; eval "exec $*"' sh "$group" "$outcore" "$job" >said 2>wrong || code=$?
        name=$(echo "$job" | tr -c 'a-z0-9\n' '_')
        case $code in
        0)
            done=$((done + 1))
            found=$(result)
            [ -e "want$name" ] || echo "$found" >"want$name"
            if [ "$found" != "$(cat "want$name")" ]; then
                echo "$mib MiB: $job gives $found, not $(cat "want$name")" >&2
                exit 1
            fi
            ;;
        *)
            refused=$((refused + 1))
            if ! grep -q memory wrong || [ "$code" -ge 128 ]; then
                echo "$mib MiB: exit $code: $job" >&2
                cat wrong >&2
                exit 1
            fi
            [ ! -e out.npy ] && [ ! -e out.zarr ] || exit 1
            ;;
        esac
    done <<'JOBS'
eval "sum(x)" x.npy
eval "(x - mean(x, axis=0)) / std(x, axis=0)" x.npy -o out.npy
eval "median(x)" x.npy
eval "x.T" x.npy -o out.npy
eval "sort(x, axis=1)" x.npy -o out.npy
eval "cumsum(x, axis=0)" x.npy -o out.npy
eval "x.T @ x" x.npy -o out.npy
convert x.npy out.zarr --chunks 4096,50 --codec zstd
JOBS
    echo "$mib MiB: $done done, $refused refused"
done
