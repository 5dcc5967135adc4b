"""datasketch: MinHash of 112 permutations and its index in memory; a document is dropped if it resembles an earlier one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from datasketch import MinHash, MinHashLSH

from bench.peers.protocol import Slice, Spent, Step, cpu_seconds, dedup_figures, main
from bench.peers.shingles import shingles

PERMUTATIONS = 112
BANDS, ROWS = 14, 8


def signatures(part: Slice) -> Iterator[Any]:
    yield from MinHash.generator(
        ([shingle.encode() for shingle in shingles(text, part.language)] for text in part.texts), num_perm=PERMUTATIONS
    )


def minhash_signatures(part: Slice) -> Spent:
    list(signatures(Slice(part.language, part.ids[:3], part.texts[:3])))

    def work() -> None:
        for _ in signatures(part):
            pass

    return Spent(cpu_seconds(work), {})


def near_duplicates(part: Slice) -> Spent:
    removed: list[str] = []

    def work() -> None:
        index = MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, ROWS))
        for name, signature in zip(part.ids, signatures(part), strict=True):
            if index.query(signature):
                removed.append(name)
            else:
                index.insert(name, signature)

    return Spent(cpu_seconds(work), dedup_figures(part, removed))


if __name__ == "__main__":
    main({"minhash_signatures": Step(minhash_signatures, 10.9), "near_duplicates": Step(near_duplicates, 10.9)}, ("datasketch",))
