"""The int8 variant on tiny random models, without torch.

    python -m unittest discover -s scripts/export/tests
"""

from __future__ import annotations

import os
import unittest
from collections import Counter

import numpy as np

import test_export as base  # sets the path to the scripts

import bert_graph
import bert_weights
import calibrate
import int8_graph
import quantise
import self_check
import tiny
import variants
from model_dir import Config
from refused import Failed

CONFIG = Config(pooling="mean", normalize=True, max_tokens=24, dimension=64, positions=40)


def settings(**changes) -> dict:
    return tiny.bert_config(hidden=64, intermediate_size=96) | changes


def weights(hf: dict, change=None) -> bert_weights.Weights:
    """A random BERT's. change alters its tensors in place."""
    rng = np.random.default_rng(7)
    tensors = {name: (rng.normal(size=shape) * 0.3 + name.endswith("LayerNorm.weight")).astype(np.float32) for name, shape in bert_weights.shapes(hf).items()}
    if change:
        change(tensors)
    return bert_weights.fold(hf, tensors)


def texts(hf: dict) -> list[list[int]]:
    rng = np.random.default_rng(8)
    return [rng.integers(0, hf["vocab_size"], n).tolist() for n in (1, 2, 5, 9, 24, 24, 3)]


def int8(w: bert_weights.Weights, peaks: dict):
    products = int8_graph.Int8Products(peaks)
    return bert_graph.build(w, CONFIG, "1", products), products.choices


def run(model, rows) -> np.ndarray:
    s = base.session(model.SerializeToString())
    return np.concatenate([base.embed(s, np.array([r], np.int64), np.ones((1, len(r)), np.int64)) for r in rows]).astype(np.float64)


def worst_cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())


def held(model) -> dict[str, np.ndarray]:
    from onnx import numpy_helper

    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


class Columns(unittest.TestCase):
    def pairs(self, q: np.ndarray) -> int:
        size = np.abs(q.astype(int))
        if len(size) % 2:
            size = np.vstack([size, np.zeros_like(size[:1])])
        return int((size[0::2] + size[1::2]).max())

    def test_no_pair_can_saturate_16_bits_and_each_weight_is_within_half_a_step(self):
        rng = np.random.default_rng(1)
        for shape in ((64, 24), (7, 3), (1, 5), (2, 2), (384, 50)):
            for kind in ("normal", "equal", "one large"):
                with self.subTest(f"{shape} {kind}"):
                    w = rng.normal(size=shape).astype(np.float32)
                    if kind == "equal":
                        w = np.sign(w) * np.float32(0.37)
                    if kind == "one large":
                        w[0] *= 100
                    w[:, -1] = 0
                    q, scale = quantise.columns(w)
                    self.assertEqual((q.dtype, q.shape, scale.dtype, scale.shape), (np.int8, shape, np.float32, shape[1:]))
                    self.assertLessEqual(255 * self.pairs(q), 32767)
                    self.assertTrue((np.abs(q * scale - w) <= scale / 2 * 1.001).all())
                    self.assertFalse(q[:, -1].any())

    def test_both_roundings_of_a_pair_may_go_up_and_no_further(self):
        q, _ = quantise.columns(np.array([[63.5], [63.5]], np.float32))
        self.assertEqual(self.pairs(q), 128)

    def test_the_last_of_an_odd_number_of_rows_stands_alone(self):
        q, scale = quantise.columns(np.array([[0.1], [0.1], [1.0]], np.float32))
        self.assertEqual(int(q[2, 0]), 127)

    def test_a_pair_beyond_the_rule_is_refused(self):
        real = quantise._integers
        quantise._integers = lambda w, scale: np.full(w.shape, 65, np.int8)
        try:
            with self.assertRaisesRegex(Failed, "sum 130"):
                quantise.columns(np.ones((4, 2), np.float32))
        finally:
            quantise._integers = real

    def test_what_is_no_number_leaves_a_scale_that_is_none(self):
        for odd in (np.nan, np.inf, -np.inf):
            w = np.ones((4, 3), np.float32)
            w[1, 2] = odd
            for scale in (quantise.columns(w)[1], quantise.rows(w.T)[1][:, 0]):
                self.assertFalse(np.isfinite(scale[2]))
                self.assertTrue(np.isfinite(scale[:2]).all())

    def test_rows_have_a_scale_each(self):
        table = np.array([[1, -2, 0.5], [0, 0, 0], [1e-3, 0, 0]], np.float32)
        q, scale = quantise.rows(table)
        self.assertEqual(q.tolist(), [[64, -127, 32], [0, 0, 0], [127, 0, 0]])
        self.assertTrue((np.abs(q * scale - table) <= scale / 2 * 1.001).all())


