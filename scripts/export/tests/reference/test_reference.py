"""The exporter held to account by torch, transformers and sentence-transformers, in the reference environment.

    python -m unittest discover -s scripts/export/tests/reference

EMBEDGATE_TEST_MODEL (the official model's directory) and EMBEDGATE_TEST_CANDIDATE
(its candidate) are set by the Go test that runs this; RealModel needs them.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import test_export as base  # noqa: E402  sets the path to the scripts
from test_export import digest, embed, export, session  # noqa: E402

import tiny  # noqa: E402
from refused import Refused  # noqa: E402


def by_transformers(dir: str, config, positions: int) -> str:
    """A random model of any architecture, by its transformers configuration."""
    import torch
    from transformers import AutoModel

    torch.manual_seed(1)
    m = AutoModel.from_config(config).eval()
    with torch.no_grad():
        for p in m.parameters():
            p.add_(torch.randn_like(p) * 0.1)
    m.save_pretrained(dir)
    tiny.configs(dir, positions=positions)
    tiny.tokenizer(dir)
    return dir


class Case(base.Case):
    def assertAgrees(self, model_dir: str, path: str, bound: float = 2e-6):
        """The file gives sentence-transformers' own vectors, alone and in a padded batch."""
        import numpy as np
        from sentence_transformers import SentenceTransformer

        st = SentenceTransformer(model_dir, device="cpu")
        want = st.encode(tiny.TEXTS, convert_to_numpy=True, batch_size=1)
        padded = st.tokenizer(tiny.TEXTS, padding=True, truncation=True, return_tensors="np")
        s = session(path)
        got = embed(s, padded["input_ids"].astype(np.int64), padded["attention_mask"].astype(np.int64))
        scale = max(1.0, float(np.abs(want).max()))
        self.assertLessEqual(float(np.abs(got - want).max()), bound * scale)
        for n, text in enumerate(tiny.TEXTS):
            one = st.tokenizer([text], truncation=True, return_tensors="np")["input_ids"].astype(np.int64)
            self.assertLessEqual(float(np.abs(embed(s, one, np.ones_like(one))[0] - want[n]).max()), bound * scale)
        for shape in ((1, 1), (1, 2), (3, 2), (2, st.max_seq_length)):  # [CLS][SEP] is the shortest real text
            ids = np.full(shape, 5, np.int64)
            self.assertEqual(embed(s, ids, np.ones_like(ids)).shape, (shape[0], want.shape[1]))


