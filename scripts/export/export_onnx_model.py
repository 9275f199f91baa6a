"""Turns a sentence-transformers directory into ONNX files, one for each variant.

    export_onnx_model.py --model-dir DIR --config JSON --variant fp32 --out FILE [--variant int8 --out FILE …] [--plain | --no-torch]

Pooling and normalisation are inside the graph; --config says which, as
embedgate read it from the directory (model_dir.py). The graph is written out over
the weights (bert_graph.py) where the model is one that bert_weights.py knows,
setting by setting and tensor by tensor; otherwise, and with --plain, it is
transformers' own forward as torch.onnx exports it. The written-out graph has
the inputs input_ids and attention_mask. The plain one is what an ordinary
export gives: it also has token_type_ids where the model has more than one type
of token, and fp32 is its only variant. variants.py says what the variants are.

stdout speaks a line protocol, one JSON object a line: "progress" events, then
one "manifest". Everything else goes to stderr, whose last line after a failure
is "error: <thing>: got X, wanted Y; next: Z". Exit codes: 0 the files are
complete, 1 the export failed, 2 the input or the command line cannot be used,
130 and 143 interrupted. Each FILE appears complete or not at all, and none
before all are made.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile

# The modules that the golden script needs too.
sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "shared"))

import variants  # noqa: E402
from outputs import SIGNALS, Pending, Protocol  # noqa: E402
from model_dir import WEIGHTS, Config, load_config, weights_file  # noqa: E402
from refused import Failed, Refused  # noqa: E402

# Part of the bytes: raise it whenever the graph changes.
EXPORTER = "2"
# A protobuf message ends at 2 GiB.
MAX_WEIGHT_BYTES = (2 << 30) - (16 << 20)
_TYPES = {1: "float32", 7: "int64"}


def _log(line: str) -> None:
    sys.stderr.flush()
    os.write(2, (line + "\n").encode("utf-8", "replace"))


def _end_on_signals(pending: Pending) -> None:
    """Ends at once: torch might catch an exception that is raised inside it."""

    def end(number, _frame):
        pending.remove_all()
        _log(f"error: export: got {signal.Signals(number).name}, wanted to finish; next: start it again, nothing was left behind")
        os._exit(128 + number)

    for s in SIGNALS:
        signal.signal(s, end)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise Refused("command line", message, "--model-dir DIR --config JSON --variant fp32 --out FILE [--plain]", "see --help")


def _arguments(argv: list[str]) -> argparse.Namespace:
    p = _Parser(prog="export_onnx_model.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    p.add_argument("--model-dir", required=True, help="the sentence-transformers directory")
    p.add_argument("--config", required=True, help="what embedgate read of the model's configuration, a JSON object")
    p.add_argument("--variant", required=True, action="append", help="what to write: " + variants.NAMES + "; once for each --out")
    p.add_argument("--out", required=True, action="append", help="the .onnx file to write, of the --variant with the same number; its folder must exist")
    p.add_argument("--no-torch", action="store_true", help="make nothing, and say why in the manifest's \"torch\", where torch is needed")
    p.add_argument("--plain", action="store_true", help="export transformers' own forward, for comparison")
    a = p.parse_args(argv)
    if len(a.variant) != len(a.out):
        raise Refused("command line", f"{len(a.variant)} --variant and {len(a.out)} --out", "a file for every variant", "name each variant with its file")
    a.config = Config.parse(a.config)
    a.variant = [variants.parse(v) for v in a.variant]
    for what, given in (("--variant", [v.name for v in a.variant]), ("--out", [os.path.realpath(o) for o in a.out])):
        twice = [g for n, g in enumerate(given) if g in given[:n]]
        if twice:
            raise Refused(what, f"{twice[0]!r} twice", "each once", "take one away")
    for out in a.out:
        if os.path.isdir(out) or not os.path.basename(out):
            raise Refused("--out", f"{out!r}, a folder", "a file name such as fp32.onnx", "add the file's name")
        if not os.path.isdir(os.path.dirname(os.path.abspath(out))):
            raise Refused("--out", f"{out!r}, whose folder does not exist", "an existing folder", "make the folder first")
    return a


def _quiet() -> None:
    """Turns off the libraries' warnings, progress bars and look-ups on the hub."""
    os.environ.update(
        HF_HUB_OFFLINE="1",
        TRANSFORMERS_OFFLINE="1",
        TRANSFORMERS_VERBOSITY="error",
        HF_HUB_DISABLE_PROGRESS_BARS="1",
        HF_HUB_DISABLE_TELEMETRY="1",
        TRANSFORMERS_NO_ADVISORY_WARNINGS="1",
        TOKENIZERS_PARALLELISM="false",
        PYTHONWARNINGS="ignore",
        OPENBLAS_NUM_THREADS="1",  # two threads would wait for each other in a busy loop when the cores have other work
        CUDA_VISIBLE_DEVICES="",  # an export needs no GPU, and waking one takes seconds
    )
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)  # torch sets its own loggers' levels when it is imported


