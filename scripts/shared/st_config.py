"""What a sentence-transformers directory says about going from text to vector.

Reads modules.json, the modules' own configurations, sentence_bert_config.json,
config.json, tokenizer_config.json and config_sentence_transformers.json, in the
spelling of old releases and of sentence-transformers 6. Nothing is assumed: a
setting that embedgate cannot reproduce is refused, never skipped.

export/stmodel reads the same files in Go. Both are held to the table
tests/configurations.json.

Needs the standard library only, and must not know what ONNX is.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

# A configuration file is a few kilobytes; tokenizer.json a few megabytes.
MAX_CONFIG_BYTES = 4 << 20
MAX_TOKENIZER_BYTES = 256 << 20

# The most tokens of a text and numbers of a vector: beyond every model.
LONGEST, WIDEST = 1 << 16, 1 << 16

# The one file that weights are read from.
WEIGHTS = "model.safetensors"

# The poolings that embedgate knows, by sentence-transformers' own names.
POOLINGS = ("mean", "cls", "max")

# The order matters: it is the order in which sentence-transformers joins them.
_LEGACY_POOLING = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}

# sentence-transformers takes the first of these that is there and not empty.
_TRANSFORMER_CONFIGS = (
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
)

# Model families whose first position is padding_idx + 1, so that the first
# padding_idx + 1 rows of the position table belong to no token of a text:
# RoBERTa's 514 rows are 512 tokens.
_OFFSET_POSITIONS = (
    "camembert", "data2vec-text", "esm", "ibert", "lilt", "longformer", "luke", "mpnet",
    "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
)


def _spellings(name: str) -> frozenset[str]:
    low = name.lower()
    return frozenset(
        f"sentence_transformers.{p}"
        for p in (
            f"models.{name}",
            f"models.{name}.{name}",
            f"base.modules.{name}",
            f"base.modules.{low}.{name}",
            f"sentence_transformer.modules.{name}",
            f"sentence_transformer.modules.{low}.{name}",
        )
    )


_TRANSFORMER, _POOLING, _NORMALIZE = (_spellings(n) for n in ("Transformer", "Pooling", "Normalize"))


class Refused(Exception):
    """A thing that a person must act on: what it is, what was got, what was wanted, what to do next."""

    def __init__(self, thing: str, got: str, wanted: str, next: str):
        self.thing, self.got, self.wanted, self.next = thing, got, wanted, next
        super().__init__(" ".join(f"{thing}: got {got}, wanted {wanted}; next: {next}".split()))


class Failed(Refused):
    """The input was fine; what was made of it is not."""


@dataclass(frozen=True)
class Config:
    """From token vectors to one vector, and how long a text may be."""

    pooling: str  # "mean", "cls" or "max"
    normalize: bool  # whether the vector is scaled to length 1
    max_tokens: int  # special tokens included
    dimension: int  # components of the vector


def read(dir: str) -> Config:
    """Reads the directory's configuration, or raises Refused."""
    dir = os.fspath(dir)
    if not os.path.isdir(dir):
        raise Refused("model directory", f"{dir!r}, which is no directory", "a sentence-transformers model directory", "give the folder that holds modules.json")
    pooling_path, normalize_path = _modules(dir)
    model = hf_config(dir)
    _whole_model(dir)
    hidden = _dimension(model)
    pooling = _pooling(os.path.join(pooling_path, "config.json"), dir, hidden)
    if normalize_path is not None:
        _normalize(os.path.join(normalize_path, "config.json"), dir)
    transformer = _transformer(dir)
    return Config(
        pooling=pooling,
        normalize=normalize_path is not None,
        max_tokens=_max_tokens(dir, model, transformer),
        dimension=hidden,
    )


def hf_config(dir: str) -> dict:
    """config.json, refused where it asks for code of its own or for another forward than the library's."""
    model = load_json(dir, "config.json")
    for name in ("config.json", "tokenizer_config.json"):
        if "auto_map" in (load_json(dir, name, missing_ok=True)):
            raise Refused(name, "auto_map, which runs code that came with the model", "a model that the installed transformers knows", "choose a model without custom code; embedgate never runs a model's own code")
    if model.get("quantization_config"):
        raise Refused("config.json", "a quantization_config", "full-precision weights", "take the model's unquantised release; embedgate makes int8 and fp16 variants itself")
    embedding = model.get("position_embedding_type") or "absolute"
    if embedding != "absolute":
        raise Refused("config.json position_embedding_type", repr(embedding), "'absolute'", "choose another model: the pinned transformers no longer computes relative positions for BERT and would leave them out in silence")
    if not isinstance(model.get("model_type"), str):
        raise Refused("config.json model_type", repr(model.get("model_type")), "a name such as 'bert'", "take config.json from the model's own release")
    return model


