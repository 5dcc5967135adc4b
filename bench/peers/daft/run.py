"""Daft: its MinHash expression on a table in memory. It cuts words at white space only, so Chinese has hardly any shingle."""

from __future__ import annotations

import os

os.environ["DO_NOT_TRACK"] = "true"

import daft
from daft.functions import minhash

from bench.peers.protocol import Slice, Spent, Step, cpu_seconds, main


def signatures(part: Slice) -> None:
    table = daft.from_pydict({"text": part.texts})
    table.select(minhash(daft.col("text"), num_hashes=112, ngram_size=5)).collect()


def minhash_signatures(part: Slice) -> Spent:
    signatures(Slice(part.language, part.ids[:3], part.texts[:3]))
    return Spent(cpu_seconds(lambda: signatures(part)), {})


if __name__ == "__main__":
    main({"minhash_signatures": Step(minhash_signatures, 100)}, ("daft",))
