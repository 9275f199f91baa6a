#!/usr/bin/env python3
"""Compute golden vectors: PyTorch in float64 from the pinned weights.

Each text alone, no padding, token ids from HF's tokenizers. Cross-checked
against sentence-transformers' own encode; the ONNX exporter is not used.
Speaks embedgate's line protocol on stdout.
"""

import argparse
import base64
import hashlib
import json
import os
import shutil
import sys

# The modules that the exporter needs too.
sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "shared"))

from model_dir import Config, weights_file  # noqa: E402
from refused import Refused  # noqa: E402

# Libraries may print to stdout, which is for the protocol only.
protocol = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# The largest difference from sentence-transformers' float32 vectors.
CROSS_CHECK = 2e-6
# Short texts whose hidden states are kept, to find the layer that is wrong.
STATES = 2


def say(message, **counts):
    print(json.dumps({"event": "progress", "message": message} | counts), file=protocol, flush=True)


def fail(message):
    print("error: " + message, file=sys.stderr)
    sys.exit(2)


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def read_texts(path):
    rows = []
    with open(path, encoding="utf-8") as f:
        for n, line in enumerate(f, 1):
            try:
                row = json.loads(line)
                raw = base64.b64decode(row["base64"], validate=True) if "base64" in row else row["text"].encode("utf-8")
                rows.append((row["id"], raw.decode("utf-8", "replace")))
            except (ValueError, KeyError, TypeError, AttributeError) as e:
                fail(f"{os.path.basename(path)}:{n}: got {e!r}, wanted an id and a text or base64; next: correct the line")
    if len({i for i, _ in rows}) != len(rows) or not rows:
        fail(f"{os.path.basename(path)}: got no texts or an id twice, wanted unique ids")
    return rows


def source_files(model_dir):
    names = []
    for root, _, files in os.walk(model_dir):
        names += [os.path.relpath(os.path.join(root, f), model_dir).replace(os.sep, "/") for f in files]
    return {n: sha256(os.path.join(model_dir, n)) for n in sorted(names)}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--model-dir", required=True)
    ap.add_argument("--config", required=True, help="what embedgate read of the model's configuration, a JSON object")
    ap.add_argument("--model", required=True, help="the model's name")
    ap.add_argument("--texts", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--only", default="", help="ids of the only texts to compute, with commas")
    a = ap.parse_args()

    # Errors in the input are found before the long loading.
    try:
        conf = Config.parse(a.config)
        weights_file(a.model_dir)
    except Refused as e:
        fail(str(e))
    texts = read_texts(a.texts)
    if a.only:
        only = a.only.split(",")
        unknown = sorted(set(only) - {t[0] for t in texts})
        if unknown:
            fail(f"--only: got {', '.join(unknown)}, wanted ids of the texts; next: choose ids from {os.path.basename(a.texts)}")
        texts = [t for t in texts if t[0] in only]

    say("loading PyTorch, transformers and sentence-transformers")
    import numpy as np
    import safetensors.numpy
    import sentence_transformers
    import tokenizers
    import torch
    import transformers

    import hf_forward

    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)  # sums in one order on every machine
    transformers.logging.set_verbosity_error()
    tok = tokenizers.Tokenizer.from_file(os.path.join(a.model_dir, "tokenizer.json"))
    tok.no_padding()
    tok.enable_truncation(conf.max_tokens)
    # Half-precision weights are widened, whatever config.json says to load them as.
    try:
        model = hf_forward.load(a.model_dir, torch.float64, attn_implementation="eager")
    except Refused as e:
        fail(str(e))

    ids, pooled, states = [], [], {}
    with torch.no_grad():
        for n, (id, text) in enumerate(texts):
            if n % 20 == 0:
                say("computing float64 vectors", done=n, total=len(texts))
            i = tok.encode(text).ids
            t = torch.tensor([i])
            r = model(input_ids=t, attention_mask=torch.ones_like(t), output_hidden_states=len(states) < STATES)
            h = r.last_hidden_state[0]
            pooled.append({"mean": lambda: h.mean(0), "cls": lambda: h[0], "max": lambda: h.max(0).values}[conf.pooling]().numpy())
            ids.append(i)
            if len(states) < STATES and 6 <= len(i) <= 12:
                states[id] = torch.stack([s[0] for s in r.hidden_states]).to(torch.float32).numpy()
    pooled = np.stack(pooled)
    assert pooled.dtype == np.float64
    for (id, _), row in zip(texts, pooled, strict=True):
        if not np.isfinite(row).all():
            fail(f"text {id}: got NaN or Inf in its vector, wanted numbers; next: compare the weights with the model's own release")
    want = pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12) if conf.normalize else pooled

    say("cross-checking against sentence-transformers")
    st = sentence_transformers.SentenceTransformer(a.model_dir, device="cpu", trust_remote_code=False, model_kwargs={"dtype": torch.float32})
    # It takes a longer max_seq_length at its word, and then breaks on the text that is longer than the position table.
    st.max_seq_length = conf.max_tokens
    got = st.encode([t for _, t in texts], batch_size=1, convert_to_numpy=True, show_progress_bar=False)
    # Vectors that are not normalised may be large, and float32 errs in proportion.
    scale = 1.0 if conf.normalize else max(1.0, float(np.abs(want).max()))
    worst = float(np.abs(got - want).max()) / scale
    if not worst <= CROSS_CHECK:
        n = int(np.abs(got - want).max(axis=1).argmax())
        fail(f"text {texts[n][0]}: got a difference of {worst:.3g} from sentence-transformers, wanted at most {CROSS_CHECK:g}; "
             "next: find out which of the two is wrong before you use either")

    os.makedirs(a.out, exist_ok=True)
    out = {
        "ids": np.array([x for i in ids for x in i], dtype=np.int32),
        "offsets": np.cumsum([0] + [len(i) for i in ids], dtype=np.int64),
        "pooled": pooled,
    } | {f"states.{k}": np.ascontiguousarray(v) for k, v in states.items()}
    vectors = os.path.join(a.out, "golden.safetensors")
    safetensors.numpy.save_file(out, vectors)
    to = os.path.join(a.out, "texts.jsonl")
    if not a.only and os.path.abspath(a.texts) != os.path.abspath(to):
        shutil.copyfile(a.texts, to)
    manifest = {
        "schema": 1, "model": a.model, "dim": conf.dimension, "pooling": conf.pooling, "normalize": conf.normalize,
        "max_tokens": conf.max_tokens, "texts": len(texts), "source": source_files(a.model_dir),
        "versions": {m.__name__.replace("_", "-"): m.__version__.split("+")[0] for m in (torch, transformers, tokenizers, sentence_transformers, np)},
        "cross_check": float(f"{worst:.2g}"),
        "files": {"texts.jsonl": sha256(a.texts), "golden.safetensors": sha256(vectors)},
    }
    with open(os.path.join(a.out, "golden.json"), "w", encoding="utf-8") as f:
        json.dump(manifest, f, indent=2, sort_keys=True)
        f.write("\n")
    say("done", done=len(texts), total=len(texts))
    print(json.dumps({"event": "manifest", "texts": len(texts), "cross_check": worst}), file=protocol, flush=True)


if __name__ == "__main__":
    main()
