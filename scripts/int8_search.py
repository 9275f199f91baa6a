"""Chooses, by measurement, which form each weight of the encoder takes in int8.

Each weight's form is tried out on the calibration texts in torch, with the
arithmetic that ONNX Runtime will use imitated in float32: an answer that does
not depend on which integer instructions this machine has. Whatever is compared
is rounded to two digits first, so that neither threads nor machines decide.

It must not know about ONNX, nor about the golden texts: they are the exam.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from quantise import BLOCK, BLOCKS, FP32, INT8, Choice, blocks, columns, factors

# What the vectors of the calibration texts may lose. The class int8 allows 0.003
# on average and 0.01 at worst; texts that nobody calibrated on lose more. Half of
# the average, because the order of neighbours hangs on it: at 0.003 a top ten
# shares 0.945 with the float32 model's, at 0.0015 over 0.96.
MEAN_LOSS, WORST_LOSS = 0.0015, 0.0066

SMOOTHINGS = (0.0, 0.6, 0.7, 0.8, 0.9)

# Weights that are multiplied by the same value.
GROUPS = (("wq", "wk", "wv"), ("wo",), ("w1",), ("w2",))

_BATCH = 32


def choose(module, rows: list[list[int]]) -> tuple[list[Choice], dict[str, np.ndarray]]:
    """The choices for a bert_forward.WrittenOut and the peaks of each weight's input.

    rows are the token ids of the calibration texts. One thread does all: on a
    busy machine two take longer, and their sums depend on how many they are.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _Search(module, rows).run()
    finally:
        torch.set_num_threads(threads)


