"""Splits: which rows go to train, validation and test, decided by the id alone, so that anyone can check it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from liangji.core.errors import UsageError
from liangji.core.schema import ID

METHOD = (
    "position = first 8 bytes of SHA-256 over the id in UTF-8, as a big-endian integer, / 2^64; rows made from another record take "
    "the id of the first record they were made from, so that pieces of one document stay together; "
    "split = the first one whose cumulative share lies above the position"
)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True, slots=True)
class Splits:
    """Names and shares in order; shares add up to 1."""

    shares: Mapping[str, float]

    def __post_init__(self) -> None:
        faults = [f"'{name}' is no name for a split" for name in self.shares if not _NAME.fullmatch(name)]
        faults += [f"the share of '{name}' is not above 0" for name, share in self.shares.items() if not share > 0]
        if abs(sum(self.shares.values()) - 1) > 1e-9:
            faults.append(f"the shares add up to {sum(self.shares.values()):g}, not to 1")
        if faults:
            raise UsageError("; ".join(faults), "", "write splits as train=0.9,validation=0.05,test=0.05")

    @classmethod
    def parse(cls, words: str) -> Splits:
        """Read `train=0.9,validation=0.05,test=0.05`.

        >>> Splits.parse("train=0.9,test=0.1").shares
        {'train': 0.9, 'test': 0.1}

        Raises: UsageError for anything else.
        """
        shares: dict[str, float] = {}
        for part in words.split(","):
            name, _, share = (piece.strip() for piece in part.partition("="))
            try:
                number = float(share)
            except ValueError:
                number = 0.0
            if name in shares:
                raise UsageError(f"split '{name}' is named twice", "", "name each split once")
            shares[name] = number
        return cls(shares)

    def only(self, name: str, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Let through the rows of one split, in their order."""
        if len(self.shares) == 1:
            yield from batches
            return
        wanted = list(self.shares).index(name)
        for batch in batches:
            chosen = batch.filter(pa.array(self._numbers(batch) == wanted))
            if chosen.num_rows:
                yield chosen

    def _numbers(self, batch: pa.RecordBatch) -> NDArray[np.int64]:
        parents = batch.column("parents").to_pylist() if "parents" in batch.schema.names else [None] * batch.num_rows
        keys = (above[0] if above else own for own, above in zip(batch.column(ID).to_pylist(), parents, strict=True))
        positions = np.fromiter(map(_position, keys), np.float64, batch.num_rows)
        edges = np.cumsum(list(self.shares.values()))
        return np.minimum(np.searchsorted(edges, positions, side="right"), len(edges) - 1)


ONE = Splits({"train": 1.0})


def _position(key: str | None) -> float:
    return int.from_bytes(hashlib.sha256((key or "").encode()).digest()[:8], "big") / 2**64