class Choosing(unittest.TestCase):
    def test_factors_are_quarters_of_powers_of_two_and_survive_zeros(self):
        peaks = np.array([0, 1e-9, 0.3, 8, 500, np.nan, np.inf])
        w = np.ones((7, 4), np.float32)
        w[1] = 0
        f = quantise.factors(peaks, [w, 2 * w], 0.7)
        self.assertEqual(f.dtype, np.float32)
        self.assertTrue((f > 0).all() and np.isfinite(f).all())
        self.assertTrue(np.allclose(np.log2(f) * 4, np.rint(np.log2(f) * 4), atol=1e-5))
        self.assertTrue((np.diff(f[2:5]) > 0).all())

    def test_outliers_are_the_largest_and_of_equal_ones_the_first(self):
        self.assertEqual(quantise.outliers(np.array([1, 5, 3, 5, 5, 0.5]), 2).tolist(), [1, 3])
        self.assertEqual(quantise.outliers(np.array([1, np.nan, 3]), 1).tolist(), [1])
        self.assertEqual(quantise.outliers(np.array([1.0]), 0).tolist(), [])

    def test_a_last_digit_does_not_decide(self):
        """Peaks as another machine's sums would give them, and the same bytes."""
        hf = settings()
        w = weights(hf)
        peaks = calibrate.peaks(w, texts(hf))
        rng = np.random.default_rng(3)
        other = {k: v * (1 + rng.uniform(-1e-12, 1e-12, v.shape)) for k, v in peaks.items()}
        self.assertFalse(all(np.array_equal(v, peaks[k]) for k, v in other.items()))
        a, b = (int8(w, p)[0].SerializeToString(deterministic=True) for p in (peaks, other))
        self.assertEqual(a, b)


class Peaks(unittest.TestCase):
    def test_they_are_those_of_the_fp32_graph(self):
        import onnx
        from onnx import helper

        for act in ("gelu", "gelu_new", "relu"):
            with self.subTest(act):
                hf = settings(hidden_act=act)
                w, rows = weights(hf), texts(hf)
                got = calibrate.peaks(w, rows)
                self.assertEqual(sorted(got), sorted(f"layers.{n}.{m}" for n in range(3) for m in ("wq", "w1", "w2")))
                model = bert_graph.build(w, CONFIG, "1")
                inputs = {n.input[1]: n.input[0] for n in model.graph.node if n.op_type == "MatMul" and n.input[1] in got}
                have = {o.name for o in model.graph.output}
                model.graph.output.extend(helper.make_tensor_value_info(v, onnx.TensorProto.FLOAT, None) for v in sorted(set(inputs.values()) - have))
                s = base.session(model.SerializeToString())
                want: dict[str, np.ndarray] = {}
                for r in rows:
                    feed = {"input_ids": np.array([r], np.int64), "attention_mask": np.ones((1, len(r)), np.int64)}
                    values = dict(zip([o.name for o in s.get_outputs()], s.run(None, feed)))
                    for name, value in inputs.items():
                        high = np.abs(values[value][0]).max(0)
                        want[name] = np.maximum(want.get(name, high), high)
                for name in got:
                    np.testing.assert_allclose(got[name], want[name], rtol=1e-4, atol=1e-5, err_msg=name)

    def test_how_texts_are_put_together_changes_nothing(self):
        hf = settings()
        w, rows = weights(hf), texts(hf)
        one, before = calibrate.peaks(w, rows), calibrate._BATCH_TOKENS
        calibrate._BATCH_TOKENS = 1
        try:
            two = calibrate.peaks(w, rows)
        finally:
            calibrate._BATCH_TOKENS = before
        for name in one:
            np.testing.assert_allclose(one[name], two[name], rtol=1e-12)


