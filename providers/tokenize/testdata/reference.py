"""Prints random texts and the ids that HF's tokenizers give them.

Usage: reference.py tokenizer.json TEXTS SEED LIMIT
One JSON object a line: {"text": base64 of the bytes, "ids": [...]}.
"""

import base64
import json
import random
import sys
import unicodedata

from tokenizers import Tokenizer

# Blocks that the normaliser treats differently, the common ones more often.
POOLS = [
    (0x20, 0x7E), (0x20, 0x7E), (0x61, 0x7A), (0x61, 0x7A), (0x41, 0x5A), (0, 0x1F), (0x7F, 0xFF), (0x100, 0x24F),
    (0x250, 0x2FF), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x530, 0x5FF), (0x600, 0x6FF), (0x700, 0x8FF),
    (0x900, 0x97F), (0x980, 0xDFF), (0xE00, 0xEFF), (0xF00, 0x109F), (0x10A0, 0x11FF), (0x1200, 0x17FF),
    (0x1800, 0x1AFF), (0x1B00, 0x1CFF), (0x1D00, 0x1DFF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x24FF),
    (0x2500, 0x2BFF), (0x2C00, 0x2E7F), (0x2E80, 0x303F), (0x3040, 0x30FF), (0x3100, 0x33FF), (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF), (0xA000, 0xABFF), (0xAC00, 0xD7A3), (0xD7B0, 0xD7FF), (0xE000, 0xF8FF), (0xF900, 0xFAFF),
    (0xFB00, 0xFDFF), (0xFE00, 0xFFFF), (0x10000, 0x10FFF), (0x11000, 0x11FFF), (0x12000, 0x16FFF),
    (0x17000, 0x1BFFF), (0x1C000, 0x1D1FF), (0x1D200, 0x1DFFF), (0x1E000, 0x1EFFF), (0x1F000, 0x1FAFF),
    (0x20000, 0x2FA1F), (0x30000, 0x323AF), (0xE0000, 0xE01EF), (0xF0000, 0x10FFFF),
]
SPECIAL = [
    "[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", " ", "  ", "\u00a0", "\u200d", "\ufe0f", "\u0301", "\ufffd", "\n", "\t",
    "İ", "ß", "Σ", "ς", "##", "don't", "[", "]", "<special>", "<special", "<spec", "special>", "<SPECIAL>", "al><",
]
LENGTHS = [1, 2, 3, 5, 8, 13, 20, 40, 80, 160]


def between(r, low, high):
    while True:
        c = r.randint(low, high)
        if not 0xD800 <= c <= 0xDFFF:
            return chr(c)


def anywhere(r, n):
    return [between(r, 0, 0x10FFFF if r.random() < 0.5 else 0xFFFF) for _ in range(n)]


def mixed(r, n):
    pools = [r.choice(POOLS) for _ in range(r.randint(1, 4))]
    for _ in range(n):
        x = r.random()
        if x < 0.12:
            yield r.choice(SPECIAL)
        elif x < 0.25:
            yield " "
        else:
            yield between(r, *r.choice(pools))


def pieces(r, n, vocab):
    for _ in range(n):
        w = r.choice(vocab)
        if w.startswith("##") and r.random() < 0.8:
            w = w[2:]
        elif r.random() < 0.5:
            yield " "
        if r.random() < 0.3:
            w = w.upper()
        if r.random() < 0.1:
            w = unicodedata.normalize(r.choice(["NFD", "NFC", "NFKD"]), w)
        yield w
        if r.random() < 0.1:
            yield between(r, *r.choice(POOLS))
        if r.random() < 0.05:
            yield r.choice(SPECIAL)


def long_words(r):
    pool, n = r.choice(POOLS), r.choice([50, 99, 100, 101, 102, 150])
    if r.random() < 0.5:
        yield "".join(between(r, *pool) for _ in range(n))
    else:
        yield r.choice("aég日\u0e01") * n
    yield r.choice([" ", "", "!"])
    yield "b" + "".join(between(r, 0x300, 0x36F) for _ in range(r.choice([5, 29, 30, 31, 35, 64])))


def text(r, vocab):
    mode, n = r.random(), r.choice(LENGTHS)
    if mode < 0.2:
        parts = anywhere(r, n)
    elif mode < 0.6:
        parts = mixed(r, n)
    elif mode < 0.85:
        parts = pieces(r, n, vocab)
    elif mode < 0.95:
        parts = long_words(r)
    else:
        parts = [r.choice(SPECIAL + ["a", "Word", "é", "日"]) for _ in range(n)]
    b = bytearray("".join(parts).encode())
    if r.random() < 0.1:  # no longer UTF-8
        for _ in range(r.randint(1, 5)):
            i = r.randint(0, len(b))
            b[i : i + r.randint(0, 2)] = bytes([r.randint(0x80, 0xFF)])
    return bytes(b)


def main():
    path, n, seed, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    t = Tokenizer.from_file(path)
    t.no_padding()
    t.enable_truncation(limit)
    r, vocab = random.Random(seed), sorted(t.get_vocab(with_added_tokens=False))
    for _ in range(n):
        b = text(r, vocab)
        ids = t.encode(b.decode("utf-8", "replace")).ids
        print(json.dumps({"text": base64.b64encode(b).decode(), "ids": ids}))


if __name__ == "__main__":
    main()
