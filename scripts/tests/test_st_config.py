"""What a directory says, and what is refused. Needs the standard library only."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import unittest

sys.path[:0] = [os.path.dirname(os.path.dirname(os.path.abspath(__file__))), os.path.dirname(os.path.abspath(__file__))]

import st_config  # noqa: E402
import tiny  # noqa: E402
from st_config import Config, Refused  # noqa: E402


class Read(unittest.TestCase):
    def setUp(self):
        box = tempfile.TemporaryDirectory()
        self.addCleanup(box.cleanup)
        self.dir = box.name

    def test_old_spelling(self):
        tiny.shell(self.dir, pooling="cls", normalize=False)
        self.assertEqual(st_config.read(self.dir), Config("cls", False, 24, 48))

    def test_the_spelling_of_sentence_transformers_6(self):
        tiny.shell(self.dir)
        tiny.write(self.dir, "modules.json", [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.sentence_transformer.modules.pooling.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.base.modules.normalize.Normalize"},
        ])
        tiny.write(self.dir, "1_Pooling/config.json", {"embedding_dimension": 48, "pooling_mode": "max", "include_prompt": True})
        tiny.write(self.dir, "2_Normalize/config.json", {"module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding"})
        tiny.write(self.dir, "sentence_bert_config.json", {"transformer_task": "feature-extraction", "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}, "module_output_name": "token_embeddings"})
        self.assertEqual(st_config.read(self.dir), Config("max", True, 40, 48))

    def test_no_pooling_named_is_mean(self):
        tiny.shell(self.dir)
        tiny.write(self.dir, "1_Pooling/config.json", {"word_embedding_dimension": 48})
        self.assertEqual(st_config.read(self.dir).pooling, "mean")

    def test_the_longest_text(self):
        for name, max_seq, tokenizer, config, want in (
            ("max_seq_length rules over the tokenizer", 30, 20, {}, 30),
            ("never more than the positions", 99, 20, {}, 40),
            ("the tokenizer's limit where none is set", None, 20, {}, 20),
            ("a tokenizer without a limit", None, 10**30, {}, 40),
            ("a tokenizer without a limit, as a float", None, 1e30, {}, 40),
            ("no tokenizer limit at all", None, None, {}, 40),
            ("positions that start after the padding's", None, 99, {"model_type": "roberta", "pad_token_id": 1}, 38),
        ):
            with self.subTest(name):
                tiny.shell(self.dir, max_tokens=max_seq)
                tiny.edit(self.dir, "tokenizer_config.json", model_max_length=tokenizer)
                tiny.edit(self.dir, "config.json", **config)
                self.assertEqual(st_config.read(self.dir).max_tokens, want)

    def test_what_cannot_be_reproduced_is_refused(self):
        dense = [{"path": "", "type": "sentence_transformers.models.Transformer"}, {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}, {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}]
        foreign = [{"path": "", "type": "custom_st.Transformer"}] + dense[1:2]
        outside = [dense[0], {"path": "../1_Pooling", "type": dense[1]["type"]}]
        pooling = {"word_embedding_dimension": 48}
        cases = (
            ("Dense", "modules.json", "Dense", dense),
            ("a module of the model's own", "modules.json", "custom_st", foreign),
            ("a path out of the directory", "modules.json", "../1_Pooling", outside),
            ("a type that is no text", "modules.json", "[1]", [{"path": "", "type": [1]}]),
            ("no pooling", "modules.json", "Transformer", dense[:1]),
            ("normalised before pooling", "modules.json", "modules", [dense[0], {"path": "2", "type": "sentence_transformers.models.Normalize"}, dense[1]]),
            ("a Transformer in a folder", "modules.json", "0_BERT", [{**dense[0], "path": "0_BERT"}, dense[1]]),
            ("modules that are no list", "modules.json", "list", {"a": 1}),
            ("mean_sqrt pooling", "1_Pooling/config.json", "mean_sqrt_len_tokens", {**pooling, "pooling_mode_mean_sqrt_len_tokens": True}),
            ("weighted pooling", "1_Pooling/config.json", "weightedmean", {**pooling, "pooling_mode": "weightedmean"}),
            ("two poolings", "1_Pooling/config.json", "2 poolings", {**pooling, "pooling_mode_cls_token": True, "pooling_mode_max_tokens": True}),
            ("two poolings, new spelling", "1_Pooling/config.json", "2 poolings", {**pooling, "pooling_mode": ["mean", "cls"]}),
            ("a pooling of the future", "1_Pooling/config.json", "pooling_mode_new_tokens", {**pooling, "pooling_mode_new_tokens": True}),
            ("a dimension that is not the model's", "1_Pooling/config.json", "64", {"word_embedding_dimension": 64}),
            ("a dimension that is no number", "1_Pooling/config.json", "'48'", {"word_embedding_dimension": "48"}),
            ("token vectors normalised", "2_Normalize/config.json", "token_embeddings", {"module_input_name": "token_embeddings"}),
            ("code of its own", "config.json", "auto_map", tiny.bert_config(auto_map={"AutoModel": "m.M"})),
            ("a tokenizer with code of its own", "tokenizer_config.json", "auto_map", {"auto_map": {"AutoTokenizer": ["t.T", None]}}),
            ("quantised weights", "config.json", "quantization_config", tiny.bert_config(quantization_config={"quant_method": "gptq"})),
            ("relative positions", "config.json", "relative_key", tiny.bert_config(position_embedding_type="relative_key")),
            ("no model type", "config.json", "model_type", tiny.bert_config(model_type=None)),
            ("a size that is no number", "config.json", "hidden_size", tiny.bert_config(hidden_size=True)),
            ("an adapter", "adapter_config.json", "adapter", {}),
            ("another kind of model", "config_sentence_transformers.json", "SparseEncoder", {"model_type": "SparseEncoder"}),
            ("a default prompt", "config_sentence_transformers.json", "query", {"prompts": {"query": "query: "}, "default_prompt_name": "query"}),
            ("another task", "sentence_bert_config.json", "fill-mask", {"transformer_task": "fill-mask"}),
            ("arguments for the model", "sentence_bert_config.json", "num_hidden_layers", {"config_args": {"num_hidden_layers": 1}}),
            ("lower-casing that the tokenizer does not do", "sentence_bert_config.json", "keeps capitals", {"do_lower_case": True}),
            ("no room for a text", "sentence_bert_config.json", "2 tokens", {"max_seq_length": 2}),
            ("a length that is no number", "sentence_bert_config.json", "'256'", {"max_seq_length": "256"}),
        )
        for name, file, shown, value in cases:
            with self.subTest(name), tempfile.TemporaryDirectory() as dir:
                tiny.shell(dir)
                tiny.write(dir, file, value)
                with self.assertRaises(Refused) as caught:
                    st_config.read(dir)
                said = str(caught.exception)
                self.assertIn(shown, said)
                for part in (": got ", ", wanted ", "; next: "):
                    self.assertIn(part, said)
                self.assertNotIn("\n", said)

    def test_what_changes_nothing_is_not_refused(self):
        for name, file, value in (
            ("lower-casing that the tokenizer does", "sentence_bert_config.json", {"do_lower_case": True}),
            ("arguments without effect", "sentence_bert_config.json", {"model_kwargs": {"add_pooling_layer": False}}),
            ("an empty default prompt", "config_sentence_transformers.json", {"prompts": {"query": ""}, "default_prompt_name": "query"}),
            ("prompts that somebody may ask for", "config_sentence_transformers.json", {"prompts": {"query": "query: "}, "default_prompt_name": None}),
        ):
            with self.subTest(name), tempfile.TemporaryDirectory() as dir:
                tiny.shell(dir)
                tiny.write(dir, "tokenizer.json", {"normalizer": {"type": "Sequence", "normalizers": [{"type": "BertNormalizer", "lowercase": True}]}})
                tiny.write(dir, file, value)
                self.assertEqual(st_config.read(dir).dimension, 48)

    def test_hostile_json(self):
        for name, raw in (("not JSON", b"{"), ("not UTF-8", b'"\xff"'), ("deep", b"[" * 200_000), ("a huge number", b'{"hidden_size": ' + b"9" * 10_000 + b"}"), ("another type", b'"x"'), ("large", b" " * (st_config.MAX_CONFIG_BYTES + 1)), ("empty", b"")):
            for file in ("modules.json", "config.json", "1_Pooling/config.json", "sentence_bert_config.json", "tokenizer_config.json"):
                with self.subTest(name, file=file), tempfile.TemporaryDirectory() as dir:
                    tiny.shell(dir)
                    with open(os.path.join(dir, file), "wb") as f:
                        f.write(raw)
                    with self.assertRaises(Refused):
                        st_config.read(dir)

    def test_every_wrong_value_is_refused_or_read_never_a_crash(self):
        wrong = [None, True, -1, 0, 1.5, 10**40, "x", "", [], [1], {}, {"a": 1}, float("nan")]
        tiny.shell(self.dir)
        for file in ("config.json", "1_Pooling/config.json", "sentence_bert_config.json", "tokenizer_config.json", "config_sentence_transformers.json", "modules.json"):
            path = os.path.join(self.dir, file)
            raw = None
            if os.path.exists(path):
                with open(path, "rb") as f:
                    raw = f.read()
            known = {"config_sentence_transformers.json": {"prompts": {"a": "b"}, "model_type": "SentenceTransformer", "default_prompt_name": None}}.get(file) or json.loads(raw)
            if file == "sentence_bert_config.json":
                known |= dict.fromkeys(("transformer_task", "modality_config", "processing_kwargs", "model_args", "processor_kwargs"), 0)
            for key in range(len(known)) if isinstance(known, list) else known:
                for value in wrong:
                    changed = list(known) if isinstance(known, list) else dict(known)
                    changed[key] = value
                    tiny.write(self.dir, file, changed)
                    with self.subTest(file, key=key, value=value):
                        try:
                            got = st_config.read(self.dir)
                            self.assertIsInstance(got.max_tokens, int)
                        except Refused:
                            pass
            if raw is None:
                os.unlink(path)
            else:
                with open(path, "wb") as f:
                    f.write(raw)


class Weights(unittest.TestCase):
    def test_only_one_safetensors_file(self):
        for name, files, shown in (
            ("a pickle alone", ["pytorch_model.bin"], "pytorch_model.bin"),
            ("shards", ["model.safetensors.index.json", "model-00001-of-00002.safetensors"], "several files"),
            ("nothing", [], "none"),
        ):
            with self.subTest(name), tempfile.TemporaryDirectory() as dir:
                for f in files:
                    tiny.write(dir, f, {})
                with self.assertRaises(Refused) as caught:
                    st_config.weights_file(dir)
                self.assertIn(shown, str(caught.exception))


if __name__ == "__main__":
    unittest.main()