class Graph(unittest.TestCase):
    def setUp(self):
        self.hf = settings()
        self.w, self.rows = weights(self.hf), texts(self.hf)
        self.model, self.choices = int8(self.w, calibrate.peaks(self.w, self.rows))

    def test_it_is_what_its_choices_say(self):
        have = held(self.model)
        kinds = Counter(n.op_type for n in self.model.graph.node)
        self.assertEqual({n.domain for n in self.model.graph.node}, {""})
        self.assertEqual([c.weight for c in self.choices], ["word"] + [f"layers.{n}.{w}" for n in range(3) for w in ("wq", "wk", "wv", "wo", "w1", "w2")])
        self.assertEqual(kinds["MatMulInteger"], 18)
        for c in self.choices:
            self.assertNotIn(c.weight, have)
            self.assertEqual(have[c.weight + ".q"].dtype, np.int8)
            self.assertEqual(c.form, "int8-rows" if c.weight == "word" else "int8")
            name = c.weight.replace("wk", "wq").replace("wv", "wq")
            self.assertEqual(name + ".smooth" in have, c.smoothing > 0, c.weight)
            if c.weight[-2:] in ("w1", "w2"):
                self.assertEqual(len(c.outliers), 16)
                full = getattr(self.w.layers[int(c.weight.split(".")[1])].feed_forward, c.weight[-2:])
                np.testing.assert_array_equal(have[c.weight + ".outliers"], full[:, c.outliers] if c.weight.endswith("w1") else full[list(c.outliers)])
            else:
                self.assertEqual(c.outliers, ())

    def test_onnx_runtime_multiplies_the_largest_inputs_exactly(self):
        """Where the kernels add in 16 bits, weights beyond the rule give other integers."""
        from onnx import TensorProto, helper

        value = helper.make_tensor_value_info
        for name, q in held(self.model).items():
            if not name.endswith(".q") or name == "word.q":
                continue
            graph = helper.make_graph([helper.make_node("MatMulInteger", ["x", "w"], ["y"])], "g", [value("x", TensorProto.UINT8, ["n", len(q)])], [value("y", TensorProto.INT32, ["n", q.shape[1]])], [helper_tensor("w", q)])
            s = base.session(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString())
            # For each column the input that gives its largest sum.
            x = np.where(q.T > 0, 255, 0).astype(np.uint8)
            np.testing.assert_array_equal(s.run(None, {"x": x})[0], x.astype(np.int32) @ q.astype(np.int32), name)

    def test_its_vectors_are_near_fp32s(self):
        want = run(bert_graph.build(self.w, CONFIG, "1"), self.rows)
        self.assertGreater(worst_cosine(run(self.model, self.rows), want), 0.995)

    def test_a_unit_that_towers_over_the_rest_spoils_nothing(self):
        """One unit of each feed-forward is always 300, and its row of w2 a hundredth."""

        def tower(tensors):
            for n in range(3):
                p = f"encoder.layer.{n}."
                tensors[p + "intermediate.dense.bias"][5] = 300
                tensors[p + "output.dense.weight"][:, 5] /= 100

        w = weights(self.hf, tower)
        peaks = calibrate.peaks(w, self.rows)
        want = run(bert_graph.build(w, CONFIG, "1"), self.rows)
        self.assertGreater(worst_cosine(run(int8(w, peaks)[0], self.rows), want), 0.995)
        before, int8_graph.OUTLIERS = int8_graph.OUTLIERS, 0
        try:
            model, choices = int8(w, peaks)
        finally:
            int8_graph.OUTLIERS = before
        self.assertFalse(any(c.outliers for c in choices))
        self.assertLess(worst_cosine(run(model, self.rows), want), 0.95)

    def test_weights_of_zeros_and_of_no_numbers_end(self):
        """Whatever the vectors are: the gate judges a model that has no numbers."""

        def zeros(tensors):
            tensors["encoder.layer.1.intermediate.dense.weight"][:] = 0
            tensors["embeddings.word_embeddings.weight"][4] = 0

        def odd(tensors):
            tensors["encoder.layer.1.output.dense.weight"][0, 0] = np.nan
            tensors["encoder.layer.2.attention.self.key.weight"][0, 0] = np.inf

        for change in (zeros, odd):
            w = weights(self.hf, change)
            model, _ = int8(w, calibrate.peaks(w, self.rows))
            vectors = run(model, self.rows)
            self.assertEqual(np.isfinite(vectors).all(), change is zeros)


def helper_tensor(name: str, array: np.ndarray):
    from onnx import numpy_helper

    return numpy_helper.from_array(array, name)


class SelfCheck(unittest.TestCase):
    """What the exporter compares each made file with."""

    V = variants.Variant("int8", "int8", None)

    def setUp(self):
        self.hf, self.tensors = settings(), {}
        self.w = weights(self.hf, self.tensors.update)
        self.model, _ = int8(self.w, calibrate.peaks(self.w, texts(self.hf)))
        self.check = self_check.SelfCheck(self.hf, self.tensors, CONFIG)

    def test_an_int8_graph_of_this_model_is_let_pass(self):
        self.check.compare(self.model.SerializeToString(), self.V)

    def test_one_that_computes_another_model_is_refused(self):
        from onnx import numpy_helper

        for name in ("layers.1.w1.smooth", "layers.1.wo.scale"):
            other = type(self.model)()
            other.CopyFrom(self.model)
            for t in other.graph.initializer:
                if t.name == name:
                    t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(t)[::-1] * 4, name))
            with self.subTest(name), self.assertRaisesRegex(Failed, "the graph of int8.*cosine of .* at least 0.98"):
                self.check.compare(other.SerializeToString(), self.V)

    def test_vectors_without_numbers_are_refused_unless_they_are_wanted_so(self):
        odd, good = np.array([np.nan, 1.0]), np.array([1.0, 1.0])
        self_check._check_cosine(odd, odd, self.V, 2)
        self_check._check_cosine(0 * good, 0 * good, self.V, 2)
        self_check._check_cosine(good, good, self.V, 2)
        for got, want in ((odd, good), (good, odd), (0 * good, good), (-good, good), (good[:1], good)):
            with self.assertRaises(Failed):
                self_check._check_cosine(got, want, self.V, 2)


if __name__ == "__main__":
    unittest.main()