class Agreement(Case):
    def test_every_pooling_with_and_without_normalisation(self):
        for pooling, normalize in (("mean", True), ("mean", False), ("cls", False), ("max", True)):
            with self.subTest(pooling=pooling, normalize=normalize):
                dir = tiny.model(self.folder(f"{pooling}{normalize}"), pooling=pooling, normalize=normalize)
                export(dir, self.out)
                self.assertAgrees(dir, self.out)

    def test_other_activations_sizes_and_a_checkpoint_with_a_head(self):
        for name, changes in (
            ("relu, one layer, one head", {"hidden_act": "relu", "num_hidden_layers": 1, "num_attention_heads": 1}),
            ("gelu_new, one type of token", {"hidden_act": "gelu_new", "type_vocab_size": 1}),
        ):
            with self.subTest(name):
                dir = tiny.model(self.folder(name), tiny.bert_config(**changes))
                self.assertEqual(export(dir, self.out).variant["forward"], "written-out")
                self.assertAgrees(dir, self.out)
        with self.subTest("names that begin with bert., and a language model's head"):
            import numpy as np

            head = {"cls.predictions.bias": np.zeros(3, np.float32), "bert.embeddings.position_ids": np.arange(40)}
            tiny.change_weights(dir, lambda w: {("bert." + k): v for k, v in w.items()} | head)
            tiny.edit(dir, "config.json", architectures=["BertForMaskedLM"])
            self.assertEqual(export(dir, self.out).variant["forward"], "written-out")
            self.assertAgrees(dir, self.out)

    def test_names_and_settings_of_old_releases(self):
        old = lambda k: k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")  # noqa: E731
        dir = tiny.model(self.folder("m"))
        tiny.change_weights(dir, lambda w: {old(k): v for k, v in w.items()})
        tiny.edit(dir, "config.json", layer_norm_eps=None, hidden_act=None)
        self.assertEqual(export(dir, self.out).variant["forward"], "written-out")
        self.assertAgrees(dir, self.out)
        tiny.change_weights(dir, lambda w: w | {"embeddings.LayerNorm.weight": w["embeddings.LayerNorm.gamma"].copy()})
        with self.assertRaises(Refused) as caught:
            export(dir, self.out)
        self.assertIn("both", str(caught.exception))

    def test_plain_has_token_types_where_the_model_does(self):
        dir = tiny.model(self.folder("m"))
        listener = export(dir, self.out, plain=True)
        self.assertEqual(listener.variant["forward"], "plain")
        self.assertEqual([i["name"] for i in listener.variant["inputs"]], ["input_ids", "attention_mask", "token_type_ids"])
        self.assertAgrees(dir, self.out)

    def test_an_architecture_that_the_written_out_forward_does_not_know_is_exported_plain(self):
        import transformers as t

        size = {"vocab_size": len(tiny.WORDS), "max_position_embeddings": 42, "pad_token_id": 0}
        other = size | {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
        for name, config, positions in (
            ("relative positions", t.MPNetConfig(**other), 40),
            ("positions after the padding's", t.RobertaConfig(**other, type_vocab_size=1), 41),
            ("other names for the same sizes", t.DistilBertConfig(**size, dim=48, n_layers=2, n_heads=4, hidden_dim=64), 42),
        ):
            with self.subTest(name):
                dir = by_transformers(self.folder(name), config, positions)
                listener = export(dir, self.out)
                with self.assertRaisesRegex(Refused, "'int8' for a forward that is transformers' own .*model_type is"):
                    export(dir, self.out, variants=("int8",))
                self.assertEqual(listener.variant["forward"], "plain")
                self.assertEqual(len(listener.variant["inputs"]), 2)
                self.assertTrue(any("model_type is" in s for s in listener.steps), listener.steps)
                self.assertAgrees(dir, self.out)

    def test_what_sentence_transformers_saves_again_gives_the_same_bytes(self):
        from sentence_transformers import SentenceTransformer

        dir, again = tiny.model(self.folder("m")), os.path.join(self.box, "again")
        export(dir, self.out)
        with contextlib.redirect_stderr(io.StringIO()):
            SentenceTransformer(dir, device="cpu").save(again)
        other = os.path.join(self.folder("out2"), "fp32.onnx")
        export(again, other, config=tiny.config_text(dir))
        self.assertEqual(digest(self.out), digest(other))

    def test_the_forward_in_numpy_is_transformers_own(self):
        import bert_numpy
        import bert_weights
        import hf_forward
        import numpy as np
        import model_dir
        import torch

        for name, changes, options in (
            ("mean", {}, {}),
            ("cls, relu", {"hidden_act": "relu"}, {"pooling": "cls", "normalize": False}),
            ("max, gelu_new, one head", {"hidden_act": "gelu_new", "num_attention_heads": 1}, {"pooling": "max"}),
        ):
            with self.subTest(name):
                dir = tiny.model(self.folder(name), tiny.bert_config(**changes), **options)
                hf, config = model_dir.load_config(dir), tiny.config(dir)
                plain = hf_forward.Plain(hf_forward.load(dir).double(), config.pooling, config.normalize)
                for ids in ([2, 3], [2, 7, 9, 40, 11, 3]):
                    states, vector = bert_numpy.forward(hf, bert_weights.tensors(dir, hf), config, ids)
                    with torch.no_grad():
                        t = torch.tensor([ids])
                        want = plain(t, torch.ones_like(t))[0].numpy()
                        own = plain.model(input_ids=t, attention_mask=torch.ones_like(t)).last_hidden_state[0].numpy()
                    self.assertLessEqual(np.abs(vector - want).max(), 1e-12)
                    self.assertLessEqual(np.abs(states - own).max(), 1e-11)


class Plain(Case):
    def test_weights_that_do_not_fit_are_refused(self):
        for name, change, shown in (
            ("a tensor less", lambda w: {k: v for k, v in w.items() if k != "encoder.layer.1.output.dense.weight"}, "encoder.layer.1.output.dense.weight"),
            ("a tensor cut short", lambda w: w | {"encoder.layer.1.output.dense.bias": w["encoder.layer.1.output.dense.bias"][:9]}, "shape"),
        ):
            with self.subTest(name):
                dir = tiny.model(self.folder(name))
                tiny.change_weights(dir, change)
                with self.assertRaises(Refused) as caught:
                    export(dir, self.out)
                self.assertIn(shown, str(caught.exception))
        self.assertEqual(os.listdir(os.path.dirname(self.out)), [])

    def test_the_graph_is_bare(self):
        import onnx

        export(tiny.model(self.folder("m")), self.out, plain=True)
        m = onnx.load(self.out)
        self.assertEqual([(o.domain, o.version) for o in m.opset_import], [("", 20)])
        self.assertEqual((m.producer_name, m.producer_version, m.doc_string, len(m.metadata_props)), ("embedgate", base.exporter.EXPORTER, "", 0))
        self.assertFalse(any(n.metadata_props or n.doc_string for n in m.graph.node))


@unittest.skipUnless(os.environ.get("EMBEDGATE_TEST_MODEL") and os.environ.get("EMBEDGATE_TEST_CANDIDATE"), "run by go test, which brings the official model and its export")
class RealModel(unittest.TestCase):
    def test_the_export_is_within_1e_6_of_float64_with_and_without_padding(self):
        import numpy as np
        import torch
        from tokenizers import Tokenizer

        import hf_forward
        from model_dir import Config

        dir = os.environ["EMBEDGATE_TEST_MODEL"]
        config = Config("mean", True, 256, 384, 512)
        plain = hf_forward.Plain(hf_forward.load(dir).double(), config.pooling, config.normalize)
        tokens = Tokenizer.from_file(os.path.join(dir, "tokenizer.json"))
        tokens.no_padding()
        tokens.enable_truncation(config.max_tokens)
        texts = ["", "a", "hello world", "The quick brown fox jumps over the lazy dog.", "今日はとても暑いので水をたくさん飲みましょう。", "protein market " * 40, "naïve café 🙂 " * 90]
        rows = [tokens.encode(t).ids for t in texts]
        ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
        mask = np.zeros_like(ids)
        for n, row in enumerate(rows):
            ids[n, : len(row)], mask[n, : len(row)] = row, 1
        s = session(os.path.join(os.environ["EMBEDGATE_TEST_CANDIDATE"], "fp32.onnx"))
        with torch.no_grad():
            want = plain(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
        self.assertLessEqual(float(np.abs(embed(s, ids, mask) - want).max()), 1e-6)
        for n, row in enumerate(rows):
            one = np.array([row], np.int64)
            self.assertLessEqual(float(np.abs(embed(s, one, np.ones_like(one))[0] - want[n]).max()), 1e-6)


if __name__ == "__main__":
    unittest.main()
