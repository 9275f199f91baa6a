"""Static, fp16 and int8 variants: on tiny random models, and on the official one over the golden corpus.

    python -m unittest discover -s scripts/export/tests

EMBEDGATE_TEST_CANDIDATE (the official model's candidate, every variant in it) and
EMBEDGATE_TEST_GOLDEN (its golden directory) are set by the Go test that runs this.
"""

from __future__ import annotations

import base64
import json
import os
import unittest
from collections import Counter

import test_export as base  # sets the path to the scripts

import calibration_texts
import tiny

GOLDEN = os.environ.get("EMBEDGATE_TEST_GOLDEN") or os.path.join(os.path.dirname(base.SCRIPTS), "golden", "all-MiniLM-L6-v2")
ALL = ("fp32", "fp16", "int8", "fp32-static24", "fp16-static24")


def graph(path: str):
    import onnx

    return onnx.load(path).graph


def padded(rows, tokens: int | None):
    """Each row alone as ids and mask [1, n]; with tokens, padded to as many."""
    import numpy as np

    for row in rows:
        n = tokens or len(row)
        ids, mask = np.zeros((1, n), np.int64), np.zeros((1, n), np.int64)
        ids[0, : len(row)], mask[0, : len(row)] = row, 1
        yield ids, mask


def vectors(path: str, rows, tokens: int | None):
    """float64 [rows, dimension]"""
    import numpy as np

    s = base.session(path)
    return np.concatenate([base.embed(s, ids, mask) for ids, mask in padded(rows, tokens)]).astype(np.float64)


def cosines(a, b):
    import numpy as np

    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


class Tiny(base.Case):
    """All variants of one tiny model, made by one call."""

    @classmethod
    def setUpClass(cls):
        import tempfile

        cls.box_of_all = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.box_of_all.cleanup)
        cls.model = tiny.model(os.path.join(cls.box_of_all.name, "m"), hidden_of(64), hidden=64)
        cls.folder_of_all = os.path.join(cls.box_of_all.name, "out")
        os.mkdir(cls.folder_of_all)
        cls.entries = base.export(cls.model, cls.folder_of_all, variants=ALL).manifest_line["variants"]

    def path(self, variant: str) -> str:
        return os.path.join(self.folder_of_all, variant + ".onnx")

    def rows(self):
        from tokenizers import Tokenizer

        t = Tokenizer.from_file(os.path.join(self.model, "tokenizer.json"))
        t.enable_truncation(24)
        return [t.encode(x).ids for x in tiny.TEXTS]

    def test_each_says_what_it_is(self):
        self.assertEqual(sorted(self.entries), sorted(ALL))
        self.assertEqual(sorted(os.listdir(self.folder_of_all)), sorted(v + ".onnx" for v in ALL))
        for v in ALL:
            with self.subTest(v):
                batch, sequence = ("1", "24") if "static" in v else ("batch", "sequence")
                states = [] if "static" in v else [{"name": "last_hidden_state", "type": "float32", "shape": [batch, sequence, "64"]}]
                entry = {k: x for k, x in self.entries[v].items() if k != "choices"}
                self.assertEqual(entry, {
                    "file": v + ".onnx", "precision": v.split("-")[0], "opset": 20, "forward": "written-out",
                    "inputs": [{"name": n, "type": "int64", "shape": [batch, sequence]} for n in ("input_ids", "attention_mask")],
                    "outputs": states + [{"name": "sentence_embedding", "type": "float32", "shape": [batch, "64"]}],
                })
                self.assertGreater(len(graph(self.path(v)).value_info), 50)

    def test_each_gives_the_vectors_of_fp32(self):
        import numpy as np

        rows = self.rows()
        want = vectors(self.path("fp32"), rows, None)
        for v, cosine, most in (("fp32-static24", 0.999999, 2e-6), ("fp16", 0.999, 5e-3), ("fp16-static24", 0.999, 5e-3), ("int8", 0.99, 0.1)):
            with self.subTest(v):
                got = vectors(self.path(v), rows, 24 if "static" in v else None)
                self.assertGreaterEqual(cosines(got, want).min(), cosine)
                self.assertLessEqual(np.abs(got - want).max(), most)

    def test_one_made_alone_is_the_same_bytes(self):
        for v in ("int8", "fp16-static24"):
            base.export(self.model, self.out, variants=(v,))
            self.assertEqual(base.digest(self.out), base.digest(self.path(v)), v)

    def test_a_static_graph_computes_no_shape_and_casts_no_input(self):
        for v in ("fp32-static24", "fp16-static24"):
            with self.subTest(v):
                g = graph(self.path(v))
                kinds = Counter(n.op_type for n in g.node)
                self.assertFalse(set(kinds) & {"Shape", "Slice", "Concat", "Expand", "GatherND", "Where", "Range", "ConstantOfShape"}, kinds)
                readers = [n.op_type for n in g.node if set(n.input) & {"input_ids", "attention_mask"}]
                self.assertEqual(readers, ["Gather", "Gather"])
                self.assertEqual(kinds["Cast"], 0 if v.startswith("fp32") else 2)  # the last tokens and the mask, to float32
                for t in g.initializer:
                    if t.data_type == 7 and len(t.dims) == 1:  # the targets of Reshape
                        self.assertGreater(min(numpy_of(t)), -2)

    def test_a_static_graph_takes_no_other_shape(self):
        import numpy as np

        s = base.session(self.path("fp32-static24"))
        for shape in ((1, 23), (2, 24)):
            with self.assertRaises(Exception):
                base.embed(s, np.ones(shape, np.int64), np.ones(shape, np.int64))

    def test_fp16_holds_its_weights_in_16_bits_and_pools_in_32(self):
        for v in ("fp16", "fp16-static24"):
            with self.subTest(v):
                g = graph(self.path(v))
                large = {t.name: t.data_type for t in g.initializer if int(numpy_of(t).size) > 16}
                self.assertEqual(set(large.values()), {10}, large)
                types = {i.name: i.type.tensor_type.elem_type for i in g.value_info}
                for n in g.node:
                    if n.op_type in ("ReduceSum", "Sqrt", "Div"):
                        self.assertEqual(types.get(n.output[0], 1), 1, n.name)
                    if n.op_type in ("LayerNormalization", "Softmax", "Gelu"):
                        self.assertEqual(types[n.output[0]], 10, n.name)


