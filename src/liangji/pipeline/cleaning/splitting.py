"""Cut long documents into pieces at paragraph and sentence ends."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left, bisect_right
from typing import Annotated, ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from liangji.core.operator import PARENT_ROW, STRICT, OperatorKind
from liangji.core.schema import ID, TEXT, Modality, string_column, with_column

_PARAGRAPH_END = re.compile(r"\n+")
# Chinese sentence ends with the quotes and brackets that close after them; Latin ones before white space; line ends.
_SENTENCE_END = re.compile(r"[。！？!?…；]+[”’」』）)\]】》\"']*|\.[”’\"')\]]*(?=\s)|\n+")
_SHORTEST_PIECE = 0.5  # a boundary is taken only in the second half of the room: short pieces are worth less than tidy ends


@dataclass(frozen=True, slots=True, config=STRICT)
class SplitText:
    """Cut a text that is longer than a limit into pieces, at paragraph ends where there are any, else at sentence ends.

    A piece ends at the last paragraph end in the second half of the room it has; else at the last sentence end there; else at
    white space; else at the limit. White space at the ends of a piece goes, and a piece of nothing else is left out. With an
    overlap, a piece starts that many characters before the end of the one before, or at the next sentence or word after that point.

    Input:  `column`: string; `id`: string, where the batch has it.
    Output: for each row its pieces in order, with `parent_row`: int64. A text within the limit, empty or null, stays one row and
            keeps `id` and `parents`. A piece has a new `id`, 32 hexadecimal digits of SHA-256 over the parent's id, its ordinal
            and its text, and `parents` with the parent's id alone. All other columns are copied.
    Raises: SchemaError where `column` is missing or is not a string.
    Source: sentence ends: GB/T 15834-2011 (。！？ and ；, with closing marks), and full stops before white space.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.EXPAND
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT

    column: Annotated[str, Field(description="text column to cut")] = TEXT
    maximum_characters: Annotated[int, Field(ge=16, le=10_000_000, description="longest piece, in characters, from 16 up")] = 4000
    overlap_characters: Annotated[
        int, Field(ge=0, description="characters repeated from the piece before, 0 to a quarter of the longest piece")
    ] = 0
    boundaries: Annotated[
        Literal["paragraph", "sentence"],
        Field(description="paragraph: prefer paragraph ends, then sentence ends; sentence: take whichever comes last"),
    ] = "paragraph"

    @model_validator(mode="after")
    def _overlap_leaves_room(self) -> SplitText:
        if self.overlap_characters > self.maximum_characters // 4:
            raise ValueError("overlap_characters must be at most a quarter of maximum_characters")
        return self

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        texts = string_column(batch, self.column)
        ids = batch.column(ID).to_pylist() if ID in batch.schema.names else None
        rows: list[int] = []
        pieces: list[str | None] = []
        piece_ids: list[str | None] = []
        is_piece: list[bool] = []
        for row, text in enumerate(texts.to_pylist()):
            cut = self._pieces(text) if text is not None and len(text) > self.maximum_characters else [text]
            is_cut = len(cut) > 1
            for ordinal, piece in enumerate(cut):
                rows.append(row)
                pieces.append(piece)
                is_piece.append(is_cut)
                if ids is not None:
                    piece_ids.append(_piece_id(ids[row] or "", ordinal, piece or "") if is_cut else ids[row])
        children = batch.take(pa.array(rows, pa.int64()))
        children = with_column(children, self.column, pa.array(pieces, texts.type))
        if ids is not None:
            children = _with_identity(children, piece_ids, np.array(is_piece, np.bool_))
        return with_column(children, PARENT_ROW, pa.array(rows, pa.int64()))

    def _pieces(self, text: str) -> list[str]:
        sentence_ends = [found.end() for found in _SENTENCE_END.finditer(text)]
        paragraph_ends = [found.end() for found in _PARAGRAPH_END.finditer(text)] if self.boundaries == "paragraph" else []
        pieces, start = [], 0
        while start < len(text):
            end = self._end(text, start, paragraph_ends, sentence_ends)
            piece = text[start:end].strip()
            if piece:
                pieces.append(piece)
            if end == len(text):
                break
            start = self._next_start(text, end, sentence_ends)
        return pieces or [text.strip()]

    def _end(self, text: str, start: int, paragraph_ends: list[int], sentence_ends: list[int]) -> int:
        limit = start + self.maximum_characters
        if limit >= len(text):
            return len(text)
        earliest = start + int(self.maximum_characters * _SHORTEST_PIECE)
        for ends in (paragraph_ends, sentence_ends):
            position = bisect_right(ends, limit) - 1
            if position >= 0 and ends[position] >= earliest:
                return ends[position]
        space = max(text.rfind(" ", earliest, limit), text.rfind("\t", earliest, limit))
        return space + 1 if space >= 0 else limit

    def _next_start(self, text: str, end: int, sentence_ends: list[int]) -> int:
        if not self.overlap_characters:
            return end
        start = end - self.overlap_characters
        position = bisect_left(sentence_ends, start)
        if position < len(sentence_ends) and sentence_ends[position] < end:
            return sentence_ends[position]
        space = text.find(" ", start, end - 1)
        return space + 1 if space >= 0 else start


def _piece_id(parent: str, ordinal: int, piece: str) -> str:
    digest = hashlib.sha256()
    for part in (parent, str(ordinal), piece):
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:32]


def _with_identity(children: pa.RecordBatch, ids: list[str | None], is_piece: NDArray[np.bool_]) -> pa.RecordBatch:
    """Give pieces their new id, and the old one as their only parent; other rows keep both."""
    old_ids = children.column(ID).to_pylist()
    kept_parents = children.column("parents").to_pylist() if "parents" in children.schema.names else [None] * len(ids)
    parents = [[old] if cut else kept for old, kept, cut in zip(old_ids, kept_parents, is_piece, strict=True)]
    children = with_column(children, ID, pa.array(ids, children.schema.field(ID).type))
    return with_column(children, "parents", pa.array(parents, pa.list_(pa.string())))