def weights_file(dir: str) -> str:
    """The one weights file, or Refused: never a pickle, never shards."""
    path = os.path.join(dir, WEIGHTS)
    if os.path.isfile(path):
        return path
    names = sorted(os.listdir(dir))
    if WEIGHTS + ".index.json" in names:
        raise Refused("weights", f"{WEIGHTS}.index.json, weights in several files", f"one {WEIGHTS}", "load and save the model once with a larger max_shard_size")
    pickles = [n for n in names if n.endswith((".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack"))]
    got = f"only {', '.join(pickles[:3])}, which embedgate never opens" if pickles else "none"
    raise Refused("weights", got, f"{WEIGHTS} in the model directory", "take a release of the model that has safetensors weights (a pickle can run code when it is read)")


def load_json(dir: str, name: str, missing_ok: bool = False, limit: int = MAX_CONFIG_BYTES) -> dict:
    """One JSON object from the directory. A missing file that may be missing is {}."""
    value = _load(dir, name, missing_ok, limit)
    if not isinstance(value, dict):
        raise Refused(name, f"a JSON {type(value).__name__}", "a JSON object", "take the file from the model's own release")
    return value


def _load(dir: str, name: str, missing_ok: bool, limit: int):
    path = os.path.join(dir, name)
    try:
        with open(path, "rb") as f:
            raw = f.read(limit + 1)
    except FileNotFoundError:
        if missing_ok:
            return {}
        raise Refused(name, "no such file in the model directory", "the file of a sentence-transformers model", "give a complete model directory (modules.json, config.json, 1_Pooling/config.json, model.safetensors, tokenizer.json)") from None
    except OSError as e:
        raise Refused(name, e.strerror or "an error while reading", "a readable file", "check the file and its permissions") from None
    if len(raw) > limit:
        raise Refused(name, f"more than {limit} bytes", f"at most {limit} bytes", "take the file from the model's own release")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as e:
        raise Refused(name, f"malformed JSON ({type(e).__name__}: {str(e)[:100]})", "JSON", "take the file from the model's own release") from None


def _modules(dir: str) -> tuple[str, str | None]:
    """The folders of the Pooling and of the Normalize module."""
    modules = _load(dir, "modules.json", False, MAX_CONFIG_BYTES)
    if not isinstance(modules, list) or not all(isinstance(m, dict) for m in modules):
        raise Refused("modules.json", "something else than a list of modules", "a JSON list of objects", "take the file from the model's own release")
    types = [m.get("type") for m in modules]
    shown = ", ".join(str(t).rsplit(".", 1)[-1] for t in types) or "none"
    kinds = []
    for t in types:
        for kind, names in (("t", _TRANSFORMER), ("p", _POOLING), ("n", _NORMALIZE)):
            if isinstance(t, str) and t in names:
                kinds.append(kind)
                break
        else:
            raise Refused("modules.json", f"a module of type {t!r}", "Transformer, Pooling and, where it is used, Normalize of sentence-transformers", "choose a model made of these; embedgate exports no other module yet")
    if kinds not in (["t", "p"], ["t", "p", "n"]):
        raise Refused("modules.json", f"the modules {shown}", "Transformer, Pooling and then perhaps Normalize", "choose a model made of these in this order")
    paths = [m.get("path") for m in modules]
    for p in paths:
        if not isinstance(p, str) or os.path.isabs(p) or "\\" in p or ":" in p or ".." in p.split("/"):
            raise Refused("modules.json", f"the module path {p!r}", "a folder inside the model directory", "take the file from the model's own release")
    if paths[0] != "":
        raise Refused("modules.json", f"a Transformer in the folder {paths[0]!r}", "the Transformer at the root of the model directory", "load and save the model once with a current sentence-transformers, which writes it so")
    return paths[1], paths[2] if len(paths) > 2 else None


