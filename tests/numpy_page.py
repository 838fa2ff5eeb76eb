"""Evaluates the table of docs/from-numpy.md with NumPy and with outcore, and compares values, shapes and dtypes.

    pip install numpy
    cargo build && python tests/numpy_page.py target/debug/outcore
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np

root = pathlib.Path(__file__).resolve().parent.parent
program = pathlib.Path(sys.argv[1]).resolve()
page = (root / "docs/from-numpy.md").read_text()
table = page.split("## One beside the other")[1].split("\nFiles:\n")[0]
rng = np.random.default_rng(0)
inputs = {
    "x": rng.random((40, 6), dtype=np.float32),
    "y": rng.random((40, 6), dtype=np.float32),
    "rows": rng.integers(0, 40, 20),
}
compared = 0
with tempfile.TemporaryDirectory() as folder:
    for name, values in inputs.items():
        np.save(f"{folder}/{name}.npy", values)
    for line in table.splitlines():
        if not line.startswith("| `"):
            continue
        theirs, ours = [cell.strip("| `") for cell in line.split(" | ")[:2]]
        words = [program, "eval", ours, *(f"{name}={name}.npy" for name in inputs), "-o", "out.npy", "--overwrite"]
        subprocess.run(words, cwd=folder, check=True)
        found, expected = np.load(f"{folder}/out.npy"), np.asarray(eval(theirs, {"np": np}, dict(inputs)))
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype), (theirs, found.shape, found.dtype, expected.shape, expected.dtype)
        # Other numbers of the same kind.
        if "random" not in theirs:
            np.testing.assert_allclose(found, expected, rtol=1e-5, err_msg=theirs)
        compared += 1
assert compared > 40, compared
print(f"{compared} rows of docs/from-numpy.md agree with NumPy {np.__version__}")
