"""Static, fp16 and int8 variants: on tiny random models, and on the official one over the golden corpus.

    python -m unittest discover -s scripts/tests

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
        cls.said = base.export(cls.model, cls.folder_of_all, variants=ALL).said["variants"]

    def path(self, variant: str) -> str:
        return os.path.join(self.folder_of_all, variant + ".onnx")

    def rows(self):
        from tokenizers import Tokenizer

        t = Tokenizer.from_file(os.path.join(self.model, "tokenizer.json"))
        t.enable_truncation(24)
        return [t.encode(x).ids for x in tiny.TEXTS]

    def test_each_says_what_it_is(self):
        self.assertEqual(sorted(self.said), sorted(ALL))
        self.assertEqual(sorted(os.listdir(self.folder_of_all)), sorted(v + ".onnx" for v in ALL))
        for v in ALL:
            with self.subTest(v):
                batch, sequence = ("1", "24") if "static" in v else ("batch", "sequence")
                states = [] if "static" in v else [{"name": "last_hidden_state", "type": "float32", "shape": [batch, sequence, "64"]}]
                said = {k: x for k, x in self.said[v].items() if k != "choices"}
                self.assertEqual(said, {
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

    def test_int8_is_what_its_choices_say(self):
        choices = self.said["int8"]["choices"]
        self.assertEqual([c["weight"] for c in choices], [f"layers.{n}.{w}" for n in range(3) for w in ("wq", "wk", "wv", "wo", "w1", "w2")])
        g = graph(self.path("int8"))
        kinds, held = Counter(n.op_type for n in g.node), {t.name: t for t in g.initializer}
        forms = Counter(c["form"] for c in choices)
        self.assertGreater(forms["int8"], 0)
        self.assertEqual((kinds["MatMulInteger"], kinds["MatMulNBits"]), (forms["int8"], forms["int8-blocks"]))
        for c in choices:
            self.assertEqual(c["weight"] in held, c["form"] == "fp32")
            self.assertEqual(c["weight"] + ".q" in held, c["form"] != "fp32")
        smoothed = {c["weight"].replace("wk", "wq").replace("wv", "wq") for c in choices if c.get("smoothing")}
        self.assertEqual(smoothed, {n.removesuffix(".smooth") for n in held if n.endswith(".smooth")})


def hidden_of(n: int) -> dict:
    return tiny.bert_config(hidden=n, intermediate_size=96)


def numpy_of(t):
    from onnx import numpy_helper

    return numpy_helper.to_array(t)


class Search(base.Case):
    def setUp(self):
        super().setUp()
        import bert_forward
        import hf_forward
        import st_config

        self.dir = tiny.model(self.folder("m"), hidden_of(64), hidden=64)
        hf = st_config.hf_config(self.dir)
        self.module = bert_forward.WrittenOut(hf, hf_forward.tensors(self.dir), "mean", True)
        self.rows = base.exporter._rows(self.dir, st_config.read(self.dir))[::4]

    def choose(self, mean: float, worst: float):
        import int8_search

        before = int8_search.MEAN_LOSS, int8_search.WORST_LOSS
        int8_search.MEAN_LOSS, int8_search.WORST_LOSS = mean, worst
        try:
            return int8_search.choose(self.module, self.rows)
        finally:
            int8_search.MEAN_LOSS, int8_search.WORST_LOSS = before

    def test_what_may_be_lost_decides(self):
        loose, _ = self.choose(1, 1)
        self.assertEqual({c.form for c in loose}, {"int8"})
        strict, _ = self.choose(0, 0)
        self.assertEqual({c.form for c in strict}, {"fp32"})

    def test_the_same_twice_and_for_any_number_of_threads_and_the_module_is_as_it_was(self):
        import torch

        ids = torch.tensor([self.rows[0]])
        before = self.module(ids, torch.ones_like(ids))
        threads = torch.get_num_threads()
        first, peaks = self.choose(2e-4, 1e-3)
        torch.set_num_threads(1 if threads > 1 else 2)
        try:
            again, _ = self.choose(2e-4, 1e-3)
        finally:
            torch.set_num_threads(threads)
        self.assertEqual(first, again)
        self.assertTrue(torch.equal(before, self.module(ids, torch.ones_like(ids))))
        self.assertEqual(sorted(peaks), sorted(c.weight for c in first))

    def test_a_channel_that_towers_over_the_rest_is_smoothed_or_cut_into_blocks(self):
        import torch

        with torch.no_grad():
            # One channel of the norm before layer 1's attention 200 times as large, and its readers as much smaller.
            self.module.layers[0].ln2.weight[5] *= 200
            self.module.layers[0].ln2.bias[5] *= 200
            for w in ("wq", "wk", "wv"):
                getattr(self.module.layers[1], w)[5] /= 200
        chosen, _ = self.choose(1, 1)
        by = {c.weight: c for c in chosen}
        self.assertGreater(by["layers.1.wq"].smoothing, 0)
        self.assertEqual({by[f"layers.1.{w}"].smoothing for w in ("wq", "wk", "wv")}, {by["layers.1.wq"].smoothing})

    def test_the_imitation_loses_what_onnx_runtime_loses(self):
        import int8_search
        import numpy as np
        import onnx
        import quantise
        import torch

        base.export(self.dir, self.out)
        exact = vectors(self.out, self.rows, None)
        for form in ("int8", "int8-blocks"):
            with self.subTest(form):
                choices, peaks = self.choose(1, 1)
                choices = [quantise.Choice(c.weight, form, 0.7 if form == "int8" else 0.0) for c in choices]
                model = onnx.load(self.out)
                quantise.apply(model, choices, peaks)
                other = os.path.join(self.box, form + ".onnx")
                onnx.save(model, other)
                real = 1 - cosines(vectors(other, self.rows, None), exact)
                with torch.no_grad():
                    s = int8_search._Search(self.module, self.rows)
                    s._measure_peaks()
                    every = s.some + s.rest
                    want = s._vectors(len(s.layers), every)
                    s._use(s._tried({c.weight: c for c in choices}))
                    imitated = 1 - (s._vectors(0, every) * want).sum(-1).numpy()
                    s._use({})
                self.assertGreater(real.mean(), 1e-6)
                self.assertAlmostEqual(imitated.mean() / real.mean(), 1, delta=0.2)
                self.assertAlmostEqual(np.max(imitated) / real.max(), 1, delta=0.5)

    def test_a_weight_that_is_no_number_and_one_of_zeros_end(self):
        import torch

        with torch.no_grad():
            self.module.layers[1].w1.zero_()
        self.assertEqual(len(self.choose(1, 1)[0]), 18)
        with torch.no_grad():
            self.module.layers[1].w2[0, 0] = float("nan")
        chosen, _ = self.choose(0.001, 0.001)  # whatever it is: the gate judges a model that has no numbers
        self.assertEqual(len(chosen), 18)


class Arithmetic(unittest.TestCase):
    def test_columns_and_blocks_are_within_half_a_step(self):
        import numpy as np
        import quantise

        w = np.random.default_rng(1).normal(size=(64, 24)).astype(np.float32)
        w[:, 3] = 0
        q, scale = quantise.columns(w)
        self.assertEqual((q.dtype, q.shape, scale.shape), (np.int8, (64, 24), (24,)))
        self.assertTrue((np.abs(q * scale - w) <= scale / 2 * 1.001).all())
        q, scale = quantise.blocks(w)
        self.assertEqual((q.dtype, q.shape, scale.shape), (np.int8, (24, 2, 32), (24, 2)))
        self.assertTrue((np.abs((q * scale[:, :, None]).reshape(24, 64).T - w) <= scale.max() / 2 * 1.001).all())
        w[5, 7] = np.nan
        with np.errstate(all="raise"):
            self.assertTrue(np.isnan(quantise.columns(w)[1][7]))
            self.assertTrue(np.isnan(quantise.blocks(w)[1][7, 0]))

    def test_factors_are_powers_of_two_and_survive_zeros(self):
        import numpy as np
        import quantise

        peaks = np.array([0, 1e-9, 0.3, 8, 500], np.float32)
        w = np.ones((5, 4), np.float32)
        w[1] = 0
        f = quantise.factors(peaks, [w, 2 * w], 0.7)
        self.assertTrue((np.log2(f) == np.rint(np.log2(f))).all())
        self.assertTrue((f > 0).all() and np.isfinite(f).all())
        self.assertTrue((np.diff(f[2:]) > 0).all())

    def test_a_weight_that_the_graph_has_not_is_an_error(self):
        import onnx
        import quantise
        from onnx import helper
        from st_config import Failed

        x = helper.make_tensor_value_info("x", 1, [1])
        m = helper.make_model(helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [x], [helper.make_tensor_value_info("y", 1, [1])]))
        self.assertIsInstance(m, onnx.ModelProto)
        with self.assertRaisesRegex(Failed, "layers.9.w1"):
            quantise.apply(m, [quantise.Choice("layers.9.w1", "int8")], {})


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
    """Every variant of the official model over the whole golden corpus."""

    @classmethod
    def setUpClass(cls):
        import numpy as np
        from safetensors.numpy import load_file

        g = load_file(os.path.join(GOLDEN, "golden.safetensors"))
        at = g["offsets"]
        cls.rows = [g["ids"][a:b] for a, b in zip(at, at[1:])]
        cls.want = g["pooled"] / np.linalg.norm(g["pooled"], axis=1, keepdims=True)

    def measured(self, variant: str):
        import numpy as np

        tokens = 128 if "static128" in variant else None
        which = [n for n, row in enumerate(self.rows) if tokens is None or len(row) <= tokens]
        path = os.path.join(os.environ["EMBEDGATE_TEST_CANDIDATE"], variant + ".onnx")
        got, want = vectors(path, [self.rows[n] for n in which], tokens), self.want[which]
        self.assertGreater(len(which), 350)
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

        cos, _, got, want = self.measured("int8")
        got = got / np.linalg.norm(got, axis=1, keepdims=True)
        self.assertGreaterEqual(cos.min(), 0.99)
        self.assertGreaterEqual(cos.mean(), 0.997)
        shares = []
        a, b = got @ got.T, want @ want.T
        np.fill_diagonal(a, -2), np.fill_diagonal(b, -2)
        for n in range(len(a)):
            nearest = np.argsort(-a[n], kind="stable")[:10]
            shares.append((b[n][nearest] >= np.sort(b[n])[-10] - 1e-7).mean())
        self.assertGreaterEqual(np.mean(shares), 0.95)


if __name__ == "__main__":
    unittest.main()