class _NeedsTorch(Exception):
    """Why torch is needed, where --no-torch was given."""


class _Model:
    """What every variant is made from: a BERT's weights, or transformers' own forward."""

    def __init__(self, a: argparse.Namespace, hf: dict, say: Protocol):
        heavy = os.path.getsize(weights_file(a.model_dir))
        if heavy > MAX_WEIGHT_BYTES:
            raise Refused(WEIGHTS, f"{heavy} bytes", f"at most {MAX_WEIGHT_BYTES}, what one ONNX file can hold", "choose a smaller model")
        self.dir, self.config = a.model_dir, a.config
        why = "--plain was asked for" if a.plain else ""
        for v in a.variant:
            variants.fits(v, a.config.max_tokens, why)
        say.step("reading the weights")
        import bert_weights
        import self_check

        self.hf = hf = bert_weights.completed(hf)
        why = why or bert_weights.why_not(hf, bert_weights.tensor_shapes(a.model_dir))
        for v in a.variant:
            variants.fits(v, a.config.max_tokens, why)
        self.forward, self.inputs = ("plain" if why else "written-out"), ("input_ids", "attention_mask")
        if not why:
            tensors = bert_weights.tensors(a.model_dir, hf)
            self.weights = bert_weights.fold(hf, tensors)
            self.check = self_check.SelfCheck(hf, tensors, a.config)
            return
        if a.no_torch:
            raise _NeedsTorch(why)
        say.total += 1
        say.step(f"taking transformers' own forward ({why}): loading torch and transformers (takes 5 to 20 s)")
        import plain_export

        self.plain, self.inputs = plain_export.load(a.model_dir, a.config)

    def make(self, v: variants.Variant, say: Protocol):
        """The variant's ModelProto, the domains it needs beside the default one, and what the manifest says more of it."""
        if self.forward == "plain":
            import plain_export

            say.step(f"exporting {v.name} with torch.onnx (takes 5 to 20 s)")
            return plain_export.export(self.plain, self.inputs, self.config, EXPORTER), {}, {}
        import bert_graph

        if v.precision == "int8":
            return self._int8(v, say)
        say.step(f"writing out the graph of {v.name}")
        products = bert_graph.Products("float16" if v.precision == "fp16" else "float32")
        return bert_graph.build(self.weights, self.config, EXPORTER, products, v.tokens), {}, {}

    def _int8(self, v: variants.Variant, say: Protocol):
        import bert_graph
        import calibrate
        import int8_graph

        say.total += 1
        say.step("measuring on texts how large the values are that become 8-bit integers (takes 5 to 15 s)")
        products = int8_graph.Int8Products(calibrate.peaks(self.weights, _rows(self.dir, self.config)))
        say.step(f"writing out the graph of {v.name}")
        model = bert_graph.build(self.weights, self.config, EXPORTER, products)
        return model, {}, {"choices": [c.entry() for c in products.choices]}


def _tensor(v) -> dict:
    t = v.type.tensor_type
    shape = [d.dim_param if d.dim_param else str(d.dim_value) for d in t.shape.dim]
    return {"name": v.name, "type": _TYPES.get(t.elem_type, str(t.elem_type)), "shape": shape}


def _signature(model, names: tuple[str, ...], fixed: int | None, states: bool, config: Config) -> tuple[list, list]:
    """Inputs and outputs as the manifest has them, or Failed where the graph has others."""
    inputs, outputs = [_tensor(v) for v in model.graph.input], [_tensor(v) for v in model.graph.output]
    batch, sequence = ("1", str(fixed)) if fixed else ("batch", "sequence")
    want_in = [{"name": n, "type": "int64", "shape": [batch, sequence]} for n in names]
    want_out = [{"name": "sentence_embedding", "type": "float32", "shape": [batch, str(config.dimension)]}]
    if states:
        want_out.insert(0, {"name": "last_hidden_state", "type": "float32", "shape": [batch, sequence, str(config.dimension)]})
    if inputs != want_in or outputs != want_out:
        raise Failed("exported graph", f"the signature {inputs} → {outputs}", f"{want_in} → {want_out}", "report this with the model's name")
    return inputs, outputs


