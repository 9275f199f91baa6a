"""What a script takes from embedgate and from the model directory. Needs the standard library only."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(os.path.dirname(HERE)), "shared")]

import model_dir  # noqa: E402
import tiny  # noqa: E402
from model_dir import Config  # noqa: E402
from refused import Refused  # noqa: E402


class ConfigArgument(unittest.TestCase):
    def test_what_embedgate_gives_is_read(self):
        text = '{"pooling":"cls","normalize":false,"max_tokens":512,"dimension":384,"positions":0}'
        self.assertEqual(Config.parse(text), Config("cls", False, 512, 384, 0))

    def test_anything_else_is_refused(self):
        good = {"pooling": "mean", "normalize": True, "max_tokens": 24, "dimension": 48, "positions": 40}
        Config.parse(json.dumps(good))
        wrong = [{k: v for k, v in good.items() if k != left_out} for left_out in good] + [good | {"more": 1}]
        wrong += [good | {k: v} for k in good for v in (None, "x", -1, 1.5, [], {})]
        wrong += [good | {"normalize": 1}, good | {"max_tokens": 0}, good | {"dimension": 0}, good | {"max_tokens": True}, [], 1, None]
        for text in [json.dumps(w) for w in wrong] + ["", "{", "[" * 200_000]:
            with self.subTest(text[:80]), self.assertRaises(Refused) as caught:
                Config.parse(text)
            self.assertIn("--config", str(caught.exception))


class ConfigFile(unittest.TestCase):
    def test_hostile_json_is_refused(self):
        for name, raw in (("not JSON", b"{"), ("not UTF-8", b'{"a": "\xff"}'), ("deep", b"[" * 200_000), ("a huge number", b'{"hidden_size": ' + b"9" * 10_000 + b"}"), ("another type", b'"x"'), ("large", b" " * (model_dir.MAX_CONFIG_BYTES + 1)), ("empty", b"")):
            with self.subTest(name), tempfile.TemporaryDirectory() as dir:
                with open(os.path.join(dir, "config.json"), "wb") as f:
                    f.write(raw)
                with self.assertRaises(Refused):
                    model_dir.load_config(dir)


class WeightsFile(unittest.TestCase):
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
                    model_dir.weights_file(dir)
                self.assertIn(shown, str(caught.exception))


if __name__ == "__main__":
    unittest.main()
