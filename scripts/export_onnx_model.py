"""Turns a sentence-transformers directory into one ONNX file.

    export_onnx_model.py --model-dir DIR --out FILE --variant fp32 [--plain]

Pooling and normalisation are inside the graph. The forward is written out over
the weights (bert_forward.py) where the model is one that it knows, setting by
setting and tensor by tensor; otherwise, and with --plain, it is transformers'
own. The written-out graph has the inputs input_ids and attention_mask. The
plain one is what an ordinary export gives: it also has token_type_ids where
the model has more than one type of token.

stdout speaks a line protocol, one JSON object a line: "progress" events, then
one "manifest". Everything else goes to stderr, whose last line after a failure
is "error: <thing>: got X, wanted Y; next: Z". Exit codes: 0 the file is
complete, 1 the export failed, 2 the input or the command line cannot be used,
130 and 143 interrupted. FILE appears complete or not at all.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile

from st_config import WEIGHTS, Config, Failed, Refused, hf_config, positions_of, read, weights_file

# Part of the bytes: raise it whenever the graph changes.
EXPORTER = "1"
OPSET = 20
VARIANTS = ("fp32",)
# A protobuf message ends at 2 GiB.
MAX_WEIGHT_BYTES = (2 << 30) - (16 << 20)
# How far the written-out forward may be from transformers', in float64 over the
# same float32 weights, relative to the largest component. Folding rounds each
# weight once (6e-8); a wrong forward is off by more than 1e-3.
AGREEMENT = 2e-6

_TYPES = {1: "float32", 7: "int64"}


class Protocol:
    """The program's own standard output, kept apart from what libraries print."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self.total, self._done = 0, 0

    def step(self, message: str) -> None:
        """Says what begins now."""
        self._send({"event": "progress", "message": message, "done": self._done, "total": self.total})
        self._done += 1

    def manifest(self, variant: dict, embedding: dict, versions: dict) -> None:
        self._send({"event": "manifest", "variant": variant, "embedding": embedding, "versions": versions})

    def _send(self, event: dict) -> None:
        self._out.write(json.dumps(event, sort_keys=True) + "\n")
        self._out.flush()


