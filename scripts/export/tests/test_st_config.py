"""What a directory says, and what is refused. Needs the standard library only."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(os.path.dirname(HERE)), "shared")]

import st_config  # noqa: E402
import tiny  # noqa: E402
from st_config import Config, Refused  # noqa: E402


class Read(unittest.TestCase):
    def setUp(self):
        box = tempfile.TemporaryDirectory()
        self.addCleanup(box.cleanup)
        self.dir = box.name

    def test_the_common_table(self):
        """What a directory says, and what is refused: export/stmodel's tests read the same table."""
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "configurations.json"), encoding="utf-8") as f:
            table = json.load(f)
        self.assertGreater(len(table["cases"]), 100)
        for case in table["cases"]:
            with self.subTest(case["name"]), tempfile.TemporaryDirectory() as dir:
                for name, value in (table["base"] | case["files"]).items():
                    if isinstance(value, dict) and "raw" in value:
                        os.makedirs(os.path.dirname(os.path.join(dir, name)), exist_ok=True)
                        with open(os.path.join(dir, name), "w", encoding="utf-8") as f:
                            f.write(value["raw"])
                    elif value is not None:
                        tiny.write(dir, name, value)
                if "want" in case:
                    self.assertEqual(st_config.read(dir), Config(**case["want"]))
                    continue
                with self.assertRaises(Refused) as caught:
                    st_config.read(dir)
                said = str(caught.exception)
                self.assertIn(case["refused"], said)
                for part in (": got ", ", wanted ", "; next: "):
                    self.assertIn(part, said)
                self.assertNotIn("\n", said)

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
