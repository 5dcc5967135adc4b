"""Hugging Face tokenizers, which datatrove and Data-Juicer count tokens with, on the vocabulary of Qwen that ours counts with."""

from __future__ import annotations

import base64
from importlib.util import find_spec
from pathlib import Path

from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

from bench.peers.protocol import Slice, Spent, Step, cpu_seconds, main

PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
BATCH = 256


def qwen() -> Tokenizer:
    """Make a tokenizer of the ranks: each token but the bytes is the merge of the two it falls into under lower ranks."""
    package = find_spec("dashscope")
    assert package is not None  # noqa: S101  # a requirement of this peer
    assert package.submodule_search_locations is not None  # noqa: S101
    lines = (Path(package.submodule_search_locations[0]) / "resources" / "qwen.tiktoken").read_bytes().splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines)}
    written = _byte_letters()
    vocabulary = {"".join(map(written.__getitem__, token)): rank for token, rank in ranks.items()}
    merges = [
        ("".join(map(written.__getitem__, one)), "".join(map(written.__getitem__, other)))
        for token in sorted(ranks, key=ranks.__getitem__)
        if len(token) > 1
        for one, other in (_halves(token, ranks),)
    ]
    tokenizer = Tokenizer(BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = Sequence([Split(Regex(PATTERN), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)])
    return tokenizer


def _halves(token: bytes, ranks: dict[bytes, int]) -> tuple[bytes, bytes]:
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 2:
        at = min(range(len(parts) - 1), key=lambda place: ranks.get(parts[place] + parts[place + 1], 1 << 30))
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts[0], parts[1]


def _byte_letters() -> dict[int, str]:
    """Write each byte as the letter that the library writes it as: itself where it can be seen, else one from U+0100 up."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in seen]
    return {byte: chr(byte) for byte in seen} | {byte: chr(0x100 + place) for place, byte in enumerate(hidden)}


def tokens_exact(part: Slice) -> Spent:
    tokenizer = qwen()
    tokenizer.encode_batch_fast(part.texts[:3])
    tokens = 0

    def work() -> None:
        nonlocal tokens
        for first in range(0, len(part.texts), BATCH):
            tokens += sum(len(found.ids) for found in tokenizer.encode_batch_fast(part.texts[first : first + BATCH]))

    return Spent(cpu_seconds(work), {"tokens": tokens})


if __name__ == "__main__":
    main({"tokens_exact": Step(tokens_exact, 20)}, ("tokenizers",))