class Pending:
    """The output under a temporary name in its folder, until it is whole."""

    def __init__(self, out: str):
        self.out = os.path.abspath(out)
        self.temp: str | None = None

    def write(self, data: bytes) -> None:
        folder, name = os.path.split(self.out)
        # Signals wait while the name is not yet noted, so that none can leave the file behind.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS) if hasattr(signal, "pthread_sigmask") else None
        try:
            fd, self.temp = tempfile.mkstemp(prefix=f".{name}.", suffix=".partial", dir=folder)
        finally:
            if mask is not None:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        with os.fdopen(fd, "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(self.temp, 0o666 & ~umask)  # mkstemp's 0600 is for secrets
        os.replace(self.temp, self.out)
        self.temp = None
        try:
            fd = os.open(folder, os.O_RDONLY)
        except OSError:  # Windows has no folders to flush
            return
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def drop(self) -> None:
        if self.temp is not None:
            try:
                os.unlink(self.temp)
            except OSError:
                pass


_SIGNALS = [s for s in (getattr(signal, n, None) for n in ("SIGINT", "SIGTERM", "SIGHUP")) if s is not None]


def _say(line: str) -> None:
    sys.stderr.flush()
    os.write(2, (line + "\n").encode("utf-8", "replace"))


def _end_on_signals(pending: Pending) -> None:
    """Ends at once: an exception in the midst of torch might be swallowed there."""

    def end(number, _frame):
        pending.drop()
        _say(f"error: export: got {signal.Signals(number).name}, wanted to finish; next: start it again, nothing was left behind")
        os._exit(128 + number)

    for s in _SIGNALS:
        signal.signal(s, end)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise Refused("command line", message, "--model-dir DIR --out FILE --variant fp32 [--plain]", "see --help")


def _arguments(argv: list[str]) -> argparse.Namespace:
    p = _Parser(prog="export_onnx_model.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    p.add_argument("--model-dir", required=True, help="the sentence-transformers directory")
    p.add_argument("--out", required=True, help="the .onnx file to write; its folder must exist")
    p.add_argument("--variant", required=True, help="what to write: " + ", ".join(VARIANTS))
    p.add_argument("--plain", action="store_true", help="export transformers' own forward, for comparison")
    a = p.parse_args(argv)
    if a.variant not in VARIANTS:
        raise Refused("--variant", repr(a.variant), "one of " + ", ".join(VARIANTS), "correct the variant's name")
    if os.path.isdir(a.out) or not os.path.basename(a.out):
        raise Refused("--out", f"{a.out!r}, a folder", "a file name such as fp32.onnx", "add the file's name")
    if not os.path.isdir(os.path.dirname(os.path.abspath(a.out))):
        raise Refused("--out", f"{a.out!r}, whose folder does not exist", "an existing folder", "make the folder first")
    return a


def _quiet() -> None:
    """Libraries neither warn, draw bars, nor look for a hub."""
    os.environ.update(
        HF_HUB_OFFLINE="1",
        TRANSFORMERS_OFFLINE="1",
        TRANSFORMERS_VERBOSITY="error",
        HF_HUB_DISABLE_PROGRESS_BARS="1",
        HF_HUB_DISABLE_TELEMETRY="1",
        TRANSFORMERS_NO_ADVISORY_WARNINGS="1",
        TOKENIZERS_PARALLELISM="false",
        PYTHONWARNINGS="ignore",
        CUDA_VISIBLE_DEVICES="",  # an export needs no GPU, and waking one takes seconds
    )
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)  # torch sets its own loggers' levels when it is imported


def _built(a: argparse.Namespace, hf: dict, config: Config, say: Protocol):
    """The module to export, its forward's name, and the names of its inputs."""
    heavy = os.path.getsize(weights_file(a.model_dir))
    if heavy > MAX_WEIGHT_BYTES:
        raise Refused(WEIGHTS, f"{heavy} bytes", f"at most {MAX_WEIGHT_BYTES}, what one ONNX file can hold", "choose a smaller model")
    say.step("loading torch (takes 5 to 10 s)")
    import bert_forward
    import hf_forward

    shapes = hf_forward.tensor_shapes(a.model_dir)
    reason = "--plain was asked for" if a.plain else bert_forward.why_not(hf, shapes)
    say.step("loading transformers and the model (takes 5 to 10 s)")
    model = hf_forward.load(a.model_dir)
    plain = hf_forward.Plain(model, config.pooling, config.normalize)
    if reason:
        say.step(f"taking transformers' own forward ({reason})")
        types = hf_forward.takes_token_types(model)
        return plain, "plain", ("input_ids", "attention_mask") + (("token_type_ids",) if types else ())
    written = bert_forward.WrittenOut(hf, hf_forward.tensors(a.model_dir), config.pooling, config.normalize)
    say.step("comparing the written-out forward with transformers' own, in float64")
    _agree(written, plain, hf, config)
    return written, "written-out", ("input_ids", "attention_mask")


def _agree(written, plain, hf: dict, config: Config) -> None:
    """Raises Failed unless both forwards give the same vectors for random padded batches."""
    import copy

    import torch

    rng = torch.Generator().manual_seed(20240229)
    rows = positions_of(hf) or config.max_tokens
    mine, theirs = copy.deepcopy(written).double(), plain.double()
    for batch, tokens in ((1, 1), (1, 2), (3, 7), (4, 33), (1, min(rows, 96))):
        tokens = min(tokens, rows)
        ids = torch.randint(0, hf["vocab_size"], (batch, tokens), generator=rng)
        mask = torch.ones((batch, tokens), dtype=torch.int64)
        for row in range(1, batch):  # the first has no padding, the last almost nothing else
            mask[row, max(1, tokens - row * tokens // batch) :] = 0
        with torch.no_grad():
            a, b = mine(ids, mask), theirs(ids, mask)
        # What is no number in both is judged by the gate, by name.
        off = torch.where(a.isnan() & b.isnan(), 0.0, (a - b).abs())
        bound = AGREEMENT * max(1.0, float(b.nan_to_num(0.0).abs().max()))
        worst = float(off.nan_to_num(float("inf")).max())
        if a.shape != b.shape or not worst <= bound:
            raise Failed("written-out forward", f"{worst:.2g} from transformers' forward at {batch} × {tokens} tokens", f"at most {bound:.2g}", "use --plain, and report this with the model's name")


def _export(module, names: tuple[str, ...], hf: dict, config: Config):
    """The ModelProto that torch makes of the module."""
    import torch

    longest = max(positions_of(hf) or config.max_tokens, 3)
    batch = torch.export.Dim("batch", min=1, max=1 << 16)
    sequence = torch.export.Dim("sequence", min=2, max=longest)
    shape = (2, min(9, longest))  # neither 0 nor 1, which torch would take for fixed
    program = torch.onnx.export(
        module,
        # The values do not matter: torch follows shapes.
        tuple(torch.zeros(shape, dtype=torch.int64) if n == "token_type_ids" else torch.ones(shape, dtype=torch.int64) for n in names),
        None,
        input_names=list(names),
        output_names=["sentence_embedding"],
        opset_version=OPSET,
        dynamo=True,
        dynamic_shapes=tuple({0: batch, 1: sequence} for _ in names),
        external_data=False,
        verbose=False,
    )
    return program.model_proto


def _tensor(v) -> dict:
    t = v.type.tensor_type
    shape = [d.dim_param if d.dim_param else str(d.dim_value) for d in t.shape.dim]
    return {"name": v.name, "type": _TYPES.get(t.elem_type, str(t.elem_type)), "shape": shape}


def _signature(model, names: tuple[str, ...], config: Config) -> tuple[list, list]:
    """Inputs and outputs as the manifest has them, or Failed where the graph has others."""
    inputs, outputs = [_tensor(v) for v in model.graph.input], [_tensor(v) for v in model.graph.output]
    want_in = [{"name": n, "type": "int64", "shape": ["batch", "sequence"]} for n in names]
    want_out = [{"name": "sentence_embedding", "type": "float32", "shape": ["batch", str(config.dimension)]}]
    if inputs != want_in or outputs != want_out:
        raise Failed("exported graph", f"the signature {inputs} → {outputs}", f"{want_in} → {want_out}", "report this with the model's name")
    return inputs, outputs


def _no_trace(text: bytes, model_dir: str) -> None:
    """Raises Failed where the file names a place on this machine."""
    places = {model_dir, os.path.abspath(model_dir), os.path.realpath(model_dir), os.getcwd(), os.path.dirname(os.path.abspath(__file__)), sys.prefix, sys.base_prefix, os.path.expanduser("~"), tempfile.gettempdir()}
    for place in sorted(p for p in places if len(p) >= 4 and p.startswith(os.sep)):
        if place.encode() in text:
            raise Failed("exported graph", f"the machine's path {place!r} inside", "no trace of the machine", "report this with the model's name")
    for word in (b"File \"", b"Traceback", b"site-packages"):
        if word in text:
            raise Failed("exported graph", f"{word.decode()!r} inside", "no stack trace", "report this with the model's name")


def _versions() -> dict[str, str]:
    """What decides the bytes. Local build tags ("+cpu") do not."""
    from importlib.metadata import version

    names = ("numpy", "onnx", "onnx-ir", "onnxscript", "torch", "transformers")
    return {"exporter": EXPORTER} | {n: version(n).split("+")[0] for n in names}


def run(a: argparse.Namespace, say: Protocol, pending: Pending) -> None:
    say.total = 7
    say.step("reading the model's configuration")
    config = read(a.model_dir)
    hf = hf_config(a.model_dir)
    module, forward, names = _built(a, hf, config, say)
    if forward == "plain":
        module = module.float()
    say.step("exporting with torch.onnx (takes 10 to 20 s)")
    model = _export(module, names, hf, config)
    say.step("making the bytes canonical and checking the graph")
    import canonical

    if forward == "written-out":
        canonical.tidy(model)
    canonical.strip(model, "sentence_embedding", EXPORTER)
    canonical.check(model, OPSET)
    inputs, outputs = _signature(model, names, config)
    _no_trace(canonical.text_of(model), a.model_dir)
    data = model.SerializeToString(deterministic=True)
    say.step(f"writing {len(data) / 1e6:.0f} MB")
    pending.write(data)
    say.manifest(
        {"file": os.path.basename(pending.out), "precision": "fp32", "opset": OPSET, "forward": forward, "inputs": inputs, "outputs": outputs},
        {"pooling": config.pooling, "normalize": config.normalize, "max_tokens": config.max_tokens, "dimension": config.dimension},
        _versions(),
    )


def main(argv: list[str]) -> int:
    pending = Pending("")
    _end_on_signals(pending)
    say = None
    try:
        a = _arguments(argv)
        pending.__init__(a.out)
        say = Protocol()
        _quiet()
        run(a, say, pending)
        return 0
    except Refused as e:
        _say(f"error: {e}")
        return 1 if isinstance(e, Failed) else 2
    except BrokenPipeError:
        _say("error: standard output: got a closed pipe, wanted a reader of the protocol; next: read it to the end")
        return 1
    except OSError as e:
        _say(f"error: {e.filename or 'export'}: got {e.strerror or e}, wanted to write the model; next: check the space and the permissions there")
        return 1
    except Exception as e:  # whatever torch may raise: the trace for us, the line for the user
        import traceback

        traceback.print_exc()
        _say("error: " + " ".join(f"export: got {type(e).__name__}: {str(e)[:300]}, wanted an ONNX file; next: read the lines above and report them with the model's name".split()))
        return 1
    finally:
        pending.drop()


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    # Without os._exit torch takes seconds to come down; everything is flushed.
    os._exit(code)
