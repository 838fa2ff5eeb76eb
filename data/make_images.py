#!/usr/bin/env python3
"""Makes images.npy: 64 colour tiles of 64x64 pixels, u8, laid out (batch, height, width, channel).

Each of four photographs (all CC0 or public domain, carried in scikit-image's wheel) gives the 256x256 pixels at its
centre, cut into 4x4 tiles in row order: tiles 0..15 chelsea, 16..31 coffee, 32..47 hubble_deep_field, 48..63 rocket.
To make the file from scratch:

    python3 -m venv venv
    venv/bin/pip install numpy==2.4.6 pillow==13.0.0
    venv/bin/pip install --no-deps scikit-image==0.26.0
    venv/bin/python data/make_images.py

Only the package's picture files are read; it is never imported. With --check nothing is written: the file that is there
is compared with what the script makes. Two of the photographs are JPEG, so another JPEG decoder may differ by a few
levels there: --check allows 4.
"""
import argparse
import importlib.util
import sys
from pathlib import Path

import numpy as np
from PIL import Image

FILES = ["chelsea.png", "coffee.png", "hubble_deep_field.jpg", "rocket.jpg"]
SIDE, GRID = 64, 4


def tiles(path):
    x = np.asarray(Image.open(path).convert("RGB"))
    n = SIDE * GRID
    top, left = (x.shape[0] - n) // 2, (x.shape[1] - n) // 2
    x = x[top:top + n, left:left + n]
    return x.reshape(GRID, SIDE, GRID, SIDE, 3).transpose(0, 2, 1, 3, 4).reshape(-1, SIDE, SIDE, 3)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder for the file")
    p.add_argument("--check", action="store_true", help="compare the file in --out instead of writing it")
    a = p.parse_args()
    spec = importlib.util.find_spec("skimage")
    if spec is None:
        sys.exit("pip install --no-deps scikit-image")
    folder = Path(spec.origin).parent / "data"
    x = np.ascontiguousarray(np.concatenate([tiles(folder / f) for f in FILES]))
    if a.check:
        d = int(np.abs(np.load(a.out / "images.npy").astype(int) - x).max())
        assert d <= 4, f"images.npy differs by {d}"
        print(f"tiles differ by at most {d}")
        return
    np.save(a.out / "images.npy", x)
    print(f"images.npy {x.shape} {x.dtype}")


if __name__ == "__main__":
    main()
