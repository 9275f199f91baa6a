"""The exporter on tiny random models, in the export environment: without torch.

    python -m unittest discover -s scripts/export/tests

What it makes is compared with transformers and sentence-transformers in reference/.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
EXPORT = os.path.dirname(HERE)
SCRIPTS = os.path.dirname(EXPORT)
sys.path[:0] = [EXPORT, HERE, os.path.join(SCRIPTS, "shared")]

import canonical  # noqa: E402
import export_onnx_model as exporter  # noqa: E402
import tiny  # noqa: E402
from refused import Failed, Refused  # noqa: E402

exporter._quiet()


class Listener:
    """Takes the protocol's calls when the exporter runs inside the test."""

    def __init__(self):
        self.total, self.steps, self.manifest_line = 0, [], None

    def step(self, message):
        self.steps.append(message)

    def manifest(self, variants, versions):
        self.manifest_line = {"variants": variants, "versions": versions}

    @property
    def variant(self) -> dict:
        """The one variant that was made."""
        (one,) = self.manifest_line["variants"].values()
        return one


def export(model_dir: str, out: str, plain: bool = False, variants: tuple[str, ...] = ("fp32",), config: str = "") -> Listener:
    """Exports one variant to out, or each of several to its name in the folder out."""
    pairs = [("--variant", v, "--out", out if len(variants) == 1 else os.path.join(out, v + ".onnx")) for v in variants]
    a = exporter._arguments(["--model-dir", model_dir, "--config", config or tiny.config_text(model_dir)] + [x for p in pairs for x in p] + (["--plain"] if plain else []))
    listener = Listener()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        exporter.run(a, listener, exporter.Pending())
    assert len(listener.steps) == listener.total, listener.steps
    return listener