class _Search:
    def __init__(self, module, rows: list[list[int]]):
        self.module, self.layers = module, list(module.layers)
        ordered = sorted(rows, key=lambda r: (len(r), r))
        # Each form is tried on a third of the texts, of every length; what comes of it on all.
        self.some, self.rest = self._batches(ordered[::3]), self._batches(ordered[1::3] + ordered[2::3])
        self.peaks: dict[str, torch.Tensor] = {}

    @torch.no_grad()
    def _batches(self, rows: list[list[int]]) -> list[tuple]:
        """For each batch: which tokens are real, keep and drop, and the layers' inputs."""
        rows, out = sorted(rows, key=len), []
        for at in range(0, len(rows), _BATCH):
            these = rows[at : at + _BATCH]
            ids = torch.zeros((len(these), max(map(len, these))), dtype=torch.int64)
            mask = torch.zeros_like(ids)
            for n, row in enumerate(these):
                ids[n, : len(row)], mask[n, : len(row)] = torch.tensor(row), 1
            x, keep, drop = self.module.begin(ids, mask)
            out.append((mask.bool().unsqueeze(-1), keep, drop, [x]))
        return out

    def run(self):
        with torch.no_grad():
            try:
                self._measure_peaks()
                self.want = {len(b): self._vectors(len(self.layers), b) for b in (self.some, self.some + self.rest)}
                forms = self._smoothings()
                choices = self._settle(forms)
            finally:
                self._use({})
        order = [f"layers.{n}.{w}" for n in range(len(self.layers)) for g in GROUPS for w in g]
        peaks = {w: self.peaks[w].numpy() for w in order}
        return [choices[w] for w in order], peaks

    def _use(self, tried: dict) -> None:
        """Makes the layers multiply by tried[layer, weight] where there is one."""
        for n, layer in enumerate(self.layers):
            layer.__dict__.pop("times", None)
            own = {w: f for (at, w), f in tried.items() if at == n}
            if own:
                exact = layer.times
                layer.times = lambda x, name, own=own, exact=exact: own[name](x) if name in own else exact(x, name)

    def _vectors(self, start: int, batches: list[tuple]) -> torch.Tensor:
        """Unit vectors of the texts, from the kept input of a layer on."""
        out = []
        for self.real, keep, drop, inputs in batches:
            x = inputs[start]
            for layer in self.layers[start:]:
                x = layer(x, drop.unsqueeze(1))
            out.append(F.normalize(self.module.end(x, keep, drop).double(), dim=-1))
        return torch.cat(out)

    def _losses(self, start: int, tried: dict, batches: list[tuple]) -> tuple[float, float]:
        """Mean and largest 1 - cosine, rounded."""
        self._use(tried)
        loss = 1 - (self._vectors(start, batches) * self.want[len(batches)]).sum(-1)
        return _coarse(loss.mean()), _coarse(loss.max())

    def _measure_peaks(self) -> None:
        for n, layer in enumerate(self.layers):

            def look(w):
                def times(x):
                    name = f"layers.{n}.{w}"
                    high = torch.where(self.real, x.abs(), 0).amax(dim=(0, 1))
                    self.peaks[name] = torch.maximum(self.peaks.get(name, high), high)
                    return x @ getattr(layer, w)

                return times

            self._use({(n, w): look(w) for g in GROUPS for w in g})
            for self.real, _, drop, inputs in self.some + self.rest:
                inputs.append(layer(inputs[n], drop.unsqueeze(1)))
        self._use({})

    def _product(self, n: int, w: str, choice: Choice):
        """x → x·w as the choice computes it."""
        layer, name = self.layers[n], f"layers.{n}.{w}"
        weight = getattr(layer, w).detach()
        if choice.form == BLOCKS:
            integers, scales = blocks(weight.numpy())
            fake = torch.from_numpy((integers * scales[:, :, None]).reshape(weight.shape[1], -1)).t()
            return lambda x: _by_blocks(x) @ fake
        group = next(g for g in GROUPS if w in g)
        by = torch.ones(weight.shape[0])
        if choice.smoothing:
            by = torch.from_numpy(factors(self.peaks[name].numpy(), [getattr(layer, o).detach().numpy() for o in group], choice.smoothing))
        integers, scales = columns((weight * by[:, None]).numpy())
        fake = torch.from_numpy(integers * scales)
        return lambda x: _whole(x / by, self.real) @ fake

    def _tried(self, choices: dict[str, Choice]) -> dict:
        return {(int(c.weight.split(".")[1]), c.weight.split(".")[2]): self._product(int(c.weight.split(".")[1]), c.weight.split(".")[2], c) for c in choices.values() if c.form != FP32}

    def _smoothings(self) -> dict[tuple[int, tuple], float]:
        """The smoothing of each group with which its own products are off least."""
        best = {}
        for n, layer in enumerate(self.layers):
            off = {(g, a): 0.0 for g in GROUPS for a in SMOOTHINGS}
            quantised = {(w, a): self._product(n, w, Choice(f"layers.{n}.{w}", INT8, a)) for g in GROUPS for w in g for a in SMOOTHINGS}

            def compare(w):
                group = next(g for g in GROUPS if w in g)

                def times(x):
                    right = x @ getattr(layer, w)
                    size = torch.where(self.real, right, 0).square().sum(dim=(1, 2)).clamp(min=1e-30)
                    for a in SMOOTHINGS:
                        wrong = torch.where(self.real, quantised[w, a](x) - right, 0).square().sum(dim=(1, 2))
                        off[group, a] += float((wrong / size).double().sum())
                    return right

                return times

            self._use({(n, w): compare(w) for g in GROUPS for w in g})
            for self.real, _, drop, inputs in self.some:
                layer(inputs[n], drop.unsqueeze(1))
            for g in GROUPS:
                # Of equals the weakest: 0 saves a node.
                best[n, g] = min(SMOOTHINGS, key=lambda a: (_coarse(off[g, a]), a))
        self._use({})
        return best

    def _settle(self, smoothings) -> dict[str, Choice]:
        """Everything int8, then the most harmful group a step better, until the losses are small."""
        chosen, steps = {}, []
        for (n, g), a in smoothings.items():
            fast = {f"layers.{n}.{w}": Choice(f"layers.{n}.{w}", INT8, a) for w in g}
            chosen |= fast
            fits = getattr(self.layers[n], g[0]).shape[0] % BLOCK == 0
            finer = {w: Choice(w, BLOCKS if fits else FP32) for w in fast}
            harm, _ = self._losses(n, self._tried(fast), self.some)
            cost = sum(getattr(self.layers[n], w).numel() for w in g)
            steps.append((-harm / cost, n, g, finer))
        steps.sort(key=lambda s: s[:3])
        exact = [(None, None, None, {w: Choice(w, FP32) for w in s[3]}) for s in steps]
        for _, _, _, finer in steps + exact:
            mean, worst = self._losses(0, self._tried(chosen), self.some + self.rest)
            if mean <= MEAN_LOSS and worst <= WORST_LOSS:
                break
            chosen |= finer
        return chosen


def _coarse(v) -> float:
    return float(f"{float(v):.1e}")


def _whole(x: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """x as DynamicQuantizeLinear makes it of each text alone: uint8, one scale for all of it."""
    x = torch.where(real, x, 0)
    low, high = x.amin(dim=(1, 2), keepdim=True).clamp(max=0), x.amax(dim=(1, 2), keepdim=True).clamp(min=0)
    scale = (high - low) / 255
    scale = torch.where(scale == 0, 1.0, scale)
    zero = torch.round(-low / scale)
    return (torch.clamp(torch.round(x / scale) + zero, 0, 255) - zero) * scale


def _by_blocks(x: torch.Tensor) -> torch.Tensor:
    """x as MatMulNBits makes it: int8, a scale for each BLOCK of a row."""
    cut = x.reshape(*x.shape[:-1], -1, BLOCK)
    scale = cut.abs().amax(dim=-1, keepdim=True) / 127
    scale = torch.where(scale == 0, 1.0, scale)
    return (torch.round(cut / scale) * scale).reshape(x.shape)