def _no_trace(text: bytes, model_dir: str) -> None:
    """Raises Failed where the file names a path of this machine."""
    paths = {model_dir, os.path.abspath(model_dir), os.path.realpath(model_dir), os.getcwd(), os.path.dirname(os.path.dirname(os.path.abspath(__file__))), sys.prefix, sys.base_prefix, os.path.expanduser("~"), tempfile.gettempdir()}
    for path in sorted(p for p in paths if len(p) >= 4 and p.startswith(os.sep)):
        if path.encode() in text:
            raise Failed("exported graph", f"the machine's path {path!r} inside", "no trace of the machine", "report this with the model's name")
    for word in (b"File \"", b"Traceback", b"site-packages"):
        if word in text:
            raise Failed("exported graph", f"{word.decode()!r} inside", "no stack trace", "report this with the model's name")


def _versions(forward: str) -> dict[str, str]:
    """What decides the bytes. Local build tags ("+cpu") do not."""
    from importlib.metadata import version

    names = ("numpy", "onnx", "tokenizers")  # the last makes the tokens that int8 is calibrated on
    if forward == "plain":
        names = ("numpy", "onnx", "onnx-ir", "onnxscript", "torch", "transformers")
    return {"exporter": EXPORTER} | {n: version(n).split("+")[0] for n in names}


def _rows(model_dir: str, config: Config) -> list[list[int]]:
    """The calibration texts as token ids."""
    from tokenizers import Tokenizer

    from calibration_texts import TEXTS

    tokens = Tokenizer.from_file(os.path.join(model_dir, "tokenizer.json"))
    tokens.no_padding()
    tokens.enable_truncation(config.max_tokens)
    return [tokens.encode(t).ids for t in TEXTS]


def _make(m: _Model, v: variants.Variant, say: Protocol) -> tuple[bytes, dict]:
    """One variant: its file's bytes and what the manifest says of it."""
    import canonical
    from graph import OPSET

    model, others, more = m.make(v, say)
    canonical.check(model, OPSET, others)
    written = m.forward == "written-out"
    inputs, outputs = _signature(model, m.inputs, v.tokens, written and not v.tokens, m.config)
    _no_trace(canonical.text_of(model), m.dir)
    data = model.SerializeToString(deterministic=True)
    if written:
        m.check.compare(data, v)
    entry = {"precision": v.precision, "opset": OPSET, "forward": m.forward, "inputs": inputs, "outputs": outputs}
    return data, entry | more


def run(a: argparse.Namespace, say: Protocol, pending: Pending) -> None:
    say.total = 2 + 2 * len(a.variant)
    say.step("reading the model's configuration")
    model = _Model(a, load_config(a.model_dir), say)
    made = {}
    for v, out in zip(a.variant, a.out):
        data, entry = _make(model, v, say)
        say.step(f"writing {len(data) / 1e6:.0f} MB")
        pending.write(out, data)
        made[v.name] = {"file": os.path.basename(out)} | entry
    pending.rename_all()
    say.manifest(made, _versions(model.forward))


def main(argv: list[str]) -> int:
    pending = Pending()
    _end_on_signals(pending)
    say = None
    try:
        a = _arguments(argv)
        say = Protocol()
        _quiet()
        run(a, say, pending)
        return 0
    except _NeedsTorch as e:
        say.needs_torch(str(e))
        return 0
    except Refused as e:
        _log(f"error: {e}")
        return 1 if isinstance(e, Failed) else 2
    except BrokenPipeError:
        _log("error: standard output: got a closed pipe, wanted a reader of the protocol; next: read it to the end")
        return 1
    except OSError as e:
        _log(f"error: {e.filename or 'export'}: got {e.strerror or e}, wanted to write the model; next: check the space and the permissions there")
        return 1
    except Exception as e:  # whatever torch may raise: the trace for a bug report, the line for the user
        import traceback

        traceback.print_exc()
        _log("error: " + " ".join(f"export: got {type(e).__name__}: {str(e)[:300]}, wanted an ONNX file; next: read the lines above and report them with the model's name".split()))
        return 1
    finally:
        pending.remove_all()


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    # Without os._exit torch takes seconds to end; everything is flushed.
    os._exit(code)