def _whole_model(dir: str) -> None:
    """Settings of the whole model that would change what a text's vector is."""
    if os.path.exists(os.path.join(dir, "adapter_config.json")):
        raise Refused("adapter_config.json", "an adapter on top of a base model", "whole weights", "merge the adapter into the model (merge_and_unload) and save it again")
    name = "config_sentence_transformers.json"
    c = load_json(dir, name, missing_ok=True)
    if c.get("model_type", "SentenceTransformer") != "SentenceTransformer":
        raise Refused(f"{name} model_type", repr(c["model_type"]), "'SentenceTransformer'", "choose a model that gives one dense vector a text")
    prompt = c.get("default_prompt_name")
    if prompt is not None:
        prompts = c.get("prompts")
        text = prompts.get(prompt) if isinstance(prompts, dict) and isinstance(prompt, str) else None
        if text != "":
            raise Refused(f"{name} default_prompt_name", f"{prompt!r}, a prompt that goes before every text", "no default prompt", "choose a model without one; embedgate embeds the text as it is")


def _pooling(name: str, dir: str, hidden: int) -> str:
    c = load_json(dir, name)
    if "pooling_mode" in c:
        modes = c["pooling_mode"]
        modes = modes if isinstance(modes, list) else [modes]
    else:
        for key in _LEGACY_POOLING:
            if not isinstance(c.get(key, False), bool):
                raise Refused(f"{name} {key}", repr(c[key]), "true or false", "take the file from the model's own release")
        modes = [mode for key, mode in _LEGACY_POOLING.items() if c.get(key, False)]
        unknown = sorted(k for k in c if k.startswith("pooling_mode_") and k not in _LEGACY_POOLING and c[k])
        if unknown:
            raise Refused(name, f"the pooling {unknown[0]!r}", "one of " + ", ".join(POOLINGS), "choose a model with one of these poolings")
        modes = modes or ["mean"]  # what sentence-transformers takes when none is named
    if len(modes) != 1:
        raise Refused(f"{name} pooling", f"{len(modes)} poolings side by side ({', '.join(map(str, modes))})", "exactly one of " + ", ".join(POOLINGS), "choose a model with one pooling")
    if modes[0] not in POOLINGS:
        raise Refused(f"{name} pooling", repr(modes[0]), "one of " + ", ".join(POOLINGS), "choose a model with one of these poolings")
    key = "embedding_dimension" if "embedding_dimension" in c else "word_embedding_dimension"
    size = _integer(c, key, name)
    if size != hidden:
        raise Refused(f"{name} {key}", str(size), f"{hidden}, the model's hidden size", "take both files from the same release")
    return modes[0]


def _normalize(name: str, dir: str) -> None:
    c = load_json(dir, name, missing_ok=True)
    for key in ("module_input_name", "module_output_name"):
        if c.get(key) not in (None, "sentence_embedding"):
            raise Refused(f"{name} {key}", repr(c[key]), "'sentence_embedding'", "choose a model that normalises its sentence vector")


def _transformer(dir: str) -> dict:
    """sentence_bert_config.json, refused where it changes the forward or the text."""
    name, c = _TRANSFORMER_CONFIGS[0], {}
    for name in _TRANSFORMER_CONFIGS:
        c = load_json(dir, name, missing_ok=True)
        if c:
            break
    for key, known in (("transformer_task", "feature-extraction"), ("module_output_name", "token_embeddings")):
        if c.get(key, known) != known:
            raise Refused(f"{name} {key}", repr(c[key]), repr(known), "choose a model that gives token vectors")
    modality = c.get("modality_config")
    if modality is not None:
        text = modality.get("text") if isinstance(modality, dict) else None
        if text != {"method": "forward", "method_output_name": "last_hidden_state"}:
            raise Refused(f"{name} modality_config", repr(text)[:80], "text through forward to last_hidden_state", "choose a text model")
    for key in ("processing_kwargs", "query_length", "document_length", "query_expansion"):
        if c.get(key):
            raise Refused(f"{name} {key}", repr(c[key])[:80], "nothing", "choose a model without it; embedgate does not reproduce it")
    # Arguments that change neither numbers nor tokens may stay; the rest is refused.
    harmless = {"add_pooling_layer", "attn_implementation", "dtype", "torch_dtype", "use_safetensors", "model_max_length", "trust_remote_code"}
    for key in ("model_args", "model_kwargs", "config_args", "config_kwargs", "tokenizer_args", "processor_kwargs"):
        args = c.get(key) or {}
        if not isinstance(args, dict) or set(args) - harmless:
            raise Refused(f"{name} {key}", repr(args)[:80], "no arguments that change the forward or the tokens", "choose a model without them; embedgate does not reproduce them")
    if c.get("do_lower_case"):
        normalizer = load_json(dir, "tokenizer.json", limit=MAX_TOKENIZER_BYTES).get("normalizer")
        if not _lower_cases(normalizer):
            raise Refused(f"{name} do_lower_case", "true, while tokenizer.json's normaliser keeps capitals", "a tokenizer.json that lower-cases by itself", "load and save the model once with a current sentence-transformers, which writes it so")
    return c


