"""rensa: R-MinHash of 112 permutations over token sets built in Python, its own index and deduplicator."""

from __future__ import annotations

from rensa import RMinHash, RMinHashDeduplicator

from bench.peers.protocol import Slice, Spent, Step, cpu_seconds, dedup_figures, main
from bench.peers.shingles import shingles

PERMUTATIONS, SEED = 112, 42
THRESHOLD = 0.7
BANDS = 14


def minhash_signatures(part: Slice) -> Spent:
    """With the building of the shingles, which it leaves to Python."""

    def work() -> None:
        RMinHash.digest_matrix_from_token_sets([shingles(text, part.language) for text in part.texts], PERMUTATIONS, SEED)

    return Spent(cpu_seconds(work), {})


def near_duplicates(part: Slice) -> Spent:
    removed: list[str] = []

    def work() -> None:
        deduplicator = RMinHashDeduplicator(THRESHOLD, PERMUTATIONS, True, BANDS, SEED)
        for name, text in zip(part.ids, part.texts, strict=True):
            signature = RMinHash(PERMUTATIONS, SEED)
            signature.update(shingles(text, part.language))
            if not deduplicator.add(name, signature):
                removed.append(name)

    return Spent(cpu_seconds(work), dedup_figures(part, removed))


if __name__ == "__main__":
    main({"minhash_signatures": Step(minhash_signatures, 20), "near_duplicates": Step(near_duplicates, 10.9)}, ("rensa",))