def hidden_of(n: int) -> dict:
    return tiny.bert_config(hidden=n, intermediate_size=96)


def numpy_of(t):
    from onnx import numpy_helper

    return numpy_helper.to_array(t)


class Calibration(unittest.TestCase):
    def test_the_texts_are_many_varied_and_none_is_a_golden_text(self):
        def plain(text: str) -> str:
            return " ".join(text.casefold().split())

        with open(os.path.join(GOLDEN, "texts.jsonl"), encoding="utf-8") as f:
            lines = [json.loads(line) for line in f]
        golden = {plain(row["text"] if "text" in row else base64.b64decode(row["base64"]).decode("utf-8", "replace")) for row in lines}
        self.assertGreater(len(golden), 300)
        texts = calibration_texts.TEXTS
        self.assertEqual(sorted(t for t in texts if plain(t) in golden), [])
        self.assertEqual([t for t, n in Counter(texts).items() if n > 1], [])
        self.assertGreater(len(texts), 300)
        self.assertGreater(sum(not t.isascii() for t in texts), 60)
        self.assertGreater(max(map(len, texts)), 800)


@unittest.skipUnless(os.environ.get("EMBEDGATE_TEST_CANDIDATE") and os.environ.get("EMBEDGATE_TEST_GOLDEN"), "run by go test, which brings the official model's candidate and the golden vectors")
class Golden(unittest.TestCase):
    """Every variant of the official model by the golden corpus: int8 by all of it, whose loss depends on the text, the others by every fourth text."""

    @classmethod
    def setUpClass(cls):
        import numpy as np
        from safetensors.numpy import load_file

        g = load_file(os.path.join(GOLDEN, "golden.safetensors"))
        at = g["offsets"]
        cls.rows = [g["ids"][a:b] for a, b in zip(at, at[1:])]
        cls.want = g["pooled"] / np.linalg.norm(g["pooled"], axis=1, keepdims=True)

    def measured(self, variant: str, nth: int = 4):
        import numpy as np

        tokens = 128 if "static128" in variant else None
        which = [n for n, row in enumerate(self.rows) if tokens is None or len(row) <= tokens][::nth]
        path = os.path.join(os.environ["EMBEDGATE_TEST_CANDIDATE"], variant + ".onnx")
        got, want = vectors(path, [self.rows[n] for n in which], tokens), self.want[which]
        self.assertGreater(len(which), 350 // nth)
        return cosines(got, want), np.abs(got - want).max(), got, want

    def test_fp32_in_a_fixed_shape_and_padded_is_fp32(self):
        for v in ("fp32", "fp32-static128"):
            with self.subTest(v):
                cos, most, *_ = self.measured(v)
                self.assertGreaterEqual(cos.min(), 0.999999)
                self.assertLessEqual(most, 5e-6)

    def test_fp16(self):
        for v in ("fp16", "fp16-static128"):
            with self.subTest(v):
                cos, most, *_ = self.measured(v)
                self.assertGreaterEqual(cos.min(), 0.999)
                self.assertLessEqual(most, 5e-3)

    def test_int8(self):
        import numpy as np

        cos, _, got, want = self.measured("int8", nth=1)
        got = got / np.linalg.norm(got, axis=1, keepdims=True)
        self.assertGreaterEqual(cos.min(), 0.992)
        self.assertGreaterEqual(cos.mean(), 0.9985)
        shares = []
        a, b = got @ got.T, want @ want.T
        np.fill_diagonal(a, -2), np.fill_diagonal(b, -2)
        for n in range(len(a)):
            nearest = np.argsort(-a[n], kind="stable")[:10]
            shares.append((b[n][nearest] >= np.sort(b[n])[-10] - 1e-7).mean())
        self.assertGreaterEqual(np.mean(shares), 0.955)


if __name__ == "__main__":
    unittest.main()