def _lower_cases(normalizer, depth: int = 8) -> bool:
    if not isinstance(normalizer, dict) or depth == 0:
        return False
    kind = normalizer.get("type")
    if kind == "Sequence":
        parts = normalizer.get("normalizers")
        return isinstance(parts, list) and any(_lower_cases(n, depth - 1) for n in parts)
    return kind == "Lowercase" or (kind == "BertNormalizer" and normalizer.get("lowercase") is True)


def _max_tokens(dir: str, model: dict, transformer: dict) -> int:
    """As sentence-transformers: max_seq_length, else the tokenizer's model_max_length; never more than the positions."""
    positions = positions_of(model)
    limit = transformer.get("max_seq_length")
    for key in ("processor_kwargs", "tokenizer_args"):
        args = transformer.get(key) or {}
        limit = args.get("model_max_length", limit)
    where = "max_seq_length"
    if limit is None:
        where = "tokenizer_config.json model_max_length"
        limit = load_json(dir, "tokenizer_config.json", missing_ok=True).get("model_max_length")
    if limit is None:
        where, limit = "config.json max_position_embeddings", positions or 1 << 62
    if isinstance(limit, float) and limit == limit and limit >= 1:
        limit = int(min(limit, float(1 << 62)))  # 1e30 is the libraries' way to say "no limit"
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise Refused(where, repr(limit), "a number of tokens", "take the file from the model's own release")
    if positions is not None:
        limit = min(limit, positions)
    # Without this a tokenizer's "no limit" would be taken for a promise.
    if not 3 <= limit <= LONGEST:
        raise Refused("the longest text", f"{limit} tokens", f"3 to {LONGEST} tokens", "set max_seq_length in sentence_bert_config.json")
    return limit


def _dimension(model: dict) -> int:
    """hidden_size, which DistilBERT calls dim."""
    key = "dim" if "hidden_size" not in model and model.get("dim") is not None else "hidden_size"
    n = _integer(model, key, "config.json")
    if n > WIDEST:
        raise Refused(f"config.json {key}", str(n), f"at most {WIDEST}", "take the file from the model's own release")
    return n


def positions_of(model: dict) -> int | None:
    """How many tokens the position table has room for; None where the model has no table."""
    if "max_position_embeddings" not in model or model["max_position_embeddings"] in (None, -1):
        return None
    rows = _integer(model, "max_position_embeddings", "config.json")
    kind = model.get("model_type")
    if kind not in _OFFSET_POSITIONS:
        return rows
    pad = model.get("pad_token_id")
    if kind == "mpnet" or isinstance(pad, bool) or not isinstance(pad, int):
        pad = 1  # MPNet's is 1, whatever it says
    if pad < 0 or rows <= pad + 1:
        raise Refused("config.json max_position_embeddings", f"{rows} with pad_token_id {pad}", f"more than pad_token_id + 1: the positions of {kind} begin there", "take the file from the model's own release")
    return rows - pad - 1


def _integer(c: dict, key: str, name: str) -> int:
    v = c.get(key)
    if isinstance(v, bool) or not isinstance(v, int) or not 1 <= v <= 1 << 24:
        raise Refused(f"{name} {key}", repr(v)[:40], "a positive number", "take the file from the model's own release")
    return v