def start(model_dir: str, out: str, *more: str, variant: str = "fp32", config: str = "", **env: str) -> subprocess.Popen:
    config = config or tiny.config_text(model_dir)
    command = [sys.executable, os.path.join(EXPORT, "export_onnx_model.py"), "--model-dir", model_dir, "--config", config, "--out", out, "--variant", variant, *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", env={**os.environ, **env})


def session(path: str):
    import onnxruntime

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def embed(s, ids, mask):
    import numpy as np

    feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return s.run(["sentence_embedding"], {i.name: feed[i.name] for i in s.get_inputs()})[0]


def digest(path: str) -> str:
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


class Case(unittest.TestCase):
    def setUp(self):
        box = tempfile.TemporaryDirectory()
        self.addCleanup(box.cleanup)
        self.box = box.name
        self.out = os.path.join(self.folder("out"), "fp32.onnx")

    def folder(self, name: str) -> str:
        path = os.path.join(self.box, name)
        os.makedirs(path, exist_ok=True)
        return path


class Signature(Case):
    def test_every_pooling_with_and_without_normalisation(self):
        for pooling, normalize in (("mean", True), ("mean", False), ("cls", False), ("max", True)):
            with self.subTest(pooling=pooling, normalize=normalize):
                dir = tiny.model(self.folder(f"{pooling}{normalize}"), pooling=pooling, normalize=normalize)
                listener = export(dir, self.out)
                self.assertEqual(listener.variant, {
                    "file": "fp32.onnx", "precision": "fp32", "opset": 20, "forward": "written-out",
                    "inputs": [{"name": n, "type": "int64", "shape": ["batch", "sequence"]} for n in ("input_ids", "attention_mask")],
                    "outputs": [
                        {"name": "last_hidden_state", "type": "float32", "shape": ["batch", "sequence", "48"]},
                        {"name": "sentence_embedding", "type": "float32", "shape": ["batch", "48"]},
                    ],
                })

    def test_lengths_and_batches_of_every_kind(self):
        import numpy as np

        export(tiny.model(self.folder("m")), self.out)
        s = session(self.out)
        for shape in ((1, 1), (1, 2), (3, 2), (2, 24)):  # [CLS][SEP] is the shortest real text
            ids = np.full(shape, 5, np.int64)
            self.assertEqual(embed(s, ids, np.ones_like(ids)).shape, (shape[0], 48))

    def test_token_vectors_pool_to_the_sentence_vector(self):
        import numpy as np

        export(tiny.model(self.folder("m")), self.out)
        ids, mask = np.array([[2, 7, 9, 3], [2, 8, 3, 0]]), np.array([[1, 1, 1, 1], [1, 1, 1, 0]])
        states, vector = session(self.out).run(None, {"input_ids": ids, "attention_mask": mask})
        pooled = (states * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        self.assertLessEqual(np.abs(pooled / np.linalg.norm(pooled, axis=1, keepdims=True) - vector).max(), 1e-6)

    def test_weights_of_half_precision_are_taken_as_float32(self):
        import numpy as np
        from safetensors.numpy import load_file, save_file

        for kind in ("F16", "BF16"):
            with self.subTest(kind):
                half, whole = tiny.model(self.folder(kind)), tiny.model(self.folder(kind + "32"))
                path = os.path.join(half, "model.safetensors")
                weights = load_file(path)
                if kind == "F16":
                    rounded = {k: v.astype(np.float16) for k, v in weights.items()}
                    save_file(rounded, path)
                    as_float = {k: v.astype(np.float32) for k, v in rounded.items()}
                else:
                    import safetensors

                    bits = {k: (v.view(np.uint32) >> np.uint32(16)).astype("<u2") for k, v in weights.items()}
                    safetensors.serialize_file({k: safetensors.TensorSpec(dtype="bfloat16", shape=list(v.shape), data_ptr=v.ctypes.data, data_len=v.nbytes) for k, v in bits.items()}, path)
                    as_float = {k: (v.astype(np.uint32) << np.uint32(16)).view(np.float32) for k, v in bits.items()}
                save_file(as_float, os.path.join(whole, "model.safetensors"))
                other = os.path.join(self.folder("out2"), "fp32.onnx")
                export(half, self.out)
                export(whole, other)
                self.assertEqual(digest(self.out), digest(other))


class NoTorch(Case):
    """What the export environment, which has no torch, says of a model that needs it."""

    def test_the_reason_is_said_and_nothing_is_made(self):
        dir = tiny.model(self.folder("m"), tiny.bert_config(hidden_act="mish"))
        r = start(dir, self.out, "--no-torch")
        said, err = r.communicate(timeout=120)
        self.assertEqual((r.returncode, err), (0, ""))
        self.assertEqual(json.loads(said.splitlines()[-1]), {"event": "manifest", "torch": "hidden_act is 'mish'"})
        self.assertEqual(os.listdir(os.path.dirname(self.out)), [])

    def test_a_model_that_is_known_is_exported_without_it(self):
        r = start(tiny.model(self.folder("m")), self.out, "--no-torch", PYTHONPROFILEIMPORTTIME="1")
        said, err = r.communicate(timeout=120)
        self.assertEqual(r.returncode, 0, err)
        self.assertIn("fp32", json.loads(said.splitlines()[-1])["variants"])
        imported = {line.split("|")[-1].strip().split(".")[0] for line in err.splitlines()}
        self.assertIn("onnx", imported)
        self.assertFalse(imported & {"torch", "transformers", "sentence_transformers", "onnxscript"})


class Detection(Case):
    def test_why_not(self):
        import bert_weights

        good = bert_weights.shapes(tiny.bert_config())
        self.assertEqual(bert_weights.why_not(tiny.bert_config(), good), "")
        last = "encoder.layer.2.output.dense.bias"
        for name, config, tensors, shown in (
            ("another family", {"model_type": "roberta"}, {}, "model_type"),
            ("a head that the vector goes through", {"architectures": ["BertForSequenceClassification"]}, {}, "architectures"),
            ("a decoder", {"is_decoder": True}, {}, "is_decoder"),
            ("cross attention", {"add_cross_attention": True}, {}, "add_cross_attention"),
            ("an activation it cannot say exactly", {"hidden_act": "mish"}, {}, "hidden_act"),
            ("no epsilon", {"layer_norm_eps": None}, {}, "layer_norm_eps"),
            ("heads that do not divide", {"num_attention_heads": 5}, {}, "multiple"),
            ("a count that is no number", {"num_hidden_layers": "3"}, {}, "num_hidden_layers"),
            ("a tensor more", {}, {"encoder.layer.0.attention.self.distance_embedding.weight": (3, 4)}, "distance_embedding"),
            ("a tensor of another shape", {}, {last: (47,)}, "(47,)"),
            ("a tensor less", {}, {last: None}, "no " + last),
            ("a layer more in the file", {}, {"encoder.layer.3.output.dense.bias": (48,)}, "encoder.layer.3"),
        ):
            with self.subTest(name):
                shapes = {k: v for k, v in {**good, **tensors}.items() if v is not None}
                self.assertIn(shown, bert_weights.why_not(tiny.bert_config() | config, shapes))

    def test_a_graph_that_disagrees_is_never_exported(self):
        from unittest import mock

        import bert_graph
        import bert_weights
        import numpy as np

        dir = tiny.model(self.folder("m"))
        for name, wrong in (
            ("a mask left out", mock.patch.object(bert_graph, "MASKED", 0.0)),
            ("the value's bias left out", mock.patch.object(bert_weights, "_added", lambda b, v, w: b)),
            ("no numbers", mock.patch.object(bert_weights, "_added", lambda b, v, w: b * np.float32("nan"))),
            ("another epsilon", mock.patch.object(bert_weights, "fold", lambda config, held, fold=bert_weights.fold: fold(config | {"layer_norm_eps": 1e-2}, held))),
        ):
            for variant in ("fp32", "fp32-static24"):
                with self.subTest(name, variant=variant), wrong:
                    with self.assertRaises(Failed) as caught:
                        export(dir, self.out, variants=(variant,))
                    self.assertIn(f"the graph of {variant}: got", str(caught.exception))
                    self.assertEqual(os.listdir(os.path.dirname(self.out)), [])

    def test_a_weight_that_is_no_number_is_left_for_the_gate(self):
        dir = tiny.model(self.folder("m"))

        def spoil(weights):
            weights["encoder.layer.1.output.dense.weight"][0, 0] = float("nan")
            return weights

        tiny.change_weights(dir, spoil)
        self.assertEqual(export(dir, self.out).variant["forward"], "written-out")

    def test_a_weights_file_that_was_cut_short_is_refused(self):
        dir = tiny.model(self.folder("m"))
        path = os.path.join(dir, "model.safetensors")
        os.truncate(path, os.path.getsize(path) // 2)
        with self.assertRaises(Refused) as caught:
            export(dir, self.out)
        self.assertIn("safetensors cannot read", str(caught.exception))
        self.assertEqual(os.listdir(os.path.dirname(self.out)), [])


class Bytes(Case):
    def test_the_same_everywhere_and_no_trace_of_the_machine(self):
        dir = tiny.model(self.folder("m"))
        elsewhere = shutil.copytree(dir, os.path.join(self.box, "another place", "mödel"))
        other = os.path.join(self.folder("out2"), "fp32.onnx")
        runs = [start(dir, self.out, PYTHONHASHSEED="1", OMP_NUM_THREADS="1"), start(elsewhere, other, PYTHONHASHSEED="77", OMP_NUM_THREADS="2", LC_ALL="C", TZ="Asia/Tokyo")]
        manifests = []
        for r in runs:
            out, err = r.communicate(timeout=600)
            self.assertEqual((r.returncode, err), (0, ""), err)
            lines = [json.loads(line) for line in out.splitlines()]
            self.assertEqual([line["event"] for line in lines], ["progress"] * (len(lines) - 1) + ["manifest"])
            manifests.append(lines[-1])
        self.assertEqual(manifests[0], manifests[1])
        self.assertEqual(digest(self.out), digest(other))
        self.assertEqual(os.listdir(os.path.dirname(self.out)), ["fp32.onnx"])
        with self.subTest("the same once more, from inside this process"):
            export(dir, other)
            self.assertEqual(digest(self.out), digest(other))
        with self.subTest("nothing inside says where it was made"):
            with open(self.out, "rb") as f:
                raw = f.read()
            for word in (self.box, SCRIPTS, sys.prefix, os.path.expanduser("~"), "site-packages", ".py", "pkg.", "torch"):
                self.assertNotIn(word.encode(), raw, word)

    def test_the_graph_is_bare(self):
        import onnx

        dir = tiny.model(self.folder("m"))
        for variant in ("fp32", "fp16"):
            with self.subTest(variant):
                export(dir, self.out, variants=(variant,))
                m = onnx.load(self.out)
                self.assertEqual([(o.domain, o.version) for o in m.opset_import], [("", 20)])
                self.assertEqual((m.producer_name, m.producer_version, m.doc_string, len(m.metadata_props)), ("embedgate", exporter.EXPORTER, "", 0))
                self.assertFalse(any(n.metadata_props or n.doc_string for n in m.graph.node))
                names = [t.name for t in m.graph.initializer]
                self.assertEqual(names, sorted(names))
                self.assertGreater(len(m.graph.value_info), 50)  # ONNX Runtime's fusions need them
                kinds = {n.op_type for n in m.graph.node}
                self.assertFalse(kinds & {"Concat", "Expand", "Where", "Range", "GatherND", "If"}, kinds)
                self.assertEqual(len([n for n in m.graph.node if n.op_type == "Shape"]), 1)

    def test_a_graph_that_is_not_one_file_of_standard_nodes_is_refused(self):
        import onnx

        dir = tiny.model(self.folder("m"))
        export(dir, self.out)
        for name, spoil in (
            ("another domain", lambda m: m.opset_import.add(domain="com.microsoft", version=1)),
            ("an external file", lambda m: m.graph.initializer[0].external_data.add(key="location", value="w.bin")),
            ("a local function", lambda m: m.functions.add(name="f", domain="")),
        ):
            with self.subTest(name):
                m = onnx.load(self.out)
                spoil(m)
                with self.assertRaises(Failed):
                    canonical.check(m, 20)


class Face(Case):
    """How the program ends."""

    def ends(self, code: int, shown: str, model_dir: str, out: str | None = None, *more: str, **options):
        r = start(model_dir, self.out if out is None else out, *more, **options)
        said, err = r.communicate(timeout=300)
        last = err.strip().splitlines()[-1]
        self.assertEqual(r.returncode, code, err)
        for part in ("error: ", ": got ", ", wanted ", "; next: ", shown):
            self.assertIn(part, last)
        for line in said.splitlines():
            self.assertEqual(json.loads(line)["event"], "progress")
        self.assertEqual(os.listdir(os.path.dirname(self.out)), [])

    def test_each_wrong_thing_is_one_line_that_says_what_to_do(self):
        good = tiny.shell(self.folder("good"))
        pickle, damaged = tiny.shell(self.folder("pickle")), tiny.shell(self.folder("damaged"))
        os.rename(os.path.join(pickle, "model.safetensors"), os.path.join(pickle, "pytorch_model.bin"))
        with open(os.path.join(damaged, "config.json"), "wb") as f:
            f.write(b"{")
        with self.subTest("no directory"):
            self.ends(2, "model directory", os.path.join(self.box, "none"), config=tiny.config_text(good))
        with self.subTest("a pickle alone"):
            self.ends(2, "pytorch_model.bin", pickle)
        with self.subTest("a config.json that is cut short"):
            self.ends(2, "malformed JSON", damaged)
        with self.subTest("a --config that is none"):
            self.ends(2, "--config", good, config="{}")
        for variant, shown in (
            ("fp8", "wanted fp32, fp16, int8, fp32-static<N>"),
            ("fp32-static", "--variant: got 'fp32-static'"),
            ("fp32-static0", "--variant: got 'fp32-static0'"),
            ("fp32-static128\n", "--variant"),
            ("int8-static128", "ask for int8"),
            ("tf32", "ask for fp32"),
            ("fp32-static25", "a length of 2 to 24 tokens"),
            ("fp16-static1", "a length of 2 to 24 tokens"),
        ):
            with self.subTest("no such variant", variant=variant):
                self.ends(2, shown, good, variant=variant)
        with self.subTest("a variant twice"):
            self.ends(2, "'fp32' twice", good, None, "--variant", "fp32", "--out", self.out + "2")
        with self.subTest("a file twice"):
            self.ends(2, "twice", good, None, "--variant", "fp16", "--out", self.out)
        with self.subTest("a variant without a file"):
            self.ends(2, "2 --variant and 1 --out", good, None, "--variant", "fp16")
        for variant in ("int8", "fp16", "fp32-static16"):
            with self.subTest("a variant that a plain export has not", variant=variant):
                self.ends(2, "--plain was asked for", good, None, "--plain", variant=variant)
        with self.subTest("an argument that is none"):
            self.ends(2, "--fast", good, None, "--fast")
        with self.subTest("no folder for the file"):
            self.ends(2, "--out", good, os.path.join(self.box, "none", "x.onnx"))
        with self.subTest("a folder as the file"):
            self.ends(2, "--out", good, self.box)
        with self.subTest("weights that are none"):
            self.ends(2, "model.safetensors", good)

    def test_interrupted_it_leaves_nothing(self):
        dir = tiny.model(self.folder("m"))
        for number, code, at in ((signal.SIGINT, 130, "writing out"), (signal.SIGTERM, 143, "reading the weights")):
            with self.subTest(number.name):
                r = start(dir, self.out)
                for line in r.stdout:
                    if at in line:
                        break
                r.send_signal(number)
                said, err = r.communicate(timeout=60)
                self.assertEqual(r.returncode, code, err)
                self.assertIn(f"error: export: got {number.name}", err.strip().splitlines()[-1])
                self.assertNotIn("manifest", said)
                self.assertEqual(os.listdir(os.path.dirname(self.out)), [])


class Writing(Case):
    def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(self):
        with open(self.out, "wb") as f:
            f.write(b"old")
        pending = exporter.Pending()
        rename = os.replace
        os.replace = lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
        try:
            with self.assertRaises(OSError):
                pending.write(self.out, b"new")
                pending.rename_all()
        finally:
            os.replace = rename
        self.assertEqual(len(os.listdir(os.path.dirname(self.out))), 2)  # what kill -9 would leave: a temporary name
        pending.remove_all()
        self.assertEqual(os.listdir(os.path.dirname(self.out)), ["fp32.onnx"])
        with open(self.out, "rb") as f:
            self.assertEqual(f.read(), b"old")
        pending = exporter.Pending()
        pending.write(self.out, b"new")
        pending.rename_all()
        with open(self.out, "rb") as f:
            self.assertEqual(f.read(), b"new")
        self.assertEqual(os.listdir(os.path.dirname(self.out)), ["fp32.onnx"])


if __name__ == "__main__":
    unittest.main()
