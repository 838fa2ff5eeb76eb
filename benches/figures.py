"""Every workload once more, in one run: beside the loop written by hand or the disk (`workloads`, `stores`) and beside its peers (`peers.py`). Writes the
tables between the marks of `benches/README.md` and `README.md`.

    python benches/figures.py FOLDER [--repeat 3] [--skip workloads,stores,peers]

FOLDER holds the data, 12 GB, and is filled by the benches. Needs what `peers.py` does, and the right to empty the page cache: it is emptied, and the
file read in order, before each part. What a part printed is kept in FOLDER/figures, and taken from there if the part is skipped.
"""
import argparse, datetime, os, platform, re, subprocess, sys

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument("--skip", default="")
asked = parser.parse_args()
here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(here)
kept = os.path.join(asked.folder, "figures")
os.makedirs(kept, exist_ok=True)

# Targets beside the limit, where there are any, and beside a peer. What writes is held against the disk.
LIMITS = {
    "W1": 0.9, "W1f64": 0.8, "W2": 0.6, "W2f64": 0.5, "W3": 0.9, "W4": 0.9, "W5": 0.8, "W6": 0.9, "W7": 0.55, "W8": 0.9, "W9raw": 2, "W9zstd": 1, "W9blosc": 1,
    "W9shard": 1, "W18": 0.9, "W19": 0.9, "W20": 0.9,
}
PEERS = {
    "W2": ("dask", 8), "W8": ("dask in 1 GiB", 3), "W10": ("dask in 512 MiB", 3), "W11": ("numpy", 1), "W12": ("faiss", 4),
    "W13": ("numpy", 2), "W14": ("numpy", 10), "W17": ("numpy", 8), "W18": ("dask", 5), "normals": ("numpy", 3),
}


def words_of(part):
    data = ["--data", asked.folder, "--repeat", str(asked.repeat)]
    if part == "peers":
        return [sys.executable, os.path.join(here, "peers.py"), os.path.join(root, "target/release/outcore"), asked.folder, "--repeat", str(asked.repeat)]
    return ["cargo", "bench", "--bench", part, "--", *data, *(["--sum", "exact"] if part == "workloads" else [])]


def warm():
    """Large pages for the cache, as a file has that was read in order."""
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as caches:
        caches.write("3")
    for name in sorted(os.listdir(asked.folder)):
        if name.startswith("emb"):
            with open(os.path.join(asked.folder, name), "rb", buffering=0) as file:
                while file.read(8 << 20):
                    pass


def printed(part):
    path = os.path.join(kept, part)
    if part not in asked.skip.split(","):
        warm()
        with open(path, "w") as file:
            subprocess.run(words_of(part), cwd=root, stdout=file, check=True)
    return open(path).read().splitlines() if os.path.exists(path) else []


def beside_limits():
    """By workload: what it is, ours, the limit, the ratio."""
    rows = {}
    for line in printed("workloads") + printed("stores"):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if re.fullmatch(r"W\d+\w*", cells[0]):
            rows[cells[0]] = (cells + ["", ""])[1:5]
    return rows


def beside_peers():
    """By workload: what it is, and for each peer the seconds of both and their ratio."""
    rows = {}
    for line in printed("peers"):
        found = re.match(r"(\S+)\s+(.*?)  +(\S.*)/outcore s: (.*?)   ratio of the best ([\d.]+)", line)
        if found:
            name, what, peer, pairs, ratio = found.groups()
            theirs, ours = (min(float(pair.split("/")[side]) for pair in pairs.split()) for side in (0, 1))
            rows.setdefault(name, (what, []))[1].append((peer, theirs, ours, float(ratio)))
    return rows


def order(name):
    number = re.match(r"W(\d+)", name)
    return (int(number[1]) if number else 99, name)


def replaced(path, table):
    text = open(path).read()
    begin, end = "<!-- figures -->\n", "<!-- end of figures -->"
    before, rest = text.split(begin)
    with open(path, "w") as file:
        file.write(before + begin + table + end + rest.split(end)[1])


def target(value):
    return "" if value is None else f"{value:g}"


limits, peers = beside_limits(), beside_peers()
processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, text=True).stdout.strip()
when = f"{datetime.date.today()}, {os.cpu_count()} threads of an {processor}, commit {commit}, the best of {asked.repeat}"
full = f"\n{when}; `benches/figures.py` writes these tables.\n\n| id | workload | outcore | limit | of the limit | target |\n|---|---|---|---|---|---|\n"
for name in sorted(limits, key=order):
    what, ours, limit, ratio = limits[name]
    full += f"| {name} | {what} | {ours} | {limit} | {ratio} | {target(LIMITS.get(name))} |\n"
full += "\n| id | workload | peer | its seconds | outcore's | times as fast | target |\n|---|---|---|---|---|---|---|\n"
for name in sorted(peers, key=order):
    what, rows = peers[name]
    for peer, theirs, ours, ratio in rows:
        wanted = PEERS[name][1] if name in PEERS and PEERS[name][0] == peer else None
        full += f"| {name} | {what} | {peer} | {theirs:.2f} | {ours:.2f} | {ratio:.2f} | {target(wanted)} |\n"
replaced(os.path.join(here, "README.md"), full + "\n")

short = f"\n{when}. 2 GB of `f32` embeddings (4,000,000 x 128), from the page cache; sums exact, outputs durable, the start of our process included.\n"
short += "The limit is a loop written by hand for this one job, or the disk.\n\n| | seconds | of the limit | beside |\n|---|---|---|---|\n"
for name in sorted(peers, key=order):
    what, rows = peers[name]
    beside = ", ".join(f"{peer} x {ratio:.1f}" for peer, _, _, ratio in rows)
    ratio = limits[name][3] if name in limits else ""
    short += f"| {what} | {min(row[2] for row in rows):.2f} | {ratio} | {beside} |\n"
replaced(os.path.join(root, "README.md"), short + "\n")
